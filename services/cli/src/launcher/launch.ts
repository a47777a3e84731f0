import { availableParallelism, totalmem } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CloveError } from '@clove/contracts';
import {
  dataHome,
  freePort,
  lockHome,
  secret,
  spawnService,
  startPostgres,
  startRedis,
  type Server,
} from '@clove/runtime';
import { migrate } from '@clove/store';
import { supervise, superviseServer, type Death, type Supervised, type SupervisedServer } from './supervise.js';
import { watchSources } from './watch-sources.js';

/** What to start; everything has a default. */
export type LaunchOptions = {
  /** data folder; CLOVE_HOME or `.data` of the checkout when left out */
  home?: string;
  /** port of the gateway: refused where it is in use; 3000 or the next free one when left out; any free one when 0 */
  port?: number;
  host?: string;
  ingesters?: number;
  trainers?: number;
  scorers?: number;
  /** compile and restart the services whenever a source changes */
  watch?: boolean;
  /** added to the environment of every service */
  env?: NodeJS.ProcessEnv;
  /** told what is going on, in sentences for people */
  onStep?: (text: string) => void;
};

/** A running system. */
export type Stack = {
  url: string;
  /** an API key of the administrator */
  apiKey: string;
  home: string;
  databaseUrl: string;
  redisUrl: string;
  /** the services as they run now; one that died has another id after its restart */
  readonly processes: { name: string; pid: number }[];
  /** resolves when a part has died and cannot be kept running; the rest runs on until `stop` */
  exited: Promise<{ name: string; code: number | null }>;
  /** Stops gateway, workers, Redis and Postgres, in that order; more calls wait for the first. */
  stop(): Promise<void>;
};

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const DEFAULT_PORT = 3000;
/** Work in batches stands back for answers to people, which share the cores with it here. */
const WORKER_NICENESS = 10;
const READY_LIMIT_MS = 60_000;

/**
 * Starts the whole system on this machine and resolves once the gateway answers `/readyz`. Nothing is left running
 * when it throws, when `stop` is called, or when this process dies in any way. A part that dies, a database server too, is started again in its place.
 * @throws CloveError saying what to do: `conflict` (home or port in use), `unavailable` (a part does not start), `no-space`
 */
