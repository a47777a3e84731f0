import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SEQUENCE_CHANNELS, SNAPSHOT_FEATURE_NAMES, type Table, stackTables } from '@clove/clv';
import type { DatasetProfile } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { generateDataset } from './generate.js';
import { openRows, scan, scoringRows } from './scan.js';
import { snapshot } from './snapshot.js';

let scratchDir: string;
let parquet: string;
let profile: DatasetProfile;
const asOf = '2024-06-30';
const LENGTH = 6;
const sequence = { length: LENGTH };

beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-sequences-'));
  const outDir = path.join(scratchDir, 'generated');
  const options = { generator: 'transactions', customers: 700, seed: 11 } as const;
  profile = await generateDataset({ scratchDir, outDir, options });
  parquet = path.join(outDir, 'data.parquet');
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

const parquetOf = async (name: string, query: string): Promise<string> => {
  const file = path.join(scratchDir, `${name}.parquet`);
  await withDuck({ scratchDir }, (db) => db.run(`COPY (${query}) TO ${literal(file)} (FORMAT parquet)`));
  return file;
};

/** The steps of a customer that count, each by the names of its channels. */
const stepsOf = (table: Table, id: string): Record<string, number>[] => {
  const { length, channels, values, mask } = table.sequence!;
  const row = table.ids.indexOf(id);
  return Array.from({ length }, (_, t) => row * length + t)
    .filter((step) => mask[step] === 1)
    .map((step) => Object.fromEntries(SEQUENCE_CHANNELS.map(({ name }, c) => [name, values[step * channels + c]!])));
};

