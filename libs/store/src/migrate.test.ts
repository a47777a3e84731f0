import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { migrate } from './migrate.js';
import { freshUrl } from './test-support.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const shipped = path.join(root, 'prisma/migrations');
const server = inject('databaseUrl');
let folder: string;

/** A copy of the shipped migrations with another one, or with one changed. */
async function migrations(name: string, files: Record<string, string>): Promise<string> {
  const copy = path.join(folder, name);
  await cp(shipped, copy, { recursive: true });
  for (const [migration, sql] of Object.entries(files)) {
    await mkdir(path.join(copy, migration), { recursive: true });
    await writeFile(path.join(copy, migration, 'migration.sql'), sql);
  }
  return copy;
}

async function query<T extends object>(url: string, sql: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clove-migrations-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('migrate', () => {
  test('makes the database that is missing, applies everything, and nothing the second time', async () => {
    const url = freshUrl(server);
    const applied = await migrate(url);
    expect(applied[0]).toBe('20260101000000_registry');
    expect(await migrate(url)).toEqual([]);
  });

  test('five processes at once apply each migration once', async () => {
    const url = freshUrl(server);
    const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(url)));
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
  });

  test('a later migration is applied on top', async () => {
    const url = freshUrl(server);
    await migrate(url);
    const later = await migrations('later', { '20991231000000_later': 'CREATE TABLE later (id int); SELECT 1;' });
    expect(await migrate(url, later)).toEqual(['20991231000000_later']);
    await expect(migrate(url)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('20991231000000_later, which this version of Clove does not know'),
    });
  });

  test('an edited migration is refused', async () => {
    const url = freshUrl(server);
    await migrate(url);
    const edited = await migrations('edited', { '20260101000000_registry': 'SELECT 1' });
    await expect(migrate(url, edited)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('was edited after it was applied'),
    });
  });

  test('a migration that fails leaves nothing of itself and says so until it is resolved', async () => {
    const url = freshUrl(server);
    const name = '20991231000000_broken';
    const broken = await migrations('broken', {
      [name]: 'CREATE TABLE half (id int); SELECT no_such_column FROM half;',
    });
    await expect(migrate(url, broken)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('no_such_column'),
    });
    expect(await query(url, "SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);
    await expect(migrate(url, broken)).rejects.toMatchObject({
      message: expect.stringContaining(`prisma migrate resolve --rolled-back ${name}`),
    });
    // what that command does
    await query(url, `UPDATE "_prisma_migrations" SET rolled_back_at = now() WHERE migration_name = '${name}'`);
    const mended = await migrations('mended', { [name]: 'CREATE TABLE half (id int)' });
    expect(await migrate(url, mended)).toEqual([name]);
  });

  test('a server that does not answer and a refused user are told apart, without the password', async () => {
    await expect(migrate('postgresql://clove:sekret@127.0.0.1:1/clove')).rejects.toMatchObject({
      code: 'unavailable',
      retryable: true,
      message: expect.not.stringContaining('sekret'),
    });
    const stranger = new URL(freshUrl(server));
    stranger.username = 'stranger';
    await expect(migrate(stranger.href)).rejects.toMatchObject({ code: 'unavailable', retryable: false });
  });
});

test('Prisma’s own commands agree: the history is theirs, the schema is what the migrations make, and all offline', async () => {
  const url = freshUrl(server);
  await migrate(url);
  const prisma = async (...args: string[]) => {
    const cli = path.join(root, 'node_modules/prisma/build/index.js');
    const env = { ...process.env, DATABASE_URL: url, CHECKPOINT_DISABLE: '1' };
    return (await promisify(execFile)(process.execPath, [cli, 'migrate', ...args], { cwd: root, env })).stdout;
  };
  expect(await prisma('status')).toContain('Database schema is up to date');
  // exits with 2, and so rejects, where there is a difference
  await prisma('diff', '--from-config-datasource', '--to-schema', 'prisma/schema.prisma', '--exit-code');
  await prisma('diff', '--from-migrations', 'prisma/migrations', '--to-schema', 'prisma/schema.prisma', '--exit-code');
});
