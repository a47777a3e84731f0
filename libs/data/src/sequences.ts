import { SEQUENCE_CHANNELS, type Sequence, type Table } from '@clove/clv';
import { CloveError } from '@clove/contracts';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type Duck, ident, throwIfAborted } from './duck.js';
import { floatsOf, integersOf } from './vectors.js';

/** The last order days of each customer, as many as `length`; see SEQUENCE_CHANNELS. */
export type SequenceOptions = { length: number };

const MAX_LENGTH = 1000;

const part = (top: string, whole: string): string =>
  `CASE WHEN ${whole} > 0 THEN (${top})::DOUBLE / (${whole})::DOUBLE ELSE 0 END`;

/** By the names of SEQUENCE_CHANNELS. `gap` and `gap_mean` are null where there is none. */
const EXPRESSIONS: Record<string, string> = {
  amount: 'sign(amount::DOUBLE) * ln(1 + abs(amount::DOUBLE))',
  amount_ratio: part('bought::DOUBLE * purchase_days', 'bought::DOUBLE * purchase_days + bought_in_all::DOUBLE'),
  units: 'ln(1 + greatest(units::DOUBLE, 0))',
  gap_share: part('coalesce(gap, 0)', 'tenure_days'),
  gap_ratio: 'coalesce(gap / (gap + gap_mean), 0)',
  age_share: part('age', 'tenure_days'),
  age_ratio: 'coalesce(age / (age + gap_mean), 0.5)',
  refund: 'refunded::INT',
};

/**
 * Makes the table `steps` from the tables `orders` and `snapshot` in `db`: a row for each of the last order days of each
 * customer, with the customer's place in the snapshot, the step's place in the sequence, and the channels; ordered, so
 * that the steps of a stretch of customers lie together. Only what `orders` holds, nothing after the as-of day.
 * @throws CloveError invalid-input on a length that is no whole number of 1 to 1,000
 */
export const createSteps = async (db: Duck, { length }: SequenceOptions): Promise<void> => {
  if (!Number.isInteger(length) || length < 1 || length > MAX_LENGTH) {
    throw new CloveError('invalid-input', `A sequence has 1 to ${MAX_LENGTH} steps; ${length} were asked for.`);
  }
  const channels = SEQUENCE_CHANNELS.map(({ name }) => `(${EXPRESSIONS[name]})::FLOAT AS ${ident(`channel_${name}`)}`);
  await db.run(`CREATE TABLE order_days AS
    SELECT
      customer_id,
      age,
      sum(amount) AS amount,
      coalesce(sum(amount) FILTER (amount >= 0), 0) AS bought,
      count(*) FILTER (amount >= 0) > 0 AS purchased,
      coalesce(sum(quantity) FILTER (amount >= 0), 0) AS units,
      count(*) FILTER (amount < 0) > 0 AS refunded
    FROM orders GROUP BY customer_id, age`);
  await db.run(`CREATE TABLE rhythms AS
    SELECT
      customer_id,
      max(age) AS tenure_days,
      sum(bought) AS bought_in_all,
      count(*) FILTER (purchased) AS purchase_days,
      CASE WHEN count(*) > 1 THEN (max(age) - min(age))::DOUBLE / (count(*) - 1) END AS gap_mean
    FROM order_days GROUP BY customer_id`);
  await db.run(`CREATE TABLE latest AS
    SELECT * FROM (
      SELECT
        *,
        lag(age) OVER (PARTITION BY customer_id ORDER BY age DESC) - age AS gap,
        row_number() OVER (PARTITION BY customer_id ORDER BY age) AS back
      FROM order_days
    ) WHERE back <= ${length}`);
  await db.run(`CREATE TABLE steps AS
    SELECT
      snapshot.rowid AS customer,
      (${length} - back)::INT AS place,
      ${channels.join(', ')}
    FROM latest
    JOIN rhythms USING (customer_id)
    JOIN (SELECT rowid, customer_id FROM snapshot) AS snapshot USING (customer_id)
    ORDER BY customer, place`);
  await db.run('DROP TABLE order_days; DROP TABLE rhythms; DROP TABLE latest');
};

/** Tables that follow each other from the customer `o.from` of the snapshot on, each with the sequences of its customers. */
export async function* withSequences(
  db: Duck,
  tables: AsyncIterable<Table>,
  o: SequenceOptions & { from: number; signal: AbortSignal | undefined },
): AsyncGenerator<Table, void, undefined> {
  const { connection } = await db.another();
  let { from } = o;
  for await (const table of tables) {
    yield { ...table, sequence: await readSequence(connection, { ...o, from, rows: table.rows }) };
    from += table.rows;
  }
}

/** The sequences of `rows` customers from the given place of the snapshot on. */
export const readSequence = async (
  connection: DuckDBConnection,
  o: SequenceOptions & { from: number; rows: number; signal: AbortSignal | undefined },
): Promise<Sequence> => {
  const { length, from, rows } = o;
  const channels = SEQUENCE_CHANNELS.length;
  const values = new Float32Array(rows * length * channels);
  const mask = new Float32Array(rows * length);
  const names = SEQUENCE_CHANNELS.map(({ name }) => `coalesce(${ident(`channel_${name}`)}, 0)`);
  const result = await connection.stream(
    `SELECT (customer - ${from})::INT, place::INT, ${names.join(', ')} FROM steps
    WHERE customer >= ${from} AND customer < ${from + rows}`,
  );
  for await (const chunk of result) {
    throwIfAborted(o.signal);
    // The SELECT above fixes the types of the vectors and leaves no nulls.
    const customers = integersOf(chunk, 0);
    const places = integersOf(chunk, 1);
    for (let channel = 0; channel < channels; channel += 1) {
      const read = floatsOf(chunk, channel + 2);
      for (let i = 0; i < read.length; i += 1) {
        values[(customers[i]! * length + places[i]!) * channels + channel] = read[i]!;
      }
    }
    for (let i = 0; i < places.length; i += 1) mask[customers[i]! * length + places[i]!] = 1;
  }
  return { length, channels, values, mask };
};
