import { Counter, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

// What a process of Clove counts of its own work, for Prometheus. It is shown by the registries that ask for it.

/** How a worker's hold of a job, or of a part of one, ended; `waiting`: its shards are given out. */
export type Outcome = 'succeeded' | 'failed' | 'retried' | 'cancelled' | 'stopped' | 'lost' | 'waiting';

const jobs = new Counter({
  name: 'clove_worker_jobs_total',
  help: 'Jobs, and shards of predictions, that this worker has let go of, by how',
  labelNames: ['kind', 'outcome'],
  registers: [],
});
const durations = new Histogram({
  name: 'clove_worker_job_duration_seconds',
  help: 'How long this worker was at a job or a shard',
  labelNames: ['kind'],
  buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600],
  registers: [],
});

/** Counts what a worker has let go of. */
export function countJob(kind: string, outcome: Outcome, seconds: number): void {
  jobs.inc({ kind, outcome });
  durations.observe({ kind }, seconds);
}

const artifactFailures = new Counter({
  name: 'clove_artifact_failures_total',
  help: 'Calls of the artifact store that failed in this process by its fault',
  labelNames: ['operation', 'code'],
  registers: [],
});

/** Counts a call of the artifact store that failed, by the code of its error. */
export const countArtifactFailure = (operation: string, code: string): void =>
  artifactFailures.inc({ operation, code });

/** A registry of what Node tells of this process and of what it counts of the artifact store. */
export function processMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registry.registerMetric(artifactFailures);
  return registry;
}

/** The same, with what it has done of jobs. */
export function workerMetrics(): Registry {
  const registry = processMetrics();
  registry.registerMetric(jobs);
  registry.registerMetric(durations);
  return registry;
}
