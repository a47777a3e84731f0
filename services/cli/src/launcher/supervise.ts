import { setTimeout as delay } from 'node:timers/promises';
import type { Child, Server } from '@clove/runtime';

/** How a service ended for good: `code` is null where a signal ended it, `lastWords` the end of its log, in words. */
export type Death = { name: string; code: number | null; lastWords: string };

/** A service that is kept running. */
export type Supervised = {
  name: string;
  pid(): number;
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** resolves when it died too often to be started again */
  gaveUp: Promise<Death>;
};

/** Stack frames and the version line that Node adds say nothing to a user. */
const NOISE = /^\s+at |^Node\.js v/;

/** What a log says, for people: of a JSON line its message and that of its error, each sentence once; 12 lines at most. */
export const inWords = (log: string): string => {
  const lines = log.split('\n').filter((line) => line.trim() !== '' && !NOISE.test(line));
  return [...new Set(lines.map(wordsOf))].slice(-12).join('\n');
};

const wordsOf = (line: string): string => {
  if (!line.startsWith('{')) return line;
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    const reason = err?.message ?? '';
    return msg === undefined || msg === reason ? reason || line : reason === '' ? msg : `${msg}: ${reason}`;
  } catch {
    return line;
  }
};

const CRASHES = 5;
const WINDOW_MS = 60_000;
const FIRST_PAUSE_MS = 250;

/** Counts how often something ended within a minute: the pause before it is started again, undefined where that is over. */
const countCrashes = (): (() => number | undefined) => {
  let crashes: number[] = [];
  return () => {
    const now = performance.now();
    crashes = [...crashes.filter((at) => now - at < WINDOW_MS), now];
    return crashes.length >= CRASHES ? undefined : FIRST_PAUSE_MS * 2 ** (crashes.length - 1);
  };
};

/**
 * Starts a service, and again whenever it ends without being asked to: reported with the end of its log, after a pause
 * that doubles, and not after the fifth time within a minute, nor while `restarts` says no. What ends while a database server is
 * away is started again when that is back, and is not counted: it may have ended for want of it.
 */
export function supervise(o: {
  name: string;
  start: (onExit: (code: number | null) => void) => Child;
  say: (text: string) => void;
  /** false while the system starts: what dies then is set up wrongly, and would die again */
  restarts: () => boolean;
  /** what it stands on */
  servers: readonly Pick<SupervisedServer, 'isUp' | 'up'>[];
}): Supervised {
  let wanted = true;
  let timer: NodeJS.Timeout | undefined;
  const crash = countCrashes();
  let giveUp: ((death: Death) => void) | undefined;
  const gaveUp = new Promise<Death>((resolve) => (giveUp = resolve));

  const begin = (): Child => {
    const current: Child = o.start((code) => {
      if (!wanted) return;
      const pauseMs = o.servers.every((server) => server.isUp()) ? crash() : FIRST_PAUSE_MS;
      const lastWords = inWords(current.lastWords());
      if (!o.restarts() || pauseMs === undefined) {
        giveUp?.({ name: o.name, code, lastWords });
        return;
      }
      o.say(
        `${o.name} has ended unexpectedly (${code === null ? 'killed' : `exit code ${code}`}) and is started again. ` +
          `The end of ${current.logFile}:\n${lastWords}`,
      );
      timer = setTimeout(() => void again(current), pauseMs);
    });
    return current;
  };
  const again = async (former: Child) => {
    await Promise.all(o.servers.map((server) => server.up()));
    if (wanted && child === former) child = begin();
  };
  let child = begin();
  const stop = async () => {
    wanted = false;
    clearTimeout(timer);
    await child.stop();
  };

  return {
    name: o.name,
    pid: () => child.pid,
    gaveUp,
    stop,
    restart: async () => {
      await stop();
      wanted = true;
      child = begin();
    },
  };
}

/** A database server that is kept running. */
export type SupervisedServer = {
  isUp(): boolean;
  /** resolves at once while it runs, else when it runs again; never where it was given up */
  up(): Promise<void>;
  stop(): Promise<void>;
  /** resolves when it ended too often to be started again */
  gaveUp: Promise<Death>;
};

/**
 * Keeps a database server running in its place, with its data and at its address, as `supervise` does a service: what lives on it
 * finds it there again. A server that does not come up counts as one that ended once more; one that is slow to recover does not.
 * @param o.start starts it where it was; the signal says that it is no longer wanted
 */
export function superviseServer(o: {
  name: string;
  server: Server;
  start: (signal: AbortSignal) => Promise<Server>;
  say: (text: string) => void;
}): SupervisedServer {
  const crash = countCrashes();
  const stopping = new AbortController();
  let server = o.server;
  let starting: Promise<unknown> = Promise.resolve();
  let up: Promise<void> | undefined;
  let isBack: (() => void) | undefined;
  const died = async (): Promise<string> => {
    const how = await server.died;
    up ??= new Promise((resolve) => (isBack = resolve));
    return how;
  };
  const keep = async (): Promise<Death> => {
    let how = await died();
    for (let pauseMs = crash(); pauseMs !== undefined; pauseMs = crash()) {
      o.say(`${o.name} has ended unexpectedly (${how}) and is started again`);
      try {
        await delay(pauseMs, undefined, { signal: stopping.signal });
        const start = o.start(stopping.signal);
        starting = start.catch(() => {});
        const again = await start;
        server = again;
        if (stopping.signal.aborted) await again.stop();
        else if (again.url !== o.server.url) {
          await again.stop();
          how = 'its address was taken by another process';
          continue;
        }
        up = undefined;
        isBack?.();
        how = await died();
      } catch (error) {
        if (stopping.signal.aborted) return new Promise(() => {});
        how = error instanceof Error ? error.message : String(error);
      }
    }
    o.say(`${o.name} cannot be kept running (${how})`);
    return { name: o.name, code: null, lastWords: how };
  };
  const kept = keep();
  return {
    isUp: () => up === undefined,
    up: () => up ?? Promise.resolve(),
    gaveUp: kept,
    stop: async () => {
      stopping.abort();
      await starting;
      await server.stop();
    },
  };
}
