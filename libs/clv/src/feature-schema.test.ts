import { CloveError, type CategoricalFeature, type NumericFeature } from '@clove/contracts';
import { mapRows } from '@clove/engine';
import { describe, expect, test } from 'vitest';
import {
  encode,
  encodingWarnings,
  fitSchema,
  matchColumns,
  noCounts,
  numberOf,
  preparedWidth,
  prepareTensor,
} from './feature-schema.js';
import { Rng } from './rng.js';
import type { Column, Table } from './table.js';

const numeric = (values: ArrayLike<number>): Column => ({ kind: 'numeric', values: Float64Array.from(values) });
const texts = (values: readonly (string | null)[]): Column => ({ kind: 'categorical', values: [...values] });
const tableOf = (columns: Record<string, Column>): Table => {
  const rows = Object.values(columns)[0]!.values.length;
  return { rows, ids: Array.from({ length: rows }, (_, i) => `c${i}`), columns: new Map(Object.entries(columns)) };
};
const repeat = <T>(length: number, value: (i: number) => T): T[] => Array.from({ length }, (_, i) => value(i));
const fit = (columns: Record<string, Column>) => fitSchema(tableOf(columns), Object.keys(columns));

describe('fitSchema', () => {
  test('numbers: median of what is there, mean and sd of the filled column, an indicator only where something is missing', () => {
    const { schema } = fit({ full: numeric([1, 2, 3, 10]), holes: numeric([5, Number.NaN, 1, 3]) });
    expect(schema.features[0]).toEqual({
      kind: 'numeric',
      name: 'full',
      transform: 'none',
      median: 2.5,
      mean: 4,
      sd: Math.sqrt((9 + 4 + 1 + 36) / 4),
      missingIndicator: false,
    });
    const holes = schema.features[1] as NumericFeature;
    expect(holes).toMatchObject({ median: 3, mean: 3, missingIndicator: true });
    expect(holes.sd).toBeCloseTo(Math.sqrt(2), 12);
    expect([schema.width, preparedWidth(schema)]).toEqual([2, 3]);
  });

  test('the signed log is taken for heavy tails that it lightens, and only for those', () => {
    const rng = new Rng(5);
    const { schema } = fit({
      lognormal: numeric(repeat(3000, () => Math.exp(1.5 * rng.normal()))),
      negative: numeric(repeat(3000, () => -Math.exp(1.5 * rng.normal()))),
      normal: numeric(repeat(3000, () => rng.normal())),
    });
    const transforms = schema.features.map((feature) => (feature as NumericFeature).transform);
    expect(transforms).toEqual(['signed-log', 'signed-log', 'none']);
  });

  test('texts: the most frequent categories first, rare ones and missing in the unknown bucket', () => {
    const { schema } = fit({
      segment: texts([...repeat(9, () => 'B'), ...repeat(6, () => 'A'), ...repeat(6, () => 'C'), 'rare', null]),
    });
    expect(schema.features[0]).toEqual({ kind: 'categorical', name: 'segment', categories: ['B', 'A', 'C'] });
    expect(schema.width).toBe(4);
  });

  test('up to 50 categories are one-hot, more are embedded, the 1,000 most frequent', () => {
    const cities = (count: number, each: number) => texts(repeat(count * each, (i) => `city ${i % count}`));
    const fitted = (column: Column) => {
      const { schema } = fit({ city: column });
      return { feature: schema.features[0] as CategoricalFeature, widths: [schema.width, preparedWidth(schema)] };
    };
    const few = fitted(cities(50, 5));
    expect([few.feature.categories.length, few.feature.embedding, ...few.widths]).toEqual([50, undefined, 51, 51]);
    const many = fitted(cities(60, 5));
    expect([many.feature.categories.length, many.feature.embedding, ...many.widths]).toEqual([60, 8, 1, 1]);
    const all = fitted(cities(1200, 5));
    expect([all.feature.categories.length, all.feature.embedding]).toEqual([1000, 32]);
  });

  test('what teaches nothing is left out, each for a stated reason', () => {
    const { schema, warnings } = fit({
      useful: numeric(repeat(200, (i) => i % 7)),
      same: numeric(repeat(200, () => 3)),
      empty: numeric(repeat(200, () => Number.NaN)),
      'one text': texts(repeat(200, () => 'x')),
      name: texts(repeat(200, (i) => `customer ${i}`)),
      scattered: texts(repeat(200, (i) => (i < 40 ? `v${i}` : null))),
    });
    expect(schema.features.map(({ name }) => name)).toEqual(['useful']);
    expect(warnings.map(({ code, count }) => [code, count])).toEqual([
      ['constant-column', 3],
      ['too-many-values', 1],
      ['rare-values', 1],
    ]);
    expect(warnings[0]!.message).toContain('"same", "empty", "one text"');
    expect(warnings[1]!.message).toContain('"name"');
  });

  test('a column of one value that is sometimes missing is kept for its indicator', () => {
    const { schema } = fit({ flag: numeric(repeat(20, (i) => (i % 2 === 0 ? 1 : Number.NaN))) });
    expect(schema.features[0]).toMatchObject({ median: 1, sd: 1, missingIndicator: true });
  });

  test('says so where no column is left, or one is not there', () => {
    expect(() => fit({ same: numeric([1, 1]) })).toThrow(/No column is left.*"same"/s);
    expect(() => fitSchema(tableOf({ a: numeric([1, 2]) }), ['b'])).toThrow('There is no column "b"; there are "a".');
  });
});

