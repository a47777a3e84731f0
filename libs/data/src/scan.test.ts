import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Column, SNAPSHOT_FEATURE_NAMES, type Table } from '@clove/clv';
import type { DatasetProfile } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { generateDataset } from './generate.js';
import { profileParquet } from './profile.js';
import { type ScanOptions, type ScoringRows, customerAt, loadFeatures, openRows, scan, scoringRows } from './scan.js';
import { snapshot } from './snapshot.js';

let scratchDir: string;
const made = new Map<'features' | 'transactions', { parquet: string; profile: DatasetProfile }>();
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-scan-'));
  for (const generator of ['features', 'transactions'] as const) {
    const outDir = path.join(scratchDir, generator);
    const profile = await generateDataset({ scratchDir, outDir, options: { generator, customers: 5000, seed: 1 } });
    made.set(generator, { parquet: path.join(outDir, 'data.parquet'), profile });
  }
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

/** One table out of many, by plain concatenation. */
const joined = (tables: Table[]): Table => ({
  rows: tables.reduce((sum, { rows }) => sum + rows, 0),
  ids: tables.flatMap(({ ids }) => ids),
  columns: new Map(
    Array.from(tables[0]!.columns, ([name, { kind }]): [string, Column] => [
      name,
      kind === 'numeric'
        ? {
            kind,
            values: Float64Array.from(
              tables.flatMap((table) => [...(table.columns.get(name)!.values as Float64Array)]),
            ),
          }
        : { kind, values: tables.flatMap((table) => table.columns.get(name)!.values as (string | null)[]) },
    ]),
  ),
});
const all = async (tables: AsyncIterable<Table>) => {
  const list: Table[] = [];
  for await (const table of tables) list.push(table);
  return list;
};

/** The rows of a dataset that are scored, and a scan of them. */
const rowsOf = (o: Pick<Parameters<typeof scoringRows>[0], 'parquet' | 'profile' | 'asOf'>) =>
  scoringRows({ scratchDir, outDir: path.join(scratchDir, 'rows'), ...o });
const scanned = async (source: ScoringRows, o: Pick<ScanOptions, 'columns'> & Partial<ScanOptions>) => {
  const duck = await openRows({ scratchDir, ...source });
  try {
    return await all(scan({ ...source, duck, ids: true, ...o }));
  } finally {
    await duck.close();
  }
};

