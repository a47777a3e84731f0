import { Rng } from '@clove/clv';
import { describe, expect, test } from 'vitest';
import { summaryOf } from './finish-prediction.js';
import { PIECE_ROWS, piecesOf } from './pieces.js';
import { atPlace, countLower, percentiles } from './ranking.js';

/** Predictions of which many are equal, cut into pieces. */
const drawn = (seed: number, sizes: readonly number[]): Float32Array[] => {
  const rng = new Rng(seed);
  return sizes.map((size) => Float32Array.from({ length: size }, () => Math.round(50 * rng.exponential()) / 8 - 1));
};

describe('ranks of pieces', () => {
  test.each([
    ['one piece', [500]],
    ['pieces of several sizes', [300, 1, 777]],
    ['a single customer', [1]],
  ])('%s: the share predicted lower among all, for every row', async (_, sizes) => {
    const pieces = drawn(3, sizes);
    const sorted = pieces.map((piece) => piece.toSorted());
    const all = pieces.flatMap((piece) => [...piece]);
    for (const [i, predicted] of pieces.entries()) {
      const lower = await countLower(sorted[i]!, sorted);
      const got = percentiles(predicted, sorted[i]!, lower, all.length);
      const plain = [...predicted].map((value) => (100 * all.filter((other) => other < value).length) / all.length);
      expect([...got]).toEqual(plain);
    }
  });

  test('of ten different customers one is platinum and four are bronze: the lowest stands at 0, the highest at 90', async () => {
    const predicted = Float32Array.of(10, 9, 8, 7, 6, 5, 4, 3, 2, 1);
    const sorted = predicted.toSorted();
    const lower = await countLower(sorted, [sorted]);
    expect([...percentiles(predicted, sorted, lower, 10)]).toEqual([90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
  });

  test('minus zero and zero are equal', async () => {
    const predicted = Float32Array.of(0, -0, 1);
    const sorted = predicted.toSorted();
    const lower = await countLower(sorted, [sorted]);
    expect([...percentiles(predicted, sorted, lower, 3)].map((x) => Math.round(x))).toEqual([0, 0, 67]);
  });
});

test.each([[[1]], [[2]], [[3, 4]], [[100, 1, 57]], [[999, 1000]]])(
  'the summary of pieces of %j is that of all customers',
  async (sizes) => {
    const pieces = drawn(sizes[0]!, sizes);
    const all = Float64Array.from(pieces.flatMap((piece) => [...piece])).toSorted();
    const rows = all.length;
    const sorted = pieces.map((piece) => piece.toSorted());
    const written = await Promise.all(
      sorted.map(async (own) => {
        const lower = await countLower(own, sorted);
        const places = [Math.floor((rows - 1) / 2), Math.floor(rows / 2)] as const;
        return { middle: [atPlace(own, lower, places[0]), atPlace(own, lower, places[1])] as [number, number] };
      }),
    );
    const reports = pieces.map((piece) => {
      const total = piece.reduce((sum, x) => sum + x, 0);
      const squares = piece.reduce((sum, x) => sum + (x - total / piece.length) ** 2, 0);
      const nothing = { unknown: [], missing: [], unreadable: [] };
      return {
        rows: piece.length,
        lowest: Math.min(...piece),
        highest: Math.max(...piece),
        total,
        squares,
        ...nothing,
      };
    });
    const summary = summaryOf(reports, written);
    const mean = all.reduce((sum, x) => sum + x, 0) / rows;
    expect(summary.customers).toBe(rows);
    expect(summary.mean).toBeCloseTo(mean, 9);
    expect(summary.total).toBeCloseTo(mean * rows, 6);
    expect(summary.median).toBe((all[Math.floor((rows - 1) / 2)]! + all[Math.floor(rows / 2)]!) / 2);
    expect(summary.sd).toBeCloseTo(Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / rows), 9);
    expect([summary.min, summary.max]).toEqual([all[0], all.at(-1)]);
  },
);

test.each([1, PIECE_ROWS, PIECE_ROWS + 1, 10_000_019])('pieces of %i rows hold each row once, in order', (rows) => {
  const pieces = piecesOf(rows, PIECE_ROWS);
  let next = 0;
  for (const { from, rows: count } of pieces) {
    expect(from).toBe(next);
    expect(count).toBeLessThanOrEqual(PIECE_ROWS);
    next += count;
  }
  expect(next).toBe(rows);
  const sizes = pieces.map((piece) => piece.rows);
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
});
