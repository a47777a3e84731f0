/** A column of numbers. Null, NaN and infinities are values that are not there: their rows are left out and counted. */
export type Values = ArrayLike<number | null>;

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
