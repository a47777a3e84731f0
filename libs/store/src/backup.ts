import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { BackupManifest, CloveError } from '@clove/contracts';
import type { Client } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { type RevisionRef, artifactKeys, isInTheMaking } from './artifact-keys.js';
import type { ArtifactStore } from './artifacts.js';
import { check, place, translate } from './database.js';
import { connectTo, migrate, migrationsIn } from './migrate.js';

/**
 * A backup is the rows of the registry and the files of the artifact store that fit each other, as files of another store
 * (a folder, or a bucket):
 *
 * 1. The rows are read in one transaction: one moment of all tables.
 * 2. The files are copied. A file is stored before the row that names it, and is not written to again, so all files that the
 *    rows name are there; but for those that somebody deletes in the meantime, with their rows.
 * 3. So where a file that a row names was gone, rows are read again, and new files copied: until nothing is missing, or the
 *    same files are missing twice, which the store itself has lost then.
 *
 * Left out: work that is under way (it begins anew after a restore, to the same result), sessions (a token that has been given
 * up since must not open anything), and Redis, which holds nothing that Postgres does not know.
 */
const MANIFEST = 'backup.json';
const fileOf = (table: string): string => `database/${table}.copy`;
const copyOf = (key: string): string => `artifacts/${key}`;

/** Tables whose rows a backup has none of. */
const LEFT_OUT = new Set(['_prisma_migrations', 'sessions', 'shards']);
/** Files on their way at once: a bucket answers slowly, but several at a time. */
const FILES_AT_ONCE = 4;

type Stored = { bytes: number; sha256: string };
type Table = BackupManifest['tables'][number];

/** What has been done so far, for people. */
type BackupProgress = (done: { files: number; bytes: number }) => void;
type Options = {
  databaseUrl: string;
  artifacts: ArtifactStore;
  /** the store that is the backup */
  backup: ArtifactStore;
  signal?: AbortSignal;
  onProgress?: BackupProgress;
};

/** Does `work` on each item, some at once; the first failure ends it. */
async function each<T>(items: AsyncIterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const shared = items[Symbol.asyncIterator]();
  const lane = async () => {
    for (let next = await shared.next(); next.done !== true; next = await shared.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, lane));
}

async function withClient<T>(databaseUrl: string, work: (client: Client) => Promise<T>): Promise<T> {
  const where = place(databaseUrl);
  try {
    const client = await connectTo(databaseUrl);
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  } catch (error) {
    throw translate(error, where);
  }
}

/** The tables of the schema with their columns, each after those that it refers to. */
async function tablesOf(client: Client): Promise<{ name: string; columns: string[] }[]> {
  const { rows: tables } = await client.query<{ name: string; columns: string[] }>(`
    SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    GROUP BY c.relname ORDER BY c.relname`);
  const { rows: references } = await client.query<{ name: string; refersTo: string }>(`
    SELECT c.relname AS name, f.relname AS "refersTo" FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
    WHERE k.contype = 'f' AND c.relnamespace = 'public'::regnamespace AND c.oid <> f.oid`);
  const ordered: typeof tables = [];
  for (let left = tables; left.length > 0;) {
    const waits = (name: string) =>
      references.some((one) => one.name === name && left.some((other) => other.name === one.refersTo));
    const ready = left.filter(({ name }) => !waits(name));
    if (ready.length === 0) {
      const names = left.map(({ name }) => name).join(', ');
      throw new CloveError('internal', `These tables refer to each other in a circle: ${names}.`);
    }
    ordered.push(...ready);
    left = left.filter((table) => !ready.includes(table));
  }
  return ordered;
}

const names = (client: Client, columns: readonly string[]): string =>
  columns.map((column) => client.escapeIdentifier(column)).join(', ');

