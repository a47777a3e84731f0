import { JOB_TRANSITIONS, JobStatus } from '@clove/contracts';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connect, type Database } from './database.js';
import { newId } from './ids.js';
import { moveJob, type Move } from './job-moves.js';
import { migrate } from './migrate.js';
import { openRegistry } from './open-registry.js';
import type { Registry } from './registry.js';
import { DEFAULT_TENANT, forTenant } from './tenancy.js';
import { failure, freshUrl, jobIn, newDataset, profile, readyDataset, trained } from './test-support.js';

const url = freshUrl(inject('databaseUrl'));
let registry: Registry;
let db: Database;
let psql: Client;

beforeAll(async () => {
  await migrate(url);
  registry = openRegistry(url).forTenant(DEFAULT_TENANT);
  db = forTenant(connect(url, 2), DEFAULT_TENANT);
  psql = new Client({ connectionString: url });
  await psql.connect();
});
afterAll(async () => {
  await Promise.all([registry.close(), db.$disconnect(), psql.end()]);
});

/** Every move, and the statuses that it is for besides being legal: the two ways back into the queue differ. */
const MOVES: { name: string; move: Move; from: readonly JobStatus[] }[] = [
  { name: 'running', move: { to: 'running', worker: 'w' }, from: JobStatus.options },
  { name: 'queued after a passing failure', move: { to: 'queued', error: failure }, from: ['running'] },
  {
    name: 'queued by a retry',
    move: { to: 'queued', requestId: 'again' },
    from: JobStatus.options.filter((status) => status !== 'running'),
  },
  { name: 'succeeded', move: { to: 'succeeded' }, from: JobStatus.options },
  { name: 'failed', move: { to: 'failed', error: failure }, from: JobStatus.options },
  { name: 'cancelled', move: { to: 'cancelled' }, from: JobStatus.options },
];
const PAIRS = JobStatus.options.flatMap((from) =>
  MOVES.map((move) => ({
    ...move,
    from,
    legal: JOB_TRANSITIONS[from].includes(move.move.to) && move.from.includes(from),
  })),
);

describe('the table of moves', () => {
  test.each(PAIRS.filter(({ legal }) => legal))('$from → $name is made, and grows the revision by 1', async (pair) => {
    const job = await jobIn(registry, pair.from);
    await db.$transaction((tx) => moveJob(tx, job.id, pair.move));
    const after = await registry.jobs.get(job.id);
    expect(after).toMatchObject({ status: pair.move.to, revision: job.revision + 1 });
    expect(after.attempts.filter(({ status }) => status === 'running')).toHaveLength(
      pair.move.to === 'running' ? 1 : 0,
    );
  });

  test.each(PAIRS.filter(({ legal }) => !legal))('$from → $name is refused and changes nothing', async (pair) => {
    const job = await jobIn(registry, pair.from);
    await expect(db.$transaction((tx) => moveJob(tx, job.id, pair.move))).rejects.toMatchObject({
      code: 'illegal-transition',
      message: expect.stringContaining(`is ${pair.from}`),
    });
    expect(await registry.jobs.get(job.id)).toEqual(job);
  });

  const statusPairs = JobStatus.options.flatMap((from) =>
    JobStatus.options.filter((to) => to !== from).map((to) => ({ from, to })),
  );
  test.each(statusPairs)('the database itself judges $from → $to as the contracts do', async ({ from, to }) => {
    const job = await jobIn(registry, from);
    const ended = JOB_TRANSITIONS[to].every((next) => next === 'queued');
    const judged = psql
      .query('UPDATE jobs SET status = $2::job_status, finished_at = $3 WHERE id = $1', [
        job.id,
        to,
        ended ? new Date() : null,
      ])
      .then(
        () => 'made',
        (error: Error) => error.message,
      );
    expect(await judged).toBe(
      JOB_TRANSITIONS[from].includes(to) ? 'made' : `job ${job.id} is ${from} and cannot become ${to}`,
    );
  });

  test('a job that is not there is not found', async () => {
    const id = newId('job');
    for (const call of [
      () => registry.jobs.get(id),
      () => registry.jobs.start(id, 'w'),
      () => registry.jobs.beat(id, 1, { progress: 0, stage: '' }),
      () => registry.jobs.succeed(id, 1),
      () => registry.jobs.fail(id, 1, failure, { final: true }),
      () => registry.jobs.fail(id, 1, failure, { final: false }),
      () => registry.jobs.cancelled(id, 1),
      () => registry.jobs.requestCancel(id),
      () => registry.jobs.retry(id, 'r'),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'not-found', message: `There is no job ${id}.` });
    }
  });
});

