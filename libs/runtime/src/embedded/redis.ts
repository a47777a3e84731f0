import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CloveError } from '@clove/contracts';
import { Redis } from 'ioredis';
import { cacheFolder, isAlive, makeFolder, secret } from './home.js';
import { run } from './run.js';
import { givenServer, startServer, type Progress, type Server } from './server.js';
import { settle } from './settle.js';

const DEFAULT_PORT = 56_379;

/**
 * Redis on loopback with its data under `home`, or the one that REDIS_URL names. It never evicts keys, and loses at
 * most the last second where the machine goes down.
 * @param o.port where to listen, or the next free port; 56379 when left out, any when 0
 * @param o.signal gives the start up
 * @throws CloveError `unavailable` saying what to do where there is none for this platform, it does not start, or the
 * one that REDIS_URL names does not answer
 */
export async function startRedis(o: { home: string; port?: number; signal?: AbortSignal }): Promise<Server> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined && given !== '') {
    if (!(await answers(given)))
      throw new CloveError(
        'unavailable',
        `No Redis answers at the address of REDIS_URL${hostOf(given)}. Start it, check its password, or leave REDIS_URL out to have one started.`,
      );
    return givenServer(given, 'REDIS_URL');
  }

  const program = await findProgram(o.home);
  const folder = makeFolder(path.join(o.home, 'redis'), 0o700);
  const password = secret(o.home, 'redis');
  const runFile = path.join(folder, 'run.json');
  await stopLeftover(runFile, password);

  const url = (port: number) => `redis://:${password}@127.0.0.1:${port}`;
  const server = await startServer({
    name: 'Redis',
    source: program.source,
    port: o.port ?? DEFAULT_PORT,
    logFile: path.join(makeFolder(path.join(o.home, 'logs')), 'redis.log'),
    command: program.command,
    // The settings go in through standard input, where no other user can read the password.
    args: () => ['-'],
    input: (port) =>
      [
        'bind 127.0.0.1',
        `port ${port}`,
        `requirepass ${password}`,
        `dir ${JSON.stringify(folder)}`,
        'daemonize no',
        'maxmemory-policy noeviction',
        'appendonly yes',
        'appendfsync everysec',
        'save ""',
        '',
      ].join('\n'),
    env: program.env,
    signals: { first: 'SIGTERM', last: 'SIGKILL' },
    progress: (port) => progressOf(url(port)),
    url,
    limitMs: 30_000,
    signal: o.signal,
  });
  writeFileSync(runFile, JSON.stringify({ pid: server.pid, port: server.port }));
  return {
    ...server,
    stop: async () => {
      await server.stop();
      rmSync(runFile, { force: true });
    },
  };
}

/** ` (host:port)` of an address, without the password that it may hold. */
const hostOf = (url: string): string => (URL.canParse(url) ? ` (${new URL(url).host})` : '');

/** A connection that gives up at once where nobody answers. */
const connection = (url: string): Redis =>
  new Redis(url, { lazyConnect: true, enableReadyCheck: false, retryStrategy: () => null, connectTimeout: 1000 }).on(
    'error',
    () => {},
  );

const answers = async (url: string): Promise<boolean> => (await progressOf(url)) === 'ready';

async function progressOf(url: string): Promise<Progress> {
  const redis = connection(url);
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG' ? 'ready' : 'silent';
  } catch (error) {
    return (error as Error).message.startsWith('LOADING') ? 'starting' : 'silent';
  } finally {
    redis.disconnect();
  }
}

/** A server that outlived its launcher holds the data folder; it is known by its password, and is stopped. */
async function stopLeftover(runFile: string, password: string): Promise<void> {
  if (!existsSync(runFile)) return;
  const { pid, port } = JSON.parse(readFileSync(runFile, 'utf8')) as { pid: number; port: number };
  const redis = connection(`redis://:${password}@127.0.0.1:${port}`);
  try {
    await redis.connect();
    // The connection ends without an answer when the server does.
    await redis.shutdown().catch(() => {});
    for (let waits = 0; isAlive(pid) && waits < 400; waits += 1) await delay(25);
  } catch {
    // Nobody there, or somebody who does not know the password: not ours.
  } finally {
    redis.disconnect();
    rmSync(runFile, { force: true });
  }
}

