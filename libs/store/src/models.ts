import {
  AliasMove,
  CloveError,
  EvaluationReport,
  Model,
  ModelVersion,
  ModelVersionSummary,
  Slug,
  type GateResult,
  type Metrics,
} from '@clove/contracts';
import { check, json, notFound, shown, storable, type Database, type Queryable } from './database.js';
import { gatesOf, withOwnEvaluation } from './gates.js';
import type { Prisma } from './generated/client.js';
import { newId } from './ids.js';
import { page } from './paging.js';
import type { Models } from './registry.js';
import { modelKey, ofTenant } from './tenancy.js';

/** The alias that a plain model name stands for, where it is set. */
export const CHAMPION = 'champion';
const DIGITS = /^[0-9]+$/;
const VersionName = ModelVersion.pick({ id: true, model: true, version: true });
/** The largest number that the column holds. */
const MAX_NUMBER = 2 ** 31 - 1;

const withParts = {
  model: { select: { label: true } },
  aliases: { select: { alias: true }, orderBy: { alias: 'asc' } },
  ...withOwnEvaluation,
} as const satisfies Prisma.ModelVersionInclude;
type VersionRow = Prisma.ModelVersionGetPayload<{ include: typeof withParts }>;

const parts = (row: Omit<VersionRow, 'manifest' | 'artifacts'>) => ({
  id: row.id,
  model: row.model.label,
  version: row.number,
  runId: row.runId,
  leaderboardId: row.leaderboardId,
  source: row.importId !== null ? 'imported' : row.leaderboardId !== null ? 'leaderboard' : 'run',
  aliases: row.aliases.map(({ alias }) => alias),
  createdAt: row.createdAt.toISOString(),
});

const toVersion = (row: VersionRow, gates: GateResult[]): ModelVersion =>
  shown(
    ModelVersion,
    {
      ...parts(row),
      manifest: row.manifest,
      evaluation: row.evaluations[0]?.report ?? null,
      gates,
      artifacts: row.artifacts,
    },
    `model version (${row.id})`,
  );

function toSummary(row: Omit<VersionRow, 'manifest' | 'artifacts'>): ModelVersionSummary {
  const what = `model version (${row.id})`;
  const report = row.evaluations[0]?.report ?? null;
  const metrics: Metrics | null = report === null ? null : shown(EvaluationReport, report, what).metrics;
  return shown(ModelVersionSummary, { ...parts(row), type: row.type, kind: row.kind, metrics }, what);
}

const withCounts = {
  aliases: { orderBy: { alias: 'asc' } },
  _count: { select: { versions: true } },
} as const satisfies Prisma.ModelInclude;

