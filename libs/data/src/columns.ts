import type { Column, Table } from '@clove/clv';
import {
  BOOLEAN,
  DOUBLE,
  DuckDBDataChunk,
  type DuckDBAppender,
  type DuckDBType,
  type DuckDBValue,
  DuckDBVector,
  VARCHAR,
} from '@duckdb/node-api';
import { CloveError } from '@clove/contracts';
import { type Duck, ident, throwIfAborted } from './duck.js';
import { doublesOf } from './vectors.js';

/** Values of one column to append: numbers (NaN is missing) or texts (null is missing). */
export type Values = ArrayLike<number> | readonly (string | null)[];

/** Appends rows, given column by column, through data chunks: far faster than value by value. */
export const appendColumns = (
  appender: DuckDBAppender,
  types: readonly DuckDBType[],
  rows: number,
  columns: readonly Values[],
): void => {
  const step = DuckDBVector.standardSize();
  for (let from = 0; from < rows; from += step) {
    const count = Math.min(step, rows - from);
    const chunk = DuckDBDataChunk.create(types, count);
    for (const [position, values] of columns.entries()) {
      const vector = chunk.getColumnVector(position);
      for (let i = 0; i < count; i += 1) {
        const value: DuckDBValue = values[from + i]!;
        vector.setItem(i, Number.isNaN(value) ? null : value);
      }
      vector.flush();
    }
    appender.appendDataChunk(chunk);
  }
};

/** A column of a relation as a table holds it: text stays text, everything else becomes a number. */
export type TableColumn = { name: string; kind: Column['kind'] };

/** The columns of a relation (a table name or a table function call), with the kind that a table gives them. */
export const columnsOf = async (db: Duck, relation: string): Promise<TableColumn[]> => {
  const found = await db.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${relation}`);
  return found.map(({ column_name: name, column_type: type }) => {
    if (type === String(VARCHAR)) return { name, kind: 'categorical' };
    if (type === String(DOUBLE) || type === String(BOOLEAN)) return { name, kind: 'numeric' };
    throw new CloveError('internal', `Column "${name}" has the type ${type}, which canonical data does not have.`);
  });
};

/**
 * Streams a relation as tables of `chunkRows` rows (the last one may be shorter), in the order of the relation.
 * @param id the column of identifiers; null leaves `ids` of the tables empty, which is far faster
 * @param columns the other columns to read, in the order of the tables
 */
export async function* readTables(
  db: Duck,
  o: {
    relation: string;
    id: string | null;
    columns: readonly TableColumn[];
    chunkRows: number;
    signal: AbortSignal | undefined;
  },
): AsyncGenerator<Table, void, undefined> {
  // Missing numbers travel as NaN: reading a validity mask value by value would cost more than the numbers themselves.
  const items = o.columns.map(({ name, kind }) =>
    kind === 'numeric' ? `coalesce(${ident(name)}::DOUBLE, 'NaN'::DOUBLE)` : ident(name),
  );
  const id = o.id === null ? 'NULL' : ident(o.id);
  const result = await db.connection.stream(`SELECT ${[id, ...items].join(', ')} FROM ${o.relation}`);
  let table = emptyTable(o.columns, o.chunkRows);
  for await (const chunk of result) {
    throwIfAborted(o.signal);
    for (let from = 0; from < chunk.rowCount;) {
      const count = Math.min(chunk.rowCount - from, o.chunkRows - table.rows);
      fill(table, chunk, { from, count, ids: o.id !== null });
      from += count;
      if (table.rows === o.chunkRows) {
        yield table;
        table = emptyTable(o.columns, o.chunkRows);
      }
    }
  }
  if (table.rows > 0) yield trimmed(table);
}

/** A whole relation of `rows` rows as one table. */
export const readTable = async (
  db: Duck,
  o: { relation: string; id: string; columns: readonly TableColumn[]; signal: AbortSignal | undefined },
): Promise<Table> => {
  const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM ${o.relation}`);
  for await (const table of readTables(db, { ...o, chunkRows: Math.max(1, rows) })) return table;
  return trimmed(emptyTable(o.columns, 0));
};

const emptyTable = (columns: readonly TableColumn[], rows: number): Table => ({
  rows: 0,
  ids: [],
  columns: new Map(
    columns.map(({ name, kind }): [string, Column] => [
      name,
      kind === 'numeric' ? { kind, values: new Float64Array(rows) } : { kind, values: [] },
    ]),
  ),
});

const fill = (
  table: Table,
  chunk: DuckDBDataChunk,
  { from, count, ids }: { from: number; count: number; ids: boolean },
): void => {
  // The SELECT above fixes the types of the vectors: VARCHAR for ids and texts, DOUBLE without nulls for numbers.
  const texts = (position: number, into: (string | null)[]): void => {
    const vector = chunk.getColumnVector(position);
    for (let i = from; i < from + count; i += 1) into.push(vector.getItem(i) as string | null);
  };
  if (ids) texts(0, table.ids);
  let position = 0;
  for (const column of table.columns.values()) {
    position += 1;
    if (column.kind === 'categorical') texts(position, column.values);
    else column.values.set(doublesOf(chunk, position).subarray(from, from + count), table.rows);
  }
  table.rows += count;
};

const trimmed = (table: Table): Table => ({
  ...table,
  columns: new Map(
    [...table.columns].map(([name, column]): [string, Column] => [
      name,
      column.kind === 'numeric' ? { ...column, values: column.values.slice(0, table.rows) } : column,
    ]),
  ),
});
