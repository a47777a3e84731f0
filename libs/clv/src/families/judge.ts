import type { EvaluationDetail, Metrics, ModelManifest, PredictiveDistribution, Spread } from '@clove/contracts';
import { predictedActualGrid } from '../evaluation/grids.js';
import { totalInterval } from '../evaluation/bootstrap.js';
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
import { buyProbability, pitOf, spendQuantile } from './distribution.js';

/** Draws of the randomised PIT under the seed of an evaluation. */
const PIT_STREAM = 41;
/** Columns by which figures are told apart, at most. */
const MOST_SEGMENT_COLUMNS = 20;
/** Values of one of them beyond which it is no segmentation. */
const MOST_VALUES = 200;

/**
 * How predictions compare with actual spend: figures, and what charts draw from.
 * @param o.distribution of the model; null where `interval` alone states how far off it may be; both null for a baseline
 * @param o.totalFactors as in a manifest's predictor; null where it is not known
 * @param o.seeds the same predictions seed by seed, for the spread over them; none where there is one seed
 */
export const judge = (o: {
  actual: Float64Array;
  predicted: ArrayLike<number>;
  distribution: PredictiveDistribution | null;
  interval: ModelManifest['interval'] | null;
  totalFactors: readonly number[] | null;
  table: Table;
  seeds?: readonly ArrayLike<number>[] | undefined;
  seed: number;
}): { metrics: Metrics; sd: Spread; detail: EvaluationDetail } => {
  const { actual, predicted, distribution, table } = o;
  const bought = Float64Array.from(actual, (value) => (value > 0 ? 1 : 0));
  const stated = statedOf(o);
  const { pBuy, pit } = stated;
  const metrics = figuresOf(actual, predicted, stated);
  const seeds = (o.seeds ?? []).map((values) => ({ predicted: values, stated: statedOf({ ...o, predicted: values }) }));
  const total = sum(predicted);
  const range =
    distribution === null || o.totalFactors === null
      ? { low: null, high: null }
      : totalInterval({
          total,
          rows: actual.length,
          draw: (row, u) => spendQuantile(distribution, predicted[row]!, u),
          factors: o.totalFactors,
          seed: o.seed,
        });
  return {
    metrics,
    sd: spreadOf(seeds.map((one) => figuresOf(actual, one.predicted, one.stated))),
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
      segments: segmentsOf(table).flatMap(({ name, values }) =>
        segmentTable(values, actual, predicted).map(({ of, ...segment }) => ({
          column: name,
          ...segment,
          metrics: figuresOf(actual, predicted, stated, of),
          sd: spreadOf(seeds.map((one) => figuresOf(actual, one.predicted, one.stated, of))),
        })),
      ),
      total: { actual: sum(actual), predicted: total, ...range },
    },
  };
};

/** What is judged, without the tables that charts draw from. */
type Judged = {
  actual: Float64Array;
  predicted: ArrayLike<number>;
  distribution: PredictiveDistribution | null;
  interval: ModelManifest['interval'] | null;
  seed: number;
};

/** The figures alone. */
export const figures = (o: Judged): Metrics => figuresOf(o.actual, o.predicted, statedOf(o));

/** What a model states of each customer beside its prediction; null where it states none. */
type Stated = { pBuy: Float64Array | null; pit: Float64Array | null; inside: Float64Array | null };

const statedOf = ({ actual, predicted, distribution, interval, seed }: Judged): Stated => {
  if (distribution !== null) {
    const rng = new Rng(seed, PIT_STREAM);
    return {
      pBuy: Float64Array.from(predicted, (value) => buyProbability(distribution, value)),
      pit: actual.map((value, row) => pitOf(distribution, predicted[row]!, value, rng.uniform())),
      inside: null,
    };
  }
  const holds = ({ below, above }: ModelManifest['interval']) =>
    actual.map((value, row) =>
      value >= Math.max(0, predicted[row]! - below) && value <= predicted[row]! + above ? 1 : 0,
    );
  return { pBuy: null, pit: null, inside: interval === null ? null : holds(interval) };
};

/** @param rows those to look at; all when left out */
const figuresOf = (
  actual: Float64Array,
  predicted: ArrayLike<number>,
  { pBuy, pit, inside }: Stated,
  rows?: readonly number[],
): Metrics => {
  const pick = (values: ArrayLike<number>): Float64Array =>
    rows === undefined ? Float64Array.from(values) : Float64Array.from(rows, (row) => values[row]!);
  const [a, p] = [pick(actual), pick(predicted)];
  const bought = a.map((value) => (value > 0 ? 1 : 0));
  return {
    ...computeMetrics(a, p),
    wape: wape(a, p),
    auc: pBuy === null ? null : auc(bought, pick(pBuy)),
    brier: pBuy === null ? null : brier(bought, pick(pBuy)),
    coverage80: pit !== null ? pitCoverage(pick(pit)) : inside === null ? null : sum(pick(inside)) / a.length,
  };
};

/** Standard deviation of each figure over the seeds, null where one has none; nothing for fewer than two. */
export const spreadOf = (seeds: readonly Metrics[]): Spread => {
  const spread: Spread = {};
  if (seeds.length < 2) return spread;
  for (const name of Object.keys(seeds[0]!) as (keyof Metrics)[]) {
    const values = seeds.map((metrics) => metrics[name]).filter((value) => typeof value === 'number');
    const mean = sum(values) / values.length;
    spread[name] =
      values.length < seeds.length
        ? null
        : Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1));
  }
  return spread;
};

const sum = (values: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < values.length; i += 1) total += values[i]!;
  return total;
};

/** Each text column of few values, and how long ago customers came. */
const segmentsOf = (table: Table): { name: string; values: readonly (string | null)[] }[] => {
  const columns: { name: string; values: readonly (string | null)[] }[] = [];
  const tenure = table.columns.get('tenure_days');
  if (tenure?.kind === 'numeric') columns.push({ name: 'cohort', values: Array.from(tenure.values, cohortOf) });
  for (const [name, column] of table.columns) {
    if (columns.length >= MOST_SEGMENT_COLUMNS) break;
    if (column.kind !== 'categorical') continue;
    const distinct = new Set(column.values);
    if (distinct.size > 1 && distinct.size <= MOST_VALUES) columns.push({ name, values: column.values });
  }
  return columns;
};

/** Quarters of years since the first order. */
const cohortOf = (days: number): string | null => {
  if (!Number.isFinite(days)) return null;
  const quarter = Math.floor(days / 91);
  return quarter >= 8
    ? 'first order 2 years ago or more'
    : `first order ${quarter * 91} to ${quarter * 91 + 90} days ago`;
};
