import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { getPriority, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { dataHome, lockHome, secret } from './home.js';
import { freePort } from './ports.js';
import { startPostgres } from './postgres.js';
import { startRedis } from './redis.js';
import type { Server } from './server.js';
import { spawnService, type Child } from './service.js';

const home = dataHome(mkdtempSync(path.join(tmpdir(), 'clove-embedded-')));
const running: { stop(): Promise<void> }[] = [];
beforeEach(() => {
  vi.stubEnv('DATABASE_URL', '');
  vi.stubEnv('REDIS_URL', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(running.splice(0).map((part) => part.stop()));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const started = async <T extends Server>(start: Promise<T>): Promise<T> => {
  const server = await start;
  running.push(server);
  return server;
};
const portOf = (server: Server) => Number(new URL(server.url).port);

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { retryStrategy: () => null });
  redis.on('error', () => {});
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

/** False once a process has ended, even where nobody has collected its exit status yet. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
}
const untilGone = (pid: number) =>
  vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 20_000, interval: 20 });

const postmaster = () => Number(readFileSync(path.join(home, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);

test('Redis keeps its data over a restart, evicts nothing and wants its password', async () => {
  const first = await started(startRedis({ home, port: 0 }));
  await withRedis(first.url, (redis) => redis.set('kept', 'yes'));
  await first.stop();
  const second = await started(startRedis({ home, port: 0 }));
  await withRedis(second.url, async (redis) => {
    expect(await redis.get('kept')).toBe('yes');
    expect(await redis.config('GET', 'maxmemory-policy')).toContain('noeviction');
    expect(await redis.config('GET', 'appendfsync')).toContain('everysec');
    expect(await redis.config('GET', 'bind')).toContain('127.0.0.1');
  });
  await withRedis(`redis://127.0.0.1:${portOf(second)}`, (redis) =>
    expect(redis.get('kept')).rejects.toThrow(/NOAUTH/),
  );
});

test('Postgres starts again on its data, listening on loopback with a password', async () => {
  const first = await started(startPostgres({ home, port: 0 }));
  const identity = () => statSync(path.join(home, 'postgres/data/PG_VERSION')).ino;
  const made = identity();
  await first.stop();
  const second = await started(startPostgres({ home, port: 0 }));
  expect(identity()).toBe(made);
  const { username, password } = new URL(second.url);
  expect([username, password.length]).toEqual(['clove', 24]);
  const rules = readFileSync(path.join(home, 'postgres/data/pg_hba.conf'), 'utf8');
  expect(rules.match(/^host\s.*$/gm)).toEqual(rules.match(/^host\s.*\sscram-sha-256$/gm));
});

test('a server left over on the same data is stopped before the new one starts', async () => {
  await startRedis({ home, port: 0 });
  const leftRedis = (JSON.parse(readFileSync(path.join(home, 'redis/run.json'), 'utf8')) as { pid: number }).pid;
  await startPostgres({ home, port: 0 });
  const leftPostgres = postmaster();
  expect([leftRedis, leftPostgres].map(isRunning)).toEqual([true, true]);
  await started(startRedis({ home, port: 0 }));
  await started(startPostgres({ home, port: 0 }));
  await untilGone(leftRedis);
  await untilGone(leftPostgres);
});

test('a process id that now belongs to another program is left alone', async () => {
  const first = await started(startPostgres({ home, port: 0 }));
  const file = path.join(home, 'postgres/data/postmaster.pid');
  const content = readFileSync(file, 'utf8');
  await first.stop();
  writeFileSync(file, content.replace(/^\d+/, String(process.pid)));
  await started(startPostgres({ home, port: 0 }));
  expect(postmaster()).not.toBe(process.pid);
});

test('a port in use makes the server take the next free one and say so', async () => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  const server = await started(startRedis({ home, port }));
  expect(portOf(server)).toBeGreaterThan(port);
  expect(server.source).toContain(`(on port ${portOf(server)}, since ${port} is in use)`);
  other.close();
});

test('servers that the environment names are used, not started', async () => {
  vi.stubEnv('DATABASE_URL', 'postgresql://me@db.example/clove');
  const { url } = await started(startRedis({ home, port: 0 }));
  vi.stubEnv('REDIS_URL', url);
  expect(await startPostgres({ home })).toMatchObject({
    url: 'postgresql://me@db.example/clove',
    source: 'DATABASE_URL',
  });
  expect(await startRedis({ home })).toMatchObject({ url, source: 'REDIS_URL' });
});

test('a REDIS_URL at which nobody answers is an error at once, without its password', async () => {
  const port = await freePort();
  vi.stubEnv('REDIS_URL', `redis://:hush@127.0.0.1:${port}`);
  const attempt = startRedis({ home });
  await expect(attempt).rejects.toThrow(`REDIS_URL (127.0.0.1:${port})`);
  await expect(attempt).rejects.not.toThrow('hush');
});

test('a server that dies says so; one that is stopped does not', async () => {
  const server = await startRedis({ home, port: 0 });
  process.kill((JSON.parse(readFileSync(path.join(home, 'redis/run.json'), 'utf8')) as { pid: number }).pid, 'SIGKILL');
  expect(await server.died).toBe('SIGKILL');
});

test('a secret is made once, and only its owner can read it', () => {
  const value = secret(home, 'a-secret');
  expect(value).toMatch(/^[\w-]{24}$/);
  expect(secret(home, 'a-secret')).toBe(value);
  expect(secret(home, 'another')).not.toBe(value);
  expect(statSync(path.join(home, 'a-secret.secret')).mode & 0o777).toBe(0o600);
});

test('one launcher at a time: the second is told the process id of the first', () => {
  const release = lockHome(home);
  expect(() => lockHome(home)).toThrow(new RegExp(`already running on .* \\(process ${process.pid}\\)`));
  release();
  lockHome(home)();
});

test('a lock that its holder did not release is taken over', () => {
  const file = path.join(home, 'launcher.lock');
  for (const left of [JSON.stringify({ pid: 2 ** 22 + 1, started: '1' }), '']) {
    writeFileSync(file, left);
    const release = lockHome(home);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid });
    release();
  }
});

test.runIf(process.platform === 'linux')('a lock is not held by a later process with the same id', () => {
  writeFileSync(path.join(home, 'launcher.lock'), JSON.stringify({ pid: process.pid, started: '1' }));
  expect(lockHome(home)).not.toThrow();
});

test('a folder that cannot be made is a sentence that says what to do', () => {
  const file = path.join(home, 'a-file');
  writeFileSync(file, '');
  expect(() => dataHome(path.join(file, 'data'))).toThrow(
    /a-file\/data cannot be written \(ENOTDIR\)\. Set CLOVE_HOME/,
  );
});

/** A node script in `home` that sees the runtime's exports as `runtime`. */
function script(name: string, body: string): string {
  const file = path.join(home, `${name}.mjs`);
  const runtime = new URL('../../dist/index.js', import.meta.url).href;
  writeFileSync(file, `import * as runtime from ${JSON.stringify(runtime)};\n${body}`);
  return file;
}
const service = () =>
  script(
    'service',
    `const logger = runtime.createLogger('service');
     setInterval(() => {}, 1000);
     runtime.onShutdown(logger, async () => { logger.info('in order'); });
     logger.child({ jobId: 'job-1' }).info({ password: 'hush' }, 'up');`,
  );
/** Linux has one for each thread (proc_pid_stat(5), field 19, counted behind the name in brackets); elsewhere the process has one. */
const nicenessOfThreads = (pid: number): Set<number> => {
  const threads = `/proc/${pid}/task`;
  if (!existsSync(threads)) return new Set([getPriority(pid)]);
  const stats = readdirSync(threads).map((id) => readFileSync(path.join(threads, id, 'stat'), 'utf8'));
  return new Set(stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])));
};
const untilLogged = (child: Child, text: string) =>
  vi.waitFor(() => expect(readFileSync(child.logFile, 'utf8')).toContain(text), { timeout: 20_000, interval: 20 });

