import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Column, Rng } from '@clove/clv';
import { PREDICTION_COLUMNS, type PredictionSummary } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { type PredictionChunk, createPredictionWriter } from './prediction-writer.js';

let scratchDir: string;
let outDirs = 0;
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-writer-'));
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

const chunkOf = (ids: string[], predicted: number[], inputs?: PredictionChunk['inputs']): PredictionChunk => ({
  ids,
  predicted: Float32Array.from(predicted),
  pBuy: null,
  low: Float32Array.from(predicted, (x) => x - 1),
  high: Float32Array.from(predicted, (x) => x + 1),
  inputs,
});
const numeric = (...values: number[]): Column => ({ kind: 'numeric', values: Float64Array.from(values) });
const categorical = (...values: (string | null)[]): Column => ({ kind: 'categorical', values });

type Row = Record<string, unknown>;
/** Writes the chunks and reads both files back. */
const write = async (
  chunks: PredictionChunk[],
  o: { includeInputs?: boolean; modelVersion?: string; asOf?: string | null; memoryLimitBytes?: number } = {},
): Promise<{ rows: Row[]; csv: string; count: number; summary: PredictionSummary; outDir: string }> => {
  const { modelVersion = 'clv@3', asOf = null, ...options } = o;
  const outDir = path.join(scratchDir, `out-${(outDirs += 1)}`);
  const writer = await createPredictionWriter({ scratchDir, outDir, ...options });
  for (const chunk of chunks) await writer.append(chunk);
  const { rows: count, summary } = await writer.finish({ modelVersion, asOf });
  const parquet = literal(path.join(outDir, 'predictions.parquet'));
  const rows = await withDuck({ scratchDir }, (db) => db.rows<Row>(`SELECT * FROM ${parquet}`));
  return { rows, csv: await readFile(path.join(outDir, 'predictions.csv'), 'utf8'), count, summary, outDir };
};

