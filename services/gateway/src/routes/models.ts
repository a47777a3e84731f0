import { AliasPreview, CloveError, Model, ModelVersion } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { fileOf } from '../found.js';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { userOf } from '../plugins/authentication.js';
import {
  Artifacts,
  VersionMetrics,
  bodies,
  file,
  guarded,
  json,
  noContent,
  pages,
  params,
  queries,
} from '../schemas.js';
import { TRANSFER_TIMEOUT_MS } from '../uploads.js';

/** A report is one page of text, drawings and its own style. */
const REPORT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; sandbox allow-popups";

/** Models, their immutable versions, and the aliases that point at them. */
export const modelRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const { artifacts } = gateway;
    const tags = ['models'];

    app.get(
      '/models',
      {
        schema: {
          operationId: 'listModels',
          summary: 'List models, newest first',
          tags,
          querystring: queries.page,
          response: { 200: json('One page', pages.ModelPage), ...guarded('invalid-input') },
        },
      },
      async (request) => request.registry.models.list(request.query),
    );

    app.get(
      '/models/:name',
      {
        schema: {
          operationId: 'getModel',
          summary: 'Get a model with its aliases',
          tags,
          params: params.model,
          response: { 200: json('The model', Model), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.models.get(request.params.name),
    );

    app.get(
      '/models/:name/versions',
      {
        schema: {
          operationId: 'listVersions',
          summary: 'List the versions of a model, newest first',
          tags,
          params: params.model,
          querystring: queries.page,
          response: { 200: json('One page', pages.VersionPage), ...guarded('not-found', 'invalid-input') },
        },
      },
      async (request) => request.registry.models.versions(request.params.name, request.query),
    );

    app.get(
      '/models/:name/versions/:version',
      {
        schema: {
          operationId: 'getVersion',
          summary: 'Get a version: how it was made, what it takes, how good it is',
          tags,
          params: params.version,
          response: { 200: json('The version', ModelVersion), ...guarded('not-found') },
        },
      },
      async (request) => request.registry.models.version(request.params.name, request.params.version),
    );

    app.get(
      '/models/:name/versions/:version/metrics',
      {
        schema: {
          operationId: 'getVersionMetrics',
          summary: 'How good a version is, beside the baselines on the same test rows',
          tags,
          params: params.version,
          response: { 200: json('The figures', VersionMetrics), ...guarded('not-found') },
        },
      },
      async (request) => {
        const { model, version, evaluation } = await request.registry.models.version(
          request.params.name,
          request.params.version,
        );
        if (evaluation === null) {
          throw new CloveError(
            'not-found',
            `${model}@${version} was not evaluated: start one with POST /v1/evaluations`,
          );
        }
        const { protocol, testCustomers, metrics, baselines, skippedBaselines } = evaluation;
        return { model, version, protocol, testCustomers, metrics, baselines, skippedBaselines };
      },
    );

    app.get(
      '/models/:name/versions/:version/artifacts',
      {
        schema: {
          operationId: 'listArtifacts',
          summary: 'List the files of a version',
          tags,
          params: params.version,
          response: { 200: json('The files', Artifacts), ...guarded('not-found') },
        },
      },
      async (request) => {
        const {
          model,
          version,
          artifacts: files,
        } = await request.registry.models.version(request.params.name, request.params.version);
        const href = (name: string) => `/v1/models/${model}/versions/${version}/artifacts/${name}`;
        return { items: files.map((entry) => ({ ...entry, href: href(entry.name) })) };
      },
    );

    app.get(
      '/models/:name/versions/:version/artifacts/:artifact',
      {
        handlerTimeout: TRANSFER_TIMEOUT_MS,
        schema: {
          operationId: 'downloadArtifact',
          summary: 'Download a file of a version',
          description: 'The ETag is the sha256 of the file; If-None-Match spares a second download.',
          tags,
          params: params.artifact,
          response: {
            200: file('The file', 'application/octet-stream', 'application/json', 'text/html'),
            304: noContent,
            ...guarded('not-found'),
          },
        },
      },
      async (request, reply) => {
        const { name, version: number, artifact } = request.params;
        const version = await request.registry.models.version(name, number);
        const entry = version.artifacts.find((candidate) => candidate.name === artifact);
        if (entry === undefined) throw new CloveError('not-found', `${name}@${number} has no file ${artifact}`);
        const etag = `"${entry.sha256}"`;
        reply.header('etag', etag).header('cache-control', 'private, no-cache');
        if (request.headers['if-none-match']?.includes(etag)) return reply.code(304).send(null);
        const { stream, bytes } = await artifacts.open(fileOf(version, artifact));
        reply.header('content-length', String(bytes));
        if (artifact === 'report.html') {
          // to be read in the browser, where it may run nothing and load nothing
          reply.header('content-type', 'text/html; charset=utf-8').header('content-security-policy', REPORT_POLICY);
        } else {
          reply
            .header('content-type', artifact.endsWith('.json') ? 'application/json' : 'application/octet-stream')
            .header('content-disposition', `attachment; filename="${name}-${number}-${artifact}"`);
        }
        return reply.send(stream);
      },
    );

    app.get(
      '/models/:name/moves',
      {
        schema: {
          operationId: 'listAliasMoves',
          summary: 'List the moves of the aliases of a model, newest first: who, from where to where, and the gates',
          tags,
          params: params.model,
          querystring: queries.page,
          response: { 200: json('One page', pages.AliasMovePage), ...guarded('not-found', 'invalid-input') },
        },
      },
      async (request) => request.registry.models.moves(request.params.name, request.query),
    );

    app.put(
      '/models/:name/aliases/:alias',
      {
        schema: {
          operationId: 'setAlias',
          summary: 'Point an alias at a version: promotion and rollback',
          description:
            'The alias `champion` moves only to a version that passes the gates: its total and its deciles are near what came, ' +
            'and it is not worse than the present champion and than the best probabilistic baseline. Else 409, with what ' +
            'each gate says; `force` moves it all the same, and the history of the aliases keeps that.',
          tags,
          params: params.alias,
          body: bodies.SetAlias,
          response: { 200: json('The model', Model), ...guarded('not-found', 'invalid-input', 'gate-failed') },
        },
      },
      async (request) =>
        request.registry.models.setAlias(request.params.name, request.params.alias, request.body.version, {
          force: request.body.force,
          movedBy: userOf(request).username,
          reason: request.body.reason,
        }),
    );

    app.get(
      '/models/:name/aliases/:alias/preview',
      {
        schema: {
          operationId: 'previewAlias',
          summary: 'What pointing an alias at a version would change, and what the gates say of it; changes nothing',
          tags,
          params: params.alias,
          querystring: queries.preview,
          response: { 200: json('What would change', AliasPreview), ...guarded('not-found', 'invalid-input') },
        },
      },
      async (request) =>
        request.registry.models.previewAlias(request.params.name, request.params.alias, request.query.version),
    );

    app.post(
      '/models/:name/aliases/:alias/rollback',
      {
        schema: {
          operationId: 'rollBackAlias',
          summary: 'Point an alias where it pointed before its last move',
          description:
            'No gate holds it up; the history of the aliases keeps what the gates say. Made twice, it is undone.',
          tags,
          params: params.alias,
          body: bodies.RollBack,
          response: { 200: json('The model', Model), ...guarded('not-found', 'invalid-input', 'conflict') },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(request.body), async () => ({
          status: 200,
          body: await request.registry.models.rollBack(request.params.name, request.params.alias, {
            movedBy: userOf(request).username,
            reason: request.body.reason,
          }),
        })),
    );

    app.delete(
      '/models/:name/aliases/:alias',
      {
        schema: {
          operationId: 'removeAlias',
          summary: 'Remove an alias',
          tags,
          params: params.alias,
          response: { 204: noContent, ...guarded('not-found') },
        },
      },
      async (request, reply) => {
        await request.registry.models.removeAlias(request.params.name, request.params.alias, userOf(request).username);
        return reply.code(204).send(null);
      },
    );
  };
