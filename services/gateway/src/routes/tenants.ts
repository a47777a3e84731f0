import { Tenant } from '@clove/contracts';
import type { Tenants } from '@clove/store';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { hashPassword } from '../credentials.js';
import { hashOf, once } from '../idempotency.js';
import { bodies, guarded, json, pages, queries } from '../schemas.js';

/** The tenants of the installation, for its operator. What is in another one is not the operator's to see either. */
export const tenantRoutes =
  (tenants: Tenants): FastifyPluginAsyncZod =>
  async (app) => {
    const tags = ['tenants'];
    const config = { role: 'admin', operator: true } as const;

    app.get(
      '/tenants',
      {
        config,
        schema: {
          operationId: 'listTenants',
          summary: 'List tenants, newest first',
          tags,
          querystring: queries.page,
          response: { 200: json('One page', pages.TenantPage), ...guarded('invalid-input') },
        },
      },
      async (request) => tenants.list(request.query),
    );

    app.post(
      '/tenants',
      {
        config,
        schema: {
          operationId: 'createTenant',
          summary: 'Make a tenant with its first administrator',
          description: 'The administrator makes its other users. Names of users are unique over all tenants.',
          tags,
          body: bodies.CreateTenant,
          response: { 201: json('The tenant', Tenant), ...guarded('invalid-input', 'conflict') },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(request.body), async () => {
          const { name, admin } = request.body;
          const passwordHash = await hashPassword(admin.password);
          const body = await tenants.create({ name, admin: { username: admin.username, passwordHash } });
          return { status: 201, body };
        }),
    );
  };
