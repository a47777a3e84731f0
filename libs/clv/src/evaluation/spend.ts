import { computeMetrics } from '../metrics.js';
import { equalGroups, inOrder, pairedRows, quantileOf, rankRows, sumOf } from './ranking.js';

/*
 * How predictions of spend compare with what was spent, row by row, for tables and charts. Everywhere rows of equal
 * prediction share the mean of their actuals, so that no figure depends on the order of rows. Rows as in `computeMetrics`:
 * CloveError `not-enough-data` for none; `invalid-input` for lengths that differ or values that are no numbers.
 */

/** Σ |error| / Σ actual; null where that total is not above 0. */
export const wape = (actual: ArrayLike<number>, predicted: ArrayLike<number>): number | null => {
  const pairs = pairedRows(actual, predicted);
  const total = sumOf(pairs.actual);
  const errors = pairs.actual.reduce((sum, value, i) => sum + Math.abs(pairs.predicted[i]! - value), 0);
  return total > 0 ? errors / total : null;
};

/** Running share of the total from the largest prediction down, at any share of the rows; linear within a row. */
const sharesFromTop = (predicted: Float64Array, actual: Float64Array): ((share: number) => number) => {
  const descending = inOrder(rankRows(predicted), actual).toReversed();
  const running = new Float64Array(actual.length + 1);
  for (let i = 0; i < descending.length; i += 1) running[i + 1] = running[i]! + descending[i]!;
  const total = running.at(-1)!;
  return (share) => quantileOf(running, share) / total;
};

/**
 * Gain curve (Lorenz curve from the top): the share of spend of the best `customers` (a share of all) as the predictions
 * order them and as they should be ordered. Evenly spaced points from 0 to 1; none where nothing was spent.
 * @param points at most 101
 */
export const gainCurve = (
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
  points = 101,
): { customers: number; model: number; perfect: number }[] => {
  const pairs = pairedRows(actual, predicted);
  if (!(sumOf(pairs.actual) > 0)) return [];
  const model = sharesFromTop(pairs.predicted, pairs.actual);
  const perfect = sharesFromTop(pairs.actual, pairs.actual);
  return Array.from({ length: Math.min(101, points) }, (_, i) => {
    const customers = i / (Math.min(101, points) - 1);
    return { customers, model: model(customers), perfect: perfect(customers) };
  });
};

/** The share of spend that the top customers by prediction hold; null where nothing was spent. @param shares of the customers */
export const topCapture = (
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
  shares: readonly number[] = [0.01, 0.05, 0.1, 0.2],
): { share: number; captured: number | null }[] => {
  const pairs = pairedRows(actual, predicted);
  const captured = sumOf(pairs.actual) > 0 ? sharesFromTop(pairs.predicted, pairs.actual) : null;
  return shares.map((share) => ({ share, captured: captured?.(share) ?? null }));
};

/** Mean prediction and mean actual in ten groups of equal count by prediction, ascending: what the decile MAPE is a mean of. */
export const decileTable = (
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
): { rows: number; predicted: number; actual: number }[] => {
  const pairs = pairedRows(actual, predicted);
  const ranking = rankRows(pairs.predicted);
  const shared = inOrder(ranking, pairs.actual);
  return equalGroups(pairs.actual.length, 10).map(({ from, to }) => ({
    rows: to - from,
    predicted: sumOf(ranking.sorted, from, to) / (to - from),
    actual: sumOf(shared, from, to) / (to - from),
  }));
};

