import { PrismaPg } from '@prisma/adapter-pg';
import { CloveError, type Schema } from '@clove/contracts';
import { type Prisma, PrismaClient } from './generated/client.js';

export type Database = PrismaClient;
/** The database itself or a transaction on it: what a query may run on. */
export type Queryable = Prisma.TransactionClient;

/** Where Postgres is, for messages: host, port and database, never the user or the password. */
export function place(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) {
    throw new CloveError(
      'bad-request',
      'DATABASE_URL is not a URL of the form postgresql://user:password@host:port/database.',
    );
  }
  const { hostname, port, pathname } = new URL(databaseUrl);
  return `${hostname}:${port === '' ? '5432' : port}${pathname}`;
}

export function connect(databaseUrl: string, maxConnections: number): Database {
  place(databaseUrl);
  const adapter = new PrismaPg({
    connectionString: databaseUrl,
    max: maxConnections,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  return new PrismaClient({
    adapter,
    errorFormat: 'minimal',
    transactionOptions: { maxWait: 10_000, timeout: 30_000 },
  });
}

/** Prisma's codes for a server that cannot be reached, is too busy, or went away in the middle. */
const AWAY = new Set(['P1001', 'P1002', 'P1008', 'P1011', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037']);
/** Prisma's codes for a server that answers, but refuses this user or has no such database or tables. */
const REFUSED = new Set(['P1000', 'P1003', 'P1010', 'P2021', 'P2022']);
/** SQLSTATE classes: 08 connection, 53 out of resources, 57P shut down or starting. */
const AWAY_STATES = /^(08|53|57P)/;
const AWAY_MESSAGES =
  /timeout exceeded when trying to connect|Connection terminated|ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH/;

/** The SQLSTATE of the server's own error inside Prisma's, where there is one. */
function sqlState(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('meta' in at && typeof at.meta === 'object' && at.meta !== null) {
      const inner = 'driverAdapterError' in at.meta ? at.meta.driverAdapterError : undefined;
      const found = sqlState(inner);
      if (found !== undefined) return found;
    }
    if (typeof at.cause === 'object' && at.cause !== null && !(at.cause instanceof Error)) {
      if ('originalCode' in at.cause && typeof at.cause.originalCode === 'string') return at.cause.originalCode;
    }
    if ('code' in at && typeof at.code === 'string' && /^[0-9A-Z]{5}$/.test(at.code)) return at.code;
  }
  return undefined;
}

/**
 * What a failed query means to a caller: an `unavailable` CloveError where Postgres is away, `conflict` where a unique
 * value is taken, else the error itself.
 */
export function translate(error: unknown, where: string): unknown {
  if (error instanceof CloveError || !(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code === 'P2002') {
    return new CloveError('conflict', 'This is there already: a value that must be unique is taken.', { cause: error });
  }
  if (code !== undefined && REFUSED.has(code)) {
    return new CloveError(
      'unavailable',
      `Postgres at ${where} answers but cannot be used (${code}): check user, password and database name in DATABASE_URL, and that the migrations have been applied.`,
      { cause: error, retryable: false },
    );
  }
  const state = sqlState(error);
  if (state === '22021') {
    return new CloveError('invalid-input', 'The text holds a character that cannot be stored.', { cause: error });
  }
  if (
    (code !== undefined && AWAY.has(code)) ||
    (state !== undefined && AWAY_STATES.test(state)) ||
    AWAY_MESSAGES.test(error.message)
  ) {
    return new CloveError('unavailable', `Postgres at ${where} does not answer; is it running? Try again.`, {
      cause: error,
    });
  }
  return error;
}

/** The same object, each of whose methods throws translated errors. */
export function guarded<T extends object>(methods: T, where: string): T {
  return new Proxy(methods, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        try {
          return await Reflect.apply(member, target, args);
        } catch (error) {
          throw translate(error, where);
        }
      };
    },
  });
}

/** `value` as its contract has it; 'invalid-input' naming the fields where a caller gave something else. */
export function check<T>(schema: Schema<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map((issue) => ({
    pointer: issue.path.map((part) => `/${String(part)}`).join(''),
    detail: issue.message,
  }));
  const first = errors[0];
  throw new CloveError('invalid-input', `The ${what} does not fit its contract: ${first?.pointer} ${first?.detail}.`, {
    errors,
  });
}

/** A row as its contract shows it; JSON columns are checked on the way out, for an older version may have written them. */
export function shown<T>(schema: Schema<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CloveError(
    'internal',
    `The registry holds a ${what} that this version of Clove does not understand, at ${issue?.path.join('/')}: ${issue?.message}.`,
  );
}

/** `text` as Postgres takes it: it has no NUL and no half characters, but a message that quotes a user's file may. */
export const storable = (text: string): string => Buffer.from(text).toString().replaceAll('\0', '\ufffd');

/** JSON as Postgres takes it. */
export const jsonText = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? storable(part) : part));

/** A checked value as a JSON column takes it. */
export const json = (value: object): Prisma.InputJsonValue => JSON.parse(jsonText(value));

export const notFound = (what: string, name: string | number): CloveError =>
  new CloveError('not-found', `There is no ${what} ${String(name).slice(0, 150)}.`);
