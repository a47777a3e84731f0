import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  CloveError,
  JOBS,
  JOB_PARTS,
  JOB_VERSION,
  QuestionPayload,
  type JobError,
  type JobPayload,
  type JobStatus,
  type ShardStep,
  type ShardPayload,
} from '@clove/contracts';
import { Queue } from 'bullmq';
import { afterAll, afterEach, describe, expect, inject, test, vi } from 'vitest';
import { createLogger } from './logger.js';
import { createProducer, reconcile } from './producer.js';
import { startAnswering } from './questions.js';
import { connectRedis } from './redis.js';
import {
  startWorker,
  startWorkers,
  type Handlers,
  type JobContext,
  type JobLedger,
  type Moves,
  type WorkerHost,
} from './worker.js';

const redisUrl = inject('redisUrl');
const prefix = `t-${randomUUID()}`;
const logger = createLogger('test', 'silent');
const producer = createProducer({ redisUrl, prefix });
const hosts: WorkerHost[] = [];

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});
afterAll(() => producer.close());

const until = (condition: () => unknown, timeoutMs = 30_000) =>
  vi.waitFor(async () => expect(await condition()).toBeTruthy(), { timeout: timeoutMs, interval: 20 });

/** The rules of the registry's ledger, in memory, with a record of what was written. */
class MemoryLedger implements JobLedger {
  readonly status = new Map<string, JobStatus>();
  readonly writes: string[] = [];
  readonly errors: { error: JobError; final: boolean }[] = [];
  readonly beats: { progress: number; stage: string }[] = [];
  readonly cancelling = new Set<string>();
  /** the attempt that has each job */
  private readonly holders = new Map<string, number>();
  private attempts = 0;

  async start(jobId: string, _worker: string) {
    const status = this.status.get(jobId) ?? 'queued';
    if (status !== 'queued' && status !== 'running') return { outcome: 'skip', status } as const;
    this.write(jobId, 'running');
    this.attempts += 1;
    this.holders.set(jobId, this.attempts);
    return { outcome: 'started', attempt: this.attempts } as const;
  }
  async beat(jobId: string, attempt: number, state: { progress: number; stage: string }) {
    if (this.holders.get(jobId) !== attempt) return 'lost';
    this.beats.push(state);
    return this.cancelling.has(jobId) ? 'cancelled' : 'go on';
  }
  async succeed(jobId: string, attempt: number) {
    return this.end(jobId, attempt, 'succeeded');
  }
  async fail(jobId: string, attempt: number, error: JobError, { final }: { final: boolean }) {
    const taken = this.end(jobId, attempt, final ? 'failed' : 'queued');
    if (taken) this.errors.push({ error, final });
    return taken;
  }
  async cancelled(jobId: string, attempt: number) {
    return this.end(jobId, attempt, 'cancelled');
  }
  async wait(jobId: string, attempt: number) {
    if (this.holders.get(jobId) !== attempt) return false;
    this.write(jobId, 'running');
    return true;
  }
  async giveUp(jobId: string, error: JobError) {
    this.errors.push({ error, final: true });
    this.write(jobId, 'failed');
  }
  private end(jobId: string, attempt: number, status: JobStatus): boolean {
    if (this.holders.get(jobId) !== attempt) return false;
    this.holders.delete(jobId);
    this.write(jobId, status);
    return true;
  }
  shard(shard: number, step: ShardStep): Moves {
    const key = `${step} ${shard}`;
    return {
      start: async (jobId) => {
        const status = this.status.get(jobId) ?? 'queued';
        if (status !== 'running') return { outcome: 'skip', status };
        this.shards.push(`${key} begins`);
        return { outcome: 'started', attempt: 1 };
      },
      beat: async (jobId) =>
        this.cancelling.has(jobId) || this.status.get(jobId) !== 'running' ? 'cancelled' : 'go on',
      succeed: async () => {
        this.shards.push(`${key} ends`);
        return true;
      },
      fail: async (jobId, _attempt, error, { final }) => {
        this.errors.push({ error, final });
        if (final) this.write(jobId, 'failed');
        return true;
      },
      cancelled: async (jobId) => {
        this.write(jobId, 'cancelled');
        return true;
      },
    };
  }
  readonly shards: string[] = [];
  private write(jobId: string, status: JobStatus) {
    this.status.set(jobId, status);
    this.writes.push(status);
  }
}

