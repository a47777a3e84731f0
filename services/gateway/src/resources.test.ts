import { createHash, randomUUID } from 'node:crypto';
import {
  Accepted,
  AliasMove,
  AliasPreview,
  Dataset,
  DatasetDependents,
  DatasetProfile,
  Evaluation,
  Job,
  Leaderboard,
  LeaderboardSummary,
  Model,
  ModelImport,
  ModelVersion,
  ModelVersionSummary,
  Prediction,
  PredictionReport,
  Problem,
  type Question,
  RowPage,
  Run,
  RunSummary,
  ScoreResponse,
  pageOf,
} from '@clove/contracts';
import type { Answer } from '@clove/runtime';
import { artifactKeys } from '@clove/store';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { buildApp } from './app.js';
import {
  type TestGateway,
  call,
  form,
  manifest,
  metrics,
  openTestGateway,
  predictionReport,
  profile,
  ranking,
  report,
} from './test-support.js';
import { Artifacts, VersionMetrics } from './schemas.js';

const servers = () => ({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway(servers());
});
afterAll(() => gateway.close());

const get = async (url: string) => {
  const response = await call(gateway.app, 'GET', url);
  expect(response.statusCode).toBe(200);
  return response.json<unknown>();
};
const refused = async (
  ...request: Parameters<typeof call> extends [unknown, ...infer R] ? R : never
): Promise<Problem> => Problem.parse((await call(gateway.app, ...request)).json());
/** POST that must be answered 202 with a job, a Location and nothing else than the contract. */
const accept = async (url: string, payload: object, headers: Record<string, string> = {}): Promise<Accepted> => {
  const response = await call(gateway.app, 'POST', url, payload, headers);
  expect(response.statusCode).toBe(202);
  const accepted = Accepted.parse(response.json());
  expect(response.headers.location).toBe(`/v1/jobs/${accepted.job.id}`);
  expect(Job.parse(await get(`/v1/jobs/${accepted.job.id}`)).resource.id).toBe(accepted.id);
  return accepted;
};
const generated = async (): Promise<string> => {
  const { id, job } = await accept('/v1/datasets/generate', { generator: 'features', customers: 100 });
  await gateway.work.ingest(job.id, id);
  return id;
};
const trained = async (datasetId: string, modelName: string): Promise<ModelVersion> => {
  const { id, job } = await accept('/v1/runs', { datasetId, modelName });
  return gateway.work.train(job.id, id);
};
const queued = (kind: Job['kind'], jobId: string, attempt = 1) => gateway.gateway.producer.has(kind, jobId, attempt);
const onDisk = async (prefix: string) => readdir(path.join(gateway.dir, prefix)).catch(() => []);

