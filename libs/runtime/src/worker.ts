import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CloveError,
  JOBS,
  JOB_PARTS,
  JOB_VERSION,
  JobKind,
  type JobError,
  type JobPayload,
  type JobStatus,
  type QueueName,
  type ShardPayload,
  type ShardStep,
} from '@clove/contracts';
import { DelayedError, Queue, UnrecoverableError, WaitingChildrenError, WaitingError, Worker, type Job } from 'bullmq';
import type { Logger } from './logger.js';
import { countJob, type Outcome } from './metrics.js';
import { deliveryOptions } from './producer.js';
import { DEFAULT_PREFIX, connectRedis, queueNameOf, reportErrors, type QueueOptions } from './redis.js';
import { leaveToNewer } from './versions.js';

/** Postgres is the truth about a job; the worker host writes it through this. */
export interface JobLedger extends Moves {
  /** No worker has the job while its shards, or jobs that it waits for, are at work; the next `start` goes on with the same attempt. */
  wait(jobId: string, attempt: number): Promise<boolean>;
  /** The queue gives the job up, for it has lost its workers too often: it fails, unless a worker is at it all the same. */
  giveUp(jobId: string, error: JobError): Promise<void>;
  /** The moves of one step of one shard. */
  shard(shard: number, step: ShardStep): Moves;
}

/** How far a job is, in [0, 1], and at what. */
type JobState = { progress: number; stage: string };

/**
 * What is written of a job, or of a part of one, by the id of the job. All but `start` is of one attempt: where that is over,
 * since the job has ended or another worker has it, nothing is written, and the answer is false or `lost`.
 */
export interface Moves {
  /** Begins an attempt, or goes on with one that waited, whose state was last `seen`; `skip` where the job has already ended. */
  start(
    jobId: string,
    worker: string,
  ): Promise<{ outcome: 'started'; attempt: number; seen?: JobState } | { outcome: 'skip'; status: JobStatus }>;
  /** Called once a second while the job is worked on. */
  beat(jobId: string, attempt: number, state: JobState): Promise<'go on' | 'cancelled' | 'lost'>;
  succeed(jobId: string, attempt: number): Promise<boolean>;
  /** `final: false` puts the job back to queued, for its next try. */
  fail(jobId: string, attempt: number, error: JobError, o: { final: boolean }): Promise<boolean>;
  cancelled(jobId: string, attempt: number): Promise<boolean>;
}

/** What a handler works with. */
export type JobContext = {
  /**
   * Aborts when the user cancels, the process stops or another worker has the job; its reason is a CloveError. The
   * handler then throws soon, whatever it likes; where it resolves, the job counts as done.
   */
  signal: AbortSignal;
  logger: Logger;
  /** Cheap: written at most once a second. `fraction` in [0, 1]. */
  progress(fraction: number, stage: string): void;
  attempt: number;
  requestId: string;
};

/** What the handler of a kind of job that may have to wait for other jobs works with. */
export type WaitingContext = JobContext & {
  /**
   * The handler then returns; it is called again by any worker, as the same attempt, once the ledger lists the job among those
   * that should be in the queue.
   * @param stage what it waits for, for people
   */
  later(stage: string): void;
};

/** What the handler of a kind of job that has parts works with. */
export type ParentContext = JobContext & {
  /**
   * Gives shards of this job to whichever workers of its queue are free. The handler then returns; it is called again, by any
   * worker, once all shards have ended, unless the job has. What is not done by then it may give out again.
   */
  giveOut(shards: readonly ShardPayload[]): void;
};

/** A handler for every kind of job that queue `Q` carries. */
export type Handlers<Q extends QueueName> = {
  [K in JobKind as (typeof JOBS)[K]['queue'] extends Q ? K : never]: (
    payload: JobPayload<K>,
    ctx: K extends (typeof JOB_PARTS)[keyof typeof JOB_PARTS]['of']
      ? ParentContext
      : K extends 'erasure'
        ? WaitingContext
        : JobContext,
  ) => Promise<void>;
} & {
  [K in keyof typeof JOB_PARTS as (typeof JOB_PARTS)[K]['queue'] extends Q ? K : never]: (
    payload: ShardPayload,
    ctx: JobContext,
  ) => Promise<void>;
};

