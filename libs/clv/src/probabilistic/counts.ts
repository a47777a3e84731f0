import { CloveError } from '@clove/contracts';

/**
 * Customers summed up for a purchase model, those with equal figures counted once: exact, and what keeps a fit on
 * millions of customers small. By row: `x` repeat orders, `tx` time of the last one since the first order (0 where
 * x = 0), `T` time observed since the first order, `weight` number of such customers. Times in any one unit. Rows ascend
 * by x, then tx, then T.
 */
export type Counts = { x: Float64Array; tx: Float64Array; T: Float64Array; weight: Float64Array };

/**
 * Groups customers by (x, tx, T). The order of the input does not matter. O(n log n) by a native sort of one number a
 * customer: a second or so for a million.
 * @throws CloveError `not-enough-data` for no customers; `value-invalid` naming the first customer whose figures cannot
 *   be: x whole and ≥ 0, 0 ≤ tx ≤ T, and tx = 0 where x = 0
 */
export const groupCounts = (x: ArrayLike<number>, tx: ArrayLike<number>, T: ArrayLike<number>): Counts => {
  const n = x.length;
  if (n === 0) throw new CloveError('not-enough-data', 'There is no customer to fit a purchase model to.');
  for (let i = 0; i < n; i += 1) {
    const fits =
      Number.isInteger(x[i]!) &&
      x[i]! >= 0 &&
      tx[i]! >= 0 &&
      tx[i]! <= T[i]! &&
      Number.isFinite(T[i]!) &&
      (x[i] !== 0 || tx[i] === 0);
    if (!fits) {
      throw new CloveError(
        'value-invalid',
        `Customer ${i + 1} has x = ${x[i]}, t_x = ${tx[i]}, T = ${T[i]}: x must be whole and ≥ 0, 0 ≤ t_x ≤ T, and t_x = 0 where x = 0.`,
      );
    }
  }
  // Two passes of "places among the distinct values" keep every key below n², hence exact.
  const times = placesOf(tx);
  const ends = placesOf(T);
  const life = placesOf(times.place.map((place, i) => place * ends.values.length + ends.place[i]!));
  const orders = placesOf(x);
  const keys = orders.place.map((place, i) => place * life.values.length + life.place[i]!).toSorted();

  const rows: number[] = [];
  const weight: number[] = [];
  for (const key of keys) {
    if (key === rows.at(-1)) weight[weight.length - 1]! += 1;
    else {
      rows.push(key);
      weight.push(1);
    }
  }
  const lifeOf = (key: number) => life.values[key % life.values.length]!;
  return {
    x: Float64Array.from(rows, (key) => orders.values[Math.floor(key / life.values.length)]!),
    tx: Float64Array.from(rows, (key) => times.values[Math.floor(lifeOf(key) / ends.values.length)]!),
    T: Float64Array.from(rows, (key) => ends.values[lifeOf(key) % ends.values.length]!),
    weight: Float64Array.from(weight),
  };
};

/** The distinct values in ascending order, and each row's place among them. */
const placesOf = (column: ArrayLike<number>): { values: Float64Array; place: Float64Array } => {
  const values = Float64Array.from(new Set(Float64Array.from(column))).toSorted();
  const places = new Map<number, number>();
  for (let i = 0; i < values.length; i += 1) places.set(values[i]!, i);
  return { values, place: Float64Array.from(column, (value) => places.get(value)!) };
};

/** Customers by x alone, ascending. */
export const ordersHistogram = (counts: Counts): { x: Float64Array; weight: Float64Array } => {
  const weights = new Map<number, number>();
  for (let i = 0; i < counts.x.length; i += 1)
    weights.set(counts.x[i]!, (weights.get(counts.x[i]!) ?? 0) + counts.weight[i]!);
  return { x: Float64Array.from(weights.keys()), weight: Float64Array.from(weights.values()) };
};

/** Every k-th row, so that at most `rows` are left: spread evenly over the histories, and the same on every run. */
export const thinCounts = (counts: Counts, rows: number): Counts => {
  const every = Math.ceil(counts.x.length / rows);
  const keep = (values: Float64Array) => values.filter((_, i) => i % every === every >> 1);
  return { x: keep(counts.x), tx: keep(counts.tx), T: keep(counts.T), weight: keep(counts.weight) };
};
