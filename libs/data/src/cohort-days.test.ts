import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addDays } from '@clove/clv';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cohortDays } from './cohort-days.js';
import { literal, withDuck } from './duck.js';
import { generateDataset } from './generate.js';

let scratchDir: string;
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-cohort-'));
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

type Row = { customer: string; order: string; ms: number; amount: number };

/** The same by plain loops. */
const byLoops = (rows: readonly Row[], asOf: string, until: string) => {
  const dayOf = (ms: number) => Math.floor(ms / 86_400_000);
  const last = dayOf(Date.parse(asOf));
  const orders = new Map<string, Row>();
  for (const row of rows) {
    if (dayOf(row.ms) > dayOf(Date.parse(until))) continue;
    const key = JSON.stringify([row.customer, row.order]);
    const known = orders.get(key) ?? { ...row, amount: 0 };
    orders.set(key, { ...known, ms: Math.min(known.ms, row.ms), amount: known.amount + row.amount });
  }
  const histories = new Map<string, Set<number>>();
  for (const { customer, ms, amount } of orders.values())
    if (amount >= 0) histories.set(customer, (histories.get(customer) ?? new Set()).add(dayOf(ms)));
  const days = new Map<number, { day: number; newcomers: number; repeats: number }>();
  for (const history of histories.values()) {
    const first = Math.min(...history);
    if (first > last) continue;
    for (const day of history) {
      const entry = days.get(day) ?? { day, newcomers: 0, repeats: 0 };
      entry[day === first ? 'newcomers' : 'repeats'] += 1;
      days.set(day, entry);
    }
  }
  return [...days.values()].toSorted((a, b) => a.day - b.day);
};

test('newcomers and repeat order days are those that plain loops count; refunds and later customers are none', async () => {
  const outDir = await mkdtemp(path.join(scratchDir, 'data-'));
  const { firstTime, lastTime } = await generateDataset({
    options: { generator: 'transactions', customers: 400, seed: 7 },
    outDir,
    scratchDir,
  });
  const parquet = path.join(outDir, 'data.parquet');
  const rows = await withDuck({ scratchDir }, (db) =>
    db.rows<Row>(
      `SELECT customer_id AS customer, order_id AS "order", epoch_ms(time) AS ms, amount FROM read_parquet(${literal(parquet)})`,
    ),
  );
  expect(rows.some(({ amount }) => amount < 0)).toBe(true);
  const until = addDays(lastTime!.slice(0, 10), -20);
  const asOf = addDays(until, -90);
  const found = await cohortDays({ parquet, asOf, until, scratchDir });
  expect(found).toEqual(byLoops(rows, asOf, until));
  expect(found[0]!.day).toBe(Date.parse(firstTime!.slice(0, 10)) / 86_400_000);
  expect(found.reduce((sum, { repeats }) => sum + repeats, 0)).toBeGreaterThan(400);
});

test('a date that is no day is refused', () => {
  expect(() => cohortDays({ parquet: 'x', asOf: '1.2.2024', until: '2024-03-01', scratchDir })).toThrow(/YYYY-MM-DD/);
});
