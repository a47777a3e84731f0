import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type BackupManifest, CloveError } from '@clove/contracts';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { artifactKeys } from './artifact-keys.js';
import { type ArtifactStore, openArtifacts } from './artifacts.js';
import { backUp, restoreBackup } from './backup.js';
import { migrate, migrationsIn } from './migrate.js';
import { openRegistry } from './open-registry.js';
import type { Registry } from './registry.js';
import { DEFAULT_TENANT } from './tenancy.js';
import { artifacts as versionFiles, freshUrl, newDataset, readyDataset, trained } from './test-support.js';

let folder: string;
let url: string;
let registry: Registry;
let artifacts: ArtifactStore;
let backup: ArtifactStore;
let backupDir: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clove-backup-'));
  url = freshUrl(inject('databaseUrl'));
  await migrate(url);
  registry = openRegistry(url).forTenant(DEFAULT_TENANT);
  artifacts = openArtifacts(path.join(folder, 'store'));
  backupDir = path.join(folder, 'backup');
  backup = openArtifacts(backupDir, { ownerOnly: true });
});
afterEach(async () => {
  await registry.close();
  await rm(folder, { recursive: true });
});

async function query<T extends object>(database: string, sql: string, values: unknown[] = []): Promise<T[]> {
  const client = new Client({ connectionString: database });
  await client.connect();
  try {
    return (await client.query<T>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Every row of every table as text, for comparison by another route than COPY. */
async function rowsOf(database: string): Promise<Record<string, string[]>> {
  const tables = await query<{ name: string }>(
    database,
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = 'public' AND table_name NOT IN ('_prisma_migrations', 'sessions', 'shards')`,
  );
  const found: Record<string, string[]> = {};
  for (const { name } of tables) {
    const rows = await query<{ row: string }>(database, `SELECT to_jsonb(t)::text AS row FROM "${name}" t`);
    found[name] = rows.map(({ row }) => row).toSorted();
  }
  return found;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const addUser = (id: string, username: string) =>
  query(url, `INSERT INTO users (id, username, password_hash, role) VALUES ($1, $2, 'hash', 'viewer')`, [id, username]);

/** A dataset with its files, and a version with its file. */
async function filled(): Promise<{ datasetId: string; versionId: string }> {
  const datasetId = await readyDataset(registry);
  await artifacts.put(artifactKeys.data({ id: datasetId, revision: null }), 'parquet');
  await artifacts.put(artifactKeys.profile({ id: datasetId, revision: null }), '{}');
  const { version } = await trained(registry, datasetId, 'kept');
  for (const { name } of versionFiles) await artifacts.put(artifactKeys.version(version.id, name), 'onnx');
  return { datasetId, versionId: version.id };
}

const options = () => ({ databaseUrl: url, artifacts, backup });
/** An empty place to restore to. */
const elsewhere = () => ({
  databaseUrl: freshUrl(inject('databaseUrl')),
  artifacts: openArtifacts(path.join(folder, 'elsewhere')),
  backup,
  overwrite: false,
});

test('the registry holds no sequence, whose state a backup of rows would lose', async () => {
  expect(await query(url, `SELECT FROM pg_sequences WHERE schemaname = 'public'`)).toEqual([]);
});

test('every row and every file come back as they were, whatever is in them; what is in the making is left out', async () => {
  const odd = 'tab\tnewline\nreturn\rback\\slash \\N \\. "quoted" \u{1f340} é';
  await addUser('usr_1', odd);
  await addUser('usr_2', '\\N');
  await query(
    url,
    `INSERT INTO sessions (id, user_id, token_hash, expires_at) VALUES ('s', 'usr_1', 'h', now() + interval '1 day')`,
  );
  const { datasetId } = await filled();
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) % 251));
  await artifacts.put(artifactKeys.upload(datasetId, 0), bytes);
  await artifacts.put('runs/run_x/checkpoint.safetensors', 'x');
  await artifacts.put('predictions/pre_x/shards/plan.json', 'x');
  await artifacts.put('probes/x', 'x');

  const manifest = await backUp(options());
  expect(manifest.missing).toEqual([]);
  expect(manifest.files.find(({ key }) => key === artifactKeys.upload(datasetId, 0))).toMatchObject({
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });

  const to = elsewhere();
  await restoreBackup(to);
  expect(await rowsOf(to.databaseUrl)).toEqual(await rowsOf(url));
  expect(await query(to.databaseUrl, 'SELECT FROM sessions')).toEqual([]);
  expect(await query(to.databaseUrl, `SELECT FROM users WHERE username = $1`, [odd])).toHaveLength(1);
  const keys = (await all(to.artifacts.keys())).map(({ key }) => key).toSorted();
  const kept = (await all(artifacts.keys())).map(({ key }) => key).filter((key) => !/^(runs|probes)|shards/.test(key));
  expect(keys).toEqual(kept.toSorted());
  const { stream } = await to.artifacts.open(artifactKeys.upload(datasetId, 0));
  expect((await buffer(stream)).equals(bytes)).toBe(true);
});

test('only the owner of the process can read a backup', async () => {
  await filled();
  await backUp(options());
  const entries = await readdir(backupDir, { recursive: true, withFileTypes: true });
  expect(entries.length).toBeGreaterThan(10);
  for (const entry of entries) {
    const { mode } = await stat(path.join(entry.parentPath, entry.name));
    expect([entry.name, mode & 0o777]).toEqual([entry.name, entry.isDirectory() ? 0o700 : 0o600]);
  }
});

describe('what changes while the backup is made', () => {
  /** The store of the installation, in which something happens once, when the first file is about to be copied. */
  const duringCopy = (happen: () => Promise<void>): ArtifactStore => {
    let happened: Promise<void> | undefined;
    return {
      ...artifacts,
      open: async (key) => {
        await (happened ??= happen());
        return artifacts.open(key);
      },
    };
  };

  test('a dataset that is deleted is not in it, neither its row nor a gap', async () => {
    const { datasetId } = await filled();
    const manifest = await backUp({
      ...options(),
      artifacts: duringCopy(async () => {
        await registry.datasets.remove(datasetId);
        await artifacts.remove(artifactKeys.dataset(datasetId));
      }),
    });
    expect(manifest.missing).toEqual([]);
    const to = elsewhere();
    await restoreBackup(to);
    expect(await query(to.databaseUrl, 'SELECT FROM datasets')).toEqual([]);
    expect(await query(to.databaseUrl, 'SELECT FROM model_versions')).toHaveLength(1);
  });

  test('a dataset that is added is in it whole or not at all', async () => {
    const { datasetId } = await filled();
    const manifest = await backUp({ ...options(), artifacts: duringCopy(async () => void (await filled())) });
    const to = elsewhere();
    await restoreBackup(to);
    const ready = await query<{ id: string }>(to.databaseUrl, 'SELECT id FROM datasets');
    expect(ready.map(({ id }) => id)).toEqual([datasetId]);
    expect(manifest.missing).toEqual([]);
  });

  test('a file that a row names and the store has lost is told, and the rest is there', async () => {
    const { datasetId, versionId } = await filled();
    await artifacts.remove(artifactKeys.data({ id: datasetId, revision: null }));
    const manifest = await backUp(options());
    expect(manifest.missing).toEqual([artifactKeys.data({ id: datasetId, revision: null })]);
    const to = elsewhere();
    await restoreBackup(to);
    expect(await to.artifacts.stat(artifactKeys.version(versionId, 'model.onnx'))).toEqual({ bytes: 4 });
  });
});

test('a job that ran is given out again at once, a queued one is queued', async () => {
  const { job: ran } = await newDataset(registry);
  await registry.jobs.start(ran.id, 'worker');
  const { job: shared } = await newDataset(registry);
  await registry.jobs.start(shared.id, 'worker');
  // as while its shards are at work
  await registry.jobs.wait(shared.id, 1);
  const { job: queued } = await newDataset(registry);
  await query(url, `UPDATE datasets SET status = 'pending'`);
  await backUp(options());
  const to = elsewhere();
  await restoreBackup(to);
  const restored = openRegistry(to.databaseUrl);
  try {
    const waiting = await restored.jobs.waiting();
    expect(waiting.map(({ payload }) => payload.jobId)).toEqual([ran.id, shared.id, queued.id]);
    expect(await restored.jobs.start(shared.id, 'another')).toEqual({ outcome: 'started', attempt: 2 });
  } finally {
    await restored.close();
  }
});

describe('a backup is refused, and nothing is changed', () => {
  const refused = async (to = elsewhere()) => {
    const error: unknown = await restoreBackup(to).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(await all(to.artifacts.keys())).toEqual([]);
    return error as { code: string; message: string };
  };

  test.each([
    ['cut off', 'database/users.copy', (file: string) => truncate(file, 3)],
    ['changed', 'artifacts/versions/VERSION/model.onnx', (file: string) => writeFile(file, 'Onnx')],
    ['gone', 'artifacts/datasets/DATASET/data.parquet', (file: string) => rm(file)],
    ['no JSON', 'backup.json', (file: string) => truncate(file, 10)],
  ])('with a file that is %s: it is named (%s)', async (_, name, damage) => {
    await addUser('usr_1', 'ann');
    const { datasetId, versionId } = await filled();
    await backUp(options());
    const file = name.replace('VERSION', versionId).replace('DATASET', datasetId);
    await damage(path.join(backupDir, file));
    expect(await refused()).toMatchObject({
      code: 'data-unreadable',
      message: expect.stringContaining(file) as unknown,
    });
  });

  test('that was not finished', async () => {
    await filled();
    await backUp(options());
    await backup.remove('backup.json');
    expect(await refused()).toMatchObject({ code: 'not-found' });
  });

  test('of a later version of Clove: its migration is named', async () => {
    await query(
      url,
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '20991231000000_later', now())`,
    );
    await backUp(options());
    expect(await refused()).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('20991231000000_later') as unknown,
    });
  });

  test('by a database or a store that is in use, unless that is to be given up', async () => {
    await addUser('usr_1', 'ann');
    await filled();
    await backUp(options());
    const before = await rowsOf(url);
    await addUser('usr_2', 'since');
    const files = await all(artifacts.keys());
    await expect(restoreBackup({ ...options(), overwrite: false })).rejects.toMatchObject({ code: 'conflict' });
    expect(await all(artifacts.keys())).toEqual(files);
    const used = { ...elsewhere(), databaseUrl: url };
    await expect(restoreBackup(used)).rejects.toThrow(/The database at .* is in use/);
    expect(await query(url, 'SELECT FROM users')).toHaveLength(2);

    await restoreBackup({ ...options(), overwrite: true });
    expect(await rowsOf(url)).toEqual(before);
  });
});

