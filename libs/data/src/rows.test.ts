import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PredictionRowsQuery, RowPage } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { readRows } from './rows.js';

let scratchDir: string;
let parquet: string;
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-rows-'));
  parquet = path.join(scratchDir, 'rows.parquet');
  await withDuck({ scratchDir }, (db) =>
    db.run(`COPY (
      SELECT 'Id-' || i AS customer_id, i AS n, (i % 3)::DOUBLE AS "odd ""name""; --",
        CASE WHEN i % 5 = 0 THEN NULL ELSE i::FLOAT / 10 END AS f
      FROM range(250000) AS r(i)
    ) TO ${literal(parquet)} (FORMAT parquet)`),
  );
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

const page = (query: Partial<PredictionRowsQuery>) =>
  readRows({ scratchDir, parquet, query: PredictionRowsQuery.parse(query) });

test('pages in file order join to the whole file', async () => {
  const first = await page({ limit: 3 });
  expect(first).toEqual({
    columns: ['customer_id', 'n', 'odd "name"; --', 'f'],
    rows: [
      ['Id-0', 0, 0, null],
      ['Id-1', 1, 1, 0.1],
      ['Id-2', 2, 2, 0.2],
    ],
    offset: 0,
    total: 250_000,
  });
  const numbers: unknown[] = [];
  for (let offset = 122_000; offset < 124_000; offset += 400)
    numbers.push(...(await page({ offset, limit: 400 })).rows.map(([, n]) => n));
  expect(numbers).toEqual(Array.from({ length: 2000 }, (_, i) => 122_000 + i));
  const last = await page({ offset: 249_999, limit: 10 });
  expect(last.rows).toEqual([['Id-249999', 249_999, 0, 24_999.9]]);
  expect((await page({ offset: 250_000 })).rows).toEqual([]);
});

test('sorting goes both ways over any column name, ties in file order, missing values last', async () => {
  const sort = 'odd "name"; --';
  expect((await page({ sort, limit: 3 })).rows.map(([, n]) => n)).toEqual([0, 3, 6]);
  expect((await page({ sort, order: 'desc', limit: 3 })).rows.map(([, n]) => n)).toEqual([2, 5, 8]);
  expect((await page({ sort: 'f', order: 'desc', limit: 2 })).rows.map(([, n]) => n)).toEqual([249_999, 249_998]);
  expect((await page({ sort: 'f', offset: 249_999 })).rows[0]![3]).toBe(null);
});

test('an unknown sort column is refused by name, with the columns there are', async () => {
  await expect(page({ sort: 'colour"' })).rejects.toMatchObject({
    code: 'invalid-input',
    message: expect.stringMatching(/"colour"".*customer_id, n,/) as string,
    errors: [{ pointer: '/sort' }],
  });
});

test('the search finds parts of ids in any letter case, takes wildcards and quotes literally, and counts what it found', async () => {
  const found = await page({ search: 'ID-2499', limit: 5 });
  expect(found.total).toBe(111);
  expect(found.rows[0]![0]).toBe('Id-2499');
  expect((await page({ search: '%' })).total).toBe(0);
  expect((await page({ search: "'; DROP TABLE x; --" })).total).toBe(0);
});

describe('values', () => {
  test('of every type are safe in JSON', async () => {
    const file = path.join(scratchDir, 'types.parquet');
    await withDuck({ scratchDir }, (db) =>
      db.run(`COPY (SELECT
        TIMESTAMP '2011-12-09 12:50:00' AS t, TIMESTAMP '1650-01-02 03:04:05.678' AS early, DATE '2024-02-29' AS d, 12345678901::BIGINT AS big,
        true AS yes, 'text' AS s, 'nan'::DOUBLE AS nan, '-inf'::DOUBLE AS minus, 1.25::DECIMAL(10, 2) AS exact,
        12.3::FLOAT AS f, NULL::VARCHAR AS nothing, 7 AS file_row_number) TO ${literal(file)} (FORMAT parquet)`),
    );
    const found = await readRows({ scratchDir, parquet: file, query: PredictionRowsQuery.parse({ sort: 't' }) });
    expect(RowPage.parse(JSON.parse(JSON.stringify(found)))).toEqual(found);
    expect(found.rows).toEqual([
      [
        '2011-12-09T12:50:00.000Z',
        '1650-01-02T03:04:05.678Z',
        '2024-02-29',
        12_345_678_901,
        true,
        'text',
        'NaN',
        '-Infinity',
        1.25,
        12.3,
        null,
        7,
      ],
    ]);
  });
});

test('tier and range choose the rows of a prediction, before sorting and paging; elsewhere they are refused', async () => {
  const file = path.join(scratchDir, 'predictions.parquet');
  await withDuck({ scratchDir }, (db) =>
    db.run(`COPY (
      SELECT 'Id-' || i AS customer_id, (i * 7 % 1000)::FLOAT AS predicted_clv,
        CASE WHEN i % 4 = 0 THEN 'gold' ELSE 'bronze' END AS tier FROM range(1000) AS r(i)
    ) TO ${literal(file)} (FORMAT parquet)`),
  );
  const query = PredictionRowsQuery.parse({
    tier: 'gold',
    min: '100',
    max: '199.5',
    sort: 'predicted_clv',
    order: 'desc',
    offset: 3,
    limit: 5,
  });
  const found = await readRows({ scratchDir, parquet: file, query });
  const expected = Array.from({ length: 1000 }, (_, i) => ({ id: `Id-${i}`, clv: (i * 7) % 1000, gold: i % 4 === 0 }))
    .filter(({ clv, gold }) => gold && clv >= 100 && clv <= 199.5)
    .toSorted((a, b) => b.clv - a.clv);
  expect(found.total).toBe(expected.length);
  expect(found.rows).toEqual(expected.slice(3, 8).map(({ id, clv }) => [id, clv, 'gold']));
  await expect(page({ tier: 'gold' })).rejects.toMatchObject({ code: 'invalid-input', errors: [{ pointer: '/tier' }] });
});