describe('features', () => {
  test('a scan gives the rows of the whole table, in file order, whatever the chunk size', async () => {
    const dataset = made.get('features')!;
    const whole = await loadFeatures({ scratchDir, ...dataset });
    expect(whole.rows).toBe(5000);
    expect(whole.ids.slice(0, 3)).toEqual(['1', '2', '3']);
    expect(whole.columns.size).toBe(17);
    for (const chunkRows of [700, 2048, 5000, 100_000]) {
      const tables = await scanned(await rowsOf(dataset), { columns: [...whole.columns.keys()], chunkRows });
      expect(tables.slice(0, -1).every(({ rows }) => rows === chunkRows)).toBe(true);
      expect(joined(tables)).toEqual(whole);
    }
  });

  test('missing values, booleans and texts become what a table promises', async () => {
    const parquet = path.join(scratchDir, 'kinds.parquet');
    const profile = await withDuck({ scratchDir }, async (db) => {
      await db.run(`COPY (SELECT * FROM (VALUES
          ('a', 1.5::DOUBLE, true, 'x', 10::DOUBLE), ('b', NULL, false, NULL, 20), ('c', -2, NULL, '', 30)
        ) AS rows(customer_id, n, b, "a ""quoted"" name", clv)) TO ${literal(parquet)} (FORMAT parquet)`);
      return profileParquet(db, { parquet, kind: 'features', targetColumn: 'clv' });
    });
    const table = await loadFeatures({ scratchDir, parquet, profile });
    expect(table.ids).toEqual(['a', 'b', 'c']);
    expect([...table.columns]).toEqual([
      ['n', { kind: 'numeric', values: Float64Array.of(1.5, Number.NaN, -2) }],
      ['b', { kind: 'numeric', values: Float64Array.of(1, 0, Number.NaN) }],
      ['a "quoted" name', { kind: 'categorical', values: ['x', null, ''] }],
      ['clv', { kind: 'numeric', values: Float64Array.of(10, 20, 30) }],
    ]);
    const columns = ['a "quoted" name', 'n'];
    const [chosen] = await scanned({ parquet, steps: null }, { columns });
    expect([...chosen!.columns.keys()]).toEqual(columns);
  });

  test('a stretch holds its rows and no others, across row groups, with or without ids', async () => {
    const source = path.join(scratchDir, 'groups.parquet');
    await withDuck({ scratchDir }, (db) =>
      db.run(`COPY (SELECT 'c' || i AS customer_id, i::DOUBLE AS n FROM range(10000) t(i))
        TO ${literal(source)} (FORMAT parquet, ROW_GROUP_SIZE 2048)`),
    );
    const rows = { parquet: source, steps: null };
    for (const stretch of [
      { from: 0, rows: 1 },
      { from: 2047, rows: 3 },
      { from: 3000, rows: 6500 },
      { from: 9999, rows: 1 },
    ]) {
      const table = joined(await scanned(rows, { columns: ['n'], stretch, chunkRows: 1000 }));
      const expected = Array.from({ length: stretch.rows }, (_, i) => stretch.from + i);
      expect([...table.columns.get('n')!.values]).toEqual(expected);
      expect(table.ids).toEqual(expected.map((i) => `c${i}`));
      const [bare] = await scanned(rows, { columns: ['n'], stretch, ids: false });
      expect([bare!.rows, bare!.ids]).toEqual([stretch.rows, []]);
    }
    const duck = await openRows({ scratchDir, ...rows });
    expect(await customerAt({ duck, parquet: source, row: 4321 })).toBe('c4321');
    await duck.close();
  });

  test('a column that is not there is named, with those that are', async () => {
    const work = scanned(await rowsOf(made.get('features')!), { columns: ['age', 'shoe_size'] });
    await expect(work).rejects.toMatchObject({
      code: 'columns-mismatch',
      message: expect.stringMatching(/"shoe_size".*age, gender/) as string,
    });
  });

  test('an as-of date is refused', async () => {
    const work = rowsOf({ ...made.get('features')!, asOf: '2024-01-01' });
    await expect(work).rejects.toMatchObject({ code: 'invalid-input' });
  });
});

describe('transactions', () => {
  test('a scan gives the rows of the snapshot, by default at the last day of the data', async () => {
    const { parquet, profile } = made.get('transactions')!;
    for (const asOf of ['2024-01-31', undefined]) {
      const whole = await snapshot({ scratchDir, parquet, asOf: asOf ?? profile.lastTime!.slice(0, 10) });
      const source = await rowsOf({ parquet, profile, asOf });
      expect(source.rows).toBe(whole.rows);
      const tables = await scanned(source, { columns: SNAPSHOT_FEATURE_NAMES, chunkRows: 999 });
      expect(joined(tables)).toEqual(whole);
      expect(whole.ids).toEqual(whole.ids.toSorted());
    }
  });

  test('are no features to load as they are', async () => {
    const work = loadFeatures({ scratchDir, ...made.get('transactions')! });
    await expect(work).rejects.toMatchObject({
      code: 'kind-mismatch',
      message: expect.stringMatching(/as-of date/) as string,
    });
  });
});

test('one database serves one stretch after the other, after an end, a break and an error; an abort stops it', async () => {
  const source = await rowsOf(made.get('transactions')!);
  const stop = new AbortController();
  const duck = await openRows({ scratchDir, ...source, signal: stop.signal });
  const o = { ...source, duck, ids: true, columns: ['orders'], chunkRows: 10, signal: stop.signal };
  for await (const table of scan(o)) {
    expect(table.rows).toBe(10);
    break;
  }
  await expect(all(scan({ ...o, columns: ['shoe_size'] }))).rejects.toMatchObject({ code: 'columns-mismatch' });
  for (const from of [0, 100]) {
    const table = joined(await all(scan({ ...o, stretch: { from, rows: 25 } })));
    expect(table.rows).toBe(25);
  }
  const work = (async () => {
    for await (const table of scan(o)) if (table.rows > 0) stop.abort();
  })();
  await expect(work).rejects.toMatchObject({ code: 'cancelled' });
  await duck.close();
  expect((await readdir(scratchDir)).filter((name) => name.startsWith('duck-'))).toEqual([]);
});
