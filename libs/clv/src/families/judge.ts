import type { EvaluationDetail, Metrics, ModelManifest, PredictiveDistribution } from '@clove/contracts';
import { predictedActualGrid } from '../evaluation/grids.js';
import { auc, brier, pitCoverage, pitHistogram, reliabilityTable } from '../evaluation/probability.js';
import {
  decileTable,
  gainCurve,
  residualTable,
  segmentTable,
  spendHistogram,
  topCapture,
  wape,
} from '../evaluation/spend.js';
import { computeMetrics } from '../metrics.js';
import { Rng } from '../rng.js';
import type { Table } from '../table.js';
import { buyProbability, pitOf } from './distribution.js';

/** Draws of the randomised PIT under the seed of an evaluation. */
const PIT_STREAM = 41;
/** 90 % quantile of the normal distribution: half of an 80 % interval. */
const Z_80 = 1.281_551_565_544_6;
/** Text columns by which figures are told apart, at most. */
const MOST_SEGMENT_COLUMNS = 5;
/** Values of one of them beyond which it is no segmentation. */
const MOST_VALUES = 200;

/**
 * How predictions compare with actual spend: figures, and what charts draw from.
 * @param o.distribution of the model; null where `interval` alone states how far off it may be; both null for a baseline
 * @param o.totalSd standard deviation of the logarithm of the total; null where it is not known
 */
export const judge = (o: {
  actual: Float64Array;
  predicted: ArrayLike<number>;
  distribution: PredictiveDistribution | null;
  interval: ModelManifest['interval'] | null;
  totalSd: number | null;
  table: Table;
  seed: number;
}): { metrics: Metrics; detail: EvaluationDetail } => {
  const { actual, predicted, distribution, table } = o;
  const bought = Float64Array.from(actual, (value) => (value > 0 ? 1 : 0));
  const { metrics, pBuy, pit } = figures(o);
  const sum = (values: ArrayLike<number>): number =>
    Float64Array.from(values).reduce((total, value) => total + value, 0);
  const total = sum(predicted);
  const reach = o.totalSd === null ? null : Math.exp(Z_80 * o.totalSd);
  return {
    metrics,
    detail: {
      deciles: decileTable(actual, predicted),
      gain: gainCurve(actual, predicted),
      reliability:
        pBuy === null
          ? []
          : reliabilityTable(bought, pBuy).map((group) => ({
              rows: group.rows,
              predicted: group.predicted,
              observed: group.observed,
            })),
      pit: distribution === null || pit === null ? [] : pitHistogram(pit),
      distribution: spendHistogram(actual, predicted),
      residuals: residualTable(actual, predicted),
      predictedActual: predictedActualGrid(actual, predicted),
      topCapture: topCapture(actual, predicted),
      segments: segmentsOf(table, actual, predicted),
      total: {
        actual: sum(actual),
        predicted: total,
        low: reach === null ? null : total / reach,
        high: reach === null ? null : total * reach,
      },
    },
  };
};

/** The figures alone, with what they were made of. */
export const figures = (o: {
  actual: Float64Array;
  predicted: ArrayLike<number>;
  distribution: PredictiveDistribution | null;
  interval: ModelManifest['interval'] | null;
  seed: number;
}): { metrics: Metrics; pBuy: Float64Array | null; pit: Float64Array | null } => {
  const { actual, predicted, distribution, interval } = o;
  const rng = new Rng(o.seed, PIT_STREAM);
  const pBuy =
    distribution === null ? null : Float64Array.from(predicted, (value) => buyProbability(distribution, value));
  const pit =
    distribution === null
      ? null
      : Float64Array.from(actual, (value, row) => pitOf(distribution, predicted[row]!, value, rng.uniform()));
  let inside = 0;
  if (interval !== null) {
    actual.forEach((value, row) => {
      const low = Math.max(0, predicted[row]! - interval.below);
      if (value >= low && value <= predicted[row]! + interval.above) inside += 1;
    });
  }
  const bought = Float64Array.from(actual, (value) => (value > 0 ? 1 : 0));
  const metrics: Metrics = {
    ...computeMetrics(actual, predicted),
    wape: wape(actual, predicted),
    auc: pBuy === null ? null : auc(bought, pBuy),
    brier: pBuy === null ? null : brier(bought, pBuy),
    coverage80: pit !== null ? pitCoverage(pit) : interval === null ? null : inside / actual.length,
  };
  return { metrics, pBuy, pit };
};

/** By each text column of few values, and by how long ago customers came. */
const segmentsOf = (table: Table, actual: Float64Array, predicted: ArrayLike<number>): EvaluationDetail['segments'] => {
  const columns: { name: string; values: readonly (string | null)[] }[] = [];
  const tenure = table.columns.get('tenure_days');
  if (tenure?.kind === 'numeric') columns.push({ name: 'cohort', values: Array.from(tenure.values, cohortOf) });
  for (const [name, column] of table.columns) {
    if (columns.length >= MOST_SEGMENT_COLUMNS) break;
    if (column.kind !== 'categorical') continue;
    const distinct = new Set(column.values);
    if (distinct.size > 1 && distinct.size <= MOST_VALUES) columns.push({ name, values: column.values });
  }
  return columns.flatMap(({ name, values }) =>
    segmentTable(values, actual, predicted).map((segment) => ({ column: name, ...segment })),
  );
};

/** Quarters of years since the first order. */
const cohortOf = (days: number): string | null => {
  if (!Number.isFinite(days)) return null;
  const quarter = Math.floor(days / 91);
  return quarter >= 8
    ? 'first order 2 years ago or more'
    : `first order ${quarter * 91} to ${quarter * 91 + 90} days ago`;
};
