import { CloveError, Day, Prediction, PredictionReport, PredictionSummary } from '@clove/contracts';
import { check, json, notFound, shown, type Database } from './database.js';
import { holdDataset } from './datasets.js';
import type { Prisma } from './generated/client.js';
import { newId } from './ids.js';
import { refuseEnded } from './job-moves.js';
import { newJob, toJob, withAttempts } from './jobs.js';
import { requireVersion } from './models.js';
import { page } from './paging.js';
import type { Predictions } from './registry.js';
import { ofTenant } from './tenancy.js';

const withParts = {
  job: { select: { id: true, status: true } },
  version: { select: { number: true, model: { select: { label: true } } } },
} as const satisfies Prisma.PredictionInclude;

const toPrediction = (row: Omit<Prisma.PredictionGetPayload<{ include: typeof withParts }>, 'report'>): Prediction =>
  shown(
    Prediction,
    {
      ...row,
      status: row.job.status,
      model: row.version.model.label,
      version: row.version.number,
      createdAt: row.createdAt.toISOString(),
    },
    `prediction (${row.id})`,
  );

export function openPredictions(db: Database): Predictions {
  const get = async (id: string) => {
    const row = await db.prediction.findUnique({ where: { id }, include: withParts, omit: { report: true } });
    if (row === null) throw notFound('prediction', id);
    return toPrediction(row);
  };
  return {
    create: async ({ datasetId, versionId, asOf, includeInputs, requestId }) => {
      const id = newId('prediction');
      const job = await db.$transaction(async (tx) => {
        await holdDataset(tx, datasetId, ['ready', 'pending']);
        await requireVersion(tx, versionId);
        const made = await tx.job.create({ data: newJob('predict', id, requestId), include: withAttempts });
        await tx.prediction.create({
          data: {
            id,
            jobId: made.id,
            versionId,
            datasetId,
            asOf: asOf === undefined ? null : check(Day, asOf, 'as-of date'),
            includeInputs,
          },
        });
        return made;
      });
      return { prediction: await get(id), job: toJob(job), attempt: 1 };
    },

    get,

    remove: async (id) => {
      const { count } = await db.prediction.deleteMany({
        where: { id, job: { status: { in: ['succeeded', 'failed', 'cancelled'] } } },
      });
      if (count === 1) return;
      const { jobId } = await get(id);
      throw new CloveError(
        'conflict',
        `Prediction ${id} is being made by job ${jobId}: cancel it or wait for its end.`,
      );
    },

    report: async (id) => {
      const row = await db.prediction.findUnique({ where: { id }, select: { report: true } });
      if (row === null) throw notFound('prediction', id);
      return row.report === null ? null : shown(PredictionReport, row.report, `report of prediction (${id})`);
    },

    list: ({ datasetId, versionId, status, ...query }) =>
      page(
        query,
        ({ where, ...args }) =>
          db.prediction.findMany({
            ...args,
            where: {
              ...where,
              ...(datasetId && { datasetId }),
              ...(versionId && { versionId }),
              ...(status && { job: { status } }),
            },
            include: withParts,
            omit: { report: true },
          }),
        toPrediction,
      ),

    cut: async (id, rows) => {
      await db.$transaction([
        db.shard.deleteMany({ where: { predictionId: id } }),
        db.shard.createMany({ data: rows.map((count, number) => ({ predictionId: id, number, rows: count })) }),
      ]);
    },

    shards: (id) =>
      db.shard.findMany({
        where: { predictionId: id },
        orderBy: { number: 'asc' },
        select: { number: true, rows: true, scored: true, written: true },
      }),

    complete: async (id, result) => {
      const summary = json(check(PredictionSummary, result.summary, 'prediction summary'));
      const report = json(check(PredictionReport, result.report, 'prediction report'));
      const warnings = json(check(Prediction.shape.warnings, result.warnings, 'list of warnings'));
      const rows = check(Prediction.shape.rows, result.rows, 'number of rows');
      const asOf = check(Prediction.shape.asOf, result.asOf, 'as-of date');
      await db.$transaction(async (tx) => {
        await tx.$queryRaw`SELECT id FROM predictions WHERE id = ${id} AND ${ofTenant(tx, 'predictions')} FOR UPDATE`;
        const row = await tx.prediction.findUnique({ where: { id }, include: { job: true } });
        if (row === null) throw notFound('prediction', id);
        if (row.rows !== null) return;
        refuseEnded(row.job);
        await tx.prediction.update({ where: { id }, data: { rows, summary, report, warnings, asOf } });
        await tx.shard.deleteMany({ where: { predictionId: id } });
      });
    },
  };
}
