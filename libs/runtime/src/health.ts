import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WorkerEnv } from '@clove/contracts';
import type { Logger } from './logger.js';
import { workerMetrics } from './metrics.js';
import { connectRedis } from './redis.js';

const CHECK_LIMIT_MS = 2000;

/** A health endpoint that listens. */
type HealthServer = { port: number; close(): Promise<void> };

/** Resolves with the promise, or fails once a probe would have given up: after 2 s. */
export async function inTime(check: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_LIMIT_MS} ms`)), CHECK_LIMIT_MS);
  });
  try {
    await Promise.race([check, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Serves the probes of an orchestrator for a worker, which has no other door: `GET /healthz` answers 200 as long as the
 * event loop turns, `GET /readyz` 200 where every check passes within 2 s and 503 naming those that do not. Reasons go
 * to the log only, since they may name hosts. `GET /metrics` tells Prometheus what the process counts.
 * @param port 0 for any free one
 */
export async function serveHealth(o: {
  port: number;
  host?: string;
  checks: Record<string, () => Promise<unknown>>;
  logger: Logger;
}): Promise<HealthServer> {
  const failing = async (): Promise<string[]> => {
    const results = await Promise.all(
      Object.entries(o.checks).map(async ([name, check]) => {
        try {
          await inTime(check());
          return [];
        } catch (error) {
          o.logger.warn({ err: error, part: name }, 'a part is not ready');
          return [name];
        }
      }),
    );
    return results.flat();
  };
  const metrics = workerMetrics();
  const server = createServer((request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.method !== 'GET') return void answer(405, { status: 'only GET' });
    if (request.url === '/healthz') return void answer(200, { status: 'ok' });
    if (request.url === '/metrics') {
      void metrics.metrics().then((text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text));
      return;
    }
    if (request.url !== '/readyz') return void answer(404, { status: 'no such path' });
    void failing().then((names) =>
      names.length === 0 ? answer(200, { status: 'ok' }) : answer(503, { status: 'not ready', parts: names }),
    );
  });
  server.listen(o.port, o.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The probes and metrics of a worker where `HEALTH_PORT` asks for them: Redis and the given checks; undefined where it does not. */
export async function serveWorkerHealth(
  env: Pick<WorkerEnv, 'HEALTH_PORT' | 'REDIS_URL'>,
  logger: Logger,
  checks: Record<string, () => Promise<unknown>>,
): Promise<HealthServer | undefined> {
  if (env.HEALTH_PORT === undefined) return undefined;
  const redis = connectRedis(env.REDIS_URL);
  const server = await serveHealth({ port: env.HEALTH_PORT, checks: { redis: () => redis.ping(), ...checks }, logger });
  return {
    port: server.port,
    close: async () => {
      await server.close();
      redis.disconnect();
    },
  };
}
