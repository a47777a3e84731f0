import { describe, expect, test } from 'vitest';
import { computeMetrics } from '../metrics.js';
import { Rng } from '../rng.js';
import { compareByBootstrap, totalInterval } from './bootstrap.js';
import { predictedActualGrid, recencyFrequencyGrid } from './grids.js';
import { auc, brier, pitCoverage, pitHistogram, reliabilityTable } from './probability.js';
import {
  decileTable,
  gainCurve,
  MISSING_SEGMENT,
  OTHER_SEGMENTS,
  residualTable,
  segmentTable,
  spendHistogram,
  topCapture,
  wape,
} from './spend.js';

/** Gini coefficient as metrics state it. */
const rawGini = (actual: ArrayLike<number>, predicted: ArrayLike<number>) => computeMetrics(actual, predicted).rawGini;

/** Customers most of whom spend nothing, with predictions that know something and tie often. */
const customers = (n: number, seed = 1) => {
  const rng = new Rng(seed);
  const size = Array.from({ length: n }, () => Math.exp(rng.normal()));
  const actual = size.map((s) => (rng.uniform() < 0.4 ? s * Math.exp(rng.normal()) : 0));
  const predicted = size.map((s) => Math.round(4 * s) / 8);
  return { actual, predicted };
};
const total = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0);
/** Every order of tied rows, averaged: rows shuffled many times and then sorted by prediction alone. */
const averagedOverTies = (
  { actual, predicted }: { actual: number[]; predicted: number[] },
  figure: (ordered: number[]) => number,
) => {
  const rng = new Rng(99);
  const rows = Int32Array.from(actual, (_, i) => i);
  let sum = 0;
  for (let k = 0; k < 3000; k += 1) {
    const order = [...rng.shuffle(rows)].toSorted((a, b) => predicted[b]! - predicted[a]!);
    sum += figure(order.map((i) => actual[i]!));
  }
  return sum / 3000;
};

