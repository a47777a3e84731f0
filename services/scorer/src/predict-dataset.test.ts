import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SNAPSHOT_FEATURE_NAMES, type Table, computeMetrics, noCounts } from '@clove/clv';
import { CloveError, type DatasetProfile, IngestOptions, PREDICTION_COLUMNS } from '@clove/contracts';
import { generateDataset, ingestFiles, loadFeatures, readRows, snapshot } from '@clove/data';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { evaluateModel } from './evaluate-model.js';
import { writeLinearModel } from './linear-model.test-support.js';
import { openModelFolder } from './model.js';
import { predictDataset } from './predict-dataset.js';

type Dataset = { parquet: string; profile: DatasetProfile };

let folder: string;
let features: Dataset & { table: Table; modelDir: string };
let purchases: Dataset & { modelDir: string };

const generated = async (generator: DatasetProfile['kind'], customers: number): Promise<Dataset> => {
  const outDir = await mkdtemp(join(folder, 'data-'));
  const options = { generator, customers, seed: 42 };
  return {
    profile: await generateDataset({ options, outDir, scratchDir: folder }),
    parquet: join(outDir, 'data.parquet'),
  };
};

const ingested = async (csv: string): Promise<Dataset> => {
  const outDir = await mkdtemp(join(folder, 'data-'));
  const path = join(outDir, 'new.csv');
  await writeFile(path, csv);
  const profile = await ingestFiles({
    files: [{ name: 'new.csv', path }],
    options: IngestOptions.parse({ kind: 'features' }),
    outDir,
    scratchDir: folder,
  });
  return { profile, parquet: join(outDir, 'data.parquet') };
};

const FEATURES = ['age', 'gender', 'total_orders', 'avg_order_value'];
const rising = (width: number): number[] => Array.from({ length: width }, (_, i) => i + 1);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-scorer-'));
  const data = await generated('features', 500);
  const table = await loadFeatures({ ...data, scratchDir: folder });
  const model = await writeLinearModel(folder, {
    kind: 'features',
    table,
    columns: FEATURES,
    weights: rising,
    intercept: 30,
    datasetId: 'ds_trained',
  });
  features = { ...data, table, modelDir: model.modelDir };

  const bought = await generated('transactions', 300);
  const seen = await snapshot({ ...bought, asOf: '2024-06-30', scratchDir: folder });
  const ofPurchases = await writeLinearModel(folder, {
    kind: 'transactions',
    table: seen,
    columns: [...SNAPSHOT_FEATURE_NAMES],
    weights: rising,
    intercept: 30,
    origins: ['2024-06-30'],
    datasetId: 'ds_trained',
  });
  purchases = { ...bought, modelDir: ofPurchases.modelDir };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const io = { signal: new AbortController().signal, post: () => {} };
const predict = async (
  data: Dataset & { modelDir: string },
  o: { asOf?: string; includeInputs?: boolean; scratchDir?: string } = {},
) => {
  const outDir = await mkdtemp(join(folder, 'out-'));
  const result = await predictDataset(
    { scratchDir: folder, includeInputs: false, ...data, ...o, modelVersion: 'clv@3', outDir },
    io,
  );
  const page = await readRows({
    parquet: join(outDir, 'predictions.parquet'),
    query: { offset: 0, limit: 1000, order: 'asc' },
    scratchDir: folder,
  });
  return { ...result, outDir, page };
};

const refusal = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof CloveError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'no error';
};

