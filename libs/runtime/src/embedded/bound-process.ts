import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Account } from './account.js';

const LOG_LIMIT_BYTES = 20 * 1024 ** 2;
/** From util-linux; some small systems have none, or one that lacks --pdeathsig. */
const SETPRIV = 'setpriv';

/**
 * Starts a process that ends with this one, even where this one is killed with SIGKILL: on Linux the kernel sends
 * `signal` then (setpriv --pdeathsig), elsewhere a shell that waits for the end of a pipe does.
 * It has a process group of its own, so Ctrl-C reaches only this process, which stops its children in order.
 * Standard input is a pipe; output is appended to `logFile`.
 */
export function spawnBound(o: {
  command: string;
  args: string[];
  logFile: string;
  signal: NodeJS.Signals;
  account?: Account | undefined;
  env?: NodeJS.ProcessEnv | undefined;
  cwd?: string;
}): ChildProcess {
  const bySetpriv = hasSetpriv();
  const [command, args] = bySetpriv
    ? [SETPRIV, ['--pdeathsig', o.signal.slice(3), o.command, ...o.args]]
    : [o.command, o.args];
  const log = openLog(o.logFile);
  try {
    const child = spawn(command, args, {
      ...o.account,
      cwd: o.cwd ?? '/',
      detached: true,
      stdio: ['pipe', log, log],
      env: o.env ?? process.env,
    });
    // A child that ends early closes the pipe; its exit tells more than that does.
    child.stdin?.on('error', () => {});
    if (!bySetpriv && child.pid !== undefined) guard(child, child.pid, o.signal);
    return child;
  } finally {
    closeSync(log);
  }
}

/** A shell that outlives this process by the moment it takes to stop `child`. */
function guard(child: ChildProcess, pid: number, signal: NodeJS.Signals): void {
  const watchdog = spawn('/bin/sh', ['-c', 'read -r _; kill -s "$0" "$1"', signal.slice(3), String(pid)], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.unref();
  child.once('exit', () => watchdog.kill('SIGKILL'));
}

const hasSetpriv = (): boolean =>
  process.platform === 'linux' && spawnSync(SETPRIV, ['--pdeathsig', 'TERM', 'true']).status === 0;

/** Opens a log for appending; one that has grown large is put aside as NAME.old first. */
function openLog(file: string): number {
  const fd = openSync(file, 'a', 0o644);
  if (fstatSync(fd).size < LOG_LIMIT_BYTES) return fd;
  closeSync(fd);
  renameSync(file, `${file}.old`);
  return openSync(file, 'a', 0o644);
}

/** Resolves with how a process ended, in words; never rejects. */
export const ended = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });

/** Sends `first`, then `last` where the process has not ended `limitMs` later; resolves once it has. */
export async function endProcess(
  child: ChildProcess,
  over: Promise<unknown>,
  o: { first: NodeJS.Signals; last: NodeJS.Signals; limitMs: number },
): Promise<void> {
  child.kill(o.first);
  const timer = setTimeout(() => child.kill(o.last), o.limitMs);
  await over;
  clearTimeout(timer);
}

/** Where a log ends now: what is written after it is not of an earlier process. 0 where there is none. */
export const endOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** The last lines that a log has from byte `from` on, to show beside an error; all of it where it has become shorter. */
export function tail(file: string, from: number, lines = 12): string {
  try {
    const log = readFileSync(file);
    const said = log.subarray(from <= log.length ? from : 0).toString('utf8');
    return said.trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return `(${path.basename(file)} cannot be read)`;
  }
}
