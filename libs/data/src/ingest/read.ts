import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CloveError, type IngestOptions, type Warning } from '@clove/contracts';
import { literal, throwIfAborted, type Duck } from '../duck.js';
import { detectDialect, type Dialect } from './dialect.js';
import { inspect, type Magic } from './magic.js';
import { figure } from './rejects.js';
import { tidyCopy } from './tidy.js';

/** A column of uploaded data: what the user calls it, and what it is called (`sql`) in the relation that holds it. */
export type SourceColumn = { name: string; sql: string; type: 'text' | 'number' | 'boolean' | 'timestamp' };

/**
 * One uploaded file, ready for SQL. `relation` has the columns `file` (index), `row` (data rows of the file from 1, the
 * header not counted) and the file's own as c0, c1, …; rows of a wrong number of fields are in `rejects` instead.
 */
export type Source = {
  file: number;
  name: string;
  format: 'csv' | 'parquet';
  delimiter: string | null;
  hasHeader: boolean;
  /** data rows in the file, the rejected ones included */
  rows: number;
  columns: SourceColumn[];
  relation: string;
  warnings: Warning[];
};

/** Rows to take from: one file, or several as one. */
export type Rows = Pick<Source, 'columns' | 'relation'>;

type Place = { file: number; name: string; path: string };

/** Opens one uploaded file, whatever it is: Parquet is read in place, text is cut into fields once and kept aside. */
export const openSource = async (
  db: Duck,
  place: Place,
  options: Pick<IngestOptions, 'delimiter' | 'header'>,
  signal: AbortSignal | undefined,
): Promise<Source> => {
  const magic = await inspect(place.name, place.path);
  // DuckDB would take these characters of a path for a pattern.
  const path = /[*?[\]]/.test(place.path) ? join(db.folder, `input-${place.file}`) : place.path;
  if (path !== place.path) await symlink(resolve(place.path), path);
  const located = { ...place, path };
  return magic.format === 'parquet' ? openParquet(db, located) : openText(db, located, magic, options, signal);
};