type Program = { command: string; env?: NodeJS.ProcessEnv; source: string };

/**
 * An installed redis-server or valkey-server; else Debian's package, downloaded and unpacked into a cache without
 * being installed, which needs neither root nor an earlier `apt-get update`.
 */
async function findProgram(home: string): Promise<Program> {
  const tried: string[] = [];
  for (const name of ['redis-server', 'valkey-server']) {
    const command = which(name);
    if (command !== undefined && (await isUsable(command, process.env, tried)))
      return { command, source: `Redis from ${command}` };
  }
  const folder = path.join(cacheFolder(home), `redis-${process.arch}`);
  if (!existsSync(folder) && which('apt-get') !== undefined && which('dpkg-deb') !== undefined) {
    await unpackDebian('redis-server', folder, tried);
  }
  const command = path.join(folder, 'usr/bin/redis-server');
  if (existsSync(command)) {
    const env = { ...process.env, LD_LIBRARY_PATH: libraryFolders(folder).join(':') };
    if (await isUsable(command, env, tried)) return { command, env, source: "Redis from Debian's package" };
  }
  throw new CloveError(
    'unavailable',
    [
      `There is no Redis 6.2 or later on this machine. Do one of these:`,
      '  - install one: apt-get install redis-server, dnf install valkey, or brew install redis',
      '  - set REDIS_URL=redis://host:port to a running one',
      ...tried.map((text) => `Tried ${text}`),
    ].join('\n'),
  );
}

const which = (command: string): string | undefined =>
  (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, command))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });

async function isUsable(command: string, env: NodeJS.ProcessEnv, tried: string[]): Promise<boolean> {
  const ran = await run(command, ['--version'], { env });
  const version = /v=(\d+)\.(\d+)/.exec(ran.stdout);
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
  if (major > 6 || (major === 6 && minor >= 2)) return true;
  tried.push(`${command}: ${ran.said}`);
  return false;
}

/** Downloads a Debian package and what it needs, and unpacks them into `folder`; leaves no half of one. */
async function unpackDebian(name: string, folder: string, tried: string[]): Promise<void> {
  const making = `${folder}.${process.pid}`;
  const archives = path.join(making, 'cache/archives');
  for (const part of ['lists/partial', 'cache/archives/partial', 'out']) {
    mkdirSync(path.join(making, part), { recursive: true });
  }
  const apt = (lists: string, ...args: string[]) => {
    const options = {
      'Dir::State': making,
      'Dir::State::lists': lists,
      'Dir::State::status': '/var/lib/dpkg/status',
      'Dir::Cache': path.join(making, 'cache'),
      'Debug::NoLocking': '1',
      'APT::Sandbox::User': '',
      'Acquire::http::Timeout': '15',
      'Acquire::Retries': '1',
    };
    const given = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    return run('apt-get', ['-qq', ...given, ...args], { timeout: 180_000 });
  };
  const download = ['-y', '--no-install-recommends', '--download-only', 'install', name];
  // The system's own package lists are there and fresh on most machines; else fetch lists of our own.
  let ran = await apt('/var/lib/apt/lists', ...download);
  if (!ran.ok) {
    await apt(path.join(making, 'lists'), 'update');
    ran = await apt(path.join(making, 'lists'), ...download);
  }
  const out = path.join(making, 'out');
  if (ran.ok) {
    const packages = readdirSync(archives).filter((file) => file.endsWith('.deb'));
    for (const file of packages) if (ran.ok) ran = await run('dpkg-deb', ['-x', path.join(archives, file), out]);
  }
  if (ran.ok) {
    chmodSync(out, 0o755);
    settle(out, folder);
  } else {
    tried.push(`apt-get download of ${name}: ${ran.said}`);
  }
  rmSync(making, { recursive: true, force: true });
}

const libraryFolders = (folder: string): string[] => [
  ...new Set(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.name.includes('.so'))
      .map((entry) => entry.parentPath),
  ),
];
