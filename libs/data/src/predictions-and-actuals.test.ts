import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { predictionsAndActuals } from './predictions-and-actuals.js';

const CUSTOMERS = 997;
let scratchDir: string;
let predictions: string;
const signal = new AbortController().signal;
const predicted = (i: number): number => ((i * 37) % 1009) / 4;

beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-figures-'));
  predictions = path.join(scratchDir, 'predictions.parquet');
  await withDuck({ scratchDir }, (db) =>
    db.run(`COPY (
      SELECT 'c' || i AS customer_id, ((i * 37) % 1009 / 4.0)::FLOAT AS predicted_clv
      FROM range(${CUSTOMERS}) AS r(i) ORDER BY i) TO ${literal(predictions)} (FORMAT parquet)`),
  );
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

test('actual spend comes from a column by position, rows without a value left out', async () => {
  const parquet = path.join(scratchDir, 'features.parquet');
  await withDuck({ scratchDir }, (db) =>
    db.run(`COPY (SELECT 'same id' AS customer_id, CASE WHEN i % 3 = 0 THEN NULL WHEN i % 3 = 1 THEN 'nan'::DOUBLE
      ELSE i * 2.0 END AS "the ""target""" FROM range(${CUSTOMERS}) AS r(i)) TO ${literal(parquet)} (FORMAT parquet)`),
  );
  const actual = { type: 'column', name: 'the "target"' } as const;
  const pairs = await predictionsAndActuals({ scratchDir, predictions, parquet, actual, signal });
  const rows = Array.from({ length: CUSTOMERS }, (_, i) => i).filter((i) => i % 3 === 2);
  expect([...pairs.actual]).toEqual(rows.map((i) => i * 2));
  expect([...pairs.predicted]).toEqual(rows.map((i) => predicted(i)));
});

test('actual spend comes from the orders in the days after the as-of date, refunds included, 0 where there are none', async () => {
  const parquet = path.join(scratchDir, 'orders.parquet');
  await withDuck({ scratchDir }, (db) =>
    db.run(`COPY (SELECT * FROM (VALUES
      ('c0', TIMESTAMP '2024-03-01 23:59:59', 1000.0), ('c0', TIMESTAMP '2024-03-02 00:00:00', 10.0),
      ('c0', TIMESTAMP '2024-03-11 23:59:59', -4.0), ('c0', TIMESTAMP '2024-03-12 00:00:00', 5000.0),
      ('c2', TIMESTAMP '2024-03-05', 7.5), ('nobody scored', TIMESTAMP '2024-03-05', 1.0)
    ) AS t(customer_id, time, amount)) TO ${literal(parquet)} (FORMAT parquet)`),
  );
  const actual = { type: 'orders', asOf: '2024-03-01', horizonDays: 10 } as const;
  const pairs = await predictionsAndActuals({ scratchDir, predictions, parquet, actual, signal });
  const spent = new Map(
    pairs.predicted.reduce<[number, number][]>((list, value, i) => [...list, [value, pairs.actual[i]!]], []),
  );
  expect(pairs.actual.length).toBe(CUSTOMERS);
  expect(spent.get(predicted(0))).toBe(6);
  expect(spent.get(predicted(2))).toBe(7.5);
  expect(sum([...pairs.actual])).toBe(13.5);
});
