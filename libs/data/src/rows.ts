import { CloveError, type RowPage, type RowsQuery } from '@clove/contracts';
import {
  BOOLEAN,
  DATE,
  DuckDBDateValue,
  DuckDBTimestampValue,
  type DuckDBValue,
  FLOAT,
  TIMESTAMP,
  VARCHAR,
} from '@duckdb/node-api';
import { type DuckOptions, ident, literal, withDuck } from './duck.js';

/**
 * One page of a Parquet file, in file order unless sorted; equal rows of a sort keep the file's order, missing values
 * come last. The search looks for a part of `customer_id`, letter case ignored. `total` counts the rows that the search left. Timestamps are ISO 8601 in UTC, days `YYYY-MM-DD`; numbers
 * that JSON does not have (NaN, infinities) are texts.
 * @throws CloveError invalid-input where the sort column is not there
 */
export const readRows = (o: DuckOptions & { parquet: string; query: RowsQuery }): Promise<RowPage> =>
  withDuck(o, async (db) => {
    const { query } = o;
    const file = literal(o.parquet);
    const described = await db.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * FROM read_parquet(${file})`,
    );
    const columns = described.map(({ column_name: name }) => name);
    if (query.sort !== undefined && !columns.includes(query.sort))
      throw new CloveError(
        'invalid-input',
        `There is no column "${query.sort}" to sort by. The columns are: ${columns.join(', ')}.`,
        { pointer: '/sort' },
      );
    const where =
      query.search === undefined ? '' : `WHERE contains(lower(customer_id), lower(${literal(query.search)}))`;
    const { total } = await db.row<{ total: number }>(`SELECT count(*) AS total FROM read_parquet(${file}) ${where}`);
    // Unsorted rows come in file order by themselves; `file_row_number` is a column that DuckDB adds to any Parquet.
    const sorting =
      query.sort === undefined ? '' : `ORDER BY ${ident(query.sort)} ${query.order} NULLS LAST, file_row_number`;
    const reader = await db.connection.runAndReadAll(`
      SELECT ${described.map(cell).join(', ')}
      FROM read_parquet(${file}) ${where} ${sorting} LIMIT ${query.limit} OFFSET ${query.offset}`);
    return { columns, rows: reader.getRows().map((row) => row.map(jsonCell)), offset: query.offset, total };
  });

type Cell = RowPage['rows'][number][number];

/** Anything but the types that `jsonCell` knows is read as a double where it is a number, else as text. */
const cell = ({ column_name: name, column_type: type }: { column_name: string; column_type: string }): string => {
  // A float as the number that its shortest form says: 12.3, not 12.300000190734863.
  if (type === String(FLOAT)) return `${ident(name)}::VARCHAR::DOUBLE AS ${ident(name)}`;
  if ([VARCHAR, BOOLEAN, TIMESTAMP, DATE].some((known) => type === String(known))) return ident(name);
  const numeric = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|DECIMAL.*)$/.test(type);
  return `${ident(name)}::${numeric ? 'DOUBLE' : 'VARCHAR'} AS ${ident(name)}`;
};

const jsonCell = (value: DuckDBValue): Cell => {
  if (value instanceof DuckDBTimestampValue) return new Date(Number(value.micros / 1000n)).toISOString();
  if (value instanceof DuckDBDateValue) return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
};
