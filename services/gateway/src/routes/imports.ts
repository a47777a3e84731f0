import { Accepted, CloveError, ImportFileName, ModelImport } from '@clove/contracts';
import { newId } from '@clove/store';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { parseInput } from '../plugins/problems.js';
import { accepted, enqueue } from '../queueing.js';
import { guarded, json, params } from '../schemas.js';
import { MODEL_LIMIT_BYTES, TRANSFER_TIMEOUT_MS, discardUpload, meaningOf, receiveUpload } from '../uploads.js';

const NoFields = z.strictObject({});
const noFields = (fields: Record<string, unknown>) => parseInput(NoFields, fields, 'the form');

/**
 * Which file of a model an uploaded one is, by its name: `model.onnx` and `shop-3-model.onnx`, as downloads are called; any
 * other `.onnx` is model.onnx and any other `.json` model.json.
 */
function modelFileOf(label: string): ImportFileName {
  const own = /(?:^|[^A-Za-z0-9])(model(?:-[2-4])?\.onnx|model\.json)$/.exec(label)?.[1];
  const guess = label.endsWith('.onnx') ? 'model.onnx' : label.endsWith('.json') ? 'model.json' : undefined;
  const name = ImportFileName.safeParse(own ?? guess);
  if (name.success) return name.data;
  throw new CloveError(
    'invalid-input',
    `${label} is no file of a model: send model.onnx, or all of model.onnx, model-2.onnx …, model.json that a version has`,
    { pointer: '/file' },
  );
}

/** Models that somebody brings, checked by a job: the gateway opens none of them. */
export const importRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const tags = ['models'];

    app.post(
      '/models/:name/versions',
      {
        handlerTimeout: TRANSFER_TIMEOUT_MS,
        config: { queues: true, form: { name: 'ImportForm' } },
        schema: {
          operationId: 'importVersion',
          summary: 'Upload a model that Clove exported, as a new version of a model that may be new',
          description:
            'One model.onnx (it carries its description), or every file of a version: model.json and its model*.onnx. ' +
            `At most ${MODEL_LIMIT_BYTES / 1024 ** 2} MiB together. A job checks the files, tries the model on made-up customers and ` +
            'registers the version. It has no evaluation until one is asked for, so it does not become champion over another ' +
            'version before; the first version of a new model does.',
          tags,
          params: params.model,
          response: {
            202: json('Stored; a job checks and registers it', Accepted),
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
        const id = newId('modelImport');
        const upload = await receiveUpload(gateway, request, id, noFields, MODEL_LIMIT_BYTES);
        let taken = false;
        try {
          noFields(upload.fields);
          const files = upload.files.map(({ name, key, bytes }) => ({ name: modelFileOf(name), key, bytes }));
          const twice = files.find(({ name }, n) => files.findIndex((other) => other.name === name) !== n);
          if (twice !== undefined) {
            throw new CloveError('invalid-input', `the form holds ${twice.name} twice`, { pointer: '/file' });
          }
          return await once(request, reply, hashOf(meaningOf(upload)), async () => {
            const { job, attempt } = await request.registry.imports.create({
              id,
              modelName: request.params.name,
              files,
              requestId: request.id,
            });
            taken = true;
            const payload = { jobId: job.id, requestId: request.id, importId: id };
            await enqueue(gateway, request, { kind: 'import', payload, attempt });
            return accepted(job, id);
          });
        } finally {
          if (!taken) await discardUpload(gateway, id);
        }
      },
    );

    app.get(
      '/imports/:id',
      {
        schema: {
          operationId: 'getImport',
          summary: 'Get the import of a model: its files, and the version that it became',
          tags,
          params: params.modelImport,
          response: { 200: json('The import', ModelImport), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.imports.get(request.params.id),
    );
  };
