import { spawnSync } from 'node:child_process';
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
import { givenServer, startServer, type Server } from './server.js';
import { settle } from './settle.js';

const DEFAULT_PORT = 56_379;

/**
 * Redis on loopback with its data under `home`, or the one that REDIS_URL names. It never evicts keys, and loses at
 * most the last second where the machine goes down.
 * @param o.port where to listen, or the next free port; 56379 when left out, any when 0
 * @throws CloveError `unavailable` saying what to do where there is none for this platform or it does not start
 */
export async function startRedis(o: { home: string; port?: number }): Promise<Server> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined && given !== '') return givenServer(given, 'REDIS_URL');

  const program = findProgram(o.home);
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
    ready: (port) => answers(url(port)),
    url,
    limitMs: 30_000,
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

/** A connection that gives up at once where nobody answers. */
const connection = (url: string): Redis =>
  new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1000 }).on('error', () => {});

async function answers(url: string): Promise<boolean> {
  const redis = connection(url);
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG';
  } catch {
    return false;
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
function findProgram(home: string): Program {
  const tried: string[] = [];
  for (const name of ['redis-server', 'valkey-server']) {
    const command = which(name);
    if (command !== undefined && isUsable(command, undefined, tried)) return { command, source: `Redis (${command})` };
  }
  const folder = path.join(cacheFolder(home), `redis-${process.arch}`);
  if (!existsSync(folder) && which('apt-get') !== undefined && which('dpkg-deb') !== undefined) {
    unpackDebian('redis-server', folder, tried);
  }
  const command = path.join(folder, 'usr/bin/redis-server');
  if (existsSync(command)) {
    const env = { ...process.env, LD_LIBRARY_PATH: libraryFolders(folder).join(':') };
    if (isUsable(command, env, tried)) return { command, env, source: "Redis (Debian's package, unpacked)" };
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

function isUsable(command: string, env: NodeJS.ProcessEnv | undefined, tried: string[]): boolean {
  const run = spawnSync(command, ['--version'], { cwd: '/', encoding: 'utf8', env: env ?? process.env });
  const version = /v=(\d+)\.(\d+)/.exec(run.stdout ?? '');
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
  if (major > 6 || (major === 6 && minor >= 2)) return true;
  const said = (run.error?.message ?? (run.stderr || run.stdout)).trim().split('\n')[0];
  tried.push(`${command}: ${said === undefined || said === '' ? 'it does not tell its version' : said}`);
  return false;
}

/** Downloads a Debian package and what it needs, and unpacks them into `folder`; leaves no half of one. */
function unpackDebian(name: string, folder: string, tried: string[]): void {
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
    return spawnSync('apt-get', ['-qq', ...given, ...args], { encoding: 'utf8', timeout: 180_000 });
  };
  const download = ['-y', '--no-install-recommends', '--download-only', 'install', name];
  // The system's own package lists are there and fresh on most machines; else fetch lists of our own.
  let run = apt('/var/lib/apt/lists', ...download);
  if (run.status !== 0) {
    apt(path.join(making, 'lists'), 'update');
    run = apt(path.join(making, 'lists'), ...download);
  }
  const packages = readdirSync(archives).filter((file) => file.endsWith('.deb'));
  const out = path.join(making, 'out');
  const unpacked =
    run.status === 0 &&
    packages.length > 0 &&
    packages.every((file) => spawnSync('dpkg-deb', ['-x', path.join(archives, file), out]).status === 0);
  if (unpacked) {
    chmodSync(out, 0o755);
    settle(out, folder);
  } else {
    const said = (run.error?.message ?? run.stderr ?? '').trim().split('\n').at(-1);
    tried.push(`apt-get download of ${name}: ${said === undefined || said === '' ? 'nothing came' : said}`);
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
