import { CloveError } from '@clove/contracts';

/** A column of numbers. Null, NaN and infinities are values that are not there: their rows are left out and counted. */
export type Values = ArrayLike<number | null>;

/** Rows of which every column has a number. */
export type Complete = { columns: Float64Array[]; rows: number; omitted: number };

const lengthsDiffer = (names: readonly string[], lengths: readonly number[]): CloveError =>
  new CloveError(
    'invalid-input',
    `The columns of a chart must have one length, and are ${names.map((name, i) => `${name}: ${lengths[i]}`).join(', ')}.`,
  );

/**
 * The rows that have a number in every column, in their order.
 * @throws CloveError `invalid-input` for columns of different lengths
 */
export const completeRows = (columns: Readonly<Record<string, Values>>): Complete => {
  const names = Object.keys(columns);
  const given = Object.values(columns);
  const length = given[0]?.length ?? 0;
  if (given.some((column) => column.length !== length)) {
    throw lengthsDiffer(
      names,
      given.map((column) => column.length),
    );
  }
  const kept = given.map(() => new Float64Array(length));
  let rows = 0;
  for (let i = 0; i < length; i += 1) {
    let complete = true;
    for (let c = 0; c < given.length; c += 1) {
      const value = given[c]![i];
      if (!Number.isFinite(value)) complete = false;
      kept[c]![rows] = Number(value);
    }
    if (complete) rows += 1;
  }
  return { columns: kept.map((column) => column.subarray(0, rows)), rows, omitted: length - rows };
};

/** Row numbers in ascending order of `values`; equal values keep their order. */
export const orderBy = (values: Float64Array): Uint32Array =>
  Uint32Array.from(values, (_, i) => i).toSorted((a, b) => values[a]! - values[b]! || a - b);

export const take = (values: Float64Array, order: Uint32Array): Float64Array =>
  Float64Array.from(order, (row) => values[row]!);

/**
 * `values` in the order of `sorted` keys, where rows of equal keys share their mean: what is summed over a part of the
 * rows then does not depend on how ties were broken.
 */
export const shareTies = (sorted: Float64Array, values: Float64Array): Float64Array => {
  const shared = new Float64Array(values.length);
  for (let from = 0; from < sorted.length;) {
    let to = from;
    let sum = 0;
    while (to < sorted.length && sorted[to] === sorted[from]) {
      sum += values[to]!;
      to += 1;
    }
    shared.fill(sum / (to - from), from, to);
    from = to;
  }
  return shared;
};

/** Half-open ranges of `n` ordered rows in `groups` parts of equal count, empty ones left out: ⌊kn/g⌋ to ⌊(k+1)n/g⌋. */
export const equalGroups = (n: number, groups: number): { from: number; to: number }[] => {
  const count = Math.min(groups, n);
  return Array.from({ length: count }, (_, k) => ({
    from: Math.floor((k * n) / count),
    to: Math.floor(((k + 1) * n) / count),
  }));
};

export const sum = (values: Float64Array): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};
export const mean = (values: Float64Array): number => sum(values) / values.length;

/** Quantile of ascending values, between neighbours linear (type 7). */
export const quantile = (sorted: Float64Array, p: number): number => {
  const at = (sorted.length - 1) * p;
  const low = Math.floor(at);
  const below = sorted[low]!;
  const above = sorted[Math.min(sorted.length - 1, low + 1)]!;
  return below === above ? below : below + (above - below) * (at - low);
};

/** To six significant digits: enough for a picture, and the same on machines whose logarithms differ in the last bit. */
export const round = (value: number): number => Number(value.toPrecision(6));
