import { Leaderboard, LeaderboardOptions, LeaderboardReport, LeaderboardSummary, Slug } from '@clove/contracts';
import { check, json, notFound, shown, type Database } from './database.js';
import { holdDataset } from './datasets.js';
import type { Prisma } from './generated/client.js';
import { newId } from './ids.js';
import { refuseEnded } from './job-moves.js';
import { newJob, toJob, withAttempts } from './jobs.js';
import { page } from './paging.js';
import type { Leaderboards } from './registry.js';
import { ofTenant } from './tenancy.js';
import { addVersion } from './versions.js';

const withParts = {
  job: { select: { status: true } },
  version: { select: { id: true, number: true } },
} as const satisfies Prisma.LeaderboardInclude;
type Row = Prisma.LeaderboardGetPayload<{ include: typeof withParts }>;

const parts = (row: Row) => ({
  id: row.id,
  datasetId: row.datasetId,
  jobId: row.jobId,
  status: row.job.status,
  modelName: row.modelName,
  versionId: row.version?.id ?? null,
  version: row.version?.number ?? null,
  options: row.options,
  createdAt: row.createdAt.toISOString(),
});

const toLeaderboard = (row: Row): Leaderboard =>
  shown(Leaderboard, { ...parts(row), report: row.report }, `leaderboard (${row.id})`);

function toSummary(row: Row): LeaderboardSummary {
  const what = `leaderboard (${row.id})`;
  const winner = row.report === null ? null : shown(LeaderboardReport, row.report, what).winner;
  return shown(LeaderboardSummary, { ...parts(row), winner }, what);
}

export function openLeaderboards(db: Database): Leaderboards {
  const get = async (id: string) => {
    const row = await db.leaderboard.findUnique({ where: { id }, include: withParts });
    if (row === null) throw notFound('leaderboard', id);
    return toLeaderboard(row);
  };
  return {
    create: async ({ datasetId, modelName, options, requestId }) => {
      const id = newId('leaderboard');
      const job = await db.$transaction(async (tx) => {
        await holdDataset(tx, datasetId, ['ready']);
        const made = await tx.job.create({ data: newJob('leaderboard', id, requestId), include: withAttempts });
        await tx.leaderboard.create({
          data: {
            id,
            datasetId,
            jobId: made.id,
            modelName: modelName === undefined ? null : check(Slug, modelName, 'model name'),
            options: json(check(LeaderboardOptions, options, 'options of the leaderboard')),
          },
        });
        return made;
      });
      return { leaderboard: await get(id), job: toJob(job), attempt: 1 };
    },

    get,

    list: ({ datasetId, ...query }) =>
      page(
        query,
        ({ where, ...args }) =>
          db.leaderboard.findMany({
            ...args,
            where: { ...where, ...(datasetId && { datasetId }) },
            include: withParts,
          }),
        toSummary,
      ),

    complete: async (id, { report, winner }) => {
      const checked = json(check(LeaderboardReport, report, 'report of the leaderboard'));
      await db.$transaction(async (tx) => {
        await tx.$queryRaw`SELECT id FROM leaderboards WHERE id = ${id} AND ${ofTenant(tx, 'leaderboards')} FOR UPDATE`;
        const row = await tx.leaderboard.findUnique({ where: { id }, include: { job: true } });
        if (row === null) throw notFound('leaderboard', id);
        if (row.report !== null) return;
        refuseEnded(row.job);
        const { tenantId, modelName, datasetId } = row;
        if (modelName !== null && winner !== null) {
          await addVersion(tx, { tenantId, modelName, datasetId }, { leaderboardId: id }, winner);
        }
        await tx.leaderboard.update({ where: { id }, data: { report: checked } });
      });
      return get(id);
    },
  };
}
