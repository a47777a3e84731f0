import type { CohortDay } from '@clove/clv';
import { CloveError, Day } from '@clove/contracts';
import { type DuckOptions, literal, withDuck } from './duck.js';

/**
 * Newcomers and repeat order days, day by day up to the end of the day `until` (UTC), of the customers who first bought on or
 * before the day `asOf`: what `trackCohort` compares with a forecast made as of that day. An order day is a day on which an order of
 * amount >= 0 begins, as in `snapshot`; what counts as an order is what was recorded of it by `until`. Days on which nothing happened
 * are left out; `day` counts from 1970-01-01. In order of days, so of bounded size whatever the number of customers.
 * @throws CloveError invalid-input where `asOf` or `until` is no day
 */
export const cohortDays = (
  o: DuckOptions & { parquet: string; asOf: string; until: string; signal?: AbortSignal | undefined },
): Promise<CohortDay[]> => {
  for (const day of [o.asOf, o.until])
    if (!Day.safeParse(day).success)
      throw new CloveError('invalid-input', `The date "${day}" is not a day: write it as YYYY-MM-DD.`);
  return withDuck({ ...o, files: [o.parquet] }, async (db) => {
    // One grouping a statement: each may spill to disk, while all of them in one query would have to share the memory.
    await db.run(`CREATE TABLE order_days AS
      SELECT DISTINCT customer_id, day FROM (
        SELECT customer_id, min(time)::DATE AS day
        FROM read_parquet(${literal(o.parquet)}) WHERE time < DATE ${literal(o.until)} + 1
        GROUP BY customer_id, order_id HAVING sum(amount::DECIMAL(38, 9)) >= 0
      )`);
    await db.run(`CREATE TABLE firsts AS
      SELECT customer_id, min(day) AS first FROM order_days
      GROUP BY customer_id HAVING min(day) <= DATE ${literal(o.asOf)}`);
    return db.rows<CohortDay>(`
      SELECT
        day - DATE '1970-01-01' AS day,
        count(*) FILTER (day = first) AS newcomers,
        count(*) FILTER (day > first) AS repeats
      FROM order_days JOIN firsts USING (customer_id) GROUP BY day ORDER BY day`);
  });
};
