/** Numbers in several ascending runs, looked at as one ascending row of numbers. */
export type SortedRuns = readonly Float32Array<ArrayBuffer>[];

/** How many leading values of an ascending run meet a condition that none meets once one does not. */
export const countWhile = (run: Float32Array, meets: (value: number) => boolean): number => {
  let [from, to] = [0, run.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (meets(run[middle]!)) from = middle + 1;
    else to = middle;
  }
  return from;
};

export const rowsOf = (runs: SortedRuns): number => runs.reduce((rows, run) => rows + run.length, 0);

/** The value at place `place`, from 0, of all in ascending order: halves the floats in between, of which there are 2^32 at most. */
export const valueAt = (runs: SortedRuns, place: number): number => {
  const bits = new Int32Array(1);
  const float = new Float32Array(bits.buffer);
  // whole numbers that ascend with the floats
  const floatOf = (key: number): number => {
    bits[0] = key < 0 ? key ^ 0x7fffffff : key;
    return float[0]!;
  };
  const keyOf = (value: number): number => {
    float[0] = value;
    return bits[0]! < 0 ? bits[0]! ^ 0x7fffffff : bits[0]!;
  };
  const there = runs.filter((run) => run.length > 0);
  let from = Math.min(...there.map((run) => keyOf(run[0]!)));
  let to = Math.max(...there.map((run) => keyOf(run.at(-1)!)));
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    const bound = floatOf(middle);
    const upTo = there.reduce((sum, run) => sum + countWhile(run, (value) => value <= bound), 0);
    if (upTo > place) to = middle;
    else from = middle + 1;
  }
  // minus zero, which equals zero, as zero
  return floatOf(from) + 0;
};

/** How many of all are lower than a value. */
export const lowerThan = (runs: SortedRuns, value: number): number =>
  runs.reduce((sum, run) => sum + countWhile(run, (other) => other < value), 0);

/** Sum of the values at the places `from` up to, not including, `to` in ascending order. */
export const sumBetween = (runs: SortedRuns, from: number, to: number): number => {
  if (from >= to) return 0;
  const [first, last] = [valueAt(runs, from), valueAt(runs, to - 1)];
  if (first === last) return first * (to - from);
  let [sum, count] = [0, 0];
  for (const run of runs) {
    const end = countWhile(run, (value) => value < last);
    for (let i = countWhile(run, (value) => value <= first); i < end; i += 1) {
      sum += run[i]!;
      count += 1;
    }
  }
  // Of those that are equal to the first and the last some lie outside.
  const firsts = runs.reduce((upTo, run) => upTo + countWhile(run, (value) => value <= first), 0) - from;
  return sum + first * firsts + last * (to - from - count - firsts);
};
