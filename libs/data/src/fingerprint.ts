import type { DatasetProfile } from '@clove/contracts';
import { type DuckOptions, literal, withDuck } from './duck.js';

/**
 * Fingerprint of the rows of a canonical Parquet file: equal for equal rows, in whatever order and from whatever file they were
 * ingested; different for different ones, but for chance in 2^64. The number of rows and the sum of their MD5 sums, each over
 * the row's columns by name. Of a table of customers without their ids: those may be row numbers, or made up anew.
 */
export const fingerprintOf = (
  o: DuckOptions & { parquet: string; profile: Pick<DatasetProfile, 'kind'>; signal?: AbortSignal | undefined },
): Promise<string> =>
  withDuck({ ...o, files: [o.parquet] }, async (db) => {
    const { rows, sum } = await db.row<{ rows: number; sum: string }>(`
      SELECT count(*) AS rows, printf('%032x', coalesce(sum(md5_number_lower(clove_row::VARCHAR)::HUGEINT), 0)) AS sum
      FROM (SELECT * ${o.profile.kind === 'features' ? 'EXCLUDE (customer_id)' : ''} FROM read_parquet(${literal(o.parquet)})) AS clove_row`);
    return `${rows}-${sum}`;
  });