describe('errors and order of spend', () => {
  const sample = customers(60);
  test('WAPE is the sum of errors over the sum of actuals', () => {
    const errors = sample.actual.map((a, i) => Math.abs(a - sample.predicted[i]!));
    expect(wape(sample.actual, sample.predicted)).toBeCloseTo(total(errors) / total(sample.actual), 12);
    expect(wape([0, 0], [1, 2])).toBeNull();
  });

  test('raw Gini is twice the area between the Lorenz curve and the diagonal, ties in all orders', () => {
    const areaOf = (descending: number[]) => {
      let before = 0;
      let area = 0;
      for (const value of descending) {
        area += (before + value / 2) / descending.length; // trapezium under the running share
        before += value;
      }
      return 2 * (area / before) - 1;
    };
    expect(rawGini(sample.actual, sample.predicted)).toBeCloseTo(averagedOverTies(sample, areaOf), 2);
    const best = [...sample.actual].toSorted((a, b) => b - a);
    expect(rawGini(sample.actual, sample.actual)).toBeCloseTo(areaOf(best), 12);
    const { normalizedGini } = computeMetrics(sample.actual, sample.predicted);
    const ratio = rawGini(sample.actual, sample.predicted)! / rawGini(sample.actual, sample.actual)!;
    expect(ratio).toBeCloseTo(normalizedGini!, 12);
    expect(rawGini([1, 2, 3], [5, 5, 5])).toBeCloseTo(0, 12);
    expect(rawGini([0, 0], [1, 2])).toBeNull();
  });

  test('the gain curve and top-k capture hold what a plain running sum holds', () => {
    const share = (k: number) => (descending: number[]) => total(descending.slice(0, k)) / total(descending);
    const curve = gainCurve(sample.actual, sample.predicted, 61);
    expect(curve).toHaveLength(61);
    for (const k of [0, 1, 6, 30, 59, 60]) {
      expect(curve[k]!.customers).toBeCloseTo(k / 60, 12);
      expect(curve[k]!.model).toBeCloseTo(averagedOverTies(sample, share(k)), 1);
      expect(curve[k]!.perfect).toBeCloseTo(share(k)([...sample.actual].toSorted((a, b) => b - a)), 12);
    }
    // Without ties, exactly, and linear between customers.
    const [tenth, odd] = topCapture(
      [1, 2, 3, 4, 0, 0, 0, 0, 0, 0],
      [1, 2, 3, 4, 0.5, 0.4, 0.3, 0.2, 0.1, 0],
      [0.1, 0.25],
    );
    expect(tenth).toEqual({ share: 0.1, captured: 0.4 });
    expect(odd!.captured).toBeCloseTo((4 + 3 + 2 / 2) / 10, 12);
    expect(gainCurve(sample.actual, sample.predicted)).toHaveLength(101);
    expect(gainCurve([0, 0], [1, 2])).toEqual([]);
    expect(topCapture([0, 0], [1, 2])[0]!.captured).toBeNull();
  });

  test('the decile table is what the decile MAPE is a mean of', () => {
    const { actual, predicted } = customers(205, 2);
    const table = decileTable(actual, predicted);
    expect(table.map(({ rows }) => rows)).toEqual([20, 21, 20, 21, 20, 21, 20, 21, 20, 21]);
    const errors = table.map((d) => Math.abs(d.predicted - d.actual) / d.actual);
    expect(total(errors) / 10).toBeCloseTo(computeMetrics(actual, predicted).decileMape!, 12);
    expect(total(table.map((d) => d.rows * d.actual))).toBeCloseTo(total(actual), 9);
  });

  test('residual groups hold all rows, equal predictions in one group, with their quantiles', () => {
    const actual = [3, 1, 4, 1, 5, 9, 2, 6];
    const predicted = [1, 1, 1, 1, 2, 2, 3, 4];
    const table = residualTable(actual, predicted, 4);
    expect(table).toEqual([
      { predicted: 1, p10: 0, p25: 0, p50: 1, p75: 2.25, p90: expect.closeTo(2.7, 9), mean: 1.25 },
      { predicted: 2, p10: expect.closeTo(3.4, 9), p25: 4, p50: 5, p75: 6, p90: expect.closeTo(6.6, 9), mean: 5 },
      {
        predicted: 3.5,
        p10: expect.closeTo(-0.7, 9),
        p25: -0.25,
        p50: 0.5,
        p75: 1.25,
        p90: expect.closeTo(1.7, 9),
        mean: 0.5,
      },
    ]);
  });

  test('the histogram of spend counts every row once on both sides', () => {
    const { actual, predicted } = customers(500, 3);
    const bins = spendHistogram(actual, predicted, 12);
    expect(bins).toHaveLength(13);
    expect(bins[0]).toEqual({
      from: 0,
      to: 0,
      predicted: predicted.filter((p) => p === 0).length,
      actual: actual.filter((a) => a === 0).length,
    });
    for (const bin of bins.slice(1)) {
      expect(bin.actual).toBe(actual.filter((a) => a > bin.from && a <= bin.to).length);
      expect(bin.predicted).toBe(predicted.filter((p) => p > bin.from && p <= bin.to).length);
    }
    expect(total(bins.map((b) => b.actual))).toBe(500);
    expect(spendHistogram([0, 0], [0, 0])).toEqual([{ from: 0, to: 0, predicted: 2, actual: 2 }]);
  });

  test('segments hold the figures of their rows alone, the largest first, the rest and the missing named', () => {
    const { actual, predicted } = customers(300, 4);
    const rng = new Rng(5);
    const place = actual.map(() => ['a', 'a', 'a', 'b', 'b', null, 'c', 'd'][rng.integer(8)]!);
    const table = segmentTable(place, actual, predicted, 3);
    expect(table.map(({ value }) => value).slice(0, 2)).toEqual(['a', 'b']);
    expect(table).toHaveLength(4);
    expect(table.at(-1)!.value).toBe(OTHER_SEGMENTS);
    expect(total(table.map(({ rows }) => rows))).toBe(300);
    const inA = (values: number[]) => values.filter((_, i) => place[i] === 'a');
    const { totalBias, normalizedGini } = computeMetrics(inA(actual), inA(predicted));
    expect(table[0]).toMatchObject({ actual: expect.closeTo(total(inA(actual)), 9), bias: totalBias, normalizedGini });
    expect(segmentTable([null, 'x', null], [1, 2, 3], [1, 2, 3]).map(({ value }) => value)).toEqual([
      MISSING_SEGMENT,
      'x',
    ]);
  });
});

