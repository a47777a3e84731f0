import {
  CloveError,
  DatasetProfile,
  Erasure,
  ErasureResult,
  type Json,
  PredictionSummary,
  StartErasure,
  withoutIds,
} from '@clove/contracts';
import { revisionKeys } from './artifact-keys.js';
import { check, json, jsonText, notFound, shown, type Database, type Queryable } from './database.js';
import { Prisma } from './generated/client.js';
import { HOLDS_UP } from './holds-up.js';
import { newId } from './ids.js';
import { newJob, toJob, withAttempts } from './jobs.js';
import { page } from './paging.js';
import type { Erasures } from './registry.js';
import { ofTenant } from './tenancy.js';

const withJob = { job: { select: { id: true, status: true } } } as const satisfies Prisma.ErasureInclude;

const toErasure = (row: Prisma.ErasureGetPayload<{ include: typeof withJob }>): Erasure =>
  shown(
    Erasure,
    {
      id: row.id,
      jobId: row.jobId,
      status: row.job.status,
      customers: row.asked,
      result: row.result,
      createdAt: row.createdAt.toISOString(),
    },
    `erasure (${row.id})`,
  );

const NOTHING: ErasureResult = {
  found: 0,
  datasets: 0,
  datasetRows: 0,
  rejectedValues: 0,
  uploads: 0,
  predictions: 0,
  predictionRows: 0,
  texts: 0,
  warnings: [],
};

/** What the column `customers` holds: who is to be erased, and whether there were rows. */
type Asked = { id: string; found: boolean }[];

type Counts = Partial<Omit<ErasureResult, 'found' | 'warnings'>>;

/** Holds a row until the transaction ends. */
const lock = (tx: Queryable, table: 'erasures' | 'predictions', id: string) =>
  tx.$queryRaw`SELECT id FROM ${Prisma.raw(table)} WHERE id = ${id} AND ${ofTenant(tx, table)} FOR UPDATE`;

/** Adds to the counts of an erasure, its row locked until the transaction ends. */
async function add(
  tx: Queryable,
  id: string,
  counts: Counts,
  { found = [], replaced = [] }: { found?: readonly string[]; replaced?: readonly string[] } = {},
): Promise<void> {
  await lock(tx, 'erasures', id);
  const row = await tx.erasure.findUnique({ where: { id } });
  if (row === null) throw notFound('erasure', id);
  const asked = row.customers as Asked | null;
  // its job was cancelled meanwhile
  if (asked === null) throw ended(id);
  const result = shown(ErasureResult, row.result, `erasure (${id})`);
  for (const [name, more] of Object.entries(counts) as [keyof Counts, number][]) result[name] += more;
  const met = asked.map((one) => ({ ...one, found: one.found || found.includes(one.id) }));
  result.found = met.filter((one) => one.found).length;
  const all = [...(row.replaced as string[]), ...replaced];
  await tx.erasure.update({
    where: { id },
    data: { result: json(result), customers: json(met), replaced: json(all) },
  });
}

const ended = (id: string): CloveError =>
  new CloveError('conflict', `The job of erasure ${id} has ended, so that nobody knows any more whom it was to erase.`);

/** The same value, each text in it without these ids. */
function valueWithout(value: Json, ids: readonly string[]): Json {
  if (typeof value === 'string') return withoutIds(value, ids);
  if (Array.isArray(value)) return value.map((item) => valueWithout(item, ids));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, valueWithout(item, ids)]));
}

/** A value with messages, which may quote what was in a file. */
type Messages = { id: string; number: number; value: Json };