test('a restore that is broken off leaves no row, and is finished by another one that gives up what is there', async () => {
  await addUser('usr_1', 'ann');
  await filled();
  await backUp(options());
  const to = elsewhere();
  let opened = 0;
  const breaking: ArtifactStore = {
    ...backup,
    open: async (key) => {
      // first it is checked, then loaded
      if (key !== 'database/jobs.copy' || (opened += 1) < 2) return backup.open(key);
      const broken = Readable.from(
        (function* () {
          yield 'job_x';
          throw new Error('the disk of the backup is gone');
        })(),
      );
      return { stream: broken, bytes: 5 };
    },
  };
  await expect(restoreBackup({ ...to, backup: breaking })).rejects.toThrow('the disk of the backup is gone');
  expect(await query(to.databaseUrl, 'SELECT FROM users')).toEqual([]);
  await expect(restoreBackup(to)).rejects.toMatchObject({ code: 'conflict' });
  await restoreBackup({ ...to, overwrite: true });
  expect(await rowsOf(to.databaseUrl)).toEqual(await rowsOf(url));
});

test('a backup that is cancelled is none', async () => {
  await filled();
  const cancel = new AbortController();
  const cancelled = new CloveError('cancelled', 'Stopped.');
  const attempt = backUp({ ...options(), signal: cancel.signal, onProgress: () => cancel.abort(cancelled) });
  await expect(attempt).rejects.toMatchObject({ code: 'cancelled' });
  expect(await backup.stat('backup.json')).toBeNull();
});

