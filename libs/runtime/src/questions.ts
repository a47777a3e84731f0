import { setTimeout as delay } from 'node:timers/promises';
import { QuestionPayload } from '@clove/contracts';
import { Worker } from 'bullmq';
import type { Logger } from './logger.js';
import { DEFAULT_PREFIX, QUESTIONS, connectRedis, reportErrors, type QueueOptions } from './redis.js';
import type { WorkerHost } from './worker.js';

const CLOSE_LIMIT_MS = 10_000;

/**
 * Answers the questions that `producer.ask` sends. `answer` stores the reply, a refusal too, before it resolves; where
 * it throws, the asker gets an `internal` error. Any number of scorers share the questions.
 */
export function startAnswering(
  o: QueueOptions & { logger: Logger; concurrency: number; answer: (payload: QuestionPayload) => Promise<void> },
): WorkerHost {
  const connection = connectRedis(o.redisUrl);
  const worker = new Worker<unknown, void>(
    QUESTIONS,
    async (job) => {
      const payload = QuestionPayload.parse(job.data);
      try {
        await o.answer(payload);
      } catch (err) {
        o.logger.error({ err, requestId: payload.requestId }, 'a question was not answered');
        throw err;
      }
    },
    { connection, prefix: o.prefix ?? DEFAULT_PREFIX, concurrency: o.concurrency },
  );
  reportErrors(worker, o.logger);
  return {
    ready: async () => {
      await worker.waitUntilReady();
    },
    close: async () => {
      await Promise.race([worker.close(), delay(CLOSE_LIMIT_MS, undefined, { ref: false })]);
      connection.disconnect();
    },
  };
}
