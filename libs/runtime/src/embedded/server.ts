import { setTimeout as delay } from 'node:timers/promises';
import { CloveError } from '@clove/contracts';
import type { Account } from './account.js';
import { endOf, endProcess, ended, spawnBound, tail } from './bound-process.js';
import { freePort } from './ports.js';

/** A running database server: an own one, or one that the environment names, which `stop` leaves alone. */
export interface Server {
  url: string;
  /** where it comes from, for people */
  source: string;
  /** resolves with how the server ended, when that was not asked for; never for one that was not started here */
  died: Promise<string>;
  stop(): Promise<void>;
}

/** A server that somebody else runs. */
export const givenServer = (url: string, source: string): Server => ({
  url,
  source,
  died: new Promise(() => {}),
  stop: async () => {},
});

/** How far a server has come: it takes work, it says that it is at its data (recovering, loading), or it says nothing. */
export type Progress = 'ready' | 'starting' | 'silent';

type Attempt = { pid: number; stop(): Promise<void>; died: Promise<string> };

/** A start that fails with these words is worth another: what a killed server was made of has not all ended yet. */
const LEFTOVERS = /pre-existing shared memory block/i;
const LEFTOVERS_PAUSE_MS = 250;

/**
 * Starts a server process on the preferred port or the next free one, and waits until it is ready. A server that says that
 * it is starting has all the time it takes: what is stopped during a recovery begins it anew at the next start.
 * Another process may take the port between the look and the start; then the next port is tried.
 * @param o.limitMs how long it may say nothing, and how long what is left of an earlier server is waited for
 * @param o.signal gives the start up: what has begun is stopped
 * @throws CloveError `unavailable` with the end of its log, `cancelled` by the signal
 */
export async function startServer(o: {
  name: string;
  source: string;
  port: number;
  logFile: string;
  command: string;
  args: (port: number) => string[];
  input?: (port: number) => string;
  account?: Account | undefined;
  env?: NodeJS.ProcessEnv | undefined;
  signals: { first: NodeJS.Signals; last: NodeJS.Signals };
  progress: (port: number, pid: number) => Promise<Progress>;
  url: (port: number) => string;
  limitMs: number;
  signal?: AbortSignal | undefined;
}): Promise<Server & { port: number; pid: number }> {
  const giveUpAt = performance.now() + o.limitMs;
  for (let tries = 1; ; tries += 1) {
    const port = await freePort(o.port);
    const begun = await begin(o, port);
    if (typeof begun === 'string') {
      if (o.signal?.aborted) throw new CloveError('cancelled', `The start of ${o.name} was given up.`);
      if (tries < 5 && /address already in use/i.test(begun)) continue;
      if (LEFTOVERS.test(begun) && performance.now() < giveUpAt) {
        await delay(LEFTOVERS_PAUSE_MS);
        continue;
      }
      throw new CloveError('unavailable', `${o.name} did not start. The end of ${o.logFile}:\n${begun}`);
    }
    const moved = o.port !== 0 && port !== o.port ? ` (on port ${port}, since ${o.port} is in use)` : '';
    return { ...begun, port, url: o.url(port), source: `${o.source}${moved}` };
  }
}

/** One start on one port; the end of the log where it does not come up. */
async function begin(o: Parameters<typeof startServer>[0], port: number): Promise<Attempt | string> {
  const before = endOf(o.logFile);
  const child = spawnBound({
    command: o.command,
    args: o.args(port),
    logFile: o.logFile,
    signal: o.signals.first,
    account: o.account,
    env: o.env,
  });
  child.stdin?.end(o.input?.(port) ?? '');
  let how: string | undefined;
  let stopping = false;
  let tell: ((text: string) => void) | undefined;
  const died = new Promise<string>((resolve) => (tell = resolve));
  const over = ended(child).then((text) => {
    how = text;
    if (!stopping) tell?.(text);
    return text;
  });
  const stop = async () => {
    stopping = true;
    if (how === undefined) await endProcess(child, over, { ...o.signals, limitMs: 20_000 });
  };
  let deadline = performance.now() + o.limitMs;
  for (;;) {
    const progress = child.pid === undefined ? 'silent' : await o.progress(port, child.pid);
    if (progress === 'ready') break;
    if (how !== undefined) return `${tail(o.logFile, before)}\n(${how})`;
    if (progress === 'starting') deadline = performance.now() + o.limitMs;
    if (performance.now() > deadline || o.signal?.aborted) {
      await stop();
      return `${tail(o.logFile, before)}\n(not ready after ${o.limitMs / 1000} s)`;
    }
    await delay(20);
  }
  return { pid: child.pid!, stop, died };
}