describe('encode', () => {
  const { schema } = fit({
    age: numeric([20, 30, 40, 50, 60, Number.NaN]),
    segment: texts([...repeat(5, () => 'A'), null]),
  });

  test('rows become raw numbers and one-hots in the order of the schema; unknown, missing and unreadable are counted', () => {
    const counts = noCounts();
    const table = tableOf({
      segment: texts(['A', 'Z', null]),
      age: texts([' 41.5 ', 'old', null]),
      surplus: numeric([1, 2, 3]),
    });
    expect([...encode(schema, table, counts)]).toEqual([41.5, 1, 0, Number.NaN, 0, 1, Number.NaN, 0, 1]);
    encode(schema, tableOf({ age: numeric([Number.POSITIVE_INFINITY, 1e300]), segment: texts(['Z', 'A']) }), counts);
    expect(counts.unknown).toEqual(new Map([['segment', 2]]));
    expect(counts.missing).toEqual(
      new Map([
        ['age', 3],
        ['segment', 1],
      ]),
    );
    expect(counts.unreadable.get('age')).toEqual({ count: 1, example: 'old', customer: 'c1' });
    const codes = encodingWarnings(schema, counts, 'features').map(({ code, count }) => [code, count]);
    // Missing ages are no news: training had some.
    expect(codes).toEqual([
      ['unknown-category', 2],
      ['missing-value', 1],
      ['text-in-number', 1],
    ]);
  });

  test('numbers stand for texts and booleans for numbers where files differ in type', () => {
    const codes = fit({ code: texts([...repeat(5, () => '1'), ...repeat(5, () => '2')]) }).schema;
    const counts = noCounts();
    expect([...encode(codes, tableOf({ code: numeric([2, Number.NaN]) }), counts)]).toEqual([0, 1, 0, 0, 0, 1]);
    expect(counts.missing).toEqual(new Map([['code', 1]]));
    expect(['true', 'FALSE', '1e3', '-.5', '1,000', '0x10', '', 'NaN'].map(numberOf)).toEqual([
      1,
      0,
      1000,
      -0.5,
      Number.NaN,
      Number.NaN,
      Number.NaN,
      Number.NaN,
    ]);
  });

  test('a column that is not there is missing in every row', () => {
    const counts = noCounts();
    expect([...encode(schema, tableOf({ age: numeric([1, 2]) }), counts)]).toEqual([1, 0, 1, 2, 0, 1]);
    expect(counts.missing).toEqual(new Map([['segment', 2]]));
  });
});