describe('datasets', () => {
  test('from generation to deletion', async () => {
    const { id, job } = await accept('/v1/datasets/generate', { generator: 'features', customers: 100, name: 'mine' });
    expect(job).toMatchObject({ kind: 'ingest', status: 'queued' });
    expect(await queued('ingest', job.id)).toBe(true);
    expect(Dataset.parse(await get(`/v1/datasets/${id}`))).toMatchObject({
      name: 'mine',
      status: 'pending',
      jobId: job.id,
    });
    expect(await refused('GET', `/v1/datasets/${id}/profile`)).toMatchObject({ code: 'conflict' });
    expect(await refused('DELETE', `/v1/datasets/${id}`)).toMatchObject({ code: 'conflict' });

    await gateway.work.ingest(job.id, id);
    expect(Dataset.parse(await get(`/v1/datasets/${id}`))).toMatchObject({
      status: 'ready',
      rows: 100,
      kind: 'features',
    });
    expect(DatasetProfile.parse(await get(`/v1/datasets/${id}/profile`))).toEqual(profile);

    expect((await call(gateway.app, 'DELETE', `/v1/datasets/${id}`)).statusCode).toBe(204);
    expect(await refused('GET', `/v1/datasets/${id}`)).toMatchObject({ code: 'not-found' });
    expect(await onDisk('datasets')).not.toContain(id);
  });

  test('say what was made of them, and which jobs keep them from being deleted', async () => {
    const datasetId = await generated();
    const none = { runs: 0, leaderboards: 0, evaluations: 0, predictions: 0, models: [], activeJobs: [] };
    const dependents = async () => DatasetDependents.parse(await get(`/v1/datasets/${datasetId}/dependents`));
    expect(await dependents()).toEqual(none);
    await trained(datasetId, 'dependent');
    const { job } = await accept('/v1/predictions', { datasetId, model: 'dependent' });
    expect(await dependents()).toEqual({
      ...none,
      runs: 1,
      evaluations: 1, // the run's own
      predictions: 1,
      models: ['dependent@1'],
      activeJobs: [{ id: job.id, kind: 'predict', status: 'queued' }],
    });
    expect(await refused('DELETE', `/v1/datasets/${datasetId}`)).toMatchObject({ code: 'conflict' });
    await accept(`/v1/jobs/${job.id}/cancel`, {});
    expect((await dependents()).activeJobs).toEqual([]);
    expect((await call(gateway.app, 'DELETE', `/v1/datasets/${datasetId}`)).statusCode).toBe(204);
  });

  test('have a currency where one was given', async () => {
    const { id } = await accept('/v1/datasets/generate', { generator: 'features', customers: 1, currency: 'BRL' });
    expect(Dataset.parse(await get(`/v1/datasets/${id}`)).currency).toBe('BRL');
    expect(Dataset.parse(await get(`/v1/datasets/${await generated()}`)).currency).toBeNull();
    const wrong = { generator: 'features', customers: 1, currency: 'euro' };
    expect((await refused('POST', '/v1/datasets/generate', wrong)).errors?.[0]?.pointer).toBe('/currency');
  });

  test('are listed by kind and status', async () => {
    const { id: pending } = await accept('/v1/datasets/generate', { generator: 'features', customers: 1 });
    const ready = await generated();
    const ids = async (query: string) =>
      pageOf(Dataset)
        .parse(await get(`/v1/datasets?limit=2&${query}`))
        .items.map(({ id }) => id);
    expect((await ids('status=pending'))[0]).toBe(pending);
    expect((await ids('kind=features&status=ready'))[0]).toBe(ready);
    expect(await ids('kind=transactions')).toEqual([]);
  });

  test('list by cursor: every one once, newest first', async () => {
    const made = [];
    for (let i = 0; i < 5; i += 1)
      made.push((await accept('/v1/datasets/generate', { generator: 'features', customers: 1 })).id);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: { items: Dataset[]; next: string | null } = pageOf(Dataset).parse(
        await get(`/v1/datasets?limit=2${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`),
      );
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map((item) => item.id));
      cursor = page.next;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.slice(0, 5)).toEqual(made.toReversed());
    expect(await refused('GET', '/v1/datasets?cursor=made-up')).toMatchObject({ code: 'bad-request' });
  });
});

