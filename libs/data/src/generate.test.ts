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

describe.each(['transactions', 'features'] as const)('%s', (generator) => {
  test('the same seed and size give the same bytes, another seed others', async () => {
    const make = async (name: string, seed: number, threads: number) => {
      const outDir = path.join(scratchDir, `${generator}-${name}`);
      await generateDataset({ scratchDir, threads, outDir, options: { ...options(generator), seed } });
      return {
        data: await hash(path.join(outDir, 'data.parquet')),
        profile: await hash(path.join(outDir, 'profile.json')),
      };
    };
    const once = await make('once', 42, 1);
    expect(await make('again', 42, 3)).toEqual(once);
    expect((await make('other', 43, 1)).data).not.toBe(once.data);
  });

  test('leaves the canonical Parquet and the profile that it returns, and nothing else', async () => {
    const outDir = path.join(scratchDir, `${generator}-whole`);
    const profile = await generateDataset({ scratchDir, outDir, options: options(generator) });
    expect((await readdir(outDir)).toSorted()).toEqual(['data.parquet', 'profile.json']);
    expect(DatasetProfile.parse(JSON.parse(await readFile(path.join(outDir, 'profile.json'), 'utf8')))).toEqual(
      profile,
    );
    const parquet = literal(path.join(outDir, 'data.parquet'));
    const described = await query<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${parquet}`);
    const columns = described.map(({ column_name: name, column_type: type }) => `${name} ${type}`);
    const [counts] = await query<{ rows: number; customers: number; orders: number | null; amount: number | null }>(
      generator === 'transactions'
        ? `SELECT count(*) AS rows, count(DISTINCT customer_id) AS customers, count(DISTINCT order_id) AS orders, sum(amount) AS amount FROM ${parquet}`
        : `SELECT count(*) AS rows, count(DISTINCT customer_id) AS customers, NULL AS orders, NULL AS amount FROM ${parquet}`,
    );
    expect(profile).toMatchObject({
      kind: generator,
      rows: counts!.rows,
      customers: 2000,
      orders: counts!.orders,
      rejectedRows: 0,
      reading: null,
      idColumn: null,
      targetColumn: generator === 'features' ? 'clv' : null,
    });
    if (generator === 'transactions') {
      expect(columns).toEqual([
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
      expect(profile.totalAmount).toBeCloseTo(counts!.amount!, 4);
      expect(profile.lastTime!.slice(0, 7)).toBe('2024-12');
    } else {
      expect(columns).toHaveLength(18);
      expect(columns.slice(0, 3)).toEqual(['customer_id VARCHAR', 'age DOUBLE', 'gender VARCHAR']);
      expect(await query(`SELECT customer_id FROM ${parquet} LIMIT 3`)).toEqual(
        ['1', '2', '3'].map((id) => ({ customer_id: id })),
      );
      expect(profile.columns.find(({ name }) => name === 'clv')!.role).toBe('target');
    }
  });
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