/** Keys that rows need: of what is ready, and of uploads that have not been worked on yet. */
async function keysNamed(client: Client): Promise<string[]> {
  const query = async <T extends object>(sql: string) => (await client.query<T>(sql)).rows;
  const ready = await query<RevisionRef>(`SELECT id, revision FROM datasets WHERE status = 'ready'`);
  const versions = await query<{ id: string; artifacts: { name: 'model.onnx' }[] }>(
    'SELECT id, artifacts FROM model_versions',
  );
  const predictions = await query<RevisionRef>(
    `SELECT p.id, p.revision FROM predictions p JOIN jobs j ON j.id = p.job_id WHERE j.status = 'succeeded'`,
  );
  const uploads = await query<{ key: string }>(`
    SELECT file->>'key' AS key FROM datasets, jsonb_array_elements(source->'files') AS file
    WHERE status = 'pending' AND source->>'type' = 'upload'
    UNION ALL SELECT file->>'key' FROM model_imports i JOIN jobs j ON j.id = i.job_id, jsonb_array_elements(i.files) AS file
    WHERE j.status IN ('queued', 'running')`);
  return [
    ...ready.flatMap((at) => [artifactKeys.data(at), artifactKeys.profile(at)]),
    ...versions.flatMap(({ id, artifacts }) => artifacts.map(({ name }) => artifactKeys.version(id, name))),
    ...predictions.flatMap((at) => [
      artifactKeys.prediction(at, 'predictions.parquet'),
      artifactKeys.prediction(at, 'predictions.csv'),
    ]),
    ...uploads.map(({ key }) => key),
  ];
}

/** All rows as they are at one moment, and the keys that they name. */
async function readRows({ databaseUrl, backup, signal }: Options) {
  return withClient(databaseUrl, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const all = await tablesOf(client);
    if (!all.some(({ name }) => name === '_prisma_migrations')) {
      throw new CloveError('not-found', `The database at ${place(databaseUrl)} is none of Clove: nothing to back up.`);
    }
    const { rows: migrations } = await client.query<{ name: string; checksum: string }>(
      `SELECT migration_name AS name, checksum FROM "_prisma_migrations"
       WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name`,
    );
    const waiting = (await migrationsIn()).find(({ name }) => !migrations.some((applied) => applied.name === name));
    if (waiting !== undefined) {
      throw new CloveError(
        'conflict',
        `The database at ${place(databaseUrl)} is of an earlier version of Clove, without migration ${waiting.name}. Back it up with that version, or start this one on it first.`,
      );
    }
    const createdAt = new Date().toISOString();
    const tables: Table[] = [];
    for (const { name, columns } of all) {
      if (LEFT_OUT.has(name)) continue;
      const stream = client.query(
        copyTo(`COPY ${client.escapeIdentifier(name)} (${names(client, columns)}) TO STDOUT`),
      );
      const stored = await backup.put(fileOf(name), stream, { signal });
      tables.push({ name, columns, rows: stream.rowCount, ...stored });
    }
    const named = await keysNamed(client);
    await client.query('COMMIT');
    return { createdAt, migrations, tables, named };
  });
}

/**
 * Writes a backup of database and artifact store while both are in use. Memory does not grow with the sizes of files, only
 * with their number. What it holds is as secret as the installation: personal data, and hashes of passwords and keys.
 * @returns what `backup.json` says
 * @throws CloveError 'conflict' where the backup has files already, or the database is of an earlier version; 'not-found' where it
 *   holds no registry
 */
