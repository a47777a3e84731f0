import type { RowPage, RowsQuery } from '@clove/contracts';
import type { DuckOptions } from './duck.js';

/** One page of a Parquet file. */
export const readRows = async (
  o: DuckOptions & { parquet: string; query: RowsQuery; searchColumn?: string | undefined },
): Promise<RowPage> => {
  throw new Error(`not yet: ${o.parquet}`);
};
