import { Rng, computeMetrics } from '@clove/clv';
import { describe, expect, test } from 'vitest';
import { drawFigures, shareOf } from './choice.js';

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
