import { CloveError } from '@clove/contracts';
import { describe, expect, test } from 'vitest';
import { computeMetrics, pearson, spearman } from './metrics.js';
import { Rng } from './rng.js';

/** Spenders as they are: most spend nothing, a few a lot; predictions know something, and repeat themselves. */
const customers = (n: number, seed: number): { actual: Float64Array; predicted: Float64Array } => {
  const rng = new Rng(seed);
  const actual = new Float64Array(n);
  const predicted = new Float64Array(n);
  for (let i = 0; i < n; i += 1) {
    const taste = rng.normal();
    actual[i] = rng.uniform() < 0.4 ? 0 : Math.exp(3 + taste + 0.5 * rng.normal());
    predicted[i] = Math.round(Math.exp(2.5 + 0.7 * taste));
  }
  return { actual, predicted };
};

const mean = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]!;
  return sum / values.length;
};

/** Figures to nine digits: sums in another order differ in the last ones. */
const rounded = (metrics: object): string[] =>
  Object.entries(metrics).map(([name, value]) => `${name} ${Number(value).toPrecision(9)}`);

/** Rank of each value by counting those below and equal: no sorting. */
const countedRanks = (values: Float64Array): number[] =>
  Array.from(values, (value) => {
    let below = 0;
    let equal = 0;
    for (const other of values) {
      if (other < value) below += 1;
      else if (other === value) equal += 1;
    }
    return below + (equal + 1) / 2;
  });

/** Actuals ordered by prediction, each the mean of those that share its prediction. */
const orderedBy = (key: Float64Array, actual: Float64Array): number[] =>
  Array.from(key, (value) => {
    const tied = actual.filter((_, i) => key[i] === value);
    return { value, mean: tied.reduce((sum, a) => sum + a, 0) / tied.length };
  })
    .toSorted((a, b) => a.value - b.value)
    .map(({ mean }) => mean);

/** Gini coefficient as twice the area between the diagonal and the Lorenz curve, by trapezoids. */
const lorenzGini = (ordered: readonly number[]): number => {
  const total = ordered.reduce((sum, value) => sum + value, 0);
  let area = 0;
  let share = 0;
  for (const value of ordered) {
    const next = share + value / total;
    area += (share + next) / 2 / ordered.length;
    share = next;
  }
  return 1 - 2 * area;
};