/** Where messages are: how those that hold a needle are found, and how one is written. */
const MESSAGES: readonly {
  find: (holds: (value: Prisma.Sql) => Prisma.Sql, tenant: (table: string) => Prisma.Sql) => Prisma.Sql;
  put: (tx: Queryable, row: Omit<Messages, 'value'>, value: Prisma.InputJsonValue) => Promise<unknown>;
}[] = [
  {
    find: (holds, tenant) => Prisma.sql`SELECT t.id, 0 AS number, t.error AS value FROM jobs t
      WHERE ${tenant('t')} AND ${holds(Prisma.sql`t.error`)}`,
    put: (tx, { id }, error) => tx.job.update({ where: { id }, data: { error } }),
  },
  {
    find: (holds, tenant) => Prisma.sql`SELECT t.job_id AS id, t.number, t.error AS value
      FROM job_attempts t JOIN jobs j ON j.id = t.job_id WHERE ${tenant('j')} AND ${holds(Prisma.sql`t.error`)}`,
    put: (tx, { id, number }, error) =>
      tx.jobAttempt.update({ where: { jobId_number: { jobId: id, number } }, data: { error } }),
  },
  {
    find: (holds, tenant) => Prisma.sql`SELECT t.job_id AS id, t.number, to_jsonb(t.message) AS value
      FROM job_log t JOIN jobs j ON j.id = t.job_id WHERE ${tenant('j')} AND ${holds(Prisma.sql`to_jsonb(t.message)`)}`,
    put: (tx, { id, number }, message) =>
      tx.jobLogLine.update({ where: { jobId_number: { jobId: id, number } }, data: { message: message as string } }),
  },
  {
    find: (holds, tenant) => Prisma.sql`SELECT t.id, 0 AS number, t.warnings AS value FROM datasets t
      WHERE ${tenant('t')} AND ${holds(Prisma.sql`t.warnings`)}`,
    put: (tx, { id }, warnings) => tx.dataset.update({ where: { id }, data: { warnings } }),
  },
  {
    find: (holds, tenant) => Prisma.sql`SELECT t.id, 0 AS number, t.warnings AS value FROM predictions t
      WHERE ${tenant('t')} AND ${holds(Prisma.sql`t.warnings`)}`,
    put: (tx, { id }, warnings) => tx.prediction.update({ where: { id }, data: { warnings } }),
  },
  ...(['evaluations', 'leaderboards'] as const).map((table) => ({
    find: (holds: (value: Prisma.Sql) => Prisma.Sql, tenant: (table: string) => Prisma.Sql) =>
      Prisma.sql`SELECT t.id, 0 AS number, t.report->'warnings' AS value FROM ${Prisma.raw(table)} t
        WHERE ${tenant('t')} AND ${holds(Prisma.sql`(t.report->'warnings')`)}`,
    put: (tx: Queryable, { id }: { id: string }, warnings: Prisma.InputJsonValue) =>
      tx.$executeRaw`UPDATE ${Prisma.raw(table)} t
        SET report = jsonb_set(report, '{warnings}', ${JSON.stringify(warnings)}::jsonb)
        WHERE id = ${id} AND ${ofTenant(tx, 't')}`,
  })),
];

