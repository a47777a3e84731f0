import { Accepted, Erasure } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Gateway } from '../gateway.js';
import { keyedHashOf, once } from '../idempotency.js';
import { accepted, enqueue } from '../queueing.js';
import { bodies, guarded, json, pages, params, queries } from '../schemas.js';

/** Erasures of customers, for administrators. */
export const erasureRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const tags = ['erasures'];
    const config = { role: 'admin' } as const;

    app.post(
      '/erasures',
      {
        config: { ...config, queues: true },
        schema: {
          operationId: 'startErasure',
          summary: 'Take customers out of all datasets and predictions',
          description:
            'A job writes every dataset and prediction that holds one of them anew, removes files as they were uploaded that name ' +
            'one, and takes their ids out of messages. It waits for jobs that began before it was through, and goes over what they ' +
            'made. Models stay: they hold no rows. Who is not found is no error: the result tells. The ids are ' +
            'kept until the job has ended, then only how many they were.',
          tags,
          body: bodies.StartErasure,
          response: { 202: json('Accepted; a job erases', Accepted), ...guarded('invalid-input', 'conflict') },
        },
      },
      async (request, reply) =>
        once(request, reply, keyedHashOf(request, request.body), async () => {
          const { customers } = request.body;
          const { erasure, job, attempt } = await request.registry.erasures.create({
            customers,
            requestId: request.id,
          });
          const payload = { jobId: job.id, requestId: request.id, erasureId: erasure.id };
          await enqueue(gateway, request, { kind: 'erasure', payload, attempt });
          return accepted(job, erasure.id);
        }),
    );

    app.get(
      '/erasures',
      {
        config,
        schema: {
          operationId: 'listErasures',
          summary: 'List erasures, newest first',
          tags,
          querystring: queries.page,
          response: { 200: json('One page', pages.ErasurePage), ...guarded('invalid-input') },
        },
      },
      async (request) => request.registry.erasures.list(request.query),
    );

    app.get(
      '/erasures/:id',
      {
        config,
        schema: {
          operationId: 'getErasure',
          summary: 'Get an erasure with what it has done so far',
          tags,
          params: params.erasure,
          response: { 200: json('The erasure', Erasure), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.erasures.get(request.params.id),
    );
  };
