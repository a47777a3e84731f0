import { Rng } from '@clove/clv';
import { sumOf } from './contestants.js';

/** The figures of one set of predictions on one draw of the customers. */
export type DrawnFigures = { gini: number; bias: number; decileMape: number; calibration: number; score: number };

/** Draws of the customers behind every comparison. */
const DRAWS = 200;
/** A finding must hold in this share of them. */
export const CLEAR = 0.95;
const BOOTSTRAP_STREAM = 61;
/** What an error of the level or of a decile counts for, beside ranking customers. */
const ERROR_WEIGHT = 1 / 20;

/**
 * By which models are compared: normalized Gini, less a twentieth of the decile error and of |total bias|. The decile error is
 * the mean over the ten groups of |predicted − actual| / the larger of the two: where few buy, the decile MAPE of a group in which
 * hardly anybody did is of any size, and chance alone would decide.
 */
const scoreOf = (figures: Omit<DrawnFigures, 'score'>): number =>
  figures.gini - ERROR_WEIGHT * (figures.calibration + Math.abs(figures.bias));

/**
 * Figures of several predictions under the same bootstrap draws of the customers (Poisson weights), so that what is common to
 * all does not count as noise. The first draw is the data itself. O(draws · models · customers).
 */
export const drawFigures = (
  actual: Float64Array,
  predictions: readonly Float64Array[],
  seed: number,
): DrawnFigures[][] => {
  const n = actual.length;
  const rng = new Rng(seed, BOOTSTRAP_STREAM);
  const orderBy = (values: Float64Array): Uint32Array =>
    Uint32Array.from({ length: n }, (_, row) => row).toSorted((a, b) => values[a]! - values[b]!);
  const orders = predictions.map(orderBy);
  const perfect = orderBy(actual);
  const weight = new Float64Array(n).fill(1);
  const drawn: DrawnFigures[][] = predictions.map(() => []);
  for (let draw = 0; draw <= DRAWS; draw += 1) {
    if (draw > 0) for (let row = 0; row < n; row += 1) weight[row] = poisson(rng.uniform());
    const whole = sumOf(weight);
    const best = concentration(perfect, actual, weight, whole);
    predictions.forEach((predicted, k) => {
      const order = orders[k]!;
      const gini = best > 0 ? concentration(order, actual, weight, whole) / best : 0;
      const figures = { gini, ...errors(order, actual, predicted, weight, whole) };
      drawn[k]!.push({ ...figures, score: scoreOf(figures) });
    });
  }
  return drawn;
};

/** Poisson with mean 1 by inversion. */
const poisson = (u: number): number => {
  let term = Math.exp(-1);
  let below = term;
  let k = 0;
  while (u > below && k < 12) {
    k += 1;
    term /= k;
    below += term;
  }
  return k;
};

/** Σ weight · (rank − mean rank) · actual. */
const concentration = (order: Uint32Array, actual: Float64Array, weight: Float64Array, whole: number): number => {
  let before = 0;
  let sum = 0;
  for (const row of order) {
    const w = weight[row]!;
    sum += w * (before + w / 2 - whole / 2) * actual[row]!;
    before += w;
  }
  return sum;
};

const errors = (
  order: Uint32Array,
  actual: Float64Array,
  predicted: Float64Array,
  weight: Float64Array,
  whole: number,
): { bias: number; decileMape: number; calibration: number } => {
  const spent = new Float64Array(10);
  const expected = new Float64Array(10);
  let before = 0;
  for (const row of order) {
    const w = weight[row]!;
    const group = Math.min(9, Math.floor((10 * before) / whole));
    spent[group]! += w * actual[row]!;
    expected[group]! += w * predicted[row]!;
    before += w;
  }
  let sum = 0;
  let groups = 0;
  let calibration = 0;
  spent.forEach((value, k) => {
    const larger = Math.max(Math.abs(value), Math.abs(expected[k]!));
    if (larger > 0) calibration += Math.min(1, Math.abs(expected[k]! - value) / larger) / 10;
    if (!(value > 0)) return;
    sum += Math.abs(expected[k]! - value) / value;
    groups += 1;
  });
  const total = sumOf(spent);
  return { bias: total > 0 ? sumOf(expected) / total - 1 : 0, decileMape: groups > 0 ? sum / groups : 0, calibration };
};

/** In how many of the draws `one` is worse than `other`, by figure. */
const worseShares = (one: readonly DrawnFigures[], other: readonly DrawnFigures[]): number[] => [
  shareOf(one, other, (a, b) => a.gini < b.gini),
  shareOf(one, other, (a, b) => Math.abs(a.bias) > Math.abs(b.bias)),
  shareOf(one, other, (a, b) => a.decileMape > b.decileMape),
];

/** Whether `one` is clearly worse than `other` in normalized Gini, |total bias| or decile MAPE. */
export const isClearlyWorse = (one: readonly DrawnFigures[], other: readonly DrawnFigures[]): boolean =>
  worseShares(one, other).some((share) => share >= CLEAR);

/**
 * Of models of one kind, the place of the one with the best score among those that no other dominates: another is clearly
 * better in one of the three figures while clearly worse in none. Levels and deciles of a single origin owe much to chance, so
 * a score alone would often choose by it. Negative where there is no model.
 */
export const bestOf = (drawn: readonly (readonly DrawnFigures[])[]): number => {
  const dominated = drawn.map((one) =>
    drawn.some((other) => other !== one && isClearlyWorse(one, other) && !isClearlyWorse(other, one)),
  );
  return drawn.reduce(
    (best, [figures], k) => (!dominated[k]! && (best < 0 || figures!.score > drawn[best]![0]!.score) ? k : best),
    -1,
  );
};

/** Share of the bootstrap draws, the data itself left out, in which `is` holds. */
export const shareOf = (
  one: readonly DrawnFigures[],
  other: readonly DrawnFigures[],
  is: (one: DrawnFigures, other: DrawnFigures) => boolean,
): number => {
  let count = 0;
  for (let draw = 1; draw < one.length; draw += 1) if (is(one[draw]!, other[draw]!)) count += 1;
  return count / (one.length - 1);
};
