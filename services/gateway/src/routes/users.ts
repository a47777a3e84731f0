import { CloveError, User } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { hashPassword, refuseFixedPassword } from '../credentials.js';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { userOf } from '../plugins/authentication.js';
import { bodies, guarded, json, noContent, pages, params, queries } from '../schemas.js';

/** Users, for administrators. */
export const userRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const { env } = gateway;
    const tags = ['users'];
    const config = { role: 'admin' } as const;

    app.get(
      '/users',
      {
        config,
        schema: {
          operationId: 'listUsers',
          summary: 'List users, newest first',
          tags,
          querystring: queries.page,
          response: { 200: json('One page', pages.UserPage), ...guarded('invalid-input') },
        },
      },
      async (request) => request.registry.users.list(request.query),
    );

    app.post(
      '/users',
      {
        config,
        schema: {
          operationId: 'createUser',
          summary: 'Make a user',
          tags,
          body: bodies.CreateUser,
          response: { 201: json('The user', User), ...guarded('invalid-input', 'conflict') },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(request.body), async () => {
          const { password, ...user } = request.body;
          const made = await request.registry.users.create({ ...user, passwordHash: await hashPassword(password) });
          return { status: 201, body: made, location: `/v1/users/${made.id}` };
        }),
    );

    app.get(
      '/users/:id',
      {
        config,
        schema: {
          operationId: 'getUser',
          summary: 'Get a user',
          tags,
          params: params.user,
          response: { 200: json('The user', User), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.users.get(request.params.id),
    );

    app.patch(
      '/users/:id',
      {
        config,
        schema: {
          operationId: 'updateUser',
          summary: 'Change the role or the password of a user, disable or enable',
          description:
            'A new password, and disabling, end every session of the user; a disabled user loses the API keys too.',
          tags,
          params: params.user,
          body: bodies.UpdateUser,
          response: { 200: json('The user', User), ...guarded('invalid-input', 'not-found', 'conflict') },
        },
      },
      async (request) => {
        const { password, ...change } = request.body;
        const user = await request.registry.users.get(request.params.id);
        if (user.id === userOf(request).id && (change.disabled === true || change.role !== undefined)) {
          throw new CloveError('conflict', 'nobody can disable or demote themselves: ask another administrator');
        }
        if (password !== undefined) refuseFixedPassword(env, user.username);
        return request.registry.users.update(user.id, {
          ...change,
          ...(password === undefined ? {} : { passwordHash: await hashPassword(password) }),
        });
      },
    );

    app.delete(
      '/users/:id/sessions',
      {
        config,
        schema: {
          operationId: 'endUserSessions',
          summary: 'Sign a user out everywhere',
          tags,
          params: params.user,
          response: { 204: noContent, ...guarded('not-found') },
        },
      },
      async (request, reply) => {
        const { id } = await request.registry.users.get(request.params.id);
        await request.registry.sessions.removeAll(id);
        return reply.code(204).send(null);
      },
    );
  };
