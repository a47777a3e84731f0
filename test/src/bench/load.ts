/**
 * The whole system under load, on the cores of this machine, the load's own process included:
 *
 * - requests that come at fixed times, whether or not earlier ones are answered, while a training and predictions of 1,000,000
 *   rows run. A request's time counts from the moment that it was due, so a stall shows in all that was due meanwhile;
 * - jobs queued all at once, short ones behind long ones;
 * - large uploads at once;
 * - the requests again, for minutes, with the memory of every process.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Stack, launch } from '@clove/cli';
import type { Accepted, Job, Page, RowPage, Run } from '@clove/contracts';
import { type Api, api } from '../support/api.js';
import { peakRssBytes, resetPeakRss } from './case.js';

const PER_SECOND = 200;
const ROWS = 10;
const CUSTOMERS = 1_000_000;
const LONG_JOBS = 6;
const UPLOADS = 10;
const UPLOAD_BYTES = 200_000_000;

/** What is asked: of ten requests six polls, three lists, one scoring. */
type Kind = 'poll' | 'list' | 'score';
const MIX: readonly Kind[] = ['poll', 'poll', 'list', 'poll', 'score', 'poll', 'list', 'poll', 'poll', 'list'];

/** Times in ms that so many of a hundred stay below, and the longest. */
type Times = { count: number; p50: number; p95: number; p99: number; max: number };

export type LoadReport = {
  cores: number;
  requests: {
    perSecond: number;
    seconds: number;
    /** answers by status, `lost` where the connection broke */
    statuses: Record<string, number>;
    times: Record<Kind, Times>;
    /** what ran beside them */
    predictions: { rows: number; ended: number; seconds: number[] };
    training: { status: Job['status']; epochs: number };
  };
  jobs: {
    count: number;
    ended: Record<string, number>;
    submitSeconds: number;
    drainSeconds: number;
    /** from being queued to being started, in seconds, by kind; the long ones apart */
    waitSeconds: Record<string, Times>;
    /** seconds of all jobs of a kind together: where the first comes first, short ones wait at least for those of the long ones */
    runSeconds: Record<string, number>;
    /** percent of the short jobs that were started before the last long one: 0 where the first comes first */
    shortBeforeLastLong: number;
  };
  uploads: {
    count: number;
    bytesEach: number;
    seconds: number;
    statuses: Record<string, number>;
    gatewayBeforeMB: number;
    gatewayPeakMB: number;
  };
  soak: {
    minutes: number;
    statuses: Record<string, number>;
    times: Record<Kind, Times>;
    /** of each service: at the start, half-way and at the end, and the growth of the second half by least squares */
    memory: Record<string, { firstMB: number; middleMB: number; lastMB: number; growthMBPerHour: number }>;
  };
};

const timesOf = (values: readonly number[]): Times => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(10 * (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN)) / 10;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
};

const countsOf = (values: Iterable<string>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
};

type Target = { method: string; path: string; body?: string };
type Answered = { kind: Kind; status: string; ms: number };

/** Sends a request and reads its answer to the end. @returns its status, `lost` and why where the connection broke */
const send = (stack: Stack, agent: Agent, { method, path: at, body }: Target): Promise<string> =>
  new Promise((resolve) => {
    const headers = {
      authorization: `Bearer ${stack.apiKey}`,
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    };
    const lost = (error: NodeJS.ErrnoException) => resolve(`lost ${error.code}`);
    const sent = request(`${stack.url}${at}`, { method, agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(String(response.statusCode)));
      response.on('error', lost);
    });
    sent.on('error', lost);
    sent.end(body);
  });

/** Sends the mix at its times until `until` has passed. Whatever is late is sent at once, and its time counts from when it was due. */
async function openLoop(stack: Stack, targets: Record<Kind, readonly Target[]>, seconds: number): Promise<Answered[]> {
  const agent = new Agent({ keepAlive: true });
  const all: Promise<Answered>[] = [];
  const start = performance.now();
  const count = Math.round(seconds * PER_SECOND);
  for (let n = 0; n < count; n += 1) {
    const due = start + (1000 * n) / PER_SECOND;
    const ahead = due - performance.now();
    if (ahead > 0) await delay(ahead);
    const kind = MIX[n % MIX.length]!;
    const choices = targets[kind];
    const target = choices[Math.floor(n / MIX.length) % choices.length]!;
    all.push(send(stack, agent, target).then((status) => ({ kind, status, ms: performance.now() - due })));
  }
  const answered = await Promise.all(all);
  agent.destroy();
  return answered;
}