describe('predictDataset', () => {
  test('gives one row a customer, equal to what the model says of that customer alone', async () => {
    const { rows, page, warnings, asOf, summary } = await predict(features);
    expect([rows, page.total, asOf]).toEqual([500, 500, null]);
    expect(page.columns).toEqual([...PREDICTION_COLUMNS]);
    expect(page.rows.map(([id]) => id)).toEqual(features.table.ids);
    const model = await openModelFolder(features.modelDir);
    const { predicted } = await model.score(features.table, noCounts());
    await model.release();
    page.rows.forEach(([, value], i) => expect(value).toBeCloseTo(predicted[i]!, 3));
    expect(summary.mean).toBeCloseTo(predicted.reduce((sum, value) => sum + value, 0) / 500, 3);
    // The other columns of the dataset are said to be unused.
    expect(warnings.map(({ code }) => code)).toEqual(['surplus-columns']);
  });

  test('appends every input column when asked to', async () => {
    const { page } = await predict(features, { includeInputs: true });
    expect(page.columns.slice(PREDICTION_COLUMNS.length)).toEqual([...features.table.columns.keys()]);
    const age = page.columns.indexOf('age');
    const ages = features.table.columns.get('age')!.values;
    page.rows.forEach((row, i) => expect(row[age]).toBe(ages[i]));
  });

  test('sees customers of a transactions dataset at the end of its last day, or of the day asked for', async () => {
    const latest = await predict(purchases);
    expect(latest.asOf).toBe(purchases.profile.lastTime!.slice(0, 10));
    expect(latest.rows).toBe(purchases.profile.customers);
    const earlier = await predict(purchases, { asOf: '2023-06-30' });
    const known = await snapshot({ ...purchases, asOf: '2023-06-30', scratchDir: folder });
    expect(earlier.page.rows.map(([id]) => id)).toEqual(known.ids);
    expect(earlier.page.rows[0]!.at(PREDICTION_COLUMNS.indexOf('as_of'))).toBe('2023-06-30');
    const later = await predict(purchases, { asOf: '2030-01-01' });
    expect(later.warnings.map(({ code }) => code)).toContain('as-of-after-data');
    expect(await refusal(predict(purchases, { asOf: '1999-01-01' }))).toContain('before the first purchase');
    expect(await refusal(predict(features, { asOf: '2024-01-01' }))).toContain('asOf is for transactions');
  });

  test('refuses data of the other kind, both ways, and says what to do', async () => {
    expect(await refusal(predict({ ...features, modelDir: purchases.modelDir }))).toMatch(
      /^kind-mismatch: The model was trained on purchases.*Choose a transactions dataset/s,
    );
    expect(await refusal(predict({ ...purchases, modelDir: features.modelDir }))).toContain('kind-mismatch');
  });

  test('fills half of the features, says which, and refuses to fill more', async () => {
    const some = await ingested('age,gender\n31,M\n45,Other\n52,X\n28,F\n61,F\n33,M\n');
    const { warnings, rows } = await predict({ ...some, modelDir: features.modelDir });
    expect(rows).toBe(6);
    expect(warnings.map(({ code }) => code)).toEqual(['missing-columns', 'unknown-category', 'missing-value']);
    expect(warnings[0]!.message).toContain('total_orders, avg_order_value');
    expect(warnings[1]).toMatchObject({ count: 1, message: expect.stringContaining('"gender" 1') });
    const few = await ingested('age,height\n31,1.7\n45,1.8\n52,1.6\n');
    expect(await refusal(predict({ ...few, modelDir: features.modelDir }))).toMatch(
      /^columns-mismatch: 3 of the model's 4 features are missing: gender, total_orders, avg_order_value/,
    );
  });

  test('refuses a column of text where numbers must stand', async () => {
    const wrong = await ingested(
      'age,gender,total_orders,avg_order_value\nold,F,3,20\nyoung,M,2,10\nmiddle,F,3,10\nold,M,1,7\n',
    );
    expect(await refusal(predict({ ...wrong, modelDir: features.modelDir }))).toMatch(
      /^value-invalid: Column "age" must hold numbers, but 4 of its 4 values are text, first "old" of customer "1"/,
    );
  });

  test('flags predictions that are all the same', async () => {
    const { modelDir } = await writeLinearModel(folder, {
      kind: 'features',
      table: features.table,
      columns: FEATURES,
      weights: (width) => Array.from({ length: width }, () => 0),
      intercept: 12,
    });
    const { warnings } = await predict({ ...features, modelDir });
    expect(warnings.at(-1)).toMatchObject({ code: 'constant-predictions', count: 500 });
  });

  test('leaves nothing in the scratch folder, nor anything half-made when cancelled', async () => {
    const scratchDir = join(folder, 'scratch-alone');
    await mkdir(scratchDir);
    const { outDir } = await predict(features, { scratchDir });
    expect(await readdir(scratchDir)).toEqual([]);
    expect((await readdir(outDir)).toSorted()).toEqual(['predictions.csv', 'predictions.parquet']);
    expect((await readFile(join(outDir, 'predictions.csv'), 'utf8')).trim().split('\n')).toHaveLength(501);

    const abort = new AbortController();
    const empty = await mkdtemp(join(folder, 'out-'));
    const work = predictDataset(
      { ...features, scratchDir, includeInputs: false, modelVersion: 'clv@3', outDir: empty },
      {
        signal: abort.signal,
        post: ({ fraction }) => {
          if (fraction > 0.5) abort.abort(new CloveError('cancelled', 'The job was cancelled.'));
        },
      },
    );
    expect(await refusal(work)).toContain('cancelled');
    expect([await readdir(scratchDir), await readdir(empty)]).toEqual([[], []]);
  });
});

