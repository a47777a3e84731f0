import { FORECAST_FEATURES } from '../snapshot-features.js';
import type { Column, Table } from '../table.js';
import { type Forecast, type Forecaster, forecast } from '../probabilistic/forecaster.js';
import { gammaGammaMean, type GammaGamma } from '../probabilistic/gamma-gamma.js';
import { historiesOf } from '../probabilistic/histories.js';

/** Snapshot columns that keep their range when customers grow older: shares and ratios, no ages, counts of time or sums. */
const TAKEN = [
  'recency_share',
  'overdue_ratio',
  'gap_cv',
  'orders_share_30d',
  'orders_share_90d',
  'revenue_share_30d',
  'revenue_share_90d',
  'refund_share',
  'payment_types',
  'place',
] as const;

/** Snapshot columns that the derived ones are computed from, beside those of a history. */
const SOURCES = [
  'active_days',
  'gap_mean_days',
  'tenure_days',
  'orders',
  'units',
  'products',
  'categories',
  'order_value_mean',
  'order_value_max',
  'order_value_first',
  'order_value_last',
  'order_value_sd',
  'revenue',
  'refund_amount',
  'recency_days',
] as const;

/** Derived columns, in order. `relative_…`: over the mean spend an order of the whole population at that origin. */
const DERIVED = [
  'p_alive',
  'log_forecast',
  'repeat_days',
  'gap_share',
  'relative_order_value',
  'relative_order_max',
  'relative_order_first',
  'relative_order_last',
  'last_to_mean',
  'order_value_cv',
  'products_per_order',
  'categories_per_order',
  'units_per_order',
] as const;

/** Names of the features of anchored models, in order. */
export const ANCHOR_FEATURES: readonly string[] = [...DERIVED, ...TAKEN];

/** Snapshot columns that a model with a forecaster needs. */
export const ANCHOR_SOURCES: readonly string[] = [...new Set<string>([...TAKEN, ...SOURCES])];

/** Snapshot columns that a forecast alone needs. */
export const HISTORY_COLUMNS: readonly string[] = [
  'active_days',
  'recency_days',
  'gap_mean_days',
  'revenue',
  'order_value_first',
  'refund_amount',
];

/**
 * The forecast of each row of a snapshot, and the columns that a learned model reads beside it: of an anchored model those of
 * ANCHOR_FEATURES, of any other the snapshot's own and behind them FORECAST_FEATURES. The one implementation for training,
 * where the forecaster is fitted at each origin, and for scoring, where the version carries it.
 */
export const withForecast = (
  table: Table,
  forecaster: Forecaster,
  horizonDays: number,
  { anchored }: { anchored: boolean },
): { forecast: Forecast; features: Table } => {
  const made = forecast(forecaster, historiesOf(table), horizonDays);
  const columns = anchored ? anchorColumns(table, forecaster, made) : forecastColumns(table, made);
  return { forecast: made, features: { ...table, columns } };
};

const forecastColumns = (table: Table, made: Forecast): Map<string, Column> => {
  const values: Record<(typeof FORECAST_FEATURES)[number]['name'], Float64Array> = {
    p_alive: made.pAlive,
    expected_orders: made.orders,
    expected_spend: made.value,
  };
  const columns = new Map<string, Column>(table.columns);
  for (const { name } of FORECAST_FEATURES) columns.set(name, { kind: 'numeric', values: values[name] });
  return columns;
};

/**
 * What does not extrapolate when the same customers are seen later. Amounts are taken over the forecaster's mean spend an
 * order, so that prices may rise; the forecast itself enters as the logarithm of how many such orders it is worth.
 */
const anchorColumns = (table: Table, forecaster: Forecaster, made: Forecast): Map<string, Column> => {
  const unit = gammaGammaMean(forecaster.spend.parameters as GammaGamma);
  const numeric = (name: string): Float64Array => {
    const column = table.columns.get(name);
    return column?.kind === 'numeric' ? column.values : new Float64Array(table.rows).fill(Number.NaN);
  };
  const ratio = (over: string, under: string): Float64Array => {
    const [a, b] = [numeric(over), numeric(under)];
    return a.map((value, row) => (b[row]! > 0 ? value / b[row]! : Number.NaN));
  };
  const relative = (name: string): Float64Array => numeric(name).map((value) => value / unit);
  const derived: Record<(typeof DERIVED)[number], Float64Array> = {
    p_alive: made.pAlive,
    log_forecast: made.value.map((value) => Math.log(Math.max(1e-6, value / unit))),
    repeat_days: numeric('active_days').map((days) => Math.log1p(Math.max(0, days - 1))),
    gap_share: ratio('gap_mean_days', 'tenure_days'),
    relative_order_value: relative('order_value_mean'),
    relative_order_max: relative('order_value_max'),
    relative_order_first: relative('order_value_first'),
    relative_order_last: relative('order_value_last'),
    last_to_mean: ratio('order_value_last', 'order_value_mean'),
    order_value_cv: ratio('order_value_sd', 'order_value_mean'),
    products_per_order: ratio('products', 'orders'),
    categories_per_order: ratio('categories', 'orders'),
    units_per_order: ratio('units', 'orders'),
  };
  const columns = new Map<string, Column>();
  for (const name of DERIVED) columns.set(name, { kind: 'numeric', values: derived[name] });
  for (const name of TAKEN) {
    const column = table.columns.get(name);
    if (column !== undefined) columns.set(name, column);
  }
  return columns;
};
