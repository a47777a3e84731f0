import { CloveError, JOB_TRANSITIONS, JobStatus, isTerminal, type Job, type JobError } from '@clove/contracts';
import { json, notFound, type Queryable } from './database.js';
import { Prisma } from './generated/client.js';
import { logJob } from './job-log.js';
import { ofTenant } from './tenancy.js';

/** Statuses from which a job may move to `to`. */
const legalFrom = (to: JobStatus): JobStatus[] =>
  JobStatus.options.filter((from) => JOB_TRANSITIONS[from].includes(to));

/** A move and all that belongs to it. */
export type Move =
  | { to: 'running'; worker: string }
  /** an attempt ended for a passing reason */
  | { to: 'queued'; error: JobError }
  /** a user's retry */
  | { to: 'queued'; requestId: string }
  | { to: 'succeeded' }
  | { to: 'failed'; error: JobError }
  | { to: 'cancelled' };

function changes(move: Move, now: Date): Prisma.JobUncheckedUpdateManyInput {
  if (move.to === 'running') return { stage: 'starting', progress: 0, beatAt: now };
  if (move.to === 'succeeded') return { stage: 'done', progress: 1, finishedAt: now };
  if (move.to === 'failed') return { stage: 'failed', error: json(move.error), finishedAt: now };
  if (move.to === 'cancelled') return { stage: 'cancelled', cancelRequested: true, finishedAt: now };
  if ('error' in move) return { stage: 'waiting to be tried again', progress: 0 };
  return {
    stage: 'queued',
    progress: 0,
    error: Prisma.DbNull,
    cancelRequested: false,
    requestId: move.requestId,
    delivery: { increment: 1 },
    startedAt: null,
    finishedAt: null,
  };
}

/** What the log of the job says of a move. */
function lineOf(move: Move, attempt: number): string {
  if (move.to === 'running') return `attempt ${attempt} starts on ${move.worker}`;
  if (move.to === 'failed') return `failed: ${move.error.message}`;
  if (move.to !== 'queued') return move.to;
  return 'error' in move ? `attempt ${attempt} failed and will be made again: ${move.error.message}` : 'queued again';
}

/**
 * The one place where a job's status changes: an update that only takes a job whose status may lead to `move.to`, with
 * the attempts and the dataset of an ingest changed beside it. Of two moves at once the second sees the outcome of the
 * first. A trigger in the database refuses what would get past this function.
 *
 * Attempts: running closes an open one as lost and opens another; leaving running closes it.
 * Erasure: the ids of its customers are forgotten when the job ends.
 * Dataset of an ingest: failed with the reason when the job ends without success, pending again with a retry.
 *
 * @param tx a transaction
 * @returns the number of the job's last attempt, 0 where there was none
 * @throws CloveError 'illegal-transition' where the job's status does not allow it, 'not-found'
 */
export async function moveJob(tx: Queryable, id: string, move: Move): Promise<number> {
  const now = new Date();
  const retried = 'requestId' in move;
  // the two ways back into the queue start from different statuses
  const from = legalFrom(move.to).filter((status) => move.to !== 'queued' || retried === (status !== 'running'));
  const [moved] = await tx.job.updateManyAndReturn({
    where: { id, status: { in: from } },
    data: { ...changes(move, now), status: move.to, revision: { increment: 1 } },
  });
  if (moved === undefined) throw await refusal(tx, id, move.to);

  const error = 'error' in move ? json(move.error) : Prisma.DbNull;
  const ended = move.to === 'running' ? 'lost' : move.to === 'queued' ? 'failed' : move.to;
  await tx.jobAttempt.updateMany({
    where: { jobId: id, status: 'running' },
    data: { status: ended, finishedAt: now, error },
  });
  const last = await tx.jobAttempt.findFirst({ where: { jobId: id }, orderBy: { number: 'desc' } });
  let attempt = last?.number ?? 0;
  if (move.to === 'running') {
    attempt += 1;
    await tx.job.updateMany({ where: { id, startedAt: null }, data: { startedAt: now } });
    await tx.jobAttempt.create({ data: { jobId: id, number: attempt, worker: move.worker, startedAt: now } });
  }

  await logJob(tx, id, lineOf(move, attempt));

  // whatever its end: who was to be erased is known no longer than the job takes
  if (moved.kind === 'erasure' && isTerminal(move.to)) {
    await tx.erasure.updateMany({ where: { jobId: id }, data: { customers: Prisma.DbNull } });
  }

  if (moved.kind === 'ingest') {
    if (retried) {
      await tx.dataset.updateMany({
        where: { jobId: id, status: 'failed' },
        data: { status: 'pending', warnings: [] },
      });
    } else if (move.to === 'failed' || move.to === 'cancelled') {
      const reason =
        move.to === 'failed'
          ? { code: move.error.code, message: `The ingest failed. ${move.error.message}` }
          : { code: 'cancelled', message: 'The ingest was cancelled. Retry its job, or delete the dataset.' };
      await tx.dataset.updateMany({
        where: { jobId: id, status: 'pending' },
        data: { status: 'failed', warnings: json([reason]) },
      });
    }
  }
  return attempt;
}

async function refusal(tx: Queryable, id: string, to: JobStatus): Promise<CloveError> {
  const job = await tx.job.findUnique({ where: { id }, select: { status: true } });
  if (job === null) return notFound('job', id);
  return new CloveError('illegal-transition', `Job ${id} is ${job.status} and cannot become ${to}.`);
}

/** What a resource may not be completed under: its job ended without success. */
export const refuseEnded = (job: { id: string; status: Job['status'] }): void => {
  if (job.status === 'failed' || job.status === 'cancelled') {
    throw new CloveError('conflict', `Job ${job.id} is ${job.status}: its result is not taken. Retry the job.`);
  }
};

/**
 * The job's state, its row locked until the transaction ends: moves of one job happen one after the other. `held` is false
 * while a running job waits for its shards.
 */
export async function lockJob(
  tx: Queryable,
  id: string,
): Promise<{ status: JobStatus; cancelRequested: boolean; held: boolean }> {
  const [row] = await tx.$queryRaw<{ status: JobStatus; cancelRequested: boolean; held: boolean }[]>`
    SELECT status::text, cancel_requested AS "cancelRequested", beat_at IS NOT NULL OR status <> 'running' AS held
    FROM jobs WHERE id = ${id} AND ${ofTenant(tx, 'jobs')} FOR UPDATE`;
  if (row === undefined) throw notFound('job', id);
  return row;
}
