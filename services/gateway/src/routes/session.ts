import { CloveError, Me, NewApiKey } from '@clove/contracts';
import type { Registry } from '@clove/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import {
  checkPassword,
  hashPassword,
  isRefusedPassword,
  newToken,
  refuseFixedPassword,
  tokenHash,
} from '../credentials.js';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';

import { SESSION_COOKIE, userOf } from '../plugins/authentication.js';
import { Throttle, refuseTooMany } from '../throttle.js';
import { ANYWHERE, ApiKeys, bodies, guarded, json, noContent, params, problems } from '../schemas.js';

/** Tries to sign in, in a minute: from one address to one user, and from one address to anybody. */
const TRIES = 10;
const TRIES_OF_ADDRESS = 100;

/** Routes of one's own account: every role has one. */
const own = { role: 'viewer' } as const;

/** When a new key runs out: in the future, and where a key makes it, not after that one. */
function endOf(me: Me, wanted: string | undefined): string | undefined {
  const refuse = (why: string) => new CloveError('invalid-input', why, { pointer: '/expiresAt' });
  if (wanted !== undefined && Date.parse(wanted) <= Date.now()) throw refuse('must lie in the future');
  if (me.via === 'session' || me.expiresAt === null) return wanted;
  if (wanted !== undefined && Date.parse(wanted) > Date.parse(me.expiresAt)) {
    throw refuse(`a key that a key makes must not outlive it: ${me.expiresAt} at the latest`);
  }
  return wanted ?? me.expiresAt;
}

/**
 * Signing in and out, one's own password, and API keys.
 * @param everybody users and sessions of all tenants: who signs in says no tenant
 */
export const sessionRoutes =
  ({ env }: Gateway, everybody: Pick<Registry, 'users' | 'sessions'>): FastifyPluginAsyncZod =>
  async (app) => {
    const tries = new Throttle(TRIES);
    // whoever tries many names from one address keeps the processors busy with passwords
    const triesOfAddress = new Throttle(TRIES_OF_ADDRESS);
    const count = (request: FastifyRequest, reply: Pick<FastifyReply, 'header'>, username: string): string => {
      const key = `${request.ip} ${username}`;
      const waitSeconds = Math.max(tries.note(key), triesOfAddress.note(request.ip));
      refuseTooMany(reply, waitSeconds, 'too many tries to sign in');
      return key;
    };
    const cookie = { httpOnly: true, sameSite: 'strict', secure: env.COOKIE_SECURE, path: '/' } as const;

    /** Makes a session, by a token that was never used before; the reply sets its cookie. @returns when it ends */
    const beginSession = async (userId: string, reply: Pick<FastifyReply, 'setCookie'>): Promise<Date> => {
      const token = newToken();
      const seconds = Math.round(env.SESSION_HOURS * 3600);
      const expires = new Date(Date.now() + seconds * 1000);
      await everybody.sessions.create(userId, tokenHash(token), expires);
      reply.setCookie(SESSION_COOKIE, token, { ...cookie, maxAge: seconds });
      return expires;
    };

    app.post(
      '/login',
      {
        config: { public: true },
        schema: {
          operationId: 'login',
          summary: 'Sign in: sets a session cookie',
          description: `${TRIES} tries a minute per address and user name. Programs use an API key instead.`,
          tags: ['session'],
          security: [],
          body: bodies.Login,
          response: {
            200: json('Signed in', Me),
            ...problems('unauthenticated', 'forbidden', 'invalid-input', ...ANYWHERE),
          },
        },
      },
      async (request, reply) => {
        const { username, password } = request.body;
        const key = count(request, reply, username);
        const found = await everybody.users.find(username);
        const fits = await checkPassword(found?.passwordHash, password);
        if (!fits || found === null || found.disabledAt !== null || isRefusedPassword(env, password)) {
          throw new CloveError('unauthenticated', 'the user name or the password is wrong');
        }
        tries.clear(key);
        const former = request.cookies[SESSION_COOKIE];
        if (former !== undefined) await everybody.sessions.remove(tokenHash(former));
        const expires = await beginSession(found.id, reply);
        const { passwordHash: _passwordHash, ...user } = found;
        request.user = { ...user, via: 'session', scope: 'write', expiresAt: expires.toISOString() };
        return request.user;
      },
    );

    app.post(
      '/logout',
      {
        config: own,
        schema: {
          operationId: 'logout',
          summary: 'Sign out: ends the session',
          tags: ['session'],
          response: { 204: noContent, ...guarded() },
        },
      },
      async (request, reply) => {
        const token = request.cookies[SESSION_COOKIE];
        if (token !== undefined) await request.registry.sessions.remove(tokenHash(token));
        return reply.clearCookie(SESSION_COOKIE, cookie).code(204).send(null);
      },
    );

    app.get(
      '/me',
      {
        schema: {
          operationId: 'getMe',
          summary: 'Who is signed in, in which role, and until when',
          tags: ['session'],
          response: { 200: json('The user of this credential', Me), ...guarded() },
        },
      },
      async (request) => userOf(request),
    );

    app.put(
      '/me/password',
      {
        config: own,
        schema: {
          operationId: 'changePassword',
          summary: 'Change your password; ends your other sessions',
          tags: ['session'],
          body: bodies.ChangePassword,
          response: {
            204: noContent,
            ...guarded('invalid-input', 'conflict', 'too-many-requests'),
          },
        },
      },
      async (request, reply) => {
        const { id, username } = userOf(request);
        const key = count(request, reply, username);
        refuseFixedPassword(env, username);
        const found = await request.registry.users.find(username);
        if (!(await checkPassword(found?.passwordHash, request.body.current))) {
          throw new CloveError('invalid-input', 'this is not your present password', { pointer: '/current' });
        }
        tries.clear(key);
        await request.registry.users.update(id, { passwordHash: await hashPassword(request.body.password) });
        // the session goes on under another token: whoever knew the one before is out
        if (request.sessionHash !== null) await beginSession(id, reply);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      '/me/sessions',
      {
        config: own,
        schema: {
          operationId: 'signOutEverywhere',
          summary: 'End all your sessions, this one too',
          tags: ['session'],
          response: { 204: noContent, ...guarded() },
        },
      },
      async (request, reply) => {
        await request.registry.sessions.removeAll(userOf(request).id);
        return reply.clearCookie(SESSION_COOKIE, cookie).code(204).send(null);
      },
    );

    app.post(
      '/api-keys',
      {
        config: own,
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
          request,
          reply,
          hashOf(request.body),
          async () => {
            const secret = `clv_${newToken()}`;
            const key = await request.registry.apiKeys.create(userOf(request).id, {
              ...request.body,
              expiresAt: endOf(userOf(request), request.body.expiresAt),
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
      async (request) => ({ items: await request.registry.apiKeys.list(userOf(request).id) }),
    );

    app.delete(
      '/api-keys/:id',
      {
        config: own,
        schema: {
          operationId: 'revokeApiKey',
          summary: 'Revoke an API key',
          tags: ['api keys'],
          params: params.apiKey,
          response: { 204: noContent, ...guarded('not-found') },
        },
      },
      async (request, reply) => {
        await request.registry.apiKeys.revoke(userOf(request).id, request.params.id);
        return reply.code(204).send(null);
      },
    );
  };