export interface WorkerHost {
  /** Resolves once jobs can be taken. */
  ready(): Promise<void>;
  /** Takes no more jobs, gives the active ones a few seconds to end, then aborts them and puts them back. */
  close(): Promise<void>;
}

export type WorkerOptions<Q extends QueueName> = QueueOptions & {
  service: string;
  queue: Q;
  /** takes the short jobs of the queue in place of the long ones */
  short?: boolean;
  handlers: Handlers<Q>;
  ledger: JobLedger;
  /** Removes what is left of a job that will not go on: failed for good, cancelled, or over when it was delivered. */
  discard?: (kind: JobKind, payload: JobPayload<JobKind>) => Promise<void>;
  logger: Logger;
  /** jobs at once */
  concurrency: number;
  /** how long `close` lets active jobs go on before it aborts them; 5 s when left out */
  graceMs?: number;
  /** how long a job stays with a worker that says nothing; 20 s when left out */
  lockMs?: number;
};

const BEAT_MS = 1000;
/** After an abort, a handler has this long to end; `runInThread` needs at most 10 s of it. */
const ABORT_LIMIT_MS = 15_000;
/** After a job that only newer workers understand, this worker takes none for so long, so that one of them can. */
const STAND_BACK_MS = 5000;
/** How often a job may lose its worker before it counts as one that kills workers. */
const LOSSES = 2;

/** A job that this worker is busy with. `ended` says why it was aborted; `over`, that its handler has returned. */
type Active = {
  jobId: string;
  attempt: number;
  ledger: Moves;
  given: readonly ShardPayload[];
  later: boolean;
  abort: AbortController;
  over: boolean;
  ended: 'no' | 'cancelled' | 'stopping' | 'lost';
  /** how this worker lets go of it, for the metrics */
  outcome: Outcome;
  progress: number;
  stage: string;
  beating: Promise<void> | undefined;
  logger: Logger;
};

/**
 * Takes jobs from a queue, one handler call each, and keeps the ledger: start, a beat every second (progress, stage,
 * cancel flag), and the end. What an end means:
 *
 * - the handler resolves: succeeded; or, where it gave out shards, waiting for them; or, where it said `later`, waiting for
 *   other jobs
 * - the user cancelled: cancelled, whatever the handler threw
 * - the process stops: back to queued at once, without using up a try
 * - a permanent error (a CloveError that is not retryable, a payload that does not fit): failed
 * - any other error: queued again with growing pauses, up to `JOBS[kind].attempts` tries, then failed
 * - the worker dies or is frozen: the queue gives the job to another worker; after the third loss it is failed
 *
 * Delivery is at least once: a handler may meet the traces of an earlier attempt. Whose job it is says the ledger, not the
 * queue: a worker whose lock lapsed (it was frozen, or Redis was away or emptied) goes on while no other has begun an
 * attempt, and drops the job at its next beat where one has; what it writes after that is not taken.
 *
 * A payload of a newer version than this worker's goes back to the end of the queue, and this worker stands back for some
 * seconds so that one that knows it can take it.
 */
