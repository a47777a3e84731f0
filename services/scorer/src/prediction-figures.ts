import type { PredictionReport } from '@clove/contracts';
import { TIERS } from '@clove/data';
import { type SortedRuns, countWhile, lowerThan, rowsOf, sumBetween, valueAt } from './sorted-runs.js';

const BINS = 40;
const GROUPS = 10;

/**
 * How predictions are spread: a histogram, ten groups of equal count from the best down, and the tiers.
 * @param runs the predictions of all pieces, each ascending; at least one
 */
export const predictionFigures = (runs: SortedRuns): Omit<PredictionReport, 'actual'> => ({
  histogram: histogram(runs),
  deciles: deciles(runs),
  tiers: tiers(runs),
});

/** Groups of equal count; where the rows do not divide evenly the first ones have one more. */
const deciles = (runs: SortedRuns): PredictionReport['deciles'] => {
  const rows = rowsOf(runs);
  let end = rows;
  return Array.from({ length: Math.min(GROUPS, rows) }, (_, group) => {
    const customers = Math.floor(rows / GROUPS) + (group < rows % GROUPS ? 1 : 0);
    const from = end - customers;
    const total = sumBetween(runs, from, end);
    const decile = {
      customers,
      highest: valueAt(runs, end - 1),
      lowest: valueAt(runs, from),
      mean: total / customers,
      total,
    };
    end = from;
    return decile;
  });
};

const tiers = (runs: SortedRuns): PredictionReport['tiers'] => {
  const rows = rowsOf(runs);
  let end = rows;
  return TIERS.flatMap(({ tier, from: percent }) => {
    // The percentile is 100 · lower / rows, and equal predictions have one.
    const place = Math.ceil((percent * rows) / 100);
    const value = place < rows ? valueAt(runs, place) : Infinity;
    const lower = value === Infinity ? rows : lowerThan(runs, value);
    const from = lower >= place ? lower : lowerThan(runs, above(runs, value));
    const customers = end - from;
    if (customers <= 0) return [];
    const total = sumBetween(runs, from, end);
    end = from;
    return [{ tier, customers, mean: total / customers, total }];
  });
};

/** The lowest value above another; infinity where there is none. */
const above = (runs: SortedRuns, value: number): number =>
  Math.min(...runs.map((run) => run[countWhile(run, (other) => other <= value)] ?? Infinity));

/** Equal bins up to the 99th percentile, the last one stretched to the maximum: a long tail stays readable. */
const histogram = (runs: SortedRuns): PredictionReport['histogram'] => {
  const rows = rowsOf(runs);
  const [low, high, max] = [0, Math.floor(0.99 * (rows - 1)), rows - 1].map((place) => valueAt(runs, place)) as [
    number,
    number,
    number,
  ];
  const top = high > low ? high : max;
  const bins = top > low ? BINS : 1;
  const width = (top - low) / bins;
  const edge = (bin: number): number => low + bin * width;
  const below = (bin: number): number => lowerThan(runs, edge(bin));
  return Array.from({ length: bins }, (_, bin) => ({
    from: edge(bin),
    to: bin === bins - 1 ? max : edge(bin + 1),
    count: (bin === bins - 1 ? rows : below(bin + 1)) - (bin === 0 ? 0 : below(bin)),
  }));
};
