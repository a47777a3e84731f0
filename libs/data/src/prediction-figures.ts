import type { PredictionReport } from '@clove/contracts';
import { doublesOf } from './vectors.js';
import { type Duck, type DuckOptions, ident, literal, throwIfAborted, withDuck } from './duck.js';

const BINS = 40;

/** Where the actual spend of scored customers stands: in a column of the dataset, or in orders after the as-of date. */
export type ActualSpend = { type: 'column'; name: string } | { type: 'orders'; asOf: string; horizonDays: number };

type Files = DuckOptions & {
  /** predictions.parquet, one row a customer in the order of the dataset */
  predictions: string;
  signal: AbortSignal;
};

/**
 * How the predictions of a file are spread: a histogram, ten groups of equal count from the best down, and the tiers. Memory
 * stays bounded whatever the number of rows.
 */
export const predictionFigures = (o: Files): Promise<Omit<PredictionReport, 'actual'>> =>
  withDuck({ ...o, files: [o.predictions] }, async (db) => {
    const from = `read_parquet(${literal(o.predictions)})`;
    const groups = await db.rows<PredictionReport['deciles'][number]>(`
      SELECT count(*) AS customers, max(clv) AS highest, min(clv) AS lowest, avg(clv) AS mean, sum(clv) AS total
      FROM (SELECT predicted_clv::DOUBLE AS clv, ntile(10) OVER (ORDER BY predicted_clv DESC) AS decile FROM ${from})
      GROUP BY decile ORDER BY decile`);
    const tiers = await db.rows<PredictionReport['tiers'][number]>(`
      SELECT tier, count(*) AS customers, avg(predicted_clv::DOUBLE) AS mean, sum(predicted_clv::DOUBLE) AS total
      FROM ${from} GROUP BY tier ORDER BY min(percentile) DESC`);
    return { histogram: await histogram(db, from), deciles: groups, tiers };
  });

/** Equal bins up to the 99th percentile, the last one stretched to the maximum: a long tail stays readable. */
const histogram = async (db: Duck, from: string): Promise<PredictionReport['histogram']> => {
  const { low, high, max } = await db.row<{ low: number; high: number; max: number }>(`
    SELECT min(predicted_clv)::DOUBLE AS low, approx_quantile(predicted_clv, 0.99)::DOUBLE AS high,
      max(predicted_clv)::DOUBLE AS max FROM ${from}`);
  const top = high > low ? high : max;
  const bins = top > low ? BINS : 1;
  const width = (top - low) / bins;
  const bin = bins === 1 ? '0' : `least(${bins - 1}, floor((predicted_clv::DOUBLE - (${low})) / ${width}))::INTEGER`;
  const found = await db.rows<{ bin: number; count: number }>(
    `SELECT ${bin} AS bin, count(*) AS count FROM ${from} GROUP BY 1`,
  );
  const counts = new Map(found.map((row) => [row.bin, row.count]));
  return Array.from({ length: bins }, (_, i) => ({
    from: low + i * width,
    to: i === bins - 1 ? max : low + (i + 1) * width,
    count: counts.get(i) ?? 0,
  }));
};

/**
 * Predictions beside what was spent, for the customers whose spend is known: the rows of a features dataset with a value in the
 * target column; everybody scored of a transactions dataset, with the sum of their amounts, refunds included, in the
 * `horizonDays` days after `asOf`, 0 where there are none.
 */
export const predictionsAndActuals = (
  o: Files & { parquet: string; actual: ActualSpend },
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
