import { getPriority, setPriority } from 'node:os';
import path from 'node:path';
import { CloveError } from '@clove/contracts';
import { PARENT_PIPE } from '../shutdown.js';
import { endOf, endProcess, ended, spawnBound, tail } from './bound-process.js';
import { makeFolder } from './home.js';

/** A process that `spawnService` started. */
export interface Child {
  name: string;
  pid: number;
  logFile: string;
  /** the end of what this process has logged, to show beside an error */
  lastWords(): string;
  /** SIGTERM, then SIGKILL where it has not ended after 35 s; resolves once it has. */
  stop(): Promise<void>;
}

export type SpawnOptions = {
  name: string;
  /** path of a JavaScript file */
  script: string;
  args?: string[];
  /** the whole environment of the service */
  env: NodeJS.ProcessEnv;
  home: string;
  /** how far it stands back for other processes of the machine, from 0 (when left out) to 19 */
  niceness?: number;
  /** called once when the process ends, asked to or not */
  onExit: (code: number | null, signal: NodeJS.Signals | null) => void;
};

/**
 * Starts a Node script as a service that ends with this process, whatever kills it: by the kernel where it can, and by
 * `onShutdown`, which sees the end of standard input. Its output goes to `home`/logs/NAME.log.
 */
export function spawnService(o: SpawnOptions): Child {
  const logFile = path.join(makeFolder(path.join(o.home, 'logs')), `${o.name}.log`);
  const before = endOf(logFile);
  const child = spawnBound({
    command: process.execPath,
    args: ['--enable-source-maps', o.script, ...(o.args ?? [])],
    logFile,
    signal: 'SIGTERM',
    env: { ...o.env, [PARENT_PIPE]: '1' },
  });
  const over = ended(child);
  if (child.pid === undefined) throw new CloveError('unavailable', `${o.name} could not be started.`);
  // At once, before it has threads: on Linux each thread has a niceness, which those that it starts inherit. Nobody but root may
  // lower what this process has.
  setPriority(child.pid, Math.max(getPriority(), o.niceness ?? 0));
  child.once('exit', o.onExit);
  return {
    name: o.name,
    pid: child.pid,
    logFile,
    lastWords: () => tail(logFile, before, 40),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      // Longer than a service gives itself (see onShutdown), so that it ends in order whenever it can.
      await endProcess(child, over, { first: 'SIGTERM', last: 'SIGKILL', limitMs: 35_000 });
    },
  };
}