export function openErasures(db: Database): Erasures {
  const get = async (id: string) => {
    const row = await db.erasure.findUnique({ where: { id }, include: withJob });
    if (row === null) throw notFound('erasure', id);
    return row;
  };
  return {
    create: ({ customers, requestId }) =>
      db.$transaction(async (tx) => {
        const id = newId('erasure');
        const asked = [...new Set(check(StartErasure, { customers }, 'erasure').customers)];
        const job = await tx.job.create({ data: newJob('erasure', id, requestId), include: withAttempts });
        const row = await tx.erasure.create({
          data: {
            id,
            jobId: job.id,
            asked: asked.length,
            customers: json(asked.map((customer) => ({ id: customer, found: false }))),
            result: json(NOTHING),
          },
          include: withJob,
        });
        return { erasure: toErasure(row), job: toJob(job), attempt: 1 };
      }),

    get: async (id) => toErasure(await get(id)),

    list: (query) => page(query, (args) => db.erasure.findMany({ ...args, include: withJob }), toErasure),

    asked: async (id) => {
      const { tenantId, customers } = await get(id);
      if (customers === null) throw ended(id);
      return { tenantId, customers: (customers as Asked).map((one) => one.id) };
    },

    datasetErased: (id, { datasetId, revision, found, profile, removedRows, rejectedValues }) =>
      db.$transaction(async (tx) => {
        const { rows, customers, warnings } = check(DatasetProfile, profile, 'dataset profile');
        const { count } = await tx.dataset.updateMany({
          where: { id: datasetId, revision, status: 'ready' },
          data: {
            rows,
            customers,
            warnings: json(warnings),
            revision: id,
            erasedCustomers: { increment: found.length },
            erasedAt: new Date(),
          },
        });
        if (count === 0) return false;
        const replaced = revisionKeys('datasets', { id: datasetId, revision });
        await add(tx, id, { datasets: 1, datasetRows: removedRows, rejectedValues }, { found, replaced });
        await tx.erasure.update({ where: { id }, data: { cleanSince: null } });
        return true;
      }),

    predictionErased: (id, { predictionId, revision, found, rows, summary, report }) =>
      db.$transaction(async (tx) => {
        await lock(tx, 'predictions', predictionId);
        const row = await tx.prediction.findUnique({ where: { id: predictionId } });
        if (row === null || row.rows === null || row.revision !== revision) return false;
        const former = row.report as object | null;
        await tx.prediction.update({
          where: { id: predictionId },
          data: {
            rows,
            summary: json(check(PredictionSummary, summary, 'prediction summary')),
            revision: id,
            // how near it came was found out with them, and is of all together
            ...(former === null ? {} : { report: json({ ...former, ...report }) }),
          },
        });
        const replaced = revisionKeys('predictions', { id: predictionId, revision });
        await add(tx, id, { predictions: 1, predictionRows: row.rows - rows }, { found, replaced });
        return true;
      }),

    uploadErased: (id) => db.$transaction((tx) => add(tx, id, { uploads: 1 })),

    eraseTexts: async (id, ids) => {
      const escaped = ids.map((one) => JSON.stringify(one).slice(1, -1));
      // as a whole value, and in quotation marks within one
      const values = ids.map((one) => JSON.stringify(one));
      const quoted = [...values, ...values.map((one) => JSON.stringify(one).slice(1, -1))];
      const holdsAny = (needles: readonly string[], value: Prisma.Sql) =>
        Prisma.sql`EXISTS (SELECT FROM unnest(${[...needles]}::text[]) AS n(needle) WHERE position(needle IN ${value}::text) > 0)`;
      for (const { find, put } of MESSAGES) {
        const found = find(
          (value) => holdsAny(escaped, value),
          (table) => ofTenant(db, table),
        );
        for (const { value, ...row } of await db.$queryRaw<Messages[]>(found)) {
          const clean = valueWithout(value, ids);
          if (clean === null || jsonText(clean) === jsonText(value)) continue;
          await db.$transaction(async (tx) => {
            await put(tx, row, clean);
            await add(tx, id, { texts: 1 });
          });
        }
      }
      // an answer without a body is one that is shown only once: see idempotency.ts of the gateway
      await db.$transaction(async (tx) => {
        const texts = await tx.$executeRaw`
          UPDATE idempotency_keys k SET response = '{"location": null}' FROM users u
          WHERE u.id = k.user_id AND ${ofTenant(tx, 'u')} AND ${holdsAny(values, Prisma.sql`k.response`)}`;
        if (texts > 0) await add(tx, id, { texts });
      });
      const models = await db.$queryRaw<{ name: string }[]>`
        SELECT m.label || '@' || v.number AS name FROM model_versions v JOIN models m ON m.id = v.model_id
        WHERE ${ofTenant(db, 'm')} AND ${holdsAny(quoted, Prisma.sql`v.manifest`)} ORDER BY m.label, v.number`;
      return models.map(({ name }) => name);
    },

    datasetsAreClean: async (id) => {
      await db.$executeRaw`
        UPDATE erasures SET clean_since = now() WHERE id = ${id} AND clean_since IS NULL AND ${ofTenant(db, 'erasures')}`;
    },

    heldUpBy: (id) => db.$queryRaw`
      SELECT b.id, b.kind FROM erasures e CROSS JOIN LATERAL (${HOLDS_UP}) b
      WHERE e.id = ${id} AND ${ofTenant(db, 'e')} ORDER BY b.id`,

    replaced: async (id) => (await get(id)).replaced as string[],

    forgetReplaced: async (id) => {
      await db.erasure.update({ where: { id }, data: { replaced: [] } });
    },

    leftOver: async () => {
      const rows = await db.$queryRaw<{ id: string }[]>`
        SELECT e.id FROM erasures e JOIN jobs j ON j.id = e.job_id
        WHERE e.replaced <> '[]' AND j.status NOT IN ('queued', 'running') AND ${ofTenant(db, 'e')}
          AND NOT EXISTS (${HOLDS_UP}) ORDER BY e.id`;
      return rows.map(({ id }) => id);
    },

    complete: (id, warnings) =>
      db.$transaction(async (tx) => {
        await lock(tx, 'erasures', id);
        const row = await tx.erasure.findUnique({ where: { id }, include: withJob });
        if (row === null) throw notFound('erasure', id);
        const { result } = toErasure(row);
        await tx.erasure.update({ where: { id }, data: { result: json({ ...result, warnings: [...warnings] }) } });
      }),
  };
}
