import type { JOBS, JobError, JobKind, JobPayload, JobStatus, QueueName } from '@clove/contracts';
import type { Logger } from './logger.js';
import type { QueueOptions } from './redis.js';

/** Postgres is the truth about a job; the worker host writes it through this. */
export interface JobLedger {
  /** Begins an attempt; `skip` where the job has already ended. */
  start(
    jobId: string,
    worker: string,
  ): Promise<{ outcome: 'started'; attempt: number } | { outcome: 'skip'; status: JobStatus }>;
  /** Called once a second while the job is worked on. */
  beat(jobId: string, state: { progress: number; stage: string }): Promise<{ cancelRequested: boolean }>;
  succeed(jobId: string): Promise<void>;
  /** `final: false` puts the job back to queued, for its next try. */
  fail(jobId: string, error: JobError, o: { final: boolean }): Promise<void>;
  cancelled(jobId: string): Promise<void>;
}

/** What a handler works with. `progress` is cheap: it is written at most once a second. */
export type JobContext = {
  /** Aborts when the user cancels, the process stops or the job was given to another worker; its reason is a CloveError. */
  signal: AbortSignal;
  logger: Logger;
  progress(fraction: number, stage: string): void;
  attempt: number;
  requestId: string;
};

/** A handler for every kind of job that the queue carries. */
export type Handlers<Q extends QueueName> = {
  [K in JobKind as (typeof JOBS)[K]['queue'] extends Q ? K : never]: (
    payload: JobPayload<K>,
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
  handlers: Handlers<Q>;
  ledger: JobLedger;
  logger: Logger;
  concurrency: number;
  /** how long `close` lets active jobs go on before it aborts them; 5 s when left out */
  graceMs?: number;
};

export function startWorker<Q extends QueueName>(_o: WorkerOptions<Q>): WorkerHost {
  throw new Error('being written');
}
