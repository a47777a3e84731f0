import { Rng, computeMetrics } from '@clove/clv';
import { describe, expect, test } from 'vitest';
import { bestOf, drawFigures, isClearlyWorse, shareOf } from './choice.js';

const rng = new Rng(5, 1);
const actual = Float64Array.from({ length: 2000 }, () => (rng.uniform() < 0.6 ? 0 : Math.exp(rng.normal() + 3)));
const sharp = actual.map((value) => value * 0.9 + 5 * rng.uniform());
const blunt = actual.map((value) => value * 0.3 + 30 * rng.uniform());

describe('the bootstrap behind a choice', () => {
  const drawn = drawFigures(actual, [sharp, blunt], 1);

  test('starts with the data itself: the figures of computeMetrics', () => {
    [sharp, blunt].forEach((predicted, k) => {
      const metrics = computeMetrics(actual, predicted);
      expect(drawn[k]![0]!.gini).toBeCloseTo(metrics.normalizedGini!, 6);
      expect(drawn[k]![0]!.bias).toBeCloseTo(metrics.totalBias!, 9);
      expect(drawn[k]![0]!.decileMape).toBeCloseTo(decilesOf(predicted), 6);
    });
  });

  test('is sure of what is plain, and of nothing where two are the same', () => {
    expect(shareOf(drawn[0]!, drawn[1]!, (a, b) => a.gini > b.gini)).toBe(1);
    const same = drawFigures(actual, [sharp, sharp], 1);
    expect(shareOf(same[0]!, same[1]!, (a, b) => a.score > b.score)).toBe(0);
  });
});

describe('the best of a kind', () => {
  // The total of `even` is right to the cent, by chance: its score is the better one, though it ranks customers a little worse.
  const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);
  const level = (values: Float64Array, share: number) => values.map((v) => (v * share * total(actual)) / total(values));
  const ranks = level(sharp, 1.02);
  const even = level(
    sharp.map((value) => value + 12 * rng.uniform()),
    1,
  );

  test('is none that another is clearly better than in one figure and clearly worse than in none', () => {
    const drawn = drawFigures(actual, [even, ranks], 1);
    expect(shareOf(drawn[1]!, drawn[0]!, (a, b) => a.gini > b.gini)).toBe(1);
    expect(isClearlyWorse(drawn[0]!, drawn[1]!)).toBe(true);
    expect(isClearlyWorse(drawn[1]!, drawn[0]!)).toBe(false);
    expect(bestOf(drawn)).toBe(1);
    expect(bestOf(drawn.toReversed())).toBe(0);
  });

  test('is nobody where there is nobody, and the better score where neither dominates', () => {
    expect(bestOf([])).toBe(-1);
    const drawn = drawFigures(actual, [level(blunt, 1), level(sharp, 1.3)], 1);
    expect(bestOf(drawn)).toBe(drawn[0]![0]!.score > drawn[1]![0]!.score ? 0 : 1);
  });
});

describe('the score of a comparison', () => {
  test('charges no group more than its whole, however little was spent in it', () => {
    // One buyer of a penny in the lowest tenth: its decile MAPE is in the thousands.
    const spent = Float64Array.from({ length: 1000 }, (_, row) => (row === 50 ? 0.01 : row < 100 ? 0 : row));
    const predicted = spent.map((value, row) => (row < 100 ? 1 : value));
    const [[figures]] = drawFigures(spent, [predicted], 1) as [[ReturnType<typeof drawFigures>[number][number]]];
    expect(figures.decileMape).toBeGreaterThan(900);
    expect(figures.calibration).toBeCloseTo(0.1, 3);
    expect(figures.score).toBeGreaterThan(0.99 - 0.1 / 20);
  });
});

/** Over the groups in which anybody spends anything. */
const decilesOf = (predicted: Float64Array): number => {
  const order = Array.from(actual.keys()).toSorted((a, b) => predicted[a]! - predicted[b]!);
  const errors: number[] = [];
  for (let k = 0; k < 10; k += 1) {
    const group = order.slice(k * 200, (k + 1) * 200);
    const spent = group.reduce((sum, row) => sum + actual[row]!, 0);
    const expected = group.reduce((sum, row) => sum + predicted[row]!, 0);
    if (spent > 0) errors.push(Math.abs(expected - spent) / spent);
  }
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
};
