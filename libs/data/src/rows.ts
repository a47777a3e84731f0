import { CloveError, type PredictionRowsQuery, type RowPage } from '@clove/contracts';
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
 * come last. The search looks for a part of `customer_id`, letter case ignored; tier and range are of a prediction. `total`
 * counts the rows that are left. Timestamps are ISO 8601 in UTC, days `YYYY-MM-DD`; numbers that JSON does not have (NaN,
 * infinities) are texts.
 * @throws CloveError invalid-input where a column to sort or filter by is not there
 */
export const readRows = (o: DuckOptions & { parquet: string; query: PredictionRowsQuery }): Promise<RowPage> =>
  withDuck({ ...o, files: [o.parquet] }, async (db) => {
    const { query } = o;
    const file = literal(o.parquet);
    const described = await db.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * FROM read_parquet(${file})`,
    );
    const columns = described.map(({ column_name: name }) => name);
    const require = (column: string, field: string): string => {
      if (columns.includes(column)) return ident(column);
      throw new CloveError(
        'invalid-input',
        `There is no column "${column}" to ${field === 'sort' ? 'sort' : 'filter'} by. The columns are: ${columns.join(', ')}.`,
        { pointer: `/${field}` },
      );
    };
    const conditions: string[] = [];
    if (query.search !== undefined)
      conditions.push(`contains(lower(${require('customer_id', 'search')}), lower(${literal(query.search)}))`);
    if (query.tier !== undefined) conditions.push(`${require('tier', 'tier')} = ${literal(query.tier)}`);
    if (query.min !== undefined) conditions.push(`${require('predicted_clv', 'min')} >= ${query.min}`);
    if (query.max !== undefined) conditions.push(`${require('predicted_clv', 'max')} <= ${query.max}`);
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const sort = query.sort === undefined ? undefined : require(query.sort, 'sort');
    const { total } = await db.row<{ total: number }>(`SELECT count(*) AS total FROM read_parquet(${file}) ${where}`);
    const from = `FROM read_parquet(${file})`;
    const page = `LIMIT ${query.limit} OFFSET ${query.offset}`;
    const cells = described.map(cell).join(', ');
    const read = async (sql: string) => (await db.connection.runAndReadAll(sql)).getRows();
    const answer = (rows: DuckDBValue[][]): RowPage => ({
      columns,
      rows: rows.map((row) => row.map(jsonCell)),
      offset: query.offset,
      total,
    });
    // Unsorted rows come in file order by themselves; `file_row_number` is a column that DuckDB adds to any Parquet.
    if (sort === undefined) return answer(await read(`SELECT ${cells} ${from} ${where} ${page}`));
    const order = `ORDER BY ${sort} ${query.order} NULLS LAST`;
    // a file that has a column of that name does not say where its rows are
    if (columns.includes('file_row_number'))
      return answer(await read(`SELECT ${cells} FROM (SELECT * ${from} ${where} ${order} ${page})`));
    // Sorting the numbers of the rows and then reading the few that are wanted spares moving every column of every row.
    const numbers = await db.rows<{ n: number }>(
      `SELECT file_row_number AS n ${from} ${where} ${order}, file_row_number ${page}`,
    );
    if (numbers.length === 0) return answer([]);
    const wanted = numbers.map(({ n }) => n);
    const found = new Map(
      (await read(`SELECT file_row_number, ${cells} ${from} WHERE file_row_number IN (${wanted.join(', ')})`)).map(
        ([n, ...row]) => [Number(n), row],
      ),
    );
    return answer(wanted.map((n) => found.get(n) ?? []));
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
