import { createHash, randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CloveError } from '@clove/contracts';
import { Client, DatabaseError } from 'pg';
import { place } from './database.js';

const MIGRATIONS = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));
/** The lock that `prisma migrate` takes too: the two never run at once. */
const LOCK = 72_707_369;
const LOCK_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Prisma's own history table, as its engine makes it: `prisma migrate` goes on where this stops, and the other way round. */
const HISTORY = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`;
type Applied = { name: string; checksum: string; finished: boolean };

const sqlState = (error: unknown): string | undefined => (error instanceof DatabaseError ? error.code : undefined);
const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A connection to a database that is there. @throws what the driver says */
export async function connectTo(databaseUrl: string): Promise<Client> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => {}); // a connection that breaks is reported by the query under way
  await client.connect();
  return client;
}

/** Makes the database that the URL names, through the maintenance database of the same server. */
async function createDatabase(databaseUrl: string): Promise<void> {
  const url = new URL(databaseUrl);
  const name = decodeURIComponent(url.pathname.slice(1));
  url.pathname = '/postgres';
  const client = await connectTo(url.href);
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } catch (error) {
    // 42P04, 23505: made by someone else meanwhile
    if (sqlState(error) !== '42P04' && sqlState(error) !== '23505') throw error;
  } finally {
    await client.end();
  }
}

async function open(databaseUrl: string): Promise<Client> {
  const where = place(databaseUrl);
  try {
    try {
      return await connectTo(databaseUrl);
    } catch (error) {
      if (sqlState(error) !== '3D000') throw error; // the database is missing
      await createDatabase(databaseUrl);
      return await connectTo(databaseUrl);
    }
  } catch (error) {
    const state = sqlState(error);
    if (state === undefined || /^(08|53|57P)/.test(state)) {
      throw new CloveError(
        'unavailable',
        `Postgres at ${where} does not answer; start it, or set DATABASE_URL to one that runs.`,
        { cause: error },
      );
    }
    throw new CloveError(
      'unavailable',
      state === '42501'
        ? `Postgres at ${where} lets this user make no database; create it, or give the user CREATEDB.`
        : `Postgres at ${where} refuses the connection (${state}): check user, password and database name in DATABASE_URL.`,
      { cause: error, retryable: false },
    );
  }
}

async function lock(client: Client, where: string): Promise<void> {
  await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
  } catch (error) {
    if (sqlState(error) !== '55P03') throw error;
    throw new CloveError(
      'unavailable',
      `Another process has been migrating the database at ${where} for over ${LOCK_TIMEOUT_MS / 1000} s; wait for it, or stop it.`,
      { cause: error },
    );
  }
  await client.query('SET lock_timeout = 0');
}

/** What has been applied, checked against what is in the folder. */
async function history(client: Client, where: string, names: readonly string[]): Promise<Applied[]> {
  await client.query(HISTORY);
  const { rows } = await client.query<Applied>(
    `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
     FROM "_prisma_migrations" WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  const failed = rows.find((row) => !row.finished);
  if (failed !== undefined) {
    throw new CloveError(
      'conflict',
      `Migration ${failed.name} of the database at ${where} failed earlier. Its changes were rolled back: remove the cause, ` +
        `run "pnpm prisma migrate resolve --rolled-back ${failed.name}" and start again.`,
    );
  }
  const unknown = rows.find((row) => !names.includes(row.name));
  if (unknown !== undefined) {
    throw new CloveError(
      'conflict',
      `The database at ${where} has migration ${unknown.name}, which this version of Clove does not know. ` +
        'Run the newer version, or set DATABASE_URL to another database.',
    );
  }
  return rows;
}

/** The migrations of a folder in the order of their names, with the checksum that the history keeps. */
export async function migrationsIn(folder = MIGRATIONS): Promise<{ name: string; sql: string; checksum: string }[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(path.join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/** One migration and its row in the history. The script is one implicit transaction: it is applied whole or not at all. */
async function apply(client: Client, where: string, name: string, sql: string, checksum: string): Promise<void> {
  const id = randomUUID();
  await client.query('INSERT INTO "_prisma_migrations" (id, checksum, migration_name) VALUES ($1, $2, $3)', [
    id,
    checksum,
    name,
  ]);
  try {
    await client.query(sql);
  } catch (error) {
    await client.query('UPDATE "_prisma_migrations" SET logs = $2 WHERE id = $1', [id, text(error)]);
    throw new CloveError('conflict', `Migration ${name} of the database at ${where} failed: ${text(error)}.`, {
      cause: error,
    });
  }
  await client.query('UPDATE "_prisma_migrations" SET finished_at = now(), applied_steps_count = 1 WHERE id = $1', [
    id,
  ]);
}

/**
 * Brings the database to the present schema: makes it if it is missing, then applies what is new in the migrations
 * folder, in the order of their names. Safe to call from several processes at once: one works, the others wait.
 *
 * @param folder of Prisma's form: one folder a migration, each with a `migration.sql`
 * @param only names of the migrations to apply; all when left out
 * @returns names of the migrations applied now
 * @throws CloveError 'unavailable' where Postgres cannot be used; 'conflict' where a migration fails or failed earlier,
 *   was edited after it was applied, or is not known here
 */
export async function migrate(databaseUrl: string, folder = MIGRATIONS, only?: readonly string[]): Promise<string[]> {
  const where = place(databaseUrl);
  const client = await open(databaseUrl);
  try {
    await lock(client, where);
    const migrations = await migrationsIn(folder);
    const names = migrations.map(({ name }) => name);
    const before = await history(client, where, names);
    const applied: string[] = [];
    for (const { name, sql, checksum } of migrations) {
      const done = before.find((row) => row.name === name);
      if (done === undefined) {
        if (only?.includes(name) === false) continue;
        await apply(client, where, name, sql, checksum);
        applied.push(name);
      } else if (done.checksum !== checksum) {
        throw new CloveError(
          'conflict',
          `Migration ${name} was edited after it was applied to the database at ${where}. Restore the file; ` +
            'changes belong into a new migration.',
        );
      }
    }
    return applied;
  } finally {
    await client.end();
  }
}
