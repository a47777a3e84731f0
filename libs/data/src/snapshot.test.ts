import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SNAPSHOT_FEATURE_NAMES, type Table, WINDOW_DAYS } from '@clove/clv';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { generateDataset } from './generate.js';
import { snapshot } from './snapshot.js';

let scratchDir: string;
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-snapshot-'));
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

/** Writes the rows of a query as a Parquet and returns its path. */
const parquetOf = async (name: string, query: string): Promise<string> => {
  const file = path.join(scratchDir, `${name}.parquet`);
  await withDuck({ scratchDir, folders: [data] }, (db) =>
    db.run(`COPY (${query}) TO ${literal(file)} (FORMAT parquet)`),
  );
  return file;
};

type Row = {
  customer: string;
  time: string;
  amount: number;
  order?: string;
  product?: string;
  category?: string;
  payment?: string;
  place?: string;
  quantity?: number;
};
const text = (value: string | undefined) => (value === undefined ? 'NULL' : literal(value));
const transactions = (rows: Row[]) => `
  SELECT customer_id, time::TIMESTAMP AS time, amount::DOUBLE AS amount, order_id, product::VARCHAR AS product,
    category::VARCHAR AS category, payment_type::VARCHAR AS payment_type, place::VARCHAR AS place, quantity::DOUBLE AS quantity
  FROM (VALUES ${rows
    .map(
      (r) =>
        `(${literal(r.customer)}, ${literal(r.time)}, ${r.amount}, ${literal(r.order ?? r.time)}, ${text(r.product)},
          ${text(r.category)}, ${text(r.payment)}, ${text(r.place)}, ${r.quantity ?? 'NULL'})`,
    )
    .join(', ')}) AS rows(customer_id, time, amount, order_id, product, category, payment_type, place, quantity)`;

const valueOf = (table: Table, id: string, name: string) => {
  const value = table.columns.get(name)!.values[table.ids.indexOf(id)];
  return value === undefined ? undefined : Number.isNaN(value) ? null : value;
};
const featuresOf = (table: Table, id: string) =>
  Object.fromEntries(SNAPSHOT_FEATURE_NAMES.map((name) => [name, valueOf(table, id, name)]));

