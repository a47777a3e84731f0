import type { EvaluationDetail } from '@clove/contracts';
import { pairedRows, quantileOf } from './ranking.js';

/*
 * Counts of customers on grids of two figures, for charts: of bounded size whatever the number of rows.
 */

type PredictedActual = NonNullable<EvaluationDetail['predictedActual']>;

/** Bins of the logarithm along each side, at most. */
const MOST_BINS = 36;
/** Widths of a bin, in decades. */
const WIDTHS = [1 / 20, 1 / 16, 1 / 10, 1 / 8, 1 / 5, 1 / 4, 1 / 2, 1, 2, 5, 10, 20];
/** Share of the smallest positive amounts that stand beside the axis where they lie more than a decade below the rest. */
const BESIDE = 0.005;

/**
 * Customers by what they were predicted to spend and what they spent, on equal bins of the decimal logarithm, the same on
 * both sides; bin -1 holds 0 and below and the few amounts far below all others. Rows as in `computeMetrics`.
 * @throws CloveError as `computeMetrics`
 */
export const predictedActualGrid = (actual: ArrayLike<number>, predicted: ArrayLike<number>): PredictedActual => {
  const pairs = pairedRows(actual, predicted);
  const rows = pairs.actual.length;
  const both = new Float64Array(2 * rows);
  both.set(pairs.actual);
  both.set(pairs.predicted, rows);
  const positive = both.filter((value) => value > 0).toSorted();
  const usual = positive.length === 0 ? 1 : quantileOf(positive, BESIDE);
  const least = positive[0] ?? 1;
  const low = Math.log10(least > usual / 10 ? least : usual);
  const high = positive.length === 0 ? 1 : Math.log10(positive.at(-1)!);
  const width = WIDTHS.find((candidate) => (high - low) / candidate <= MOST_BINS - 1) ?? WIDTHS.at(-1)!;
  const from = Math.floor(low / width) * width;
  const count = Math.floor((high - from) / width) + 1;
  const binOf = (value: number): number => {
    if (!(value > 0)) return -1;
    const bin = Math.floor((Math.log10(value) - from) / width + 1e-9);
    return bin < 0 ? -1 : Math.min(bin, count - 1);
  };
  const bandOf = (values: Float64Array): PredictedActual['bands']['actual'] => {
    const beside = values.filter((value) => binOf(value) < 0);
    if (beside.length === 0) return null;
    return beside.some((value) => value < 0) ? 'negative' : beside.some((value) => value > 0) ? 'small' : 'zero';
  };
  const stride = count + 1;
  const cells = new Map<number, number>();
  for (let i = 0; i < rows; i += 1) {
    const cell = (binOf(pairs.predicted[i]!) + 1) * stride + binOf(pairs.actual[i]!) + 1;
    cells.set(cell, (cells.get(cell) ?? 0) + 1);
  }
  return {
    from,
    width,
    count,
    bands: { predicted: bandOf(pairs.predicted), actual: bandOf(pairs.actual) },
    cells: [...cells]
      .toSorted(([a], [b]) => a - b)
      .map(([cell, n]) => ({ predicted: Math.floor(cell / stride) - 1, actual: (cell % stride) - 1, rows: n })),
  };
};
