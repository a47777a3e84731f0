import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  CloveError,
  DatasetProfile,
  type DatasetSource,
  EvaluationReport,
  IngestOptions,
  ModelManifest,
  TrainingOptions,
} from '@clove/contracts';
import {
  customerCells,
  hashedId,
  joinedCsv,
  openRows,
  readRows,
  writePredictionCsv,
  writePredictionParquet,
} from '@clove/data';
import { createLogger } from '@clove/runtime';
import {
  type ArtifactStore,
  DEFAULT_TENANT,
  type Registry,
  type UnboundRegistry,
  artifactKeys,
  migrate,
  newId,
  openArtifacts,
  openRegistry,
  sweepReplaced,
} from '@clove/store';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { erasureHandler } from './erasure.js';
import { ingestHandler } from './handler.js';

const logger = createLogger('test', 'silent');
const SECRET = 'a key of this installation';
const requestId = 'request';

let home: string;
let scratchDir: string;
let unbound: UnboundRegistry;
let registry: Registry;
let artifacts: ArtifactStore;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clove-erasure-test-'));
  scratchDir = join(home, 'scratch');
  await mkdir(scratchDir);
});
afterAll(() => rm(home, { recursive: true, force: true }));

// each test has an installation of its own, so that what it counts is its own
beforeEach(async () => {
  const database = new URL(inject('databaseUrl'));
  database.pathname = `/t_${randomUUID().replaceAll('-', '')}`;
  await migrate(database.href);
  unbound = openRegistry(database.href);
  registry = unbound.forTenant(DEFAULT_TENANT);
  artifacts = openArtifacts(join(home, randomUUID()));
  return () => unbound.close();
});

const limits = { memoryLimitBytes: 256 * 1024 ** 2, threads: 2 };
const context = (more: { store?: ArtifactStore; customerSecret?: string | undefined } = {}) => ({
  registry: unbound,
  artifacts: more.store ?? artifacts,
  scratchDir,
  ...limits,
  customerSecret: 'customerSecret' in more ? more.customerSecret : SECRET,
});
const jobContext = {
  signal: new AbortController().signal,
  logger,
  progress: () => {},
  attempt: 1,
  requestId,
};

/** A dataset as the gateway leaves it: its ingest is queued. */
const uploaded = async (csv: string, options: Partial<IngestOptions> = {}, of: Registry = registry) => {
  const id = newId('dataset');
  const key = artifactKeys.upload(id, 0);
  const { bytes } = await artifacts.put(key, csv);
  const source: DatasetSource = {
    type: 'upload',
    files: [{ name: 'in.csv', key, bytes }],
    options: IngestOptions.parse(options),
  };
  const { job } = await of.datasets.create({ id, name: 'shop', source, requestId });
  return { id, job };
};
const ingest = async ({ id, job }: Awaited<ReturnType<typeof uploaded>>) => {
  await unbound.jobs.start(job.id, 'ingester');
  await ingestHandler(context())({ jobId: job.id, datasetId: id, requestId } as never, jobContext);
  await unbound.jobs.succeed(job.id, 1);
  return id;
};
const dataset = async (csv: string, options: Partial<IngestOptions> = {}, of: Registry = registry) =>
  ingest(await uploaded(csv, options, of));

const CUSTOMERS = Array.from({ length: 30 }, (_, n) => `cust-${n}`);
const FEATURES = `customer_id,f,g,clv\n${CUSTOMERS.map((id, n) => `${id},${n % 7},${n % 3},${n}`).join('\n')}\n`;
const ORDERS = `customer_id,date,amount\n${CUSTOMERS.flatMap((id, n) => [`${id},2024-01-0${(n % 9) + 1},${n}`, `${id},2024-02-01,1`]).join('\n')}\nx,cust-3 never,1\n`;
const asFeatures = { kind: 'features', idColumn: 'customer_id' } as const;

