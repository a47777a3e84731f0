import { Rng } from '@clove/clv';
import { expect, test } from 'vitest';
import { predictionFigures } from './prediction-figures.js';
import { sumBetween, valueAt } from './sorted-runs.js';

/** Runs of predictions, of which many are equal where `grain` is large, and all of them in ascending order. */
const drawn = (sizes: readonly number[], grain: number) => {
  const rng = new Rng(sizes.length);
  const runs = sizes.map((size) =>
    Float32Array.from({ length: size }, () => Math.round((40 * rng.exponential() - 3) / grain) * grain + 0).toSorted(),
  );
  return { runs, all: runs.flatMap((run) => [...run]).toSorted((a, b) => a - b) };
};
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const tierOf = (percentile: number): string =>
  percentile >= 90 ? 'platinum' : percentile >= 70 ? 'gold' : percentile >= 40 ? 'silver' : 'bronze';

const CASES: [string, number[], number][] = [
  ['one run', [997], 0.01],
  ['several runs, one of them empty', [300, 0, 1, 777], 0.01],
  ['many equal predictions', [400, 400], 16],
  ['equal predictions alone', [50, 50], 1e6],
  ['seven customers', [3, 4], 0.01],
  ['one customer', [1], 0.01],
];

test.each(CASES)('histogram, deciles and tiers count every customer once, and add up: %s', (_, sizes, grain) => {
  const { runs, all } = drawn(sizes, grain);
  const rows = all.length;
  const { histogram, deciles, tiers } = predictionFigures(runs);
  for (const bin of histogram.slice(0, -1))
    expect(bin.count).toBe(all.filter((value) => value >= bin.from && value < bin.to).length);
  expect([histogram[0]!.from, histogram.at(-1)!.to]).toEqual([all[0], all.at(-1)]);
  expect(sum(histogram.map(({ count }) => count))).toBe(rows);

  const best = all.toReversed();
  let from = 0;
  for (const { customers, highest, lowest, mean, total } of deciles) {
    const group = best.slice(from, from + customers);
    expect([highest, lowest]).toEqual([group[0], group.at(-1)]);
    expect(mean).toBeCloseTo(sum(group) / customers, 4);
    expect(total).toBeCloseTo(sum(group), 3);
    from += customers;
  }
  expect(from).toBe(rows);
  const counts = deciles.map(({ customers }) => customers);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);

  const expected = new Map<string, number[]>();
  for (const value of all) {
    const tier = tierOf((100 * all.filter((other) => other < value).length) / rows);
    expected.set(tier, [...(expected.get(tier) ?? []), value]);
  }
  expect(tiers.map(({ tier, customers }) => [tier, customers])).toEqual(
    ['platinum', 'gold', 'silver', 'bronze'].flatMap((tier) =>
      expected.has(tier) ? [[tier, expected.get(tier)!.length]] : [],
    ),
  );
  for (const { tier, total } of tiers) expect(total).toBeCloseTo(sum(expected.get(tier)!), 3);
});

test('places and sums of several runs are those of all values in ascending order', () => {
  const { runs, all } = drawn([100, 57, 0, 300], 0.5);
  expect(all.map((_, place) => valueAt(runs, place))).toEqual(all);
  for (const [from, to] of [
    [0, 457],
    [13, 13],
    [13, 14],
    [100, 333],
    [450, 457],
  ] as const)
    expect(sumBetween(runs, from, to)).toBeCloseTo(sum(all.slice(from, to)), 6);
});
