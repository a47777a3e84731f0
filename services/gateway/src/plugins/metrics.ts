import { processMetrics } from '@clove/runtime';
import type { FastifyInstance } from 'fastify';
import { Gauge, Histogram } from 'prom-client';
import type { Installation } from '../gateway.js';

/**
 * `/metrics` in the Prometheus text format: process, HTTP durations by route, queues and who works on them, jobs, failures of the
 * artifact store. What is read from Postgres and Redis is the same from every gateway.
 */
export function installMetrics(app: FastifyInstance, { registry, producer, logger }: Installation): void {
  const metrics = processMetrics();
  const durations = new Histogram({
    name: 'clove_http_request_duration_seconds',
    help: 'Time from the request to the end of its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [metrics],
  });
  /** A gauge filled when it is read. A part that is away shows no figures; the rest is still told. */
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    fill: (gauge: Gauge<L>) => Promise<void>,
  ) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [metrics],
      async collect() {
        this.reset();
        try {
          await fill(this);
        } catch (error) {
          logger.warn({ err: error, metric: name }, 'a metric could not be read');
        }
      },
    });
  gauge('clove_queue_jobs', 'Jobs in the queues', ['queue', 'state'], async (queueJobs) => {
    for (const [queue, states] of Object.entries(await producer.counts())) {
      for (const [state, count] of Object.entries(states)) queueJobs.set({ queue, state }, count);
    }
  });
  gauge('clove_workers', 'Workers connected to each queue', ['queue'], async (workers) => {
    for (const [queue, count] of Object.entries(await producer.workers())) workers.set({ queue }, count);
  });
  gauge('clove_jobs', 'Jobs in the registry', ['kind', 'status'], async (jobs) => {
    for (const { kind, status, count } of await registry.jobs.counts()) jobs.set({ kind, status }, count);
  });
  gauge(
    'clove_job_oldest_queued_seconds',
    'Time since the oldest job that waits for its first attempt was submitted; 0 where none waits',
    ['kind'],
    async (ages) => {
      for (const { kind, seconds } of await registry.jobs.oldestQueued()) ages.set({ kind }, seconds);
    },
  );
  gauge(
    'clove_job_attempts',
    'Attempts at jobs; lost are those whose worker went away',
    ['status'],
    async (attempts) => {
      for (const { status, count } of await registry.jobs.attemptCounts()) attempts.set({ status }, count);
    },
  );

  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    durations.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
  });
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.metrics()),
  );
}
