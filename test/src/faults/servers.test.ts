import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Accepted, Job, Prediction, RowPage, Run } from '@clove/contracts';
import { connectRedis } from '@clove/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { customers, faultStack, modelHash, type FaultStack } from './stack.js';

const clockFile = path.join(tmpdir(), `clove-clock-${process.pid}`);
let faults: FaultStack;
let datasetId: string;
let calmModel: string;

const TRAINING = { modelName: 'faults', epochs: 60, patience: 60, seed: 7 };
const train = (body: object = {}) => faults.submit('/v1/runs', () => ({ datasetId, ...TRAINING, ...body }));
const ended = async (id: string): Promise<{ job: Job; run: Run }> => {
  const { jobId } = await faults.client.get<Run>(`/v1/runs/${id}`);
  const job = await faults.settled(jobId);
  return { job, run: await faults.client.get<Run>(`/v1/runs/${id}`) };
};
const hashOf = ({ versionId }: Run): string =>
  modelHash(path.join(faults.home, `artifacts/versions/${versionId}/model.onnx`));
/** A training that is under way: its first epochs are told. */
const running = async (body: object = {}): Promise<string> => {
  const { id, job } = await train(body);
  await faults.untilJob(job.id, ({ status, progress }) => status === 'running' && progress > 0.05);
  return id;
};

beforeAll(async () => {
  writeFileSync(clockFile, '0');
  const clock = fileURLToPath(new URL('../../src/faults/clock.mjs', import.meta.url));
  faults = await faultStack({
    trainers: 2,
    env: { CLOCK_FILE: clockFile, NODE_OPTIONS: `--import ${clock}` },
  });
  const form = () => faults.client.upload({ 'customers.csv': customers(4000) }, { options: '{"kind":"features"}' });
  const accepted = await faults.submit('/v1/datasets', form);
  await faults.settled(accepted.job.id);
  datasetId = accepted.id;
  calmModel = hashOf((await ended((await train()).id)).run);
});
afterAll(() => faults?.close());

test('Redis emptied during a training: the training goes on to its end, and what waited is queued again', async () => {
  const id = await running();
  const waiting = await train({ modelName: 'waiting' });
  const redis = connectRedis(faults.stack.redisUrl);
  await redis.flushall();
  redis.disconnect();
  const { job, run } = await ended(id);
  expect(job).toMatchObject({ status: 'succeeded' });
  expect(job.attempts).toHaveLength(1);
  expect(hashOf(run)).toBe(calmModel);
  expect((await ended(waiting.id)).job.status).toBe('succeeded');
});

const AWAY_MS = 30_000;

test(`Redis gone for ${AWAY_MS / 1000} s: jobs are accepted meanwhile, questions get 503, trainings go on to their end, each job ends once`, async () => {
  const id = await running();
  const pid = faults.pidOf('Redis')!;
  process.kill(pid, 'SIGSTOP');
  const gone = performance.now();
  // Each submission is answered once the queue has had its time, so that asking one after the other takes the 30 s.
  const accepted: Accepted[] = [];
  const question = faults.client.call('GET', `/v1/datasets/${datasetId}/rows`);
  try {
    do {
      accepted.push(await train({ modelName: 'meanwhile', epochs: 5, patience: 5 }));
      expect(accepted.at(-1)!.job.status).toBe('queued');
      expect((await fetch(`${faults.stack.url}/readyz`)).status).toBe(503);
      expect((await fetch(`${faults.stack.url}/healthz`)).status).toBe(200);
    } while (performance.now() - gone < AWAY_MS);
    const answer = await question;
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    // What was under way ends without the queue.
    expect((await ended(id)).job.status).toBe('succeeded');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  expect(accepted.length).toBeGreaterThan(3);
  const models: string[] = [];
  for (const run of [id, ...accepted.map((one) => one.id)]) {
    const end = await ended(run);
    expect(end.job).toMatchObject({ status: 'succeeded' });
    expect(end.job.attempts.filter(({ status }) => status === 'succeeded')).toHaveLength(1);
    models.push(hashOf(end.run));
  }
  expect(models[0]).toBe(calmModel);
  expect(new Set(models.slice(1)).size).toBe(1);
  expect((await faults.client.get<RowPage>(`/v1/datasets/${datasetId}/rows`)).total).toBe(4000);
});

test('Postgres restarted during a training: the training ends with the same model', async () => {
  const id = await running();
  await faults.kill('Postgres');
  const { job, run } = await ended(id);
  expect(job).toMatchObject({ status: 'succeeded' });
  expect(hashOf(run)).toBe(calmModel);
});

test('a worker frozen beyond its lock: another one does the job, and what the first says once it wakes is not taken', async () => {
  const id = await running();
  const { jobId } = await faults.client.get<Run>(`/v1/runs/${id}`);
  const [first] = (await faults.client.get<Job>(`/v1/jobs/${jobId}`)).attempts;
  const pid = Number(/:(\d+) /.exec(first!.worker)![1]);
  process.kill(pid, 'SIGSTOP');
  try {
    await faults.untilJob(jobId, ({ attempts }) => attempts.length === 2);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const { job, run } = await ended(id);
  expect(job.attempts.map(({ status }) => status)).toEqual(['lost', 'succeeded']);
  expect(job.attempts[1]!.worker).not.toBe(first!.worker);
  expect(hashOf(run)).toBe(calmModel);
  const runs = await faults.client.get<{ items: { id: string }[] }>('/v1/models/faults/versions?limit=200');
  expect(new Set(runs.items.map((version) => version.id)).size).toBe(runs.items.length);
  // the frozen one works again
  expect((await ended((await train()).id)).job.status).toBe('succeeded');
});

test('SIGTERM in the middle of a training: it goes on from its checkpoint elsewhere, to the same model', async () => {
  // it takes longer than the time that a worker is given to end what it has begun
  const long = { epochs: 800, patience: 800 };
  const calm = hashOf((await ended((await train(long)).id)).run);
  const id = await running(long);
  const { jobId } = await faults.client.get<Run>(`/v1/runs/${id}`);
  const [first] = (await faults.client.get<Job>(`/v1/jobs/${jobId}`)).attempts;
  process.kill(Number(/:(\d+) /.exec(first!.worker)![1]), 'SIGTERM');
  const { job, run } = await ended(id);
  expect(job.attempts.map(({ status }) => status)).toEqual(['failed', 'succeeded']);
  expect(hashOf(run)).toBe(calm);
});

describe.each([
  ['a day ahead', 24 * 3600 * 1000],
  ['a day back', -24 * 3600 * 1000],
])('the clock of every service moved %s', (_, offsetMs) => {
  test('during a training: the training and what comes after end as they should', async () => {
    const id = await running();
    writeFileSync(clockFile, String(offsetMs));
    for (const { pid } of faults.stack.processes) process.kill(pid, 'SIGUSR2');
    const { job, run } = await ended(id);
    expect(job).toMatchObject({ status: 'succeeded' });
    expect(hashOf(run)).toBe(calmModel);
    const prediction = await faults.submit('/v1/predictions', () => ({ datasetId, model: 'faults' }));
    expect(await faults.settled(prediction.job.id)).toMatchObject({ status: 'succeeded' });
    expect((await faults.client.get<Prediction>(`/v1/predictions/${prediction.id}`)).rows).toBe(4000);
    writeFileSync(clockFile, '0');
    for (const { pid } of faults.stack.processes) process.kill(pid, 'SIGUSR2');
  });
});