describe('runs, models and evaluations', () => {
  test('runs are compared side by side in the order asked for, and listed by model and status', async () => {
    const datasetId = await generated();
    const made = [];
    for (const modelName of ['left', 'right']) {
      const { id, job } = await accept('/v1/runs', { datasetId, modelName });
      if (modelName === 'right') await gateway.work.train(job.id, id);
      made.push(id);
    }
    const [left, right] = made as [string, string];
    const compare = (ids: string[]) => `/v1/runs/compare?ids=${ids.join(',')}`;
    const { items } = (await get(compare([right, left]))) as { items: unknown[] };
    expect(Run.array().parse(items)).toEqual([await get(`/v1/runs/${right}`), await get(`/v1/runs/${left}`)]);
    expect(await refused('GET', compare([`run_${'0'.repeat(22)}`]))).toMatchObject({ code: 'not-found' });
    expect(await refused('GET', compare(['x']))).toMatchObject({ code: 'invalid-input' });
    const ids = async (query: string) =>
      pageOf(RunSummary)
        .parse(await get(`/v1/runs?datasetId=${datasetId}&${query}`))
        .items.map(({ id }) => id);
    expect(await ids('modelName=left')).toEqual([left]);
    expect(await ids('status=succeeded')).toEqual([right]);
  });

  test('a training makes a version that can be read, promoted and downloaded', async () => {
    const datasetId = await generated();
    const { id, job } = await accept('/v1/runs', { datasetId, modelName: 'shop', epochs: 3, hidden: [8] });
    expect(await queued('train', job.id)).toBe(true);
    const epoch = { epoch: 1, trainLoss: 1, validationLoss: 2, learningRate: 0.001, seconds: 0.1 };
    await gateway.gateway.registry.runs.putEpoch(id, epoch);
    const version = await gateway.work.train(job.id, id);

    const run = Run.parse(await get(`/v1/runs/${id}`));
    expect(run).toMatchObject({ status: 'succeeded', versionId: version.id, version: 1, epochs: [epoch] });
    expect(run.options).toMatchObject({ epochs: 3, hidden: [8], dropout: 0.3 });
    expect(run.evaluation).toEqual(report);
    const list = pageOf(RunSummary).parse(await get(`/v1/runs?datasetId=${datasetId}`));
    expect(list.items.map((item) => item.id)).toEqual([id]);

    expect(
      pageOf(Model)
        .parse(await get('/v1/models'))
        .items.map((model) => model.name),
    ).toContain('shop');
    expect(Model.parse(await get('/v1/models/shop'))).toMatchObject({ versions: 1, aliases: { champion: 1 } });
    const versions = pageOf(ModelVersionSummary).parse(await get('/v1/models/shop/versions'));
    expect(versions.items).toMatchObject([{ version: 1, metrics }]);
    expect(ModelVersion.parse(await get('/v1/models/shop/versions/1')).manifest).toEqual(manifest);
    expect(VersionMetrics.parse(await get('/v1/models/shop/versions/1/metrics'))).toMatchObject({
      metrics,
      baselines: { mean: metrics },
    });
    expect(await refused('GET', '/v1/models/shop/versions/2')).toMatchObject({ code: 'not-found' });
    expect(await refused('GET', '/v1/models/nobody')).toMatchObject({ code: 'not-found' });
  });

  test('files of a version come with name, length and an ETag that spares a second download', async () => {
    await trained(await generated(), 'files');
    const { items } = Artifacts.parse(await get('/v1/models/files/versions/1/artifacts'));
    expect(items.map((item) => item.name)).toEqual(['model.onnx', 'model.json', 'report.html']);
    const onnx = items[0]!;
    const response = await call(gateway.app, 'GET', onnx.href);
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(onnx.bytes),
      'content-disposition': 'attachment; filename="files-1-model.onnx"',
    });
    const sha256 = createHash('sha256').update(response.rawPayload).digest('hex');
    expect(response.headers.etag).toBe(`"${sha256}"`);
    expect(onnx.sha256).toBe(sha256);
    const again = await call(gateway.app, 'GET', onnx.href, undefined, { 'if-none-match': `"${sha256}"` });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    const base = '/v1/models/files/versions/1/artifacts';
    expect(await refused('GET', `${base}/evaluation.json`)).toMatchObject({ code: 'not-found' });
    expect(await refused('GET', `${base}/..%2f..%2fsecret`)).toMatchObject({ code: 'not-found' });
  });

  test('an alias moves, and goes', async () => {
    const datasetId = await generated();
    await trained(datasetId, 'alias');
    await trained(datasetId, 'alias');
    const moved = await call(gateway.app, 'PUT', '/v1/models/alias/aliases/champion', { version: 2 });
    expect(Model.parse(moved.json()).aliases).toEqual({ champion: 2 });
    const other = await call(gateway.app, 'PUT', '/v1/models/alias/aliases/challenger', { version: 1 });
    expect(Model.parse(other.json()).aliases).toEqual({ champion: 2, challenger: 1 });
    expect((await call(gateway.app, 'DELETE', '/v1/models/alias/aliases/challenger')).statusCode).toBe(204);
    expect(Model.parse(await get('/v1/models/alias')).aliases).toEqual({ champion: 2 });
    expect(await refused('PUT', '/v1/models/alias/aliases/champion', { version: 9 })).toMatchObject({
      code: 'not-found',
    });
    expect(await refused('PUT', '/v1/models/alias/aliases/1x', { version: 1 })).toMatchObject({ code: 'not-found' });
  });

  test('the champion moves to no version that a gate holds back, unless by force; the moves are kept', async () => {
    const datasetId = await generated();
    const good = await trained(datasetId, 'gated');
    expect(good.gates.every(({ passed }) => passed)).toBe(true);
    const { id, job } = await accept('/v1/runs', { datasetId, modelName: 'gated' });
    await gateway.work.train(job.id, id, { ...report, metrics: { ...metrics, totalBias: 1.5 } });

    const version = ModelVersion.parse(await get('/v1/models/gated/versions/2'));
    expect(version.gates.find(({ gate }) => gate === 'total-bias')).toMatchObject({ passed: false, figure: 1.5 });
    const alias = '/v1/models/gated/aliases/champion';
    const response = await call(gateway.app, 'PUT', alias, { version: 2 });
    expect(response.statusCode).toBe(409);
    const problem = Problem.parse(response.json());
    expect(problem).toMatchObject({ code: 'gate-failed', gates: version.gates });
    expect(problem.detail).toContain('150.0 %');
    expect(problem.errors!.map(({ pointer }) => pointer)).toContain('/version');
    expect(Model.parse(await get('/v1/models/gated')).aliases).toEqual({ champion: 1 });

    const forced = await call(gateway.app, 'PUT', alias, { version: 2, force: true });
    expect(Model.parse(forced.json()).aliases).toEqual({ champion: 2 });
    const moves = pageOf(AliasMove).parse(await get('/v1/models/gated/moves'));
    expect(moves.items).toMatchObject([{ alias: 'champion', version: 2, former: 1, forced: true, movedBy: 'admin' }]);
  });

  test('the report of a version opens in the browser and may run and load nothing', async () => {
    await trained(await generated(), 'told');
    const response = await call(gateway.app, 'GET', '/v1/models/told/versions/1/artifacts/report.html');
    expect(response.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
    });
    expect(response.headers['content-disposition']).toBeUndefined();
    const policy = String(response.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/script-src|allow-scripts|https?:|\*/);
  });

  test('a leaderboard ranks, and its winner becomes a version', async () => {
    const datasetId = await generated();
    const body = { datasetId, modelName: 'won', seeds: 2, horizonDays: 30 };
    const { id, job } = await accept('/v1/leaderboards', body);
    expect(job).toMatchObject({ kind: 'leaderboard', resource: { type: 'leaderboard', id } });
    expect(await queued('leaderboard', job.id)).toBe(true);
    expect(Leaderboard.parse(await get(`/v1/leaderboards/${id}`))).toMatchObject({
      status: 'queued',
      modelName: 'won',
      report: null,
      options: { seeds: 2, horizonDays: 30, origins: 3 },
    });
    await gateway.work.leaderboard(job.id, id);
    const done = Leaderboard.parse(await get(`/v1/leaderboards/${id}`));
    expect(done).toMatchObject({ status: 'succeeded', version: 1, report: ranking });
    expect(ModelVersion.parse(await get('/v1/models/won/versions/1'))).toMatchObject({
      id: done.versionId,
      leaderboardId: id,
      runId: null,
    });
    const list = pageOf(LeaderboardSummary).parse(await get(`/v1/leaderboards?datasetId=${datasetId}`));
    expect(list.items).toMatchObject([{ id, winner: 'feedforward' }]);
    expect(await refused('POST', '/v1/leaderboards', { datasetId, horizon: 30 })).toMatchObject({
      code: 'invalid-input',
      errors: [{ pointer: '/horizon' }],
    });
    expect(await refused('GET', `/v1/leaderboards/lbd_${'0'.repeat(22)}`)).toMatchObject({ code: 'not-found' });
  });

  test('an evaluation of a version on a dataset', async () => {
    const datasetId = await generated();
    const version = await trained(datasetId, 'judged');
    const { id, job } = await accept('/v1/evaluations', { datasetId, model: 'judged@champion' });
    expect(await queued('evaluate', job.id)).toBe(true);
    await gateway.work.evaluate(job.id, id);
    const evaluation = Evaluation.parse(await get(`/v1/evaluations/${id}`));
    expect(evaluation).toMatchObject({ status: 'succeeded', versionId: version.id, report });
    const list = pageOf(Evaluation).parse(await get(`/v1/evaluations?versionId=${version.id}`));
    // its own, and the one that its run ended with
    expect(list.items).toHaveLength(2);
    expect(await refused('POST', '/v1/evaluations', { datasetId, model: 'nobody' })).toMatchObject({
      code: 'not-found',
    });
  });

  test('a run on a dataset that is not ready, or not there, is refused', async () => {
    const { id } = await accept('/v1/datasets/generate', { generator: 'features', customers: 1 });
    expect(await refused('POST', '/v1/runs', { datasetId: id })).toMatchObject({ code: 'conflict' });
    const none = `ds_${'0'.repeat(22)}`;
    expect(await refused('POST', '/v1/runs', { datasetId: none })).toMatchObject({ code: 'not-found' });
  });
});

