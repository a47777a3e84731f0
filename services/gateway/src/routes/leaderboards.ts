import { Accepted, Leaderboard } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { accepted, enqueue } from '../queueing.js';
import { bodies, guarded, json, pages, params, queries } from '../schemas.js';

/** Leaderboards: every model and baseline on the same test rows, and a winner chosen before they are read. */
export const leaderboardRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const tags = ['leaderboards'];

    app.post(
      '/leaderboards',
      {
        config: { queues: true },
        schema: {
          operationId: 'startLeaderboard',
          summary: 'Train and rank every model on a dataset',
          description:
            'The winner is chosen by a stated rule on data before the test rows, which are read once. With `modelName` it ' +
            'becomes a version of that model.',
          tags,
          body: bodies.StartLeaderboard,
          response: {
            202: json('Accepted; a job trains and ranks', Accepted),
            ...guarded('invalid-input', 'not-found', 'conflict'),
          },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(request.body), async () => {
          const { datasetId, modelName, ...options } = request.body;
          const { leaderboard, job, attempt } = await request.registry.leaderboards.create({
            datasetId,
            modelName,
            options,
            requestId: request.id,
          });
          const payload = { jobId: job.id, requestId: request.id, leaderboardId: leaderboard.id };
          await enqueue(gateway, request, { kind: 'leaderboard', payload, attempt });
          return accepted(job, leaderboard.id);
        }),
    );

    app.get(
      '/leaderboards',
      {
        schema: {
          operationId: 'listLeaderboards',
          summary: 'List leaderboards and their winners, newest first',
          tags,
          querystring: queries.leaderboards,
          response: { 200: json('One page', pages.LeaderboardPage), ...guarded('invalid-input') },
        },
      },
      async (request) => request.registry.leaderboards.list(request.query),
    );

    app.get(
      '/leaderboards/:id',
      {
        schema: {
          operationId: 'getLeaderboard',
          summary: 'Get a leaderboard with its report',
          tags,
          params: params.leaderboard,
          response: { 200: json('The leaderboard', Leaderboard), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.leaderboards.get(request.params.id),
    );
  };
