import { describe, expect, test } from 'vitest';
import { completeRows, equalGroups, quantile, shareTies } from './columns.js';
import {
  averageByRecencyFrequency,
  countPit,
  countPredictedActual,
  distributionOf,
  gainCurves,
  groupDeciles,
  reliabilityTable,
  spreadResiduals,
} from './index.js';
import { wilson } from './reliability.js';
import { customers } from './test-gallery.js';
import { accumulate } from './tracking.js';

const total = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);
const average = (values: ArrayLike<number>) => total(values) / values.length;
const shop = customers(3001);
const { actual, predicted, probability, frequency, recency, alive, bought } = shop;

describe('rows', () => {
  test('only rows with a number in every column are kept, in their order', () => {
    const { columns, rows, omitted } = completeRows({
      a: [1, null, 3, Number.NaN, 5, 6],
      b: [1, 2, Number.POSITIVE_INFINITY, 4, 50, 60],
    });
    expect(columns.map((column) => [...column])).toEqual([
      [1, 5, 6],
      [1, 50, 60],
    ]);
    expect({ rows, omitted }).toEqual({ rows: 3, omitted: 3 });
  });

  test('columns of different lengths are refused with their names and lengths', () => {
    expect(() => groupDeciles({ actual: [1, 2], predicted: [1] })).toThrow('actual: 2, predicted: 1');
    expect(() => gainCurves({ actual: [1], models: [{ name: 'm', predicted: [] }] })).toThrow('m (model 1): 0');
  });

  test('groups cover every row once and differ by one row at most', () => {
    for (const [n, g] of [
      [0, 10],
      [3, 10],
      [10, 10],
      [1234, 20],
    ] as const) {
      const groups = equalGroups(n, g);
      expect(groups.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))).toEqual(
        Array.from({ length: n }, (_, i) => i),
      );
      const sizes = groups.map(({ from, to }) => to - from);
      expect(n === 0 || Math.max(...sizes) - Math.min(...sizes) <= 1).toBe(true);
    }
  });

  test('a quantile lies between its neighbours, linearly', () => {
    expect([0, 0.25, 0.5, 0.9, 1].map((p) => quantile(Float64Array.of(1, 2, 4, 8, 16), p))).toEqual([
      1, 2, 4, 12.8, 16,
    ]);
    expect(quantile(Float64Array.of(3), 0.7)).toBe(3);
  });

  test('rows of equal keys share their mean, and the total stays', () => {
    expect([...shareTies(Float64Array.of(1, 1, 2, 3, 3, 3), Float64Array.of(0, 4, 7, 1, 2, 6))]).toEqual([
      2, 2, 7, 3, 3, 3,
    ]);
  });
});

describe('deciles', () => {
  test('means are those of slices of the rows sorted by prediction', () => {
    const rows = Array.from(predicted, (p, i) => ({ p, a: actual[i]! })).toSorted((x, y) => x.p - y.p);
    const { groups, omitted } = groupDeciles({ actual, predicted });
    expect(omitted).toBe(0);
    expect(groups).toHaveLength(10);
    groups.forEach((group, k) => {
      const slice = rows.slice(Math.floor((k * rows.length) / 10), Math.floor(((k + 1) * rows.length) / 10));
      expect(group.rows).toBe(slice.length);
      expect(group.predicted).toBeCloseTo(average(slice.map(({ p }) => p)), 8);
      expect(group.actual).toBeCloseTo(average(slice.map(({ a }) => a)), 8);
    });
  });

  test('a constant prediction gives every group the same means, whatever the order of the rows', () => {
    const { groups } = groupDeciles({ actual, predicted: Array.from(actual, () => 3) });
    for (const group of groups) expect(group.actual).toBeCloseTo(average(actual), 8);
    expect(groups[0]!.predicted).toBe(3);
  });

  test('fewer than ten rows make fewer groups', () => {
    expect(groupDeciles({ actual: [5, 1, 3], predicted: [3, 1, 2] }).groups).toEqual([
      { rows: 1, predicted: 1, actual: 1 },
      { rows: 1, predicted: 2, actual: 3 },
      { rows: 1, predicted: 3, actual: 5 },
    ]);
  });
});