const newId = <P extends string>(kind: P) => `${kind}_${randomUUID().replaceAll('-', '').slice(0, 22)}` as const;
const ingestJob = (): JobPayload<'ingest'> => ({ jobId: newId('job'), requestId: 'req-1', datasetId: newId('ds') });
const predictJob = (): JobPayload<'predict'> => ({
  jobId: newId('job'),
  requestId: 'req-2',
  predictionId: newId('prd'),
});

type Ingest = (payload: JobPayload<'ingest'>, ctx: JobContext) => Promise<void>;

/** A worker of the ingest queue that is closed after the test. */
function ingester(ledger: JobLedger, ingest: Ingest, o: { graceMs?: number; lockMs?: number } = {}): WorkerHost {
  const host = startWorker({
    redisUrl,
    prefix,
    service: 'ingester',
    queue: 'ingest',
    ledger,
    logger,
    concurrency: 2,
    ...o,
    handlers: { ingest, erasure: ingest as never },
  });
  hosts.push(host);
  return host;
}

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

test('a job runs once with its payload and ends succeeded', async () => {
  const ledger = new MemoryLedger();
  const seen: { payload: object; attempt: number; requestId: string }[] = [];
  ingester(ledger, async (payload, { attempt, requestId }) => void seen.push({ payload, attempt, requestId }));
  const job = ingestJob();
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => ledger.status.get(job.jobId) === 'succeeded');
  expect(seen).toEqual([{ payload: job, attempt: 1, requestId: 'req-1' }]);
  expect(ledger.writes).toEqual(['running', 'succeeded']);
});

test('a permanent error fails the job at the first try, with its code and message', async () => {
  const ledger = new MemoryLedger();
  ingester(ledger, async () => {
    throw new CloveError('data-empty', 'orders.csv has no rows');
  });
  const job = ingestJob();
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => ledger.status.get(job.jobId) === 'failed');
  await until(async () => !(await producer.has('ingest', job.jobId, 1)));
  expect(ledger.writes).toEqual(['running', 'failed']);
  expect(ledger.errors).toEqual([
    { final: true, error: { code: 'data-empty', message: 'orders.csv has no rows', retryable: false } },
  ]);
});

test('a passing error is tried again up to the attempts of its kind, queued in between, then failed', async () => {
  const ledger = new MemoryLedger();
  ingester(ledger, async () => {
    throw new Error('socket hang up');
  });
  const job = ingestJob();
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => ledger.status.get(job.jobId) === 'failed');
  expect(ledger.writes).toEqual(['running', 'queued', 'running', 'queued', 'running', 'failed']);
  expect(ledger.errors.map(({ final }) => final)).toEqual([false, false, true]);
  expect(ledger.errors[0]?.error).toMatchObject({ code: 'internal', retryable: true });
  // what nobody foresaw may name anything of the inside: it is told to the log alone
  expect(ledger.errors[0]?.error.message).not.toContain('socket hang up');
});

test('a job that passes on its second try ends succeeded', async () => {
  const ledger = new MemoryLedger();
  let calls = 0;
  ingester(ledger, async () => {
    calls += 1;
    if (calls === 1) throw new CloveError('unavailable', 'the store is away');
  });
  const job = ingestJob();
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => ledger.status.get(job.jobId) === 'succeeded');
  expect(ledger.writes).toEqual(['running', 'queued', 'running', 'succeeded']);
});

test('progress and stage reach the ledger while the job runs, in [0, 1]', async () => {
  const ledger = new MemoryLedger();
  ingester(ledger, async (_payload, { progress }) => {
    progress(0.4, 'reading');
    await until(() => ledger.beats.some(({ stage }) => stage === 'reading'));
    progress(7, 'writing');
    await until(() => ledger.beats.some(({ stage }) => stage === 'writing'));
  });
  const job = ingestJob();
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => ledger.status.get(job.jobId) === 'succeeded');
  expect(ledger.beats).toContainEqual({ progress: 0.4, stage: 'reading' });
  expect(ledger.beats).toContainEqual({ progress: 1, stage: 'writing' });
});

