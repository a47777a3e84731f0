import { z } from 'zod';
import { Instant, idOf } from './common.js';
import { JobStatus } from './job-status.js';

export * from './job-status.js';

/**
 * Version of what the queues carry: jobs, their parts, questions. It grows with a change that a worker of the version before
 * would misunderstand, a new kind of job too; the producer writes it beside each payload. A worker leaves what is newer than
 * itself to workers that know it. What each version looks like is kept in `libs/runtime/src/payloads`.
 */
export const JOB_VERSION = 2;

/** What is read of a payload before all else. What carries no version was queued before there were any. */
export const JobVersion = z.looseObject({ version: z.number().int().min(1).default(1) });

const base = { jobId: idOf('job'), requestId: z.string().max(100) };

/**
 * Every kind of queued work: its payload (ids only, never rows), which service consumes it and how often a passing
 * failure is tried again. Producer and handler types derive from this object: a missing handler does not compile.
 * Delivery is at least once, so handlers are idempotent.
 */
export const JOBS = {
  ingest: { queue: 'ingest', attempts: 3, payload: z.object({ ...base, datasetId: idOf('ds') }) },
  erasure: { queue: 'ingest', attempts: 3, payload: z.object({ ...base, erasureId: idOf('ers') }) },
  train: { queue: 'train', attempts: 2, payload: z.object({ ...base, runId: idOf('run') }) },
  leaderboard: { queue: 'train', attempts: 2, payload: z.object({ ...base, leaderboardId: idOf('lbd') }) },
  evaluate: { queue: 'score', attempts: 3, payload: z.object({ ...base, evaluationId: idOf('evl') }) },
  predict: { queue: 'score', attempts: 3, payload: z.object({ ...base, predictionId: idOf('prd') }) },
  import: { queue: 'score', attempts: 3, payload: z.object({ ...base, importId: idOf('imp') }) },
} as const;
export type JobKind = keyof typeof JOBS;
export type JobPayload<K extends JobKind> = z.infer<(typeof JOBS)[K]['payload']>;
export type QueueName = (typeof JOBS)[JobKind]['queue'];

/** What is done with a shard of a large prediction: its rows are scored, then, once all shards are, ranked and written. */
export const ShardStep = z.enum(['score', 'write']);
export type ShardStep = z.infer<typeof ShardStep>;

/**
 * Parts of a job that any worker of its queue may do, as the queue carries them: one of a kind in JOBS is their parent and
 * goes on once all have ended. They have no rows among the jobs; their payload names the parent's.
 */
export const JOB_PARTS = {
  shard: {
    of: 'predict',
    queue: 'score',
    attempts: 3,
    payload: z.object({ ...base, predictionId: idOf('prd'), shard: z.number().int().min(0), step: ShardStep }),
  },
} as const;
export type ShardPayload = z.infer<typeof JOB_PARTS.shard.payload>;
export const JobKind = z.enum(['ingest', 'train', 'leaderboard', 'evaluate', 'predict', 'import', 'erasure']);

/** Why a job failed: `code` is stable, `message` says what to do. */
export const JobError = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });
export type JobError = z.infer<typeof JobError>;

export const JobAttempt = z.object({
  number: z.number().int().min(1),
  worker: z.string().describe('host, process id and service'),
  status: z.enum(['running', 'succeeded', 'failed', 'cancelled', 'lost']),
  startedAt: Instant,
  finishedAt: Instant.nullable(),
  error: JobError.nullable(),
});
export type JobAttempt = z.infer<typeof JobAttempt>;

/** A job as polling and SSE both show it. `revision` grows with every change. */
export const Job = z.object({
  id: idOf('job'),
  kind: JobKind,
  status: JobStatus,
  progress: z.number().min(0).max(1),
  stage: z.string().describe('what is going on now, for people'),
  resource: z
    .object({
      type: z.enum(['dataset', 'run', 'leaderboard', 'evaluation', 'prediction', 'import', 'erasure']),
      id: z.string(),
    })
    .describe('what the job makes'),
  attempts: z.array(JobAttempt),
  error: JobError.nullable(),
  cancelRequested: z.boolean(),
  requestId: z.string(),
  revision: z.number().int(),
  createdAt: Instant,
  startedAt: Instant.nullable(),
  finishedAt: Instant.nullable(),
});
export type Job = z.infer<typeof Job>;

/** A line of what was going on in a job. Lines that would differ from the one before in figures only are one. */
export const JobLogLine = z.object({
  number: z.number().int().min(1),
  attempt: z.number().int().min(0).describe('0: before the first'),
  at: Instant,
  message: z.string(),
});
export type JobLogLine = z.infer<typeof JobLogLine>;
export const JobLog = z.object({ items: z.array(JobLogLine) });
export type JobLog = z.infer<typeof JobLog>;

/** What `202 Accepted` answers: the job to poll and the resource that it makes. */
export const Accepted = z.object({ job: Job, id: z.string().describe('id of the resource being made') });
export type Accepted = z.infer<typeof Accepted>;
