import { ImportFileName, ModelImport, ModelManifest, Slug, type Schema } from '@clove/contracts';
import { check, json, notFound, shown, type Database } from './database.js';
import type { Prisma } from './generated/client.js';
import { refuseEnded } from './job-moves.js';
import { newJob, toJob, withAttempts } from './jobs.js';
import { findVersion } from './models.js';
import type { Imports } from './registry.js';
import { ofTenant } from './tenancy.js';
import { addVersion } from './versions.js';

type Files = { name: ImportFileName; key: string; bytes: number }[];

const withParts = {
  job: { select: { id: true, status: true } },
  version: { select: { id: true, number: true } },
} as const satisfies Prisma.ModelImportInclude;
type Row = Prisma.ModelImportGetPayload<{ include: typeof withParts }>;

/** What the column `files` holds was checked when it was written. */
const filesOf = (row: Row): Files => row.files as Files;

const toImport = (row: Row): ModelImport =>
  shown(
    ModelImport,
    {
      id: row.id,
      jobId: row.jobId,
      status: row.job.status,
      modelName: row.modelName,
      files: filesOf(row).map(({ name, bytes }) => ({ name, bytes })),
      versionId: row.version?.id ?? null,
      version: row.version?.number ?? null,
      createdAt: row.createdAt.toISOString(),
    },
    `import (${row.id})`,
  );

export function openImports(db: Database): Imports {
  const get = async (id: string) => {
    const row = await db.modelImport.findUnique({ where: { id }, include: withParts });
    if (row === null) throw notFound('import', id);
    return row;
  };
  const name: Schema<ImportFileName> = ImportFileName;
  return {
    create: async ({ id, modelName, files, requestId }) => {
      for (const file of files) check(name, file.name, 'name of a model file');
      const job = await db.$transaction(async (tx) => {
        const made = await tx.job.create({ data: newJob('import', id, requestId), include: withAttempts });
        await tx.modelImport.create({
          data: {
            id: check(ModelImport.shape.id, id, 'import id'),
            jobId: made.id,
            modelName: check(Slug, modelName, 'model name'),
            files: json(files),
          },
        });
        return made;
      });
      return { modelImport: toImport(await get(id)), job: toJob(job), attempt: 1 };
    },

    get: async (id) => toImport(await get(id)),

    input: async (id) => {
      const row = await get(id);
      return { modelName: row.modelName, files: filesOf(row) };
    },

    complete: async (id, version) => {
      check(ModelManifest, version.manifest, 'model manifest');
      await db.$transaction(async (tx) => {
        await tx.$queryRaw`SELECT id FROM model_imports WHERE id = ${id} AND ${ofTenant(tx, 'model_imports')} FOR UPDATE`;
        const row = await tx.modelImport.findUnique({ where: { id }, include: { job: true } });
        if (row === null) throw notFound('import', id);
        if ((await tx.modelVersion.count({ where: { importId: id } })) > 0) return;
        refuseEnded(row.job);
        await addVersion(tx, { ...row, datasetId: null }, { importId: id }, { ...version, evaluation: null });
      });
      return findVersion(db, { importId: id }, version.versionId);
    },
  };
}