const openParquet = async (db: Duck, { file, name, path }: Place): Promise<Source> => {
  const from = `read_parquet(${literal(path)}, file_row_number = true)`;
  try {
    const described = await db.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * EXCLUDE (file_row_number) FROM ${from}`,
    );
    const columns = described.map(({ column_name, column_type }, i) => ({
      name: column_name,
      sql: `c${i}`,
      type: simpleType(column_type),
    }));
    const fields = described.map(({ column_name }, i) => {
      const column = `"${column_name.replaceAll('"', '""')}"`;
      return `${columns[i]!.type === 'text' ? `${column}::VARCHAR` : column} AS c${i}`;
    });
    const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM ${from}`);
    if (rows === 0) throw new CloveError('data-empty', `${name} holds no rows.`);
    const relation = `(SELECT ${file} AS file, file_row_number + 1 AS row, ${fields.join(', ')} FROM ${from})`;
    return {
      file,
      name,
      format: 'parquet',
      delimiter: null,
      hasHeader: true,
      rows,
      columns,
      relation,
      warnings: [],
    };
  } catch (error) {
    if (error instanceof CloveError || isInterrupt(error)) throw error;
    throw new CloveError(
      'data-unreadable',
      `${name} is a broken or truncated Parquet file: upload it again. ${firstLine(error)}`,
      {
        cause: error,
      },
    );
  }
};

const simpleType = (sqlType: string): SourceColumn['type'] => {
  if (sqlType === 'BOOLEAN') return 'boolean';
  if (/^(TIMESTAMP|DATE)/.test(sqlType) && !sqlType.endsWith('[]')) return 'timestamp';
  return /^(U?(TINY|SMALL|BIG|HUGE)?INT|INTEGER|UINTEGER|DOUBLE|FLOAT|DECIMAL\(\d+,\d+\))$/.test(sqlType)
    ? 'number'
    : 'text';
};

const openText = async (
  db: Duck,
  place: Place,
  magic: Extract<Magic, { format: 'csv' }>,
  options: Pick<IngestOptions, 'delimiter' | 'header'>,
  signal: AbortSignal | undefined,
): Promise<Source> => {
  const { file, name } = place;
  const dialect = detectDialect(name, magic.head, magic.complete, options);
  const warnings: Warning[] = dialect.renamed.map(({ from, to }) => ({
    code: 'column-renamed',
    message: `${name}: the column ${from === '' ? 'without a name' : `"${from}", which is there more than once,`} is called "${to}".`,
  }));
  const stage = join(db.folder, `stage-${file}.parquet`);
  let encoding = magic.encoding;
  const tidyPath = join(db.folder, `tidy-${file}.csv`);
  const tidy = async () => {
    const { unclosed } = await tidyCopy(place.path, tidyPath, { gzip: magic.gzip, encoding, dialect, signal }).catch(
      (error: unknown) => {
        throwIfAborted(signal);
        if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') throw error;
        throw new CloveError('data-unreadable', `${name} cannot be read to its end: ${firstLine(error)}`, {
          cause: error,
        });
      },
    );
    if (unclosed !== null) throw unclosedQuote(name, unclosed - (dialect.hasHeader ? 1 : 0));
    return stageText(db, place, tidyPath, false, dialect, stage);
  };
  const clean = encoding === 'utf-8' && !dialect.startsBlank;
  let staged = clean ? await stageText(db, place, place.path, magic.gzip, dialect, stage) : await tidy();
  // Row numbers are exact only without blank lines, and a wrong encoding or mixed line ends look like broken rows.
  if (clean && staged !== 'clean') {
    if (staged === 'not utf-8') encoding = 'windows-1252';
    staged = await tidy();
  }
  if (staged === 'mixed line ends' || staged === 'not utf-8')
    throw new CloveError('data-unreadable', `${name} cannot be read as text: ${staged}.`);
  if (encoding !== 'utf-8')
    warnings.push({ code: 'encoding', message: `${name} is not UTF-8; its text was read as ${encoding}.` });
  const gone = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM rejects WHERE file = ${file}`);
  const kept = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM read_parquet(${literal(stage)})`);
  const rows = dialect.layout === 'whitespace' ? kept.rows : kept.rows + gone.rows;
  if (rows === 0)
    throw new CloveError('data-empty', `${name} holds ${dialect.hasHeader ? 'a header and no rows' : 'no rows'}.`);
  const columns = dialect.names.map((column, i): SourceColumn => ({ name: column, sql: `c${i}`, type: 'text' }));
  const relation = await stagedRelation(db, file, stage, dialect, gone.rows);
  return {
    file,
    name,
    format: 'csv',
    delimiter: dialect.delimiter,
    hasHeader: dialect.hasHeader,
    rows,
    columns,
    relation,
    warnings,
  };
};

/** Cuts a text file into fields, once, into a Parquet aside; rows that cannot be cut go to `rejects`. */
const stageText = async (
  db: Duck,
  { file, name }: Place,
  path: string,
  gzip: boolean,
  dialect: Dialect,
  stage: string,
): Promise<'clean' | 'rejects' | 'mixed line ends' | 'not utf-8'> => {
  await db.run(
    `DELETE FROM rejects WHERE file = ${file}; DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans`,
  );
  const common = `${literal(path)}, auto_detect = false, compression = '${gzip ? 'gzip' : 'none'}', header = ${dialect.hasHeader},
    nullstr = chr(1), store_rejects = true, rejects_limit = 0`;
  const width = dialect.names.length;
  const select =
    dialect.layout === 'whitespace'
      ? `SELECT len(f) AS fields, ${dialect.names.map((_, i) => `f[${i + 1}] AS c${i}`).join(', ')}
         FROM (SELECT regexp_split_to_array(trim(line), '\\s+') AS f FROM read_csv(${common}, delim = chr(2), quote = '', escape = '',
           columns = {'line': 'VARCHAR'}) WHERE trim(line) <> '')`
      : `SELECT * FROM read_csv(${common}, delim = ${literal(dialect.delimiter)}, quote = '"', escape = ${literal(dialect.escape)},
           columns = {${dialect.names.map((_, i) => `'c${i}': 'VARCHAR'`).join(', ')}})`;
  try {
    await db.run(`COPY (${select}) TO ${literal(stage)} (FORMAT parquet, COMPRESSION lz4_raw)`);
  } catch (error) {
    if (isInterrupt(error)) throw error;
    if (/invalid state/i.test(firstLine(error))) return 'mixed line ends';
    if (/Invalid unicode|not utf-?8/i.test(String(error))) return 'not utf-8';
    if (/^(Out of Memory|IO Error.*space)/i.test(firstLine(error))) throw error;
    throw new CloveError('data-unreadable', `${name} cannot be read as delimited text: ${firstLine(error)}`, {
      cause: error,
    });
  }
  const skipped = dialect.hasHeader ? 1 : 0;
  if (dialect.layout === 'whitespace') {
    await db.run(`INSERT INTO rejects SELECT ${file}, file_row_number + 1, NULL, NULL,
      CASE WHEN fields < ${width} THEN 'too few fields' ELSE 'too many fields' END, false
      FROM read_parquet(${literal(stage)}, file_row_number = true) WHERE fields <> ${width}`);
    return 'clean';
  }
  const kinds = await db.rows<{ kind: string; line: number }>(
    `SELECT error_type::VARCHAR AS kind, min(line) AS line FROM reject_errors GROUP BY 1`,
  );
  if (kinds.length === 0) return 'clean';
  if (kinds.some(({ kind }) => kind === 'INVALID ENCODING')) return 'not utf-8';
  const long = kinds.find(({ kind }) => kind === 'LINE SIZE OVER MAXIMUM');
  if (long !== undefined) throw unclosedQuote(name, long.line - skipped);
  await db.run(`INSERT INTO rejects
    SELECT ${file}, line - ${skipped}, NULL, left(arg_min(csv_line, column_idx), 200),
      CASE arg_min(error_type, column_idx)::VARCHAR WHEN 'MISSING COLUMNS' THEN 'too few fields'
        WHEN 'TOO MANY COLUMNS' THEN 'too many fields' ELSE 'a quoted field goes on after its closing quote' END, false
    FROM reject_errors GROUP BY line`);
  return 'rejects';
};

const stagedRelation = async (
  db: Duck,
  file: number,
  stage: string,
  dialect: Dialect,
  gone: number,
): Promise<string> => {
  const from = `read_parquet(${literal(stage)}, file_row_number = true)`;
  const fields = dialect.names.map((_, i) => `c${i}`).join(', ');
  const plain = `SELECT ${file} AS file, file_row_number + 1 AS row, ${fields} FROM ${from}`;
  if (dialect.layout === 'whitespace') return `(${plain} WHERE fields = ${dialect.names.length})`;
  if (gone === 0) return `(${plain})`;
  // The k-th row kept is row k plus the rejected rows that come before it.
  await db.run(`CREATE OR REPLACE TABLE gaps_${file} AS
    SELECT kept_before, max(place) AS gone
    FROM (SELECT row - row_number() OVER (ORDER BY row) AS kept_before, row_number() OVER (ORDER BY row) AS place
          FROM rejects WHERE file = ${file})
    GROUP BY kept_before`);
  return `(SELECT ${file} AS file, kept.file_row_number + 1 + coalesce(gaps.gone, 0) AS row, ${fields}
    FROM ${from} AS kept ASOF LEFT JOIN gaps_${file} AS gaps ON kept.file_row_number >= gaps.kept_before)`;
};

const unclosedQuote = (name: string, row: number): CloveError =>
  new CloveError(
    'data-unreadable',
    `${name}: row ${figure(row)} opens a quote (") that is not closed, so everything after it is one field. ` +
      'Close the quote, or double the quotes that belong to the text.',
  );

