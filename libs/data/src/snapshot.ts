import type { Table } from '@clove/clv';
import type { DuckOptions } from './duck.js';

/** One row per customer seen by the end of the day `asOf`. */
export const snapshot = async (
  o: DuckOptions & {
    parquet: string;
    asOf: string;
    horizonDays?: number | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<Table> => {
  throw new Error(`not yet: ${o.parquet}`);
};