describe('predictions', () => {
  test('of a dataset: started, read and downloaded', async () => {
    const datasetId = await generated();
    const version = await trained(datasetId, 'scorer');
    const { id, job } = await accept('/v1/predictions', { datasetId, model: 'scorer@1', includeInputs: true });
    expect(await queued('predict', job.id)).toBe(true);
    expect(await refused('GET', `/v1/predictions/${id}/download`)).toMatchObject({ code: 'conflict' });
    expect(await refused('GET', `/v1/predictions/${id}/rows`)).toMatchObject({ code: 'conflict' });
    expect(await refused('GET', `/v1/predictions/${id}/report`)).toMatchObject({ code: 'conflict' });
    await gateway.work.predict(job.id, id);
    expect(PredictionReport.parse(await get(`/v1/predictions/${id}/report`))).toEqual(predictionReport);
    const ids = async (query: string) =>
      pageOf(Prediction)
        .parse(await get(`/v1/predictions?${query}`))
        .items.map((item) => item.id);
    expect(await ids(`datasetId=${datasetId}&versionId=${version.id}&status=succeeded`)).toEqual([id]);
    expect(await ids(`datasetId=${datasetId}&status=failed`)).toEqual([]);
    expect(Prediction.parse(await get(`/v1/predictions/${id}`))).toMatchObject({
      status: 'succeeded',
      versionId: version.id,
      model: 'scorer',
      version: 1,
      includeInputs: true,
      rows: 2,
    });
    expect(pageOf(Prediction).parse(await get('/v1/predictions')).items[0]?.id).toBe(id);
    const csv = await call(gateway.app, 'GET', `/v1/predictions/${id}/download?format=csv`);
    expect(csv.body).toBe('customer_id,predicted_clv\n1,10\n');
    expect(csv.headers['content-disposition']).toBe(`attachment; filename="${id}.csv"`);
    expect(csv.headers['content-type']).toMatch(/^text\/csv/);
    const parquet = await call(gateway.app, 'GET', `/v1/predictions/${id}/download?format=parquet`);
    expect(parquet.body).toBe('PAR1');
    expect(await refused('GET', `/v1/predictions/${id}/download?format=xls`)).toMatchObject({ code: 'invalid-input' });
  });

  test('of an upload: its ingest comes first, then the scoring', async () => {
    await trained(await generated(), 'direct');
    const body = form(
      { model: 'direct', includeInputs: 'true', options: '{"idColumn":"id"}' },
      { 'new.csv': 'id,age\n1,30\n' },
    );
    const response = await call(gateway.app, 'POST', '/v1/predictions', body.payload, body.headers);
    expect(response.statusCode).toBe(202);
    const { id, job } = Accepted.parse(response.json());
    const prediction = Prediction.parse(await get(`/v1/predictions/${id}`));
    expect(prediction).toMatchObject({ status: 'queued', includeInputs: true });
    const dataset = Dataset.parse(await get(`/v1/datasets/${prediction.datasetId}`));
    expect(dataset).toMatchObject({ status: 'pending', name: 'new.csv' });
    expect(await queued('ingest', dataset.jobId ?? '')).toBe(true);
    expect(await queued('predict', job.id)).toBe(true);
    const source = await gateway.gateway.registry.datasets.source(dataset.id);
    expect(source).toMatchObject({
      type: 'upload',
      options: { idColumn: 'id' },
      files: [{ name: 'new.csv', bytes: 12 }],
    });
    await gateway.work.ingest(dataset.jobId ?? '', dataset.id);
    await gateway.work.predict(job.id, id);
    expect(Prediction.parse(await get(`/v1/predictions/${id}`)).status).toBe('succeeded');
  });

  test('of an upload for a model that is not there leaves nothing behind', async () => {
    const before = await onDisk('uploads');
    const body = form({ model: 'nobody' }, { 'new.csv': 'id\n1\n' });
    const problem = await refused('POST', '/v1/predictions', body.payload, body.headers);
    expect(problem.code).toBe('not-found');
    expect(await onDisk('uploads')).toEqual(before);
  });
});

