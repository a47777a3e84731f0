import { NewApiKey, User } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { checkPassword, isRefusedPassword, newToken, tokenHash } from '../credentials.js';
import { CloveError } from '@clove/contracts';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { LoginThrottle, tooManyTries } from '../login-throttle.js';
import { SESSION_COOKIE, userOf } from '../plugins/authentication.js';
import { ApiKeys, bodies, guarded, json, noContent, params, problems } from '../schemas.js';

/** Signing in and out, and API keys. */
export const sessionRoutes =
  ({ env, registry, ...rest }: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const gateway: Gateway = { env, registry, ...rest };
    const throttle = new LoginThrottle();
    const cookie = { httpOnly: true, sameSite: 'strict', secure: env.COOKIE_SECURE, path: '/' } as const;

    app.post(
      '/login',
      {
        config: { public: true },
        schema: {
          operationId: 'login',
          summary: 'Sign in: sets a session cookie',
          description: 'Ten tries a minute per address and user name. Programs use an API key instead.',
          tags: ['session'],
          security: [],
          body: bodies.Login,
          response: {
            200: json('Signed in', User),
            ...problems('unauthenticated', 'forbidden', 'invalid-input', 'too-many-requests'),
          },
        },
      },
      async (request, reply) => {
        const { username, password } = request.body;
        const waitSeconds = throttle.note(request.ip, username);
        if (waitSeconds > 0) {
          reply.header('retry-after', String(waitSeconds));
          throw tooManyTries(waitSeconds);
        }
        const found = await registry.users.find(username);
        const fits = await checkPassword(found?.passwordHash, password);
        if (!fits || found === null || isRefusedPassword(env, password)) {
          throw new CloveError('unauthenticated', 'the user name or the password is wrong');
        }
        throttle.clear(request.ip, username);
        const token = newToken();
        const seconds = Math.round(env.SESSION_HOURS * 3600);
        await registry.sessions.create(found.id, tokenHash(token), new Date(Date.now() + seconds * 1000));
        reply.setCookie(SESSION_COOKIE, token, { ...cookie, maxAge: seconds });
        return registry.users.get(found.id);
      },
    );

    app.post(
      '/logout',
      {
        schema: {
          operationId: 'logout',
          summary: 'Sign out: ends the session',
          tags: ['session'],
          response: { 204: noContent, ...guarded() },
        },
      },
      async (request, reply) => {
        const token = request.cookies[SESSION_COOKIE];
        if (token !== undefined) await registry.sessions.remove(tokenHash(token));
        return reply.clearCookie(SESSION_COOKIE, cookie).code(204).send(null);
      },
    );

    app.get(
      '/me',
      {
        schema: {
          operationId: 'getMe',
          summary: 'Who is signed in',
          tags: ['session'],
          response: { 200: json('The user of this credential', User), ...guarded() },
        },
      },
      async (request) => userOf(request),
    );

    app.post(
      '/api-keys',
      {
        schema: {
          operationId: 'createApiKey',
          summary: 'Make an API key; its secret is shown this once',
          tags: ['api keys'],
          body: bodies.CreateApiKey,
          response: { 201: json('The key with its secret', NewApiKey), ...guarded('invalid-input', 'conflict') },
        },
      },
      async (request, reply) =>
        once(
          gateway,
          request,
          reply,
          hashOf(request.body),
          async () => {
            const secret = `clv_${newToken()}`;
            const key = await registry.apiKeys.create(userOf(request).id, {
              name: request.body.name,
              prefix: secret.slice(0, 12),
              hash: tokenHash(secret),
            });
            return { status: 201, body: { ...key, secret } };
          },
          // the secret is kept nowhere, here neither: a repetition is told so
          () => ({ location: null }),
        ),
    );

    app.get(
      '/api-keys',
      {
        schema: {
          operationId: 'listApiKeys',
          summary: 'List your API keys, without their secrets',
          tags: ['api keys'],
          response: { 200: json('All keys, newest first, revoked ones too', ApiKeys), ...guarded() },
        },
      },
      async (request) => ({ items: await registry.apiKeys.list(userOf(request).id) }),
    );

    app.delete(
      '/api-keys/:id',
      {
        schema: {
          operationId: 'revokeApiKey',
          summary: 'Revoke an API key',
          tags: ['api keys'],
          params: params.apiKey,
          response: { 204: noContent, ...guarded('not-found') },
        },
      },
      async (request, reply) => {
        await registry.apiKeys.revoke(userOf(request).id, request.params.id);
        return reply.code(204).send(null);
      },
    );
  };
