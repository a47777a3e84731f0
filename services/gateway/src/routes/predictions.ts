import {
  Accepted,
  CloveError,
  Prediction,
  PredictionReport,
  RowPage,
  ScoreResponse,
  Scored,
  type StartPrediction,
} from '@clove/contracts';
import { type QueuedJob, newId } from '@clove/store';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { fileOf } from '../found.js';
import type { Gateway } from '../gateway.js';
import { type Answer, hashOf, once } from '../idempotency.js';
import { parseInput } from '../plugins/problems.js';
import { ask } from '../questions.js';
import { accepted, enqueue } from '../queueing.js';
import { PredictionFields, bodies, file, guarded, json, pages, params, queries } from '../schemas.js';
import { TRANSFER_TIMEOUT_MS, discardUpload, meaningOf, receiveUpload } from '../uploads.js';

const parse = (fields: Record<string, unknown>) => parseInput(PredictionFields, fields, 'the form');

/** Predictions: scoring a whole dataset by a job, or a few rows at once. */
export const predictionRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const { artifacts } = gateway;
    const tags = ['predictions'];

    /** Starts the scoring of a dataset; `after` is the ingest that must end first. */
    const start = async (
      request: FastifyRequest,
      { datasetId, model, asOf, includeInputs }: StartPrediction,
      after?: QueuedJob,
    ): Promise<Answer<Accepted>> => {
      const version = await request.registry.models.resolve(model);
      const { prediction, job, attempt } = await request.registry.predictions.create({
        datasetId,
        versionId: version.id,
        asOf,
        includeInputs,
        requestId: request.id,
      });
      const payload = { jobId: job.id, requestId: request.id, predictionId: prediction.id };
      await enqueue(gateway, request, { kind: 'predict', payload, attempt }, after);
      return accepted(job, prediction.id);
    };

    const finished = async (request: FastifyRequest, id: string): Promise<Prediction> => {
      const prediction = await request.registry.predictions.get(id);
      if (prediction.status === 'succeeded') return prediction;
      throw new CloveError(
        'conflict',
        `prediction ${id} is ${prediction.status}, so it has no rows: see job ${prediction.jobId}`,
      );
    };

    app.post(
      '/predictions',
      {
        handlerTimeout: TRANSFER_TIMEOUT_MS,
        config: { queues: true, form: { name: 'PredictionForm', json: 'StartPrediction' } },
        schema: {
          operationId: 'startPrediction',
          summary: 'Score every customer of a dataset, or of files uploaded with the request',
          tags,
          response: {
            202: json('Accepted; a job scores, after the ingest of what was uploaded', Accepted),
            ...guarded(
              'invalid-input',
              'not-found',
              'conflict',
              'data-empty',
              'upload-too-large',
              'unsupported-media-type',
              'bad-request',
              'no-space',
            ),
          },
        },
      },
      async (request, reply) => {
        if (!request.isMultipart()) {
          const body = parseInput(bodies.StartPrediction, request.body, 'the request body');
          return once(request, reply, hashOf(body), () => start(request, body));
        }
        const datasetId = newId('dataset');
        const upload = await receiveUpload(gateway, request, datasetId, parse);
        let taken = false;
        try {
          const { name, options, ...fields } = parse(upload.fields);
          return await once(request, reply, hashOf(meaningOf(upload)), async () => {
            // before the dataset is made: a wrong model name should leave nothing behind
            await request.registry.models.resolve(fields.model);
            const { job, attempt } = await request.registry.datasets.create({
              id: datasetId,
              name: name ?? upload.files[0]?.name.slice(0, 100) ?? datasetId,
              source: {
                type: 'upload',
                files: upload.files.map(({ name: label, key, bytes }) => ({ name: label, key, bytes })),
                options: options ?? bodies.IngestOptions.parse({}),
              },
              requestId: request.id,
            });
            taken = true;
            const payload = { jobId: job.id, requestId: request.id, datasetId };
            return start(request, { datasetId, ...fields }, { kind: 'ingest', payload, attempt });
          });
        } finally {
          if (!taken) await discardUpload(gateway, datasetId);
        }
      },
    );

    app.get(
      '/predictions',
      {
        schema: {
          operationId: 'listPredictions',
          summary: 'List predictions, newest first',
          tags,
          querystring: queries.predictions,
          response: { 200: json('One page', pages.PredictionPage), ...guarded('invalid-input') },
        },
      },
      async (request) => request.registry.predictions.list(request.query),
    );

    app.get(
      '/predictions/:id',
      {
        schema: {
          operationId: 'getPrediction',
          summary: 'Get a prediction with its summary',
          tags,
          params: params.prediction,
          response: { 200: json('The prediction', Prediction), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.predictions.get(request.params.id),
    );

    app.get(
      '/predictions/:id/report',
      {
        schema: {
          operationId: 'getPredictionReport',
          summary: 'How the predictions are spread, and how near they came where actual spend was at hand',
          tags,
          params: params.prediction,
          response: { 200: json('The report', PredictionReport), ...guarded('not-found', 'conflict') },
        },
      },
      async (request) => {
        const { id } = await finished(request, request.params.id);
        const report = await request.registry.predictions.report(id);
        if (report !== null) return report;
        throw new CloveError('not-found', `prediction ${id} was made by a version that kept no report: predict again`);
      },
    );

    app.get(
      '/predictions/:id/rows',
      {
        schema: {
          operationId: 'getPredictionRows',
          summary: 'Page through scored customers: sorted, searched, by tier and by range',
          tags,
          params: params.prediction,
          querystring: queries.predictionRows,
          response: { 200: json('Rows by position', RowPage), ...guarded('not-found', 'conflict', 'invalid-input') },
        },
      },
      async (request) => {
        const found = await finished(request, request.params.id);
        return ask(gateway, request, { type: 'rows', of: 'prediction', found, query: request.query }, RowPage);
      },
    );

    app.get(
      '/predictions/:id/download',
      {
        handlerTimeout: TRANSFER_TIMEOUT_MS,
        schema: {
          operationId: 'downloadPrediction',
          summary: 'Download all scored customers as CSV or Parquet',
          tags,
          params: params.prediction,
          querystring: queries.download,
          response: {
            200: file('The file', 'text/csv', 'application/vnd.apache.parquet'),
            ...guarded('not-found', 'conflict', 'invalid-input'),
          },
        },
      },
      async (request, reply) => {
        const prediction = await finished(request, request.params.id);
        const { format } = request.query;
        const { stream, bytes } = await artifacts.open(fileOf(prediction, `predictions.${format}`));
        reply
          .header('content-type', format === 'csv' ? 'text/csv; charset=utf-8' : 'application/vnd.apache.parquet')
          .header('content-length', String(bytes))
          .header('content-disposition', `attachment; filename="${prediction.id}.${format}"`);
        return reply.send(stream);
      },
    );

    app.post(
      '/score',
      {
        config: { readsOnly: true },
        schema: {
          operationId: 'score',
          summary: 'Score up to 1,000 customers at once',
          tags,
          body: bodies.ScoreRequest,
          response: {
            200: json('One prediction a row, in order', ScoreResponse),
            ...guarded(
              'invalid-input',
              'not-found',
              'conflict',
              'columns-mismatch',
              'kind-mismatch',
              'upload-too-large',
            ),
          },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(request.body), async () => {
          const found = await request.registry.models.resolve(request.body.model);
          const asked = { type: 'score', version: found, request: request.body } as const;
          const { model, version } = found;
          return { status: 200, body: { model, version, ...(await ask(gateway, request, asked, Scored)) } };
        }),
    );
  };
