import { CloveError, Dataset, DatasetProfile, DatasetSource, Name } from '@clove/contracts';
import { check, json, notFound, shown, type Database, type Queryable } from './database.js';
import type { DatasetStatus } from './generated/enums.js';
import type { DatasetModel } from './generated/models.js';
import { newJob, toJob, withAttempts } from './jobs.js';
import { page } from './paging.js';
import type { Datasets } from './registry.js';
import { ofTenant } from './tenancy.js';

const sourceOf = (row: DatasetModel): DatasetSource => shown(DatasetSource, row.source, `dataset (${row.id})`);

function toDataset(row: DatasetModel): Dataset {
  const source = sourceOf(row);
  return shown(
    Dataset,
    {
      ...row,
      source:
        source.type === 'upload'
          ? {
              type: source.type,
              files: source.files.map(({ name, bytes }) => ({ name, bytes })),
              preset: source.options.preset ?? null,
            }
          : { type: source.type, files: [], preset: null },
      currency: source.options.currency ?? null,
      erasedAt: row.erasedAt?.toISOString() ?? null,
      createdAt: row.createdAt.toISOString(),
    },
    `dataset (${row.id})`,
  );
}

/**
 * Holds the dataset against deletion until the transaction ends, for something is about to refer to it.
 * @throws CloveError 'not-found', or 'conflict' where it is in none of the statuses `usable`
 */
export async function holdDataset(tx: Queryable, id: string, usable: readonly DatasetStatus[]): Promise<void> {
  const [row] = await tx.$queryRaw<{ status: DatasetStatus }[]>`
    SELECT status::text FROM datasets WHERE id = ${id} AND ${ofTenant(tx, 'datasets')} FOR SHARE`;
  if (row === undefined) throw notFound('dataset', id);
  if (usable.includes(row.status)) return;
  throw new CloveError(
    'conflict',
    row.status === 'pending'
      ? `Dataset ${id} is still being ingested; wait for its job to end.`
      : `Dataset ${id} was not ingested: its job failed or was cancelled. Its warnings say why; retry the job or upload it again.`,
  );
}

/** Jobs that use the dataset now, oldest first. */
function activeJobs(tx: Queryable, id: string) {
  const ofDataset = { datasetId: id };
  return tx.job.findMany({
    where: {
      status: { in: ['queued', 'running'] },
      OR: [
        { dataset: { id } },
        { run: ofDataset },
        { leaderboard: ofDataset },
        { evaluation: ofDataset },
        { prediction: ofDataset },
      ],
    },
    select: { id: true, kind: true, status: true },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  });
}

export function openDatasets(db: Database): Datasets {
  const get = async (id: string) => {
    const row = await db.dataset.findUnique({ where: { id } });
    if (row === null) throw notFound('dataset', id);
    return row;
  };
  return {
    create: ({ id, name, source, requestId }) =>
      db.$transaction(async (tx) => {
        const job = await tx.job.create({ data: newJob('ingest', id, requestId), include: withAttempts });
        const dataset = await tx.dataset.create({
          data: {
            id: check(Dataset.shape.id, id, 'dataset id'),
            name: check(Name, name, 'dataset name'),
            source: json(check(DatasetSource, source, 'dataset source')),
            jobId: job.id,
          },
        });
        return { dataset: toDataset(dataset), job: toJob(job), attempt: 1 };
      }),

    get: async (id) => toDataset(await get(id)),

    list: ({ kind, status, ...query }) =>
      page(
        query,
        ({ where, ...args }) =>
          db.dataset.findMany({ ...args, where: { ...where, ...(kind && { kind }), ...(status && { status }) } }),
        toDataset,
      ),

    source: async (id) => sourceOf(await get(id)),

    dependents: async (id) => {
      const ofDataset = { where: { datasetId: id } };
      await get(id);
      const [runs, leaderboards, evaluations, predictions, versions, jobs] = await Promise.all([
        db.run.count(ofDataset),
        db.leaderboard.count(ofDataset),
        db.evaluation.count(ofDataset),
        db.prediction.count(ofDataset),
        db.modelVersion.findMany({
          where: { OR: [{ run: { datasetId: id } }, { leaderboard: { datasetId: id } }] },
          select: { number: true, model: { select: { label: true } } },
          orderBy: { createdAt: 'desc' },
          take: 100,
        }),
        activeJobs(db, id),
      ]);
      const models = versions.map(({ number, model }) => `${model.label}@${number}`);
      return { runs, leaderboards, evaluations, predictions, models, activeJobs: jobs };
    },

    remove: (id) =>
      db.$transaction(async (tx) => {
        const [locked] = await tx.$queryRaw<{ id: string }[]>`
          SELECT id FROM datasets WHERE id = ${id} AND ${ofTenant(tx, 'datasets')} FOR UPDATE`;
        if (locked === undefined) throw notFound('dataset', id);
        const [user] = await activeJobs(tx, id);
        if (user !== undefined) {
          throw new CloveError(
            'conflict',
            `Dataset ${id} is in use by ${user.kind} job ${user.id}, which is ${user.status}; cancel it or wait for its end.`,
          );
        }
        await tx.dataset.delete({ where: { id } });
      }),

    complete: async (id, profile) => {
      const { kind, rows, customers, rejectedRows, warnings } = check(DatasetProfile, profile, 'dataset profile');
      const { count } = await db.dataset.updateMany({
        where: { id, status: 'pending' },
        data: { status: 'ready', kind, rows, customers, rejectedRows, warnings: json(warnings) },
      });
      if (count === 1) return;
      const { status } = await get(id);
      if (status === 'failed') {
        throw new CloveError('conflict', `Dataset ${id} has failed meanwhile: its job ended. Retry the job.`);
      }
    },
  };
}
