import { SNAPSHOT_FEATURES, SNAPSHOT_TARGET, type Table, WINDOW_DAYS } from '@clove/clv';
import { CloveError, Day } from '@clove/contracts';
import { type TableColumn, readTable } from './columns.js';
import { type Duck, type DuckOptions, ident, literal, withDuck } from './duck.js';
import { type SequenceOptions, createSteps, readSequence } from './sequences.js';

/** A snapshot's columns, the target last where there is a horizon. */
export const snapshotColumns = (horizonDays: number | undefined): TableColumn[] => [
  ...SNAPSHOT_FEATURES.map(({ name }): TableColumn => ({ name, kind: name === 'place' ? 'categorical' : 'numeric' })),
  ...(horizonDays === undefined ? [] : [{ name: SNAPSHOT_TARGET, kind: 'numeric' } as const]),
];

/**
 * Every customer seen by the end of the day `asOf` (UTC) with the features of that moment, ordered by customer id: the
 * columns are those of SNAPSHOT_FEATURES, in order. Only rows on or before that day are read for them, so nothing that
 * happened, or was recorded, for a later time can change a feature. With `horizonDays` the numeric column `clv` follows: the sum of the
 * customer's amounts, refunds included, in the `horizonDays` days after `asOf`; 0 where there are none. With `sequence` the
 * table also holds each customer's last order days, as SEQUENCE_CHANNELS says.
 *
 * The same rows give the same bits whatever their order in the file and the number of threads.
 * @throws CloveError invalid-input where `asOf` is no day, value-invalid where an amount is too large to add up.
 */
