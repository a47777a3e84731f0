import { PrismaPg } from '@prisma/adapter-pg';
import { CloveError, type Schema } from '@clove/contracts';
import { type Prisma, PrismaClient } from './generated/client.js';

export type { Database, Queryable } from './tenancy.js';

/** Where Postgres is, for messages: host, port and database, never the user or the password. */
export function place(databaseUrl: string): string {
  const url = URL.canParse(databaseUrl) ? new URL(databaseUrl) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '' || url.pathname.length < 2) {
    throw new CloveError(
      'bad-request',
      'DATABASE_URL is not of the form postgresql://user:password@host:port/database.',
    );
  }
  return `${url.hostname}:${url.port === '' ? '5432' : url.port}${url.pathname}`;
}

/** A client of no tenant's and of everybody's: what queries run on is made of it by `forTenant`. */
export function connect(databaseUrl: string, maxConnections: number): PrismaClient {
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

/**
 * Names for a server that cannot be reached, is too busy, or went away in the middle: Prisma's codes, the driver
 * adapter's kinds of error, and classes of SQLSTATE (08 connection, 53 out of resources, 57P shut down or starting).
 */
const AWAY =
  /^(P1001|P1002|P1008|P1011|P1017|P2024|P2028|P2034|P2037|DatabaseNotReachable|ConnectionClosed|SocketTimeout|TooManyConnections|TransactionWriteConflict|08...|53...|57P..)$/;
/** Names for a server that answers, but refuses this user or has no such database, table or column. */
const REFUSED =
  /^(P1000|P1003|P1010|P2021|P2022|DatabaseDoesNotExist|DatabaseAccessDenied|AuthenticationFailed|TlsConnectionError|TableDoesNotExist|ColumnNotFound)$/;
/** What the driver's pool says without any code. */
const AWAY_MESSAGE = /timeout exceeded when trying to connect|Connection terminated/;
const UNSTORABLE = /^(22021|22P05)$/;

/** Every name that an error of Prisma, of its driver adapter and of the server has, from the outside in. */
function namesOf(error: unknown): string[] {
  if (typeof error !== 'object' || error === null) return [];
  const fields = new Map<string, unknown>(Object.entries(error));
  const names = ['code', 'kind', 'originalCode'].map((field) => fields.get(field));
  const own = names.filter((name) => typeof name === 'string');
  return [...own, ...['meta', 'driverAdapterError', 'cause'].flatMap((field) => namesOf(fields.get(field)))];
}

/** True where a value that must be unique is taken. */
export const isTaken = (error: unknown): boolean => namesOf(error).includes('P2002');

/**
 * What a failed query means to a caller: 'unavailable' where Postgres is away or refuses us, 'conflict' where a value
 * that must be unique is taken, 'invalid-input' where a text cannot be stored; else the error itself.
 * @param where as `place` says it
 */
export function translate(error: unknown, where: string): unknown {
  if (error instanceof CloveError || !(error instanceof Error)) return error;
  const names = namesOf(error);
  const is = (what: RegExp): boolean => names.some((name) => what.test(name));
  if (isTaken(error)) {
    return new CloveError('conflict', 'This is there already: a value that must be unique is taken.', { cause: error });
  }
  if (is(UNSTORABLE)) {
    return new CloveError('invalid-input', 'The text holds a character that cannot be stored.', { cause: error });
  }
  if (is(REFUSED)) {
    return new CloveError(
      'unavailable',
      `Postgres at ${where} answers but cannot be used (${names.at(-1)}): check user, password and database name in ` +
        'DATABASE_URL, and that the migrations have been applied.',
      { cause: error, retryable: false },
    );
  }
  if (is(AWAY) || AWAY_MESSAGE.test(error.message)) {
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