describe('a small history', () => {
  const rows: Row[] = [
    {
      customer: 'anna',
      time: '2024-01-01 23:59:59',
      amount: 10,
      order: 'o1',
      product: 'p1',
      category: 'c1',
      payment: 'card',
      place: 'X',
      quantity: 2,
    },
    {
      customer: 'anna',
      time: '2024-01-11 10:00:00',
      amount: 20,
      order: 'o2',
      product: 'p2',
      category: 'c1',
      payment: 'card',
      quantity: 1,
    },
    {
      customer: 'anna',
      time: '2024-01-11 10:00:00',
      amount: 10,
      order: 'o2',
      product: 'p1',
      category: 'c1',
      payment: 'card',
      quantity: 1,
    },
    {
      customer: 'anna',
      time: '2024-03-01 08:00:00',
      amount: 50,
      order: 'o3',
      product: 'p3',
      category: 'c2',
      payment: 'wallet',
      place: 'Y',
      quantity: 1,
    },
    {
      customer: 'anna',
      time: '2024-03-05 08:00:00',
      amount: -20,
      order: 'r1',
      product: 'p2',
      category: 'c1',
      payment: 'card',
      quantity: -1,
    },
    { customer: 'anna', time: '2024-03-31 23:59:59.999', amount: 0, order: 'o4', place: 'Z' },
    { customer: 'anna', time: '2024-04-01 00:00:00', amount: 7, order: 'o5', product: 'p9' },
    { customer: 'anna', time: '2024-04-10 23:59:59', amount: -3, order: 'r2' },
    { customer: 'anna', time: '2024-04-11 00:00:00', amount: 1000, order: 'o6' },
    { customer: 'bob', time: '2024-03-31 12:00:00', amount: 5 },
    { customer: 'carl', time: '2024-03-30 12:00:00', amount: -4 },
    { customer: 'dora', time: '2024-04-01 00:00:00', amount: 5 },
  ];

  test('gives the figures that can be worked out by hand', async () => {
    const parquet = await parquetOf('hand', transactions(rows));
    const table = await snapshot({ scratchDir, parquet, asOf: '2024-03-31', horizonDays: 10 });
    expect(featuresOf(table, 'anna')).toEqual({
      recency_days: 0,
      recency_share: 0,
      overdue_ratio: 0,
      tenure_days: 90,
      orders: 4,
      active_days: 4,
      units: 5,
      revenue: 90,
      order_value_mean: 22.5,
      order_value_max: 50,
      order_value_first: 10,
      order_value_last: 0,
      order_value_sd: expect.closeTo(Math.sqrt((12.5 ** 2 + 7.5 ** 2 + 27.5 ** 2 + 22.5 ** 2) / 3), 9) as number,
      gap_mean_days: 30,
      gap_sd_days: expect.closeTo(Math.sqrt((20 ** 2 + 20 ** 2 + 0) / 2), 9) as number,
      gap_cv: expect.closeTo(20 / 30, 9) as number,
      orders_30d: 1,
      revenue_30d: 0,
      orders_share_30d: 0.25,
      revenue_share_30d: 0,
      orders_90d: 3,
      revenue_90d: 80,
      orders_share_90d: 0.75,
      revenue_share_90d: expect.closeTo(80 / 90, 12) as number,
      orders_180d: 4,
      revenue_180d: 90,
      orders_share_180d: 1,
      revenue_share_180d: 1,
      orders_365d: 4,
      revenue_365d: 90,
      orders_share_365d: 1,
      revenue_share_365d: 1,
      orders_trend: 0.5,
      revenue_trend: expect.closeTo(70 / 90, 12) as number,
      refunds: 1,
      refund_amount: 20,
      refund_share: expect.closeTo(20 / 110, 12) as number,
      products: 3,
      categories: 2,
      payment_types: 2,
      place: 'Z',
    });
    // The horizon holds its last day whole, and refunds count against the spend.
    expect(valueOf(table, 'anna', 'clv')).toBe(4);
    expect(valueOf(table, 'bob', 'clv')).toBe(0);
  });

  test('the population is every customer with a row by the end of the day, ordered by id', async () => {
    const parquet = await parquetOf('population', transactions(rows));
    expect((await snapshot({ scratchDir, parquet, asOf: '2024-03-31' })).ids).toEqual(['anna', 'bob', 'carl']);
    expect((await snapshot({ scratchDir, parquet, asOf: '2024-04-01' })).ids).toEqual(['anna', 'bob', 'carl', 'dora']);
    expect((await snapshot({ scratchDir, parquet, asOf: '2023-12-31' })).ids).toEqual([]);
  });

  test('columns are the stated ones in order, with the target only where there is a horizon', async () => {
    const parquet = await parquetOf('columns', transactions(rows));
    const plain = await snapshot({ scratchDir, parquet, asOf: '2024-03-31' });
    expect([...plain.columns.keys()]).toEqual(SNAPSHOT_FEATURE_NAMES);
    const labelled = await snapshot({ scratchDir, parquet, asOf: '2024-03-31', horizonDays: 10 });
    expect([...labelled.columns.keys()]).toEqual([...SNAPSHOT_FEATURE_NAMES, 'clv']);
    for (const [name, column] of plain.columns) {
      expect(column.kind).toBe(name === 'place' ? 'categorical' : 'numeric');
      expect(column.values).toHaveLength(plain.rows);
      expect(labelled.columns.get(name)).toEqual(column);
    }
  });

  test('what a customer lacks is missing or 0 as documented', async () => {
    const parquet = await parquetOf('lacking', transactions(rows));
    const table = await snapshot({ scratchDir, parquet, asOf: '2024-03-31' });
    expect(featuresOf(table, 'bob')).toMatchObject({
      recency_days: 0,
      recency_share: 0,
      overdue_ratio: null,
      tenure_days: 0,
      orders: 1,
      units: 0,
      order_value_sd: null,
      gap_mean_days: null,
      gap_sd_days: null,
      gap_cv: null,
      orders_share_365d: 1,
      products: 0,
      categories: 0,
      payment_types: 0,
      place: null,
    });
    // Carl has only sent something back.
    expect(featuresOf(table, 'carl')).toMatchObject({
      recency_days: null,
      recency_share: null,
      tenure_days: 1,
      orders: 0,
      active_days: 0,
      revenue: 0,
      order_value_mean: null,
      order_value_first: null,
      orders_90d: 0,
      revenue_90d: 0,
      orders_share_90d: 0,
      revenue_share_90d: 0,
      orders_trend: 0,
      revenue_trend: 0,
      refunds: 1,
      refund_amount: 4,
      refund_share: 1,
    });
  });

  test('an as-of date that is no day is refused by name', async () => {
    const parquet = await parquetOf('bad', transactions(rows));
    await expect(snapshot({ scratchDir, parquet, asOf: '2024-02-30' })).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringContaining('2024-02-30') as string,
    });
  });

  test('an amount beyond any currency is an error that says so, not a wrong sum', async () => {
    const parquet = await parquetOf('huge', transactions([{ customer: 'a', time: '2024-01-01', amount: 1e300 }]));
    await expect(snapshot({ scratchDir, parquet, asOf: '2024-03-31' })).rejects.toMatchObject({
      code: 'value-invalid',
    });
  });
});