describe('the life of a job', () => {
  test('a job that succeeds shows its attempt, its times and full progress', async () => {
    const { job } = await newDataset(registry);
    expect(await registry.jobs.start(job.id, 'host 1 ingester')).toEqual({ outcome: 'started', attempt: 1 });
    expect(await registry.jobs.beat(job.id, 1, { progress: 0.5, stage: 'reading' })).toBe('go on');
    expect(await registry.jobs.get(job.id)).toMatchObject({ status: 'running', progress: 0.5, stage: 'reading' });
    await registry.jobs.succeed(job.id, 1);
    const done = await registry.jobs.get(job.id);
    expect(done).toMatchObject({ status: 'succeeded', progress: 1, error: null });
    expect(done.attempts).toEqual([
      expect.objectContaining({ number: 1, worker: 'host 1 ingester', status: 'succeeded', error: null }),
    ]);
    expect(Date.parse(done.finishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(done.startedAt ?? ''));
    expect(await registry.jobs.start(job.id, 'w')).toEqual({ outcome: 'skip', status: 'succeeded' });
  });

  test('a beat grows the revision only where a reader sees a change', async () => {
    const { id, revision } = await jobIn(registry, 'running');
    await registry.jobs.beat(id, 1, { progress: 0.25, stage: 'reading' });
    await registry.jobs.beat(id, 1, { progress: 0.25, stage: 'reading' });
    expect((await registry.jobs.get(id)).revision).toBe(revision + 1);
    await registry.jobs.beat(id, 1, { progress: 1 + 1e-12, stage: 'reading\0' });
    expect(await registry.jobs.get(id)).toMatchObject({ revision: revision + 2, progress: 1 });
    await expect(registry.jobs.beat(id, 1, { progress: Number.NaN, stage: '' })).rejects.toMatchObject({
      code: 'invalid-input',
    });
  });

  test('a job that is delivered again loses its former attempt and opens another', async () => {
    const { id, startedAt } = await jobIn(registry, 'running');
    expect(await registry.jobs.start(id, 'second')).toEqual({ outcome: 'started', attempt: 2 });
    const job = await registry.jobs.get(id);
    expect(job.startedAt).toBe(startedAt);
    expect(job.attempts.map(({ worker, status }) => [worker, status])).toEqual([
      ['worker', 'lost'],
      ['second', 'running'],
    ]);
  });

  test('a passing failure puts the job back into the queue, with the reason at its attempt', async () => {
    const { id } = await jobIn(registry, 'running');
    await registry.jobs.fail(id, 1, failure, { final: false });
    const job = await registry.jobs.get(id);
    expect(job).toMatchObject({ status: 'queued', error: null, attempts: [{ status: 'failed', error: failure }] });
    expect(await registry.jobs.start(id, 'w')).toEqual({ outcome: 'started', attempt: 2 });
  });

  test('an error message with characters that Postgres cannot hold is kept without them', async () => {
    const { id } = await jobIn(registry, 'running');
    await registry.jobs.fail(id, 1, { ...failure, message: 'bad value "\0 \ud800 é"' }, { final: true });
    expect((await registry.jobs.get(id)).error?.message).toBe('bad value "\ufffd \ufffd é"');
  });

  test('a dataset fails with its ingest, shows why, and is pending again after a retry', async () => {
    const { dataset, job } = await newDataset(registry);
    await registry.jobs.start(job.id, 'w');
    await registry.jobs.fail(job.id, 1, failure, { final: true });
    expect(await registry.datasets.get(dataset.id)).toMatchObject({
      status: 'failed',
      warnings: [{ code: 'data-empty', message: 'The ingest failed. There are no rows.' }],
    });
    await expect(registry.datasets.complete(dataset.id, profile)).rejects.toMatchObject({ code: 'conflict' });

    const retried = await registry.jobs.retry(job.id, 'second request');
    expect(retried).toMatchObject({
      attempt: 2,
      job: { status: 'queued', error: null, requestId: 'second request', finishedAt: null, progress: 0 },
      queued: {
        kind: 'ingest',
        attempt: 2,
        payload: { jobId: job.id, datasetId: dataset.id, requestId: 'second request' },
      },
    });
    expect(await registry.datasets.get(dataset.id)).toMatchObject({ status: 'pending', warnings: [] });
    expect(await registry.jobs.start(job.id, 'w')).toEqual({ outcome: 'started', attempt: 2 });
  });

  test('cancelling a queued job settles it at once, and its dataset with it', async () => {
    const { dataset, job } = await newDataset(registry);
    expect(await registry.jobs.requestCancel(job.id)).toMatchObject({ status: 'cancelled', attempts: [] });
    expect(await registry.datasets.get(dataset.id)).toMatchObject({
      status: 'failed',
      warnings: [{ code: 'cancelled' }],
    });
    expect(await registry.jobs.start(job.id, 'w')).toEqual({ outcome: 'skip', status: 'cancelled' });
    expect(await registry.jobs.retry(job.id, 'r')).toMatchObject({ attempt: 2, job: { cancelRequested: false } });
  });

  test('cancelling a running job tells its worker at the next beat, once', async () => {
    const { id, revision } = await jobIn(registry, 'running');
    expect(await registry.jobs.requestCancel(id)).toMatchObject({ status: 'running', cancelRequested: true });
    expect(await registry.jobs.requestCancel(id)).toMatchObject({ revision: revision + 1 });
    expect(await registry.jobs.beat(id, 1, { progress: 0.1, stage: 'x' })).toBe('cancelled');
    await registry.jobs.cancelled(id, 1);
    expect(await registry.jobs.get(id)).toMatchObject({ status: 'cancelled', attempts: [{ status: 'cancelled' }] });
    expect(await registry.jobs.beat(id, 1, { progress: 0.2, stage: 'x' })).toBe('cancelled');
  });

  test.each([
    ['lost', (id: string) => registry.jobs.start(id, 'w')],
    ['failing', (id: string) => registry.jobs.fail(id, 1, failure, { final: false })],
  ])('a cancel is carried out where the worker is %s instead of answering', async (_, call) => {
    const { id } = await jobIn(registry, 'running');
    await registry.jobs.requestCancel(id);
    await call(id);
    expect(await registry.jobs.get(id)).toMatchObject({ status: 'cancelled' });
    expect(await registry.jobs.start(id, 'w')).toEqual({ outcome: 'skip', status: 'cancelled' });
  });

  test.each(['succeeded', 'failed', 'cancelled'] as const)('a %s job cannot be cancelled', async (status) => {
    const { id } = await jobIn(registry, status);
    await expect(registry.jobs.requestCancel(id)).rejects.toMatchObject({ code: 'illegal-transition' });
  });

  test('a job whose dataset has been deleted cannot be retried', async () => {
    const { dataset, job } = await newDataset(registry);
    await registry.jobs.requestCancel(job.id);
    await registry.datasets.remove(dataset.id);
    await expect(registry.jobs.retry(job.id, 'r')).rejects.toMatchObject({ code: 'conflict' });
    expect((await registry.jobs.get(job.id)).status).toBe('cancelled');
  });
});

const waitingIds = async () => (await registry.jobs.waiting()).map(({ payload }) => payload.jobId);

describe('what should be in the queue', () => {
  test('queued jobs, oldest first, and running ones whose worker is silent', async () => {
    const first = await jobIn(registry, 'queued');
    const running = await jobIn(registry, 'running');
    const second = await jobIn(registry, 'queued');
    const listed = await waitingIds();
    expect(listed.indexOf(first.id)).toBeLessThan(listed.indexOf(second.id));
    expect(listed).toContain(first.id);
    expect(listed).not.toContain(running.id);
    await psql.query("UPDATE jobs SET beat_at = now() - interval '61 s' WHERE id = $1", [running.id]);
    expect(await waitingIds()).toContain(running.id);
    await registry.jobs.beat(running.id, 1, { progress: 0, stage: 'alive' });
    expect(await waitingIds()).not.toContain(running.id);
  });

  test('a prediction only once the dataset that it is uploaded with is ready', async () => {
    const { version } = await trained(registry, await readyDataset(registry), 'waiting');
    const { dataset } = await newDataset(registry);
    const { job, prediction } = await registry.predictions.create({
      datasetId: dataset.id,
      versionId: version.id,
      includeInputs: false,
      requestId: 'r',
    });
    expect(await waitingIds()).not.toContain(job.id);
    await registry.datasets.complete(dataset.id, profile);
    expect(await registry.jobs.waiting()).toContainEqual({
      kind: 'predict',
      attempt: 1,
      payload: { jobId: job.id, requestId: 'r', predictionId: prediction.id },
      short: true,
    });
  });
});

test('a job that waited goes on with the same attempt, as far as its readers saw it last', async () => {
  const { id } = await jobIn(registry, 'running');
  await registry.jobs.beat(id, 1, { progress: 0.4, stage: 'scored' });
  expect(await registry.jobs.wait(id, 1)).toBe(true);
  const seen = { progress: 0.4, stage: 'scored' };
  expect(await registry.jobs.start(id, 'second')).toEqual({ outcome: 'started', attempt: 1, seen });
  expect(await registry.jobs.get(id)).toMatchObject(seen);
});

describe('an attempt that another worker has taken over', () => {
  test('writes nothing: no progress, no end of any kind, and is told so', async () => {
    const { id } = await jobIn(registry, 'running');
    await registry.jobs.start(id, 'second');
    const taken = await registry.jobs.get(id);
    expect(await registry.jobs.beat(id, 1, { progress: 0.9, stage: 'late' })).toBe('lost');
    for (const late of [
      registry.jobs.succeed(id, 1),
      registry.jobs.fail(id, 1, failure, { final: true }),
      registry.jobs.fail(id, 1, failure, { final: false }),
      registry.jobs.cancelled(id, 1),
      registry.jobs.wait(id, 1),
    ]) {
      expect(await late).toBe(false);
    }
    expect(await registry.jobs.get(id)).toEqual(taken);
    expect(await registry.jobs.beat(id, 2, { progress: 0.1, stage: 'on time' })).toBe('go on');
    expect(await registry.jobs.succeed(id, 2)).toBe(true);
    expect(await registry.jobs.beat(id, 2, { progress: 1, stage: 'after' })).toBe('lost');
  });

  test('is not taken for its successor while the job waits to be tried again', async () => {
    const { id } = await jobIn(registry, 'running');
    await registry.jobs.fail(id, 1, failure, { final: false });
    expect(await registry.jobs.succeed(id, 1)).toBe(false);
    expect((await registry.jobs.get(id)).status).toBe('queued');
  });
});

describe('a job that the queue gives up', () => {
  test('fails, unless a worker is at it all the same', async () => {
    const { id } = await jobIn(registry, 'running');
    await registry.jobs.giveUp(id, failure);
    expect((await registry.jobs.get(id)).status).toBe('running');
    await psql.query("UPDATE jobs SET beat_at = now() - interval '6 s' WHERE id = $1", [id]);
    await registry.jobs.giveUp(id, failure);
    expect(await registry.jobs.get(id)).toMatchObject({ status: 'failed', error: failure });
    const waiting = await jobIn(registry, 'queued');
    await registry.jobs.giveUp(waiting.id, failure);
    expect((await registry.jobs.get(waiting.id)).status).toBe('failed');
  });

  test('stays as it is where it has ended', async () => {
    const { id } = await jobIn(registry, 'succeeded');
    await registry.jobs.giveUp(id, failure);
    expect((await registry.jobs.get(id)).status).toBe('succeeded');
  });
});

describe('at once', () => {
  test('two starts leave one running attempt, whichever came first', async () => {
    const { id } = await jobIn(registry, 'queued');
    const outcomes = await Promise.all([registry.jobs.start(id, 'a'), registry.jobs.start(id, 'b')]);
    expect(outcomes.map((outcome) => outcome.outcome === 'started' && outcome.attempt).toSorted()).toEqual([1, 2]);
    const job = await registry.jobs.get(id);
    expect(job.attempts.map(({ status }) => status)).toEqual(['lost', 'running']);
  });

  test('of ten ends exactly one is made', async () => {
    const { id } = await jobIn(registry, 'running');
    const ends = [
      () => registry.jobs.succeed(id, 1),
      () => registry.jobs.fail(id, 1, failure, { final: true }),
      () => registry.jobs.cancelled(id, 1),
    ];
    const results = await Promise.all(Array.from({ length: 10 }, (_, i) => ends[i % 3]?.()));
    expect(results.filter((made) => made === true)).toHaveLength(1);
    expect(results.filter((made) => made === false)).toHaveLength(9);
    const job = await registry.jobs.get(id);
    expect(job.attempts).toHaveLength(1);
    expect(job.revision).toBe(3);
  });

  test('of five retries exactly one queues the job', async () => {
    const { id } = await jobIn(registry, 'failed');
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => registry.jobs.retry(id, 'r')));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

test('lists can be narrowed to a status and a kind', async () => {
  const { job } = await trained(registry, await readyDataset(registry), 'narrowed');
  const page = await registry.jobs.list({ limit: 200, status: 'succeeded', kind: 'train' });
  expect(page.items.map(({ id }) => id)).toContain(job.id);
  expect(page.items.every(({ kind, status }) => kind === 'train' && status === 'succeeded')).toBe(true);
});

test('jobs are counted by kind and status, attempts by status, and what waits longest is told', async () => {
  const counted = async (sql: string) =>
    Object.fromEntries((await psql.query<{ name: string; n: number }>(sql)).rows.map(({ name, n }) => [name, n]));
  const lost = await jobIn(registry, 'running');
  await registry.jobs.start(lost.id, 'another');
  const jobs = await registry.jobs.counts();
  expect(
    Object.fromEntries(jobs.filter(({ count }) => count > 0).map((one) => [`${one.kind} ${one.status}`, one.count])),
  ).toEqual(await counted(`SELECT kind || ' ' || status AS name, count(*)::int AS n FROM jobs GROUP BY 1`));
  const attempts = await registry.jobs.attemptCounts();
  expect(attempts.find(({ status }) => status === 'lost')!.count).toBeGreaterThan(0);
  expect(
    Object.fromEntries(attempts.filter(({ count }) => count > 0).map(({ status, count }) => [status, count])),
  ).toEqual(await counted('SELECT status::text AS name, count(*)::int AS n FROM job_attempts GROUP BY 1'));

  const secondsOf = async (kind: string) =>
    (await registry.jobs.oldestQueued()).find((one) => one.kind === kind)!.seconds;
  expect(await secondsOf('import')).toBe(0);
  const waits = await jobIn(registry, 'queued');
  await psql.query(`UPDATE jobs SET created_at = now() - interval '1 hour' WHERE id = $1`, [waits.id]);
  expect(await secondsOf('ingest')).toBeGreaterThan(3500);
  // one that is tried again is as young as its last attempt, so it does not count
  await registry.jobs.start(waits.id, 'worker');
  await registry.jobs.fail(waits.id, 1, failure, { final: false });
  expect(await secondsOf('ingest')).toBeLessThan(3500);
});