describe('probabilities', () => {
  const rng = new Rng(6);
  const probability = Array.from({ length: 400 }, () => Math.round(20 * rng.beta(1, 3)) / 20);
  const bought = probability.map((p) => Number(rng.uniform() < p));

  test('AUC is the share of pairs of a buyer and another that are in order, ties counting half', () => {
    let inOrder = 0;
    let pairs = 0;
    for (const [i, a] of bought.entries()) {
      for (const [j, b] of bought.entries()) {
        if (a <= b) continue;
        pairs += 1;
        inOrder += probability[i]! > probability[j]! ? 1 : probability[i] === probability[j] ? 0.5 : 0;
      }
    }
    expect(auc(bought, probability)).toBeCloseTo(inOrder / pairs, 12);
    expect(auc([1, 1], [0.2, 0.4])).toBeNull();
  });

  test('Brier score is the mean squared error, and probabilities are held to [0, 1]', () => {
    expect(brier([1, 0, 1], [0.5, 0.25, 1])).toBeCloseTo((0.25 + 0.0625) / 3, 12);
    expect(() => brier([1], [1.2])).toThrow(/Row 1: the probability 1.2/);
  });

  test('the reliability table keeps equal probabilities together and brackets the observed share', () => {
    const table = reliabilityTable(bought, probability, 8);
    expect(total(table.map(({ rows }) => rows))).toBe(400);
    expect(total(table.map((g) => g.rows * g.observed))).toBeCloseTo(total(bought), 9);
    const stated = table.map((g) => g.predicted);
    expect(stated).toEqual([...new Set(stated)].toSorted((a, b) => a - b));
    for (const group of table) {
      expect(group.low).toBeLessThanOrEqual(group.observed);
      expect(group.high).toBeGreaterThanOrEqual(group.observed);
      // Wilson's bounds solve (observed - p)² = z² p (1 - p) / n.
      for (const p of [group.low, group.high].filter((b) => b > 0 && b < 1))
        expect((group.observed - p) ** 2).toBeCloseTo((1.959_963_984_540_054 ** 2 * p * (1 - p)) / group.rows, 9);
    }
  });

  test('the randomised PIT is uniform where distributions with a jump are right, and is not where they are wrong', () => {
    const chance = new Rng(8);
    // Zero with probability q, else exponential with mean m.
    const cases = Array.from({ length: 20_000 }, () => {
      const [q, m] = [chance.uniform(), 1 + chance.uniform()];
      return { q, m, y: chance.uniform() < q ? 0 : m * chance.exponential() };
    });
    const jump = cases.map(() => chance.uniform());
    const pit = (stretch: number) =>
      cases.map(({ q, m, y }, i) => (y === 0 ? jump[i]! * q : 1 - (1 - q) * Math.exp(-y / (m * stretch))));
    expect(pitCoverage(pit(1))).toBeCloseTo(0.8, 2);
    for (const share of pitHistogram(pit(1), 10)) expect(Math.abs(share - 0.1)).toBeLessThan(0.01);
    expect(total(pitHistogram(pit(1)))).toBeCloseTo(1, 12);
    expect(Math.max(...pitHistogram(pit(0.4), 10))).toBeGreaterThan(0.15);
    expect(pitCoverage([])).toBeNull();
  });
});

describe('resampling', () => {
  /** Spend 0 with probability 0.6, else exponential with mean `size`: its quantile function. */
  const quantile = (size: number) => (u: number) => (u < 0.6 ? 0 : -size * Math.log((1 - u) / 0.4));

  test('the 80 % interval of a total holds it four times in five, chance alone and with doubt about the level', () => {
    for (const [levelSd, n] of [
      [0, 400],
      [0.1, 400],
      [0, 30_000],
    ] as const) {
      const rng = new Rng(9);
      const sizes = Array.from({ length: n }, () => Math.exp(rng.normal()));
      const interval = totalInterval({
        total: total(sizes) * 0.4,
        rows: n,
        draw: (row, u) => quantile(sizes[row]!)(u),
        factors: Array.from({ length: 101 }, () => Math.exp(levelSd * rng.normal())),
        seed: 3,
      });
      let inside = 0;
      const worlds = n > 1000 ? 60 : 400;
      for (let k = 0; k < worlds; k += 1) {
        const spent = total(sizes.map((s) => quantile(s)(rng.uniform()))) * Math.exp(levelSd * rng.normal());
        if (spent >= interval.low && spent <= interval.high) inside += 1;
      }
      expect(Math.abs(inside / worlds - 0.8)).toBeLessThan(n > 1000 ? 0.17 : 0.07);
    }
  });

  test('doubt that is common to all widens the interval by its own quantiles, on any side of the prediction', () => {
    const o = { total: 300, rows: 3, draw: () => 100, seed: 1 };
    expect(totalInterval({ ...o, factors: [1] })).toEqual({ low: 300, high: 300 });
    const factors = Array.from({ length: 11 }, (_, k) => 0.9 + 0.05 * k);
    const { low, high } = totalInterval({ ...o, factors });
    expect(low).toBeCloseTo(300 * 0.95, 6);
    expect(high).toBeCloseTo(300 * 1.35, 6);
  });

  test('a better prediction is told from a worse one, and equals are not told apart', () => {
    const rng = new Rng(10);
    const size = Array.from({ length: 3000 }, () => Math.exp(rng.normal()));
    const actual = size.map((s) => s * rng.exponential());
    const noisy = size.map((s) => s * Math.exp(1.5 * rng.normal() - 1.125));
    const { gini } = compareByBootstrap(actual, noisy, size, { seed: 1, draws: 60 });
    expect(gini!.low).toBeGreaterThan(0);
    expect(gini!.difference).toBeCloseTo(
      computeMetrics(actual, size).normalizedGini! - computeMetrics(actual, noisy).normalizedGini!,
      12,
    );
    const alike = compareByBootstrap(
      actual,
      size.map((s) => s * Math.exp(0.01 * rng.normal())),
      size,
      { seed: 1, draws: 60 },
    );
    expect(alike.gini!.low).toBeLessThanOrEqual(0.001);
    expect(alike.gini!.high).toBeGreaterThanOrEqual(-0.001);
    expect(compareByBootstrap([1, 1, 1], [1, 2, 3], [1, 1, 1], { seed: 1 }).gini).toBeUndefined();
  });
});

