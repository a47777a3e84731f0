import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Rng, feedforward, predictionTensor, prepareTensor, preparedWidth } from '@clove/clv';
import type { Job, ShardStep } from '@clove/contracts';
import { generateDataset, loadFeatures } from '@clove/data';
import { exportOnnx, initialState } from '@clove/engine';
import { type Producer, createProducer } from '@clove/runtime';
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
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { writeLinearModel } from './linear-model.test-support.js';

// Real scorers, each a process of its own, on real servers: a database of this test, and a Redis database that no other uses.
const ROWS = 30_000;
const SHARD_ROWS = 5000;
const SHARDS = 6;
const redisUrl = `${inject('redisUrl')}/11`;

let folder: string;
let databaseUrl: string;
let registry: Registry;
let artifacts: ArtifactStore;
let producer: Producer;
let datasetId: string;
let versionId: string;

/** A scorer with one thread, and what it says it has begun. */
type Scorer = { child: ChildProcessByStdio<null, Readable, null>; began: { shard: number; step: ShardStep }[] };
const scorers: Scorer[] = [];

const startScorer = async (): Promise<Scorer> => {
  const scratch = await mkdtemp(join(folder, 'scratch-'));
  const child = spawn(process.execPath, [fileURLToPath(new URL('../dist/main.js', import.meta.url))], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      ARTIFACTS_DIR: join(folder, 'artifacts'),
      SCRATCH_DIR: scratch,
      SHARD_ROWS: String(SHARD_ROWS),
      THREADS: '1',
      LOG_LEVEL: 'info',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const scorer: Scorer = { child, began: [] };
  scorers.push(scorer);
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error('the scorer ended before it was ready')));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { msg, shard, step } = JSON.parse(line) as { msg: string; shard?: number; step?: ShardStep };
      if (msg === 'ready') resolve();
      if (msg === 'job started' && shard !== undefined && step !== undefined) scorer.began.push({ shard, step });
    });
  });
  return scorer;
};

