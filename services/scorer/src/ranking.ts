/** The place of the first value that is not below `value`. @param sorted ascending */
const placeOf = (sorted: Float32Array, value: number): number => {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle]! < value) from = middle + 1;
    else to = middle;
  }
  return from;
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
): Promise<Float64Array> => {
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

/** The share of all customers who are predicted lower, in percent, for each of `predicted`; `own` are its values, ascending. */
export const percentiles = (
  predicted: Float32Array,
  own: Float32Array,
  lower: Float64Array,
  rows: number,
): Float64Array<ArrayBuffer> => {
  const percentile = new Float64Array(predicted.length);
  for (let i = 0; i < predicted.length; i += 1) percentile[i] = (100 * lower[placeOf(own, predicted[i]!)]!) / rows;
  return percentile;
};

/**
 * What a piece knows of the prediction at place `place` (from 0) of all in ascending order: the greatest of its own with at
 * most that many lower ones; null where there is none. The greatest of what all pieces know is that prediction.
 */
export const atPlace = (own: Float32Array, lower: Float64Array, place: number): number | null => {
  let best: number | null = null;
  for (let i = 0; i < own.length && lower[i]! <= place; i += 1) best = own[i]!;
  return best;
};