/** Mean and quantiles of actual − predicted in groups of about equal count by prediction; equal predictions stay together. */
export const residualTable = (
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
  groups = 20,
): { predicted: number; p10: number; p25: number; p50: number; p75: number; p90: number; mean: number }[] => {
  const pairs = pairedRows(actual, predicted);
  const { sorted, first } = rankRows(pairs.predicted);
  // A row belongs to the group of the first row with its prediction.
  const ends = equalGroups(sorted.length, groups).map(({ to }) => to);
  const members = ends.map((): { residuals: number[]; predicted: number } => ({ residuals: [], predicted: 0 }));
  for (let row = 0; row < sorted.length; row += 1) {
    const group = members[ends.findIndex((end) => first[row]! < end)]!;
    group.residuals.push(pairs.actual[row]! - pairs.predicted[row]!);
    group.predicted += pairs.predicted[row]!;
  }
  return members
    .filter(({ residuals }) => residuals.length > 0)
    .map(({ residuals, predicted }) => {
      const ascending = Float64Array.from(residuals).toSorted();
      const at = (p: number) => quantileOf(ascending, p);
      return {
        predicted: predicted / residuals.length,
        p10: at(0.1),
        p25: at(0.25),
        p50: at(0.5),
        p75: at(0.75),
        p90: at(0.9),
        mean: sumOf(residuals) / residuals.length,
      };
    });
};

/**
 * How many predictions and how many actuals fall into each step of spend. The first step is for 0 and below (from = to = 0), the
 * others grow geometrically up to the largest value: spend spans orders of magnitude. A step holds `from` < value ≤ `to`.
 */
export const spendHistogram = (
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
  steps = 30,
): { from: number; to: number; predicted: number; actual: number }[] => {
  const pairs = pairedRows(actual, predicted);
  const both = new Float64Array(2 * pairs.actual.length);
  both.set(pairs.actual);
  both.set(pairs.predicted, pairs.actual.length);
  const positive = both.filter((value) => value > 0).toSorted();
  const bins = [{ from: 0, to: 0, predicted: 0, actual: 0 }];
  if (positive.length > 0) {
    // The smallest hundredth shares the first step, so that a few tiny predictions do not stretch the axis.
    const least = quantileOf(positive, 0.01);
    const most = positive.at(-1)!;
    const growth = Math.log(most / least) / steps;
    let from = 0;
    for (let k = 1; k <= steps; k += 1) {
      const to = k === steps ? most : least * Math.exp(growth * k);
      if (to > from) bins.push({ from, to, predicted: 0, actual: 0 });
      from = to;
    }
  }
  const place = (value: number) => (value <= 0 ? bins[0]! : bins.find((bin, k) => k > 0 && value <= bin.to)!);
  for (const value of pairs.actual) place(value).actual += 1;
  for (const value of pairs.predicted) place(value).predicted += 1;
  return bins;
};

/** One group of customers. */
export type Segment = {
  value: string;
  rows: number;
  /** sums over its customers */
  actual: number;
  predicted: number;
  bias: number | null;
  normalizedGini: number | null;
  /** its customers, by row */
  of: number[];
};

/** Customers without a value, and those beyond the largest segments. */
export const MISSING_SEGMENT = '(missing)';
export const OTHER_SEGMENTS = '(other)';

/**
 * The same figures by acquisition cohort or by any categorical column, largest segments first; those beyond `most` are
 * taken together as `(other)`, customers without a value as `(missing)`.
 * @param segments the value of each row; null where missing
 */
export const segmentTable = (
  segments: readonly (string | null)[],
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
  most = 20,
): Segment[] => {
  const pairs = pairedRows(actual, predicted);
  const sizes = new Map<string, number>();
  const names = Array.from(pairs.actual, (_, row) => segments[row] ?? MISSING_SEGMENT);
  for (const name of names) sizes.set(name, (sizes.get(name) ?? 0) + 1);
  const bySize = [...sizes].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([name]) => name);
  const rowsOf = new Map<string, number[]>(bySize.slice(0, most).map((name) => [name, []]));
  if (bySize.length > most) rowsOf.set(OTHER_SEGMENTS, []);
  for (const [row, name] of names.entries()) (rowsOf.get(name) ?? rowsOf.get(OTHER_SEGMENTS)!).push(row);
  return [...rowsOf].map(([value, rows]) => {
    const a = Float64Array.from(rows, (row) => pairs.actual[row]!);
    const p = Float64Array.from(rows, (row) => pairs.predicted[row]!);
    const { totalBias, normalizedGini } = computeMetrics(a, p);
    return {
      value,
      rows: rows.length,
      actual: sumOf(a),
      predicted: sumOf(p),
      bias: totalBias,
      normalizedGini,
      of: rows,
    };
  });
};
