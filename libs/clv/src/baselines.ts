import type { BaselineName, DatasetKind, EvaluationReport, Metrics } from '@clove/contracts';
import { wape } from './evaluation/spend.js';
import { computeMetrics } from './metrics.js';
import type { Table } from './table.js';

/** A year of 365 days has twelve months. */
const DAYS_PER_MONTH = 365 / 12;
/** The usual discount of the rule of thumb, for customers who leave. */
const RETENTION = 0.7;
/** What a features table is taken to mean by lifetime value, for these two forecasts alone. */
const FEATURES_HORIZON_DAYS = 365;

/** Where the ingredients of the rate forecasts are, by kind of dataset. */
const INGREDIENTS = {
  transactions: { orders: 'orders', orderValue: 'order_value_mean', tenureDays: 'tenure_days' },
  features: { orders: 'total_orders', orderValue: 'avg_order_value', tenureDays: 'days_since_first_purchase' },
} as const;

const judged = (actual: ArrayLike<number>, predicted: ArrayLike<number>): Metrics => ({
  ...computeMetrics(actual, predicted),
  wape: wape(actual, predicted),
});

/**
 * Reference forecasts on the test rows:
 *
 * - `mean`: the mean target of the training rows, for everyone.
 * - `naive-rate`: order value × (orders − 1) / days since the first order × horizon. Repeat purchases go on for ever at the
 *   rate so far; the first order is not one, it is what made a customer (frequency / T of the BTYD literature). At
 *   least one day.
 * - `heuristic`: revenue + order value × orders per month × months of horizon × 0.7, the usual rule of thumb, with months of
 *   365/12 days and at least one month since the first order. It adds what was spent already, as the rule does.
 *
 * For a features dataset they use `total_orders`, `avg_order_value` and `days_since_first_purchase` and a horizon of 365
 * days, revenue being orders × order value; where the columns are not there, they are skipped with the reason. A row that lacks
 * an ingredient gets 0 where it has no orders, else the mean of the training rows.
 */
export const computeBaselines = (i: {
  kind: DatasetKind;
  /** null for a features dataset */
  horizonDays: number | null;
  /** mean target of the model's training rows */
  targetMean: number;
  /** the test rows' features; rows stand in the order of `actual` */
  table: Table;
  actual: ArrayLike<number>;
}): Pick<EvaluationReport, 'baselines' | 'skippedBaselines'> => {
  const { actual, table, targetMean } = i;
  const baselines: Partial<Record<BaselineName, Metrics>> = {
    mean: judged(actual, new Float64Array(actual.length).fill(targetMean)),
  };
  const names = INGREDIENTS[i.kind];
  const columnOf = (name: string): Float64Array | undefined => {
    const column = table.columns.get(name);
    return column?.kind === 'numeric' ? column.values : undefined;
  };
  const orders = columnOf(names.orders);
  const orderValue = columnOf(names.orderValue);
  const tenureDays = columnOf(names.tenureDays);
  if (orders === undefined || orderValue === undefined || tenureDays === undefined) {
    const absent = Object.values(names).filter((name) => columnOf(name) === undefined);
    const reason = `needs the numeric ${absent.length === 1 ? 'column' : 'columns'} ${absent.join(', ')}`;
    return { baselines, skippedBaselines: { 'naive-rate': reason, heuristic: reason } };
  }
  const revenue = i.kind === 'transactions' ? columnOf('revenue') : undefined;
  const horizonDays = i.horizonDays ?? FEATURES_HORIZON_DAYS;
  const months = horizonDays / DAYS_PER_MONTH;
  const naive = new Float64Array(actual.length);
  const heuristic = new Float64Array(actual.length);
  for (let row = 0; row < actual.length; row += 1) {
    if (orders[row] === 0) continue;
    const value = orderValue[row]!;
    const perDay = (orders[row]! - 1) / Math.max(1, tenureDays[row]!);
    const perMonth = orders[row]! / Math.max(1, tenureDays[row]! / DAYS_PER_MONTH);
    const spent = revenue?.[row] ?? orders[row]! * value;
    const byRate = value * perDay * horizonDays;
    const byRule = spent + value * perMonth * months * RETENTION;
    naive[row] = Number.isFinite(byRate) ? byRate : targetMean;
    heuristic[row] = Number.isFinite(byRule) ? byRule : targetMean;
  }
  baselines['naive-rate'] = judged(actual, naive);
  baselines.heuristic = judged(actual, heuristic);
  return { baselines, skippedBaselines: {} };
};