describe('models that somebody brings', () => {
  const send = (name: string, files: Record<string, string>, fields: Record<string, string> = {}) => {
    const { payload, headers } = form(fields, files);
    return call(gateway.app, 'POST', `/v1/models/${name}/versions`, payload, headers);
  };

  test('become versions by a job; without an evaluation a second one does not become champion', async () => {
    const response = await send('brought', { 'shop-3-model.onnx': 'onnx', 'shop-3-model.json': '{}' });
    expect(response.statusCode).toBe(202);
    const { id, job } = Accepted.parse(response.json());
    expect(job).toMatchObject({ kind: 'import', resource: { type: 'import', id } });
    expect(await queued('import', job.id)).toBe(true);
    expect(ModelImport.parse(await get(`/v1/imports/${id}`))).toMatchObject({
      modelName: 'brought',
      status: 'queued',
      files: [
        { name: 'model.onnx', bytes: 4 },
        { name: 'model.json', bytes: 2 },
      ],
      version: null,
    });
    await gateway.work.import(job.id, id);
    expect(ModelImport.parse(await get(`/v1/imports/${id}`))).toMatchObject({ status: 'succeeded', version: 1 });
    const version = ModelVersion.parse(await get('/v1/models/brought/versions/1'));
    expect(version).toMatchObject({ source: 'imported', runId: null, evaluation: null, aliases: ['champion'] });

    const next = Accepted.parse((await send('brought', { 'model.onnx': 'other' })).json());
    await gateway.work.import(next.job.id, next.id);
    const promote = (body: object) => call(gateway.app, 'PUT', '/v1/models/brought/aliases/champion', body);
    const refusal = Problem.parse((await promote({ version: 2 })).json());
    expect(refusal).toMatchObject({
      code: 'gate-failed',
      gates: [{ gate: 'total-bias', passed: false, figure: null }],
    });
    const preview = AliasPreview.parse(await get('/v1/models/brought/aliases/champion/preview?version=2'));
    expect(preview).toMatchObject({ from: { version: 1 }, to: { version: 2 }, passed: false, gates: refusal.gates });

    // evaluated well, it may
    const datasetId = await generated();
    const evaluation = await accept('/v1/evaluations', { datasetId, model: 'brought@2' });
    await gateway.work.evaluate(evaluation.job.id, evaluation.id);
    expect(ModelVersion.parse(await get('/v1/models/brought/versions/2')).evaluation).toEqual(report);
    expect((await promote({ version: 2, reason: 'better on last month' })).statusCode).toBe(200);
    const back = await call(gateway.app, 'POST', '/v1/models/brought/aliases/champion/rollback', { reason: 'worse' });
    expect(Model.parse(back.json()).aliases).toEqual({ champion: 1 });
    const { items } = pageOf(AliasMove).parse(await get('/v1/models/brought/moves'));
    expect(items.map(({ former, version: to, reason, forced }) => [former, to, reason, forced])).toEqual([
      [2, 1, 'worse', true],
      [1, 2, 'better on last month', false],
    ]);
    const again = await call(gateway.app, 'POST', '/v1/models/brought/aliases/champion/rollback', {});
    expect(Model.parse(again.json()).aliases).toEqual({ champion: 2 });
    expect(await refused('POST', '/v1/models/brought/aliases/never-set/rollback', {})).toMatchObject({
      code: 'conflict',
    });
  });

  test('are refused by their names before anything is made of them, and leave nothing', async () => {
    const before = await onDisk('uploads');
    const refusal = async (response: ReturnType<typeof send>) => Problem.parse((await response).json());
    expect(await refusal(send('m', { 'weights.bin': 'x' }))).toMatchObject({ code: 'invalid-input' });
    expect((await refusal(send('m', { 'a-model.onnx': 'x', 'other.onnx': 'y' }))).detail).toContain('twice');
    expect((await refusal(send('m', { 'model.onnx': 'x' }, { name: 'shop' }))).errors?.[0]?.pointer).toBe('/name');
    expect((await refusal(send('m', {}))).code).toBe('data-empty');
    expect(await onDisk('uploads')).toEqual(before);
  });
});

