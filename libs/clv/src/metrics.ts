import { type Metrics } from '@clove/contracts';
import {
  concentration,
  equalGroups,
  gini,
  inOrder,
  pairedRows,
  type Ranking,
  rankRows,
  sumOf,
} from './evaluation/ranking.js';

/** Pearson correlation of two samples of one length; null where either is constant. */
export const pearson = (x: Float64Array, y: Float64Array): number | null => {
  const n = x.length;
  let meanX = 0;
  let meanY = 0;
  for (let i = 0; i < n; i += 1) {
    meanX += x[i]! / n;
    meanY += y[i]! / n;
  }
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (let i = 0; i < n; i += 1) {
    const dx = x[i]! - meanX;
    const dy = y[i]! - meanY;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  if (isConstant(x) || isConstant(y)) return null;
  return Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
};

/** Spearman's rank correlation, ties at their mean rank; null where either side is constant. */
export const spearman = (x: Float64Array, y: Float64Array): number | null =>
  pearson(rankRows(x).rank, rankRows(y).rank);

const isConstant = (values: Float64Array): boolean => values.every((value) => value === values[0]);

const DECILES = 10;

/**
 * Mean over ten equal-count groups by prediction of |mean predicted − mean actual| / |mean actual|. Group k holds the
 * places ⌊kn/10⌋ to ⌊(k+1)n/10⌋ of the rows ordered by prediction; rows of equal prediction share the mean of their
 * actuals, so a tie that straddles two groups adds the same to both. A group whose actuals and predictions are all in
 * all 0 has the error 0; one whose actual mean alone is 0 has none, and the whole figure is null, as for fewer than ten rows.
 */
const decileMape = (ranking: Ranking, actual: Float64Array): number | null => {
  if (actual.length < DECILES) return null;
  const shared = inOrder(ranking, actual);
  let total = 0;
  for (const { from, to } of equalGroups(actual.length, DECILES)) {
    const predicted = sumOf(ranking.sorted, from, to);
    const observed = sumOf(shared, from, to);
    if (predicted === observed) continue;
    if (observed === 0) return null;
    total += Math.abs(predicted - observed) / Math.abs(observed);
  }
  return total / DECILES;
};

/**
 * How well `predicted` matches `actual`, both in the currency of the target, row by row.
 *
 * Ties in the prediction share the mean of their actuals (ranks: their mean rank), so no figure depends on the order of the
 * rows, and a constant prediction has a normalized Gini of 0. Normalized Gini is
 * Σ(rank of prediction − mean rank)·actual / Σ(rank of actual − mean rank)·actual, which equals the ratio of the two Gini
 * coefficients; null where all actuals are equal. `totalBias` is null where the actual total is not above 0.
 * O(n log n) time, a few arrays of n numbers.
 * @throws CloveError `not-enough-data` for no rows; `invalid-input` for lengths that differ or a value that is not finite
 */
export const computeMetrics = (actual: ArrayLike<number>, predicted: ArrayLike<number>): Metrics => {
  const { actual: a, predicted: p } = pairedRows(actual, predicted);
  const n = a.length;
  let squared = 0;
  let absolute = 0;
  let relative = 0;
  let positive = 0;
  let totalActual = 0;
  let totalPredicted = 0;
  for (let i = 0; i < n; i += 1) {
    const value = a[i]!;
    const forecast = p[i]!;
    const error = forecast - value;
    squared += error * error;
    absolute += Math.abs(error);
    totalActual += value;
    totalPredicted += forecast;
    if (value > 0) {
      positive += 1;
      relative += Math.abs(error) / value;
    }
  }
  const varies = !isConstant(a);
  const mean = totalActual / n;
  let spread = 0;
  for (let i = 0; i < n; i += 1) spread += (a[i]! - mean) ** 2;

  const byPrediction = rankRows(p);
  const byActual = rankRows(a);
  return {
    rmse: Math.sqrt(squared / n),
    mae: absolute / n,
    r2: varies ? 1 - squared / spread : null,
    mape: positive > 0 ? relative / positive : null,
    mapeShare: positive / n,
    totalBias: totalActual > 0 ? totalPredicted / totalActual - 1 : null,
    spearman: pearson(byPrediction.rank, byActual.rank),
    normalizedGini: varies ? concentration(byPrediction.rank, a) / concentration(byActual.rank, a) : null,
    rawGini: totalActual > 0 ? gini(byPrediction.rank, a, totalActual) : null,
    decileMape: decileMape(byPrediction, a),
  };
};