const metrics = {
  rmse: 1,
  mae: 1,
  r2: 0.5,
  mape: null,
  mapeShare: 0,
  totalBias: 0,
  spearman: 0.4,
  normalizedGini: 0.3,
  decileMape: 0.1,
};
const options = TrainingOptions.parse({});
const manifest = ModelManifest.parse({
  format: 1,
  type: 'feedforward',
  head: 'mse',
  kind: 'features',
  target: 'clv',
  horizonDays: null,
  idColumn: null,
  schema: { features: [{ kind: 'categorical', name: 'segment', categories: ['A', 'B'] }], width: 3 },
  parameters: 100,
  interval: { level: 0.8, below: 1, above: 2 },
  options,
  training: {
    datasetId: null,
    rows: 10,
    targetMean: 1,
    asOf: [],
    epochs: [],
    bestEpoch: 1,
    seconds: 1,
    backend: 'onnx-cpu',
    versions: {},
  },
  warnings: [],
});
const evaluation = EvaluationReport.parse({
  protocol: {
    name: 'random',
    horizonDays: null,
    testOrigin: null,
    trainingOrigins: [],
    trainRows: 10,
    validationRows: 2,
    testRows: 3,
    seed: 42,
  },
  testCustomers: 3,
  metrics,
  baselines: {},
  skippedBaselines: {},
  lint: [],
  warnings: [],
});

/** A prediction of a dataset, in the steps of a scorer: it has begun, it has read the data, it writes what it has read. */
const predicting = async (datasetId: string, of: Registry = registry) => {
  const { run, job: training } = await of.runs.create({ datasetId, modelName: 'shop', options, requestId });
  await unbound.jobs.start(training.id, 'trainer');
  const version = { versionId: newId('version'), manifest, evaluation, artifacts: [] };
  const { id: versionId } = await unbound.runs.complete(run.id, version);
  await unbound.jobs.succeed(training.id, 1);
  const { prediction, job } = await of.predictions.create({ datasetId, versionId, includeInputs: false, requestId });
  await unbound.jobs.start(job.id, 'scorer');
  const read = await of.datasets.get(datasetId);
  return {
    id: prediction.id,
    write: async () => {
      const dir = await mkdtemp(join(scratchDir, 'predict-'));
      const rows = read.rows!;
      const out = { parquet: join(dir, '0.parquet'), csv: join(dir, '0.csv') };
      const floats = Float32Array.from({ length: rows }, (_, n) => n + 0.5);
      const parquet = await artifacts.local(artifactKeys.data(read), dir);
      const duck = await openRows({ parquet, steps: null, scratchDir: dir });
      const scores = { predicted: floats, pBuy: null, low: floats, high: floats, percentile: new Float64Array(rows) };
      const told = { scores, modelVersion: 'shop@1', asOf: null };
      const rowsOf = { parquet, stretch: { from: 0, rows }, inputs: [] };
      await writePredictionParquet(duck, { ...told, ...rowsOf, out: out.parquet });
      await writePredictionCsv({ ...told, cells: await customerCells(duck, rowsOf), out: out.csv });
      await duck.close();
      const at = { id: prediction.id, revision: null };
      await artifacts.putFile(artifactKeys.prediction(at, 'predictions.parquet'), out.parquet);
      const csv = Readable.from(joinedCsv({ inputs: [], files: [out.csv] }), { objectMode: false });
      await artifacts.put(artifactKeys.prediction(at, 'predictions.csv'), csv);
      const summary = { customers: rows, total: 1, mean: 1, median: 1, sd: 1, min: 1, max: 1 };
      const report = { histogram: [], deciles: [], tiers: [], actual: null };
      await unbound.predictions.complete(prediction.id, { rows, summary, report, warnings: [], asOf: null });
      await unbound.jobs.succeed(job.id, 1);
      await rm(dir, { recursive: true });
      return prediction.id;
    },
  };
};
const predicted = async (datasetId: string, of: Registry = registry) => (await predicting(datasetId, of)).write();

/** An erasure, and what a worker does with its job when it is given out. */
const erasure = async (customers: string[], of: Registry = registry) => {
  const { erasure: made, job } = await of.erasures.create({ customers, requestId });
  const payload = { jobId: job.id, erasureId: made.id, requestId } as never;
  return {
    id: made.id,
    job,
    round: async (with_: Parameters<typeof context>[0] = {}): Promise<'done' | 'later'> => {
      await unbound.jobs.start(job.id, 'ingester');
      let later = false;
      await erasureHandler(context(with_))(payload, { ...jobContext, later: () => (later = true) });
      if (later) await unbound.jobs.wait(job.id, 1);
      else await unbound.jobs.succeed(job.id, 1);
      return later ? 'later' : 'done';
    },
    result: async () => (await of.erasures.get(made.id)).result,
    waits: async () => (await unbound.jobs.waiting()).some(({ payload: { jobId } }) => jobId === job.id),
  };
};

