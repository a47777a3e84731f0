import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatasetSource, DatasetProfile, IngestOptions, type Job, isTerminal } from '@clove/contracts';
import { type JobContext, createLogger, createProducer, startWorker } from '@clove/runtime';
import { DEFAULT_TENANT, type Registry, artifactKeys, migrate, newId, openArtifacts, openRegistry } from '@clove/store';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { ingestHandler } from './handler.js';

const database = new URL(inject('databaseUrl'));
database.pathname = `/t_${randomUUID().replaceAll('-', '')}`;
const queue = { redisUrl: inject('redisUrl'), prefix: `t-${randomUUID()}` };
const logger = createLogger('test', 'silent');
const SECRET = 'a key of this installation';

let home: string;
let scratchDir: string;
let registry: Registry;
let artifacts: ReturnType<typeof openArtifacts>;
let handler: ReturnType<typeof ingestHandler>;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clove-ingester-test-'));
  scratchDir = join(home, 'scratch');
  await mkdir(scratchDir);
  await migrate(database.href);
  registry = openRegistry(database.href).forTenant(DEFAULT_TENANT);
  artifacts = openArtifacts(join(home, 'artifacts'));
  handler = ingestHandler({
    registry,
    artifacts,
    scratchDir,
    memoryLimitBytes: 256 * 1024 ** 2,
    threads: 2,
    customerSecret: SECRET,
  });
});
afterAll(async () => {
  await registry.close();
  await rm(home, { recursive: true, force: true });
});

/** A dataset as the gateway leaves it: the files in the store, the rows in the registry. */
const uploaded = async (contents: Record<string, string>, options: Partial<IngestOptions> = {}) => {
  const id = newId('dataset');
  const files: Extract<DatasetSource, { type: 'upload' }>['files'] = [];
  for (const [name, content] of Object.entries(contents)) {
    const key = artifactKeys.upload(id, files.length);
    files.push({ name, key, bytes: (await artifacts.put(key, content)).bytes });
  }
  return created(id, { type: 'upload', files, options: IngestOptions.parse(options) });
};
const created = async (id: string, source: DatasetSource) => {
  const { job } = await registry.datasets.create({ id, name: 'shop', source, requestId: 'request' });
  return { id, job, payload: { jobId: job.id, datasetId: id, requestId: 'request' } as Parameters<typeof handler>[0] };
};
const context = (more: Partial<JobContext> = {}): JobContext => ({
  signal: new AbortController().signal,
  logger,
  progress: () => {},
  attempt: 1,
  requestId: 'request',
  ...more,
});

const leftOver = () => readdir(scratchDir);

const ORDERS = 'customer_id,date,amount\na,2024-01-01,1\nb,2024-01-02,2\na,2024-01-05,oops\nb,2024-01-09,4\n';

describe('an ingest job', () => {
  test('makes an upload ready: Parquet and profile in the store, figures in the registry', async () => {
    const { id, job, payload } = await uploaded({ 'orders.csv': ORDERS });
    await registry.jobs.start(job.id, 'worker');
    const seen: number[] = [];
    await handler(payload, context({ progress: (fraction) => seen.push(fraction) }));
    expect(await registry.datasets.get(id)).toMatchObject({
      status: 'ready',
      kind: 'transactions',
      rows: 3,
      customers: 2,
      rejectedRows: 1,
    });
    const profile = DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile({ id, revision: null })));
    expect(profile.rejectedSample).toMatchObject([{ file: 'orders.csv', row: 3, value: 'oops' }]);
    expect(await artifacts.stat(artifactKeys.data({ id, revision: null }))).not.toBeNull();
    expect(await leftOver()).toEqual([]);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  test('delivered twice leaves a ready dataset alone', async () => {
    const { id, job, payload } = await uploaded({ 'orders.csv': ORDERS });
    await registry.jobs.start(job.id, 'worker');
    await handler(payload, context());
    await artifacts.remove(artifactKeys.uploads(id));
    await handler(payload, context()); // would fail without the upload
    expect(await registry.datasets.get(id)).toMatchObject({ status: 'ready' });
  });

  test('with hashed ids keeps neither the ids nor the files as they were sent, delivered twice too', async () => {
    const { id, job, payload } = await uploaded({ 'orders.csv': ORDERS }, { hashCustomers: true });
    await registry.jobs.start(job.id, 'worker');
    await handler(payload, context());
    expect(await artifacts.stat(artifactKeys.upload(id, 0))).toBeNull();
    await handler(payload, context());
    expect(await registry.datasets.get(id)).toMatchObject({ status: 'ready', customers: 2 });
  });

  test('generates what a generator asks for', async () => {
    const { id, job, payload } = await created(newId('dataset'), {
      type: 'generator',
      options: { generator: 'features', customers: 500, seed: 7 },
    });
    await registry.jobs.start(job.id, 'worker');
    await handler(payload, context());
    expect(await registry.datasets.get(id)).toMatchObject({ status: 'ready', kind: 'features', rows: 500 });
  });

  test('says what is wrong with a file by the name that the user gave it', async () => {
    const { payload } = await uploaded({ 'my shop.csv': '' });
    const work = handler(payload, context());
    await expect(work).rejects.toMatchObject({ code: 'data-empty' });
    await expect(work).rejects.toThrow('my shop.csv');
    expect(await leftOver()).toEqual([]);
  });

  test('stops when it is cancelled', async () => {
    const { id, payload } = await uploaded({ 'orders.csv': ORDERS });
    const abort = new AbortController();
    const work = handler(payload, context({ signal: abort.signal, progress: () => abort.abort() }));
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
    expect(await leftOver()).toEqual([]);
    expect(await registry.datasets.get(id)).toMatchObject({ status: 'pending' });
  });

  test('runs from the queue to the end that the ledger tells, good or bad', async () => {
    const producer = createProducer(queue);
    const worker = startWorker({
      ...queue,
      service: 'ingester',
      queue: 'ingest',
      handlers: { ingest: handler, erasure: () => Promise.reject(new Error('none is queued')) },
      ledger: registry.jobs,
      logger,
      concurrency: 2,
    });
    try {
      const good = await uploaded({ 'orders.csv': ORDERS });
      const bad = await uploaded({ 'orders.csv': 'nothing,of,use\n' });
      for (const { payload } of [good, bad]) await producer.enqueue('ingest', payload, { attempt: 1 });
      const ended = (id: string): Promise<Job> =>
        vi.waitFor(
          async () => {
            const job = await registry.jobs.get(id);
            expect(isTerminal(job.status)).toBe(true);
            return job;
          },
          { timeout: 30_000, interval: 50 },
        );
      expect(await ended(good.job.id)).toMatchObject({
        status: 'succeeded',
        attempts: [{ number: 1, status: 'succeeded' }],
      });
      expect(await ended(bad.job.id)).toMatchObject({
        status: 'failed',
        error: { code: 'data-empty', retryable: false },
      });
      expect(await registry.datasets.get(bad.id)).toMatchObject({ status: 'failed' });
    } finally {
      await worker.close();
      await producer.close();
    }
  });
});