describe('generated orders', () => {
  let parquet: string;
  const asOf = '2024-06-30';
  beforeAll(async () => {
    const outDir = path.join(scratchDir, 'generated');
    await generateDataset({ scratchDir, outDir, options: { generator: 'transactions', customers: 800, seed: 7 } });
    parquet = path.join(outDir, 'data.parquet');
  });

  test('every feature and the target agree with a plain recomputation', async () => {
    const horizonDays = 90;
    const table = await snapshot({ scratchDir, parquet, asOf, horizonDays });
    const rows = await readTransactions(parquet);
    const expected = recompute(rows, asOf, horizonDays);
    expect(table.ids).toEqual([...expected.keys()].toSorted());
    expect(table.rows).toBeGreaterThan(500);
    for (const id of table.ids)
      for (const [name, value] of Object.entries(expected.get(id)!)) {
        const actual = valueOf(table, id, name);
        const apart = typeof value === 'number' ? Math.abs((actual as number) - value) : actual === value ? 0 : 1;
        expect(apart, `${name} of ${id}: ${actual} instead of ${value}`).toBeLessThan(1e-7);
      }
    expect(Object.keys(expected.get(table.ids[0]!)!).toSorted()).toEqual([...table.columns.keys()].toSorted());
  });

  test('nothing that happens after the origin changes a feature: rows dropped, changed or added', async () => {
    const before = await snapshot({ scratchDir, parquet, asOf });
    const source = `read_parquet(${literal(parquet)})`;
    const cut = `DATE '${asOf}' + 1`;
    const dropped = await parquetOf('dropped', `SELECT * FROM ${source} WHERE time < ${cut}`);
    const changed = await parquetOf(
      'changed',
      `SELECT * REPLACE (
         CASE WHEN time >= ${cut} THEN -77 * amount ELSE amount END AS amount,
         CASE WHEN time >= ${cut} THEN 'elsewhere' ELSE place END AS place,
         CASE WHEN time >= ${cut} THEN 'something new' ELSE product END AS product)
       FROM ${source}`,
    );
    // The added rows repeat orders, customers and moments that were there before, and bring customers of their own.
    const added = await parquetOf(
      'added',
      `SELECT * FROM ${source} UNION ALL BY NAME
       SELECT * REPLACE (${cut} + INTERVAL (quantity::INT + 5) MINUTE AS time, 1e6 AS amount, 'later' AS category) FROM ${source}
       UNION ALL BY NAME SELECT * REPLACE (customer_id || '-new' AS customer_id, ${cut} AS time) FROM ${source}`,
    );
    for (const file of [dropped, changed, added])
      expect(await snapshot({ scratchDir, parquet: file, asOf })).toEqual(before);
  });

  test('the same rows give the same bits in any order and with any number of threads', async () => {
    const request = { scratchDir, asOf, horizonDays: 30 };
    const once = await snapshot({ ...request, parquet, threads: 1 });
    const shuffled = await parquetOf(
      'shuffled',
      `SELECT * FROM read_parquet(${literal(parquet)}) ORDER BY hash(order_id || product || amount::VARCHAR)`,
    );
    expect(await snapshot({ ...request, parquet: shuffled, threads: 4 })).toEqual(once);
  });

  test('a small memory limit changes nothing', async () => {
    const request = { scratchDir, parquet, asOf };
    expect(await snapshot({ ...request, memoryLimitBytes: 64 * 1024 ** 2 })).toEqual(await snapshot(request));
  });
});