describe('questions to a scorer', () => {
  const asked: Question[] = [];
  const rows: RowPage = { columns: ['customer_id', 'predicted_clv'], rows: [['1', 10]], offset: 0, total: 1 };
  const scores = {
    model: 'asked',
    version: 1,
    predictions: [{ customer_id: '1', predicted_clv: 10, p_buy: null, low: 9, high: 11 }],
    warnings: [],
  };
  let reply: Answer = { ok: true, value: {} };
  let scorer: ReturnType<TestGateway['answer']>;
  beforeAll(() => {
    scorer = gateway.answer((question) => {
      asked.push(question);
      return reply;
    });
  });
  afterAll(() => scorer.close());

  test('up to 1,000 rows are scored at once', async () => {
    const version = await trained(await generated(), 'asked');
    const { model: _model, version: _version, ...scored } = scores;
    reply = { ok: true, value: scored };
    const response = await call(gateway.app, 'POST', '/v1/score', { model: 'asked', rows: [{ age: 30, gender: 'F' }] });
    expect(response.statusCode).toBe(200);
    expect(ScoreResponse.parse(response.json())).toEqual(scores);
    expect(asked.at(-1)).toMatchObject({
      type: 'score',
      versionId: version.id,
      request: { rows: [{ age: 30, gender: 'F' }] },
    });
    const many = await refused('POST', '/v1/score', {
      model: 'asked',
      rows: Array.from({ length: 1001 }, () => ({ age: 1 })),
    });
    expect(many).toMatchObject({ code: 'invalid-input', errors: [{ pointer: '/rows' }] });
  });

  test('what the scorer refuses is told with its field', async () => {
    reply = {
      ok: false,
      error: { code: 'columns-mismatch', message: '12 of 16 columns are missing', pointer: '/rows' },
    };
    const problem = await refused('POST', '/v1/score', { model: 'asked', rows: [{ x: 1 }] });
    expect(problem).toMatchObject({ code: 'columns-mismatch', status: 422, errors: [{ pointer: '/rows' }] });
  });

  test('rows of a prediction and of a dataset are paged, sorted and searched', async () => {
    const datasetId = await generated();
    const { id, job } = await accept('/v1/predictions', { datasetId, model: 'asked' });
    await gateway.work.predict(job.id, id);
    reply = { ok: true, value: rows };
    const page = await get(`/v1/predictions/${id}/rows?offset=10&limit=5&sort=predicted_clv&order=desc&search=a%25b`);
    expect(RowPage.parse(page)).toEqual(rows);
    expect(asked.at(-1)).toEqual({
      type: 'rows',
      source: { type: 'prediction', id, revision: null },
      query: { offset: 10, limit: 5, sort: 'predicted_clv', order: 'desc', search: 'a%b' },
    });
    expect(RowPage.parse(await get(`/v1/datasets/${datasetId}/rows`))).toEqual(rows);
    expect(asked.at(-1)).toMatchObject({
      source: { type: 'dataset', id: datasetId },
      query: { offset: 0, limit: 100 },
    });
    await get(`/v1/predictions/${id}/rows?tier=gold&min=1&max=2.5`);
    expect(asked.at(-1)).toMatchObject({ query: { tier: 'gold', min: 1, max: 2.5 } });
    const misspelt = await refused('GET', `/v1/predictions/${id}/rows?teir=gold`);
    expect(misspelt.errors?.map(({ pointer }) => pointer)).toEqual(['/teir']);
    expect((await refused('GET', `/v1/datasets/${datasetId}/rows?tier=gold`)).code).toBe('invalid-input');
  });

  test('rejected rows are paged and downloaded; a dataset of an earlier version says what it has', async () => {
    const datasetId = await generated();
    expect(await refused('GET', `/v1/datasets/${datasetId}/rejected`)).toMatchObject({ code: 'not-found' });
    const { artifacts } = gateway.gateway;
    await artifacts.put(
      artifactKeys.rejected({ id: datasetId, revision: null }, 'rejected.csv'),
      'file,row\na.csv,3\n',
    );
    reply = { ok: true, value: rows };
    expect(RowPage.parse(await get(`/v1/datasets/${datasetId}/rejected?limit=7`))).toEqual(rows);
    expect(asked.at(-1)).toMatchObject({ source: { type: 'rejected', id: datasetId }, query: { limit: 7 } });
    const csv = await call(gateway.app, 'GET', `/v1/datasets/${datasetId}/rejected.csv`);
    expect([csv.body, csv.headers['content-disposition']]).toEqual([
      'file,row\na.csv,3\n',
      `attachment; filename="${datasetId}-rejected.csv"`,
    ]);
  });
});

