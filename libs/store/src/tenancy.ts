/**
 * Keeps the tenants apart: the one place where it is decided whose rows a query sees.
 *
 * Every query of the store goes through a client of `forTenant`. A bound one adds its tenant to whatever is asked of a table:
 * rows of another tenant are not there, are not counted, cannot be changed, and new rows are its own. Raw SQL must say `ofTenant`, else it is
 * refused. The unbound one (null) is that of workers and of what an installation does by itself: it sees all rows, each with
 * the tenant that it has, and makes none without being told whose.
 *
 * What a query includes is not looked at: relations lead to rows of the same tenant, which triggers of the database see to when a
 * row is written. Rows below another (epochs of a run, versions of a model) have the tenant of that row; who writes one has
 * found the row above by the same client.
 */
import { CloveError } from '@clove/contracts';
import { Prisma, type PrismaClient } from './generated/client.js';

/** The tenant of the operator, who makes the others; the migration makes it, with all rows that were there. */
export const DEFAULT_TENANT = 'tnt_0000000000000000000000';

/** Where each table has its tenant: in a column of its own, or in the row that it is below. */
const TENANT_OF: Record<Prisma.ModelName, { column: 'tenantId' | 'id' } | { above: string }> = {
  Tenant: { column: 'id' },
  User: { column: 'tenantId' },
  Session: { above: 'user' },
  ApiKey: { above: 'user' },
  IdempotencyKey: { above: 'user' },
  Job: { column: 'tenantId' },
  JobAttempt: { above: 'job' },
  JobLogLine: { above: 'job' },
  Dataset: { column: 'tenantId' },
  Run: { column: 'tenantId' },
  RunEpoch: { above: 'run' },
  Model: { column: 'tenantId' },
  ModelVersion: { above: 'model' },
  ModelAlias: { above: 'model' },
  AliasMove: { above: 'model' },
  Leaderboard: { column: 'tenantId' },
  ModelImport: { column: 'tenantId' },
  Evaluation: { column: 'tenantId' },
  Prediction: { column: 'tenantId' },
  Shard: { above: 'prediction' },
  Erasure: { column: 'tenantId' },
  AuditEntry: { column: 'tenantId' },
};

type Fields = Record<string, unknown>;
const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? { ...value } : {});
const listOf = (value: unknown): unknown[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

const refuse = (why: string) => new CloveError('internal', why);

/** A new row with its tenant. Rows below another have none of their own. */
function owned(
  model: string,
  table: (typeof TENANT_OF)[Prisma.ModelName],
  row: unknown,
  tenantId: string | null,
): Fields {
  const fields = fieldsOf(row);
  if ('above' in table) return fields;
  const given = fields[table.column] ?? tenantId;
  if (tenantId !== null && (given !== tenantId || model === 'Tenant')) {
    throw refuse(`A registry that is bound to a tenant writes no ${model} of another one.`);
  }
  if (given === null) throw refuse(`A registry that is bound to no tenant must be told whose ${model} it is to make.`);
  return { ...fields, [table.column]: given };
}

/**
 * The arguments of one operation on one table, held to a tenant.
 * @throws CloveError 'internal' for a table or an operation that it does not know, and for a row of another tenant
 */
export function heldTo(tenantId: string | null, model: string, operation: string, args: unknown): Fields {
  const table = Object.hasOwn(TENANT_OF, model) ? TENANT_OF[model as Prisma.ModelName] : undefined;
  if (table === undefined) throw refuse(`Whose ${model} is whose is not known: say it in tenancy.ts.`);
  const { where, data, create, ...rest } = fieldsOf(args);
  const filtered = () => {
    if (tenantId === null) return where === undefined ? {} : { where };
    const own = 'above' in table ? { [table.above]: { tenantId } } : { [table.column]: tenantId };
    const given = fieldsOf(where);
    return { where: { ...given, AND: [...listOf(given['AND']), own] } };
  };
  const changed = () => {
    const fields = fieldsOf(data);
    if ('tenantId' in fields || 'tenant' in fields) throw refuse(`No ${model} moves to another tenant.`);
    return { data: fields };
  };
  switch (operation) {
    case 'findUnique':
    case 'findUniqueOrThrow':
    case 'findFirst':
    case 'findFirstOrThrow':
    case 'findMany':
    case 'count':
    case 'aggregate':
    case 'groupBy':
    case 'delete':
    case 'deleteMany':
      return { ...rest, ...filtered() };
    case 'update':
    case 'updateMany':
    case 'updateManyAndReturn':
      return { ...rest, ...filtered(), ...changed() };
    case 'upsert':
      return { ...rest, ...filtered(), create: owned(model, table, create, tenantId) };
    case 'create':
      return { ...rest, data: owned(model, table, data, tenantId) };
    case 'createMany':
    case 'createManyAndReturn':
      return { ...rest, data: listOf(data).map((row) => owned(model, table, row, tenantId)) };
    default:
      throw refuse(`What ${operation} means for a tenant is not known: say it in tenancy.ts.`);
  }
}

/** @throws CloveError 'internal' for raw SQL on a bound client that does not say `ofTenant` */
function requireTenant(tenantId: string | null, sql: Prisma.Sql): Prisma.Sql {
  if (tenantId === null || sql.values.includes(tenantId)) return sql;
  throw refuse('Raw SQL on a registry that is bound to a tenant must say ofTenant.');
}

/** A client that is bound to a tenant, or to none. It shares the connections of `client`. */
export const forTenant = (client: PrismaClient, tenantId: string | null) =>
  client.$extends({
    name: 'tenant',
    client: { $tenant: tenantId },
    query: {
      $allModels: {
        $allOperations: ({ model, operation, args, query }) =>
          query(heldTo(tenantId, model, operation, args) as typeof args),
      },
      $queryRaw: ({ args, query }) => query(requireTenant(tenantId, args)),
      $executeRaw: ({ args, query }) => query(requireTenant(tenantId, args)),
      $queryRawUnsafe: () => Promise.reject(refuse('SQL is written as a tagged template.')),
      $executeRawUnsafe: () => Promise.reject(refuse('SQL is written as a tagged template.')),
    },
  });

/** A database that is bound to a tenant, or to none. */
export type Database = ReturnType<typeof forTenant>;
/** The database itself or a transaction on it: what a query may run on. */
export type Queryable = Omit<Database, '$transaction' | '$connect' | '$disconnect' | '$on' | '$extends'>;

/** The condition of raw SQL that a row is of the tenant of this client. @param table name or alias of the table */
export const ofTenant = ({ $tenant }: Pick<Queryable, '$tenant'>, table: string): Prisma.Sql =>
  $tenant === null ? Prisma.sql`TRUE` : Prisma.sql`${Prisma.raw(table)}.tenant_id = ${$tenant}`;

/** The column `key` of the model of that name in a tenant. */
export const modelKey = (tenantId: string, name: string): string =>
  tenantId === DEFAULT_TENANT ? name : `${tenantId}/${name}`;
