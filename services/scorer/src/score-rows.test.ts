import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SNAPSHOT_FEATURE_NAMES, type Column, type OpenPredictor, type Table } from '@clove/clv';
import { CloveError, type NumericFeature } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeLinearModel } from './linear-model.test-support.js';
import { openModelFolder } from './model.js';
import { scoreRows } from './score-rows.js';

const table: Table = {
  rows: 12,
  ids: Array.from({ length: 12 }, (_, i) => String(i)),
  columns: new Map<string, Column>([
    ['age', { kind: 'numeric', values: Float64Array.from({ length: 12 }, (_, i) => 20 + i) }],
    ['orders', { kind: 'numeric', values: Float64Array.from({ length: 12 }, (_, i) => i % 5) }],
    ['a/b', { kind: 'categorical', values: Array.from({ length: 12 }, (_, i) => (i < 6 ? 'X' : 'Y')) }],
  ]),
};

let folder: string;
let model: OpenPredictor;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-score-'));
  const { modelDir } = await writeLinearModel(folder, {
    kind: 'features',
    table,
    columns: ['age', 'orders', 'a/b'],
    // prepared inputs: age, orders, X, Y, unknown
    weights: () => [8, 3, 100, -100, 0],
    intercept: 50,
    manifest: { idColumn: 'member' },
  });
  model = await openModelFolder(modelDir);
});
afterAll(async () => {
  await model.release();
  await rm(folder, { recursive: true, force: true });
});

const refusal = async (rows: Parameters<typeof scoreRows>[1]): Promise<CloveError> => {
  try {
    await scoreRows(model, rows);
  } catch (error) {
    if (error instanceof CloveError) return error;
    throw error;
  }
  throw new Error('no error');
};

describe('scoreRows', () => {
  test('gives the pencil’s answer, with its interval, not below 0', async () => {
    const [age, orders] = model.manifest.schema.features as [NumericFeature, NumericFeature];
    const { predictions, warnings } = await scoreRows(model, [
      { member: 'm1', age: 30, orders: 2, 'a/b': 'X' },
      { member: 7, age: 25, orders: 0, 'a/b': 'Y' },
    ]);
    const expected = 50 + 8 * ((30 - age.mean) / age.sd) + 3 * ((2 - orders.mean) / orders.sd) + 100;
    expect(predictions[0]).toEqual({
      customer_id: 'm1',
      predicted_clv: expect.closeTo(expected, 3),
      p_buy: null,
      low: expect.closeTo(expected - 10, 3),
      high: expect.closeTo(expected + 20, 3),
    });
    expect(predictions[1]).toEqual({ customer_id: '7', predicted_clv: 0, p_buy: null, low: 0, high: 20 });
    expect(warnings).toEqual([]);
  });

  test('without an id column rows are numbered; customer_id serves where the model’s own is not there', async () => {
    const row = { age: 30, orders: 2, 'a/b': 'X' };
    expect((await scoreRows(model, [row, row])).predictions.map((p) => p.customer_id)).toEqual(['1', '2']);
    expect(
      (await scoreRows(model, [{ ...row, customer_id: 'c9' }, row])).predictions.map((p) => p.customer_id),
    ).toEqual(['c9', '2']);
  });

  test('a number written as text counts as that number, and is reported', async () => {
    const { predictions, warnings } = await scoreRows(model, [
      { age: '30', orders: ' 2 ', 'a/b': 'X' },
      { age: 30, orders: 2, 'a/b': 'X' },
    ]);
    expect(predictions[0]!.predicted_clv).toBe(predictions[1]!.predicted_clv);
    expect(warnings).toMatchObject([{ code: 'numbers-as-text', count: 2 }]);
  });

  test('text in a numeric field is refused with the place of each', async () => {
    const error = await refusal([
      { age: 30, orders: 2, 'a/b': 'X' },
      { age: 'thirty', orders: 'n/a', 'a/b': 'X' },
    ]);
    expect(error.code).toBe('invalid-input');
    expect(error.errors.map(({ pointer }) => pointer)).toEqual(['/rows/1/age', '/rows/1/orders']);
    expect(error.message).toContain('"thirty"');
  });

  test('missing and unknown values, missing and surplus columns are decided and counted', async () => {
    const { predictions, warnings } = await scoreRows(model, [
      { age: null, 'a/b': 'Z', shoe: 43 },
      { age: '', 'a/b': null, shoe: 44 },
    ]);
    expect(predictions[0]!.predicted_clv).toBe(predictions[1]!.predicted_clv);
    expect(warnings.map(({ code, count }) => [code, count])).toEqual([
      ['missing-columns', 1],
      ['surplus-columns', 1],
      ['unknown-category', 1],
      ['missing-value', 3],
    ]);
  });

  test('most features missing is refused, naming them', async () => {
    const error = await refusal([{ orders: 2 }]);
    expect(error.code).toBe('columns-mismatch');
    expect(error.message).toContain('age, a/b');
  });

  test('a model of purchases says which columns a row must carry', async () => {
    const columns = SNAPSHOT_FEATURE_NAMES.filter((name) => name !== 'place');
    const snapshot: Table = {
      rows: 4,
      ids: ['a', 'b', 'c', 'd'],
      columns: new Map(
        columns.map((name, k): [string, Column] => [
          name,
          { kind: 'numeric', values: Float64Array.from({ length: 4 }, (_, i) => i + k) },
        ]),
      ),
    };
    const { modelDir } = await writeLinearModel(folder, {
      kind: 'transactions',
      table: snapshot,
      columns,
      weights: (width) => Array.from({ length: width }, () => 1),
      intercept: 0,
    });
    const ofPurchases = await openModelFolder(modelDir);
    await expect(scoreRows(ofPurchases, [{ time: '2024-01-01', amount: 3 }])).rejects.toThrow(
      /snapshot features of a customer \(recency_days,.*start a prediction/s,
    );
    const row = Object.fromEntries(columns.map((name, k) => [name, k + 3]));
    const { predictions, warnings } = await scoreRows(ofPurchases, [row]);
    expect(predictions[0]!.predicted_clv).toBeGreaterThan(0);
    expect(warnings).toEqual([]);
    await ofPurchases.release();
  });
});