test('a cancel request aborts the handler with `cancelled`, and the job ends cancelled without another try', async () => {
  const ledger = new MemoryLedger();
  const reasons: unknown[] = [];
  const job = ingestJob();
  ingester(ledger, async (_payload, { signal }) => {
    ledger.cancelling.add(job.jobId);
    await untilAborted(signal).catch((reason: unknown) => reasons.push(reason));
    throw new Error('torn down half way');
  });
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => ledger.status.get(job.jobId) === 'cancelled');
  await until(async () => !(await producer.has('ingest', job.jobId, 1)));
  expect(reasons).toEqual([expect.objectContaining({ code: 'cancelled' })]);
  expect(ledger.writes).toEqual(['running', 'cancelled']);
});

test('a job that the ledger says has ended is not run', async () => {
  const ledger = new MemoryLedger();
  const handler = vi.fn<() => Promise<void>>(async () => {});
  const job = ingestJob();
  ledger.status.set(job.jobId, 'cancelled');
  ingester(ledger, handler);
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(async () => !(await producer.has('ingest', job.jobId, 1)));
  expect(handler).not.toHaveBeenCalled();
  expect(ledger.writes).toEqual([]);
});

test('a closing worker puts its job back, without using up a try, and another worker does it', async () => {
  const first = new MemoryLedger();
  const reasons: unknown[] = [];
  const leaving = ingester(
    first,
    async (_payload, { signal }) => {
      await untilAborted(signal).catch((reason: unknown) => {
        reasons.push(reason);
        throw reason;
      });
    },
    { graceMs: 50 },
  );
  const job = ingestJob();
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => first.status.get(job.jobId) === 'running');
  await leaving.close();
  expect(reasons).toEqual([expect.objectContaining({ code: 'unavailable' })]);
  expect(first.writes).toEqual(['running', 'queued']);
  expect(first.errors[0]).toMatchObject({ final: false, error: { retryable: true } });
  expect(await producer.has('ingest', job.jobId, 1)).toBe(true);

  const second = new MemoryLedger();
  ingester(second, async () => {});
  await until(() => second.status.get(job.jobId) === 'succeeded');
});

test('a closing worker lets a job that ends in time end', async () => {
  const ledger = new MemoryLedger();
  let open: (() => void) | undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const host = ingester(ledger, () => gate);
  const job = ingestJob();
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => ledger.status.get(job.jobId) === 'running');
  const closing = host.close();
  open?.();
  await closing;
  expect(ledger.writes).toEqual(['running', 'succeeded']);
});

test('a payload that does not fit its contract never reaches a handler nor comes back', async () => {
  const ledger = new MemoryLedger();
  const handler = vi.fn<() => Promise<void>>(async () => {});
  ingester(ledger, handler);
  const connection = connectRedis(redisUrl);
  const queue = new Queue('ingest', { connection, prefix });
  await queue.add('ingest', { rows: [1, 2, 3] }, { jobId: 'bad-payload', attempts: 3 });
  await until(async () => (await queue.getJobState('bad-payload')) === 'failed');
  const failed = await queue.getJob('bad-payload');
  expect(failed?.attemptsMade).toBe(1);
  expect(failed?.failedReason).toContain('jobId');
  expect(handler).not.toHaveBeenCalled();
  await queue.close();
  connection.disconnect();
});

test('a job whose worker vanished is given out again; after the third loss it fails for good', async () => {
  const ledger = new MemoryLedger();
  // What a killed worker leaves behind: the job listed as active, and no lock on it.
  const connection = connectRedis(redisUrl);
  const queue = new Queue('ingest', { connection, prefix });
  const [job, killer] = [ingestJob(), ingestJob()];
  await producer.enqueue('ingest', job, { attempt: 1 });
  await producer.enqueue('ingest', killer, { attempt: 1 });
  for (const id of [`${job.jobId}-1`, `${killer.jobId}-1`]) {
    await connection.lrem(queue.toKey('wait'), 0, id);
    await connection.lpush(queue.toKey('active'), id);
  }
  await connection.hset(queue.toKey(`${killer.jobId}-1`), 'stc', 2);
  ingester(ledger, async () => {}, { lockMs: 400 });
  await until(() => ledger.status.get(job.jobId) === 'succeeded');
  await until(() => ledger.status.get(killer.jobId) === 'failed');
  expect(ledger.errors[0]?.error.message).toMatch(/lost 3 times/);
  await queue.close();
  connection.disconnect();
});

