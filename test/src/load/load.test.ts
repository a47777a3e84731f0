import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { launch, type Stack } from '@clove/cli';
import type { Accepted, Dataset, Job, Page } from '@clove/contracts';
import { createLogger, startWorkers } from '@clove/runtime';
import { openRegistry } from '@clove/store';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api, type Api } from '../support/api.js';

let home: string;
let stack: Stack;
let client: Api;
const closing: (() => Promise<unknown>)[] = [];

// Trainings are left to the tests, so that they say how long one takes.
beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', '');
  vi.stubEnv('REDIS_URL', '');
  home = await mkdtemp(path.join(tmpdir(), 'clove-load-'));
  stack = await launch({ home, port: 0, trainers: 0, scorers: 0 });
  client = api(stack.url, stack.apiKey);
});
afterAll(async () => {
  for (const close of closing.toReversed()) await close();
  await stack?.stop();
  await rm(home, { recursive: true, force: true });
});

const generated = async (customers: number): Promise<string> => {
  const { id, job } = await client.accepted('/v1/datasets/generate', { generator: 'features', customers });
  expect((await client.settled(job.id)).status).toBe('succeeded');
  return id;
};
/** Does all of it, 16 at a time. */
const allOf = async <T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> => {
  const results: R[] = [];
  const rest = [...items.entries()];
  const worker = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return results;
};

test('1,000 jobs queued at once all end: no short one waits for a long one, no long one for all short ones', async () => {
  const LONG = 20;
  const [large, small] = [await generated(12_000), await generated(50)];
  const queued = await allOf(
    Array.from({ length: 1000 }, (_, n) => (n < LONG ? large : small)),
    async (datasetId) => (await client.accepted('/v1/runs', { datasetId, modelName: 'm' })).job.id,
  );
  const long = new Set<string>(queued.slice(0, LONG));

  // The first long one ends only once half of the short ones have, the last short one only once all long ones have: an order
  // in which either waited for all of the other would never come to an end.
  const ended = { long: 0, short: 0 };
  const waiting: { when: () => boolean; go: () => void }[] = [];
  const until = async (when: () => boolean) => {
    if (!when()) await new Promise<void>((go) => waiting.push({ when, go }));
  };
  const end = (kind: 'long' | 'short') => {
    ended[kind] += 1;
    for (const { when, go } of waiting) if (when()) go();
  };
  const registry = openRegistry(stack.databaseUrl);
  closing.push(() => registry.close());
  const train = async ({ jobId }: { jobId: string }) => {
    const kind = long.has(jobId) ? 'long' : 'short';
    if (kind === 'long' && ended.long === 0) await until(() => ended.short >= 490);
    if (kind === 'short' && ended.short === 979) await until(() => ended.long === LONG);
    end(kind);
  };
  const worker = startWorkers({
    redisUrl: stack.redisUrl,
    service: 'trainer',
    queue: 'train',
    ledger: registry.jobs,
    logger: createLogger('trainer', 'silent'),
    concurrency: 1,
    handlers: () => ({ train, leaderboard: () => Promise.reject(new Error('nobody asked for one')) }),
  });
  closing.push(() => worker.close());
  await vi.waitFor(
    async () => {
      for (const status of ['queued', 'running']) {
        expect((await client.get<Page<Job>>(`/v1/jobs?limit=1&status=${status}`)).items).toEqual([]);
      }
    },
    { timeout: 240_000, interval: 200 },
  );

  const jobs: Job[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const page = await client.get<Page<Job>>(`/v1/jobs?kind=train&limit=200${query}`);
    jobs.push(...page.items);
    cursor = page.next;
  }
  const startOf = ({ attempts }: Job) => attempts[0]!.startedAt;
  const rows = jobs.toSorted((one, other) => (startOf(one) < startOf(other) ? -1 : 1));
  // each once, and with success
  expect(rows.map(({ id }) => id).toSorted()).toEqual(queued.toSorted());
  expect(new Set(rows.map(({ status, attempts }) => `${status} ${attempts.length}`))).toEqual(new Set(['succeeded 1']));
  // by when they were started: half of the short ones stand before the second long one
  const longAt = rows.flatMap(({ id }, at) => (long.has(id) ? [at] : []));
  expect(longAt[1]).toBeGreaterThanOrEqual(490);
  expect(ended).toEqual({ long: LONG, short: 980 });
});

test('ten uploads at once arrive byte for byte, and each ends with exactly its rows and customers', async () => {
  const files = Array.from({ length: 10 }, (_, n) => {
    const rows = 60_000 + n;
    const lines = Array.from(
      { length: rows },
      (__, row) => `u${n}-${row % (500 + n)},2024-0${1 + (row % 9)}-1${row % 10},${(row % 1000) / 4}`,
    );
    return { rows, customers: 500 + n, text: `customer_id,order_date,amount\n${lines.join('\n')}\n` };
  });
  const accepted = await Promise.all(
    files.map(({ text }, n) => client.call<Accepted>('POST', '/v1/datasets', client.upload({ [`u${n}.csv`]: text }))),
  );
  expect(accepted.map(({ status }) => status)).toEqual(files.map(() => 202));
  for (const [n, { body }] of accepted.entries()) {
    expect((await client.settled(body.job.id)).status).toBe('succeeded');
    const { rows, customers, text } = files[n]!;
    expect(await client.get<Dataset>(`/v1/datasets/${body.id}`)).toMatchObject({ rows, customers, rejectedRows: 0 });
    const hash = createHash('sha256');
    await pipeline(createReadStream(path.join(home, 'artifacts', 'uploads', body.id, '0')), hash);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(text).digest('hex'));
  }
});