describe('jobs', () => {
  test('cancel while queued, retry, and cancel while running', async () => {
    const { job } = await accept('/v1/datasets/generate', { generator: 'features', customers: 1 });
    const cancelled = await accept(`/v1/jobs/${job.id}/cancel`, {});
    expect(cancelled.job.status).toBe('cancelled');
    expect(await refused('POST', `/v1/jobs/${job.id}/cancel`)).toMatchObject({ code: 'illegal-transition' });
    const retried = await accept(`/v1/jobs/${job.id}/retry`, {}, { 'x-request-id': 'second-try' });
    expect(retried.job).toMatchObject({ status: 'queued', requestId: 'second-try' });
    // the cancelled delivery is gone, so that no two work at once
    expect([await queued('ingest', job.id, 1), await queued('ingest', job.id, 2)]).toEqual([false, true]);
    expect(await refused('POST', `/v1/jobs/${job.id}/retry`)).toMatchObject({ code: 'illegal-transition' });

    await gateway.gateway.registry.jobs.start(job.id, 'a test');
    const asked = await accept(`/v1/jobs/${job.id}/cancel`, {});
    expect(asked.job).toMatchObject({ status: 'running', cancelRequested: true });
    await gateway.gateway.registry.jobs.cancelled(job.id, 1);
    expect(Job.parse(await get(`/v1/jobs/${job.id}`))).toMatchObject({
      status: 'cancelled',
      attempts: [{ number: 1 }],
    });
  });

  test('a run is cancelled by its own id too', async () => {
    const datasetId = await generated();
    const { id, job } = await accept('/v1/runs', { datasetId });
    const cancelled = await accept(`/v1/runs/${id}/cancel`, {});
    expect(cancelled).toMatchObject({ id, job: { id: job.id, status: 'cancelled' } });
  });

  test('a failed one says why, and can be tried again', async () => {
    const { id, job } = await accept('/v1/datasets/generate', { generator: 'features', customers: 1 });
    await gateway.gateway.registry.jobs.start(job.id, 'a test');
    const error = { code: 'data-empty', message: 'there is no row', retryable: false };
    await gateway.gateway.registry.jobs.fail(job.id, 1, error, { final: true });
    expect(Job.parse(await get(`/v1/jobs/${job.id}`))).toMatchObject({ status: 'failed', error });
    expect(Dataset.parse(await get(`/v1/datasets/${id}`)).status).toBe('failed');
    expect(await refused('GET', `/v1/datasets/${id}/profile`)).toMatchObject({ code: 'conflict' });
    await accept(`/v1/jobs/${job.id}/retry`, {});
    expect(Dataset.parse(await get(`/v1/datasets/${id}`)).status).toBe('pending');
  });

  test('are polled by ETag: 304 while nothing has changed, the whole again once something has', async () => {
    const { job } = await accept('/v1/datasets/generate', { generator: 'features', customers: 1 });
    for (const url of [`/v1/jobs/${job.id}`, '/v1/jobs?limit=5']) {
      const first = await call(gateway.app, 'GET', url);
      const known = { 'if-none-match': String(first.headers.etag) };
      const second = await call(gateway.app, 'GET', url, undefined, known);
      expect([second.statusCode, second.body]).toEqual([304, '']);
      await gateway.gateway.registry.jobs.start(job.id, 'a test');
      const third = await call(gateway.app, 'GET', url, undefined, known);
      expect(third.statusCode).toBe(200);
      expect(third.headers.etag).not.toBe(first.headers.etag);
    }
  });

  test('are listed by status and kind', async () => {
    const { items } = pageOf(Job).parse(await get('/v1/jobs?status=queued&kind=ingest&limit=200'));
    expect(items.length).toBeGreaterThan(0);
    expect(items.every((job) => job.status === 'queued' && job.kind === 'ingest')).toBe(true);
  });
});