const evaluate = (data: Dataset & { modelDir: string }, o: { datasetId?: string; testOrigin?: string } = {}) =>
  evaluateModel({ ...data, ...o, scratchDir: folder }, io);

describe('evaluateModel', () => {
  test('compares every customer of a features dataset that has a target, and says where they were seen', async () => {
    const report = await evaluate(features, { datasetId: 'ds_trained' });
    const model = await openModelFolder(features.modelDir);
    const { predicted } = await model.score(features.table, noCounts());
    await model.release();
    const actual = features.table.columns.get('clv')!.values as Float64Array;
    expect(report.metrics).toMatchObject(computeMetrics(actual, predicted));
    expect(report.baselines.mean).toMatchObject(computeMetrics(actual, new Float64Array(500).fill(50)));
    expect(report.warnings.map(({ code }) => code)).toContain('seen-in-training');
    const codes = (await evaluate(features, { datasetId: 'ds_other' })).warnings.map(({ code }) => code);
    expect(codes.filter((code) => code.endsWith('seen-in-training'))).toEqual([]);
    expect((await evaluate(features)).warnings.map(({ code }) => code)).toContain('maybe-seen-in-training');
  });

  test('without a target there is nothing to compare with', async () => {
    const bare = await ingested('age,gender,total_orders,avg_order_value\n31,M,2,30\n45,F,1,10\n52,F,4,12\n');
    expect(await refusal(evaluate({ ...bare, modelDir: features.modelDir }))).toContain('target-missing');
  });

  test('takes the last day whose horizon is observed, or an earlier one, and no later', async () => {
    const report = await evaluate(purchases, { datasetId: 'ds_other' });
    expect(report.protocol).toMatchObject({ name: 'forward', horizonDays: 60, testOrigin: '2024-10-31' });
    expect(report.lint).toEqual([]);
    const test = await snapshot({ ...purchases, asOf: '2024-10-31', horizonDays: 60, scratchDir: folder });
    expect(report.testCustomers).toBe(test.rows);
    expect(await refusal(evaluate(purchases, { testOrigin: '2024-11-01' }))).toContain('Choose 2024-10-31');
    expect(await refusal(evaluate({ ...features, modelDir: purchases.modelDir }))).toContain('kind-mismatch');
  });

  test('a test origin inside the labels of training is called out', async () => {
    const report = await evaluate(purchases, { datasetId: 'ds_trained', testOrigin: '2024-07-10' });
    expect(report.lint).toMatchObject([{ code: 'overlapping-label-windows', severity: 'error' }]);
  });
});
