import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { CloveError } from '@clove/contracts';

/**
 * What a piece of work may use. Beyond the memory limit DuckDB spills into a folder that it makes in `scratchDir`, the folder
 * of the job: files elsewhere are out of its reach but for those that the work names.
 */
export type DuckOptions = { memoryLimitBytes?: number; threads?: number; scratchDir: string };

/** Files and folders outside `scratchDir` that a piece of work reads or writes. */
type Reach = { files?: readonly string[]; folders?: readonly string[] };
type OpenOptions = DuckOptions & Reach & { signal?: AbortSignal | undefined };

/** One in-memory database, for the time of one piece of work. */
export type Duck = {
  /** The connection itself, for appenders and streams; plain statements go through `run` and `rows`. */
  connection: DuckDBConnection;
  /** Runs one or more statements for their effect. */
  run(sql: string): Promise<void>;
  /** All rows of a small result. Integers of any width come as numbers, timestamps as `Date`. */
  rows<T>(sql: string): Promise<T[]>;
  /** The only row of a result; an error where there are none or several. */
  row<T>(sql: string): Promise<T>;
  /** A further connection to the same data, for work beside that of the first; closed with the database. */
  another(): Promise<Duck>;
  /** A folder of this piece of work, removed with it. */
  folder: string;
};

const MIB = 1024 ** 2;
const DEFAULT_MEMORY_BYTES = 1024 * MIB;

/** An SQL identifier. */
export const ident = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** An SQL string literal, paths included. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * SQL condition: an expression is one of these texts. An IN list of this length becomes a join, which loses the order of the
 * rows that a COPY keeps otherwise.
 */
export const isOneOf = (expression: string, texts: readonly string[]): string =>
  `list_contains([${texts.map(literal).join(', ')}], ${expression})`;

/** Throws CloveError 'cancelled' where the signal has been aborted. */
export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (!signal?.aborted) return;
  const reason: unknown = signal.reason;
  throw reason instanceof CloveError ? reason : new CloveError('cancelled', 'The work was cancelled.');
};

/** A database that stays open between calls; whoever opens it closes it. */
export type OpenDuck = {
  db: Duck;
  /** What an error of DuckDB means for the user; other errors pass as they are. */
  explain(error: unknown): unknown;
  /** Closes the database and removes its folder. */
  close(): Promise<void>;
};

/**
 * Opens an in-memory DuckDB. UTC; no extension is ever loaded, no file is reached but those of `scratchDir` and of the work,
 * and no statement can change any of that. When the signal aborts, the running statement is interrupted.
 */
export const openDuck = async (o: OpenOptions): Promise<OpenDuck> => {
  throwIfAborted(o.signal);
  const folder = await mkdtemp(join(o.scratchDir, 'duck-'));
  const memoryBytes = o.memoryLimitBytes ?? DEFAULT_MEMORY_BYTES;
  const undo: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async () => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${Math.max(64, Math.floor(memoryBytes / MIB))}MiB`,
      threads: String(o.threads ?? availableParallelism()),
      temp_directory: join(folder, 'spill'),
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    undo.push(() => instance.closeSync());
    const connect = async (): Promise<DuckDBConnection> => {
      const connection = await instance.connect();
      undo.push(() => connection.closeSync());
      const interrupt = () => connection.interrupt();
      o.signal?.addEventListener('abort', interrupt);
      undo.push(() => o.signal?.removeEventListener('abort', interrupt));
      return connection;
    };
    const db = duckOf(await connect(), connect, folder, o.signal);
    await db.run("SET GLOBAL TimeZone = 'UTC'; SET enable_progress_bar = false");
    await db.run(lockdown(o));
    return { db, explain: (error) => explain(error, o.signal, memoryBytes), close };
  } catch (error) {
    await close();
    throw explain(error, o.signal, memoryBytes);
  }
};

/**
 * Opens an in-memory DuckDB, gives it to `work` and closes it whatever happens. When the signal aborts, CloveError
 * 'cancelled' is thrown; a full disk is 'no-space', too little memory 'internal' with the setting to raise. Other
 * errors of DuckDB pass as they are.
 */
export const withDuck = async <T>(o: OpenOptions, work: (db: Duck) => Promise<T>): Promise<T> => {
  const open = await openDuck(o);
  try {
    return await work(open.db);
  } catch (error) {
    throw open.explain(error);
  } finally {
    await open.close();
  }
};

/** Shuts everything that the work does not need; the last statement shuts the settings themselves. */
const lockdown = ({ scratchDir, files = [], folders = [] }: OpenOptions): string => {
  const list = (paths: readonly string[]) => `[${paths.map((path) => literal(resolve(path))).join(', ')}]`;
  return `SET allow_community_extensions = false;
    SET allowed_directories = ${list([scratchDir, ...folders])};
    SET allowed_paths = ${list(files)};
    SET enable_external_access = false;
    SET lock_configuration = true`;
};

const duckOf = (
  connection: DuckDBConnection,
  connect: () => Promise<DuckDBConnection>,
  folder: string,
  signal: AbortSignal | undefined,
): Duck => {
  const db: Duck = {
    connection,
    another: async () => duckOf(await connect(), connect, folder, signal),
    folder,
    async run(sql) {
      throwIfAborted(signal);
      await connection.run(sql);
    },
    async rows<R>(sql: string) {
      throwIfAborted(signal);
      const reader = await connection.runAndReadAll(sql);
      // The caller names the type of its own SELECT; nothing here can check it.
      return reader.getRowObjectsJS().map((row) => plain(row)) as R[];
    },
    async row<R>(sql: string) {
      const [row, ...rest] = await db.rows<R>(sql);
      if (row === undefined || rest.length > 0) throw new Error(`one row expected, ${rest.length + 1} found: ${sql}`);
      return row;
    },
  };
  return db;
};

const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};

const explain = (error: unknown, signal: AbortSignal | undefined, memoryBytes: number): unknown => {
  if (error instanceof CloveError) return error;
  if (signal?.aborted) {
    const reason: unknown = signal.reason;
    return reason instanceof CloveError ? reason : new CloveError('cancelled', 'The work was cancelled.');
  }
  const message = error instanceof Error ? error.message : String(error);
  if (/no space left on device|disk.*full/i.test(message))
    return new CloveError('no-space', 'The disk is full: free some space and try again.', { cause: error });
  if (/^Out of Memory Error/i.test(message))
    return new CloveError(
      'internal',
      `The work needs more than its ${Math.floor(memoryBytes / MIB)} MiB of memory: raise MEMORY_LIMIT_BYTES.`,
      { cause: error },
    );
  return error;
};