describe('gain curves', () => {
  test('each point is the share of spend of the customers predicted highest', () => {
    const { models, perfect } = gainCurves({ actual, models: [{ name: 'm', predicted }] });
    const order = Array.from(predicted.keys()).toSorted((i, j) => predicted[j]! - predicted[i]!);
    const best = Array.from(actual).toSorted((x, y) => y - x);
    for (const share of [0.001, 0.05, 0.2, 0.5, 1]) {
      const whole = Math.floor(share * actual.length);
      const part = share * actual.length - whole;
      const expected = total(order.slice(0, whole).map((i) => actual[i]!)) + part * (actual[order[whole]!] ?? 0);
      const model = models[0]!.points.find(({ customers }) => customers === share)!;
      expect(model.spend).toBeCloseTo(expected / total(actual), 5);
      const ideal = total(best.slice(0, whole)) + part * (best[whole] ?? 0);
      expect(perfect.find(({ customers }) => customers === share)!.spend).toBeCloseTo(ideal / total(actual), 5);
    }
  });

  test('normalized Gini is the ratio of covariances with the ranks', () => {
    const ranks = (values: ArrayLike<number>) => {
      const list = Array.from(values);
      return list.map((v) => list.filter((w) => w < v).length + (list.filter((w) => w === v).length + 1) / 2);
    };
    const few = {
      actual: Array.from(actual.slice(0, 300)),
      predicted: Array.from(predicted.slice(0, 300), Math.round),
    };
    const covariance = (rank: number[]) => {
      const middle = average(rank);
      return total(rank.map((r, i) => (r - middle) * few.actual[i]!));
    };
    const expected = covariance(ranks(few.predicted)) / covariance(ranks(few.actual));
    const { models } = gainCurves({ actual: few.actual, models: [{ name: 'm', predicted: few.predicted }] });
    expect(models[0]!.normalizedGini).toBeCloseTo(expected, 10);
  });

  test('a perfect model is 1, a constant one 0 and a straight line, and no spend is no curve', () => {
    const flat = Array.from(actual, () => 1);
    const { models } = gainCurves({
      actual,
      models: [
        { name: 'perfect', predicted: actual },
        { name: 'flat', predicted: flat },
      ],
    });
    expect(models[0]!.normalizedGini).toBeCloseTo(1, 10);
    expect(models[1]!.normalizedGini).toBeCloseTo(0, 10);
    for (const { customers: share, spend } of models[1]!.points) expect(spend).toBeCloseTo(share, 5);
    expect(gainCurves({ actual: [0, 0], models: [{ name: 'm', predicted: [1, 2] }] }).models).toEqual([
      { name: 'm', points: [], normalizedGini: null },
    ]);
  });

  test('models are compared on the rows that all of them predict', () => {
    const { rows, omitted } = gainCurves({
      actual: [1, 2, 3, null],
      models: [
        { name: 'same', predicted: [1, null, 3, 4] },
        { name: 'same', predicted: [1, 2, 3, 4] },
      ],
    });
    expect({ rows, omitted }).toEqual({ rows: 2, omitted: 2 });
  });
});

describe('reliability', () => {
  const table = reliabilityTable({ probability, bought });

  test('groups hold every customer and every buyer once', () => {
    expect(total(table.groups.map(({ rows }) => rows))).toBe(probability.length);
    expect(total(table.groups.map(({ rows, observed }) => rows * observed))).toBeCloseTo(
      bought.filter(Boolean).length,
      6,
    );
    expect(total(table.groups.map(({ rows, predicted: p }) => rows * p))).toBeCloseTo(total(probability), 6);
    expect(total(table.histogram.map(({ rows }) => rows))).toBe(probability.length);
  });

  test('the Brier score is the mean squared error', () => {
    expect(table.brier).toBeCloseTo(average(Array.from(probability, (p, i) => (p - (bought[i] ? 1 : 0)) ** 2)), 10);
  });

  test('the histogram counts what lies between its edges', () => {
    for (const { from, to, rows } of table.histogram.slice(0, -1)) {
      expect(rows).toBe(probability.filter((p) => p >= from && p < to).length);
    }
  });

  test('customers of one probability stay in one group', () => {
    const { groups } = reliabilityTable({
      probability: Array.from({ length: 100 }, (_, i) => (i < 55 ? 0.1 : 0.4)),
      bought: Array.from({ length: 100 }, (_, i) => i % 5 === 0),
    });
    expect(groups.map(({ rows }) => rows)).toEqual([55, 45]);
  });

  test('the interval ends where the observed share is 1.96 standard errors away (Wilson)', () => {
    for (const [k, n] of [
      [0, 20],
      [3, 40],
      [50, 100],
      [999, 1000],
    ] as const) {
      const { low, high } = wilson(k, n);
      for (const p of [low, high].filter((p) => p > 0 && p < 1)) {
        expect(Math.abs(k / n - p) / Math.sqrt((p * (1 - p)) / n)).toBeCloseTo(1.959_964, 5);
      }
      expect(low).toBeLessThanOrEqual(k / n);
      expect(high).toBeGreaterThanOrEqual(k / n);
    }
  });

  test('a probability above 1 is refused with its value', () => {
    expect(() => reliabilityTable({ probability: [0.2, 1.5], bought: [true, false] })).toThrow('Probability 1.5');
  });
});