test('a worker drops a job that another attempt has, and what it says of it is not taken', async () => {
  const ledger = new MemoryLedger();
  const reasons: unknown[] = [];
  ingester(ledger, async (payload, { signal }) => {
    await ledger.start(payload.jobId, 'the other worker');
    await untilAborted(signal).catch((reason: unknown) => reasons.push(reason));
    throw new Error('too late');
  });
  const job = ingestJob();
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => reasons.length === 1);
  await until(async () => !(await producer.has('ingest', job.jobId, 1)));
  expect(reasons).toEqual([expect.objectContaining({ code: 'conflict' })]);
  expect(ledger.writes).toEqual(['running', 'running']);
  expect(ledger.errors).toEqual([]);
});

test('a job goes on to its one end though the queue forgot it on the way', async () => {
  const ledger = new MemoryLedger();
  const connection = connectRedis(redisUrl);
  const queue = new Queue('ingest', { connection, prefix });
  const job = ingestJob();
  let beatsAtLoss = 0;
  ingester(
    ledger,
    async () => {
      await queue.obliterate({ force: true });
      beatsAtLoss = ledger.beats.length;
      // two beats are more than a lock of 400 ms and its renewal
      await until(() => ledger.beats.length >= beatsAtLoss + 2);
    },
    { lockMs: 400 },
  );
  await producer.enqueue('ingest', job, { attempt: 1 });
  await until(() => ledger.status.get(job.jobId) === 'succeeded');
  expect(ledger.writes).toEqual(['running', 'succeeded']);
  await queue.close();
  connection.disconnect();
});

describe('versions of what the queue carries', () => {
  const worker = (version: number, ledger: MemoryLedger, ingest: Ingest): void => {
    hosts.push(
      startWorker({
        redisUrl,
        prefix,
        service: 'ingester',
        queue: 'ingest',
        ledger,
        logger,
        concurrency: 1,
        handlers: { ingest, erasure: ingest as never },
        version,
      }),
    );
  };
  const newer = createProducer({ redisUrl, prefix, version: JOB_VERSION + 1 });
  afterAll(() => newer.close());

  test('a job of a newer gateway is left in the queue by an older worker, without a try, until a newer one takes it', async () => {
    const [old, fresh] = [new MemoryLedger(), new MemoryLedger()];
    const refused = vi.fn<() => Promise<void>>(async () => {});
    worker(JOB_VERSION, old, refused);
    const job = ingestJob();
    await newer.enqueue('ingest', job, { attempt: 1 });
    await until(async () => (await newer.counts()).ingest.delayed === 1);
    expect(await newer.has('ingest', job.jobId, 1)).toBe(true);
    worker(JOB_VERSION + 1, fresh, async () => {});
    await until(() => fresh.status.get(job.jobId) === 'succeeded');
    expect(refused).not.toHaveBeenCalled();
    expect(old.writes).toEqual([]);
  });

  test('a job of an older gateway, with its version or from before there were any, is done by a newer worker', async () => {
    const ledger = new MemoryLedger();
    worker(JOB_VERSION + 1, ledger, async () => {});
    const [versioned, bare] = [ingestJob(), ingestJob()];
    await producer.enqueue('ingest', versioned, { attempt: 1 });
    const connection = connectRedis(redisUrl);
    const queue = new Queue('ingest', { connection, prefix });
    await queue.add('ingest', bare, { jobId: `${bare.jobId}-1` });
    for (const { jobId } of [versioned, bare]) await until(() => ledger.status.get(jobId) === 'succeeded');
    expect(ledger.writes.toSorted()).toEqual(['running', 'running', 'succeeded', 'succeeded']);
    await queue.close();
    connection.disconnect();
  });
});

