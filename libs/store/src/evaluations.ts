import { CloveError, Day, Evaluation, EvaluationReport } from '@clove/contracts';
import { check, json, notFound, shown, type Database } from './database.js';
import { holdDataset } from './datasets.js';
import type { Prisma } from './generated/client.js';
import { newId } from './ids.js';
import { refuseEnded } from './job-moves.js';
import { newJob, toJob, withAttempts } from './jobs.js';
import { requireVersion } from './models.js';
import { page } from './paging.js';
import type { Evaluations } from './registry.js';
import { ofTenant } from './tenancy.js';

const withJob = { job: { select: { id: true, status: true } } } as const satisfies Prisma.EvaluationInclude;

/** The end of a run has no job of its own and is there only once it has succeeded. */
const toEvaluation = (row: Prisma.EvaluationGetPayload<{ include: typeof withJob }>): Evaluation =>
  shown(
    Evaluation,
    { ...row, status: row.job?.status ?? 'succeeded', createdAt: row.createdAt.toISOString() },
    `evaluation (${row.id})`,
  );

export function openEvaluations(db: Database): Evaluations {
  const get = async (id: string) => {
    const row = await db.evaluation.findUnique({ where: { id }, include: withJob });
    if (row === null) throw notFound('evaluation', id);
    return row;
  };
  return {
    create: ({ datasetId, versionId, testOrigin, requestId }) =>
      db.$transaction(async (tx) => {
        await holdDataset(tx, datasetId, ['ready']);
        await requireVersion(tx, versionId);
        const id = newId('evaluation');
        const job = await tx.job.create({ data: newJob('evaluate', id, requestId), include: withAttempts });
        const evaluation = await tx.evaluation.create({
          data: {
            id,
            jobId: job.id,
            versionId,
            datasetId,
            testOrigin: testOrigin === undefined ? null : check(Day, testOrigin, 'test origin'),
          },
          include: withJob,
        });
        return { evaluation: toEvaluation(evaluation), job: toJob(job), attempt: 1 };
      }),

    get: async (id) => toEvaluation(await get(id)),

    list: ({ versionId, ...query }) =>
      page(
        query,
        ({ where, ...args }) =>
          db.evaluation.findMany({ ...args, where: { ...where, ...(versionId && { versionId }) }, include: withJob }),
        toEvaluation,
      ),

    input: async (id) => {
      const { datasetId, versionId, testOrigin } = await get(id);
      if (datasetId === null) {
        throw new CloveError('conflict', `The dataset of evaluation ${id} has been deleted.`);
      }
      return { datasetId, versionId, testOrigin };
    },

    complete: async (id, report) => {
      const checked = json(check(EvaluationReport, report, 'evaluation report'));
      await db.$transaction(async (tx) => {
        await tx.$queryRaw`SELECT id FROM evaluations WHERE id = ${id} AND ${ofTenant(tx, 'evaluations')} FOR UPDATE`;
        const row = await tx.evaluation.findUnique({ where: { id }, include: withJob });
        if (row === null) throw notFound('evaluation', id);
        if (row.report !== null) return;
        if (row.job !== null) refuseEnded(row.job);
        await tx.evaluation.update({ where: { id }, data: { report: checked } });
      });
    },
  };
}
