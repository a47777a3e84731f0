import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EvaluationReport, type ModelVersion, Question, type RowPage, type Scored } from '@clove/contracts';
import { generateDataset, loadFeatures } from '@clove/data';
import { type Answer, createLogger } from '@clove/runtime';
import {
  DEFAULT_TENANT,
  type ArtifactStore,
  type Registry,
  artifactKeys,
  migrate,
  newId,
  openArtifacts,
  openRegistry,
} from '@clove/store';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { answer } from './answering.js';
import type * as handlersModule from './handlers.js';
import { writeLinearModel } from './linear-model.test-support.js';
import type * as lanesModule from './lanes.js';
import type * as scoringModule from './scoring-thread.js';

// The compiled modules: they start the compiled thread scripts beside them.
const compiled = (name: string) => new URL(`../dist/${name}.js`, import.meta.url).href;
const { scoreHandlers } = (await import(compiled('handlers'))) as typeof handlersModule;
const { openLanes } = (await import(compiled('lanes'))) as typeof lanesModule;
const { ScoringThread } = (await import(compiled('scoring-thread'))) as typeof scoringModule;

const ROWS = 120;
let folder: string;
let scratchDir: string;
let registry: Registry;
let artifacts: ArtifactStore;
let scoring: InstanceType<typeof ScoringThread>;
let lanes: lanesModule.Lanes;
let datasetId: string;
let version: ModelVersion;

