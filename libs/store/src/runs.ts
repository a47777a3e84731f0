import { Epoch, ModelManifest, Run, RunSummary, Slug, TrainingOptions } from '@clove/contracts';
import { check, json, notFound, shown, type Database } from './database.js';
import { holdDataset } from './datasets.js';
import type { Prisma } from './generated/client.js';
import { newId } from './ids.js';
import { refuseEnded } from './job-moves.js';
import { newJob, toJob, withAttempts } from './jobs.js';
import { findVersion } from './models.js';
import { page } from './paging.js';
import type { Runs } from './registry.js';
import { ofTenant } from './tenancy.js';
import { addVersion } from './versions.js';

const forSummary = {
  job: { select: { status: true } },
  version: { select: { id: true, number: true } },
} as const satisfies Prisma.RunInclude;
const forRun = {
  ...forSummary,
  epochs: { orderBy: { epoch: 'asc' }, omit: { runId: true } },
  evaluation: { select: { report: true } },
} as const satisfies Prisma.RunInclude;

const summary = (row: Prisma.RunGetPayload<{ include: typeof forSummary }>) => ({
  id: row.id,
  datasetId: row.datasetId,
  jobId: row.jobId,
  status: row.job.status,
  modelName: row.modelName,
  versionId: row.version?.id ?? null,
  version: row.version?.number ?? null,
  options: row.options,
  backend: row.backend,
  bestEpoch: row.bestEpoch,
  createdAt: row.createdAt.toISOString(),
});

const toRun = (row: Prisma.RunGetPayload<{ include: typeof forRun }>): Run =>
  shown(Run, { ...summary(row), epochs: row.epochs, evaluation: row.evaluation?.report ?? null }, `run (${row.id})`);

export function openRuns(db: Database): Runs {
  const exists = async (id: string) => {
    if ((await db.run.count({ where: { id } })) === 0) throw notFound('run', id);
  };
  const get = async (id: string) => {
    const row = await db.run.findUnique({ where: { id }, include: forRun });
    if (row === null) throw notFound('run', id);
    return toRun(row);
  };
  return {
    create: async ({ datasetId, modelName, options, requestId }) => {
      const id = newId('run');
      const job = await db.$transaction(async (tx) => {
        await holdDataset(tx, datasetId, ['ready']);
        const made = await tx.job.create({ data: newJob('train', id, requestId), include: withAttempts });
        await tx.run.create({
          data: {
            id,
            datasetId,
            jobId: made.id,
            modelName: check(Slug, modelName, 'model name'),
            options: json(check(TrainingOptions, options, 'training options')),
          },
        });
        return made;
      });
      return { run: await get(id), job: toJob(job), attempt: 1 };
    },

    get,

    getAll: async (ids) => {
      const rows = await db.run.findMany({ where: { id: { in: [...ids] } }, include: forRun });
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => {
        const row = byId.get(id);
        if (row === undefined) throw notFound('run', id);
        return toRun(row);
      });
    },

    list: ({ datasetId, modelName, status, ...query }) =>
      page(
        query,
        ({ where, ...args }) =>
          db.run.findMany({
            ...args,
            where: {
              ...where,
              ...(datasetId && { datasetId }),
              ...(modelName && { modelName }),
              ...(status && { job: { status } }),
            },
            include: forSummary,
          }),
        (row) => shown(RunSummary, summary(row), `run (${row.id})`),
      ),

    putEpoch: async (runId, input) => {
      const { epoch, ...figures } = check(Epoch, input, 'epoch');
      await exists(runId);
      await db.runEpoch.upsert({
        where: { runId_epoch: { runId, epoch } },
        create: { runId, epoch, ...figures },
        update: figures,
      });
    },

    clearEpochs: async (runId) => {
      await exists(runId);
      await db.runEpoch.deleteMany({ where: { runId } });
    },

    complete: async (runId, result) => {
      const manifest = check(ModelManifest, result.manifest, 'model manifest');
      const { backend, bestEpoch } = manifest.training;
      await db.$transaction(async (tx) => {
        // completions of one run, one after the other: the second finds the version of the first
        await tx.$queryRaw`SELECT id FROM runs WHERE id = ${runId} AND ${ofTenant(tx, 'runs')} FOR UPDATE`;
        const run = await tx.run.findUnique({ where: { id: runId }, include: { job: true } });
        if (run === null) throw notFound('run', runId);
        if ((await tx.modelVersion.count({ where: { runId } })) > 0) return;
        refuseEnded(run.job);
        await addVersion(tx, run, { runId }, result);
        await tx.run.update({ where: { id: runId }, data: { backend, bestEpoch } });
      });
      return findVersion(db, { runId }, result.versionId);
    },
  };
}
