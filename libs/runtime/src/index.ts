/**
 * What every process of Clove stands on: environment, logger, queues, worker host, threads, shutdown, embedded servers.
 * @packageDocumentation
 */
export { parseEnv } from './env.js';
export { createLogger, type Logger } from './logger.js';
export { connectRedis, type QueueOptions } from './redis.js';
export { createProducer, reconcile, type Producer, type QueueCounts, type QueuedJob } from './producer.js';
export {
  startWorker,
  startWorkers,
  type Handlers,
  type JobContext,
  type JobLedger,
  type ParentContext,
  type WaitingContext,
  type WorkerHost,
  type WorkerOptions,
} from './worker.js';
export { startAnswering, type Answer } from './questions.js';
export { openThreadPool, runInThread, serveThread, type ThreadPool } from './threads.js';
export { openScratch, type Scratch } from './scratch.js';
export { onShutdown } from './shutdown.js';
export { inTime, serveWorkerHealth } from './health.js';
export { countArtifactFailure, processMetrics } from './metrics.js';
export { dataHome, lockHome, secret } from './embedded/home.js';
export { freePort } from './embedded/ports.js';
export { runningPostgres, startPostgres } from './embedded/postgres.js';
export { startRedis } from './embedded/redis.js';
export type { Server } from './embedded/server.js';
export { spawnService, type Child, type SpawnOptions } from './embedded/service.js';