const gone = ({ child }: Scorer): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-shards-'));
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/t_${randomUUID().replaceAll('-', '')}`;
  databaseUrl = url.href;
  await migrate(databaseUrl);
  registry = openRegistry(databaseUrl).forTenant(DEFAULT_TENANT);
  artifacts = openArtifacts(join(folder, 'artifacts'));
  producer = createProducer({ redisUrl });

  datasetId = newId('dataset');
  const options = { generator: 'features', customers: ROWS, seed: 3 } as const;
  const source = { type: 'generator', options } as const;
  const { job } = await registry.datasets.create({ id: datasetId, name: 'shop', source, requestId: 'r' });
  await registry.jobs.start(job.id, 'ingester');
  const outDir = join(folder, 'data');
  const profile = await generateDataset({ options, outDir, scratchDir: folder });
  await artifacts.putFile(artifactKeys.data({ id: datasetId, revision: null }), join(outDir, 'data.parquet'));
  await artifacts.putFile(artifactKeys.profile({ id: datasetId, revision: null }), join(outDir, 'profile.json'));
  await registry.datasets.complete(datasetId, profile);
  await registry.jobs.succeed(job.id, 1);

  const table = await loadFeatures({ parquet: join(outDir, 'data.parquet'), profile, scratchDir: folder });
  const columns = ['age', 'total_orders', 'gender'];
  const { modelDir, manifest } = await writeLinearModel(folder, {
    kind: 'features',
    table,
    columns,
    weights: (width) => Array.from({ length: width }, () => 1),
    intercept: 1,
  });
  // So slow a network that the scoring of a shard is seen under way.
  const inputWidth = preparedWidth(manifest.schema);
  const network = feedforward({ inputWidth, hidden: [1024, 2048, 1024], batchNorm: false, dropout: 0 });
  const rng = new Rng(5);
  const { params, stats } = initialState(network, () => rng.uniform());
  const graph = { network, params, stats, inputWidth: manifest.schema.width };
  const onnx = exportOnnx({
    ...graph,
    before: prepareTensor(manifest.schema),
    after: predictionTensor({ mean: 100, sd: 900 }),
  });
  await writeFile(join(modelDir, 'model.onnx'), onnx);
  const training = await registry.runs.create({
    datasetId,
    modelName: 'shop',
    options: manifest.options,
    requestId: 'r',
  });
  await registry.jobs.start(training.job.id, 'trainer');
  versionId = newId('version');
  for (const name of ['model.onnx', 'model.json'] as const) {
    await artifacts.putFile(artifactKeys.version(versionId, name), join(modelDir, name));
  }
  const evaluation = {
    protocol: {
      name: 'random' as const,
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
  await registry.runs.complete(training.run.id, { versionId, manifest, evaluation, artifacts: [] });
}, 120_000);
afterEach(async () => {
  for (const { child } of scorers) child.kill('SIGTERM');
  await Promise.all(scorers.splice(0).map(gone));
});
afterAll(async () => {
  await producer.close();
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

const startPrediction = async () => {
  const { prediction, job } = await registry.predictions.create({
    datasetId,
    versionId,
    includeInputs: true,
    requestId: 'r',
  });
  const payload = { jobId: job.id, requestId: 'r', predictionId: prediction.id };
  await producer.enqueue('predict', payload, { attempt: 1 });
  return { id: prediction.id, jobId: job.id };
};
const settled = async (jobId: string, seen: Job[] = []): Promise<Job> =>
  vi.waitFor(
    async () => {
      const job = await registry.jobs.get(jobId);
      seen.push(job);
      expect(['succeeded', 'failed', 'cancelled']).toContain(job.status);
      return job;
    },
    { timeout: 180_000, interval: 50 },
  );
const filesOf = (id: string): Promise<Buffer[]> =>
  Promise.all(
    (['predictions.csv', 'predictions.parquet'] as const).map(async (name) =>
      readFile(await artifacts.local(artifactKeys.prediction({ id: id, revision: null }, name), folder)),
    ),
  );
/** Names of what a prediction left in the store. */
const stored = (id: string): Promise<string[]> => readdir(join(folder, 'artifacts', 'predictions', id));

let undisturbed: Buffer[];

test('two scorers share the shards of a large prediction; its job counts them, and nothing of them is left', async () => {
  const both = [await startScorer(), await startScorer()];
  const { id, jobId } = await startPrediction();
  const seen: Job[] = [];
  const job = await settled(jobId, seen);
  expect(job.error).toBeNull();
  expect(job).toMatchObject({ status: 'succeeded', progress: 1 });
  expect(job.attempts).toHaveLength(1);
  for (const { began } of both) expect(began.length).toBeGreaterThan(0);
  const began = both.flatMap((scorer) => scorer.began);
  for (const step of ['score', 'write'] as const) {
    const shards = began.filter((one) => one.step === step).map(({ shard }) => shard);
    expect(shards.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  }
  expect(seen.map(({ stage }) => stage).join()).toMatch(/[1-5] of 6 shards scored/);
  const progress = seen.map((one) => one.progress);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));

  const prediction = await registry.predictions.get(id);
  expect(prediction).toMatchObject({ rows: ROWS, summary: { customers: ROWS } });
  expect(await registry.predictions.shards(id)).toEqual([]);
  expect((await stored(id)).toSorted()).toEqual(['predictions.csv', 'predictions.parquet']);
  undisturbed = await filesOf(id);
  const lines = undisturbed[0]!.toString().trimEnd().split('\n').slice(1);
  expect(lines.map((line) => line.split(',')[0])).toEqual(Array.from({ length: ROWS }, (_, i) => String(i + 1)));
}, 200_000);

test('a shard whose scorer is killed is redone alone by the other, and the result is the undisturbed one', async () => {
  const [killed, other] = [await startScorer(), await startScorer()];
  const { id, jobId } = await startPrediction();
  await vi.waitFor(() => expect(killed.began.length).toBeGreaterThan(1), { timeout: 60_000, interval: 5 });
  killed.child.kill('SIGKILL');
  await gone(killed);
  const lost = killed.began.at(-1)!;
  const job = await settled(jobId);
  expect(job.error).toBeNull();
  expect(job.status).toBe('succeeded');
  const again = other.began.filter((mine) =>
    killed.began.some(({ shard, step }) => shard === mine.shard && step === mine.step),
  );
  expect(again).toEqual([lost]);
  const began = [...killed.began, ...other.began];
  expect(began).toHaveLength(2 * SHARDS + 1);
  expect((await filesOf(id)).map((file, i) => file.equals(undisturbed[i]!))).toEqual([true, true]);
  expect((await stored(id)).toSorted()).toEqual(['predictions.csv', 'predictions.parquet']);
}, 200_000);

test('a cancel while shards are at work ends the job at once; the rest is not begun, and a retry makes the same result', async () => {
  const scorer = await startScorer();
  const { id, jobId } = await startPrediction();
  await vi.waitFor(() => expect(scorer.began.length).toBeGreaterThan(0), { timeout: 60_000, interval: 5 });
  expect((await registry.jobs.requestCancel(jobId)).status).toBe('cancelled');
  await vi.waitFor(
    async () => {
      expect(await stored(id).catch(() => [])).toEqual([]);
      const { score } = await producer.counts();
      expect(score).toMatchObject({ waiting: 0, active: 0, delayed: 0 });
    },
    { timeout: 60_000, interval: 50 },
  );
  expect(scorer.began.length).toBeLessThan(SHARDS);
  expect(await registry.jobs.get(jobId)).toMatchObject({ status: 'cancelled' });

  const { queued } = await registry.jobs.retry(jobId, 'r2');
  await producer.remove(queued.kind, jobId, queued.attempt - 1);
  await producer.enqueue(queued.kind, queued.payload, { attempt: queued.attempt });
  expect(await settled(jobId)).toMatchObject({ status: 'succeeded' });
  expect((await filesOf(id)).map((file, i) => file.equals(undisturbed[i]!))).toEqual([true, true]);
}, 200_000);

test('what all shards found together may end a prediction: nothing of it is left', async () => {
  await startScorer();
  await mkdir(join(folder, 'artifacts'), { recursive: true });
  const { id, jobId } = await startPrediction();
  await vi.waitFor(async () => expect(await registry.predictions.shards(id)).toHaveLength(SHARDS), {
    timeout: 60_000,
    interval: 5,
  });
  await artifacts.remove(artifactKeys.version(versionId, 'model.json'));
  const job = await settled(jobId);
  expect(job).toMatchObject({ status: 'failed' });
  await vi.waitFor(async () => expect(await stored(id).catch(() => [])).toEqual([]), { timeout: 60_000, interval: 50 });
}, 200_000);
