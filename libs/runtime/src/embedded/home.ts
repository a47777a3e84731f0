import { createHash, randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  chmodSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CloveError } from '@clove/contracts';
import { isRoot, reachable } from './account.js';

const CHECKOUT = fileURLToPath(new URL('../../../..', import.meta.url));
const NEEDED_BYTES = 300 * 1024 ** 2;

/**
 * Folder of everything that a stack keeps, made if absent: `override`, else CLOVE_HOME, else `.data` in the checkout.
 * Root in a private checkout (/root) gets a folder under /var/lib, since Postgres, which refuses to run as root, could
 * not enter `.data` there; `.data` is then a link to it.
 * @throws CloveError `unavailable` where it cannot be written, `no-space` where the disk is all but full
 */
export function dataHome(override?: string): string {
  const chosen = override ?? (process.env['CLOVE_HOME'] || undefined);
  const local = path.join(CHECKOUT, '.data');
  const home = path.resolve(chosen ?? (reachable(CHECKOUT) ? local : stateFolder()));
  makeFolder(home);
  if (isRoot) attempt(home, () => chmodSync(home, 0o755));
  attempt(home, () => accessSync(home, constants.W_OK));
  const free = statfsSync(home);
  const freeBytes = free.bavail * free.bsize;
  if (freeBytes < NEEDED_BYTES) {
    throw new CloveError(
      'no-space',
      `Only ${Math.floor(freeBytes / 1024 ** 2)} MB are free on the disk of ${home}; Clove needs 300 MB to start. ` +
        'Free some space, or set CLOVE_HOME to a folder on another disk.',
    );
  }
  if (chosen === undefined && home !== local && lstatSync(local, { throwIfNoEntry: false }) === undefined) {
    attempt(local, () => symlinkSync(home, local));
  }
  return home;
}

function stateFolder(): string {
  const unique = createHash('sha256').update(CHECKOUT).digest('hex').slice(0, 8);
  return path.join('/var/lib/clove', `${path.basename(CHECKOUT)}-${unique}`);
}

/**
 * A folder for what can be made again (unpacked servers), so that a new `.data` does not cost the download once more:
 * beside the installed packages, or in `home` where the checkout cannot be written.
 */
export function cacheFolder(home: string): string {
  const shared = path.join(CHECKOUT, 'node_modules', '.cache', 'clove');
  try {
    mkdirSync(shared, { recursive: true });
    accessSync(shared, constants.W_OK);
    return shared;
  } catch {
    return makeFolder(path.join(home, 'cache'));
  }
}

/** Makes a folder and its parents. @throws CloveError saying why not and what to do */
export function makeFolder(folder: string, mode = 0o755): string {
  attempt(folder, () => mkdirSync(folder, { recursive: true, mode }));
  return folder;
}

/** Runs a file operation; its error becomes a sentence that says what to do. */
function attempt<T>(where: string, operation: () => T): T {
  try {
    return operation();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new CloveError(
        'no-space',
        `The disk of ${where} is full. Free some space, or set CLOVE_HOME to a folder on another disk.`,
        { cause },
      );
    }
    throw new CloveError(
      'unavailable',
      `${where} cannot be written (${code}). Set CLOVE_HOME to a folder that you may write to.`,
      { cause },
    );
  }
}

/** A random secret of 24 URL-safe characters, made once and kept in `home`, readable by its owner only. */
export function secret(home: string, name: string): string {
  const file = path.join(home, `${name}.secret`);
  if (!existsSync(file)) {
    attempt(file, () => writeFileSync(file, randomBytes(18).toString('base64url'), { mode: 0o600 }));
  }
  return readFileSync(file, 'utf8').trim();
}

/**
 * Makes this process the only launcher of `home`; returns the release.
 * @throws CloveError `conflict` naming the process id of the launcher that holds it
 */
export function lockHome(home: string): () => void {
  const file = path.join(home, 'launcher.lock');
  const mine = JSON.stringify({ pid: process.pid, started: startOf(process.pid) });
  for (;;) {
    try {
      writeFileSync(file, mine, { flag: 'wx' });
      return () => rmSync(file, { force: true });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new CloveError('unavailable', `${file} cannot be written (${(cause as Error).message}).`, { cause });
      }
    }
    const holder = readLock(file);
    if (holder !== undefined && isAlive(holder.pid) && startOf(holder.pid) === holder.started) {
      throw new CloveError(
        'conflict',
        `Clove is already running on ${home} (process ${holder.pid}). Use that one, stop it, or set CLOVE_HOME to another folder.`,
      );
    }
    rmSync(file, { force: true });
  }
}

function readLock(file: string): { pid: number; started: string } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { pid: number; started: string };
  } catch {
    return undefined;
  }
}

/** True while a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process began, as Linux counts it: tells a process from a later one with the same id. Empty elsewhere. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
