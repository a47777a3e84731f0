import type { QueueName } from '@clove/contracts';
import type { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from './logger.js';

/** Where queues live: one Redis, and within it a prefix that keeps one system's keys apart from another's. */
export type QueueOptions = {
  redisUrl: string;
  prefix?: string;
  /** version of the payloads that this process writes and understands; `JOB_VERSION` when left out */
  version?: number;
};

export const DEFAULT_PREFIX = 'clove';

/** Short jobs have a queue beside that of the others, and a worker of their own in each process: see `startWorkers`. */
export const queueNameOf = (queue: QueueName, short: boolean): string => (short ? `${queue}-short` : queue);

/** The queue of short questions to scorers; see `Producer.ask`. */
export const QUESTIONS = 'questions';

/** Where the reply to a question lies until its asker takes it. */
export const replyKey = (prefix: string, id: string): string => `${prefix}:replies:${id}`;

/**
 * A connection that waits for Redis and comes back by itself. Commands wait while Redis is away, so whoever must
 * answer in time sets a limit of its own (see `createProducer`).
 */
export function connectRedis(url: string): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), 2000),
  });
  // Each lost connection is one 'error' event; the commands themselves report what failed.
  redis.on('error', () => {});
  return redis;
}

const REPEAT_AFTER_MS = 30_000;

/** Logs the errors of a queue's worker; the same one, as each retry while Redis is away gives, twice a minute at most. */
export function reportErrors(worker: Worker<unknown, void>, logger: Logger): void {
  let last = '';
  let at = 0;
  worker.on('error', (err) => {
    if (err.message === last && performance.now() - at < REPEAT_AFTER_MS) return;
    last = err.message;
    at = performance.now();
    logger.warn({ err }, 'the queue has trouble; it is tried again');
  });
}