describe('a small history', () => {
  const rows = [
    ['anna', '2024-01-01', 10, 'o1', 2],
    ['anna', '2024-01-11', 20, 'o2', 1],
    ['anna', '2024-01-11', 10, 'o3', 1],
    ['anna', '2024-01-31', -20, 'r1', -1],
    ['anna', '2024-03-31', 0, 'o4', null],
    ['anna', '2024-04-01', 999, 'o5', 1],
    ['bob', '2024-03-31', 7, 'o6', 1],
    ['carl', '2024-03-21', -4, 'r2', -1],
  ] as const;
  const query = `SELECT c AS customer_id, t::TIMESTAMP AS time, a::DOUBLE AS amount, o AS order_id, q::DOUBLE AS quantity,
    NULL::VARCHAR AS product, NULL::VARCHAR AS category, NULL::VARCHAR AS payment_type, NULL::VARCHAR AS place
    FROM (VALUES ${rows.map(([c, t, a, o, q]) => `('${c}', '${t} 12:00:00', ${a}, '${o}', ${q ?? 'NULL'})`).join(', ')}) AS x(c, t, a, o, q)`;
  const near = (value: number) => expect.closeTo(value, 6) as number;

  test('gives the steps that can be worked out by hand', async () => {
    const file = await parquetOf('hand', query);
    const table = await snapshot({ scratchDir, parquet: file, asOf: '2024-03-31', sequence: { length: 5 } });
    // 90 days as a customer, order days at ages 90, 80, 60 and 0: a mean gap of 30; 40 bought on 3 days.
    const mean = 40 / 3;
    expect(stepsOf(table, 'anna')).toEqual([
      {
        amount: near(Math.log(11)),
        amount_ratio: near(10 / (10 + mean)),
        units: near(Math.log(3)),
        gap_share: 0,
        gap_ratio: 0,
        age_share: 1,
        age_ratio: near(90 / 120),
        refund: 0,
      },
      {
        amount: near(Math.log(31)),
        amount_ratio: near(30 / (30 + mean)),
        units: near(Math.log(3)),
        gap_share: near(10 / 90),
        gap_ratio: near(10 / 40),
        age_share: near(80 / 90),
        age_ratio: near(80 / 110),
        refund: 0,
      },
      {
        amount: near(-Math.log(21)),
        amount_ratio: 0,
        units: 0,
        gap_share: near(20 / 90),
        gap_ratio: near(20 / 50),
        age_share: near(60 / 90),
        age_ratio: near(60 / 90),
        refund: 1,
      },
      {
        amount: 0,
        amount_ratio: 0,
        units: 0,
        gap_share: near(60 / 90),
        gap_ratio: near(60 / 90),
        age_share: 0,
        age_ratio: 0,
        refund: 0,
      },
    ]);
    expect(stepsOf(table, 'bob')).toEqual([
      {
        amount: near(Math.log(8)),
        amount_ratio: 0.5,
        units: near(Math.log(2)),
        gap_share: 0,
        gap_ratio: 0,
        age_share: 0,
        age_ratio: 0.5,
        refund: 0,
      },
    ]);
    expect(stepsOf(table, 'carl')).toMatchObject([
      { amount: near(-Math.log(5)), amount_ratio: 0, age_share: 1, refund: 1 },
    ]);
    const { mask, values, channels } = table.sequence!;
    expect([...mask]).toEqual([0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    expect(values.filter((_, i) => mask[Math.floor(i / channels)] === 0).every((value) => value === 0)).toBe(true);
  });

  test('a shorter window keeps the latest steps as they are', async () => {
    const file = await parquetOf('short', query);
    const o = { scratchDir, parquet: file, asOf: '2024-03-31' };
    const long = await snapshot({ ...o, sequence: { length: 5 } });
    const short = await snapshot({ ...o, sequence: { length: 2 } });
    for (const id of long.ids) expect(stepsOf(short, id)).toEqual(stepsOf(long, id).slice(-2));
  });

  test('a length that is none is refused', async () => {
    const file = await parquetOf('length', query);
    for (const length of [0, 2.5, 1001])
      await expect(
        snapshot({ scratchDir, parquet: file, asOf: '2024-03-31', sequence: { length } }),
      ).rejects.toMatchObject({ code: 'invalid-input' });
  });
});

describe('generated orders', () => {
  test('every channel of every step agrees with a plain recomputation', async () => {
    const table = await snapshot({ scratchDir, parquet, asOf, sequence });
    const rows = await withDuck({ scratchDir }, (db) =>
      db.rows<{ id: string; day: number; order: string; amount: number; quantity: number | null }>(
        `SELECT customer_id AS id, (DATE '${asOf}' - time::DATE)::INT AS day, order_id AS "order", amount, quantity
        FROM read_parquet(${literal(parquet)})`,
      ),
    );
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    let compared = 0;
    for (const id of table.ids) {
      const orders = new Map<string, { age: number; amount: number; quantity: number }>();
      for (const row of rows.filter((one) => one.id === id && one.day >= 0)) {
        const order = orders.get(row.order) ?? { age: row.day, amount: 0, quantity: 0 };
        orders.set(row.order, {
          age: Math.max(order.age, row.day),
          amount: order.amount + row.amount,
          quantity: order.quantity + (row.quantity ?? 0),
        });
      }
      const ages = [...new Set([...orders.values()].map(({ age }) => age))].toSorted((a, b) => b - a);
      const days = ages.map((age) => {
        const all = [...orders.values()].filter((order) => order.age === age);
        const purchases = all.filter(({ amount }) => amount >= 0);
        return {
          age,
          amount: sum(all.map(({ amount }) => amount)),
          bought: sum(purchases.map(({ amount }) => amount)),
          purchases: purchases.length,
          units: sum(purchases.map(({ quantity }) => quantity)),
          refund: all.length > purchases.length,
        };
      });
      const tenure = ages[0]!;
      const usual = sum(days.map(({ bought }) => bought)) / days.filter(({ purchases }) => purchases > 0).length;
      const rhythm = (tenure - ages.at(-1)!) / (days.length - 1);
      const expected = days.map((day, i) => {
        const gap = i === 0 ? null : days[i - 1]!.age - day.age;
        return {
          amount: Math.sign(day.amount) * Math.log1p(Math.abs(day.amount)),
          amount_ratio: day.bought > 0 ? day.bought / (day.bought + usual) : 0,
          units: Math.log1p(Math.max(0, day.units)),
          gap_share: gap === null ? 0 : gap / tenure,
          gap_ratio: gap === null ? 0 : gap / (gap + rhythm),
          age_share: tenure > 0 ? day.age / tenure : 0,
          age_ratio: days.length > 1 ? day.age / (day.age + rhythm) : 0.5,
          refund: day.refund ? 1 : 0,
        };
      });
      const actual = stepsOf(table, id);
      expect(actual).toHaveLength(Math.min(LENGTH, days.length));
      expected.slice(-LENGTH).forEach((step, i) => {
        for (const [name, value] of Object.entries(step)) {
          const apart = Math.abs(actual[i]![name]! - value);
          expect(apart, `${name} of step ${i} of ${id}`).toBeLessThan(1e-5);
          compared += 1;
        }
      });
    }
    expect(compared).toBeGreaterThan(5000);
    expect(new Set(table.ids.map((id) => stepsOf(table, id).length))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
  });

  test('nothing that happens after the origin changes a step: rows dropped, changed or added', async () => {
    const before = await snapshot({ scratchDir, parquet, asOf, sequence });
    const source = `read_parquet(${literal(parquet)})`;
    const cut = `DATE '${asOf}' + 1`;
    const dropped = await parquetOf('dropped', `SELECT * FROM ${source} WHERE time < ${cut}`);
    const changed = await parquetOf(
      'changed',
      `SELECT * REPLACE (CASE WHEN time >= ${cut} THEN -77 * amount ELSE amount END AS amount) FROM ${source}`,
    );
    const added = await parquetOf(
      'added',
      `SELECT * FROM ${source} UNION ALL BY NAME
       SELECT * REPLACE (${cut} + INTERVAL (quantity::INT + 5) MINUTE AS time, 1e6 AS amount) FROM ${source}
       UNION ALL BY NAME SELECT * REPLACE ('0-' || customer_id AS customer_id, ${cut} AS time) FROM ${source}`,
    );
    for (const file of [dropped, changed, added])
      expect(await snapshot({ scratchDir, parquet: file, asOf, sequence })).toEqual(before);
  });

  test('the same rows give the same bits in any order, with any number of threads and little memory', async () => {
    const request = { scratchDir, asOf, sequence };
    const once = await snapshot({ ...request, parquet, threads: 1 });
    const shuffled = await parquetOf(
      'shuffled',
      `SELECT * FROM read_parquet(${literal(parquet)}) ORDER BY hash(order_id || product || amount::VARCHAR)`,
    );
    expect(await snapshot({ ...request, parquet: shuffled, threads: 4 })).toEqual(once);
    expect(await snapshot({ ...request, parquet, memoryLimitBytes: 64 * 1024 ** 2 })).toEqual(once);
  });

  const rowsOf = () =>
    scoringRows({ scratchDir, parquet, profile, asOf, sequence, outDir: path.join(scratchDir, 'rows') });

  test('asking for sequences leaves the features as they are, and a scan brings the same in chunks', async () => {
    const whole = await snapshot({ scratchDir, parquet, asOf, sequence });
    const { sequence: steps, ...features } = whole;
    expect(await snapshot({ scratchDir, parquet, asOf })).toEqual(features);
    expect(steps!.mask).toHaveLength(whole.rows * LENGTH);
    const source = await rowsOf();
    const duck = await openRows({ scratchDir, ...source });
    const scanned = async (stretch: { from: number; rows: number }): Promise<Table[]> => {
      const tables: Table[] = [];
      const o = { duck, ...source, columns: SNAPSHOT_FEATURE_NAMES, ids: true, sequence, chunkRows: 99, stretch };
      for await (const table of scan(o)) tables.push(table);
      return tables;
    };
    const tables = await scanned({ from: 0, rows: whole.rows });
    expect(tables.length).toBe(Math.ceil(whole.rows / 99));
    expect(stackTables(tables)).toEqual(whole);
    // Each stretch on its own, as different scorers read them.
    const cut = Math.floor(whole.rows / 3);
    const parts = [await scanned({ from: 0, rows: cut }), await scanned({ from: cut, rows: whole.rows - cut })];
    expect(stackTables(parts.flat())).toEqual(whole);
    await duck.close();
  });

  test('an abort stops the reading of sequences', async () => {
    const stop = new AbortController();
    const source = await rowsOf();
    const duck = await openRows({ scratchDir, ...source, signal: stop.signal });
    const work = (async () => {
      const o = { duck, ...source, columns: ['orders'], ids: true, sequence, chunkRows: 10, signal: stop.signal };
      for await (const table of scan(o)) if (table.rows > 0) stop.abort();
    })();
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
    await duck.close();
  });
});

test('a features dataset has no sequences, and says so', async () => {
  const outDir = path.join(scratchDir, 'features');
  const features = await generateDataset({
    scratchDir,
    outDir,
    options: { generator: 'features', customers: 50, seed: 1 },
  });
  const rows = scoringRows({
    scratchDir,
    parquet: path.join(outDir, 'data.parquet'),
    profile: features,
    sequence,
    outDir,
  });
  await expect(rows).rejects.toMatchObject({ code: 'kind-mismatch' });
});