type Kept = Record<string, { queue: string; data: Record<string, unknown> }>;
const kept = (version: number): Kept =>
  JSON.parse(readFileSync(new URL(`payloads/v${version}.json`, import.meta.url), 'utf8')) as Kept;
/** Every version that there has been, as a gateway of it wrote to the queues. */
const KEPT = Array.from({ length: JOB_VERSION }, (_, n) => [n + 1, kept(n + 1)] as const);
const bare = ({ version: _version, ...payload }: Record<string, unknown>) => payload;

describe('what the gateways of each version have queued', () => {
  test.each(KEPT)('version %d: is taken by the workers of today as it was meant', async (version, deliveries) => {
    const home = `${prefix}-v${version}`;
    const seen: Record<string, unknown> = {};
    const ledger = new MemoryLedger();
    const take = (kind: string) => async (payload: object) => {
      seen[kind] = payload;
    };
    const common = { redisUrl, prefix: home, ledger, logger, concurrency: 1, service: 'test' };
    hosts.push(
      startWorker({ ...common, queue: 'ingest', handlers: { ingest: take('ingest'), erasure: take('erasure') } }),
      startWorker({ ...common, queue: 'train', handlers: { train: take('train'), leaderboard: take('leaderboard') } }),
      startWorker({
        ...common,
        queue: 'score',
        handlers: {
          evaluate: take('evaluate'),
          predict: take('predict'),
          import: take('import'),
          shard: take('shard'),
        },
      }),
      startAnswering({
        ...common,
        answer: async (payload) => {
          seen[payload.question.type === 'score' ? 'question of a score' : 'question of rows'] = payload;
          return { ok: true, value: {} };
        },
      }),
    );
    ledger.status.set(String(deliveries['shard']!.data['jobId']), 'running');
    const connection = connectRedis(redisUrl);
    for (const [kind, { queue, data }] of Object.entries(deliveries)) {
      const name = kind.startsWith('question') ? 'question' : kind;
      await new Queue(queue, { connection, prefix: home }).add(name, data);
    }
    await until(() => Object.keys(seen).length === Object.keys(deliveries).length);
    expect(seen).toEqual(Object.fromEntries(Object.entries(deliveries).map(([kind, { data }]) => [kind, bare(data)])));
    connection.disconnect();
  });

  test('the file of the present version holds all that there is, and just that: a change means a new version, and a file of it', async () => {
    const deliveries = kept(JOB_VERSION);
    const jobs = { ...JOBS, ...JOB_PARTS };
    expect(
      Object.keys(deliveries)
        .filter((kind) => !kind.startsWith('question'))
        .toSorted(),
    ).toEqual(Object.keys(jobs).toSorted());
    for (const [kind, { queue, payload }] of Object.entries(jobs)) {
      expect(deliveries[kind]).toMatchObject({ queue, data: { version: JOB_VERSION } });
      expect(Object.keys(bare(deliveries[kind]!.data)).toSorted()).toEqual(Object.keys(payload.shape).toSorted());
    }
    for (const kind of ['question of a score', 'question of rows']) {
      const { data } = deliveries[kind]!;
      expect(data).toEqual({ ...QuestionPayload.parse(data), version: JOB_VERSION });
    }
    // and what a gateway of today writes is of that form
    const home = `${prefix}-now`;
    const now = createProducer({ redisUrl, prefix: home });
    const connection = connectRedis(redisUrl);
    const job = predictJob();
    await now.enqueue('predict', job, { attempt: 1 });
    const queued = await new Queue('score', { connection, prefix: home }).getJob(`${job.jobId}-1`);
    expect(queued!.data).toEqual({ ...job, version: JOB_VERSION });
    connection.disconnect();
    await now.close();
  });
});