test('a service logs JSON without secrets to its file, stands back with all its threads, stops in order when asked, and its exit is told', async () => {
  const exits: unknown[] = [];
  const child = spawnService({
    name: 'one',
    script: service(),
    env: process.env,
    home,
    niceness: 7,
    onExit: (code, signal) => exits.push([code, signal]),
  });
  await untilLogged(child, '"msg":"up"');
  expect(nicenessOfThreads(child.pid)).toEqual(new Set([7]));
  await child.stop();
  expect(exits).toEqual([[0, null]]);
  const up = readFileSync(child.logFile, 'utf8')
    .split('\n')
    .find((text) => text.includes('"msg":"up"'));
  expect(JSON.parse(up ?? '')).toMatchObject({
    level: 'info',
    service: 'service',
    jobId: 'job-1',
    password: '[redacted]',
  });
  expect(child.lastWords()).toContain('in order');
  await child.stop();
  const again = spawnService({ name: 'one', script: service(), env: process.env, home, onExit: () => {} });
  running.push(again);
  expect(again.lastWords(), 'of an earlier process').not.toContain('in order');
});

test('a second signal ends a service that does not stop', async () => {
  const stuck = script(
    'stuck',
    `const logger = runtime.createLogger('stuck');
     runtime.onShutdown(logger, () => new Promise(() => setInterval(() => {}, 1000)));
     logger.info('up');`,
  );
  let code: number | null | undefined;
  const child = spawnService({
    name: 'two',
    script: stuck,
    env: process.env,
    home,
    onExit: (value) => (code = value),
  });
  await untilLogged(child, '"msg":"up"');
  process.kill(child.pid, 'SIGTERM');
  await untilLogged(child, '"msg":"stopping"');
  process.kill(child.pid, 'SIGTERM');
  await vi.waitFor(() => expect(code).toBe(1), { timeout: 20_000, interval: 20 });
});