const summaryOf = (answered: readonly Answered[]) => {
  const of = (kind: Kind) => timesOf(answered.filter((one) => one.kind === kind).map(({ ms }) => ms));
  return {
    statuses: countsOf(answered.map(({ status }) => status)),
    times: { poll: of('poll'), list: of('list'), score: of('score') },
  };
};

/** What the parts of the bench share: a model, a small dataset and a large one. */
type Ground = { small: string; large: string; targets: Record<Kind, readonly Target[]> };

const generated = async (client: Api, customers: number): Promise<string> => {
  const { id, job } = await client.accepted('/v1/datasets/generate', { generator: 'features', customers, seed: 1 });
  await succeeded(client, job.id);
  return id;
};

const succeeded = async (client: Api, jobId: string): Promise<Job> => {
  const job = await client.settled(jobId);
  if (job.status !== 'succeeded') throw new Error(`the ${job.kind} is ${job.status}: ${job.error?.message}`);
  return job;
};

async function prepare(client: Api): Promise<Ground> {
  const small = await generated(client, 2000);
  const run = await client.accepted('/v1/runs', { datasetId: small, modelName: 'w', epochs: 2 });
  await succeeded(client, run.job.id);
  const large = await generated(client, CUSTOMERS);
  const page = await client.get<RowPage>(`/v1/datasets/${small}/rows?limit=${ROWS}`);
  const rows = page.rows.map((row) => Object.fromEntries(page.columns.map((name, i) => [name, row[i]])));
  const get = (at: string): Target => ({ method: 'GET', path: at });
  const lists = ['/v1/jobs?limit=50', '/v1/datasets', '/v1/predictions', '/v1/models', '/v1/runs?limit=20'];
  const scores = [1, 3, ROWS].map((count): Target => {
    const body = JSON.stringify({ model: 'w', rows: rows.slice(0, count) });
    return { method: 'POST', path: '/v1/score', body };
  });
  return {
    small,
    large,
    targets: { poll: [get(`/v1/jobs/${run.job.id}`), get(`/v1/runs/${run.id}`)], list: lists.map(get), score: scores },
  };
}

/** A training on the large dataset, which ends when it is told to. */
async function train(
  client: Api,
  { large }: Ground,
): Promise<() => Promise<{ status: Job['status']; epochs: number }>> {
  const { id, job } = await client.accepted('/v1/runs', {
    datasetId: large,
    modelName: 'beside',
    epochs: 10_000,
    patience: 10_000,
  });
  return async () => {
    const { epochs } = await client.get<Run>(`/v1/runs/${id}`);
    const { status } = await client.get<Job>(`/v1/jobs/${job.id}`);
    await client.accepted(`/v1/jobs/${job.id}/cancel`, {});
    await client.settled(job.id);
    return { status, epochs: epochs.length };
  };
}