export async function backUp(o: Options): Promise<BackupManifest> {
  for await (const { key } of o.backup.keys()) {
    throw new CloveError('conflict', `There is something in that place already (${key}). Choose an empty one.`);
  }
  const copied = new Map<string, Stored & { writtenMs: number }>();
  let bytes = 0;
  const copy = async () => {
    await each(o.artifacts.keys(), async (file) => {
      o.signal?.throwIfAborted();
      const before = copied.get(file.key);
      // one that was written again since, or is in the making
      if (isInTheMaking(file.key) || (before?.bytes === file.bytes && before.writtenMs === file.writtenMs)) return;
      try {
        const { stream } = await o.artifacts.open(file.key);
        const stored = await o.backup.put(copyOf(file.key), stream, { signal: o.signal });
        copied.set(file.key, { ...stored, writtenMs: file.writtenMs });
        bytes += stored.bytes;
        o.onProgress?.({ files: copied.size, bytes });
      } catch (error) {
        // it was deleted since it was listed; whether a row wants it is seen below
        if (!(error instanceof CloveError && error.code === 'not-found')) throw error;
      }
    });
  };
  for (let before: string[] | undefined; ;) {
    const { named, ...rows } = await readRows(o);
    await copy();
    const missing = named.filter((key) => !copied.has(key));
    const lost = missing.filter((key) => before?.includes(key));
    before = missing;
    if (lost.length < missing.length) continue;
    const files = [...copied].map(([key, { bytes: size, sha256 }]) => ({ key, bytes: size, sha256 }));
    const manifest: BackupManifest = { format: 1, ...rows, files, missing };
    await o.backup.put(MANIFEST, JSON.stringify(manifest, null, 1), { signal: o.signal });
    return manifest;
  }
}

const damaged = (file: string, how: string, cause?: unknown): CloveError =>
  new CloveError(
    'data-unreadable',
    `The backup is damaged: ${file} ${how}. Nothing was restored; use another backup.`,
    {
      cause,
    },
  );

/** What the backup says of itself. */
async function readManifest(backup: ArtifactStore): Promise<BackupManifest> {
  if ((await backup.stat(MANIFEST)) === null) {
    throw new CloveError(
      'not-found',
      `There is no ${MANIFEST} in that place: it is no backup, or one that was not finished.`,
    );
  }
  const content = await backup.readJson(MANIFEST).catch((error: unknown) => {
    throw damaged(MANIFEST, 'cannot be read', error);
  });
  try {
    return check(BackupManifest, content, 'backup');
  } catch (error) {
    throw damaged(MANIFEST, 'is not what this version of Clove writes', error);
  }
}

/** Reads every file of the backup once. @throws CloveError 'data-unreadable' naming the first that is not as it was written */
async function checkFiles({ backup, signal, onProgress }: Options, { tables, files }: BackupManifest): Promise<void> {
  let done = { files: 0, bytes: 0 };
  const all = [
    ...tables.map(({ name, ...file }) => ({ ...file, name: fileOf(name) })),
    ...files.map(({ key, ...file }) => ({ ...file, name: copyOf(key) })),
  ];
  await each(iterate(all), async ({ name, bytes, sha256 }) => {
    signal?.throwIfAborted();
    const opened = await backup.open(name).catch((error: unknown) => {
      throw error instanceof CloveError && error.code === 'not-found' ? damaged(name, 'is missing') : error;
    });
    const hash = createHash('sha256');
    for await (const chunk of opened.stream) hash.update(chunk as Uint8Array);
    if (opened.bytes !== bytes || hash.digest('hex') !== sha256) throw damaged(name, 'is not as it was written');
    done = { files: done.files + 1, bytes: done.bytes + bytes };
    onProgress?.(done);
  });
}

// oxlint-disable-next-line typescript/require-await
async function* iterate<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** @throws CloveError 'conflict' where this version of Clove cannot bring the backup's schema to its own */
async function checkMigrations({ migrations }: BackupManifest): Promise<void> {
  const known = new Map((await migrationsIn()).map(({ name, checksum }) => [name, checksum]));
  for (const { name, checksum } of migrations) {
    if (known.get(name) === checksum) continue;
    throw new CloveError(
      'conflict',
      `The backup was made with migration ${name}, which this version of Clove ${known.has(name) ? 'has another form of' : 'does not know'}. Restore with the version that made it, or a later one.`,
    );
  }
}