describe('computeMetrics', () => {
  test('agrees with textbook formulas computed by other routes', () => {
    const { actual, predicted } = customers(700, 1);
    const m = computeMetrics(actual, predicted);
    const errors = Array.from(actual, (a, i) => predicted[i]! - a);
    const meanActual = mean(actual);
    expect(m.rmse).toBeCloseTo(Math.hypot(...errors) / Math.sqrt(700), 9);
    expect(m.mae).toBeCloseTo(mean(errors.map(Math.abs)), 9);
    expect(m.r2).toBeCloseTo(
      1 - mean(errors.map((e) => e * e)) / (mean(Array.from(actual, (a) => a * a)) - meanActual ** 2),
      9,
    );
    const bought = [...actual.keys()].filter((i) => actual[i]! > 0);
    expect(m.mape).toBeCloseTo(mean(bought.map((i) => Math.abs(errors[i]! / actual[i]!))), 9);
    expect(m.mapeShare).toBeCloseTo(bought.length / 700, 12);
    expect(m.totalBias).toBeCloseTo(mean(predicted) / meanActual - 1, 9);
    expect(m.normalizedGini).toBeCloseTo(
      lorenzGini(orderedBy(predicted, actual)) / lorenzGini(orderedBy(actual, actual)),
      9,
    );

    const ranksA = countedRanks(actual);
    const ranksP = countedRanks(predicted);
    const covariance = mean(ranksA.map((rank, i) => rank * ranksP[i]!)) - mean(ranksA) * mean(ranksP);
    const spread = (ranks: number[]): number => Math.sqrt(mean(ranks.map((rank) => rank ** 2)) - mean(ranks) ** 2);
    expect(m.spearman).toBeCloseTo(covariance / spread(ranksA) / spread(ranksP), 9);

    const shared = orderedBy(predicted, actual);
    const sorted = predicted.toSorted();
    const deciles = Array.from({ length: 10 }, (_, k) => {
      const p = mean(sorted.slice(k * 70, k * 70 + 70));
      const a = mean(shared.slice(k * 70, k * 70 + 70));
      return Math.abs(p - a) / a;
    });
    expect(m.decileMape).toBeCloseTo(mean(deciles), 9);
  });

  test('a perfect prediction has a normalized Gini of 1 and a decile error of 0, ties and zeros included', () => {
    const { actual } = customers(1003, 2);
    const m = computeMetrics(actual, actual);
    expect(m).toMatchObject({ rmse: 0, mae: 0, r2: 1, mape: 0, totalBias: 0, normalizedGini: 1, spearman: 1 });
    expect(m.decileMape).toBeCloseTo(0, 12);
  });

  test('a reversed prediction has a normalized Gini of -1', () => {
    const actual = Float64Array.from({ length: 50 }, (_, i) => i * i);
    expect(
      computeMetrics(
        actual,
        actual.map((value) => -value),
      ).normalizedGini,
    ).toBeCloseTo(-1, 12);
  });

  test('no figure depends on the order of the rows, however many predictions are tied', () => {
    const { actual, predicted } = customers(500, 3);
    const coarse = predicted.map((value) => (value > 12 ? 20 : 5));
    // The most flattering order, and the least.
    const order = [...actual.keys()].toSorted((a, b) => actual[a]! - actual[b]!);
    const arranged = (places: number[]) =>
      computeMetrics(
        places.map((i) => actual[i]!),
        places.map((i) => coarse[i]!),
      );
    const rising = arranged(order);
    const falling = arranged(order.toReversed());
    expect(rounded(falling)).toEqual(rounded(rising));
  });

  test('a constant prediction ranks nobody: normalized Gini 0, no rank correlation', () => {
    const { actual } = customers(300, 4);
    expect(computeMetrics(actual, new Float64Array(300).fill(7))).toMatchObject({ normalizedGini: 0, spearman: null });
  });

  test('what is undefined is null and never NaN', () => {
    const nobody = computeMetrics(new Float64Array(30), new Float64Array(30).fill(3));
    expect(nobody).toEqual({
      rmse: 3,
      mae: 3,
      r2: null,
      mape: null,
      mapeShare: 0,
      totalBias: null,
      spearman: null,
      normalizedGini: null,
      rawGini: null,
      decileMape: null,
    });
    const one = computeMetrics([5], [4]);
    expect(one).toMatchObject({ rmse: 1, r2: null, mape: 0.2, spearman: null, normalizedGini: null, decileMape: null });
    // Nobody in the lowest groups spends, and something is predicted for them: no rate of error exists.
    const half = Float64Array.from({ length: 100 }, (_, i) => (i < 50 ? 0 : i));
    const rising = Float64Array.from({ length: 100 }, (_, i) => i + 1);
    expect(computeMetrics(half, rising).decileMape).toBeNull();
    for (const metrics of [nobody, one, computeMetrics([-5, 2], [0, 0])]) {
      expect(Object.values(metrics).some((value) => value !== null && !Number.isFinite(value))).toBe(false);
    }
  });

  test('refuses no rows, lengths that differ, and values that are no numbers, saying which row', () => {
    expect(() => computeMetrics([], [])).toThrow(CloveError);
    expect(() => computeMetrics([1, 2], [1])).toThrow('2 actual values and 1 predictions');
    expect(() => computeMetrics([1, Number.NaN], [1, 1])).toThrow('Row 2');
    expect(() => computeMetrics([1, 1], [1, Number.POSITIVE_INFINITY])).toThrow('Row 2');
  });
});

describe('correlations', () => {
  test('spearman sees any rising relation as 1, pearson only a straight one', () => {
    const x = Float64Array.from({ length: 40 }, (_, i) => i);
    const y = x.map((value) => Math.exp(value / 4));
    expect(spearman(x, y)).toBeCloseTo(1, 12);
    expect(pearson(x, y)).toBeLessThan(0.9);
    expect(
      pearson(
        x,
        x.map((value) => 3 - 2 * value),
      ),
    ).toBeCloseTo(-1, 12);
    expect(pearson(x, new Float64Array(40))).toBeNull();
  });
});