const body = { generator: 'features', customers: 7 };
const post = (payload: object, key: string) =>
  call(gateway.app, 'POST', '/v1/datasets/generate', payload, { 'idempotency-key': key });

describe('Idempotency-Key', () => {
  test('the same request gets the first answer, and nothing is done twice', async () => {
    const key = randomUUID();
    const first = await post(body, key);
    // spacing and order of fields are no difference
    const second = await post({ customers: 7, generator: 'features' }, key);
    expect([first.statusCode, second.statusCode]).toEqual([202, 202]);
    expect(second.json()).toEqual(first.json());
    expect(second.headers.location).toBe(first.headers.location);
    expect([first.headers['idempotency-replayed'], second.headers['idempotency-replayed']]).toEqual([
      undefined,
      'true',
    ]);
  });

  test('another body, or the first still under way, is a conflict', async () => {
    const key = randomUUID();
    const answers = await Promise.all([post(body, key), post(body, key), post(body, key)]);
    const made = new Set(answers.filter((a) => a.statusCode === 202).map((a) => Accepted.parse(a.json()).id));
    expect(made.size).toBe(1);
    const other = await post({ ...body, customers: 8 }, key);
    expect(Problem.parse(other.json()).code).toBe('conflict');
  });

  test('a request that failed can be sent again', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const datasetId = (await accept('/v1/datasets/generate', body)).id;
    const early = await call(gateway.app, 'POST', '/v1/runs', { datasetId }, key);
    expect(early.statusCode).toBe(409);
    await gateway.work.ingest(Dataset.parse(await get(`/v1/datasets/${datasetId}`)).jobId ?? '', datasetId);
    expect((await call(gateway.app, 'POST', '/v1/runs', { datasetId }, key)).statusCode).toBe(202);
  });

  test('of an upload: the same files are known again and not kept twice, others are a conflict', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const send = (content: string) => {
      const { payload, headers } = form({ name: 'up' }, { 'a.csv': content });
      return call(gateway.app, 'POST', '/v1/datasets', payload, { ...headers, ...key });
    };
    const first = await send('id\n1\n');
    const kept = await onDisk('uploads');
    const second = await send('id\n1\n');
    expect(second.json()).toEqual(first.json());
    expect((await send('id\n2\n')).statusCode).toBe(409);
    expect(await onDisk('uploads')).toEqual(kept);
  });

  test('a key that is none is refused', async () => {
    expect(Problem.parse((await post(body, 'has space')).json()).code).toBe('invalid-input');
  });

  test('holds between gateways', async () => {
    const key = randomUUID();
    const first = await post(body, key);
    const other = await buildApp(gateway.gateway);
    const second = await call(other, 'POST', '/v1/datasets/generate', body, { 'idempotency-key': key });
    expect(second.json()).toEqual(first.json());
    await other.close();
  });
});

test('the sample is twenty rows of the 16-feature table and its target', async () => {
  const response = await call(gateway.app, 'GET', '/v1/sample.csv');
  expect(response.headers['content-disposition']).toContain('sample.csv');
  const lines = response.body.trim().split('\n');
  expect(lines).toHaveLength(21);
  expect(new Set(lines.map((line) => line.split(',').length))).toEqual(new Set([17]));
  expect(lines[0]?.split(',')).toEqual(
    expect.arrayContaining(['age', 'customer_segment', 'avg_order_value', 'promo_code_usage', 'clv']),
  );
});
