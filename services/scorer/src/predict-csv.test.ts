import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rng } from '@clove/clv';
import { IngestOptions } from '@clove/contracts';
import { ingestFiles, loadFeatures } from '@clove/data';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type * as lanesModule from './lanes.js';
import { writeLinearModel } from './linear-model.test-support.js';
import { predictCsv, predictDataset } from './predict-dataset.js';

// Threads run compiled files.
const compiled = new URL('../dist/lanes.js', import.meta.url).href;
const { openLanes } = (await import(compiled)) as typeof lanesModule;

const ROWS = 40_000;
const reading = IngestOptions.parse({ kind: 'features' });
const io = { signal: new AbortController().signal, post: () => {} };

let folder: string;
let modelDir: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-csv-'));
  const { parquet, profile } = await ingested(lines().join('\n'));
  const table = await loadFeatures({ parquet, profile, scratchDir: folder });
  ({ modelDir } = await writeLinearModel(folder, {
    kind: 'features',
    table,
    columns: ['age', 'orders', 'value', 'balance'],
    weights: (width) => Array.from({ length: width }, (_, i) => i + 1),
    intercept: 30,
  }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const lines = (): string[] => {
  const rng = new Rng(3);
  const rows = Array.from({ length: ROWS }, (_, i) =>
    [
      `c${i}`,
      rng.integer(80),
      rng.integer(5),
      (100 * rng.uniform()).toFixed(2),
      i % 9 === 0 ? '' : rng.normal(),
      rng.integer(9),
    ].join(','),
  );
  return ['customer_id,age,orders,value,balance,shoe_size', ...rows];
};

const fileOf = async (text: string) => {
  const path = join(await mkdtemp(join(folder, 'file-')), 'customers.csv');
  await writeFile(path, text);
  return { name: 'customers.csv', path };
};
const ingested = async (text: string) => {
  const outDir = await mkdtemp(join(folder, 'data-'));
  const profile = await ingestFiles({ files: [await fileOf(text)], options: reading, outDir, scratchDir: folder });
  return { parquet: join(outDir, 'data.parquet'), profile };
};
const scored = async (text: string, threads: number) => {
  const outDir = await mkdtemp(join(folder, 'out-'));
  const lanes = openLanes(threads);
  try {
    const given = { modelDir, modelVersion: '=m@1', outDir, scratchDir: folder, threads, lanes };
    return { outDir, result: await predictCsv({ ...given, file: await fileOf(text), reading }, io) };
  } finally {
    await lanes.close();
  }
};
const csvOf = (outDir: string): Promise<string> => readFile(join(outDir, 'predictions.csv'), 'utf8');

test.each([1, 2])(
  'a plain CSV scored as it lies gives the bytes and the words that it gives as a dataset, %i threads',
  async (threads) => {
    const text = lines().join('\n');
    const direct = await scored(text, threads);
    const outDir = await mkdtemp(join(folder, 'out-'));
    const data = await ingested(text);
    const { warnings, ...whole } = await predictDataset(
      { ...data, modelDir, modelVersion: '=m@1', outDir, scratchDir: folder, includeInputs: false, threads },
      io,
    );
    expect(await csvOf(direct.outDir)).toBe(await csvOf(outDir));
    expect(direct.result).toMatchObject({
      rows: ROWS,
      asOf: null,
      warnings: [...data.profile.warnings, ...warnings],
      summary: { customers: ROWS, median: whole.summary.median, min: whole.summary.min, max: whole.summary.max },
    });
    expect(direct.result!.summary.total).toBeCloseTo(whole.summary.total, 2);
    expect(direct.result!.warnings.map(({ code }) => code)).toEqual(['surplus-columns']);
  },
);

test.each([
  ['an id that comes twice', 'c17,1,2,3,4,5'],
  ['a text in a number', 'x,1,2,three,4,5'],
  ['a row of too few fields', 'x,1,2,3,4'],
])('%s is a matter for the ingest, and nothing is left behind', async (_, line) => {
  const text = lines();
  text[ROWS - 5] = line;
  const before = (await readdir(folder)).filter((name) => /^(pieces|duck)-/.test(name));
  const { outDir, result } = await scored(text.join('\n'), 2);
  expect(result).toBeNull();
  expect(await readdir(outDir)).toEqual([]);
  expect((await readdir(folder)).filter((name) => /^(pieces|duck)-/.test(name))).toEqual(before);
});

test('a file without most of what the model needs is refused as it would be as a dataset', async () => {
  const few = lines().map((line) => line.split(',').slice(0, 2).join(','));
  const padded = few.map((line, i) => `${line},${i === 0 ? 'padding' : '123456.25'}`);
  await expect(scored(padded.join('\n'), 1)).rejects.toMatchObject({ code: 'columns-mismatch' });
});