/** Every file of the store as text: Parquet read as rows, all else as it is. */
const files = async (): Promise<Record<string, string>> => {
  const texts: Record<string, string> = {};
  for await (const { key } of artifacts.keys()) {
    const path = await artifacts.local(key, scratchDir);
    texts[key] = key.endsWith('.parquet')
      ? JSON.stringify(await readRows({ parquet: path, query: { offset: 0, limit: 1000, order: 'asc' }, scratchDir }))
      : await readFile(path, 'latin1');
  }
  return texts;
};
const named = async (id: string): Promise<string[]> =>
  Object.entries(await files())
    .filter(([, text]) => new RegExp(`${id}(?!\\d)`).test(text))
    .map(([key]) => key);

describe('an erasure', () => {
  test('takes a customer out of every dataset, upload and prediction, and says how many', async () => {
    const orders = await dataset(ORDERS, { kind: 'transactions' });
    const features = await dataset(FEATURES, asFeatures);
    const prediction = await predicted(features);
    expect(await named('cust-3')).not.toEqual([]);
    const before = await files();
    const erased = await erasure(['cust-3', ' cust-4 ', 'cust-3', 'nobody']);
    expect(await erased.round()).toBe('done');
    for (const id of ['cust-3', 'cust-4']) expect(await named(id)).toEqual([]);
    expect(await erased.result()).toEqual({
      found: 2,
      datasets: 2,
      datasetRows: 4 + 2,
      rejectedValues: 1,
      uploads: 2,
      predictions: 1,
      predictionRows: 2,
      texts: 0,
      warnings: [],
    });
    const after = await registry.datasets.get(orders);
    expect(after).toMatchObject({ rows: 56, customers: 28, rejectedRows: 1, erasedCustomers: 2, revision: erased.id });
    expect(after.erasedAt).not.toBeNull();
    const profile = DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile(after)));
    expect(profile).toMatchObject({ rows: 56, customers: 28 });
    const scored = await registry.predictions.get(prediction);
    expect(scored).toMatchObject({ rows: 28, summary: { customers: 28 }, revision: erased.id });
    const lines = before[`predictions/${prediction}/predictions.csv`]!.split('\n');
    const kept = lines.filter((line) => !/^cust-[34],/.test(line)).join('\n');
    expect((await files())[artifactKeys.prediction(scored, 'predictions.csv')]).toBe(kept);
    // a dataset of which nothing is left is one all the same
    const all = await erasure([...CUSTOMERS]);
    expect(await all.round()).toBe('done');
    expect(await registry.datasets.get(features)).toMatchObject({ status: 'ready', rows: 0, erasedCustomers: 30 });
    expect(await registry.predictions.get(prediction)).toMatchObject({ rows: 0 });
  });

  test('of somebody who is not there succeeds, changes no file, and says so', async () => {
    await predicted(await dataset(FEATURES, asFeatures));
    const before = await files();
    const erased = await erasure(['cust-', 'cust-300', 'nobody']);
    expect(await erased.round()).toBe('done');
    expect(await files()).toEqual(before);
    const { warnings, ...counts } = await erased.result();
    expect([...new Set(Object.values(counts)), warnings]).toEqual([0, []]);
  });

  test('finds hashed ids by the key of the installation, and refuses to guess without it', async () => {
    const id = await dataset(FEATURES, { ...asFeatures, hashCustomers: true });
    await predicted(id);
    expect(await named(hashedId(SECRET, 'cust-3'))).not.toEqual([]);
    const without = await erasure(['cust-3']);
    await expect(without.round({ customerSecret: undefined })).rejects.toMatchObject({ code: 'invalid-input' });
    expect(await without.round()).toBe('done');
    expect(await named(hashedId(SECRET, 'cust-3'))).toEqual([]);
    expect(await without.result()).toMatchObject({ found: 1, datasetRows: 1, predictionRows: 1 });
  });

  test('keeps nobody but how many after its end, whatever that is', async () => {
    await dataset(FEATURES, asFeatures);
    const [done, cancelled, failed] = [await erasure(['cust-3']), await erasure(['cust-5']), await erasure(['cust-6'])];
    await done.round();
    await unbound.jobs.requestCancel(cancelled.job.id);
    await unbound.jobs.start(failed.job.id, 'ingester');
    await unbound.jobs.giveUp(failed.job.id, { code: 'internal', message: 'lost', retryable: true });
    await unbound.jobs.fail(failed.job.id, 1, { code: 'internal', message: 'x', retryable: false }, { final: true });
    for (const { id } of [done, cancelled, failed]) {
      await expect(unbound.erasures.asked(id)).rejects.toMatchObject({ code: 'conflict' });
      expect(await registry.erasures.get(id)).toMatchObject({ customers: 1 });
    }
    for (const { job } of [cancelled, failed]) {
      await expect(registry.jobs.retry(job.id, 'r')).rejects.toMatchObject({ code: 'conflict' });
    }
  });

  test('leaves another tenant as it is', async () => {
    const admin = { username: 'theirs', passwordHash: 'x', role: 'admin' as const };
    const { id } = await unbound.tenants.create({ name: 'theirs', admin });
    const theirs = unbound.forTenant(id);
    const [our, their] = [await dataset(FEATURES, asFeatures), await dataset(FEATURES, asFeatures, theirs)];
    await predicted(their, theirs);
    const erased = await erasure(['cust-3']);
    expect(await erased.round()).toBe('done');
    expect((await named('cust-3')).every((key) => !key.includes(our))).toBe(true);
    expect(await theirs.datasets.get(their)).toMatchObject({ rows: 30, revision: null });
    await expect(theirs.erasures.get(erased.id)).rejects.toMatchObject({ code: 'not-found' });
    expect((await theirs.erasures.list({ limit: 10 })).items).toEqual([]);
  });

  test('takes ids out of what is said of jobs, and forgets kept answers with one', async () => {
    const { job } = await uploaded(FEATURES, asFeatures);
    const message = 'Column "f" holds "x" of customer "cust-3", 3 of cust-33, and cust-3 again.';
    await unbound.jobs.start(job.id, 'ingester');
    await unbound.jobs.fail(job.id, 1, { code: 'value-invalid', message, retryable: false }, { final: true });
    const who = await registry.users.create({ username: 'u', passwordHash: 'x', role: 'analyst' });
    const ref = { key: 'k', userId: who.id, route: 'POST /v1/score' };
    await unbound.idempotency.claim({ ...ref, bodyHash: 'h' });
    await unbound.idempotency.settle(ref, 200, { body: { predictions: [{ customer_id: 'cust-3' }] }, location: null });
    const erased = await erasure(['cust-3', '3']);
    expect(await erased.round()).toBe('done');
    const after = await registry.jobs.get(job.id);
    const clean = 'Column "f" holds "x" of customer "[erased]", 3 of cust-33, and [erased] again.';
    expect([after.error?.message, after.attempts[0]?.error?.message]).toEqual([clean, clean]);
    expect(JSON.stringify(await registry.jobs.log(job.id, 0))).not.toMatch(/cust-3(?!3)/);
    expect(await unbound.idempotency.claim({ ...ref, bodyHash: 'h' })).toMatchObject({ response: { location: null } });
    // the upload of a failed ingest would bring the customer back with a retry
    expect(await erased.result()).toMatchObject({ uploads: 1, found: 0 });
    expect(await named('cust-3')).toEqual([]);
  });
});