describe('the producer', () => {
  test('a second enqueue of the same delivery is a no-op, another attempt is not', async () => {
    const ledger = new MemoryLedger();
    const handler = vi.fn<() => Promise<void>>(async () => {});
    const job = ingestJob();
    await producer.enqueue('ingest', job, { attempt: 1 });
    await producer.enqueue('ingest', job, { attempt: 1 });
    expect((await producer.counts()).ingest).toMatchObject({ waiting: 1 });
    ingester(ledger, handler);
    await until(() => ledger.status.get(job.jobId) === 'succeeded');
    await until(async () => !(await producer.has('ingest', job.jobId, 1)));
    await producer.enqueue('ingest', job, { attempt: 1 });
    expect(await producer.has('ingest', job.jobId, 1)).toBe(false);
    ledger.status.set(job.jobId, 'queued');
    await producer.enqueue('ingest', job, { attempt: 2 });
    await until(() => handler.mock.calls.length === 2);
  });

  test('remove takes a waiting delivery out, and is no error where there is none', async () => {
    const job = ingestJob();
    await producer.enqueue('ingest', job, { attempt: 1 });
    expect(await producer.has('ingest', job.jobId, 1)).toBe(true);
    await producer.remove('ingest', job.jobId, 1);
    expect(await producer.has('ingest', job.jobId, 1)).toBe(false);
    await producer.remove('ingest', job.jobId, 1);
  });

  test.each(['succeeds', 'fails', 'is removed'])(
    'a job with `after` waits until that one ended: it %s',
    async (ending) => {
      const ledger = new MemoryLedger();
      const order: string[] = [];
      const [first, second] = [ingestJob(), predictJob()];
      await producer.enqueue('predict', second, {
        attempt: 1,
        after: { kind: 'ingest', payload: first, attempt: 1, short: false },
      });
      const scorer = startWorker({
        redisUrl,
        prefix,
        service: 'scorer',
        queue: 'score',
        ledger,
        logger,
        concurrency: 1,
        handlers: {
          predict: async () => void order.push('predict'),
          evaluate: async () => {},
          import: async () => {},
          shard: async () => {},
        },
      });
      hosts.push(scorer);
      await scorer.ready();
      if (ending === 'is removed') await producer.remove('ingest', first.jobId, 1);
      else {
        ingester(ledger, async () => {
          order.push('ingest');
          if (ending === 'fails') throw new CloveError('data-empty', 'no rows');
        });
      }
      await until(() => ledger.status.get(second.jobId) === 'succeeded');
      expect(order).toEqual(ending === 'is removed' ? ['predict'] : ['ingest', 'predict']);
    },
  );

  test('removing a job with `after` leaves that one in the queue', async () => {
    const [first, second] = [ingestJob(), predictJob()];
    const after = { kind: 'ingest', payload: first, attempt: 1, short: true } as const;
    await producer.enqueue('predict', second, { attempt: 1, after });
    await producer.remove('predict', second.jobId, 1);
    expect(await producer.has('predict', second.jobId, 1)).toBe(false);
    expect(await producer.has('ingest', first.jobId, 1)).toBe(true);
    await producer.remove('ingest', first.jobId, 1);
  });

  test('short jobs end while a long one is under way, and long ones go on while short ones wait', async () => {
    const ledger = new MemoryLedger();
    const [long, nextLong, short, nextShort] = [ingestJob(), ingestJob(), ingestJob(), ingestJob()];
    const ended = (job: { jobId: string }) => until(() => ledger.status.get(job.jobId) === 'succeeded');
    const release = new Map<string, () => void>();
    const started: string[] = [];
    const host = startWorkers({
      redisUrl,
      prefix,
      service: 'ingester',
      queue: 'ingest',
      ledger,
      logger,
      concurrency: 1,
      handlers: () => ({
        erasure: () => Promise.reject(new Error('none is queued')),
        ingest: ({ jobId }) => {
          started.push(jobId);
          return new Promise((resolve) => release.set(jobId, resolve));
        },
      }),
    });
    hosts.push(host);
    for (const job of [long, nextLong]) await producer.enqueue('ingest', job, { attempt: 1 });
    for (const job of [short, nextShort]) await producer.enqueue('ingest', job, { attempt: 1, short: true });
    expect(await producer.has('ingest', nextShort.jobId, 1)).toBe(true);
    await until(() => release.has(long.jobId) && release.has(short.jobId));
    release.get(short.jobId)!();
    await ended(short);
    await until(() => release.has(nextShort.jobId));
    expect(started).not.toContain(nextLong.jobId);
    expect((await producer.counts()).ingest).toMatchObject({ active: 2, waiting: 1 });
    release.get(long.jobId)!();
    await until(() => release.has(nextLong.jobId));
    expect(ledger.status.get(nextShort.jobId)).toBe('running');
    for (const job of [nextShort, nextLong]) release.get(job.jobId)!();
    for (const job of [long, nextLong, nextShort]) await ended(job);
  });

  test('reconcile puts back what the queue lost or ended early, and nothing else', async () => {
    const [held, lost, ended] = [ingestJob(), ingestJob(), ingestJob()];
    const ledger = new MemoryLedger();
    ledger.status.set(ended.jobId, 'succeeded');
    await producer.enqueue('ingest', ended, { attempt: 1 });
    const host = ingester(ledger, async () => {});
    await until(async () => !(await producer.has('ingest', ended.jobId, 1)));
    await host.close();
    await producer.enqueue('ingest', held, { attempt: 1 });
    const waiting = [held, lost, ended].map(
      (payload, n) => ({ kind: 'ingest', payload, attempt: 1, short: n === 1 }) as const,
    );
    expect(await reconcile(producer, waiting)).toBe(2);
    expect(await reconcile(producer, waiting)).toBe(0);
    expect((await producer.counts()).ingest.waiting).toBe(3);
    for (const { jobId } of [held, lost, ended]) await producer.remove('ingest', jobId, 1);
  });

  test('without Redis a call ends with `unavailable` that says so, instead of waiting', async () => {
    const nowhere = createProducer({ redisUrl: 'redis://127.0.0.1:1', prefix });
    const said = { code: 'unavailable', message: expect.stringContaining('Redis') as unknown };
    await Promise.all([
      expect(nowhere.enqueue('ingest', ingestJob(), { attempt: 1 })).rejects.toMatchObject(said),
      expect(nowhere.ping()).rejects.toMatchObject(said),
      expect(nowhere.ask(question(1), 500)).rejects.toMatchObject(said),
    ]);
    await nowhere.close();
  });
});