export function startWorker<Q extends QueueName>(o: WorkerOptions<Q>): WorkerHost {
  const graceMs = o.graceMs ?? 5000;
  const lockMs = o.lockMs ?? 20_000;
  const name = `${hostname()}:${process.pid} ${o.service}`;
  const connection = connectRedis(o.redisUrl);
  const version = o.version ?? JOB_VERSION;
  let standingBack: NodeJS.Timeout | undefined;
  const active = new Set<Active>();
  const handled = new WeakSet<Job>();
  // One handler per kind; which payload it takes is checked by the schema of that kind just before the call.
  const handlers: Partial<
    Record<Delivery['kind'], (payload: never, ctx: ParentContext & WaitingContext) => Promise<void>>
  > = o.handlers;
  const queueName = queueNameOf(o.queue, o.short ?? false);
  const queue = new Queue(queueName, { connection, prefix: o.prefix ?? DEFAULT_PREFIX }).on('error', () => {});

  const end = (task: Active, ended: Active['ended'], reason: CloveError) => {
    if (task.ended !== 'no') return;
    task.ended = ended;
    task.logger.info({ reason: reason.message }, 'aborting the job');
    task.abort.abort(reason);
  };

  const beat = async (task: Active) => {
    try {
      const { jobId, attempt, progress, stage } = task;
      const answer = await task.ledger.beat(jobId, attempt, { progress, stage });
      if (answer === 'cancelled') end(task, 'cancelled', new CloveError('cancelled', 'The job was cancelled.'));
      if (answer === 'lost') end(task, 'lost', new CloveError('conflict', 'The job was given to another worker.'));
    } catch (err) {
      task.logger.warn({ err }, 'the ledger was not reached; the job goes on');
    }
  };
  const beats = setInterval(() => {
    for (const task of active) {
      if (!task.over) task.beating ??= beat(task).finally(() => (task.beating = undefined));
    }
  }, BEAT_MS);

  const work = async (job: Job<unknown, void>, token: string | undefined): Promise<void> => {
    handled.add(job);
    const newer = await leaveToNewer(job, token, version);
    if (newer !== undefined) {
      o.logger.warn({ queueJob: job.id, version: newer }, 'a job of a newer version is left to workers that know it');
      await worker.pause(true);
      clearTimeout(standingBack);
      standingBack = setTimeout(() => worker.resume(), STAND_BACK_MS);
      throw new DelayedError();
    }
    const delivery = readJob(job);
    const { kind, payload } = delivery;
    const handler = handlers[kind];
    if (handler === undefined) throw new UnrecoverableError(`Queue ${o.queue} does not carry ${kind} jobs.`);
    const { jobId, requestId } = payload;
    const ledger = delivery.kind === 'shard' ? o.ledger.shard(delivery.payload.shard, delivery.payload.step) : o.ledger;
    const started = await ledger.start(jobId, name).catch(async (error: unknown) => {
      const failure = describe(error);
      const last = !failure.retryable || job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
      o.logger[last ? 'error' : 'warn']({ jobId, kind, err: error }, 'the job could not be started');
      // Nobody but the shard itself would tell the job, which would give it out again without end.
      if (last && kind === 'shard') await persist(() => o.ledger.giveUp(jobId, failure));
      throw toldToQueue(failure);
    });
    const shard = delivery.kind === 'shard' ? { shard: delivery.payload.shard, step: delivery.payload.step } : {};
    const logger = o.logger.child({ jobId, kind, requestId, ...shard });
    if (started.outcome === 'skip') {
      logger.info({ status: started.status }, 'the job has already ended');
      await discard(delivery, logger);
      return;
    }
    const { attempt } = started;
    const abort = new AbortController();
    const task: Active = {
      jobId,
      attempt,
      ledger,
      given: [],
      later: false,
      abort,
      over: false,
      ended: 'no',
      outcome: 'lost',
      // Where it goes on it is as far as it was, until the handler says more.
      ...(started.seen ?? { progress: 0, stage: 'starting' }),
      beating: undefined,
      logger,
    };
    active.add(task);
    const begun = performance.now();
    logger.info({ attempt }, 'job started');
    try {
      await handler(payload as never, {
        signal: abort.signal,
        logger,
        progress: (fraction, stage) => Object.assign(task, { progress: Math.min(1, Math.max(0, fraction)), stage }),
        attempt,
        requestId,
        later: (stage) => Object.assign(task, { later: true, stage }),
        giveOut: (shards) => {
          task.given = shards;
        },
      });
      task.over = true;
      await task.beating;
      if (task.later) {
        await persist(() => ledger.beat(jobId, attempt, { progress: task.progress, stage: task.stage }));
        await persist(() => o.ledger.wait(jobId, attempt));
        logger.info({ stage: task.stage }, 'the job is to go on later');
        return;
      }
      if (task.given.length === 0) {
        const taken = await persist(() => ledger.succeed(jobId, attempt));
        if (taken) task.outcome = 'succeeded';
        logger.info(taken ? 'job succeeded' : 'the job has another worker or has ended; this end of it is not taken');
        return;
      }
      await giveOut(job, task.given);
      task.outcome = 'waiting';
    } catch (error) {
      task.over = true;
      await task.beating;
      await settle(job, token, task, error, delivery);
      return;
    } finally {
      active.delete(task);
      countJob(kind, task.outcome, (performance.now() - begun) / 1000);
    }
    await persist(() => o.ledger.wait(jobId, attempt));
    if (await job.moveToWaitingChildren(token ?? '')) {
      logger.info({ shards: task.given.length }, 'the job waits for its shards');
      throw new WaitingChildrenError();
    }
    // They have all ended in the meantime.
    await work(job, token);
  };

  /** Queues shards as children of a job: whatever their ends, it is given out again after the last. */
  const giveOut = async (job: Job<unknown, void>, shards: readonly ShardPayload[]) => {
    const parent = { id: job.id!, queue: job.queueQualifiedName };
    await queue.addBulk(
      shards.map((payload) => ({
        name: 'shard',
        data: { ...payload, version },
        opts: {
          ...deliveryOptions(JOB_PARTS.shard.attempts),
          jobId: `${job.id}-${payload.step}-${payload.shard}`,
          // One that has ended leaves its id free, so that it can be given out again.
          removeOnComplete: true,
          removeOnFail: true,
          ignoreDependencyOnFailure: true,
          parent,
        },
      })),
    );
  };

  const discard = async ({ kind, payload }: Delivery, logger: Logger) => {
    if (kind === 'shard') return;
    try {
      await o.discard?.(kind, payload);
    } catch (err) {
      logger.warn({ err }, 'what was left of the job could not be removed');
    }
  };

  /** Writes how an unsuccessful attempt ended, and throws what makes the queue do the same. */
  const settle = async (
    job: Job<unknown, void>,
    token: string | undefined,
    task: Active,
    error: unknown,
    delivery: Delivery,
  ) => {
    const { jobId, attempt, ledger, logger } = task;
    if (task.ended === 'lost') throw new UnrecoverableError('The job was given to another worker.');
    if (task.ended === 'cancelled') {
      task.outcome = 'cancelled';
      await persist(() => ledger.cancelled(jobId, attempt));
      logger.info('job cancelled');
      await discard(delivery, logger);
      return;
    }
    if (task.ended === 'stopping') {
      task.outcome = 'stopped';
      const stopped = 'The worker was stopped; the job went back to the queue.';
      await persist(() =>
        ledger.fail(jobId, attempt, { code: 'unavailable', message: stopped, retryable: true }, { final: false }),
      );
      await job.moveToWait(token);
      logger.info('job put back');
      throw new WaitingError();
    }
    const failure = describe(error);
    const final = !failure.retryable || job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
    logger[final ? 'error' : 'warn']({ err: error, final }, 'job failed');
    const taken = await persist(() => ledger.fail(jobId, attempt, failure, { final }));
    if (taken) task.outcome = final ? 'failed' : 'retried';
    if (final && taken) await discard(delivery, logger);
    throw toldToQueue(failure);
  };

  const worker = new Worker<unknown, void>(queueName, (job, token) => work(job, token), {
    connection,
    prefix: o.prefix ?? DEFAULT_PREFIX,
    concurrency: o.concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs / 2,
    maxStalledCount: LOSSES,
    // also the name of its connection, by which workers are counted; Redis takes no space in it
    name: name.replaceAll(' ', '/'),
  });
  reportErrors(worker, o.logger);
  worker.on('stalled', (id) => o.logger.warn({ queueJob: id }, 'a worker was lost; its job is given out again'));
  worker.on('failed', (job, err) => {
    // Ended by the queue itself, without a call of `work`: the job has lost its worker too often.
    if (job === undefined || handled.has(job)) return;
    const jobId = (job.data as { jobId?: unknown }).jobId;
    if (typeof jobId !== 'string') return;
    const message =
      `The worker was lost ${LOSSES + 1} times during this job: killed, or out of memory. ` +
      'See its log; give it more memory or less data, then retry the job.';
    o.logger.error({ jobId, err }, message);
    persist(() => o.ledger.giveUp(jobId, { code: 'internal', message, retryable: true })).catch((error: unknown) =>
      o.logger.error({ jobId, err: error }, 'the ledger was not reached'),
    );
  });

  return {
    ready: async () => {
      await worker.waitUntilReady();
    },
    close: async () => {
      clearTimeout(standingBack);
      const closed = worker.close();
      await Promise.race([closed, delay(graceMs, undefined, { ref: false })]);
      if (active.size > 0) {
        for (const task of active) {
          end(task, 'stopping', new CloveError('unavailable', 'The worker is being stopped.'));
        }
        await Promise.race([closed, delay(ABORT_LIMIT_MS, undefined, { ref: false })]);
      }
      for (const task of active) {
        task.logger.error('the job does not end; the queue gives it to another worker');
      }
      clearInterval(beats);
      connection.disconnect();
    },
  };
}