const data = process.env['CLOVE_DATA'] ?? path.resolve(import.meta.dirname, '../../../../shared/data');
const sample = path.join(data, 'cdnow', 'CDNOW_sample.txt');
const summary = path.join(data, 'cdnow', 'cdnow_customers_summary_with_transactions.csv');

test.skipIf(!existsSync(sample))(
  'CDNOW sample: frequency, recency, T and mean repeat spend are the published ones (needs ../shared/data/cdnow)',
  async () => {
    const parquet = await parquetOf(
      'cdnow',
      `SELECT f[2] AS customer_id, strptime(f[3], '%Y%m%d') AS time, f[5]::DOUBLE AS amount, f[3] AS order_id,
         NULL::VARCHAR AS product, NULL::VARCHAR AS category, NULL::VARCHAR AS payment_type, NULL::VARCHAR AS place,
         f[4]::DOUBLE AS quantity
       FROM (
         SELECT regexp_split_to_array(trim(line), '\\s+') AS f
         FROM read_csv(${literal(sample)}, header = false, columns = {'line': 'VARCHAR'}, delim = '|', quote = '')
       )`,
    );
    const table = await snapshot({ scratchDir, parquet, asOf: '1997-09-30' });
    const published = (await readFile(summary, 'utf8'))
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',').map(Number));
    expect(table.rows).toBe(2357);
    expect(published).toHaveLength(2357);
    let repeats = 0;
    for (const [customer, x, recency, T, spend] of published) {
      const id = String(customer).padStart(4, '0');
      const number = (name: string) => valueOf(table, id, name) as number;
      repeats += number('orders') - 1;
      expect(number('orders') - 1).toBe(x);
      expect(Math.abs((number('tenure_days') - number('recency_days')) / 7 - recency!)).toBeLessThan(0.006);
      expect(Math.abs(number('tenure_days') / 7 - T!)).toBeLessThan(0.006);
      const repeatSpend = x === 0 ? 0 : (number('revenue') - number('order_value_first')) / x!;
      expect(Math.abs(repeatSpend - (x === 0 ? 0 : spend!))).toBeLessThan(0.006);
    }
    expect(repeats).toBe(2457);
  },
);

type Raw = {
  customer_id: string;
  time: Date;
  amount: number;
  order_id: string;
  product: string;
  category: string;
  payment_type: string;
  place: string;
  quantity: number;
};
const readTransactions = (parquet: string): Promise<Raw[]> =>
  withDuck({ scratchDir }, (db) => db.rows<Raw>(`SELECT * FROM read_parquet(${literal(parquet)})`));

const sum = (values: number[]) => values.reduce((total, x) => total + x, 0);
const average = (values: number[]) => (values.length === 0 ? null : sum(values) / values.length);
const sd = (values: number[]) => {
  if (values.length < 2) return null;
  const center = sum(values) / values.length;
  return Math.sqrt(sum(values.map((x) => (x - center) ** 2)) / (values.length - 1));
};
const balance = (a: number, b: number) => (a + b > 0 ? (a - b) / (a + b) : 0);

