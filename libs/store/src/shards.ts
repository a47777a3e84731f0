import { JobError, type ShardStep } from '@clove/contracts';
import { check, notFound, type Database, type Queryable } from './database.js';
import { logJob } from './job-log.js';
import { lockJob, moveJob } from './job-moves.js';
import type { ShardMoves } from './registry.js';
import { ofTenant } from './tenancy.js';

/** Shares of the progress of a prediction: its plan, the scoring of its shards, their writing; what is left joins them. */
const PLANNED = 0.02;
const SCORED = 0.6;
const WRITTEN = 0.3;

type Tally = { shards: number; scored: number; written: number; scoredShare: number; writtenShare: number };

/** Writes what all shards together have come to into their job, where it is running and no worker has it. */
async function tell(tx: Queryable, jobId: string, step: ShardStep): Promise<void> {
  const [tally] = await tx.$queryRaw<Tally[]>`
    SELECT
      count(*)::int AS shards,
      count(*) FILTER (WHERE s.scored)::int AS scored,
      count(*) FILTER (WHERE s.written)::int AS written,
      sum(s.rows * CASE WHEN s.scored THEN 1 ELSE s.progress END) / sum(s.rows) AS "scoredShare",
      sum(s.rows * CASE WHEN s.written THEN 1 WHEN s.scored THEN s.progress ELSE 0 END) / sum(s.rows) AS "writtenShare"
    FROM shards s JOIN predictions p ON p.id = s.prediction_id
    WHERE p.job_id = ${jobId} AND ${ofTenant(tx, 'p')}`;
  if (tally === undefined || tally.shards === 0) return;
  const progress = PLANNED + SCORED * tally.scoredShare + (step === 'write' ? WRITTEN * tally.writtenShare : 0);
  const done =
    step === 'score'
      ? `${tally.scored} of ${tally.shards} shards scored`
      : `${tally.written} of ${tally.shards} shards written`;
  await tx.$executeRaw`
    UPDATE jobs SET
      revision = revision + CASE WHEN progress = ${progress} AND stage = ${done} THEN 0 ELSE 1 END,
      progress = ${progress},
      stage = ${done}
    WHERE id = ${jobId} AND status = 'running' AND beat_at IS NULL AND NOT cancel_requested AND ${ofTenant(tx, 'jobs')}`;
}

/** The moves of one step of one shard; see `ShardMoves`. */
export function shardMoves(db: Database, number: number, step: ShardStep): ShardMoves {
  const done = step === 'score' ? { scored: true } : { written: true };
  const of = (jobId: string) => ({ number, prediction: { jobId } });
  /** Does what a worker asks for while its attempt at the shard is under way in a running job, whose row is locked; else false. */
  const during = (jobId: string, attempt: number, act: (tx: Queryable) => Promise<unknown>): Promise<boolean> =>
    db.$transaction(async (tx) => {
      const { status } = await lockJob(tx, jobId);
      const open = await tx.shard.count({ where: { ...of(jobId), attempts: attempt, NOT: done } });
      if (status !== 'running' || open === 0) return false;
      await act(tx);
      return true;
    });
  return {
    start: (jobId, worker) =>
      db.$transaction(async (tx) => {
        const { status, cancelRequested } = await lockJob(tx, jobId);
        if (status !== 'running') return { outcome: 'skip', status };
        if (cancelRequested) {
          await moveJob(tx, jobId, { to: 'cancelled' });
          return { outcome: 'skip', status: 'cancelled' };
        }
        const [shard] = await tx.shard.updateManyAndReturn({
          where: { ...of(jobId), NOT: done },
          data: { attempts: { increment: 1 }, progress: 0, beatAt: new Date() },
        });
        if (shard === undefined) return { outcome: 'skip', status: 'succeeded' };
        if (shard.attempts > 1) {
          await logJob(tx, jobId, `shard ${number + 1} is begun again, attempt ${shard.attempts}, by ${worker}`);
        }
        return { outcome: 'started', attempt: shard.attempts };
      }),

    beat: async (jobId, attempt, state) => {
      const progress = Math.min(1, Math.max(0, state.progress));
      const { count } = await db.shard.updateMany({
        where: { ...of(jobId), attempts: attempt, NOT: done },
        data: { progress, beatAt: new Date() },
      });
      if (count > 0) await tell(db, jobId, step);
      const job = await db.job.findUnique({ where: { id: jobId }, select: { status: true, cancelRequested: true } });
      if (job === null) throw notFound('job', jobId);
      if (job.cancelRequested || job.status !== 'running') return 'cancelled';
      return count > 0 ? 'go on' : 'lost';
    },

    succeed: async (jobId, attempt) => {
      const { count } = await db.shard.updateMany({
        where: { ...of(jobId), attempts: attempt, NOT: done },
        data: { ...done, progress: 0, attempts: 0, beatAt: new Date() },
      });
      if (count > 0) await tell(db, jobId, step);
      return count > 0;
    },

    fail: (jobId, attempt, reason, { final }) =>
      during(jobId, attempt, async (tx) => {
        if (final) await moveJob(tx, jobId, { to: 'failed', error: check(JobError, reason, 'job error') });
      }),

    cancelled: (jobId, attempt) => during(jobId, attempt, (tx) => moveJob(tx, jobId, { to: 'cancelled' })),
  };
}
