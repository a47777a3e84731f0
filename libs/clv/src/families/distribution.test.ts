import { describe, expect, test } from 'vitest';
import { pitCoverage, pitHistogram, reliabilityTable } from '../evaluation/probability.js';
import { Rng } from '../rng.js';
import { buyProbability, fitDistribution, pitOf, spendQuantile } from './distribution.js';

/** Customers with a prediction, of whom the more buy, and the more steadily, the larger it is. */
const world = (n: number, seed: number) => {
  const rng = new Rng(seed);
  const predicted = Float64Array.from({ length: n }, () => 20 * Math.exp(1.2 * rng.normal()));
  const actual = predicted.map((p) => {
    const buys = p / (p + 40);
    const spread = 1.5 - 0.3 * Math.min(3, Math.log1p(p / 20));
    return rng.uniform() < buys ? (p / buys) * Math.exp(spread * rng.normal() - spread ** 2 / 2) : 0;
  });
  return { predicted, actual };
};

describe('what validation customers teach holds for others', () => {
  const known = world(20_000, 1);
  const d = fitDistribution(known.predicted, known.actual);
  const fresh = world(20_000, 2);
  const rng = new Rng(3);
  const pit = fresh.actual.map((y, i) => pitOf(d, fresh.predicted[i]!, y, rng.uniform()));

  test('an 80 % interval holds 80 % by the randomised PIT, which is flat, for small and large predictions alike', () => {
    expect(Math.abs(pitCoverage(pit)! - 0.8)).toBeLessThan(0.015);
    for (const share of pitHistogram(pit, 10)) expect(Math.abs(share - 0.1)).toBeLessThan(0.015);
    for (const inGroup of [(p: number) => p < 10, (p: number) => p >= 10 && p < 40, (p: number) => p >= 40])
      expect(Math.abs(pitCoverage(pit.filter((_, i) => inGroup(fresh.predicted[i]!)))! - 0.8)).toBeLessThan(0.03);
  });

  test('of those told to buy with probability p, about that share buys', () => {
    const bought = fresh.actual.map((y) => Number(y > 0));
    const stated = fresh.predicted.map((p) => buyProbability(d, p));
    for (const group of reliabilityTable(bought, stated))
      expect(Math.abs(group.predicted - group.observed)).toBeLessThan(0.035);
  });

  test('quantiles rise with p, are 0 up to the chance of no spend, and undo the PIT', () => {
    for (const p of [0.5, 8, 30, 200, 5000]) {
      const quantiles = [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99].map((q) => spendQuantile(d, p, q));
      expect(quantiles).toEqual(quantiles.toSorted((a, b) => a - b));
      const none = 1 - buyProbability(d, p);
      expect(spendQuantile(d, p, none * 0.99)).toBe(0);
      for (const q of [0.2, 0.5, 0.8].map((share) => none + (1 - none) * share)) {
        const y = spendQuantile(d, p, q);
        expect(pitOf(d, p, y, 0.5)).toBeCloseTo(q, 3);
      }
    }
    expect(pitOf(d, 30, 0, 0.25)).toBeCloseTo(0.25 * (1 - buyProbability(d, 30)), 12);
  });

  test('the chance of no spend never rises with the prediction', () => {
    const zeros = d.bins.map(({ zero }) => zero);
    expect(zeros).toEqual(zeros.toSorted((a, b) => b - a));
  });
});

test('a handful of buyers makes one bin, and nobody is certain to buy or not to', () => {
  const rng = new Rng(4);
  const predicted = Float64Array.from({ length: 300 }, () => rng.uniform());
  const few = fitDistribution(
    predicted,
    predicted.map((_, i) => (i < 5 ? 10 : 0)),
  );
  expect(few.bins).toHaveLength(1);
  expect(few.bins[0]!.zero).toBeCloseTo(295.5 / 301, 12);
  expect(buyProbability(fitDistribution(predicted, new Float64Array(300)), 0.5)).toBeGreaterThan(0);
});