const isInterrupt = (error: unknown): boolean => /^INTERRUPT/i.test(firstLine(error));

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;

const key = (column: SourceColumn): string => column.name.trim().toLowerCase();

/**
 * Several files of one layout as one: the columns of the first, found in the others by name. Error 'column-missing' for
 * a file that lacks one or has others.
 */
export const concatenate = (sources: readonly Source[]): Rows => {
  const [first, ...others] = sources;
  if (first === undefined) throw new CloveError('data-empty', 'No file was given.');
  if (others.length === 0) return first;
  const matched = sources.map((source) => {
    const byName = new Map(source.columns.map((column) => [key(column), column]));
    const missing = first.columns.filter((column) => !byName.has(key(column)));
    if (missing.length > 0 || source.columns.length !== first.columns.length)
      throw new CloveError(
        'column-missing',
        `${source.name} does not have the columns of ${first.name}. ${first.name}: ${list(first)}. ${source.name}: ${list(source)}. ` +
          'Several files at once must have one layout; for the tables of Olist give the preset olist.',
      );
    return first.columns.map((column) => byName.get(key(column))!);
  });
  const columns = first.columns.map((column, i): SourceColumn => ({
    ...column,
    type: matched.every((found) => found[i]!.type === column.type) ? column.type : 'text',
  }));
  const parts = sources.map((source, s) => {
    const fields = columns.map((column, i) => {
      const found = matched[s]![i]!;
      return `${column.type === 'text' && found.type !== 'text' ? `${found.sql}::VARCHAR` : found.sql} AS ${column.sql}`;
    });
    return `SELECT file, row, ${fields.join(', ')} FROM ${source.relation}`;
  });
  return { columns, relation: `(${parts.join(' UNION ALL ')})` };
};

const list = (source: Source): string => source.columns.map((column) => column.name).join(', ');