describe('jobs under way', () => {
  test('a prediction that has read the customer and writes afterwards: its files stay while it reads, and are gone over then', async () => {
    const id = await dataset(FEATURES, asFeatures);
    const running = await predicting(id);
    const erased = await erasure(['cust-3']);
    expect(await erased.round()).toBe('later');
    expect(await registry.jobs.get(erased.job.id)).toMatchObject({ status: 'running' });
    expect(await registry.datasets.get(id)).toMatchObject({ rows: 29 });
    expect(await erased.waits()).toBe(false);
    await running.write(); // from the files that it has begun to read
    expect(await named('cust-3')).toContain(`predictions/${running.id}/predictions.csv`);
    expect(await erased.waits()).toBe(true);
    expect(await erased.round()).toBe('done');
    expect(await named('cust-3')).toEqual([]);
    expect(await registry.predictions.get(running.id)).toMatchObject({ rows: 29 });
    expect(await erased.result()).toMatchObject({ found: 1, datasets: 1, predictions: 1 });
  });

  test('one that begins after the datasets are clean is not waited for', async () => {
    const id = await dataset(FEATURES, asFeatures);
    const first = await predicting(id);
    const erased = await erasure(['cust-3']);
    expect(await erased.round()).toBe('later');
    const second = await predicting(id);
    await first.write();
    expect(await erased.waits()).toBe(true);
    expect(await erased.round()).toBe('done');
    await second.write();
    expect(await named('cust-3')).toEqual([]);
  });

  test('an ingest that was asked for before, queued or running, is gone over; one that was asked for later is new data', async () => {
    const before = await uploaded(FEATURES, asFeatures);
    const erased = await erasure(['cust-3']);
    const later = await uploaded(FEATURES, asFeatures);
    expect(await erased.round()).toBe('later');
    expect(await erased.waits()).toBe(false);
    await ingest(before);
    expect(await erased.waits()).toBe(true);
    expect(await erased.round()).toBe('done');
    await ingest(later);
    expect((await named('cust-3')).every((key) => key.includes(later.id))).toBe(true);
    expect(await registry.datasets.get(before.id)).toMatchObject({ rows: 29 });
  });

  test('two erasures at once take out whom both name', async () => {
    const id = await dataset(FEATURES, asFeatures);
    const prediction = await predicted(id);
    const both = [await erasure(['cust-3', 'cust-4']), await erasure(['cust-5', 'cust-4'])];
    expect(await Promise.all(both.map((one) => one.round()))).toEqual(['done', 'done']);
    for (const gone of ['cust-3', 'cust-4', 'cust-5']) expect(await named(gone)).toEqual([]);
    expect(await registry.datasets.get(id)).toMatchObject({ rows: 27, erasedCustomers: 3 });
    expect(await registry.predictions.get(prediction)).toMatchObject({ rows: 27 });
  });

  test('an erasure that is cancelled while it waits leaves nothing once nobody reads it', async () => {
    const id = await dataset(FEATURES, asFeatures);
    const running = await predicting(id);
    const erased = await erasure(['cust-3']);
    expect(await erased.round()).toBe('later');
    await registry.jobs.requestCancel(erased.job.id);
    expect(await sweepReplaced(unbound, artifacts)).toEqual([]);
    await running.write();
    expect(await sweepReplaced(unbound, artifacts)).toEqual([erased.id]);
    expect((await named('cust-3')).every((key) => key.startsWith(`predictions/${running.id}`))).toBe(true);
  });
});