/** Starts a launcher of both servers and a service, and resolves with the process ids once all are up. */
async function launcher(env: NodeJS.ProcessEnv): Promise<{ child: ChildProcess; pids: number[] }> {
  const own = dataHome(mkdtempSync(path.join(home, 'killed-')));
  const file = script(
    'launcher',
    `import { readFileSync } from 'node:fs';
     const home = ${JSON.stringify(own)};
     await runtime.startPostgres({ home, port: 0 });
     await runtime.startRedis({ home, port: 0 });
     const service = runtime.spawnService({ name: 'service', script: ${JSON.stringify(service())}, env: process.env, home, onExit() {} });
     while (!service.lastWords().includes('"msg":"up"')) await new Promise((next) => setTimeout(next, 20));
     const postgres = Number(readFileSync(home + '/postgres/data/postmaster.pid', 'utf8').split('\\n')[0]);
     const redis = JSON.parse(readFileSync(home + '/redis/run.json', 'utf8')).pid;
     console.log(JSON.stringify([postgres, redis, service.pid]));`,
  );
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'], env });
  for await (const line of createInterface({ input: child.stdout })) {
    return { child, pids: JSON.parse(line) as number[] };
  }
  throw new Error('the launcher ended early');
}

test.each([
  ['by the kernel', process.env['PATH']],
  ['by a watchdog, where there is no setpriv', '/nowhere'],
])('killing the launcher with SIGKILL leaves nothing running: ended %s', async (_how, searchPath) => {
  // Fills the cache that the launcher without a PATH depends on.
  await started(startRedis({ home, port: 0 }));
  const { child, pids } = await launcher({ ...process.env, PATH: searchPath });
  expect(pids.map(isRunning)).toEqual([true, true, true]);
  child.kill('SIGKILL');
  await Promise.all(pids.map(untilGone));
});
