import { describe, expect, test } from 'vitest';
import { type Sample, lintLeakage, lintWindows } from './lint.js';
import { Rng } from './rng.js';
import type { Column } from './table.js';

/** Customers whose target depends on their features and on chance, as it should. */
const honest = (rows: number, seed: number): Sample & { columns: Record<string, Column> } => {
  const rng = new Rng(seed);
  const numbers = (draw: (i: number) => number): Column => ({
    kind: 'numeric',
    values: Float64Array.from({ length: rows }, (_, i) => draw(i)),
  });
  const columns: Record<string, Column> = {
    orders: numbers(() => rng.poisson(4)),
    value: numbers(() => Math.exp(3 + rng.normal())),
    segment: { kind: 'categorical', values: Array.from({ length: rows }, () => 'ABC'[rng.integer(3)]!) },
  };
  const [orders, value] = [columns['orders']!.values as Float64Array, columns['value']!.values as Float64Array];
  const target = orders.map((n, i) => Math.max(0, 0.3 * n * value[i]! + 50 * rng.normal()));
  return sampleOf(columns, target);
};

const sampleOf = (columns: Record<string, Column>, target: Float64Array) => ({
  columns,
  target,
  table: {
    rows: target.length,
    ids: Array.from({ length: target.length }, (_, i) => `c${i}`),
    columns: new Map(Object.entries(columns)),
  },
});

const lint = (train: ReturnType<typeof honest>, test: Sample, testR2: number | null = 0.7) =>
  lintLeakage({ columns: Object.keys(train.columns), train, test, testR2, windows: null });

const withColumn = (name: string, make: (target: Float64Array) => Column) => {
  const base = honest(500, 1);
  return sampleOf({ ...base.columns, [name]: make(base.target) }, base.target);
};

describe('lintLeakage', () => {
  test('finds nothing in honest data', () => {
    expect(lint(honest(500, 1), honest(200, 2))).toEqual([]);
  });

  test.each([
    ['a copy in other units', (y: Float64Array) => y.map((value) => 3 - 0.01 * value)],
    ['a rising function', (y: Float64Array) => y.map((value) => Math.exp(value / 100))],
    ['a copy with gaps', (y: Float64Array) => y.map((value, i) => (i % 5 === 0 ? Number.NaN : value))],
  ])('calls out a feature that is the target: %s', (_, leak) => {
    const findings = lint(
      withColumn('leak', (target) => ({ kind: 'numeric', values: leak(target) })),
      honest(200, 2),
    );
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ code: 'feature-predicts-target', severity: 'error', columns: ['leak'] });
  });

  test('calls out a text that is the target', () => {
    const base = honest(500, 1);
    const target = base.target.map((value) => Math.round(value / 100));
    const tier: Column = { kind: 'categorical', values: Array.from(target, (value) => `tier ${value}`) };
    expect(lint(sampleOf({ ...base.columns, tier }, target), honest(200, 2))[0]).toMatchObject({
      code: 'feature-predicts-target',
      columns: ['tier'],
    });
  });

  test('calls out a target that is a sum of features, and a model that is too good to be true', () => {
    const base = honest(500, 1);
    const [orders, value] = [base.columns['orders']!.values, base.columns['value']!.values] as Float64Array[];
    const sum = sampleOf(
      base.columns,
      orders!.map((n, i) => 20 * n + value![i]!),
    );
    expect(lint(sum, honest(200, 2)).map(({ code }) => code)).toEqual(['target-is-function-of-features']);
    expect(lint(base, honest(200, 2), 0.999)[0]).toMatchObject({
      code: 'target-is-function-of-features',
      severity: 'error',
    });
  });

  test.each([
    ['a product', (n: number, v: number) => 0.7 * n * v],
    ['a quotient', (n: number, v: number) => v / (n + 1)],
    ['powers', (n: number, v: number) => 3 * (n + 1) ** 0.3 * v ** 1.4],
    ['a product and a sum', (n: number, v: number) => n * v + 5 * n + 2 * v],
  ])(
    'calls out a target that is %s of features, by their names, for all that no column alone gives it',
    (_, formula) => {
      const base = honest(900, 1);
      const [orders, value] = [base.columns['orders']!.values, base.columns['value']!.values] as Float64Array[];
      const target = orders!.map((n, i) => formula(n, value![i]!));
      const found = lint(sampleOf(base.columns, target), honest(200, 2), 0.8);
      expect(found).toMatchObject([{ code: 'target-is-function-of-features', severity: 'error' }]);
      expect(found[0]!.columns).toEqual(['orders', 'value']);
      const rng = new Rng(5);
      const noisy = target.map((y) => y * Math.exp(rng.normal()));
      expect(lint(sampleOf(base.columns, noisy), honest(200, 2), 0.8)).toEqual([]);
    },
  );

  test('without the training rows, looks at the others alone', () => {
    const base = honest(500, 1);
    const about = { columns: Object.keys(base.columns), train: null, testR2: 0.7, windows: null };
    expect(lintLeakage({ ...about, test: base })).toEqual([]);
    const copied = withColumn('leak', (target) => ({ kind: 'numeric', values: target.slice() }));
    expect(lintLeakage({ ...about, columns: ['leak'], test: copied })).toMatchObject([{ columns: ['leak'] }]);
  });

  test('calls out a number that is an identifier, not a measure that differs in every row', () => {
    const id = withColumn('customer_no', (target) => ({
      kind: 'numeric',
      values: target.map((_, i) => 90_000 + 3 * i),
    }));
    expect(lint(id, honest(200, 2))).toMatchObject([{ code: 'id-used-as-feature', columns: ['customer_no'] }]);
    const rng = new Rng(3);
    const cents = withColumn('cents', (target) => ({
      kind: 'numeric',
      values: target.map(() => Math.round(Math.exp(12 + 2 * rng.normal()))),
    }));
    expect(lint(cents, honest(200, 2))).toEqual([]);
  });

  test('counts test rows that training has too, and warns where they are many', () => {
    const train = honest(500, 1);
    const half = lint(train, honest(500, 1));
    expect(half[0]).toMatchObject({ code: 'duplicate-rows-across-split', severity: 'warning' });
    const spenders = train.target.filter((value) => value > 0).length;
    expect(half[0]!.message).toContain(`${spenders} of 500 test rows`);
    const other = honest(500, 1);
    other.target.forEach((value, i) => {
      other.target[i] = value + 1;
    });
    expect(lint(train, other)).toEqual([]);
  });
});

describe('lintWindows', () => {
  test('labels that reach beyond the test origin are an error', () => {
    const findings = lintWindows({ trainingOrigins: ['2020-01-01'], testOrigin: '2020-03-30', horizonDays: 90 });
    expect(findings).toMatchObject([{ code: 'overlapping-label-windows', severity: 'error' }]);
    expect(lintWindows({ trainingOrigins: ['2020-01-01'], testOrigin: '2020-03-31', horizonDays: 90 })).toEqual([]);
  });

  test('training windows that share days are told, not blamed', () => {
    const year = { testOrigin: '2021-01-01', horizonDays: 30 };
    expect(lintWindows({ ...year, trainingOrigins: ['2020-01-01', '2020-01-30'] })).toMatchObject([
      { severity: 'info' },
    ]);
    expect(lintWindows({ ...year, trainingOrigins: ['2020-01-01', '2020-01-31'] })).toEqual([]);
  });
});