/**
 * Makes the schema anew.
 * @throws CloveError 'conflict' where somebody has used it, for there are users, and `overwrite` does not say to give it up
 */
async function clearDatabase(databaseUrl: string, overwrite: boolean): Promise<void> {
  await migrate(databaseUrl, undefined, []); // makes the database where it is missing
  await withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ there: boolean }>(`SELECT to_regclass('public.users') IS NOT NULL AS there`);
    const used = rows[0]?.there === true && (await client.query('SELECT FROM users LIMIT 1')).rowCount === 1;
    if (used && !overwrite) {
      throw new CloveError(
        'conflict',
        `The database at ${place(databaseUrl)} is in use. Restore into a new one, or say --overwrite to give up what is there.`,
      );
    }
    await client.query('DROP SCHEMA public CASCADE');
    await client.query('CREATE SCHEMA public');
  });
}

async function clearArtifacts(artifacts: ArtifactStore, overwrite: boolean): Promise<void> {
  const folders = new Set<string>();
  for await (const { key } of artifacts.keys()) {
    if (!overwrite) {
      throw new CloveError(
        'conflict',
        `The artifact store is not empty (${key}). Restore into an empty one, or say --overwrite to give up what is there.`,
      );
    }
    folders.add(key.split('/')[0]!);
  }
  for (const folder of folders) await artifacts.remove(folder);
}

/** The rows of the backup, all or none, into a schema that fits them. */
async function loadRows({ databaseUrl, backup }: Options, { tables }: BackupManifest): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    await client.query('BEGIN');
    // migrations make rows of their own, which the backup has as they have become
    const all = (await tablesOf(client)).filter(({ name }) => name !== '_prisma_migrations');
    await client.query(`TRUNCATE ${all.map(({ name }) => client.escapeIdentifier(name)).join(', ')}`);
    for (const { name, columns, rows } of tables) {
      const { stream } = await backup.open(fileOf(name));
      const load = client.query(
        copyFrom(`COPY ${client.escapeIdentifier(name)} (${names(client, columns)}) FROM STDIN`),
      );
      await pipeline(stream, load);
      if (load.rowCount !== rows) throw damaged(fileOf(name), `has ${load.rowCount} rows instead of ${rows}`);
    }
    await client.query('COMMIT');
  });
}

/**
 * Brings a backup back: files first, then the rows, in the schema that they were read from, then the migrations since. Jobs that
 * ran at the time of the backup begin anew, as ones whose worker was lost. Nothing may use database and store meanwhile.
 * Every file is checked before anything is changed.
 * @param o.overwrite gives up what database and artifact store hold; without it both must be empty
 * @throws CloveError 'data-unreadable' naming the file that is damaged; 'not-found' where there is no backup; 'conflict' where
 *   it is of a later version of Clove, or database or store are not empty
 */
export async function restoreBackup(o: Options & { overwrite: boolean }): Promise<BackupManifest> {
  const manifest = await readManifest(o.backup);
  await checkMigrations(manifest);
  await checkFiles(o, manifest);
  // both are looked at before either is emptied
  if (!o.overwrite) await clearArtifacts(o.artifacts, false);
  await clearDatabase(o.databaseUrl, o.overwrite);
  await clearArtifacts(o.artifacts, o.overwrite);
  await each(iterate(manifest.files), async ({ key }) => {
    o.signal?.throwIfAborted();
    const { stream } = await o.backup.open(copyOf(key));
    await o.artifacts.put(key, stream, { signal: o.signal });
  });
  await migrate(
    o.databaseUrl,
    undefined,
    manifest.migrations.map(({ name }) => name),
  );
  await loadRows(o, manifest);
  await migrate(o.databaseUrl);
  await withClient(o.databaseUrl, (client) =>
    client.query(`UPDATE jobs SET beat_at = 'epoch' WHERE status = 'running'`),
  );
  return manifest;
}
