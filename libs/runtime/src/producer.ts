import { randomUUID } from 'node:crypto';
import {
  CloveError,
  JOBS,
  JOB_VERSION,
  type JobKind,
  type JobPayload,
  type QueueName,
  type QuestionPayload,
  Reply,
} from '@clove/contracts';
import { FlowProducer, Queue, QueueEvents, type JobsOptions } from 'bullmq';
import { DEFAULT_PREFIX, QUESTIONS, connectRedis, queueNameOf, replyKey, type QueueOptions } from './redis.js';

/** One queued delivery of a job: what `ledger.waiting()` lists and `enqueue` puts into the queue. */
export type QueuedJob = {
  [K in JobKind]: { kind: K; payload: JobPayload<K>; attempt: number; short: boolean };
}[JobKind];

/** Jobs of each queue by what the queue will do with them. */
export type QueueCounts = Record<QueueName, { waiting: number; active: number; delayed: number; failed: number }>;

/**
 * Puts work into the queues. Every call fails with CloveError `unavailable` where Redis does not answer within 5 s; it
 * may still take effect later, which is harmless since each can be repeated.
 */
export interface Producer {
  /**
   * Queues one delivery of a job, under the id `JOB-ATTEMPT`; a second call for the same pair does nothing.
   * With `after`, that job is queued too and this one waits until it has ended, whatever its end.
   * @param o.short among the short jobs, which do not wait for the others; the same for every call for a pair
   */
  enqueue<K extends JobKind>(
    kind: K,
    payload: JobPayload<K>,
    o: { attempt: number; short?: boolean; after?: QueuedJob },
  ): Promise<void>;
  /** Takes a delivery out of the queue; one that is being worked on, or is not there, is left alone. */
  remove(kind: JobKind, jobId: string, attempt: number): Promise<void>;
  /** True while the queue holds the delivery and has not ended it. */
  has(kind: JobKind, jobId: string, attempt: number): Promise<boolean>;
  counts(): Promise<QueueCounts>;
  /** How many workers are connected to each queue; `questions` is that of short questions to scorers. */
  workers(): Promise<Record<QueueName | 'questions', number>>;
  /**
   * Asks a scorer and resolves with its reply; neither is kept.
   * @throws CloveError `unavailable` where none has answered after `timeoutMs`
   */
  ask(payload: QuestionPayload, timeoutMs: number): Promise<Reply>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

const LIMIT_MS = 5000;
const HOUR_S = 3600;

/** Ended deliveries stay for a while, so that a late second `enqueue` of one is still known and does nothing. */
const KEEP = { removeOnComplete: { age: HOUR_S, count: 1000 }, removeOnFail: { age: 24 * HOUR_S, count: 1000 } };

const idOf = (jobId: string, attempt: number): string => `${jobId}-${attempt}`;

const optionsOf = (kind: JobKind, jobId: string, attempt: number): JobsOptions => ({
  ...KEEP,
  ...deliveryOptions(JOBS[kind].attempts),
  jobId: idOf(jobId, attempt),
});

/** How a delivery that failed in passing is tried again. */
export const deliveryOptions = (attempts: number): Pick<JobsOptions, 'attempts' | 'backoff'> => ({
  attempts,
  // 1 s, 2 s, 4 s …, each shortened by up to a half so that jobs which failed together do not come back together.
  backoff: { type: 'exponential', delay: 1000, jitter: 0.5 },
});

async function countsOf(queues: readonly Queue[]): Promise<QueueCounts[QueueName]> {
  const all = await Promise.all(queues.map((queue) => queue.getJobCounts('waiting', 'active', 'delayed', 'failed')));
  const sum = (state: string): number => all.reduce((total, counts) => total + (counts[state] ?? 0), 0);
  return { waiting: sum('waiting'), active: sum('active'), delayed: sum('delayed'), failed: sum('failed') };
}

/** A producer for one process; it keeps one connection (and one more once it asks questions) until `close`. */
export function createProducer(o: QueueOptions): Producer {
  const connection = connectRedis(o.redisUrl);
  const prefix = o.prefix ?? DEFAULT_PREFIX;
  const versioned = (payload: object) => ({ ...payload, version: o.version ?? JOB_VERSION });
  const queueOf = (name: string): Queue => new Queue(name, { connection, prefix }).on('error', () => {});
  const pairOf = (name: QueueName) => [false, true].map((short) => queueOf(queueNameOf(name, short)));
  /** The queue of long jobs and that of short ones. */
  const queues: Record<QueueName, Queue[]> = {
    ingest: pairOf('ingest'),
    train: pairOf('train'),
    score: pairOf('score'),
  };
  const queuesOf = (kind: JobKind): Queue[] => queues[JOBS[kind].queue];
  const questions = queueOf(QUESTIONS);
  const flows = new FlowProducer({ connection, prefix }).on('error', () => {});
  const asked = new Map<string, (failure?: CloveError) => void>();
  let following: Promise<void> | undefined;
  let events: QueueEvents | undefined;

  /** Follows the ends of questions from a second ago on, by the clock of Redis, so that none can be missed. */
  const follow = async (): Promise<void> => {
    const [seconds] = await connection.time();
    events = new QueueEvents(QUESTIONS, { connection, prefix, lastEventId: `${(Number(seconds) - 1) * 1000}-0` });
    events.on('error', () => {});
    events.on('completed', ({ jobId }) => asked.get(jobId)?.());
    events.on('failed', ({ jobId, failedReason }) =>
      asked.get(jobId)?.(new CloveError('internal', `The question could not be answered: ${failedReason}`)),
    );
  };

  const take = async (id: string): Promise<Reply> => {
    const reply = await connection.getdel(replyKey(prefix, id));
    if (reply === null) throw new Error('it has lost a reply');
    return Reply.parse(JSON.parse(reply));
  };

  return {
    enqueue: (kind, payload, { attempt, short = false, after }) =>
      within(LIMIT_MS, async () => {
        const opts = optionsOf(kind, payload.jobId, attempt);
        const name = queueNameOf(JOBS[kind].queue, short);
        if (after === undefined) {
          await queuesOf(kind)[short ? 1 : 0]!.add(kind, versioned(payload), opts);
          return;
        }
        const first = optionsOf(after.kind, after.payload.jobId, after.attempt);
        await flows.add({
          name: kind,
          queueName: name,
          data: versioned(payload),
          opts,
          children: [
            {
              name: after.kind,
              queueName: queueNameOf(JOBS[after.kind].queue, after.short),
              data: versioned(after.payload),
              opts: { ...first, ignoreDependencyOnFailure: true },
            },
          ],
        });
      }),
    remove: (kind, jobId, attempt) =>
      within(LIMIT_MS, async () => {
        const id = idOf(jobId, attempt);
        await Promise.all(queuesOf(kind).map((queue) => queue.remove(id, { removeChildren: false })));
      }),
    has: (kind, jobId, attempt) =>
      within(LIMIT_MS, async () => {
        const id = idOf(jobId, attempt);
        const states = await Promise.all(queuesOf(kind).map((queue) => queue.getJobState(id)));
        return states.some((state) => state !== 'completed' && state !== 'failed' && state !== 'unknown');
      }),
    counts: () =>
      within(LIMIT_MS, async () => {
        const [ingest, train, score] = await Promise.all([
          countsOf(queues.ingest),
          countsOf(queues.train),
          countsOf(queues.score),
        ]);
        return { ingest, train, score };
      }),
    workers: () =>
      within(LIMIT_MS, async () => {
        const [ingest, train, score, asked] = await Promise.all(
          // each process has a worker for the short jobs beside that of the long ones
          [queues.ingest[0]!, queues.train[0]!, queues.score[0]!, questions].map((queue) => queue.getWorkersCount()),
        );
        return { ingest: ingest ?? 0, train: train ?? 0, score: score ?? 0, questions: asked ?? 0 };
      }),
    ask: async (payload, timeoutMs) => {
      const jobId = randomUUID();
      let sent = false;
      let timer: NodeJS.Timeout | undefined;
      try {
        const answered = new Promise<Reply>((resolve, reject) => {
          asked.set(jobId, (failure) => (failure === undefined ? take(jobId).then(resolve, reject) : reject(failure)));
          timer = setTimeout(() => {
            const what = sent ? 'No scorer answered' : 'The queue did not answer';
            const check = sent ? 'that a scorer is running' : 'Redis';
            reject(
              new CloveError('unavailable', `${what} within ${timeoutMs / 1000} s. Check ${check}, and try again.`),
            );
          }, timeoutMs);
        });
        const send = async () => {
          await (following ??= follow().catch((error: unknown) => {
            following = undefined;
            throw error;
          }));
          await questions.add('question', versioned(payload), { jobId, removeOnComplete: true, removeOnFail: true });
          sent = true;
          return answered;
        };
        return await Promise.race([answered, send()]);
      } catch (error) {
        // Nobody waits for it any more. Where Redis is away, so is the question.
        void questions.remove(jobId).catch(() => {});
        throw error instanceof CloveError ? error : unavailable(error);
      } finally {
        clearTimeout(timer);
        asked.delete(jobId);
      }
    },
    ping: () =>
      within(LIMIT_MS, async () => {
        await connection.ping();
      }),
    close: async () => {
      for (const answer of asked.values()) answer(new CloveError('unavailable', 'The process is stopping. Try again.'));
      // The queues live on this connection and end with it.
      connection.disconnect();
      await events?.close();
    },
  };
}

const unavailable = (cause: unknown): CloveError =>
  new CloveError('unavailable', `The queue does not answer: ${(cause as Error).message}. Check Redis.`, { cause });

/** @throws CloveError `unavailable` where `call` fails or takes longer than `limitMs` */
async function within<T>(limitMs: number, call: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([call(), late]);
  } catch (cause) {
    throw new CloveError('unavailable', `The queue does not answer: ${(cause as Error).message}. Check Redis.`, {
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Puts back what the queue lost: `waiting` are the ledger's jobs that should be in the queue, of which those that the
 * queue does not hold are queued again. Run at start and from time to time. Returns how many were put back.
 */
export async function reconcile(producer: Producer, waiting: readonly QueuedJob[]): Promise<number> {
  let count = 0;
  for (const { kind, payload, attempt, short } of waiting) {
    if (await producer.has(kind, payload.jobId, attempt)) continue;
    // A delivery that the queue has ended may still lie there under the same id.
    await producer.remove(kind, payload.jobId, attempt);
    await producer.enqueue(kind, payload, { attempt, short });
    count += 1;
  }
  return count;
}
