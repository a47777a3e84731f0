/** Bits of a float that one pass of the sort looks at. */
const DIGIT_BITS = 11;
const DIGITS = 2 ** DIGIT_BITS;
const SIGN = 0x80000000;

/**
 * The places of floats in ascending order, and the floats in that order: a radix sort of their bits, several times as fast
 * as sorting by comparison. @param values without NaN
 */
export const ascending = (
  values: Float32Array<ArrayBuffer>,
): { order: Uint32Array<ArrayBuffer>; sorted: Float32Array<ArrayBuffer> } => {
  const rows = values.length;
  const bits = new Uint32Array(values.buffer, values.byteOffset, rows);
  let keys = new Uint32Array(rows);
  let order = new Uint32Array(rows);
  // Bits of floats ascend with them once those of negative ones are turned over.
  for (let i = 0; i < rows; i += 1) {
    const key = bits[i]!;
    keys[i] = key >= SIGN ? ~key : key | SIGN;
    order[i] = i;
  }
  let nextKeys = new Uint32Array(rows);
  let nextOrder = new Uint32Array(rows);
  const starts = new Uint32Array(DIGITS);
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    starts.fill(0);
    for (let i = 0; i < rows; i += 1) starts[(keys[i]! >>> shift) & (DIGITS - 1)]! += 1;
    let before = 0;
    for (let digit = 0; digit < DIGITS; digit += 1) {
      const count = starts[digit]!;
      starts[digit] = before;
      before += count;
    }
    for (let i = 0; i < rows; i += 1) {
      const key = keys[i]!;
      const place = starts[(key >>> shift) & (DIGITS - 1)]!++;
      nextKeys[place] = key;
      nextOrder[place] = order[i]!;
    }
    [keys, nextKeys] = [nextKeys, keys];
    [order, nextOrder] = [nextOrder, order];
  }
  const sorted = new Float32Array(rows);
  for (let i = 0; i < rows; i += 1) sorted[i] = values[order[i]!]!;
  return { order, sorted };
};

/**
 * Ranks the predictions of one piece among those of all pieces, of which one at a time is in memory: a merge of sorted
 * numbers, a few comparisons a row and piece.
 * @param own the piece's predictions, ascending
 * @param all the predictions of every piece, this one too, each ascending
 * @returns for each of `own` how many of all predictions are lower
 */
export const countLower = async (
  own: Float32Array,
  all: AsyncIterable<Float32Array> | Iterable<Float32Array>,
): Promise<Float64Array<ArrayBuffer>> => {
  const lower = new Float64Array(own.length);
  for await (const sorted of all) {
    let place = 0;
    for (let i = 0; i < own.length; i += 1) {
      const value = own[i]!;
      while (place < sorted.length && sorted[place]! < value) place += 1;
      lower[i]! += place;
    }
  }
  return lower;
};

/**
 * The share of all customers who are predicted lower, in percent, row by row.
 * @param order places of the rows in ascending order @param lower for each in that order how many are lower
 */
export const percentiles = (order: Uint32Array, lower: Float64Array, rows: number): Float64Array<ArrayBuffer> => {
  const percentile = new Float64Array(order.length);
  for (let i = 0; i < order.length; i += 1) percentile[order[i]!] = (100 * lower[i]!) / rows;
  return percentile;
};
