import type { Table } from '@clove/clv';
import { type DatasetProfile } from '@clove/contracts';
import type { DuckOptions } from './duck.js';

/** Every column but the id of a features dataset, in file order, the target among them as a numeric column. */
export const loadFeatures = async (
  o: DuckOptions & { parquet: string; profile: DatasetProfile; signal?: AbortSignal | undefined },
): Promise<Table> => {
  throw new Error(`not yet: ${o.parquet}`);
};

export type ScanOptions = DuckOptions & {
  parquet: string;
  profile: DatasetProfile;
  asOf?: string | undefined;
  columns: readonly string[];
  chunkRows?: number | undefined;
  signal?: AbortSignal | undefined;
};

/** The rows of `loadFeatures` or `snapshot`, chunk by chunk. */
export async function* scan(o: ScanOptions): AsyncGenerator<Table, void, undefined> {
  throw new Error(`not yet: ${o.parquet}`);
  yield { rows: 0, ids: [], columns: new Map() };
}
