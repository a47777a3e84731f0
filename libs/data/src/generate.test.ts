import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DatasetProfile, type GeneratorOptions } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { generateDataset, generateFile } from './generate.js';

let scratchDir: string;
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-generate-'));
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

const options = (generator: GeneratorOptions['generator'], customers = 2000): GeneratorOptions => ({
  generator,
  customers,
  seed: 42,
});
const hash = async (file: string) =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
const query = <T>(sql: string) => withDuck({ scratchDir }, (db) => db.rows<T>(sql));

const generate = async (name: string, o: GeneratorOptions, threads = 2) => {
  const outDir = path.join(scratchDir, name);
  const profile = await generateDataset({ scratchDir, threads, outDir, options: o });
  return { outDir, profile, parquet: path.join(outDir, 'data.parquet'), json: path.join(outDir, 'profile.json') };
};
const columnsOf = async (parquet: string) => {
  const described = await query<{ column_name: string; column_type: string }>(`DESCRIBE FROM ${literal(parquet)}`);
  return described.map(({ column_name: name, column_type: type }) => `${name} ${type}`);
};

test.each(['transactions', 'features'] as const)(
  '%s: the same seed and size give the same bytes, another seed others',
  async (generator) => {
    const once = await generate(`${generator}-once`, options(generator), 1);
    const again = await generate(`${generator}-again`, options(generator), 3);
    const other = await generate(`${generator}-other`, { ...options(generator), seed: 43 });
    expect(await hash(again.parquet)).toBe(await hash(once.parquet));
    expect(await hash(again.json)).toBe(await hash(once.json));
    expect(await hash(other.parquet)).not.toBe(await hash(once.parquet));
  },
);

test.each(['transactions', 'features'] as const)(
  '%s: leaves the canonical Parquet and the profile that it returns, and nothing else',
  async (generator) => {
    const { outDir, profile, json } = await generate(`${generator}-whole`, options(generator));
    expect((await readdir(outDir)).toSorted()).toEqual(['data.parquet', 'profile.json']);
    expect(DatasetProfile.parse(JSON.parse(await readFile(json, 'utf8')))).toEqual(profile);
    expect(profile).toMatchObject({ kind: generator, customers: 2000, rejectedRows: 0, reading: null, idColumn: null });
  },
);

test('transactions have the canonical columns, and a profile that agrees with them', async () => {
  const { parquet, profile } = await generate('orders', options('transactions'));
  expect(await columnsOf(parquet)).toEqual([
    'customer_id VARCHAR',
    'time TIMESTAMP',
    'amount DOUBLE',
    'order_id VARCHAR',
    'product VARCHAR',
    'category VARCHAR',
    'payment_type VARCHAR',
    'place VARCHAR',
    'quantity DOUBLE',
  ]);
  const [counts] = await query<{ rows: number; orders: number; amount: number }>(
    `SELECT count(*) AS rows, count(DISTINCT order_id) AS orders, sum(amount) AS amount FROM ${literal(parquet)}`,
  );
  expect(profile).toMatchObject({ rows: counts!.rows, orders: counts!.orders, targetColumn: null });
  expect(profile.totalAmount).toBeCloseTo(counts!.amount, 4);
  expect(profile.lastTime!.slice(0, 7)).toBe('2024-12');
});

test('features have a row number as their id, the 16 columns as numbers and texts, and the target clv', async () => {
  const { parquet, profile } = await generate('customers', options('features'));
  const columns = await columnsOf(parquet);
  expect(columns).toHaveLength(18);
  expect(columns.slice(0, 3)).toEqual(['customer_id VARCHAR', 'age DOUBLE', 'gender VARCHAR']);
  const ids = await query<{ customer_id: string }>(`SELECT customer_id FROM ${literal(parquet)} LIMIT 3`);
  expect(ids.map(({ customer_id: id }) => id)).toEqual(['1', '2', '3']);
  expect(profile).toMatchObject({ rows: 2000, targetColumn: 'clv' });
  expect(profile.columns.find(({ name }) => name === 'clv')!.role).toBe('target');
});

test('reports progress that only grows, and names the stages', async () => {
  const seen: { fraction: number; stage: string }[] = [];
  await generateDataset({
    scratchDir,
    outDir: path.join(scratchDir, 'progress'),
    options: options('features', 100_000),
    onProgress: (fraction, stage) => seen.push({ fraction, stage }),
  });
  expect(seen.length).toBeGreaterThan(4);
  expect(seen.every(({ fraction }, i) => i === 0 || fraction >= seen[i - 1]!.fraction)).toBe(true);
  expect([...new Set(seen.map(({ stage }) => stage))]).toEqual(['generating', 'writing', 'profiling', 'done']);
  expect(seen.at(-1)!.fraction).toBe(1);
});

test('an abort while generating stops the work, lets the event loop breathe, and leaves no file', async () => {
  const outDir = path.join(scratchDir, 'aborted');
  const stop = new AbortController();
  const work = generateDataset({
    scratchDir,
    outDir,
    options: options('features', 50_000_000),
    signal: stop.signal,
    onProgress: (fraction) => {
      if (fraction > 0) stop.abort();
    },
  });
  await expect(work).rejects.toMatchObject({ code: 'cancelled' });
  await expect(readdir(outDir)).rejects.toThrow('ENOENT');
});

describe('files for users', () => {
  test('orders as CSV have the natural columns, whole quantities and no canonical extras', async () => {
    const file = path.join(scratchDir, 'orders.csv');
    const { rows } = await generateFile({ scratchDir, file, options: options('transactions') });
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines[0]).toBe('customer_id,order_id,time,amount,product,category,payment_type,place,quantity');
    expect(lines).toHaveLength(rows + 1);
    expect(lines[1]).toMatch(
      /^C0000001,O00000001,202\d-\d\d-\d\d \d\d:\d\d:\d\d,\d+\.\d+,[a-z]+-\d\d,[a-z]+,[a-z]+,[A-Z][a-z]+,[123]$/,
    );
  });

  test('the 16 features as CSV have no id, and whole numbers without a point', async () => {
    const file = path.join(scratchDir, 'features.csv.gz');
    await generateFile({ scratchDir, file, options: options('features') });
    const lines = gunzipSync(await readFile(file))
      .toString('utf8')
      .trimEnd()
      .split('\n');
    expect(lines[0]!.split(',')).toHaveLength(17);
    expect(lines[0]!.startsWith('age,gender,total_orders,')).toBe(true);
    expect(lines[1]).toMatch(/^\d\d,(M|F|Other),\d+,\d+\.\d+,/);
    expect(lines).toHaveLength(2001);
  });

  test('Parquet and CSV hold the same rows as the dataset of that seed', async () => {
    const file = path.join(scratchDir, 'orders.parquet');
    await generateFile({ scratchDir, file, options: options('transactions') });
    const outDir = path.join(scratchDir, 'same');
    await generateDataset({ scratchDir, outDir, options: options('transactions') });
    const names =
      'customer_id, order_id, time, amount, product, category, payment_type, place, quantity::DOUBLE AS quantity';
    const [difference] = await query<{ n: number }>(
      `SELECT count(*) AS n FROM (SELECT ${names} FROM ${literal(file)} EXCEPT ALL
       SELECT ${names} FROM ${literal(path.join(outDir, 'data.parquet'))})`,
    );
    expect(difference).toEqual({ n: 0 });
  });

  test('another ending is refused with those that work', async () => {
    await expect(generateFile({ scratchDir, file: 'orders.xlsx', options: options('features') })).rejects.toThrow(
      /orders\.xlsx.*\.csv, \.csv\.gz, \.parquet/,
    );
  });
});
