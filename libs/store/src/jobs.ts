import {
  CloveError,
  JOBS,
  Job,
  JobAttempt,
  JobError,
  JobKind,
  JobLogLine,
  JobStatus,
  isTerminal,
} from '@clove/contracts';
import { check, notFound, shown, storable, type Database, type Queryable } from './database.js';
import type { Prisma } from './generated/client.js';
import { newId } from './ids.js';
import { HOLDS_UP } from './holds-up.js';
import { logJob, sameButFigures } from './job-log.js';
import { lockJob, moveJob } from './job-moves.js';
import { page } from './paging.js';
import type { Jobs, QueuedJob } from './registry.js';
import { isShort } from './short-jobs.js';
import { ofTenant } from './tenancy.js';

/** After this long without a beat the worker of a running job is taken for lost. Beats come once a second. */
const SILENT_MS = 60_000;
/** A worker that has beaten within this is at work. */
const ALIVE_MS = 5000;
/** As many jobs as the reconciler looks at in one round. */
const WAITING_LIMIT = 1000;

const RESOURCE_OF = {
  ingest: 'dataset',
  train: 'run',
  leaderboard: 'leaderboard',
  evaluate: 'evaluation',
  predict: 'prediction',
  import: 'import',
  erasure: 'erasure',
} as const;

export const withAttempts = { attempts: { orderBy: { number: 'asc' } } } as const satisfies Prisma.JobInclude;
type JobRow = Prisma.JobGetPayload<{ include: typeof withAttempts }>;

export function toJob(row: JobRow): Job {
  const kind = shown(JobKind, row.kind, `job (${row.id})`);
  const { resourceId, delivery: _delivery, beatAt: _beatAt, createdAt, startedAt, finishedAt, ...rest } = row;
  return shown(
    Job,
    {
      ...rest,
      resource: { type: RESOURCE_OF[kind], id: resourceId },
      attempts: row.attempts.map((attempt) => ({
        ...attempt,
        startedAt: attempt.startedAt.toISOString(),
        finishedAt: attempt.finishedAt?.toISOString() ?? null,
      })),
      createdAt: createdAt.toISOString(),
      startedAt: startedAt?.toISOString() ?? null,
      finishedAt: finishedAt?.toISOString() ?? null,
    },
    `job (${row.id})`,
  );
}

const checkedRequestId = (id: string): string => check(JOBS.ingest.payload.shape.requestId, id, 'request id');

/** The row of a new job, to be made in one transaction with its resource. */
export function newJob(kind: JobKind, resourceId: string, requestId: string) {
  return { id: newId('job'), kind, resourceId, requestId: checkedRequestId(requestId) };
}

type QueuedRow = { id: string; kind: string; resourceId: string; requestId: string; delivery: number };

function toQueued(row: QueuedRow): QueuedJob {
  const what = `job (${row.id})`;
  const kind = shown(JobKind, row.kind, what);
  const base = { jobId: row.id, requestId: row.requestId };
  const attempt = row.delivery;
  switch (kind) {
    case 'ingest':
      return { kind, payload: shown(JOBS.ingest.payload, { ...base, datasetId: row.resourceId }, what), attempt };
    case 'train':
      return { kind, payload: shown(JOBS.train.payload, { ...base, runId: row.resourceId }, what), attempt };
    case 'leaderboard':
      return {
        kind,
        payload: shown(JOBS.leaderboard.payload, { ...base, leaderboardId: row.resourceId }, what),
        attempt,
      };
    case 'evaluate':
      return { kind, payload: shown(JOBS.evaluate.payload, { ...base, evaluationId: row.resourceId }, what), attempt };
    case 'predict':
      return { kind, payload: shown(JOBS.predict.payload, { ...base, predictionId: row.resourceId }, what), attempt };
    case 'import':
      return { kind, payload: shown(JOBS.import.payload, { ...base, importId: row.resourceId }, what), attempt };
    case 'erasure':
      return { kind, payload: shown(JOBS.erasure.payload, { ...base, erasureId: row.resourceId }, what), attempt };
  }
}

async function get(db: Queryable, id: string) {
  const row = await db.job.findUnique({ where: { id }, include: withAttempts });
  if (row === null) throw notFound('job', id);
  return row;
}

/** Goes on with a job that no worker had while its shards were at work: its attempt is the same, in other hands. */
async function takeUp(tx: Queryable, id: string, worker: string) {
  const seen = await tx.job.update({
    where: { id },
    data: { beatAt: new Date() },
    select: { progress: true, stage: true },
  });
  const [attempt] = await tx.jobAttempt.updateManyAndReturn({
    where: { jobId: id, status: 'running' },
    data: { worker },
  });
  if (attempt === undefined) throw new CloveError('internal', `Job ${id} is running without an attempt.`);
  return { attempt: attempt.number, seen };
}