describe('residuals', () => {
  test('means add up to the total residual, and quantiles are those of each group', () => {
    const { groups, mean } = spreadResiduals({ actual, predicted });
    expect(mean).toBeCloseTo(average(actual) - average(predicted), 8);
    expect(total(groups.map((group) => group.rows * group.mean))).toBeCloseTo(total(actual) - total(predicted), 5);
    const rows = Array.from(predicted, (p, i) => ({ p, r: actual[i]! - p })).toSorted((x, y) => x.p - y.p);
    for (const group of groups) {
      const inside = rows
        .slice(Math.round(group.from * rows.length), Math.round(group.to * rows.length))
        .map(({ r }) => r);
      expect(inside).toHaveLength(group.rows);
      for (const [p, value] of [
        [0.1, group.p10],
        [0.25, group.p25],
        [0.5, group.p50],
        [0.75, group.p75],
        [0.9, group.p90],
      ] as const) {
        expect(inside.filter((r) => r < value - 1e-9).length / inside.length).toBeLessThanOrEqual(
          p + 1 / inside.length,
        );
        expect(inside.filter((r) => r <= value + 1e-9).length / inside.length).toBeGreaterThanOrEqual(
          p - 1 / inside.length,
        );
      }
    }
  });
});

describe('the grid of predicted against actual', () => {
  const grid = countPredictedActual({ actual, predicted });
  const { from, width, count } = grid.bins;
  const edge = (bin: number) => 10 ** (from + bin * width);

  test('counts each row in the cell between whose edges it lies', () => {
    expect(total(grid.cells.map(({ rows }) => rows))).toBe(actual.length);
    const inside = (value: number, bin: number) =>
      bin < 0
        ? value < edge(0) * (1 - 1e-8)
        : value >= edge(bin) * (1 - 1e-8) && (bin === count - 1 || value < edge(bin + 1) * (1 + 1e-8));
    for (const cell of grid.cells.filter((_, i) => i % 7 === 0)) {
      const rows = Array.from(actual).filter((a, i) => inside(a, cell.actual) && inside(predicted[i]!, cell.predicted));
      expect(Math.abs(rows.length - cell.rows)).toBeLessThanOrEqual(1);
    }
  });

  test('the trend holds every row once, with the same totals, and its groups lie apart', () => {
    expect(total(grid.trend.map(({ rows }) => rows))).toBe(actual.length);
    expect(total(grid.trend.map(({ rows, actual: a }) => rows * a))).toBeCloseTo(total(actual), 4);
    expect(total(grid.trend.map(({ rows, predicted: p }) => rows * p))).toBeCloseTo(total(predicted), 4);
    expect(grid.totalBias).toBeCloseTo(total(predicted) / total(actual) - 1, 10);
    const bins = grid.trend.map(({ predicted: p }) => Math.floor((Math.log10(p) - from) / width));
    expect(new Set(bins).size).toBe(bins.length);
  });

  test('few rows stay points, many do not', () => {
    expect(countPredictedActual({ actual: [1, 0], predicted: [2, 3] }).points).toEqual([
      { predicted: 2, actual: 1 },
      { predicted: 3, actual: 0 },
    ]);
    expect(grid.points).toEqual([]);
  });

  test('zeros, negative and stray small amounts are told apart', () => {
    const many = Array.from({ length: 1000 }, (_, i) => 10 + i);
    const kinds = (...stray: number[]) =>
      countPredictedActual({ actual: [...many, ...stray], predicted: [...many, ...stray.map(() => 10)] }).bands.actual;
    expect([kinds(20), kinds(0), kinds(0, -3), kinds(0, 1e-9)]).toEqual([null, 'zero', 'negative', 'small']);
  });
});