/**
 * A worker for the long jobs of a queue and one for the short ones, each with `concurrency` at once: short jobs never wait for
 * long ones, and however many short ones come, long ones go on.
 * @param o.handlers makes the handlers of either
 */
export function startWorkers<Q extends QueueName>({
  handlers,
  ...o
}: Omit<WorkerOptions<Q>, 'handlers' | 'short'> & { handlers: (short: boolean) => Handlers<Q> }): WorkerHost {
  const hosts = [false, true].map((short) => startWorker({ ...o, short, handlers: handlers(short) }));
  return {
    ready: async () => {
      await Promise.all(hosts.map((host) => host.ready()));
    },
    close: async () => {
      await Promise.all(hosts.map((host) => host.close()));
    },
  };
}

/** What the queue gave out: a job, or a part of one. */
type Delivery =
  | { kind: JobKind; payload: JobPayload<JobKind> }
  | { kind: keyof typeof JOB_PARTS; payload: ShardPayload };

/** @throws UnrecoverableError where the queue holds something that no producer of this version writes */
function readJob(job: Job<unknown, void>): Delivery {
  if (job.name === 'shard') {
    const payload = JOB_PARTS.shard.payload.safeParse(job.data);
    if (payload.success) return { kind: job.name, payload: payload.data };
    throw new UnrecoverableError(`The payload of a shard does not fit: ${payload.error.message}`);
  }
  const kind = JobKind.safeParse(job.name);
  if (!kind.success) throw new UnrecoverableError(`"${job.name}" is not a kind of job.`);
  const payload = JOBS[kind.data].payload.safeParse(job.data);
  if (!payload.success) {
    throw new UnrecoverableError(`The payload of a ${kind.data} job does not fit: ${payload.error.message}`);
  }
  return { kind: kind.data, payload: payload.data };
}

/** What the ledger keeps of an error. Errors that nobody foresaw may pass, so they are tried again. */
function describe(error: unknown): JobError {
  if (error instanceof CloveError) return { code: error.code, message: error.message, retryable: error.retryable };
  // what it says may hold paths, SQL or values, and goes to the log only
  const message = 'Something went wrong in the worker: its log says more under the id of the job.';
  return { code: 'internal', message, retryable: true };
}

/** What the queue keeps of a failure: messages may quote what a user sent, and are the ledger's alone. */
const toldToQueue = ({ code, retryable }: JobError): Error =>
  retryable ? new Error(code) : new UnrecoverableError(code);

/** The end of long work must not be lost to a moment without a database: tried for some seconds. */
async function persist<T>(write: () => Promise<T>): Promise<T> {
  for (let pauseMs = 200; ; pauseMs *= 2) {
    try {
      return await write();
    } catch (error) {
      if ((error instanceof CloveError && !error.retryable) || pauseMs > 2000) throw error;
      await delay(pauseMs);
    }
  }
}
