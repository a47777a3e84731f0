import { Accepted, CloveError, Dataset, DatasetDependents, DatasetProfile, RowPage } from '@clove/contracts';
import { newId } from '@clove/store';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { fileOf, foldersOf } from '../found.js';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { parseInput } from '../plugins/problems.js';
import { ask } from '../questions.js';
import { accepted, enqueue } from '../queueing.js';
import { DatasetFields, bodies, file, guarded, json, noContent, pages, params, queries } from '../schemas.js';
import { TRANSFER_TIMEOUT_MS, discardUpload, meaningOf, receiveUpload } from '../uploads.js';

const parse = (fields: Record<string, unknown>) => parseInput(DatasetFields, fields, 'the form');

/** Columns of the list of rejected rows. */
const REJECTED_COLUMNS = ['file', 'row', 'column', 'value', 'reason'];

/** Datasets: uploaded or generated, then ingested by a worker. */
export const datasetRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const { artifacts } = gateway;
    const tags = ['datasets'];
    /** A dataset that is ready, and what the ingest found in it. */
    const findReady = async (request: FastifyRequest<{ Params: { id: string } }>) => {
      const { id } = request.params;
      const dataset = await request.registry.datasets.get(id);
      if (dataset.status === 'ready') {
        const profile = DatasetProfile.parse(await artifacts.readJson(fileOf(dataset, 'profile.json')));
        return { dataset, profile };
      }
      throw new CloveError(
        'conflict',
        dataset.status === 'pending'
          ? `dataset ${id} is still being ingested: wait for job ${dataset.jobId}`
          : `the ingest of dataset ${id} has failed: see job ${dataset.jobId} for the reason`,
      );
    };

    const requireRejected = async (dataset: Dataset): Promise<void> => {
      if ((await artifacts.stat(fileOf(dataset, 'rejected.csv'))) !== null) return;
      throw new CloveError(
        'not-found',
        `dataset ${dataset.id} was ingested by a version that kept no list of rejected rows; its profile names up to 1,000`,
      );
    };

    app.post(
      '/datasets',
      {
        handlerTimeout: TRANSFER_TIMEOUT_MS,
        config: { queues: true, form: { name: 'DatasetForm' } },
        schema: {
          operationId: 'uploadDataset',
          summary: 'Upload one or several files as a new dataset',
          description:
            'Files are streamed to the store; an ingest job then reads them. `options` says how, as JSON; ' +
            'put it before the files and a mistake in it is told before they are sent.',
          tags,
          response: {
            202: json('Stored; a job ingests it', Accepted),
            ...guarded(
              'invalid-input',
              'data-empty',
              'conflict',
              'upload-too-large',
              'unsupported-media-type',
              'bad-request',
              'no-space',
            ),
          },
        },
      },
      async (request, reply) => {
        const id = newId('dataset');
        const upload = await receiveUpload(gateway, request, id, parse);
        const fields = parse(upload.fields);
        let taken = false;
        try {
          return await once(request, reply, hashOf(meaningOf(upload)), async () => {
            const { dataset, job, attempt } = await request.registry.datasets.create({
              id,
              name: fields.name ?? upload.files[0]?.name.slice(0, 100) ?? id,
              source: {
                type: 'upload',
                files: upload.files.map(({ name, key, bytes }) => ({ name, key, bytes })),
                options: fields.options ?? bodies.IngestOptions.parse({}),
              },
              requestId: request.id,
            });
            taken = true;
            const payload = { jobId: job.id, requestId: request.id, datasetId: dataset.id };
            await enqueue(gateway, request, { kind: 'ingest', payload, attempt });
            return accepted(job, dataset.id);
          });
        } finally {
          // a replayed answer is about the files of the first request
          if (!taken) await discardUpload(gateway, id);
        }
      },
    );

    app.post(
      '/datasets/generate',
      {
        config: { queues: true },
        schema: {
          operationId: 'generateDataset',
          summary: 'Make a synthetic dataset, the same for the same seed and size',
          tags,
          body: bodies.GenerateDataset,
          response: { 202: json('Accepted; a job makes it', Accepted), ...guarded('invalid-input', 'conflict') },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(request.body), async () => {
          const { name, ...options } = request.body;
          const { dataset, job, attempt } = await request.registry.datasets.create({
            id: newId('dataset'),
            name: name ?? `generated ${options.generator}, ${options.customers} customers`,
            source: { type: 'generator', options },
            requestId: request.id,
          });
          const payload = { jobId: job.id, requestId: request.id, datasetId: dataset.id };
          await enqueue(gateway, request, { kind: 'ingest', payload, attempt });
          return accepted(job, dataset.id);
        }),
    );

    app.get(
      '/datasets',
      {
        schema: {
          operationId: 'listDatasets',
          summary: 'List datasets, newest first',
          tags,
          querystring: queries.datasets,
          response: { 200: json('One page', pages.DatasetPage), ...guarded('invalid-input') },
        },
      },
      async (request) => request.registry.datasets.list(request.query),
    );

    app.get(
      '/datasets/:id',
      {
        schema: {
          operationId: 'getDataset',
          summary: 'Get a dataset',
          tags,
          params: params.dataset,
          response: { 200: json('The dataset', Dataset), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.datasets.get(request.params.id),
    );

    app.get(
      '/datasets/:id/profile',
      {
        schema: {
          operationId: 'getDatasetProfile',
          summary: 'What the ingest found: types, ranges, categories, rejected rows, warnings',
          tags,
          params: params.dataset,
          response: { 200: json('The profile', DatasetProfile), ...guarded('not-found', 'conflict') },
        },
      },
      async (request) => (await findReady(request)).profile,
    );

    app.get(
      '/datasets/:id/rows',
      {
        schema: {
          operationId: 'getDatasetRows',
          summary: 'Page through the rows of a dataset, sorted and searched by customer',
          tags,
          params: params.dataset,
          querystring: queries.rows,
          response: { 200: json('Rows by position', RowPage), ...guarded('not-found', 'conflict', 'invalid-input') },
        },
      },
      async (request) => {
        const { dataset } = await findReady(request);
        return ask(gateway, request, { type: 'rows', of: 'dataset', found: dataset, query: request.query }, RowPage);
      },
    );

    app.get(
      '/datasets/:id/rejected',
      {
        schema: {
          operationId: 'getRejectedRows',
          summary: 'Page through the rows that the ingest did not take, with the reason of each',
          description: 'Columns: file, row (from 1, the header not counted), column, value, reason.',
          tags,
          params: params.dataset,
          querystring: queries.rejected,
          response: { 200: json('Rows by position', RowPage), ...guarded('not-found', 'conflict', 'invalid-input') },
        },
      },
      async (request) => {
        const { dataset, profile } = await findReady(request);
        const { query } = request;
        if (profile.rejectedRows === 0) return { columns: REJECTED_COLUMNS, rows: [], offset: query.offset, total: 0 };
        await requireRejected(dataset);
        return ask(gateway, request, { type: 'rows', of: 'rejected', found: dataset, query }, RowPage);
      },
    );

    app.get(
      '/datasets/:id/rejected.csv',
      {
        handlerTimeout: TRANSFER_TIMEOUT_MS,
        schema: {
          operationId: 'downloadRejectedRows',
          summary: 'Download the rows that the ingest did not take, with the reason of each',
          tags,
          params: params.dataset,
          response: { 200: file('The rows', 'text/csv'), ...guarded('not-found', 'conflict') },
        },
      },
      async (request, reply) => {
        const { dataset, profile } = await findReady(request);
        reply
          .header('content-type', 'text/csv; charset=utf-8')
          .header('content-disposition', `attachment; filename="${dataset.id}-rejected.csv"`);
        if (profile.rejectedRows === 0) return reply.send(`${REJECTED_COLUMNS.join(',')}\n`);
        await requireRejected(dataset);
        const { stream, bytes } = await artifacts.open(fileOf(dataset, 'rejected.csv'));
        return reply.header('content-length', String(bytes)).send(stream);
      },
    );

    app.get(
      '/datasets/:id/dependents',
      {
        schema: {
          operationId: 'getDatasetDependents',
          summary: 'What was made of a dataset, and which jobs keep it from being deleted',
          tags,
          params: params.dataset,
          response: { 200: json('Counts and names', DatasetDependents), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.datasets.dependents(request.params.id),
    );

    app.delete(
      '/datasets/:id',
      {
        schema: {
          operationId: 'deleteDataset',
          summary: 'Delete a dataset and its files; what was made of it stays',
          tags,
          params: params.dataset,
          response: { 204: noContent, ...guarded('not-found', 'conflict') },
        },
      },
      async (request, reply) => {
        const dataset = await request.registry.datasets.get(request.params.id);
        await request.registry.datasets.remove(dataset.id);
        await Promise.all(foldersOf(dataset).map((folder) => artifacts.remove(folder)));
        return reply.code(204).send(null);
      },
    );
  };