describe('ranks', () => {
  test('percentile is the share predicted lower, tiers follow from it, rows keep the order they came in', async () => {
    const rng = new Rng(1);
    const chunks = [3000, 1, 2500].map((size, part) =>
      chunkOf(
        Array.from({ length: size }, (_, i) => `${part}-${i}`),
        // Rounded, so that many are equal.
        Array.from({ length: size }, () => Math.round(200 * rng.exponential()) / 4),
      ),
    );
    const { rows, count } = await write(chunks);
    const predicted = chunks.flatMap((chunk) => [...chunk.predicted]);
    const sorted = Float64Array.from(predicted).toSorted();
    expect(count).toBe(5501);
    expect(rows.map(({ customer_id: id }) => id)).toEqual(chunks.flatMap(({ ids }) => ids));
    for (const [i, row] of rows.entries()) {
      const percentile = (100 * sorted.indexOf(predicted[i]!)) / predicted.length;
      const tier = percentile >= 90 ? 'platinum' : percentile >= 70 ? 'gold' : percentile >= 40 ? 'silver' : 'bronze';
      expect(row).toMatchObject({ predicted_clv: predicted[i], tier });
      expect(Math.abs((row['percentile'] as number) - percentile)).toBeLessThanOrEqual(0.00005);
    }
  });

  test('of ten different customers one is platinum, two gold, three silver and four bronze', async () => {
    const { rows } = await write([chunkOf([...'abcdefghij'], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1])]);
    expect(rows.map(({ tier }) => (tier as string)[0]).join('')).toBe('pggsssbbbb');
    expect(rows.map(({ percentile }) => percentile)).toEqual([90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
  });

  test('equal predictions all stand at the bottom', async () => {
    const { rows } = await write([chunkOf(['a', 'b', 'c'], [5, 5, 5])]);
    expect(rows.map(({ percentile, tier }) => [percentile, tier])).toEqual([
      [0, 'bronze'],
      [0, 'bronze'],
      [0, 'bronze'],
    ]);
  });
});

describe('files', () => {
  test('both hold the stated columns in order, with the version, the as-of date and P(buy)', async () => {
    const chunk = { ...chunkOf(['x', 'y'], [1.1, -2.5]), pBuy: Float32Array.of(0.25, 1) };
    const { rows, csv, outDir } = await write([chunk], { modelVersion: 'shop@12', asOf: '2024-12-31' });
    expect(Object.keys(rows[0]!)).toEqual([...PREDICTION_COLUMNS]);
    expect(csv).toBe(
      `${PREDICTION_COLUMNS.join(',')}\nx,1.1,0.25,0.1,2.1,50.0,silver,shop@12,2024-12-31\ny,-2.5,1.0,-3.5,-1.5,0.0,bronze,shop@12,2024-12-31\n`,
    );
    expect((await readdir(outDir)).toSorted()).toEqual(['predictions.csv', 'predictions.parquet']);
  });

  test('what is not known is empty in the CSV and null in the Parquet', async () => {
    const { rows, csv } = await write([chunkOf(['x'], [1])]);
    expect(rows[0]).toMatchObject({ p_buy: null, as_of: null });
    expect(csv.split('\n')[1]).toBe('x,1.0,,0.0,2.0,0.0,bronze,clv@3,');
  });

  test('inputs follow in their order: whole numbers without a point, missing ones empty', async () => {
    const first = new Map([
      ['orders', numeric(3, Number.NaN)],
      ['rate', numeric(0.5, 2)],
      ['city', categorical('Lyon', null)],
    ]);
    const second = new Map([
      ['orders', numeric(7)],
      ['rate', numeric(1)],
      ['city', categorical('a,"b"')],
    ]);
    const { rows, csv } = await write([chunkOf(['x', 'y'], [1, 2], first), chunkOf(['z'], [3], second)], {
      includeInputs: true,
    });
    expect(rows.map(({ orders, rate, city }) => [orders, rate, city])).toEqual([
      [3, 0.5, 'Lyon'],
      [null, 2, null],
      [7, 1, 'a,"b"'],
    ]);
    expect(csv.split('\n').map((line) => line.split(',').slice(9).join(','))).toEqual([
      'orders,rate,city',
      '3,0.5,Lyon',
      ',2.0,',
      '7,1.0,"a,""b"""',
      '',
    ]);
  });

  test('an input with the name of a prediction column is told apart from it', async () => {
    const inputs = new Map([
      ['tier', categorical('old')],
      ['LOW', numeric(4)],
      ['input_tier', numeric(9)],
    ]);
    const { rows } = await write([chunkOf(['x'], [1], inputs)], { includeInputs: true });
    expect(rows[0]).toMatchObject({ tier: 'bronze', input_input_tier: 'old', input_LOW: 4, input_tier: 9 });
  });

  test('text that a spreadsheet would run as a formula is defused in the CSV alone, numbers are untouched', async () => {
    const ids = ['=1+1', '+33 1', '-5', '@SUM(A1)', '\tx', '\rx', 'a=b', ''];
    const inputs = new Map([
      ['=cmd', categorical(...ids.map(() => '=HYPERLINK("http://x")'))],
      ['change', numeric(...ids.map(() => -1.5))],
    ]);
    const { rows, csv } = await write(
      [
        chunkOf(
          ids,
          ids.map(() => -3),
          inputs,
        ),
      ],
      {
        includeInputs: true,
        modelVersion: '@x',
      },
    );
    expect(rows.map(({ customer_id: id }) => id)).toEqual(ids);
    expect(rows[0]).toMatchObject({ '=cmd': '=HYPERLINK("http://x")', change: -1.5, model_version: '@x' });
    const outFile = path.join(scratchDir, `out-${outDirs}`, 'predictions.csv');
    const read = await withDuck({ scratchDir }, (db) =>
      db.rows<Row>(
        `SELECT * FROM read_csv(${literal(outFile)}, all_varchar = true, quote = '"', delim = ',', header = true)`,
      ),
    );
    expect(read.map((row) => row['customer_id'] ?? '')).toEqual([
      "'=1+1",
      "'+33 1",
      "'-5",
      "'@SUM(A1)",
      "'\tx",
      "'\rx",
      'a=b',
      '',
    ]);
    expect(read[0]).toMatchObject({
      "'=cmd": `'=HYPERLINK("http://x")`,
      change: '-1.5',
      predicted_clv: '-3.0',
      model_version: "'@x",
    });
    expect(csv.split('\n')[0]).toBe(`${PREDICTION_COLUMNS.join(',')},'=cmd,change`);
  });

  test('no customers give files with a header alone', async () => {
    const { rows, csv, count, summary } = await write([]);
    expect([rows, count, csv]).toEqual([[], 0, `${PREDICTION_COLUMNS.join(',')}\n`]);
    expect(summary).toEqual({ customers: 0, total: 0, mean: 0, median: 0, sd: 0, min: 0, max: 0 });
  });
});

test.each([1, 2, 7, 1000])('the summary of %i customers is the plain one', async (n) => {
  const rng = new Rng(n);
  const predicted = Float32Array.from({ length: n }, () => 100 * rng.gamma(0.5));
  const { summary } = await write([
    chunkOf(
      Array.from(predicted, (_, i) => String(i)),
      [...predicted],
    ),
  ]);
  const sorted = Float64Array.from(predicted).toSorted();
  const total = sorted.reduce((sum, x) => sum + x, 0);
  expect(summary.customers).toBe(n);
  expect(summary.total).toBeCloseTo(total, 6);
  expect(summary.mean).toBeCloseTo(total / n, 9);
  expect(summary.median).toBeCloseTo((sorted[Math.floor((n - 1) / 2)]! + sorted[Math.ceil((n - 1) / 2)]!) / 2, 9);
  expect(summary.sd).toBeCloseTo(Math.sqrt(sorted.reduce((sum, x) => sum + (x - total / n) ** 2, 0) / n), 7);
  expect([summary.min, summary.max]).toEqual([sorted[0], sorted.at(-1)]);
});

test('three hundred thousand rows fit into 64 MiB of DuckDB memory', async () => {
  const rng = new Rng(1);
  const outDir = path.join(scratchDir, 'large');
  const writer = await createPredictionWriter({ scratchDir, outDir, memoryLimitBytes: 64 * 1024 ** 2 });
  for (let from = 0; from < 300_000; from += 10_000) {
    const ids = Array.from({ length: 10_000 }, (_, i) => `customer-${from + i}`);
    const predicted = ids.map(() => rng.uniform());
    await writer.append(chunkOf(ids, predicted));
  }
  expect((await writer.finish({ modelVersion: 'm@1', asOf: null })).rows).toBe(300_000);
  const written = await withDuck({ scratchDir }, (db) =>
    db.rows<Row>(`SELECT customer_id FROM ${literal(path.join(outDir, 'predictions.parquet'))} OFFSET 299999`),
  );
  expect(written).toEqual([{ customer_id: 'customer-299999' }]);
});

const open = async (o: { includeInputs?: boolean; signal?: AbortSignal } = {}) => {
  const outDir = path.join(scratchDir, `out-${(outDirs += 1)}`);
  return { outDir, writer: await createPredictionWriter({ scratchDir, outDir, ...o }) };
};
const leftovers = async () => (await readdir(scratchDir)).filter((name) => name.startsWith('duck-'));

describe('faults', () => {
  test('a prediction that is no number is refused with its customer, and nothing is left behind', async () => {
    const { writer, outDir } = await open();
    await expect(writer.append(chunkOf(['a', 'b'], [1, Number.NaN]))).rejects.toThrow(/NaN.*"b"/);
    await expect(readdir(outDir)).rejects.toThrow('ENOENT');
    expect(await leftovers()).toEqual([]);
    await writer.abort();
  });

  test('an abandoned writer leaves nothing behind', async () => {
    const { writer, outDir } = await open();
    await writer.append(chunkOf(['a'], [1]));
    await writer.abort();
    await writer.abort();
    await expect(readdir(outDir)).rejects.toThrow('ENOENT');
    expect(await leftovers()).toEqual([]);
  });

  test('a cancelled job is cancelled here too', async () => {
    const stop = new AbortController();
    const { writer } = await open({ signal: stop.signal });
    await writer.append(chunkOf(['a'], [1]));
    stop.abort();
    await expect(writer.finish({ modelVersion: 'm@1', asOf: null })).rejects.toMatchObject({ code: 'cancelled' });
    expect(await leftovers()).toEqual([]);
  });

  test('inputs that are missing or change between chunks are an error', async () => {
    const first = await open({ includeInputs: true });
    await expect(first.writer.append(chunkOf(['a'], [1]))).rejects.toThrow(/without its inputs/);
    const second = await open({ includeInputs: true });
    await second.writer.append(chunkOf(['a'], [1], new Map([['x', numeric(1)]])));
    await expect(second.writer.append(chunkOf(['b'], [1], new Map([['y', numeric(1)]])))).rejects.toThrow(/changed/);
  });
});
