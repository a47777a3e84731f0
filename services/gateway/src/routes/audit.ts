import { AuditQuery, type AuditResource } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { userOf } from '../plugins/authentication.js';
import { guarded, json, pages } from '../schemas.js';

/** What only administrators see of the list. */
const HIDDEN: readonly AuditResource[] = ['tenant', 'user', 'api-key', 'session'];

/** The history of who did what. */
export const auditRoutes: FastifyPluginAsyncZod = async (app) => {
  app.get(
    '/audit',
    {
      schema: {
        operationId: 'listAudit',
        summary: 'List who changed what, newest first',
        description:
          'Every change that was made through the API, by user and resource. Changes of users, sessions and keys are ' +
          'shown to administrators only.',
        tags: ['audit'],
        querystring: AuditQuery.strict(),
        response: { 200: json('One page', pages.AuditPage), ...guarded('invalid-input') },
      },
    },
    async (request) => request.registry.audit.list(request.query, userOf(request).role === 'admin' ? [] : HIDDEN),
  );
};
