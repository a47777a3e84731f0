import { describe, expect, test } from 'vitest';
import { computeBaselines } from './baselines.js';
import { computeMetrics } from './metrics.js';
import type { Column, Table } from './table.js';

const tableOf = (columns: Record<string, number[]>): Table => {
  const rows = Object.values(columns)[0]!.length;
  const entries = Object.entries(columns).map(([name, values]): [string, Column] => [
    name,
    { kind: 'numeric', values: Float64Array.from(values) },
  ]);
  return { rows, ids: Array.from({ length: rows }, (_, i) => `c${i}`), columns: new Map(entries) };
};

describe('computeBaselines', () => {
  const actual = [100, 0, 30, 5];
  const table = tableOf({
    orders: [11, 1, 3, 0],
    order_value_mean: [10, 50, 20, Number.NaN],
    tenure_days: [100, 10, 365, 40],
    revenue: [110, 50, 60, 0],
  });

  test('transactions: repeat purchases at their rate, and the rule of thumb, by hand', () => {
    const { baselines, skippedBaselines } = computeBaselines({
      kind: 'transactions',
      horizonDays: 73,
      targetMean: 40,
      table,
      actual,
    });
    // 10 repeat orders in 100 days at 10; none; 2 in 365 days at 20; never bought.
    expect(baselines['naive-rate']).toMatchObject(computeMetrics(actual, [73, 0, (2 / 365) * 20 * 73, 0]));
    // 73 days are 2.4 months; ten days count as one month.
    const rule = [110 + 10 * (11 / (100 / (365 / 12))) * 2.4 * 0.7, 50 + 50 * 2.4 * 0.7, 60 + 20 * 0.25 * 2.4 * 0.7, 0];
    const expected = computeMetrics(actual, rule);
    expect(baselines.heuristic!.rmse).toBeCloseTo(expected.rmse, 9);
    expect(baselines.heuristic!.totalBias).toBeCloseTo(expected.totalBias!, 9);
    expect(baselines.mean).toMatchObject(computeMetrics(actual, [40, 40, 40, 40]));
    expect(skippedBaselines).toEqual({});
  });

  test('features: from the well-known columns over a year; a row without them gets the mean', () => {
    const features = tableOf({
      total_orders: [11, 1, Number.NaN],
      avg_order_value: [10, 50, 20],
      days_since_first_purchase: [365, 0, 365],
    });
    const { baselines } = computeBaselines({
      kind: 'features',
      horizonDays: null,
      targetMean: 40,
      table: features,
      actual: [1, 2, 3],
    });
    expect(baselines['naive-rate']).toMatchObject(computeMetrics([1, 2, 3], [100, 0, 40]));
    const expected = computeMetrics([1, 2, 3], [110 + 10 * 11 * 0.7, 50 + 50 * 12 * 0.7, 40]);
    expect(baselines.heuristic!.mae).toBeCloseTo(expected.mae, 9);
  });

  test('without the columns the rate forecasts are skipped, with the reason', () => {
    const { baselines, skippedBaselines } = computeBaselines({
      kind: 'features',
      horizonDays: null,
      targetMean: 1,
      table: tableOf({ total_orders: [1, 2] }),
      actual: [1, 2],
    });
    expect(Object.keys(baselines)).toEqual(['mean']);
    expect(skippedBaselines['naive-rate']).toBe('needs the numeric columns avg_order_value, days_since_first_purchase');
    expect(skippedBaselines.heuristic).toBeDefined();
  });
});
