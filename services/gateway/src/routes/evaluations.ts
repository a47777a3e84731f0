import { Accepted, Evaluation } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { accepted, enqueue } from '../queueing.js';
import { bodies, guarded, json, pages, params, queries } from '../schemas.js';

/** Evaluations: a model version on a dataset that holds actual spend. */
export const evaluationRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const tags = ['evaluations'];

    app.post(
      '/evaluations',
      {
        config: { queues: true },
        schema: {
          operationId: 'startEvaluation',
          summary: 'Evaluate a model version on a dataset',
          tags,
          body: bodies.StartEvaluation,
          response: {
            202: json('Accepted; a job evaluates', Accepted),
            ...guarded('invalid-input', 'not-found', 'conflict'),
          },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(request.body), async () => {
          const { datasetId, model, testOrigin } = request.body;
          const version = await request.registry.models.resolve(model);
          const { evaluation, job, attempt } = await request.registry.evaluations.create({
            datasetId,
            versionId: version.id,
            testOrigin,
            requestId: request.id,
          });
          const payload = { jobId: job.id, requestId: request.id, evaluationId: evaluation.id };
          await enqueue(gateway, request, { kind: 'evaluate', payload, attempt });
          return accepted(job, evaluation.id);
        }),
    );

    app.get(
      '/evaluations',
      {
        schema: {
          operationId: 'listEvaluations',
          summary: 'List evaluations, newest first; those of runs too',
          tags,
          querystring: queries.evaluations,
          response: { 200: json('One page', pages.EvaluationPage), ...guarded('invalid-input') },
        },
      },
      async (request) => request.registry.evaluations.list(request.query),
    );

    app.get(
      '/evaluations/:id',
      {
        schema: {
          operationId: 'getEvaluation',
          summary: 'Get an evaluation with its report',
          tags,
          params: params.evaluation,
          response: { 200: json('The evaluation', Evaluation), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.evaluations.get(request.params.id),
    );
  };