export const snapshot = (
  o: DuckOptions & {
    parquet: string;
    asOf: string;
    horizonDays?: number | undefined;
    sequence?: SequenceOptions | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<Table> =>
  withDuck({ ...o, files: [o.parquet] }, async (db) => {
    await createSnapshot(db, o);
    const table = await readTable(db, {
      relation: 'snapshot',
      id: 'customer_id',
      columns: snapshotColumns(o.horizonDays),
      signal: o.signal,
    });
    if (o.sequence === undefined) return table;
    const place = { from: 0, rows: table.rows, signal: o.signal };
    return { ...table, sequence: await readSequence(db.connection, { ...o.sequence, ...place }) };
  });

/** Makes the table `snapshot` in `db`, ordered by customer id, and with `sequence` the table `steps` (see sequences.ts). */
export const createSnapshot = async (
  db: Duck,
  o: {
    parquet: string;
    asOf: string;
    horizonDays?: number | undefined;
    sequence?: SequenceOptions | undefined;
  },
): Promise<void> => {
  if (!Day.safeParse(o.asOf).success)
    throw new CloveError('invalid-input', `The as-of date "${o.asOf}" is not a day: write it as YYYY-MM-DD.`);
  try {
    for (const statement of snapshotStatements(o)) await db.run(statement);
    if (o.sequence !== undefined) await createSteps(db, o.sequence);
    await db.run('DROP TABLE orders');
  } catch (error) {
    if (error instanceof Error && /^(Conversion|Out of Range) Error/.test(error.message))
      throw new CloveError(
        'value-invalid',
        'Some amounts or quantities are too large to be added up (beyond a hundred trillion): correct or remove them.',
        { cause: error },
      );
    throw error;
  }
};

const perWindow = (expression: (days: number) => string): string => WINDOW_DAYS.map(expression).join(', ');

/** (a - b) / (a + b), 0 where both are 0. */
const trend = (a: string, b: string): string =>
  `CASE WHEN ${a} + ${b} > 0 THEN (${a} - ${b})::DOUBLE / (${a} + ${b})::DOUBLE ELSE 0 END`;

/** part / whole, 0 where the whole is 0. */
const share = (part: string, whole: string): string =>
  `CASE WHEN ${whole} > 0 THEN (${part})::DOUBLE / (${whole})::DOUBLE ELSE 0 END`;

/** Tables that the snapshot is joined from. */
const PARTS = ['customers', 'buyers', 'ends', 'deviations', 'days', 'attributes', 'places', 'later'];

/**
 * The one implementation of the features, for training and for scoring; the last statement makes the table `snapshot`.
 * `age` counts the days from an order to the as-of day. One grouping a statement: each may spill to disk, while all of
 * them in one query would have to share the memory.
 *
 * Amounts are added as decimals of nine places and squares of whole days as integers: sums of doubles would depend, in
 * their last bits, on the order in which threads meet the rows. Of several orders of one moment the order id decides
 * which one is the last.
 */
const snapshotStatements = (o: { parquet: string; asOf: string; horizonDays?: number | undefined }): string[] => {
  const day = `DATE ${literal(o.asOf)}`;
  const source = `read_parquet(${literal(o.parquet)})`;
  const seen = `${source} WHERE time < ${day} + 1`;
  const columns = ['customer_id', ...snapshotColumns(o.horizonDays).map(({ name }) => name)];
  return [
    `CREATE TABLE orders AS
    SELECT
      customer_id,
      order_id,
      min(time) AS time,
      ${day} - min(time)::DATE AS age,
      sum(amount::DECIMAL(38, 9)) AS amount,
      sum(quantity::DECIMAL(38, 9)) AS quantity
    FROM ${seen} GROUP BY customer_id, order_id`,

    `CREATE VIEW purchases AS SELECT * FROM orders WHERE amount >= 0`,

    `CREATE TABLE customers AS
    SELECT
      customer_id,
      max(age) AS tenure_days,
      count(*) FILTER (amount < 0) AS refunds,
      coalesce(-sum(amount) FILTER (amount < 0), 0) AS refund_amount
    FROM orders GROUP BY customer_id`,

    `CREATE TABLE buyers AS
    SELECT
      customer_id,
      min(age) AS recency_days,
      count(*) AS orders,
      coalesce(sum(quantity), 0) AS units,
      sum(amount) AS revenue,
      sum(amount)::DOUBLE / count(*) AS order_value_mean,
      max(amount) AS order_value_max,
      ${perWindow((days) => `count(*) FILTER (age < ${days}) AS orders_${days}d`)},
      ${perWindow((days) => `coalesce(sum(amount) FILTER (age < ${days}), 0) AS revenue_${days}d`)},
      count(*) FILTER (age BETWEEN 90 AND 179) AS orders_before,
      coalesce(sum(amount) FILTER (age BETWEEN 90 AND 179), 0) AS revenue_before
    FROM purchases GROUP BY customer_id`,

    `CREATE TABLE ends AS
    SELECT
      customer_id,
      arg_min(amount, (time, order_id)) AS order_value_first,
      arg_max(amount, (time, order_id)) AS order_value_last
    FROM purchases GROUP BY customer_id`,

    `CREATE TABLE deviations AS
    SELECT
      customer_id,
      CASE WHEN count(*) > 1 THEN
        sqrt(sum(((amount::DOUBLE - order_value_mean) ** 2)::DECIMAL(38, 9))::DOUBLE / (count(*) - 1))
      END AS order_value_sd
    FROM purchases JOIN buyers USING (customer_id) GROUP BY customer_id`,

    `CREATE TABLE days AS
    SELECT
      customer_id,
      count(*) AS active_days,
      avg(gap) AS gap_mean_days,
      CASE WHEN count(gap) > 1 THEN
        sqrt((count(gap) * sum(gap * gap) - sum(gap) * sum(gap))::DOUBLE / (count(gap) * (count(gap) - 1)))
      END AS gap_sd_days
    FROM (
      SELECT customer_id, lag(age) OVER (PARTITION BY customer_id ORDER BY age DESC) - age AS gap
      FROM (SELECT DISTINCT customer_id, age FROM purchases)
    )
    GROUP BY customer_id`,

    `DROP VIEW purchases`,

    `CREATE TABLE attributes AS
    SELECT
      customer_id,
      count(DISTINCT product) AS products,
      count(DISTINCT category) AS categories,
      count(DISTINCT payment_type) AS payment_types
    FROM ${seen} GROUP BY customer_id`,

    `CREATE TABLE places AS
    SELECT customer_id, arg_max(place, (time, order_id, place)) AS place
    FROM ${seen} AND place IS NOT NULL GROUP BY customer_id`,

    `CREATE TABLE later AS
    SELECT customer_id, sum(amount::DECIMAL(38, 9)) AS ${SNAPSHOT_TARGET}
    FROM ${source}
    WHERE time >= ${day} + 1 AND time < ${day} + 1 + ${o.horizonDays ?? 0}
    GROUP BY customer_id`,

    `CREATE TABLE snapshot AS
    SELECT ${columns.map(ident).join(', ')}
    FROM (
      SELECT
        customer_id,
        recency_days,
        CASE WHEN recency_days IS NOT NULL THEN ${share('recency_days', 'tenure_days')} END AS recency_share,
        recency_days / (recency_days + gap_mean_days) AS overdue_ratio,
        tenure_days,
        coalesce(orders, 0) AS orders,
        coalesce(active_days, 0) AS active_days,
        coalesce(units, 0) AS units,
        coalesce(revenue, 0) AS revenue,
        order_value_mean,
        order_value_max,
        order_value_first,
        order_value_last,
        order_value_sd,
        gap_mean_days,
        gap_sd_days,
        gap_sd_days / gap_mean_days AS gap_cv,
        ${perWindow((days) => `coalesce(orders_${days}d, 0) AS orders_${days}d`)},
        ${perWindow((days) => `coalesce(revenue_${days}d, 0) AS revenue_${days}d`)},
        ${perWindow((days) => `${share(`orders_${days}d`, 'orders')} AS orders_share_${days}d`)},
        ${perWindow((days) => `${share(`revenue_${days}d`, 'revenue')} AS revenue_share_${days}d`)},
        ${trend('orders_90d', 'orders_before')} AS orders_trend,
        ${trend('revenue_90d', 'revenue_before')} AS revenue_trend,
        refunds,
        refund_amount,
        ${share('refund_amount', 'coalesce(revenue, 0) + refund_amount')} AS refund_share,
        products,
        categories,
        payment_types,
        place,
        coalesce(${SNAPSHOT_TARGET}, 0) AS ${SNAPSHOT_TARGET}
      FROM customers
      LEFT JOIN buyers USING (customer_id)
      LEFT JOIN ends USING (customer_id)
      LEFT JOIN deviations USING (customer_id)
      LEFT JOIN days USING (customer_id)
      JOIN attributes USING (customer_id)
      LEFT JOIN places USING (customer_id)
      LEFT JOIN later USING (customer_id)
    )
    ORDER BY customer_id`,

    // What is no longer asked for would fill the memory of what comes after.
    ...PARTS.map((table) => `DROP TABLE ${table}`),
  ];
};
