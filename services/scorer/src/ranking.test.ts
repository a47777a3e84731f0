import { Rng } from '@clove/clv';
import { describe, expect, test } from 'vitest';
import { summaryOf } from './finish-prediction.js';
import { PIECE_ROWS, piecesOf } from './pieces.js';
import { ascending, countLower, percentiles } from './ranking.js';

/** Predictions of which many are equal, cut into pieces. */
const drawn = (seed: number, sizes: readonly number[]): Float32Array<ArrayBuffer>[] => {
  const rng = new Rng(seed);
  return sizes.map((size) => Float32Array.from({ length: size }, () => Math.round(50 * rng.exponential()) / 8 - 1));
};

describe('ranks of pieces', () => {
  test.each([
    ['one piece', [500]],
    ['pieces of several sizes', [300, 1, 777]],
    ['a single customer', [1]],
  ])('%s: the share predicted lower among all, for every row', async (_, sizes) => {
    const pieces = drawn(3, sizes).map((predicted) => ({ predicted, ...ascending(predicted) }));
    const runs = pieces.map(({ sorted }) => sorted);
    const all = pieces.flatMap(({ predicted }) => [...predicted]);
    for (const { predicted, order, sorted } of pieces) {
      const got = percentiles(order, await countLower(sorted, runs), all.length);
      const plain = [...predicted].map((value) => (100 * all.filter((other) => other < value).length) / all.length);
      expect([...got]).toEqual(plain);
    }
  });

  test('of ten different customers one is platinum and four are bronze: the lowest stands at 0, the highest at 90', async () => {
    const { order, sorted } = ascending(Float32Array.of(10, 9, 8, 7, 6, 5, 4, 3, 2, 1));
    const lower = await countLower(sorted, [sorted]);
    expect([...percentiles(order, lower, 10)]).toEqual([90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
  });

  test('minus zero and zero are equal', async () => {
    const { order, sorted } = ascending(Float32Array.of(0, -0, 1));
    const lower = await countLower(sorted, [sorted]);
    expect([...percentiles(order, lower, 3)].map((x) => Math.round(x))).toEqual([0, 0, 67]);
  });

  test('floats of every size and sign stand in ascending order', () => {
    const rng = new Rng(4);
    const values = Float32Array.from({ length: 5000 }, () => rng.normal() * 10 ** (60 * rng.uniform() - 30));
    const { order, sorted } = ascending(values);
    expect(sorted).toEqual(values.toSorted());
    expect([...order].map((place) => values[place])).toEqual([...sorted]);
    expect(new Set(order).size).toBe(5000);
  });
});

test.each([[[1]], [[2]], [[3, 4]], [[100, 1, 57]], [[999, 1000]]])(
  'the summary of pieces of %j is that of all customers',
  (sizes) => {
    const pieces = drawn(sizes[0]!, sizes);
    const all = Float64Array.from(pieces.flatMap((piece) => [...piece])).toSorted();
    const rows = all.length;
    const sorted = pieces.map((piece) => piece.toSorted());
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
    const summary = summaryOf(reports, sorted);
    const mean = all.reduce((sum, x) => sum + x, 0) / rows;
    expect(summary.customers).toBe(rows);
    expect(summary.mean).toBeCloseTo(mean, 9);
    expect(summary.total).toBeCloseTo(mean * rows, 6);
    expect(summary.median).toBe((all[Math.floor((rows - 1) / 2)]! + all[Math.floor(rows / 2)]!) / 2);
    expect(summary.sd).toBeCloseTo(Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / rows), 9);
    expect([summary.min, summary.max]).toEqual([all[0], all.at(-1)]);
  },
);

test.each([1, 40_000, 122_880, 122_881, 300_000, 1_000_000, 10_000_019])(
  'pieces of %i rows hold each row once, in order, and begin with row groups of a file or share one',
  (rows) => {
    const pieces = piecesOf(rows, PIECE_ROWS);
    let next = 0;
    for (const { from, rows: count } of pieces) {
      expect(from).toBe(next);
      expect(count).toBeLessThanOrEqual(PIECE_ROWS);
      expect(count).toBeGreaterThan(0);
      expect(rows > 122_880 ? from % 122_880 : 0).toBe(0);
      next += count;
    }
    expect(next).toBe(rows);
  },
);

test('pieces are no larger than asked', () => {
  expect(piecesOf(30_000, 5000).map(({ rows }) => rows)).toEqual([5000, 5000, 5000, 5000, 5000, 5000]);
  expect(piecesOf(10_001, 5000).map(({ rows }) => rows)).toEqual([3333, 3334, 3334]);
});
