import type { Table } from '@clove/clv';
import { CloveError, type DatasetProfile } from '@clove/contracts';
import { type TableColumn, columnsOf, readTable, readTables } from './columns.js';
import { type Duck, type DuckOptions, literal, openDuck, withDuck } from './duck.js';
import { type SequenceOptions, withSequences } from './sequences.js';
import { createSnapshot, snapshotColumns } from './snapshot.js';

const ID = 'customer_id';

/**
 * A whole features dataset in memory, in file order: every column but the id, the target among them. Numbers are
 * Float64Array with NaN where missing, booleans 0 or 1, texts categorical.
 * @throws CloveError kind-mismatch on another kind of dataset
 */
export const loadFeatures = async (
  o: DuckOptions & { parquet: string; profile: DatasetProfile; signal?: AbortSignal | undefined },
): Promise<Table> => {
  if (o.profile.kind !== 'features')
    throw new CloveError(
      'kind-mismatch',
      'This dataset holds transactions: take a snapshot at an as-of date to get features.',
    );
  return withDuck(o, async (db) => {
    const relation = fileOf(o.parquet);
    return readTable(db, { relation, id: ID, columns: await featureColumns(db, relation), signal: o.signal });
  });
};

export type ScanOptions = DuckOptions & {
  parquet: string;
  profile: DatasetProfile;
  /** transactions: the day at whose end customers are seen; the last day of the data when left out */
  asOf?: string | undefined;
  /** the columns to read, in the order that the tables shall have */
  columns: readonly string[];
  /** transactions: also the last order days of each customer, as SEQUENCE_CHANNELS says */
  sequence?: SequenceOptions | undefined;
  /** rows of a table; 16,384 when left out */
  chunkRows?: number | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * The rows of `loadFeatures` or of a `snapshot`, with the columns asked for, in the same order, chunk by chunk. Memory
 * stays bounded whatever the row count: a snapshot is made once, before the first chunk, and spills to the scratch
 * folder. The database closes when the iteration ends, early or not.
 * @throws CloveError columns-mismatch where a column is not there; invalid-input on a bad `asOf`, or on one for a features
 * dataset; kind-mismatch where sequences are asked of a features dataset
 */
export async function* scan(o: ScanOptions): AsyncGenerator<Table, void, undefined> {
  const { db, explain, close } = await openDuck(o);
  try {
    const source = await sourceOf(db, o);
    const kinds = new Map(source.columns.map((column) => [column.name, column]));
    const columns = o.columns.flatMap((name) => kinds.get(name) ?? []);
    if (columns.length < o.columns.length) {
      const missing = o.columns.filter((name) => !kinds.has(name));
      throw new CloveError(
        'columns-mismatch',
        `The data has no column ${missing.map((name) => `"${name}"`).join(', ')}. It has: ${[...kinds.keys()].join(', ')}.`,
      );
    }
    const tables = readTables(db, {
      relation: source.relation,
      id: ID,
      columns,
      chunkRows: o.chunkRows ?? 16_384,
      signal: o.signal,
    });
    yield* o.sequence === undefined ? tables : withSequences(db, tables, { ...o.sequence, signal: o.signal });
  } catch (error) {
    throw explain(error);
  } finally {
    await close();
  }
}

const sourceOf = async (db: Duck, o: ScanOptions): Promise<{ relation: string; columns: TableColumn[] }> => {
  if (o.profile.kind === 'features') {
    if (o.asOf !== undefined)
      throw new CloveError('invalid-input', 'A features dataset has no as-of date: leave it out.');
    if (o.sequence !== undefined)
      throw new CloveError(
        'kind-mismatch',
        'A features dataset holds one row a customer without the orders behind it, so there are no sequences to read.',
      );
    const relation = fileOf(o.parquet);
    return { relation, columns: await featureColumns(db, relation) };
  }
  const asOf = o.asOf ?? o.profile.lastTime?.slice(0, 10);
  if (asOf === undefined)
    throw new CloveError('data-empty', 'The dataset holds no transactions, so there is no as-of date.');
  await createSnapshot(db, { parquet: o.parquet, asOf, sequence: o.sequence });
  return { relation: 'snapshot', columns: snapshotColumns(undefined) };
};

const fileOf = (parquet: string): string => `read_parquet(${literal(parquet)})`;

const featureColumns = async (db: Duck, relation: string): Promise<TableColumn[]> =>
  (await columnsOf(db, relation)).filter(({ name }) => name !== ID);