const newDataset = async () => {
  const id = newId('dataset');
  const options = { generator: 'features', customers: ROWS, seed: 3 } as const;
  const { job } = await registry.datasets.create({
    id,
    name: 'shop',
    source: { type: 'generator', options },
    requestId: 'r',
  });
  await registry.jobs.start(job.id, 'ingester');
  return { id, job, options };
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-score-handlers-'));
  scratchDir = join(folder, 'scratch');
  await mkdir(scratchDir);
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/t_${randomUUID().replaceAll('-', '')}`;
  await migrate(url.href);
  registry = openRegistry(url.href).forTenant(DEFAULT_TENANT);
  artifacts = openArtifacts(join(folder, 'artifacts'));
  lanes = openLanes(1);
  scoring = new ScoringThread({ artifactsDir: join(folder, 'artifacts'), openModels: 1 });

  const { id, job, options } = await newDataset();
  datasetId = id;
  const outDir = join(folder, 'data');
  const profile = await generateDataset({ options, outDir, scratchDir: folder });
  await artifacts.putFile(artifactKeys.data({ id: id, revision: null }), join(outDir, 'data.parquet'));
  await artifacts.putFile(artifactKeys.profile({ id: id, revision: null }), join(outDir, 'profile.json'));
  await registry.datasets.complete(id, profile);
  await registry.jobs.succeed(job.id, 1);

  const table = await loadFeatures({ parquet: join(outDir, 'data.parquet'), profile, scratchDir: folder });
  const { modelDir, manifest } = await writeLinearModel(folder, {
    kind: 'features',
    table,
    columns: ['age', 'total_orders'],
    weights: () => [5, 7],
    intercept: 100,
  });
  const { run, job: training } = await registry.runs.create({
    datasetId,
    modelName: 'shop',
    options: manifest.options,
    requestId: 'r',
  });
  await registry.jobs.start(training.id, 'trainer');
  const versionId = newId('version');
  for (const name of ['model.onnx', 'model.json'] as const) {
    await artifacts.putFile(artifactKeys.version(versionId, name), join(modelDir, name));
  }
  version = await registry.runs.complete(run.id, { versionId, manifest, evaluation: emptyReport, artifacts: [] });
});
afterAll(async () => {
  await lanes.close();
  await scoring.close();
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

const emptyReport: EvaluationReport = {
  protocol: {
    name: 'random',
    horizonDays: null,
    testOrigin: null,
    trainingOrigins: [],
    trainRows: 1,
    validationRows: 1,
    testRows: 1,
    seed: 1,
  },
  testCustomers: 1,
  metrics: {
    rmse: 1,
    mae: 1,
    r2: null,
    mape: null,
    mapeShare: 0,
    totalBias: null,
    spearman: null,
    normalizedGini: null,
    decileMape: null,
  },
  baselines: {},
  skippedBaselines: {},
  lint: [],
  warnings: [],
};

const handlers = () =>
  scoreHandlers({
    registry,
    artifacts,
    scratchDir,
    memoryLimitBytes: 256 * 1024 ** 2,
    threads: 1,
    lanes,
    shardRows: 1_000_000,
  });
const jobContext = () => ({
  signal: new AbortController().signal,
  logger: createLogger('scorer', 'silent'),
  progress: () => {},
  attempt: 1,
  requestId: 'r',
  giveOut: () => {},
});

const startedPrediction = async (from: string) => {
  const { prediction, job } = await registry.predictions.create({
    datasetId: from,
    versionId: version.id,
    includeInputs: false,
    requestId: 'r',
  });
  await registry.jobs.start(job.id, 'scorer');
  return { payload: { jobId: job.id, requestId: 'r', predictionId: prediction.id }, job };
};

const ask = (asked: object): Promise<Answer> => {
  const question = Question.parse(asked);
  const memoryLimitBytes = 256 * 1024 ** 2;
  const logger = createLogger('scorer', 'silent');
  return answer({ artifacts, scoring, logger, scratchDir, memoryLimitBytes })({ question, requestId: 'r' });
};

describe('a predict job', () => {
  test('ends in stored files and a registered prediction; done again, it changes nothing', async () => {
    const { payload } = await startedPrediction(datasetId);
    await handlers().predict(payload, jobContext());
    const done = await registry.predictions.get(payload.predictionId);
    expect(done).toMatchObject({ rows: ROWS, summary: { customers: ROWS } });
    expect(done.warnings.map(({ code }) => code)).toEqual(['surplus-columns']);
    for (const name of ['predictions.parquet', 'predictions.csv'] as const) {
      expect(
        (await artifacts.stat(artifactKeys.prediction({ id: payload.predictionId, revision: null }, name)))!.bytes,
      ).toBeGreaterThan(0);
    }
    expect(await readdir(scratchDir)).toEqual([]);
    await handlers().predict(payload, jobContext());
    expect(await registry.predictions.get(payload.predictionId)).toEqual(done);

    const source = { type: 'prediction', id: payload.predictionId };
    const query = { offset: 0, limit: 3, order: 'desc', sort: 'predicted_clv' };
    const reply = await ask({ type: 'rows', source, query });
    const page = (reply as { value: unknown }).value as RowPage;
    expect(page.total).toBe(ROWS);
    expect(page.rows[0]![page.columns.indexOf('predicted_clv')]).toBeCloseTo(done.summary!.max, 3);
    expect(page.rows[0]![page.columns.indexOf('model_version')]).toBe('shop@1');
  });

  test('reports how its predictions are spread, and how near they came: what an evaluation of the same rows says', async () => {
    const { payload } = await startedPrediction(datasetId);
    await handlers().predict(payload, jobContext());
    const report = (await registry.predictions.report(payload.predictionId))!;
    const { summary } = await registry.predictions.get(payload.predictionId);
    const sum = (parts: { total: number }[]) => parts.reduce((total, part) => total + part.total, 0);
    expect(report.deciles.reduce((count, group) => count + group.customers, 0)).toBe(ROWS);
    expect(report.histogram.reduce((count, bin) => count + bin.count, 0)).toBe(ROWS);
    expect(report.tiers.map(({ tier }) => tier)).toEqual(['platinum', 'gold', 'silver', 'bronze']);
    for (const parts of [report.deciles, report.tiers]) expect(sum(parts)).toBeCloseTo(summary!.total, 2);
    expect([report.deciles[0]!.highest, report.deciles.at(-1)!.lowest]).toEqual([summary!.max, summary!.min]);
    expect(report.deciles.every(({ highest, lowest, mean }) => highest >= mean && mean >= lowest)).toBe(true);

    const { evaluation, job } = await registry.evaluations.create({ datasetId, versionId: version.id, requestId: 'r' });
    await registry.jobs.start(job.id, 'scorer');
    await handlers().evaluate({ jobId: job.id, requestId: 'r', evaluationId: evaluation.id }, jobContext());
    const { metrics } = (await registry.evaluations.get(evaluation.id)).report!;
    expect(report.actual).toMatchObject({ source: 'target-column', customers: ROWS });
    for (const name of ['rmse', 'mae', 'totalBias', 'normalizedGini'] as const)
      expect(report.actual!.metrics[name]).toBeCloseTo(metrics[name]!, 4);
  });

  test('the rows of a dataset are searched by customer', async () => {
    const query = { offset: 0, limit: 3, order: 'asc', search: String(ROWS) };
    const reply = await ask({ type: 'rows', source: { type: 'dataset', id: datasetId }, query });
    const page = (reply as { value: unknown }).value as RowPage;
    expect([page.total, page.rows[0]![page.columns.indexOf('customer_id')]]).toEqual([1, String(ROWS)]);
  });

  test('of a dataset that is still being ingested may be tried again; of one that failed it fails, saying why', async () => {
    const pending = await newDataset();
    const { payload } = await startedPrediction(pending.id);
    await expect(handlers().predict(payload, jobContext())).rejects.toMatchObject({
      code: 'unavailable',
      retryable: true,
    });
    const failure = { code: 'data-empty', message: 'The file has no rows.', retryable: false };
    await registry.jobs.fail(pending.job.id, 1, failure, { final: true });
    await expect(handlers().predict(payload, jobContext())).rejects.toMatchObject({
      code: 'conflict',
      retryable: false,
      message: expect.stringContaining('The file has no rows.'),
    });
  });

  test('that was cancelled meanwhile leaves no files', async () => {
    const { payload, job } = await startedPrediction(datasetId);
    await registry.jobs.cancelled(job.id, 1);
    await expect(handlers().predict(payload, jobContext())).rejects.toMatchObject({ code: 'conflict' });
    expect(
      await artifacts.stat(artifactKeys.prediction({ id: payload.predictionId, revision: null }, 'predictions.csv')),
    ).toBeNull();
  });
});

test('an evaluate job ends in a report', async () => {
  const { evaluation, job } = await registry.evaluations.create({ datasetId, versionId: version.id, requestId: 'r' });
  await registry.jobs.start(job.id, 'scorer');
  const payload = { jobId: job.id, requestId: 'r', evaluationId: evaluation.id };
  await handlers().evaluate(payload, jobContext());
  const { report } = await registry.evaluations.get(evaluation.id);
  expect(report).toMatchObject({ testCustomers: ROWS, protocol: { name: 'random' } });
  await handlers().evaluate(payload, jobContext());
});

const score = (rows: object[], versionId: string = version.id) =>
  ask({ type: 'score', versionId, request: { model: 'shop', rows } });

describe('questions', () => {
  test('rows are scored, several questions at once', async () => {
    const replies = await Promise.all([20, 40, 60].map((age) => score([{ age, total_orders: 5 }])));
    const values = replies.map((reply) => (reply as { value: unknown }).value as Scored);
    const [a, b, c] = values.map(({ predictions }) => predictions[0]!.predicted_clv);
    expect(b! - a!).toBeCloseTo(c! - b!, 3);
    expect(b).toBeGreaterThan(a!);
  });

  test('a refusal comes back with its code and the place of the value', async () => {
    expect(await score([{ age: 'old', total_orders: 5 }])).toMatchObject({
      ok: false,
      error: { code: 'invalid-input', pointer: '/rows/0/age' },
    });
    expect(await score([{ age: 3 }], newId('version'))).toMatchObject({ ok: false, error: { code: 'not-found' } });
  });

  test('a thread that was lost is started anew by the next question', async () => {
    await scoring.close();
    expect(await score([{ age: 20, total_orders: 5 }])).toMatchObject({ ok: true });
  });

  test('rows of what is not there are refused', async () => {
    const source = { type: 'prediction', id: newId('prediction') };
    const query = { offset: 0, limit: 3, order: 'asc' };
    expect(await ask({ type: 'rows', source, query })).toMatchObject({ ok: false, error: { code: 'not-found' } });
  });
});