export async function launch(options: LaunchOptions = {}): Promise<Stack> {
  const say = options.onStep ?? (() => {});
  const home = dataHome(options.home);
  const unlock = lockHome(home);
  const servers: SupervisedServer[] = [];
  const services: Supervised[] = [];
  let started = false;
  let stopWatching: (() => Promise<void>) | undefined;
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      await stopWatching?.();
      const [gateway, ...workers] = services;
      await gateway?.stop();
      await Promise.all(workers.map((worker) => worker.stop()));
      for (const server of servers.toReversed()) await server.stop();
      unlock();
    })());

  try {
    const host = options.host ?? (process.env['HOST'] || '127.0.0.1');
    const port = await choosePort(options.port, host, say);
    const [postgres, redis] = await startServers(home);
    const keep = (name: string, server: Server, start: typeof startPostgres) => {
      const port = Number(new URL(server.url).port);
      servers.push(superviseServer({ name, server, start: (signal) => start({ home, port, signal }), say }));
    };
    keep('Postgres', postgres, startPostgres);
    keep('Redis', redis, startRedis);
    say(`${postgres.source} and ${redis.source} are up`);
    const applied = await migrate(postgres.url);
    say(
      applied.length === 0
        ? 'The database is up to date'
        : `The database was brought up to date (${applied.join(', ')})`,
    );

    const apiKey = process.env['CLOVE_API_KEY'] || secret(home, 'api-key');
    const start = (name: string, service: string, env: NodeJS.ProcessEnv, niceness: number) => {
      const script = path.join(ROOT, 'services', service, 'dist/main.js');
      const all = { ...process.env, ...common(home, postgres, redis), ...env, ...options.env };
      services.push(
        supervise({
          name,
          say,
          restarts: () => started,
          servers,
          start: (onExit) => spawnService({ name, script, env: all, home, niceness, onExit }),
        }),
      );
    };
    start('gateway', 'gateway', { HOST: host, PORT: String(port), CLOVE_API_KEY: apiKey }, 0);
    const counts = { ingester: options.ingesters ?? 1, trainer: options.trainers ?? 1, scorer: options.scorers ?? 1 };
    for (const [service, count] of Object.entries(counts)) {
      const shares = share(count, counts.ingester + counts.trainer + counts.scorer);
      for (let n = 1; n <= count; n += 1)
        start(count === 1 ? service : `${service}-${n}`, service, shares, WORKER_NICENESS);
    }
    if (options.watch === true) stopWatching = watchSources({ root: ROOT, services, say });

    const url = `http://${hostInUrl(host)}:${port}`;
    const gaveUp = services.map((service) => service.gaveUp);
    await ready(`${url}/readyz`, gaveUp);
    started = true;
    say(`The gateway is ready at ${url}`);
    return {
      url,
      apiKey,
      home,
      databaseUrl: postgres.url,
      redisUrl: redis.url,
      stop,
      exited: Promise.race([...servers, ...services].map((part) => part.gaveUp)),
      get processes() {
        return services.map(({ name, pid }) => ({ name, pid: pid() }));
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A port that was asked for must be free; without a wish the next free one is as good. */
async function choosePort(asked: number | undefined, host: string, say: (text: string) => void): Promise<number> {
  const wish = asked ?? (process.env['PORT'] ? Number(process.env['PORT']) : undefined);
  const port = await freePort(wish ?? DEFAULT_PORT, host);
  if (wish === undefined && port !== DEFAULT_PORT) say(`Port ${DEFAULT_PORT} is in use; the gateway takes ${port}`);
  if (wish !== undefined && wish !== 0 && port !== wish) {
    throw new CloveError(
      'conflict',
      `Port ${wish} of ${host} is in use. Stop what listens there, or choose another with --port.`,
    );
  }
  return port;
}

/** Both at once; where one does not start, the other is stopped. */
async function startServers(home: string): Promise<[Server, Server]> {
  const [postgres, redis] = await Promise.allSettled([startPostgres({ home }), startRedis({ home })]);
  if (postgres.status === 'fulfilled' && redis.status === 'fulfilled') return [postgres.value, redis.value];
  for (const start of [postgres, redis]) if (start.status === 'fulfilled') await start.value.stop();
  throw postgres.status === 'rejected' ? postgres.reason : (redis as PromiseRejectedResult).reason;
}

const common = (home: string, postgres: Server, redis: Server): NodeJS.ProcessEnv => ({
  DATABASE_URL: postgres.url,
  REDIS_URL: redis.url,
  ARTIFACTS_DIR: process.env['ARTIFACTS_DIR'] || path.join(home, 'artifacts'),
  SCRATCH_DIR: process.env['SCRATCH_DIR'] || path.join(home, 'scratch'),
  CUSTOMER_ID_SECRET: process.env['CUSTOMER_ID_SECRET'] || secret(home, 'customer-id-secret'),
});

/**
 * What one worker may use of the machine: replicas of a service work at once and divide the cores; different services
 * mostly take turns, so each may use them all. Half of the memory is for all workers' DuckDB together, 4 GB at most each.
 */
function share(replicas: number, workers: number): NodeJS.ProcessEnv {
  const threads = Math.max(1, Math.floor(availableParallelism() / replicas));
  const memory = Math.max(256 * 1024 ** 2, Math.min(4 * 1024 ** 3, Math.floor(totalmem() / 2 / workers)));
  return {
    THREADS: process.env['THREADS'] || String(threads),
    MEMORY_LIMIT_BYTES: process.env['MEMORY_LIMIT_BYTES'] || String(memory),
  };
}

/** Where a client on this machine reaches a server that listens on `host`. */
function hostInUrl(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** @throws CloveError `unavailable` where a service gives up, or the gateway is not ready in time */
async function ready(url: string, gaveUp: Promise<Death>[]): Promise<void> {
  let failed: Death | undefined;
  void Promise.race(gaveUp).then((death) => (failed = death));
  for (const deadline = performance.now() + READY_LIMIT_MS; ;) {
    if (failed !== undefined) {
      throw new CloveError('unavailable', `${failed.name} does not start:\n${failed.lastWords}`);
    }
    const said = await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
      async (response) => (response.ok ? undefined : `${response.status}: ${await response.text()}`),
      (error: unknown) => String((error as Error).cause ?? error),
    );
    if (said === undefined) return;
    if (performance.now() > deadline) {
      throw new CloveError(
        'unavailable',
        `The gateway is not ready after ${READY_LIMIT_MS / 1000} s. It said: ${said}`,
      );
    }
    await delay(50);
  }
}
