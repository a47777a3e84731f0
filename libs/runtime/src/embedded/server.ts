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

type Attempt = { pid: number; stop(): Promise<void>; died: Promise<string> };

/**
 * Starts a server process on the preferred port or the next free one, and waits until it is ready.
 * Another process may take the port between the look and the start; then the next port is tried.
 * @throws CloveError `unavailable` with the end of its log
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
  ready: (port: number, pid: number) => Promise<boolean>;
  url: (port: number) => string;
  limitMs: number;
}): Promise<Server & { port: number; pid: number }> {
  for (let tries = 1; ; tries += 1) {
    const port = await freePort(o.port);
    const begun = await begin(o, port);
    if (typeof begun === 'string') {
      if (tries < 5 && /address already in use/i.test(begun)) continue;
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
  const deadline = performance.now() + o.limitMs;
  while (child.pid === undefined || !(await o.ready(port, child.pid))) {
    if (how !== undefined) return `${tail(o.logFile, before)}\n(${how})`;
    if (performance.now() > deadline) {
      await stop();
      return `${tail(o.logFile, before)}\n(not ready after ${o.limitMs / 1000} s)`;
    }
    await delay(20);
  }
  return { pid: child.pid, stop, died };
}
