import { doublesOf } from './vectors.js';
import { type DuckOptions, ident, literal, throwIfAborted, withDuck } from './duck.js';

/** Where the actual spend of scored customers stands: in a column of the dataset, or in orders after the as-of date. */
export type ActualSpend = { type: 'column'; name: string } | { type: 'orders'; asOf: string; horizonDays: number };

/**
 * Predictions beside what was spent, for the customers whose spend is known: the rows of a features dataset with a value in the
 * target column; everybody scored of a transactions dataset, with the sum of their amounts, refunds included, in the
 * `horizonDays` days after `asOf`, 0 where there are none.
 */
export const predictionsAndActuals = (
  o: DuckOptions & {
    /** predictions.parquet, one row a customer in the order of the dataset */
    predictions: string;
    /** canonical Parquet of the dataset */
    parquet: string;
    actual: ActualSpend;
    signal: AbortSignal;
  },
): Promise<{ predicted: Float64Array; actual: Float64Array }> =>
  withDuck({ ...o, files: [o.predictions, o.parquet] }, async (db) => {
    const predictions = `read_parquet(${literal(o.predictions)})`;
    const data = `read_parquet(${literal(o.parquet)})`;
    await db.run(`CREATE TABLE pairs AS ${pairsSql(predictions, data, o.actual)}`);
    const { rows } = await db.row<{ rows: number }>('SELECT count(*) AS rows FROM pairs');
    const predicted = new Float64Array(rows);
    const actual = new Float64Array(rows);
    let at = 0;
    for await (const chunk of await db.connection.stream('SELECT predicted, actual FROM pairs')) {
      throwIfAborted(o.signal);
      predicted.set(doublesOf(chunk, 0), at);
      actual.set(doublesOf(chunk, 1), at);
      at += chunk.rowCount;
    }
    return { predicted, actual };
  });

const pairsSql = (predictions: string, data: string, actual: ActualSpend): string => {
  if (actual.type === 'column') {
    const value = `${ident(actual.name)}::DOUBLE`;
    return `SELECT p.predicted_clv::DOUBLE AS predicted, d.actual FROM ${predictions} AS p
      POSITIONAL JOIN (SELECT ${value} AS actual FROM ${data}) AS d
      WHERE d.actual IS NOT NULL AND isfinite(d.actual)`;
  }
  const day = `DATE ${literal(actual.asOf)}`;
  return `SELECT p.predicted_clv::DOUBLE AS predicted, coalesce(s.spent, 0) AS actual FROM ${predictions} AS p
    LEFT JOIN (SELECT customer_id, sum(amount)::DOUBLE AS spent FROM ${data}
      WHERE time >= ${day} + 1 AND time < ${day} + 1 + ${actual.horizonDays} GROUP BY 1) AS s USING (customer_id)`;
};
