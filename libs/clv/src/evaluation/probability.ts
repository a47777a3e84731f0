import { CloveError } from '@clove/contracts';
import { equalGroups, pairedRows, rankRows, sumOf } from './ranking.js';

/*
 * How well stated probabilities and distributions hold. `bought` is 1 for a customer with spend, 0 for one without; rows
 * otherwise as in `computeMetrics`.
 */

/**
 * Area under the ROC curve: the probability that a buyer was given a higher score than one who is none, ties counting half
 * (Mann-Whitney). Null where all or none bought.
 */
export const auc = (bought: ArrayLike<number>, score: ArrayLike<number>): number | null => {
  const { actual, predicted } = pairedRows(bought, score);
  const { rank } = rankRows(predicted);
  let buyers = 0;
  let ranks = 0;
  for (let i = 0; i < actual.length; i += 1) {
    if (actual[i] !== 1) continue;
    buyers += 1;
    ranks += rank[i]!;
  }
  const others = actual.length - buyers;
  return buyers > 0 && others > 0 ? (ranks - (buyers * (buyers + 1)) / 2) / (buyers * others) : null;
};

/** Mean squared difference of probability and outcome. */
export const brier = (bought: ArrayLike<number>, probability: ArrayLike<number>): number => {
  const { actual, predicted } = probabilities(bought, probability);
  return actual.reduce((sum, value, i) => sum + (predicted[i]! - value) ** 2, 0) / actual.length;
};

/** Stated and observed share of buyers in a group of customers; `low` to `high` is the 95 % Wilson interval of the latter. */
export type ReliabilityGroup = { rows: number; predicted: number; observed: number; low: number; high: number };

/** 97.5 % quantile of the normal distribution. */
const Z = 1.959_963_984_540_054;

/** Groups of about equal count by probability, ascending; equal probabilities stay together, so there may be fewer. */
export const reliabilityTable = (
  bought: ArrayLike<number>,
  probability: ArrayLike<number>,
  groups = 10,
): ReliabilityGroup[] => {
  const { actual, predicted } = probabilities(bought, probability);
  const { sorted, first } = rankRows(predicted);
  const ends = equalGroups(sorted.length, groups).map(({ to }) => to);
  const sums = ends.map(() => ({ rows: 0, stated: 0, buyers: 0 }));
  for (let row = 0; row < sorted.length; row += 1) {
    const group = sums[ends.findIndex((end) => first[row]! < end)]!;
    group.rows += 1;
    group.stated += predicted[row]!;
    group.buyers += actual[row]!;
  }
  return sums
    .filter(({ rows }) => rows > 0)
    .map(({ rows, stated, buyers }) => {
      const observed = buyers / rows;
      // Wilson (1927): the shares that a test at 5 % would not reject.
      const centre = observed + (Z * Z) / (2 * rows);
      const spread = Z * Math.sqrt((observed * (1 - observed)) / rows + (Z * Z) / (4 * rows * rows));
      const scale = 1 + (Z * Z) / rows;
      return {
        rows,
        predicted: stated / rows,
        observed,
        low: Math.max(0, (centre - spread) / scale),
        high: Math.min(1, (centre + spread) / scale),
      };
    });
};

const probabilities = (bought: ArrayLike<number>, probability: ArrayLike<number>) => {
  const pairs = pairedRows(bought, probability);
  const wrong = pairs.predicted.findIndex((p) => p < 0 || p > 1);
  if (wrong >= 0)
    throw new CloveError('invalid-input', `Row ${wrong + 1}: the probability ${probability[wrong]} is not in [0, 1].`);
  return pairs;
};

/** Shares of the randomised PIT (Brockwell 2007; Czado, Gneiting & Held 2009) in bins of equal width: flat where the distributions are right. */
export const pitHistogram = (pit: ArrayLike<number>, bins = 20): number[] => {
  const counts = Array.from({ length: bins }, () => 0);
  for (let i = 0; i < pit.length; i += 1) counts[Math.min(bins - 1, Math.floor(pit[i]! * bins))]! += 1;
  return counts.map((count) => count / pit.length);
};

/** The share of customers inside the central interval of that level, by the randomised PIT; null without customers. */
export const pitCoverage = (pit: ArrayLike<number>, level = 0.8): number | null => {
  const tail = (1 - level) / 2;
  const inside = sumOf(Array.from(pit, (u) => (u >= tail && u <= 1 - tail ? 1 : 0)));
  return pit.length > 0 ? inside / pit.length : null;
};
