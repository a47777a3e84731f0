import { Accepted, Run } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { accepted, enqueue } from '../queueing.js';
import { Runs, bodies, guarded, json, pages, params, queries } from '../schemas.js';

/** Runs: trainings, each of which makes a model version. */
export const runRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const tags = ['runs'];

    app.post(
      '/runs',
      {
        config: { queues: true },
        schema: {
          operationId: 'startRun',
          summary: 'Train a model on a dataset',
          tags,
          body: bodies.StartRun,
          response: {
            202: json('Accepted; a job trains', Accepted),
            ...guarded('invalid-input', 'not-found', 'conflict'),
          },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(request.body), async () => {
          const { datasetId, modelName, ...options } = request.body;
          const { run, job, attempt } = await request.registry.runs.create({
            datasetId,
            modelName,
            options,
            requestId: request.id,
          });
          const payload = { jobId: job.id, requestId: request.id, runId: run.id };
          await enqueue(gateway, request, { kind: 'train', payload, attempt });
          return accepted(job, run.id);
        }),
    );

    app.get(
      '/runs',
      {
        schema: {
          operationId: 'listRuns',
          summary: 'List runs, newest first',
          tags,
          querystring: queries.runs,
          response: { 200: json('One page', pages.RunPage), ...guarded('invalid-input') },
        },
      },
      async (request) => request.registry.runs.list(request.query),
    );

    app.get(
      '/runs/compare',
      {
        schema: {
          operationId: 'compareRuns',
          summary: 'Get up to 20 runs with their epochs and evaluations, in the order asked for',
          tags,
          querystring: queries.compare,
          response: { 200: json('The runs', Runs), ...guarded('invalid-input', 'not-found') },
        },
      },
      async (request) => ({ items: await request.registry.runs.getAll(request.query.ids) }),
    );

    app.get(
      '/runs/:id',
      {
        schema: {
          operationId: 'getRun',
          summary: 'Get a run with its epochs and its evaluation',
          tags,
          params: params.run,
          response: { 200: json('The run', Run), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.runs.get(request.params.id),
    );

    app.post(
      '/runs/:id/cancel',
      {
        schema: {
          operationId: 'cancelRun',
          summary: 'Cancel a run',
          tags,
          params: params.run,
          response: {
            202: json('Asked for; a running job ends within seconds', Accepted),
            ...guarded('not-found', 'illegal-transition'),
          },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(null), async () => {
          const run = await request.registry.runs.get(request.params.id);
          return accepted(await request.registry.jobs.requestCancel(run.jobId), run.id);
        }),
    );
  };
