import type { JobKind, JobPayload, QueueName, QuestionPayload } from '@clove/contracts';
import type { QueueOptions } from './redis.js';

/** One queued delivery of a job: what `ledger.waiting()` lists and `enqueue` puts into the queue. */
export type QueuedJob = { [K in JobKind]: { kind: K; payload: JobPayload<K>; attempt: number } }[JobKind];

/** Jobs of one queue by what the queue will do with them. */
export type QueueCounts = Record<QueueName, { waiting: number; active: number; delayed: number; failed: number }>;

/**
 * Puts work into the queues. Every call fails with CloveError `unavailable` where Redis does not answer within a few
 * seconds; it may still take effect later, which is harmless since each call is idempotent.
 */
export interface Producer {
  /**
   * Queues one delivery of a job, under the id `JOB-ATTEMPT`; a second call for the same pair does nothing.
   * With `after`, that job is queued too and this one waits until it has ended, whatever its end.
   */
  enqueue<K extends JobKind>(kind: K, payload: JobPayload<K>, o: { attempt: number; after?: QueuedJob }): Promise<void>;
  /** Takes a delivery out of the queue; one that is being worked on, or is not there, is left alone. */
  remove(kind: JobKind, jobId: string, attempt: number): Promise<void>;
  /** True while the queue holds the delivery and has not ended it. */
  has(kind: JobKind, jobId: string, attempt: number): Promise<boolean>;
  counts(): Promise<QueueCounts>;
  /**
   * Asks a scorer to answer the question stored under `payload.key` and resolves once the reply is stored.
   * @throws CloveError `unavailable` where none has answered after `timeoutMs`
   */
  ask(payload: QuestionPayload, timeoutMs: number): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

export function createProducer(_o: QueueOptions): Producer {
  throw new Error('being written');
}

/**
 * Puts back what the queue lost: `waiting` are the ledger's queued jobs, of which those that the queue does not hold
 * are queued again. Run at start and from time to time. Returns how many were put back.
 */
export async function reconcile(producer: Producer, waiting: readonly QueuedJob[]): Promise<number> {
  let count = 0;
  for (const job of waiting) {
    if (await producer.has(job.kind, job.payload.jobId, job.attempt)) continue;
    // An ended delivery may still lie there under the same id.
    await producer.remove(job.kind, job.payload.jobId, job.attempt);
    await producer.enqueue(job.kind, job.payload, { attempt: job.attempt });
    count += 1;
  }
  return count;
}