/** A retry can only do again what still has its inputs. */
async function refuseWithoutInputs(tx: Queryable, { id, kind }: { id: string; kind: string }): Promise<void> {
  if (kind === 'erasure') {
    throw new CloveError(
      'conflict',
      `Job ${id} cannot be retried: the ids of the customers were not kept beyond its end. Ask for the erasure again.`,
    );
  }
  const hasDataset = { datasetId: { not: null } };
  const inputs = [
    { dataset: { isNot: null } },
    { run: hasDataset },
    { leaderboard: hasDataset },
    { evaluation: hasDataset },
    { prediction: hasDataset },
    { modelImport: { isNot: null } },
  ];
  if ((await tx.job.count({ where: { id, OR: inputs } })) === 0) {
    throw new CloveError('conflict', `Job ${id} cannot be retried: its dataset has been deleted. Start a new one.`);
  }
}

/** All of `Jobs` but the moves of shards, see shards.ts. */
export function openJobs(db: Database): Omit<Jobs, 'shard'> {
  /** Does what a worker asks for while its attempt is under way, the job's row locked; else false. */
  const during = (
    id: string,
    attempt: number,
    act: (tx: Queryable, job: { cancelRequested: boolean }) => Promise<unknown>,
  ): Promise<boolean> =>
    db.$transaction(async (tx) => {
      const job = await lockJob(tx, id);
      // asked for after the lock is there, so that it is seen as the worker before left it
      const open = await tx.jobAttempt.count({ where: { jobId: id, number: attempt, status: 'running' } });
      if (open === 0) return false;
      await act(tx, job);
      return true;
    });
  return {
    get: async (id) => toJob(await get(db, id)),

    log: async (id, after) => {
      const rows = await db.jobLogLine.findMany({
        where: { jobId: id, number: { gt: after } },
        orderBy: { number: 'asc' },
        omit: { jobId: true },
      });
      if (rows.length === 0 && (await db.job.count({ where: { id } })) === 0) throw notFound('job', id);
      return rows.map((row) => shown(JobLogLine, { ...row, at: row.at.toISOString() }, `log of job (${id})`));
    },

    list: ({ status, kind, ...query }) =>
      page(
        query,
        ({ where, ...args }) =>
          db.job.findMany({
            ...args,
            where: { ...where, ...(status && { status }), ...(kind && { kind }) },
            include: withAttempts,
          }),
        toJob,
      ),

    requestCancel: (id) =>
      db.$transaction(async (tx) => {
        const { status, cancelRequested, held } = await lockJob(tx, id);
        if (isTerminal(status)) {
          throw new CloveError('illegal-transition', `Job ${id} is ${status} already; there is nothing to cancel.`);
        }
        // Of a job that only its shards are at work on, these find out by their beats.
        if (status === 'queued' || !held) await moveJob(tx, id, { to: 'cancelled' });
        else if (!cancelRequested) {
          await tx.job.update({
            where: { id },
            data: { cancelRequested: true, stage: 'cancelling', revision: { increment: 1 } },
          });
        }
        return toJob(await get(tx, id));
      }),

    retry: (id, requestId) =>
      db.$transaction(async (tx) => {
        await lockJob(tx, id);
        await moveJob(tx, id, { to: 'queued', requestId: checkedRequestId(requestId) });
        const row = await get(tx, id);
        await refuseWithoutInputs(tx, row);
        const queued = toQueued(row);
        return { job: toJob(row), queued, attempt: queued.attempt };
      }),

    counts: async () => {
      const groups = await db.job.groupBy({ by: ['kind', 'status'], _count: true });
      const countOf = new Map(groups.map(({ kind, status, _count }) => [`${kind} ${status}`, _count]));
      return JobKind.options.flatMap((kind) =>
        JobStatus.options.map((status) => ({ kind, status, count: countOf.get(`${kind} ${status}`) ?? 0 })),
      );
    },

    oldestQueued: async () => {
      // a job that was tried before is no older than its last attempt, and the queue holds it up on purpose
      const groups = await db.job.groupBy({
        by: ['kind'],
        where: { status: 'queued', attempts: { none: {} } },
        _min: { createdAt: true },
      });
      const first = new Map(groups.map(({ kind, _min }) => [kind, _min.createdAt]));
      return JobKind.options.map((kind) => {
        const since = first.get(kind);
        return { kind, seconds: since ? Math.max(0, (Date.now() - since.getTime()) / 1000) : 0 };
      });
    },

    attemptCounts: async () => {
      const groups = await db.jobAttempt.groupBy({ by: ['status'], _count: true });
      const countOf = new Map<string, number>(groups.map(({ status, _count }) => [status, _count]));
      return JobAttempt.shape.status.options.map((status) => ({ status, count: countOf.get(status) ?? 0 }));
    },

    queued: (most) => db.job.count({ where: { status: 'queued' }, take: most }),

    waiting: async () => {
      // A prediction from an upload waits for its dataset, and an erasure for what may have read what it has erased: until then
      // they are not the queue's.
      const rows = await db.$queryRaw<(QueuedRow & { short: boolean })[]>`
        SELECT j.id, j.kind, j.resource_id AS "resourceId", j.request_id AS "requestId", j.delivery, ${isShort} AS short
        FROM jobs j
        LEFT JOIN predictions p ON p.job_id = j.id
        LEFT JOIN datasets d ON d.id = p.dataset_id
        LEFT JOIN LATERAL (SELECT max(beat_at) AS beat_at FROM shards WHERE prediction_id = p.id) s ON true
        WHERE (j.status = 'queued'
            OR (j.status = 'running' AND coalesce(j.beat_at, s.beat_at) < now() - ${SILENT_MS} * interval '1 ms')
            OR (j.status = 'running' AND j.kind = 'erasure' AND j.beat_at IS NULL AND NOT EXISTS (
              SELECT FROM erasures e CROSS JOIN LATERAL (${HOLDS_UP}) b WHERE e.job_id = j.id)))
          AND d.status IS DISTINCT FROM 'pending'
          AND ${ofTenant(db, 'j')}
        ORDER BY j.created_at, j.id
        LIMIT ${WAITING_LIMIT}`;
      return rows.map((row) => ({ ...toQueued(row), short: row.short }));
    },

    isShort: async (id) => {
      const [row] = await db.$queryRaw<{ short: boolean }[]>`
        SELECT ${isShort} AS short FROM jobs j WHERE j.id = ${id} AND ${ofTenant(db, 'j')}`;
      if (row === undefined) throw notFound('job', id);
      return row.short;
    },

    start: (jobId, worker) =>
      db.$transaction(async (tx) => {
        const { status, cancelRequested, held } = await lockJob(tx, jobId);
        if (isTerminal(status)) return { outcome: 'skip', status };
        if (cancelRequested) {
          await moveJob(tx, jobId, { to: 'cancelled' });
          return { outcome: 'skip', status: 'cancelled' };
        }
        if (status === 'running' && !held) return { outcome: 'started', ...(await takeUp(tx, jobId, worker)) };
        return { outcome: 'started', attempt: await moveJob(tx, jobId, { to: 'running', worker }) };
      }),

    beat: async (jobId, attempt, state) => {
      const stage = storable(state.stage);
      const progress = check(Job.shape.progress, Math.min(1, Math.max(0, state.progress)), 'progress');
      // revision grows only with what a reader can see
      const [row] = await db.$queryRaw<{ cancelRequested: boolean; former: string }[]>`
        UPDATE jobs SET
          beat_at = now(),
          revision = jobs.revision + CASE WHEN jobs.progress = ${progress} AND jobs.stage = ${stage} THEN 0 ELSE 1 END,
          progress = ${progress},
          stage = ${stage}
        FROM jobs AS before
        WHERE jobs.id = ${jobId} AND jobs.status = 'running' AND before.id = jobs.id AND ${ofTenant(db, 'jobs')}
          AND EXISTS (SELECT FROM job_attempts a WHERE a.job_id = jobs.id AND a.number = ${attempt} AND a.status = 'running')
        RETURNING jobs.cancel_requested AS "cancelRequested", before.stage AS former`;
      if (row !== undefined) {
        if (!sameButFigures(row.former, stage)) await logJob(db, jobId, stage);
        return row.cancelRequested ? 'cancelled' : 'go on';
      }
      const { status } = await get(db, jobId);
      return status === 'cancelled' ? 'cancelled' : 'lost';
    },

    succeed: (jobId, attempt) => during(jobId, attempt, (tx) => moveJob(tx, jobId, { to: 'succeeded' })),

    fail: async (jobId, attempt, reason, { final }) => {
      const error = check(JobError, reason, 'job error');
      return during(jobId, attempt, (tx, { cancelRequested }) => {
        if (final) return moveJob(tx, jobId, { to: 'failed', error });
        return moveJob(tx, jobId, cancelRequested ? { to: 'cancelled' } : { to: 'queued', error });
      });
    },

    cancelled: (jobId, attempt) => during(jobId, attempt, (tx) => moveJob(tx, jobId, { to: 'cancelled' })),

    wait: (jobId, attempt) =>
      during(jobId, attempt, (tx, { cancelRequested }) =>
        cancelRequested
          ? moveJob(tx, jobId, { to: 'cancelled' })
          : tx.job.update({ where: { id: jobId }, data: { beatAt: null } }),
      ),

    giveUp: async (jobId, reason) => {
      const error = check(JobError, reason, 'job error');
      await db.$transaction(async (tx) => {
        const { status } = await lockJob(tx, jobId);
        const [alive] = await tx.$queryRaw<unknown[]>`
          SELECT FROM jobs WHERE id = ${jobId} AND status = 'running' AND beat_at > now() - ${ALIVE_MS} * interval '1 ms'
            AND ${ofTenant(tx, 'jobs')}`;
        if (!isTerminal(status) && alive === undefined) await moveJob(tx, jobId, { to: 'failed', error });
      });
    },
  };
}