/** Predictions of a dataset, one after the other until it is told to stop. @returns the seconds that each took */
function predict(client: Api, datasetId: string, pauseMs = 0): () => Promise<number[]> {
  const stop = new AbortController();
  const seconds: number[] = [];
  const all = (async () => {
    while (!stop.signal.aborted) {
      const start = performance.now();
      const { job } = await client.accepted('/v1/predictions', { datasetId, model: 'w' });
      await succeeded(client, job.id);
      seconds.push(Math.round((performance.now() - start) / 100) / 10);
      await delay(pauseMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  })();
  return async () => {
    stop.abort();
    await all;
    return seconds;
  };
}

async function requests(
  stack: Stack,
  client: Api,
  ground: Ground,
  forSeconds: number,
): Promise<LoadReport['requests']> {
  const ended = await train(client, ground);
  const predicted = predict(client, ground.large);
  const answered = await openLoop(stack, ground.targets, forSeconds);
  const training = await ended();
  const seconds = await predicted();
  return {
    perSecond: PER_SECOND,
    seconds: forSeconds,
    ...summaryOf(answered),
    predictions: { rows: CUSTOMERS, ended: seconds.length, seconds },
    training,
  };
}

async function jobs(client: Api, { small, large }: Ground, count: number): Promise<LoadReport['jobs']> {
  const submitted = new Map<string, string>();
  const submit = async (name: string, at: string, body: object): Promise<void> => {
    submitted.set((await client.accepted(at, body)).job.id, name);
  };
  const started = performance.now();
  const features = { generator: 'features', seed: 1 };
  for (let n = 0; n < LONG_JOBS; n += 1) {
    if (n % 2 === 0) await submit('long ingest', '/v1/datasets/generate', { ...features, customers: CUSTOMERS });
    else await submit('long predict', '/v1/predictions', { datasetId: large, model: 'w' });
  }
  const short = [
    () => submit('ingest', '/v1/datasets/generate', { ...features, customers: 500 }),
    () => submit('predict', '/v1/predictions', { datasetId: small, model: 'w' }),
    () => submit('evaluate', '/v1/evaluations', { datasetId: small, model: 'w' }),
  ];
  let next = LONG_JOBS;
  const clients = Array.from({ length: 16 }, async () => {
    while (next < count) {
      next += 1;
      await short[next % short.length]!();
    }
  });
  await Promise.all(clients);
  const submitSeconds = (performance.now() - started) / 1000;
  for (const status of ['queued', 'running'] as const) {
    while ((await client.get<Page<Job>>(`/v1/jobs?status=${status}&limit=1`)).items.length > 0) await delay(500);
  }
  const drainSeconds = (performance.now() - started) / 1000;
  const all: (Job & { name: string })[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page<Job> = await client.get(`/v1/jobs?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`);
    for (const job of page.items) {
      const name = submitted.get(job.id);
      if (name !== undefined) all.push({ ...job, name });
    }
    cursor = page.next;
  }
  const startOf = (job: Job): number => Date.parse(job.startedAt ?? job.createdAt);
  const isLong = ({ name }: { name: string }): boolean => name.startsWith('long');
  const shortOnes = all.filter((job) => !isLong(job));
  const lastLong = Math.max(...all.filter(isLong).map(startOf));
  const waits = (name: string) =>
    timesOf(all.filter((job) => job.name === name).map((job) => (startOf(job) - Date.parse(job.createdAt)) / 1000));
  const runs = (name: string): number =>
    all
      .filter((job) => job.name === name)
      .reduce((sum, job) => sum + (Date.parse(job.finishedAt ?? job.createdAt) - startOf(job)) / 1000, 0);
  const round = (value: number): number => Math.round(10 * value) / 10;
  const names = [...new Set(all.map(({ name }) => name))];
  return {
    count: all.length,
    ended: countsOf(all.map(({ status }) => status)),
    submitSeconds: round(submitSeconds),
    drainSeconds: round(drainSeconds),
    waitSeconds: Object.fromEntries(names.map((name) => [name, waits(name)])),
    runSeconds: Object.fromEntries(names.map((name) => [name, round(runs(name))])),
    shortBeforeLastLong: round((100 * shortOnes.filter((job) => startOf(job) < lastLong).length) / shortOnes.length),
  };
}

/** A CSV of orders as a form, sent as it is made. @returns the status */
async function upload(stack: Stack, n: number): Promise<{ status: string; jobId: string | null }> {
  const boundary = 'clove-bench-boundary';
  const lines: string[] = [];
  for (let row = 0; row < 20_000; row += 1) {
    lines.push(`c${n}-${row % 5000},2024-01-${String(1 + (row % 28)).padStart(2, '0')},${(row % 977) / 8}`);
  }
  const block = Buffer.from(`${lines.join('\n')}\n`);
  const body = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="orders-${n}.csv"\r\n` +
        'Content-Type: text/csv\r\n\r\ncustomer_id,order_date,amount\n',
    );
    for (let sent = 0; sent < UPLOAD_BYTES; sent += block.length) yield block;
    yield Buffer.from(`\r\n--${boundary}--\r\n`);
  };
  const headers = {
    authorization: `Bearer ${stack.apiKey}`,
    'content-type': `multipart/form-data; boundary=${boundary}`,
  };
  const sent = request(`${stack.url}/v1/datasets`, { method: 'POST', headers });
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  const [[response]] = await Promise.all([answered, pipeline(Readable.from(body()), sent)]);
  const said = await text(response);
  const accepted = response.statusCode === 202 ? (JSON.parse(said) as Accepted) : null;
  return { status: String(response.statusCode), jobId: accepted?.job.id ?? null };
}

async function uploads(stack: Stack, client: Api): Promise<LoadReport['uploads']> {
  const { pid } = stack.processes.find(({ name }) => name === 'gateway')!;
  resetPeakRss(pid);
  const before = rssMB(pid);
  const start = performance.now();
  const all = await Promise.all(Array.from({ length: UPLOADS }, (_, n) => upload(stack, n)));
  const seconds = Math.round((performance.now() - start) / 100) / 10;
  const gatewayPeakMB = Math.round(peakRssBytes(pid) / 1e6);
  for (const { jobId } of all) if (jobId !== null) await client.call('POST', `/v1/jobs/${jobId}/cancel`);
  for (const { jobId } of all) if (jobId !== null) await client.settled(jobId);
  const statuses = countsOf(all.map(({ status }) => status));
  return { count: UPLOADS, bytesEach: UPLOAD_BYTES, seconds, statuses, gatewayBeforeMB: before, gatewayPeakMB };
}

/** Memory that a process holds now; 0 where the system does not say. */
const rssMB = (pid: number): number =>
  process.platform === 'linux'
    ? Math.round((Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024) / 1e5) /
      10
    : 0;

/** Growth of the second half, by least squares. @param samples seconds and MB */
function growthPerHour(samples: readonly { at: number; mb: number }[]): number {
  const half = samples.slice(Math.floor(samples.length / 2));
  const mean = (of: (sample: { at: number; mb: number }) => number) =>
    half.reduce((sum, s) => sum + of(s), 0) / half.length;
  const [at, mb] = [mean((s) => s.at), mean((s) => s.mb)];
  const across = half.reduce((sum, s) => sum + (s.at - at) * (s.mb - mb), 0);
  const along = half.reduce((sum, s) => sum + (s.at - at) ** 2, 0);
  return Math.round((3600 * across) / along);
}

async function soak(stack: Stack, client: Api, ground: Ground, minutes: number): Promise<LoadReport['soak']> {
  const samples: Record<string, { at: number; mb: number }[]> = {};
  const start = performance.now();
  const sample = () => {
    for (const { name, pid } of stack.processes) {
      (samples[name] ??= []).push({ at: (performance.now() - start) / 1000, mb: rssMB(pid) });
    }
  };
  const ended = await train(client, ground);
  const stops = [predict(client, ground.small, 1000), predict(client, ground.large, 45_000)];
  sample();
  const timer = setInterval(sample, 2000);
  const answered = await openLoop(stack, ground.targets, 60 * minutes);
  clearInterval(timer);
  sample();
  await ended();
  for (const stop of stops) await stop();
  const memory = Object.entries(samples).map(([name, of]) => [
    name,
    {
      firstMB: of[0]!.mb,
      middleMB: of[Math.floor(of.length / 2)]!.mb,
      lastMB: of.at(-1)!.mb,
      growthMBPerHour: growthPerHour(of),
    },
  ]);
  return { minutes, ...summaryOf(answered), memory: Object.fromEntries(memory) as LoadReport['soak']['memory'] };
}

/** How long the requests beside other work and the soak go on, and how many jobs are queued at once. */
export type LoadOptions = { seconds: number; jobs: number; minutes: number };

export async function load(o: LoadOptions): Promise<LoadReport> {
  const home = await mkdtemp(path.join(tmpdir(), 'clove-bench-load-'));
  const stack = await launch({ home, port: 0 });
  try {
    const client = api(stack.url, stack.apiKey);
    const ground = await prepare(client);
    await openLoop(stack, ground.targets, 2);
    return {
      cores: availableParallelism(),
      requests: await requests(stack, client, ground, o.seconds),
      jobs: await jobs(client, ground, o.jobs),
      uploads: await uploads(stack, client),
      soak: await soak(stack, client, ground, o.minutes),
    };
  } finally {
    await stack.stop();
    await rm(home, { recursive: true, force: true });
  }
}
