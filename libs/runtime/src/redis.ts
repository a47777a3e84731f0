import { Redis } from 'ioredis';

/** Where queues live: one Redis, and within it a prefix that keeps one system's keys apart from another's. */
export type QueueOptions = { redisUrl: string; prefix?: string };

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
