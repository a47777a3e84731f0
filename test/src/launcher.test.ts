import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { launch, type LaunchOptions, type Stack } from '@clove/cli';
import type { Dataset, Page } from '@clove/contracts';
import { freePort } from '@clove/runtime';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { api } from './support/api.js';

const home = mkdtempSync(path.join(tmpdir(), 'clove-launcher-'));
let stack: Stack | undefined;
beforeEach(() => {
  vi.stubEnv('DATABASE_URL', '');
  vi.stubEnv('REDIS_URL', '');
});
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
  vi.unstubAllEnvs();
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const started = async (options: LaunchOptions = {}): Promise<Stack> =>
  (stack = await launch({ home, port: 0, ...options }));

/** False once a process has ended, even where nobody has collected its exit status yet. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
const answers = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });
const untilAllGone = async ({
  databaseUrl,
  redisUrl,
  url,
  processes,
}: Pick<Stack, 'databaseUrl' | 'redisUrl' | 'url' | 'processes'>) =>
  vi.waitFor(
    async () => {
      expect(processes.filter(({ pid }) => isRunning(pid))).toEqual([]);
      expect(await Promise.all([databaseUrl, redisUrl, url].map(answers))).toEqual([false, false, false]);
    },
    { timeout: 30_000, interval: 50 },
  );

test('a start brings up every service, a stop ends them all, and what was made is there at the next start', async () => {
  const first = await started({ ingesters: 2, trainers: 1, scorers: 2 });
  expect(first.processes.map(({ name }) => name)).toEqual([
    'gateway',
    'ingester-1',
    'ingester-2',
    'trainer',
    'scorer-1',
    'scorer-2',
  ]);
  const client = api(first.url, first.apiKey);
  const { id, job } = await client.accepted('/v1/datasets/generate', { generator: 'features', customers: 200 });
  expect((await client.settled(job.id)).status).toBe('succeeded');
  const before = { ...first, processes: first.processes };
  await first.stop();
  await untilAllGone(before);

  const second = await started();
  expect(second.apiKey).toBe(first.apiKey);
  const { items } = await api(second.url, second.apiKey).get<Page<Dataset>>('/v1/datasets');
  expect(items.map((dataset) => [dataset.id, dataset.status])).toEqual([[id, 'ready']]);
});

test('a second start on the same data is refused and names the running process', async () => {
  await started();
  await expect(launch({ home, port: 0 })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`process ${process.pid}`) as unknown,
  });
});

test('a port that was asked for and is in use is an error that names it; the data is free again', async () => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  await expect(launch({ home, port })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`Port ${port} of 127.0.0.1 is in use`) as unknown,
  });
  other.close();
  expect((await fetch(`${(await started()).url}/readyz`)).status).toBe(200);
});

test('a service that dies is reported with the end of its log, and started again', async () => {
  const steps: string[] = [];
  const running = await started({ onStep: (text) => steps.push(text) });
  const pidOf = (name: string) => running.processes.find((process) => process.name === name)?.pid ?? 0;
  const killed = pidOf('trainer');
  process.kill(killed, 'SIGKILL');
  await vi.waitFor(() => expect([0, killed]).not.toContain(pidOf('trainer')), { timeout: 20_000, interval: 20 });
  expect(steps.some((text) => text.startsWith('trainer has ended unexpectedly (killed) and is started again'))).toBe(
    true,
  );
});

/** Process ids of the database servers of `home`. */
const serverPids = {
  Postgres: () => Number(readFileSync(path.join(home, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]),
  Redis: () => (JSON.parse(readFileSync(path.join(home, 'redis/run.json'), 'utf8')) as { pid: number }).pid,
};

test.each(['Postgres', 'Redis'] as const)(
  '%s that is killed is started again in its place, and jobs are taken and done as before',
  async (name) => {
    const steps: string[] = [];
    const running = await started({ onStep: (text) => steps.push(text) });
    const killed = serverPids[name]();
    process.kill(killed, 'SIGKILL');
    const url = name === 'Postgres' ? running.databaseUrl : running.redisUrl;
    await vi.waitFor(
      async () => {
        expect(serverPids[name]()).not.toBe(killed);
        expect(await answers(url)).toBe(true);
        expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
      },
      { timeout: 60_000, interval: 50 },
    );
    expect(steps).toContain(`${name} has ended unexpectedly (SIGKILL) and is started again`);
    const client = api(running.url, running.apiKey);
    const { job } = await client.accepted('/v1/datasets/generate', { generator: 'features', customers: 100 });
    expect((await client.settled(job.id)).status).toBe('succeeded');
  },
);

test('a service that ends five times within a minute is given up and said to be; the rest goes on until it is stopped', async () => {
  const steps: string[] = [];
  const running = await started({ onStep: (text) => steps.push(text) });
  const pidOf = () => running.processes.find(({ name }) => name === 'trainer')!.pid;
  let ended = false;
  void running.exited.then(() => (ended = true));
  for (let last = 0, n = 1; n <= 5; n += 1) {
    last = await vi.waitFor(
      () => {
        expect(pidOf()).not.toBe(last);
        return pidOf();
      },
      { timeout: 20_000, interval: 10 },
    );
    expect(ended).toBe(false);
    process.kill(last, 'SIGKILL');
  }
  expect(await running.exited).toMatchObject({ name: 'trainer', code: null });
  expect(steps.filter((text) => text.startsWith('trainer has ended unexpectedly'))).toHaveLength(4);
  expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
  const { processes } = running;
  expect(processes.filter(({ pid }) => isRunning(pid)).map(({ name }) => name)).toEqual([
    'gateway',
    'ingester',
    'scorer',
  ]);
  await running.stop();
  await untilAllGone({ ...running, processes });
});

/** Ids of the processes that a process has begun. */
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

test.runIf(process.platform === 'linux')(
  'Postgres that cannot start again for long does not end the stack, though services die for want of it (needs Linux)',
  async () => {
    const running = await started();
    let ended = false;
    void running.exited.then(() => (ended = true));
    const log = path.join(home, 'logs/postgres.log');
    const refusals = () => readFileSync(log, 'utf8').split('pre-existing shared memory block').length;
    const before = refusals();
    const killed = serverPids.Postgres();
    const [left] = childrenOf(killed);
    const gateway = () => running.processes[0]!.pid;
    const first = gateway();
    // One of its processes hangs, as in a disk that does not answer; as long as it is there, no other server may start.
    process.kill(left!, 'SIGSTOP');
    process.kill(killed, 'SIGKILL');
    process.kill(first, 'SIGKILL');
    // more often than a server may end within a minute
    await vi.waitFor(() => expect(refusals() - before).toBeGreaterThan(5), { timeout: 60_000, interval: 50 });
    expect(ended).toBe(false);
    process.kill(left!, 'SIGCONT');
    await vi.waitFor(async () => expect((await fetch(`${running.url}/readyz`)).status).toBe(200), {
      timeout: 60_000,
      interval: 50,
    });
    expect(serverPids.Postgres()).not.toBe(killed);
    expect(gateway()).not.toBe(first);
    const client = api(running.url, running.apiKey);
    const { job } = await client.accepted('/v1/datasets/generate', { generator: 'features', customers: 100 });
    expect((await client.settled(job.id)).status).toBe('succeeded');
  },
);

const SLOW_MS = 70_000;
test.runIf(process.platform === 'linux' && process.env['FAULT_LONG'] === '1')(
  `a recovery of Postgres that takes ${SLOW_MS / 1000} s is waited for (needs Linux; FAULT_LONG=1)`,
  async () => {
    const steps: string[] = [];
    const running = await started({ onStep: (text) => steps.push(text) });
    const killed = serverPids.Postgres();
    process.kill(killed, 'SIGKILL');
    const status = () => readFileSync(path.join(home, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[7]?.trim();
    await vi.waitFor(
      () => {
        expect(serverPids.Postgres()).not.toBe(killed);
        expect(status()).toBe('starting');
      },
      { timeout: 60_000, interval: 1 },
    );
    const recovering = serverPids.Postgres();
    process.kill(recovering, 'SIGSTOP');
    expect(status()).toBe('starting');
    for (const until = performance.now() + SLOW_MS; performance.now() < until;) {
      expect((await fetch(`${running.url}/readyz`)).status).toBe(503);
    }
    process.kill(recovering, 'SIGCONT');
    await vi.waitFor(async () => expect((await fetch(`${running.url}/readyz`)).status).toBe(200), {
      timeout: 60_000,
      interval: 50,
    });
    expect(serverPids.Postgres()).toBe(recovering);
    expect(steps.filter((text) => text.startsWith('Postgres has ended'))).toHaveLength(1);
  },
);

test('a service that cannot start is an error in words, and nothing is left running', async () => {
  const attempt = launch({ home, port: 0, env: { UPLOAD_LIMIT_BYTES: 'many' } });
  await expect(attempt).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^gateway does not start:\n[^{]*UPLOAD_LIMIT_BYTES[^{]*$/) as unknown,
  });
  await started();
});

test('killing the launcher with SIGKILL leaves nothing running', async () => {
  const script = path.join(home, 'launcher.mjs');
  const entry = new URL('../../services/cli/dist/index.js', import.meta.url).href;
  writeFileSync(
    script,
    `import { launch } from ${JSON.stringify(entry)};
     const { url, databaseUrl, redisUrl, processes } = await launch({ home: ${JSON.stringify(home)}, port: 0 });
     console.log(JSON.stringify({ url, databaseUrl, redisUrl, processes }));`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const running = JSON.parse(String((await lines.next()).value)) as Stack;
  expect(running.processes.every(({ pid }) => isRunning(pid))).toBe(true);
  child.kill('SIGKILL');
  await untilAllGone(running);
});
