import { EvaluationReport, Model, ModelVersion, ModelVersionSummary, Slug, type Metrics } from '@clove/contracts';
import { check, notFound, shown, type Database, type Queryable } from './database.js';
import type { Prisma } from './generated/client.js';
import { page } from './paging.js';
import type { Models } from './registry.js';

/** The alias that a plain model name stands for, where it is set. */
export const CHAMPION = 'champion';
const DIGITS = /^[0-9]+$/;
/** The largest number that the column holds. */
const MAX_NUMBER = 2 ** 31 - 1;

const withParts = {
  model: { select: { name: true } },
  aliases: { select: { alias: true }, orderBy: { alias: 'asc' } },
  run: { select: { evaluation: { select: { report: true } } } },
} as const satisfies Prisma.ModelVersionInclude;
type VersionRow = Prisma.ModelVersionGetPayload<{ include: typeof withParts }>;

const parts = (row: Omit<VersionRow, 'manifest' | 'artifacts'>) => ({
  id: row.id,
  model: row.model.name,
  version: row.number,
  runId: row.runId,
  aliases: row.aliases.map(({ alias }) => alias),
  createdAt: row.createdAt.toISOString(),
});

const toVersion = (row: VersionRow): ModelVersion =>
  shown(
    ModelVersion,
    {
      ...parts(row),
      manifest: row.manifest,
      evaluation: row.run?.evaluation?.report ?? null,
      artifacts: row.artifacts,
    },
    `model version (${row.id})`,
  );

function toSummary(row: Omit<VersionRow, 'manifest' | 'artifacts'>): ModelVersionSummary {
  const what = `model version (${row.id})`;
  const report = row.run?.evaluation?.report ?? null;
  const metrics: Metrics | null = report === null ? null : shown(EvaluationReport, report, what).metrics;
  return shown(ModelVersionSummary, { ...parts(row), type: row.type, kind: row.kind, metrics }, what);
}

const withCounts = {
  aliases: { orderBy: { alias: 'asc' } },
  _count: { select: { versions: true } },
} as const satisfies Prisma.ModelInclude;

function toModel(row: Prisma.ModelGetPayload<{ include: typeof withCounts }>): Model {
  const { _count: count, id, name, lastVersion, aliases, createdAt } = row;
  return shown(
    Model,
    {
      id,
      name,
      versions: count.versions,
      latestVersion: lastVersion === 0 ? null : lastVersion,
      aliases: Object.fromEntries(aliases.map(({ alias, number }) => [alias, number])),
      createdAt: createdAt.toISOString(),
    },
    `model (${id})`,
  );
}

/** The version that `where` finds; 'not-found' naming it as `name`. */
export async function findVersion(
  db: Database,
  where: Prisma.ModelVersionWhereInput,
  name: string,
): Promise<ModelVersion> {
  const row = await db.modelVersion.findFirst({ where, include: withParts, orderBy: { number: 'desc' } });
  if (row === null) throw notFound('model version', name);
  return toVersion(row);
}

async function get(db: Database, name: string) {
  const row = await db.model.findUnique({ where: { name }, include: withCounts });
  if (row === null) throw notFound('model', name);
  return row;
}

/** 'not-found' where there is no such version. */
export async function requireVersion(tx: Queryable, id: string): Promise<void> {
  if ((await tx.modelVersion.count({ where: { id } })) === 0) throw notFound('model version', id);
}

export function openModels(db: Database): Models {
  const byNumber = async (name: string, number: number) => {
    if (number > MAX_NUMBER) throw notFound('model version', `${name}@${number}`);
    return findVersion(db, { number, model: { name } }, `${name}@${number}`);
  };

  return {
    list: (query) => page(query, (args) => db.model.findMany({ ...args, include: withCounts }), toModel),

    get: async (name) => toModel(await get(db, name)),

    versions: async (name, query) => {
      const { id: modelId } = await get(db, name);
      return page(
        query,
        ({ where, ...args }) =>
          db.modelVersion.findMany({
            ...args,
            where: { ...where, modelId },
            include: withParts,
            omit: { manifest: true, artifacts: true },
          }),
        toSummary,
      );
    },

    version: byNumber,

    versionById: (id) => findVersion(db, { id }, id),

    resolve: async (ref) => {
      if (ModelVersion.shape.id.safeParse(ref).success) return findVersion(db, { id: ref }, ref);
      const [name = '', word] = ref.split('@', 2);
      if (word !== undefined && DIGITS.test(word)) return byNumber(name, Number(word));
      const model = await get(db, name);
      const number = model.aliases.find(({ alias }) => alias === (word ?? CHAMPION))?.number;
      if (word === undefined) return byNumber(name, number ?? model.lastVersion);
      if (number === undefined) throw notFound('model version', ref);
      return byNumber(name, number);
    },

    setAlias: async (name, alias, number) => {
      check(Slug, alias, 'alias');
      const { id: modelId } = await get(db, name);
      if (number > MAX_NUMBER || (await db.modelVersion.count({ where: { modelId, number } })) === 0) {
        throw notFound('model version', `${name}@${number}`);
      }
      // versions are never removed, and a foreign key holds the alias to one
      await db.modelAlias.upsert({
        where: { modelId_alias: { modelId, alias } },
        create: { modelId, alias, number },
        update: { number },
      });
      return toModel(await get(db, name));
    },

    removeAlias: async (name, alias) => {
      const { id: modelId } = await get(db, name);
      const { count } = await db.modelAlias.deleteMany({ where: { modelId, alias } });
      if (count === 0) throw notFound('alias', `${name}@${alias}`);
    },
  };
}
