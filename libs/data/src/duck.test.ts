import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloveError } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ident, literal, withDuck } from './duck.js';

let home: string;
let scratchDir: string;
let outside: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clove-duck-'));
  scratchDir = join(home, 'job');
  outside = join(home, 'job-of-another');
  await mkdir(scratchDir);
  await mkdir(outside);
  await writeFile(join(outside, 'a.csv'), 'a\n1\n');
});
afterAll(() => rm(home, { recursive: true, force: true }));

const said = (sql: string, reach: { files?: string[]; folders?: string[] } = {}): Promise<string> =>
  withDuck({ scratchDir, ...reach }, (db) => db.run(sql)).then(
    () => 'done',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

describe('the database of a job', () => {
  test('reads and writes the folder of the job, and nothing beside it', async () => {
    const own = literal(join(scratchDir, 'x.parquet'));
    expect(await said(`COPY (SELECT 1 AS a) TO ${own} (FORMAT parquet); SELECT * FROM ${own}`)).toBe('done');
    for (const sql of [
      `SELECT * FROM read_csv(${literal(join(outside, 'a.csv'))})`,
      `SELECT * FROM read_csv(${literal(join(scratchDir, '../job-of-another/a.csv'))})`,
      "SELECT * FROM read_text('/etc/passwd')",
      "SELECT * FROM glob('/etc/*')",
      `COPY (SELECT 1) TO ${literal(join(outside, 'b.csv'))}`,
      `ATTACH ${literal(join(outside, 'b.db'))}`,
      `EXPORT DATABASE ${literal(join(outside, 'all'))}`,
      "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
      "SELECT * FROM 's3://bucket/x.parquet'",
    ])
      expect(await said(sql), sql).toMatch(/disabled by configuration/);
    expect(await readdir(outside)).toEqual(['a.csv']);
  });

  test('reaches a file or a folder elsewhere where the work names it', async () => {
    const file = join(outside, 'a.csv');
    const sql = `SELECT * FROM read_csv(${literal(file)})`;
    expect(await said(sql, { files: [file] })).toBe('done');
    expect(await said(sql, { folders: [outside] })).toBe('done');
    expect(await said(sql, { files: [join(outside, 'b.csv')] })).toMatch(/disabled by configuration/);
  });

  test('loads no extension, neither from elsewhere nor from a file', async () => {
    for (const sql of [
      'INSTALL httpfs',
      'LOAD httpfs',
      'INSTALL x FROM community',
      `LOAD ${literal(join(scratchDir, 'x'))}`,
    ])
      expect(await said(sql), sql).toMatch(/disabled/);
  });

  test('does not let a statement change any of that', async () => {
    for (const sql of [
      'SET enable_external_access = true',
      "SET allowed_directories = ['/']",
      "SET memory_limit = '100GB'",
      "SET temp_directory = '/tmp'",
      'SET autoload_known_extensions = true',
      'RESET lock_configuration',
      'SET GLOBAL lock_configuration = false',
    ])
      expect(await said(sql), sql).toMatch(/locked|cannot be changed/i);
  });

  test('spills beyond its memory, into its folder alone, and says so where even that is too little', async () => {
    const sorted = await withDuck({ scratchDir, memoryLimitBytes: 64 * 1024 ** 2, threads: 1 }, async (db) => {
      await db.run('CREATE TABLE t AS SELECT range AS a, md5(range::VARCHAR) AS b FROM range(2000000)');
      return db.row<{ n: number }>('SELECT count(*) AS n FROM (SELECT * FROM t ORDER BY b, a)');
    });
    expect(sorted.n).toBe(2_000_000);
    const greedy = withDuck({ scratchDir, memoryLimitBytes: 64 * 1024 ** 2, threads: 1 }, (db) =>
      db.run("CREATE TABLE t AS SELECT list(repeat('x', 1000) || range) FROM range(1000000)"),
    );
    await expect(greedy).rejects.toSatisfy(
      (error) => error instanceof CloveError && error.message.includes('raise MEMORY_LIMIT_BYTES'),
    );
    expect((await readdir(scratchDir)).filter((name) => name.startsWith('duck-'))).toEqual([]);
  });

  test.each(['x"; DROP TABLE t; --', '""', "'; --", 'a\nb', 'select', '../x', '\u202e', ' ', '%s', '$1', '?'])(
    'a column called %j is a column, and as a text a text',
    async (name) => {
      const row = await withDuck({ scratchDir }, async (db) => {
        await db.run(`CREATE TABLE t AS SELECT ${literal(name)} AS ${ident(name)}`);
        return db.row<Record<string, string>>(`SELECT ${ident(name)} FROM t`);
      });
      expect(row).toEqual({ [name]: name });
    },
  );
});