describe('distribution', () => {
  test('counts are those between the edges, and nothing is lost', () => {
    const { bins, predicted: p, actual: a } = distributionOf({ predicted, actual });
    for (const [histogram, values] of [
      [p, predicted],
      [a!, actual],
    ] as const) {
      expect(total(histogram.counts) + histogram.banded).toBe(values.length);
      const low = 10 ** bins.from;
      expect(histogram.banded).toBe(values.filter((value) => value < low * (1 - 1e-8)).length);
      const middle = Math.floor(bins.count / 2);
      const edge = 10 ** (bins.from + middle * bins.width);
      expect(total(histogram.counts.slice(0, middle)) + histogram.banded).toBe(values.filter((v) => v < edge).length);
      expect(histogram.mean).toBeCloseTo(average(values), 6);
    }
  });
});

describe('recency and frequency', () => {
  const grid = averageByRecencyFrequency({ frequency, recency, value: alive });

  test('cells hold every customer once and keep the mean', () => {
    expect(total(grid.cells.map(({ rows }) => rows))).toBe(alive.length);
    expect(total(grid.cells.map(({ rows, value }) => rows * value))).toBeCloseTo(total(alive), 4);
  });

  test('a cell is the mean of the customers between its edges', () => {
    for (const cell of grid.cells.filter((_, i) => i % 5 === 0)) {
      const top = cell.frequency === grid.frequencyCap;
      const inside = Array.from(alive).filter(
        (_, i) =>
          frequency[i]! >= cell.frequency &&
          (top || frequency[i]! < cell.frequency + grid.frequencyStep) &&
          recency[i]! >= cell.recency &&
          recency[i]! < cell.recency + grid.recencyStep,
      );
      expect(inside).toHaveLength(cell.rows);
      expect(cell.value).toBeCloseTo(average(inside), 8);
    }
  });

  test('one customer of a thousand orders does not stretch the grid', () => {
    const { frequencyCap, cells } = averageByRecencyFrequency({
      frequency: [...Array.from({ length: 999 }, (_, i) => i % 4), 1000],
      recency: Array.from({ length: 1000 }, (_, i) => i % 30),
      value: Array.from({ length: 1000 }, () => 1),
    });
    expect(frequencyCap).toBe(3);
    expect(Math.max(...cells.map((cell) => cell.frequency))).toBe(3);
  });
});

describe('PIT', () => {
  test('bins and coverage are counts of the values', () => {
    const values = Array.from({ length: 997 }, (_, i) => ((i * 618_033) % 1_000_003) / 1_000_003);
    const { counts, coverage } = countPit([...values, null, 1]);
    expect(total(counts)).toBe(998);
    counts.slice(0, -1).forEach((n, k) => {
      expect(n).toBe(values.filter((value) => Math.floor(value * 20) === k).length);
    });
    for (const { level, observed } of coverage) {
      const inside = values.filter((value) => value >= (1 - level) / 2 && value <= (1 + level) / 2).length;
      expect(observed).toBeCloseTo(inside / 998, 10);
    }
  });

  test('a value outside 0 to 1 is refused', () => {
    expect(() => countPit([0.5, -0.1])).toThrow('PIT value -0.1');
  });
});

describe('tracking', () => {
  const values = Array.from({ length: 100 }, (_, i) => (i * 37) % 11);

  test.each([1, 3, 7, 100, 1000])('steps of %i periods keep the running total', (every) => {
    const points = accumulate(values, every);
    for (const { at, cumulative } of points) expect(cumulative).toBe(total(values.slice(0, at)));
    expect(total(points.map(({ value }) => value))).toBe(total(values));
    expect(points.at(-1)!.at).toBe(100);
  });

  test('a series ends before the first period without a value', () => {
    expect(accumulate([1, 2, null, 4], 1).map(({ at }) => at)).toEqual([1, 2]);
    expect(accumulate([1, 2, 3, Number.NaN], 2).map(({ at }) => at)).toEqual([2]);
  });
});
