import { CloveError } from '@clove/contracts';

/**
 * Values in ascending order and, for each row, where it stands among them. Equal values share one place, so nothing that
 * is computed from it depends on the order in which rows came.
 */
export type Ranking = {
  sorted: Float64Array;
  /** row → index in `sorted` of the first value equal to its own */
  first: Uint32Array;
  /** row → 1-based rank; ties at their mean rank */
  rank: Float64Array;
};

/** O(n log n) by a native sort. */
export const rankRows = (values: Float64Array): Ranking => {
  const n = values.length;
  const sorted = values.toSorted();
  const meanRank = new Float64Array(n);
  forEachTie(sorted, (from, to) => {
    meanRank[from] = (from + 1 + to) / 2;
  });
  const first = new Uint32Array(n);
  const rank = new Float64Array(n);
  for (let i = 0; i < n; i += 1) {
    const at = lowerBound(sorted, values[i]!);
    first[i] = at;
    rank[i] = meanRank[at]!;
  }
  return { sorted, first, rank };
};

/** Calls `visit` for each run of equal values, as a half-open range. */
const forEachTie = (sorted: Float64Array, visit: (from: number, to: number) => void): void => {
  for (let from = 0; from < sorted.length;) {
    let to = from + 1;
    while (to < sorted.length && sorted[to] === sorted[from]) to += 1;
    visit(from, to);
    from = to;
  }
};

const lowerBound = (sorted: Float64Array, value: number): number => {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** `actual` in the order of the ranking; rows of equal rank share their mean. */
export const inOrder = ({ sorted, first }: Ranking, actual: Float64Array): Float64Array => {
  const sums = new Float64Array(actual.length);
  for (let i = 0; i < actual.length; i += 1) sums[first[i]!]! += actual[i]!;
  const means = new Float64Array(actual.length);
  forEachTie(sorted, (from, to) => means.fill(sums[from]! / (to - from), from, to));
  return means;
};

/** Σ (rank − mean rank) · actual: up to a factor, the Gini coefficient of `actual` ordered by what was ranked. */
export const concentration = (rank: Float64Array, actual: Float64Array): number => {
  const centre = (rank.length + 1) / 2;
  let sum = 0;
  for (let i = 0; i < rank.length; i += 1) sum += (rank[i]! - centre) * actual[i]!;
  return sum;
};

/**
 * Gini coefficient of `actual`, whose sum is `total` > 0, ordered by what was ranked: 2·Σ(rank − mean rank)·actual / (n·total). 0 for
 * a constant prediction, at most the Gini coefficient of the actuals themselves.
 */
export const gini = (rank: Float64Array, actual: Float64Array, total: number): number =>
  (2 * concentration(rank, actual)) / (actual.length * total);

/** Group k of `groups` holds the places ⌊kn/groups⌋ to ⌊(k+1)n/groups⌋; as many groups as rows where there are fewer. */
export const equalGroups = (n: number, groups: number): { from: number; to: number }[] => {
  const count = Math.min(n, groups);
  return Array.from({ length: count }, (_, k) => ({
    from: Math.floor((k * n) / count),
    to: Math.floor(((k + 1) * n) / count),
  }));
};

/**
 * Both columns as numbers.
 * @throws CloveError `not-enough-data` for no rows; `invalid-input` for lengths that differ or a value that is not finite
 */
export const pairedRows = (
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
): { actual: Float64Array; predicted: Float64Array } => {
  const n = actual.length;
  if (predicted.length !== n)
    throw new CloveError('invalid-input', `There are ${n} actual values and ${predicted.length} predictions.`);
  if (n === 0) throw new CloveError('not-enough-data', 'There is no row to compute metrics on.');
  const pairs = { actual: Float64Array.from(actual), predicted: Float64Array.from(predicted) };
  for (let i = 0; i < n; i += 1) {
    if (!Number.isFinite(pairs.actual[i]!) || !Number.isFinite(pairs.predicted[i]!)) {
      throw new CloveError(
        'invalid-input',
        `Row ${i + 1}: actual ${actual[i]}, predicted ${predicted[i]}; both must be numbers.`,
      );
    }
  }
  return pairs;
};

export const sumOf = (values: ArrayLike<number>, from = 0, to = values.length): number => {
  let sum = 0;
  for (let i = from; i < to; i += 1) sum += values[i]!;
  return sum;
};

/** The quantile of ascending values, linear between neighbours (Hyndman & Fan 1996, type 7). */
export const quantileOf = (sorted: ArrayLike<number>, p: number): number => {
  const place = p * (sorted.length - 1);
  const low = Math.floor(place);
  const below = sorted[low]!;
  return below + (place - low) * ((sorted[low + 1] ?? below) - below);
};
