import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Table } from '@clove/clv';
import { CloveError, type DatasetProfile } from '@clove/contracts';
import { type TableColumn, columnsOf, readTable, readTables } from './columns.js';
import { type Duck, type DuckOptions, type OpenDuck, ident, literal, openDuck, withDuck } from './duck.js';
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
  return withDuck({ ...o, files: [o.parquet] }, async (db) => {
    const relation = fileOf(o.parquet);
    return readTable(db, { relation, id: ID, columns: await featureColumns(db, relation), signal: o.signal });
  });
};

/** Rows to score: a Parquet file with a `customer_id`, and where sequences are read the steps of its customers by row. */
export type ScoringRows = { parquet: string; steps: string | null };

/** What `ScoringRows` hold. */
export type ScoringShape = { rows: number; columns: TableColumn[] };

/**
 * The rows of a dataset that are scored: of a features dataset its own, of purchases the snapshot at the end of the day
 * `asOf`, written to `outDir` as `rows.parquet` and, with `sequence`, `steps.parquet`. A snapshot spills to the scratch
 * folder, so memory stays bounded.
 * @throws CloveError invalid-input on a bad `asOf`, or on one for a features dataset; kind-mismatch where sequences are
 * asked of a features dataset
 */
export const scoringRows = (
  o: DuckOptions & {
    parquet: string;
    profile: DatasetProfile;
    /** transactions: the day at whose end customers are seen; the last day of the data when left out */
    asOf?: string | undefined;
    /** transactions: also the last order days of each customer, as SEQUENCE_CHANNELS says */
    sequence?: SequenceOptions | undefined;
    outDir: string;
    signal?: AbortSignal | undefined;
  },
): Promise<ScoringRows & ScoringShape> =>
  withDuck({ ...o, files: [o.parquet], folders: [o.outDir] }, async (db) => {
    const source = await writeSource(db, o);
    const relation = fileOf(source.parquet);
    const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM ${relation}`);
    return { ...source, rows, columns: await featureColumns(db, relation) };
  });

const writeSource = async (db: Duck, o: Parameters<typeof scoringRows>[0]): Promise<ScoringRows> => {
  if (o.profile.kind === 'features') {
    if (o.asOf !== undefined)
      throw new CloveError('invalid-input', 'A features dataset has no as-of date: leave it out.');
    if (o.sequence !== undefined)
      throw new CloveError(
        'kind-mismatch',
        'A features dataset holds one row a customer without the orders behind it, so there are no sequences to read.',
      );
    return { parquet: o.parquet, steps: null };
  }
  const asOf = o.asOf ?? o.profile.lastTime?.slice(0, 10);
  if (asOf === undefined)
    throw new CloveError('data-empty', 'The dataset holds no transactions, so there is no as-of date.');
  await createSnapshot(db, { parquet: o.parquet, asOf, sequence: o.sequence });
  await mkdir(o.outDir, { recursive: true });
  const write = async (name: string, query: string): Promise<string> => {
    const file = join(o.outDir, name);
    await db.run(`COPY (${query}) TO ${literal(file)} (FORMAT parquet, COMPRESSION snappy)`);
    return file;
  };
  const columns = snapshotColumns(undefined).map(({ name, kind }) =>
    kind === 'numeric' ? `${ident(name)}::DOUBLE AS ${ident(name)}` : ident(name),
  );
  return {
    parquet: await write('rows.parquet', `SELECT ${[ID, ...columns].join(', ')} FROM snapshot ORDER BY rowid`),
    steps: o.sequence === undefined ? null : await write('steps.parquet', 'SELECT * FROM steps ORDER BY rowid'),
  };
};

export type ScanOptions = ScoringRows & {
  /** a database that reaches the rows */
  duck: OpenDuck;
  /** the columns to read, in the order that the tables shall have */
  columns: readonly string[];
  /** the first row and how many; all when left out */
  stretch?: Stretch | undefined;
  /** whether the tables hold the ids of the customers; reading them costs as much as all numbers */
  ids: boolean;
  /** as the rows were made with */
  sequence?: SequenceOptions | undefined;
  /** rows of a table; 16,384 when left out */
  chunkRows?: number | undefined;
  signal?: AbortSignal | undefined;
};

/** Rows next to each other, from 0. */
export type Stretch = { from: number; rows: number };

/** A part of a Parquet file as a relation, in file order; other row groups are not read. */
export const stretchOf = (parquet: string, { from, rows }: Stretch): string =>
  `(SELECT * EXCLUDE (file_row_number) FROM read_parquet(${literal(parquet)}, file_row_number = true)
    WHERE file_row_number >= ${from} AND file_row_number < ${from + rows})`;

/** A database for the scanning of rows and the writing of files in `folders`; whoever opens it closes it. */
export const openRows = (
  o: DuckOptions & ScoringRows & { folders?: readonly string[]; signal?: AbortSignal | undefined },
): Promise<OpenDuck> => openDuck({ ...o, files: o.steps === null ? [o.parquet] : [o.parquet, o.steps] });

/**
 * The rows of a stretch with the columns asked for, chunk by chunk, in order. Memory stays bounded whatever the row count.
 * @throws CloveError columns-mismatch where a column is not there
 */
export async function* scan(o: ScanOptions): AsyncGenerator<Table, void, undefined> {
  const { db, explain } = o.duck;
  try {
    const kinds = new Map((await featureColumns(db, fileOf(o.parquet))).map((column) => [column.name, column]));
    const columns = o.columns.flatMap((name) => kinds.get(name) ?? []);
    if (columns.length < o.columns.length) {
      const missing = o.columns.filter((name) => !kinds.has(name));
      throw new CloveError(
        'columns-mismatch',
        `The data has no column ${missing.map((name) => `"${name}"`).join(', ')}. It has: ${[...kinds.keys()].join(', ')}.`,
      );
    }
    const tables = readTables(db, {
      relation: o.stretch === undefined ? fileOf(o.parquet) : stretchOf(o.parquet, o.stretch),
      id: o.ids ? ID : null,
      columns,
      chunkRows: o.chunkRows ?? 16_384,
      signal: o.signal,
    });
    if (o.sequence === undefined || o.steps === null) return yield* tables;
    const { from, rows } = o.stretch ?? { from: 0, rows: Number.MAX_SAFE_INTEGER };
    await db.run(`CREATE OR REPLACE TABLE steps AS SELECT * FROM ${fileOf(o.steps)}
      WHERE customer >= ${from} AND customer < ${from + rows}`);
    yield* withSequences(db, tables, { ...o.sequence, from, signal: o.signal });
  } catch (error) {
    throw explain(error);
  }
}

/** The customer in a row, to name in a message. */
export const customerAt = async ({ duck, parquet, row }: { duck: OpenDuck; parquet: string; row: number }) => {
  const found = await duck.db.row<{ id: string }>(
    `SELECT ${ID} AS id FROM ${stretchOf(parquet, { from: row, rows: 1 })}`,
  );
  return found.id;
};

const fileOf = (parquet: string): string => `read_parquet(${literal(parquet)})`;

const featureColumns = async (db: Duck, relation: string): Promise<TableColumn[]> =>
  (await columnsOf(db, relation)).filter(({ name }) => name !== ID);