describe('the grid of predictions and actuals', () => {
  test('holds every customer once, in the cell whose edges hold both amounts', () => {
    const sample = customers(2000);
    const { actual } = sample;
    // No prediction on an edge, where rounding decides.
    const predicted = sample.predicted.map((value) => value * 1.0371);
    const grid = predictedActualGrid(actual, predicted);
    expect(total(grid.cells.map(({ rows }) => rows))).toBe(2000);
    expect(grid.count).toBeLessThanOrEqual(36);
    const inside = (bin: number, value: number) =>
      bin < 0
        ? value < 10 ** grid.from * (1 + 1e-9)
        : value >= 10 ** (grid.from + bin * grid.width) * (1 - 1e-6) &&
          value < 10 ** (grid.from + (bin + 1) * grid.width) * (1 + 1e-6);
    for (const cell of grid.cells) {
      const rows = actual.filter((a, i) => inside(cell.predicted, predicted[i]!) && inside(cell.actual, a)).length;
      expect(rows).toBe(cell.rows);
    }
    const idle = grid.cells.filter((cell) => cell.actual < 0);
    expect(total(idle.map(({ rows }) => rows))).toBeGreaterThanOrEqual(actual.filter((a) => a === 0).length);
  });

  test('says what stands beside the axes, and stands where nobody spends', () => {
    expect(predictedActualGrid([0, 10, 10], [5, 10, 20]).bands).toEqual({ predicted: null, actual: 'zero' });
    expect(predictedActualGrid([-3, 0, 10], [5, 0, 20]).bands).toEqual({ predicted: 'zero', actual: 'negative' });
    expect(predictedActualGrid([0, 0], [0, 0]).cells).toEqual([{ predicted: -1, actual: -1, rows: 2 }]);
  });
});

test('the grid of order histories holds every buyer once, with the means of its cells', () => {
  const rng = new Rng(5);
  const n = 3000;
  const x = Float64Array.from({ length: n }, () => Math.floor(8 * rng.uniform() ** 4 * 20));
  const tx = x.map((count) => (count > 0 ? Math.floor(rng.uniform() * 700) : 0));
  const T = x.map((_, i) => (i % 10 === 0 ? Number.NaN : 700));
  const pAlive = x.map(() => rng.uniform());
  const value = x.map(() => 100 * rng.uniform());
  const grid = recencyFrequencyGrid({ x, tx, T, spend: x, repeatSpend: x, refundShare: 0 }, { pAlive, value });
  expect(grid.cells.length).toBeLessThanOrEqual(21 * 29);
  expect(total(grid.cells.map(({ rows }) => rows))).toBe(2700);
  for (const cell of grid.cells) {
    const rows = [...x.keys()].filter(
      (i) =>
        i % 10 !== 0 &&
        x[i]! >= cell.frequency &&
        (cell.frequency === grid.frequencyCap || x[i]! < cell.frequency + grid.frequencyStep) &&
        tx[i]! / 7 >= cell.recency &&
        tx[i]! / 7 < cell.recency + grid.recencyStep,
    );
    expect(cell.rows).toBe(rows.length);
    expect(cell.alive).toBeCloseTo(total(rows.map((i) => pAlive[i]!)) / rows.length, 9);
    expect(cell.spend).toBeCloseTo(total(rows.map((i) => value[i]!)) / rows.length, 9);
  }
});