const question = (offset: number): QuestionPayload => ({
  question: {
    type: 'rows',
    source: { type: 'dataset', id: 'ds_0000000000000000000000', revision: null },
    query: { offset, limit: 1, order: 'asc' },
  },
  requestId: 'req-3',
});

describe('questions', () => {
  test('each of many questions at once is answered, by any of several scorers, and nothing is kept', async () => {
    for (const _ of [1, 2]) {
      hosts.push(
        startAnswering({
          redisUrl,
          prefix,
          logger,
          concurrency: 4,
          answer: async ({ question: asked }) => ({ ok: true, value: [asked] }),
        }),
      );
    }
    const questions = Array.from({ length: 50 }, (_, offset) => question(offset));
    const replies = await Promise.all(questions.map((payload) => producer.ask(payload, 20_000)));
    expect(replies).toEqual(questions.map(({ question: asked }) => ({ ok: true, value: [asked] })));
    const connection = connectRedis(redisUrl);
    expect(await connection.keys(`${prefix}:replies:*`)).toEqual([]);
    const queue = new Queue('questions', { connection, prefix });
    expect(await queue.getJobCounts('waiting', 'active', 'completed', 'failed')).toEqual({
      waiting: 0,
      active: 0,
      completed: 0,
      failed: 0,
    });
    await queue.close();
    connection.disconnect();
  });

  test('an answer that throws reaches the asker as an error', async () => {
    hosts.push(
      startAnswering({
        redisUrl,
        prefix,
        logger,
        concurrency: 1,
        answer: () => Promise.reject(new Error('the store is away')),
      }),
    );
    await expect(producer.ask(question(1), 20_000)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('the store is away') as unknown,
    });
  });

  test('with no scorer a question ends `unavailable` after its time, and leaves the queue', async () => {
    await expect(producer.ask(question(1), 300)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('No scorer answered') as unknown,
    });
    const connection = connectRedis(redisUrl);
    const queue = new Queue('questions', { connection, prefix });
    await until(async () => (await queue.getWaitingCount()) === 0);
    await queue.close();
    connection.disconnect();
  });
});