test('cut short at any step it ends as if it had not been', async () => {
  const orders = await dataset(ORDERS, { kind: 'transactions' });
  const features = await dataset(FEATURES, asFeatures);
  await predicted(features);
  const erased = await erasure(['cust-3']);
  /** The store of a worker that dies before its n-th change. */
  const dying = (n: number): ArtifactStore => {
    let left = n;
    const step = () => {
      left -= 1;
      if (left < 0) throw new CloveError('unavailable', 'the worker died');
    };
    return {
      ...artifacts,
      putFile: async (key, path) => {
        step();
        return artifacts.putFile(key, path);
      },
      remove: async (key) => {
        step();
        return artifacts.remove(key);
      },
    };
  };
  let deaths = 0;
  for (let n = 0, ended: string | undefined; ended === undefined; n += 1) {
    ended = await erased.round({ store: dying(n) }).catch((error: unknown) => {
      if (!(error instanceof CloveError && error.message === 'the worker died')) throw error;
      deaths += 1;
      return undefined;
    });
  }
  expect(deaths).toBeGreaterThan(5);
  expect(await named('cust-3')).toEqual([]);
  expect(await erased.result()).toMatchObject({
    found: 1,
    datasets: 2,
    datasetRows: 3,
    predictions: 1,
    predictionRows: 1,
  });
  const keys = Object.keys(await files());
  for (const id of [orders, features]) {
    expect(keys.filter((key) => key.includes(id)).every((key) => key.includes(erased.id))).toBe(true);
  }
  expect(await readdir(scratchDir)).toEqual([]);
});
