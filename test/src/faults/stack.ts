import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readdir, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch, type LaunchOptions, type Stack } from '@clove/cli';
import { isTerminal, type Accepted, type Job } from '@clove/contracts';
import { vi } from 'vitest';
import { api, type Answer, type Api } from '../support/api.js';

/** A system that things are done to, and a client that does not give up on it. */
export type FaultStack = {
  stack: Stack;
  home: string;
  client: Api;
  /** Sends a POST until it is accepted, as a client with an Idempotency-Key should. */
  submit(path: string, body: () => unknown): Promise<Accepted>;
  /** Polls a job until it has ended, whatever happens to the servers meanwhile. */
  settled(jobId: string): Promise<Job>;
  /** Waits until a job is as wished. */
  untilJob(jobId: string, wish: (job: Job) => boolean): Promise<Job>;
  /** process id of a service, of `Postgres` or of `Redis` as it runs now; undefined while it does not */
  pidOf(name: string): number | undefined;
  /** Kills with SIGKILL and waits until it runs again under another id and the gateway is ready. */
  kill(name: string): Promise<void>;
  ready(): Promise<void>;
  close(): Promise<void>;
};

/** What a patient client treats as passing. */
const passing = (status: number): boolean => status >= 500 || status === 429;
const PATIENCE = { timeout: 120_000, interval: 50 };

/**
 * Locks are short, so that a lost worker is noticed soon, and natively there is one thread, for with more of them sums are not
 * always added up in the same order, so that models differ in their last bits; all else is as `clove start` makes it.
 */
export async function faultStack(options: LaunchOptions = {}): Promise<FaultStack> {
  vi.stubEnv('DATABASE_URL', '');
  vi.stubEnv('REDIS_URL', '');
  const home = mkdtempSync(path.join(tmpdir(), 'clove-faults-'));
  const stack = await launch({ home, port: 0, ...options, env: { JOB_LOCK_MS: '2000', THREADS: '1', ...options.env } });
  const client = api(stack.url, stack.apiKey);

  const read = (file: string): string | undefined => {
    try {
      return readFileSync(path.join(home, file), 'utf8');
    } catch {
      return undefined;
    }
  };
  const pidOf = (name: string): number | undefined => {
    if (name === 'Postgres') return Number(read('postgres/data/postmaster.pid')?.split('\n')[0]) || undefined;
    if (name === 'Redis') {
      const file = read('redis/run.json');
      return file === undefined ? undefined : (JSON.parse(file) as { pid: number }).pid;
    }
    return stack.processes.find((process) => process.name === name)?.pid;
  };
  const untilJob = (jobId: string, wish: (job: Job) => boolean): Promise<Job> =>
    vi.waitFor(async () => {
      const job = await client.get<Job>(`/v1/jobs/${jobId}`);
      if (!wish(job)) throw new Error(`job ${jobId} (${job.kind}) is ${job.status}, ${job.stage}`);
      return job;
    }, PATIENCE);
  const ready = () =>
    vi.waitFor(async () => {
      const answer = await fetch(`${stack.url}/readyz`);
      if (answer.status !== 200) throw new Error(`not ready: ${await answer.text()}`);
    }, PATIENCE);

  return {
    stack,
    home,
    client,
    submit: async (route, body) => {
      let key = crypto.randomUUID();
      return vi.waitFor(async () => {
        const answer: Answer<Accepted> = await client.call('POST', route, body(), { 'idempotency-key': key });
        // the gateway that had begun it is no more: what it did is among the jobs, and is looked at with them
        if (answer.status === 409) key = crypto.randomUUID();
        if (answer.status === 409 || passing(answer.status)) throw new Error(`${route}: ${answer.status}`);
        if (answer.status !== 202) throw new TypeError(`${route}: ${answer.status} ${JSON.stringify(answer.body)}`);
        return answer.body;
      }, PATIENCE);
    },
    settled: (jobId) => untilJob(jobId, ({ status }) => isTerminal(status)),
    untilJob,
    pidOf,
    kill: async (name) => {
      const pid = await vi.waitFor(() => {
        const found = pidOf(name);
        if (found === undefined) throw new Error(`${name} is not running`);
        return found;
      }, PATIENCE);
      process.kill(pid, 'SIGKILL');
      await vi.waitFor(() => {
        const now = pidOf(name);
        if (now === undefined || now === pid) throw new Error(`${name} is not back`);
      }, PATIENCE);
      await ready();
    },
    ready,
    close: async () => {
      await stack.stop();
      rmSync(home, { recursive: true, force: true });
      vi.unstubAllEnvs();
    },
  };
}

/** Every file below a folder by its path, with the hash of its content. */
export async function filesBelow(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return new Map(
    names.map((name) => [path.relative(folder, name), createHash('sha256').update(readFileSync(name)).digest('hex')]),
  );
}

/** Makes all that lies in a folder look as if it had been written two days ago. */
export async function age(folder: string): Promise<void> {
  const then = new Date(Date.now() - 2 * 24 * 3600 * 1000);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    await utimes(path.join(entry.parentPath, entry.name), then, then).catch(() => {});
  }
}

/** A table of `rows` customers whose target follows from their spend but for a little. */
export const customers = (rows: number): string =>
  [
    'customer_id,spend,visits,segment,clv',
    ...Array.from({ length: rows }, (_, i) => {
      const [spend, visits] = [(i * 37) % 101, (i * 17) % 23];
      return `c${i},${spend},${visits},${'ABC'[i % 3]},${3 * spend + ((i * 7919) % 13)}`;
    }),
    '',
  ].join('\n');

/**
 * Hash of an ONNX file but for its metadata, in which the manifest tells dates, seconds and ids of the one training. Reads the
 * fields of the outermost message (https://protobuf.dev/programming-guides/encoding/), of which 14 is `metadata_props`.
 */
export function modelHash(file: string): string {
  const bytes = readFileSync(file);
  const hash = createHash('sha256');
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const begin = at;
    const tag = varint();
    const length = varint();
    if (tag % 8 === 2) at += length;
    else if (tag % 8 !== 0) throw new TypeError(`${file} has a field of wire type ${tag % 8}`);
    if (Math.floor(tag / 8) !== 14) hash.update(bytes.subarray(begin, at));
  }
  return hash.digest('hex');
}