test('a backup does not go where something lies already', async () => {
  await backUp(options());
  await expect(backUp(options())).rejects.toMatchObject({ code: 'conflict' });
});

test('a database without a registry is nothing to back up', async () => {
  const bare = freshUrl(inject('databaseUrl'));
  await migrate(bare, undefined, []);
  await query(bare, 'DROP TABLE "_prisma_migrations"');
  await expect(backUp({ ...options(), databaseUrl: bare })).rejects.toMatchObject({ code: 'not-found' });
});

test('a database of an earlier version is backed up by that version', async () => {
  const [first] = await migrationsIn();
  const old = freshUrl(inject('databaseUrl'));
  await migrate(old, undefined, [first!.name]);
  await expect(backUp({ ...options(), databaseUrl: old })).rejects.toMatchObject({ code: 'conflict' });
});

test('a backup of an earlier version comes back in the schema of today', async () => {
  const [first] = await migrationsIn();
  const rows = 'usr_1\tann\thash\n';
  const file = await backup.put('database/users.copy', rows);
  const tables = [{ name: 'users', columns: ['id', 'username', 'password_hash'], rows: 1, ...file }];
  const migrations = [{ name: first!.name, checksum: first!.checksum }];
  const createdAt = new Date().toISOString();
  const manifest: BackupManifest = { format: 1, createdAt, migrations, tables, files: [], missing: [] };
  await backup.put('backup.json', JSON.stringify(manifest));
  const to = elsewhere();
  await restoreBackup(to);
  expect(await migrate(to.databaseUrl)).toEqual([]);
  // the first version had no roles: everybody was an administrator
  expect(await query(to.databaseUrl, 'SELECT username, role::text FROM users')).toEqual([
    { username: 'ann', role: 'admin' },
  ]);
});
