/** What a group of features tells about a customer. */
export type FeatureGroup =
  | 'recency'
  | 'frequency'
  | 'tenure'
  | 'monetary'
  | 'gaps'
  | 'windows'
  | 'trend'
  | 'refunds'
  | 'variety'
  | 'place'
  | 'forecast';

/** One column of a snapshot: what is known about a customer at the end of the as-of day, and nothing later. */
export type SnapshotFeature = { name: string; group: FeatureGroup; description: string };

/** Lengths of the trailing windows, in days: `n` covers the as-of day and the `n - 1` days before it. */
export const WINDOW_DAYS = [30, 90, 180, 365] as const;

const feature = <Name extends string>(
  group: FeatureGroup,
  name: Name,
  description: string,
): SnapshotFeature & { name: Name } => ({ name, group, description });

/**
 * The features of a customer at an origin, in the order of a snapshot's columns. The SQL that computes them lives in
 * the data package; this list is the law for names and meanings.
 *
 * Words: days are calendar days in UTC; an order is one `order_id` of a customer, its amount the sum of its rows; a
 * purchase is an order of amount ≥ 0, a refund one below 0. Shares lie in [0, 1] and trends in [-1, 1], so that they
 * stay in the range that training saw when customers grow older. Everything is a number but `place`.
 *
 * Null ("missing") where a figure needs purchases that the customer does not have: no purchase at all for recency and
 * order values, a single day of purchases for gaps, a single gap or order for a standard deviation. What the data set has
 * no column for counts as 0 (`place`: null).
 */
export const SNAPSHOT_FEATURES: readonly SnapshotFeature[] = [
  feature('recency', 'recency_days', 'days from the last purchase to the as-of day'),
  feature(
    'recency',
    'recency_share',
    'recency_days / tenure_days; 0 on the first day. How much of the time as a customer has been silent',
  ),
  feature(
    'recency',
    'overdue_ratio',
    'recency_days / (recency_days + gap_mean_days): above 0.5 the customer is later than usual',
  ),
  feature('tenure', 'tenure_days', 'days from the first order of any kind to the as-of day'),
  feature('frequency', 'orders', 'purchases'),
  feature('frequency', 'active_days', 'days with a purchase'),
  feature('frequency', 'units', 'sum of quantities in purchases'),
  feature('monetary', 'revenue', 'sum of purchase amounts, refunds not deducted'),
  feature('monetary', 'order_value_mean', 'mean purchase amount'),
  feature('monetary', 'order_value_max', 'largest purchase amount'),
  feature('monetary', 'order_value_first', 'amount of the first purchase'),
  feature('monetary', 'order_value_last', 'amount of the last purchase'),
  feature('monetary', 'order_value_sd', 'sample standard deviation of purchase amounts'),
  feature('gaps', 'gap_mean_days', 'mean days between consecutive days with a purchase'),
  feature('gaps', 'gap_sd_days', 'sample standard deviation of those gaps'),
  feature('gaps', 'gap_cv', 'gap_sd_days / gap_mean_days: 0 is clockwork, about 1 is chance'),
  ...WINDOW_DAYS.flatMap((days) => [
    feature('windows', `orders_${days}d`, `purchases in the last ${days} days`),
    feature('windows', `revenue_${days}d`, `revenue of the last ${days} days`),
    feature('windows', `orders_share_${days}d`, `orders_${days}d / orders; 0 without a purchase`),
    feature('windows', `revenue_share_${days}d`, `revenue_${days}d / revenue; 0 without revenue`),
  ]),
  feature(
    'trend',
    'orders_trend',
    '(a - b) / (a + b) for the purchases of the last 90 days (a) and of the 90 days before (b); 0 where both are 0',
  ),
  feature('trend', 'revenue_trend', 'the same for revenue'),
  feature('refunds', 'refunds', 'refunds'),
  feature('refunds', 'refund_amount', 'sum refunded, as a positive amount'),
  feature('refunds', 'refund_share', 'refund_amount / (revenue + refund_amount); 0 where both are 0'),
  feature('variety', 'products', 'distinct products'),
  feature('variety', 'categories', 'distinct categories'),
  feature('variety', 'payment_types', 'distinct payment types'),
  feature('place', 'place', 'the last place known'),
];

/** Names of the snapshot features, in order. */
export const SNAPSHOT_FEATURE_NAMES: readonly string[] = SNAPSHOT_FEATURES.map(({ name }) => name);

/**
 * What a probabilistic model says of a customer: features of learned models that stand behind those of a snapshot. They are
 * no columns of one, for they follow from its other columns and from the population: the model is fitted to everybody at
 * each origin of a training, and a version carries the one fitted at the latest.
 */
export const FORECAST_FEATURES = [
  feature('forecast', 'p_alive', 'P(not yet dropped out)'),
  feature('forecast', 'expected_orders', 'expected order days in the horizon'),
  feature('forecast', 'expected_spend', 'expected spend in the horizon, returns deducted'),
] as const;

/** Names of the features from a probabilistic model, in order. */
export const FORECAST_FEATURE_NAMES: readonly string[] = FORECAST_FEATURES.map(({ name }) => name);

/** The numeric column that a snapshot with a horizon carries: the customer's net spend in the days after the origin. */
export const SNAPSHOT_TARGET = 'clv';

/**
 * Channels of a customer's order sequence, in order. A step is a day with an order, a purchase or a refund; a sequence holds
 * the last ones on or before the as-of day, the latest last. Nothing is counted in days: times are shares of the
 * customer's time or stand against the customer's own rhythm, so that they stay in the range that training saw when customers
 * grow older; the features beside the sequence know the days. Amounts are standardised where a model is trained.
 */
export const SEQUENCE_CHANNELS: readonly { name: string; description: string }[] = [
  { name: 'amount', description: "sign(a)·ln(1 + |a|) of the day's net amount a, refunds deducted" },
  {
    name: 'amount_ratio',
    description:
      'b / (b + mean b) for the amount b bought that day: above 0.5 more than usual; 0 where nothing was bought',
  },
  { name: 'units', description: 'ln(1 + quantity bought that day), 0 where it is below 0 or not known' },
  { name: 'gap_share', description: 'days since the order day before / tenure_days; 0 for the first' },
  { name: 'gap_ratio', description: 'gap / (gap + mean gap): above 0.5 a longer wait than usual; 0 for the first' },
  { name: 'age_share', description: 'days to the as-of day / tenure_days; 0 where that is 0' },
  { name: 'age_ratio', description: 'age / (age + mean gap): how many usual gaps ago; 0.5 where there is no gap' },
  { name: 'refund', description: '1 where something was refunded that day, else 0' },
];
