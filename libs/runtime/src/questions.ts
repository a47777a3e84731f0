import { setTimeout as delay } from 'node:timers/promises';
import { JOB_VERSION, QuestionPayload, type Reply } from '@clove/contracts';
import { DelayedError, Worker } from 'bullmq';
import type { Logger } from './logger.js';
import { DEFAULT_PREFIX, QUESTIONS, connectRedis, replyKey, reportErrors, type QueueOptions } from './redis.js';
import { leaveToNewer } from './versions.js';
import type { WorkerHost } from './worker.js';

const CLOSE_LIMIT_MS = 10_000;
/** A reply that nobody has taken by then has no asker any more. */
const REPLY_SECONDS = 60;

/** A `Reply` as whoever answers makes it: its value need not be plain JSON yet. */
export type Answer = { ok: true; value: object } | Extract<Reply, { ok: false }>;

/**
 * Answers the questions that `producer.ask` sends. Where `answer` throws, the asker gets an `internal` error. Any number of
 * scorers share the questions. One of a newer version than this scorer's goes back for others to take; where there are none
 * that know it, its time runs out.
 */
export function startAnswering(
  o: QueueOptions & { logger: Logger; concurrency: number; answer: (payload: QuestionPayload) => Promise<Answer> },
): WorkerHost {
  const connection = connectRedis(o.redisUrl);
  const prefix = o.prefix ?? DEFAULT_PREFIX;
  const version = o.version ?? JOB_VERSION;
  const worker = new Worker<unknown, void>(
    QUESTIONS,
    async (job, token) => {
      if ((await leaveToNewer(job, token, version)) !== undefined) throw new DelayedError();
      const payload = QuestionPayload.parse(job.data);
      try {
        const reply = JSON.stringify(await o.answer(payload));
        await connection.set(replyKey(prefix, job.id!), reply, 'EX', REPLY_SECONDS);
      } catch (err) {
        o.logger.error({ err, requestId: payload.requestId }, 'a question was not answered');
        throw err;
      }
    },
    { connection, prefix, concurrency: o.concurrency },
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