/** The features again, in plain loops over the definitions. */
const recompute = (rows: Raw[], asOf: string, horizonDays: number) => {
  const DAY = 86_400_000;
  const asOfDay = Date.parse(`${asOf}T00:00:00Z`) / DAY;
  const dayOf = (time: Date) => Math.floor(time.getTime() / DAY);
  const customers = new Map<string, Raw[]>();
  for (const row of rows) customers.set(row.customer_id, [...(customers.get(row.customer_id) ?? []), row]);
  const result = new Map<string, Record<string, number | string | null>>();
  for (const [id, all] of customers) {
    const seen = all.filter(({ time }) => dayOf(time) <= asOfDay);
    if (seen.length === 0) continue;
    const orders = new Map<string, { time: number; age: number; amount: number; quantity: number }>();
    for (const row of seen) {
      const order = orders.get(row.order_id);
      if (order === undefined)
        orders.set(row.order_id, {
          time: row.time.getTime(),
          age: asOfDay - dayOf(row.time),
          amount: row.amount,
          quantity: row.quantity,
        });
      else {
        order.amount += row.amount;
        order.quantity += row.quantity;
      }
    }
    const purchases = [...orders.values()].filter(({ amount }) => amount >= 0).toSorted((a, b) => a.time - b.time);
    const refunds = [...orders.values()].filter(({ amount }) => amount < 0);
    const days = [...new Set(purchases.map(({ age }) => age))].toSorted((a, b) => b - a);
    const gaps = days.slice(1).map((age, i) => days[i]! - age);
    const values = purchases.map(({ amount }) => amount);
    const revenue = sum(values);
    const recency = days.at(-1) ?? null;
    const tenure = Math.max(...Array.from(orders.values(), ({ age }) => age));
    const gap = average(gaps);
    const refunded = -sum(refunds.map(({ amount }) => amount));
    const within = (from: number, to: number) => purchases.filter(({ age }) => age >= from && age < to);
    const spent = (from: number, to: number) => sum(within(from, to).map(({ amount }) => amount));
    const features: Record<string, number | string | null> = {
      recency_days: recency,
      recency_share: recency === null ? null : tenure > 0 ? recency / tenure : 0,
      overdue_ratio: recency === null || gap === null ? null : recency / (recency + gap),
      tenure_days: tenure,
      orders: purchases.length,
      active_days: days.length,
      units: sum(purchases.map(({ quantity }) => quantity)),
      revenue,
      order_value_mean: average(values),
      order_value_max: values.length === 0 ? null : Math.max(...values),
      order_value_first: values[0] ?? null,
      order_value_last: values.at(-1) ?? null,
      order_value_sd: sd(values),
      gap_mean_days: gap,
      gap_sd_days: sd(gaps),
      gap_cv: gaps.length < 2 ? null : sd(gaps)! / gap!,
      orders_trend: balance(within(0, 90).length, within(90, 180).length),
      revenue_trend: balance(spent(0, 90), spent(90, 180)),
      refunds: refunds.length,
      refund_amount: refunded,
      refund_share: revenue + refunded > 0 ? refunded / (revenue + refunded) : 0,
      products: new Set(seen.map(({ product }) => product)).size,
      categories: new Set(seen.map(({ category }) => category)).size,
      payment_types: new Set(seen.map(({ payment_type: type }) => type)).size,
      place: seen.at(-1)!.place,
      clv: sum(
        all.flatMap(({ time, amount }) =>
          dayOf(time) > asOfDay && dayOf(time) <= asOfDay + horizonDays ? [amount] : [],
        ),
      ),
    };
    for (const n of WINDOW_DAYS) {
      features[`orders_${n}d`] = within(0, n).length;
      features[`revenue_${n}d`] = spent(0, n);
      features[`orders_share_${n}d`] = purchases.length > 0 ? within(0, n).length / purchases.length : 0;
      features[`revenue_share_${n}d`] = revenue > 0 ? spent(0, n) / revenue : 0;
    }
    result.set(id, features);
  }
  return result;
};
