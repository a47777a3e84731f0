import { computeMetrics } from '../metrics.js';
import { Rng } from '../rng.js';
import { pairedRows, quantileOf, sumOf } from './ranking.js';

/** Customers whose chance is simulated; that of more is scaled up from them. */
const SIMULATED = 5_000;
const DRAWS = 200;

/**
 * The central interval of the total spend of all customers, of two independent doubts: chance, each customer's spend drawn
 * from its predictive distribution; and what moves all customers alike, the parameters, the seeds and the level. With more
 * than 5,000 customers, chance is drawn for an even sample and its deviation scaled by √(sample / customers), as the central
 * limit theorem has it.
 * @param o.total predicted @param o.rows customers
 * @param o.draw spend of one at the uniform `u`: the quantile function of its distribution, of which only the scatter counts
 * @param o.factors equally likely totals over `total`, for what moves all alike
 * @param o.level 0.8 when left out
 */
export const totalInterval = (o: {
  total: number;
  rows: number;
  draw: (row: number, u: number) => number;
  factors: readonly number[];
  level?: number | undefined;
  seed: number;
}): { low: number; high: number } => {
  const rng = new Rng(o.seed, 29);
  const every = Math.max(1, Math.ceil(o.rows / SIMULATED));
  const rows = Array.from({ length: Math.ceil(o.rows / every) }, (_, k) => k * every);
  const sums = Float64Array.from({ length: DRAWS }, () => sumOf(rows.map((row) => o.draw(row, rng.uniform()))));
  const mean = sumOf(sums) / DRAWS;
  const shrunk = Math.sqrt(rows.length / o.rows);
  const chance = sums.map((sum) => (mean > 0 ? 1 + (sum / mean - 1) * shrunk : 1));
  const totals = Float64Array.from(o.factors.flatMap((factor) => Array.from(chance, (c) => o.total * factor * c)));
  const ascending = totals.toSorted();
  const tail = (1 - (o.level ?? 0.8)) / 2;
  return { low: Math.max(0, quantileOf(ascending, tail)), high: quantileOf(ascending, 1 - tail) };
};

/** The figures by which models are ranked, each so that less is better. */
const FIGURES = ['gini', 'bias', 'decileMape'] as const;
export type ComparedFigure = (typeof FIGURES)[number];

/** How much larger `one` is than `other`, and between what its bootstrap draws lie. */
export type Difference = { difference: number; low: number; high: number };

/**
 * Two predictions of the same customers compared by resampling the customers, the same for both, so that what is common to both
 * does not count as noise. `gini` is 1 − normalized Gini, `bias` |total bias|: above 0 means that `one` is worse. A figure that is
 * undefined on the data or on a draw is left out, there or in the draw.
 * @param o.level of the interval, 0.9 when left out @param o.draws 200 when left out
 */
export const compareByBootstrap = (
  actual: ArrayLike<number>,
  one: ArrayLike<number>,
  other: ArrayLike<number>,
  o: { draws?: number; level?: number; seed: number },
): Partial<Record<ComparedFigure, Difference>> => {
  const rng = new Rng(o.seed, 31);
  const first = pairedRows(actual, one);
  const second = pairedRows(actual, other);
  const n = first.actual.length;
  const differences = (rows: Int32Array): Record<ComparedFigure, number> => {
    const pick = (values: Float64Array) => Float64Array.from(rows, (row) => values[row]!);
    const picked = pick(first.actual);
    const [a, b] = [figuresOf(picked, pick(first.predicted)), figuresOf(picked, pick(second.predicted))];
    return { gini: a.gini - b.gini, bias: a.bias - b.bias, decileMape: a.decileMape - b.decileMape };
  };
  const observed = differences(Int32Array.from({ length: n }, (_, row) => row));
  const drawn = Array.from({ length: o.draws ?? 200 }, () =>
    differences(Int32Array.from({ length: n }, () => rng.integer(n))),
  );
  const tail = (1 - (o.level ?? 0.9)) / 2;
  const result: Partial<Record<ComparedFigure, Difference>> = {};
  for (const figure of FIGURES) {
    const ascending = Float64Array.from(drawn.map((d) => d[figure]).filter(Number.isFinite)).toSorted();
    if (!Number.isFinite(observed[figure]) || ascending.length === 0) continue;
    result[figure] = {
      difference: observed[figure],
      low: quantileOf(ascending, tail),
      high: quantileOf(ascending, 1 - tail),
    };
  }
  return result;
};

/** NaN where undefined. */
const figuresOf = (actual: Float64Array, predicted: Float64Array): Record<ComparedFigure, number> => {
  const { normalizedGini, totalBias, decileMape } = computeMetrics(actual, predicted);
  return {
    gini: 1 - (normalizedGini ?? Number.NaN),
    bias: Math.abs(totalBias ?? Number.NaN),
    decileMape: decileMape ?? Number.NaN,
  };
};