function toModel(row: Prisma.ModelGetPayload<{ include: typeof withCounts }>): Model {
  const { _count: count, id, label, lastVersion, aliases, createdAt } = row;
  return shown(
    Model,
    {
      id,
      name: label,
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
  return toVersion(row, await gatesOf(db, row));
}

/** Names are of a tenant. @throws CloveError 'internal' on a registry that is bound to none */
function keyOf({ $tenant }: Database, name: string): string {
  if ($tenant === null)
    throw new CloveError('internal', `Whose model ${name} is meant? Bind the registry to a tenant.`);
  return modelKey($tenant, name);
}

async function get(db: Database, name: string) {
  const row = await db.model.findUnique({ where: { key: keyOf(db, name) }, include: withCounts });
  if (row === null) throw notFound('model', name);
  return row;
}

/** 'not-found' where there is no such version. */
export async function requireVersion(tx: Queryable, id: string): Promise<void> {
  if ((await tx.modelVersion.count({ where: { id } })) === 0) throw notFound('model version', id);
}

/** Where an alias points, null for nowhere; the model is locked, so that its moves happen one after the other. */
async function formerOf(tx: Queryable, modelId: string, alias: string): Promise<number | null> {
  await tx.$queryRaw`SELECT id FROM models WHERE id = ${modelId} AND ${ofTenant(tx, 'models')} FOR UPDATE`;
  const row = await tx.modelAlias.findUnique({ where: { modelId_alias: { modelId, alias } } });
  return row?.number ?? null;
}

async function keepMove(
  tx: Queryable,
  { gates, ...move }: Omit<Prisma.AliasMoveUncheckedCreateInput, 'id' | 'gates'> & { gates: GateResult[] },
): Promise<void> {
  await tx.aliasMove.create({ data: { id: newId('aliasMove'), ...move, gates: json(gates) } });
}

/** A version that is there; 'not-found' where it is not. */
async function numbered<T>(found: Promise<T | null> | null, name: string, number: number): Promise<T> {
  const version = await found;
  if (version === null) throw notFound('model version', `${name}@${number}`);
  return version;
}

/** Points an alias at a version and keeps the move; the model is locked. @throws CloveError 'gate-failed' without `force` */
async function move(
  tx: Queryable,
  to: {
    modelId: string;
    name: string;
    alias: string;
    number: number;
    former: number | null;
    force: boolean;
    movedBy: string;
    reason: string;
  },
): Promise<void> {
  const { modelId, name, alias, number, former, force, movedBy, reason } = to;
  const where = { modelId_number: { modelId, number } };
  // one relation only: Prisma asks for several at once, and the connection of a transaction answers one after the other
  const found = number > MAX_NUMBER ? null : tx.modelVersion.findUnique({ where, include: withOwnEvaluation });
  const version = await numbered(found, name, number);
  if (former === number) return;
  const gates = alias === CHAMPION ? await gatesOf(tx, version) : [];
  const failed = gates.filter(({ passed }) => !passed);
  if (failed.length > 0 && !force) {
    throw new CloveError(
      'gate-failed',
      `${name}@${number} does not become champion: ${failed.map(({ message }) => message).join(' ')} ` +
        'Train a better version, or move the alias with force.',
      {
        gates,
        errors: failed.map(({ message }) => ({ pointer: '/version', detail: message })),
      },
    );
  }
  // versions are never removed, and a foreign key holds the alias to one
  await tx.modelAlias.upsert({
    where: { modelId_alias: { modelId, alias } },
    create: { modelId, alias, number },
    update: { number },
  });
  await keepMove(tx, {
    modelId,
    alias,
    number,
    former,
    forced: failed.length > 0,
    gates,
    movedBy,
    reason: storable(reason),
  });
}

export function openModels(db: Database): Models {
  const byNumber = async (name: string, number: number) => {
    if (number > MAX_NUMBER) throw notFound('model version', `${name}@${number}`);
    return findVersion(db, { number, model: { key: keyOf(db, name) } }, `${name}@${number}`);
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
      const find = async (where: Prisma.ModelVersionWhereInput) => {
        const select = { id: true, number: true, model: { select: { label: true } } } as const;
        const row = await db.modelVersion.findFirst({ where, select, orderBy: { number: 'desc' } });
        if (row === null) return null;
        return shown(VersionName, { id: row.id, model: row.model.label, version: row.number }, `version (${row.id})`);
      };
      const wanted = (): Promise<Awaited<ReturnType<typeof find>>> | null => {
        if (ModelVersion.shape.id.safeParse(ref).success) return find({ id: ref });
        const [name = '', word] = ref.split('@', 2);
        const model = { key: keyOf(db, name) };
        const named = (alias: string) => find({ model, aliases: { some: { alias } } });
        if (word === undefined) return named(CHAMPION).then((champion) => champion ?? find({ model }));
        if (!DIGITS.test(word)) return named(word);
        return Number(word) > MAX_NUMBER ? null : find({ model, number: Number(word) });
      };
      const found = await wanted();
      if (found === null) throw notFound('model version', ref);
      return found;
    },

    setAlias: async (name, alias, number, { force = false, movedBy = 'unknown', reason = '' } = {}) => {
      check(Slug, alias, 'alias');
      const { id: modelId } = await get(db, name);
      await db.$transaction(async (tx) => {
        const former = await formerOf(tx, modelId, alias);
        await move(tx, { modelId, name, alias, number, former, force, movedBy, reason });
      });
      return toModel(await get(db, name));
    },

    previewAlias: async (name, alias, number) => {
      check(Slug, alias, 'alias');
      const { id: modelId, aliases } = await get(db, name);
      const former = aliases.find((known) => known.alias === alias)?.number ?? null;
      const summaryOf = (wanted: number) => {
        const where = { modelId_number: { modelId, number: wanted } };
        const omit = { manifest: true, artifacts: true } as const;
        return wanted > MAX_NUMBER ? null : db.modelVersion.findUnique({ where, include: withParts, omit });
      };
      const to = await numbered(summaryOf(number), name, number);
      const from = former === null || former === number ? to : await numbered(summaryOf(former), name, former);
      const gates = alias === CHAMPION && former !== number ? await gatesOf(db, to) : [];
      return {
        alias,
        from: former === null ? null : toSummary(from),
        to: toSummary(to),
        passed: gates.every(({ passed }) => passed),
        gates,
      };
    },

    rollBack: async (name, alias, { movedBy = 'unknown', reason = '' } = {}) => {
      const { id: modelId } = await get(db, name);
      await db.$transaction(async (tx) => {
        const former = await formerOf(tx, modelId, alias);
        const last = await tx.aliasMove.findFirst({
          where: { modelId, alias },
          orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        });
        if (last === null || last.former === null) {
          throw new CloveError(
            'conflict',
            `${name}@${alias} cannot be rolled back: its history has no place where it pointed before.`,
          );
        }
        const number = last.former;
        await move(tx, { modelId, name, alias, number, former, force: true, movedBy, reason });
      });
      return toModel(await get(db, name));
    },

    removeAlias: async (name, alias, movedBy = 'unknown') => {
      const { id: modelId } = await get(db, name);
      await db.$transaction(async (tx) => {
        const former = await formerOf(tx, modelId, alias);
        const { count } = await tx.modelAlias.deleteMany({ where: { modelId, alias } });
        if (count === 0) throw notFound('alias', `${name}@${alias}`);
        await keepMove(tx, { modelId, alias, number: null, former, forced: false, gates: [], movedBy });
      });
    },

    moves: async (name, query) => {
      const { id: modelId } = await get(db, name);
      return page(
        query,
        ({ where, ...args }) => db.aliasMove.findMany({ ...args, where: { ...where, modelId } }),
        ({ number, createdAt, ...row }) =>
          shown(AliasMove, { ...row, version: number, createdAt: createdAt.toISOString() }, `alias move (${row.id})`),
      );
    },
  };
}