describe('a question of a newer gateway', () => {
  const newer = createProducer({ redisUrl, prefix, version: JOB_VERSION + 1 });
  afterAll(() => newer.close());
  const answering = (version: number, answer: () => Promise<{ ok: true; value: object }>): void => {
    hosts.push(startAnswering({ redisUrl, prefix, logger, concurrency: 1, version, answer }));
  };

  test('is left by an older scorer, and answered by a newer one', async () => {
    const refused = vi.fn<() => Promise<{ ok: true; value: object }>>();
    answering(JOB_VERSION, refused);
    const reply = newer.ask(question(1), 20_000);
    const connection = connectRedis(redisUrl);
    const queue = new Queue('questions', { connection, prefix });
    await until(async () => (await queue.getDelayedCount()) === 1);
    answering(JOB_VERSION + 1, async () => ({ ok: true, value: { by: 'the newer' } }));
    expect(await reply).toEqual({ ok: true, value: { by: 'the newer' } });
    expect(refused).not.toHaveBeenCalled();
    await queue.close();
    connection.disconnect();
  });

  test('without a newer scorer ends `unavailable` after its time, and those of its own version are answered', async () => {
    answering(JOB_VERSION, async () => ({ ok: true, value: { by: 'the older' } }));
    const waits = newer.ask(question(1), 1500);
    const [late, answered] = await Promise.allSettled([waits, producer.ask(question(2), 20_000)]);
    expect(late).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    expect(answered).toEqual({ status: 'fulfilled', value: { ok: true, value: { by: 'the older' } } });
  });

  test('an older gateway, whose questions bear its version, is answered by a newer scorer', async () => {
    answering(JOB_VERSION + 1, async () => ({ ok: true, value: { by: 'the newer' } }));
    expect(await producer.ask(question(1), 20_000)).toEqual({ ok: true, value: { by: 'the newer' } });
  });
});

describe('a job that gives out shards', () => {
  const shardsOf = (payload: JobPayload<'predict'>, step: ShardStep): ShardPayload[] =>
    [0, 1, 2].map((shard) => ({ ...payload, shard, step }));
  const scorer = (
    ledger: MemoryLedger,
    handlers: Pick<Handlers<'score'>, 'predict' | 'shard'>,
    discarded: string[] = [],
  ): void => {
    hosts.push(
      startWorker({
        redisUrl,
        prefix,
        service: 'scorer',
        queue: 'score',
        ledger,
        logger,
        concurrency: 1,
        handlers: { ...handlers, evaluate: async () => {}, import: async () => {} },
        discard: async (kind) => void discarded.push(kind),
      }),
    );
  };

  test('goes on once all have ended, step by step, and its one attempt succeeds', async () => {
    const ledger = new MemoryLedger();
    const job = predictJob();
    const steps = ['score', 'write'] as const;
    let calls = 0;
    scorer(ledger, {
      predict: async (payload, ctx) => {
        const step = steps[calls];
        calls += 1;
        if (step !== undefined) ctx.giveOut(shardsOf(payload, step));
      },
      shard: async () => {},
    });
    await producer.enqueue('predict', job, { attempt: 1 });
    await until(() => ledger.status.get(job.jobId) === 'succeeded');
    expect(calls).toBe(3);
    expect(ledger.shards.filter((line) => line.endsWith('ends'))).toEqual(
      steps.flatMap((step) => [0, 1, 2].map((shard) => `${step} ${shard} ends`)),
    );
  });

  test('is failed by a shard that cannot be done; what is left of it is discarded once the others have ended', async () => {
    const ledger = new MemoryLedger();
    const job = predictJob();
    const discarded: string[] = [];
    scorer(
      ledger,
      {
        predict: async (payload, ctx) => ctx.giveOut(shardsOf(payload, 'score')),
        shard: async ({ shard }) => {
          if (shard === 1) throw new CloveError('internal', 'no number', { retryable: false });
        },
      },
      discarded,
    );
    await producer.enqueue('predict', job, { attempt: 1 });
    await until(() => discarded.length > 0);
    expect(ledger.status.get(job.jobId)).toBe('failed');
    expect(ledger.errors).toMatchObject([{ error: { message: 'no number' }, final: true }]);
    expect(ledger.shards).toEqual(['score 0 begins', 'score 0 ends', 'score 1 begins']);
  });
});
