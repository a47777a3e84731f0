import type { JobStatus } from '@clove/contracts';
import type { FastifyInstance } from 'fastify';
import { Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Installation } from '../gateway.js';

/** `/metrics` in the Prometheus text format: process, HTTP durations by route, queues, jobs by status. */
export function installMetrics(app: FastifyInstance, { registry, producer, logger }: Installation): void {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
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
  gauge('clove_jobs', 'Jobs in the registry', ['status'], async (jobs) => {
    const counts = await registry.jobs.counts();
    for (const status of Object.keys(counts) as JobStatus[]) jobs.set({ status }, counts[status]);
  });

  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    durations.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
  });
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.metrics()),
  );
}