describe('prepareTensor', () => {
  test('run natively, it equals imputation, signed log, scaling and indicators written out', async () => {
    const rng = new Rng(8);
    const table = tableOf({
      plain: numeric(repeat(500, () => 100 + 5 * rng.normal())),
      heavy: numeric(repeat(500, () => (rng.uniform() < 0.1 ? Number.NaN : Math.exp(2 * rng.normal())))),
      segment: texts(repeat(500, () => ['A', 'B', null][rng.integer(3)]!)),
      holes: numeric(repeat(500, (i) => (i % 3 === 0 ? Number.NaN : -i))),
    });
    const { schema } = fitSchema(table, [...table.columns.keys()]);
    expect((schema.features[1] as NumericFeature).transform).toBe('signed-log');
    const raw = encode(schema, table, noCounts());
    const prepared = await mapRows(prepareTensor(schema), raw, table.rows, schema.width);

    const expected = new Float32Array(table.rows * preparedWidth(schema));
    for (let row = 0; row < table.rows; row += 1) {
      const out: number[] = [];
      const indicators: number[] = [];
      for (const feature of schema.features) {
        const column = table.columns.get(feature.name)!;
        if (feature.kind === 'categorical') {
          const value = column.values[row];
          for (const category of feature.categories) out.push(value === category ? 1 : 0);
          out.push(value === null ? 1 : 0);
          continue;
        }
        let value = column.values[row] as number;
        if (feature.missingIndicator) indicators.push(Number.isNaN(value) ? 1 : 0);
        if (Number.isNaN(value)) value = feature.median;
        if (feature.transform === 'signed-log') value = Math.sign(value) * Math.log(1 + Math.abs(value));
        out.push((value - feature.mean) / feature.sd);
      }
      expected.set([...out, ...indicators], row * preparedWidth(schema));
    }
    expect(prepared).toHaveLength(expected.length);
    let worst = 0;
    prepared.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(value - expected[i]!));
    });
    expect(worst).toBeLessThan(1e-5);
    // The scales were fitted on these very rows.
    const column = (j: number): number[] => repeat(table.rows, (row) => prepared[row * preparedWidth(schema) + j]!);
    for (const j of [0, 1]) {
      const values = column(j);
      expect(values.reduce((sum, value) => sum + value, 0) / 500).toBeCloseTo(0, 4);
      expect(values.reduce((sum, value) => sum + value * value, 0) / 500).toBeCloseTo(1, 4);
    }
  });
});

test('a wild value counts as ten standard deviations, and an infinite one as missing', async () => {
  const { schema } = fit({ x: numeric(repeat(100, (i) => i % 5)) });
  const table = tableOf({ x: numeric([1e30, -1e6, Number.POSITIVE_INFINITY, 2]) });
  const prepared = await mapRows(prepareTensor(schema), encode(schema, table, noCounts()), 4, 1);
  expect([...prepared]).toEqual([10, -10, 0, 0]);
});

describe('matchColumns', () => {
  const { schema } = fit(Object.fromEntries(repeat(16, (i) => [`f${i}`, numeric([i, i + 1])])));

  test('12 of 16 features missing is an error that names all twelve', () => {
    const four = ['f0', 'f1', 'f2', 'f3', 'other'];
    const attempt = () => matchColumns(schema, four);
    expect(attempt).toThrow(CloveError);
    for (let i = 4; i < 16; i += 1) expect(attempt).toThrow(new RegExp(`\\bf${i}\\b`));
    expect(attempt).toThrow(/12 of the model's 16 features are missing/);
  });

  test('up to half may be missing; what is missing and what is surplus is named', () => {
    const half = repeat(8, (i) => `f${i}`);
    expect(matchColumns(schema, ['new', ...half])).toEqual({
      missing: repeat(8, (i) => `f${i + 8}`),
      surplus: ['new'],
    });
  });
});
