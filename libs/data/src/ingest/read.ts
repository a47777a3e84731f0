import { createReadStream } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CloveError, type Dialect, type IngestOptions, type Warning, detectDialect } from '@clove/contracts';
import { literal, throwIfAborted, type Duck } from '../duck.js';
import { inspect, type Magic } from './magic.js';
import { figure } from './rejects.js';
import { tidyCopy } from './tidy.js';

/** A column of uploaded data: what the user calls it, and what it is called (`sql`) in the relation that holds it. */
export type SourceColumn = { name: string; sql: string; type: 'text' | 'number' | 'boolean' | 'timestamp' };

/**
 * One uploaded file, ready for SQL. `relation` has its columns as c0, c1, …, in the order of the file; rows of a wrong number
 * of fields are in `rejects` instead. `numbered` has `file` (index) and `row` (data rows of the file from 1, the header and
 * the rejected ones counted) before them, and no order where rows were rejected.
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
  numbered: string;
  /** the rows that come before each of `relation` and are not in it; SQL of a table (kept_before, gone), or null */
  gaps: string | null;
  warnings: Warning[];
};

/** Rows to take from: one file, or several as one. `inOrder` where `numbered` keeps the order of the files. */
export type Rows = Pick<Source, 'columns' | 'relation' | 'numbered'> & { inOrder: boolean };

type Place = { file: number; name: string; path: string };

/** What a file is, found out by its beginning. */
export type Recognised = Place & ({ format: 'parquet' } | TextFile);
type TextFile = { format: 'csv'; magic: Extract<Magic, { format: 'csv' }>; dialect: Dialect };
/** A delimited text file. */
export type Text = Place & TextFile;

/**
 * Looks at the beginning of an uploaded file.
 * @throws CloveError data-empty, data-unreadable
 */
export const recognise = async (
  db: Duck,
  place: Place,
  options: Pick<IngestOptions, 'delimiter' | 'header'>,
): Promise<Recognised> => {
  const magic = await inspect(place.name, place.path);
  // DuckDB would take these characters of a path for a pattern.
  const path = /[*?[\]]/.test(place.path) ? join(db.folder, `input-${place.file}`) : place.path;
  if (path !== place.path) await symlink(resolve(place.path), path);
  if (magic.format === 'parquet') return { ...place, path, format: 'parquet' };
  const dialect = detectDialect(place.name, magic.head, magic.complete, options);
  refuseTooManyColumns(place.name, dialect.names.length);
  return { ...place, path, format: 'csv', magic, dialect };
};

/** Every column is looked at by itself and with all others: thousands of them take hours. */
const MOST_COLUMNS = 1000;

const refuseTooManyColumns = (name: string, columns: number): void => {
  if (columns <= MOST_COLUMNS) return;
  throw new CloveError(
    'data-unreadable',
    `${name} holds ${figure(columns)} columns; ${figure(MOST_COLUMNS)} at most are read. Leave out those that say nothing of a customer, and check the delimiter.`,
  );
};

/**
 * Opens one uploaded file, whatever it is: Parquet is read in place, text is cut into fields once and kept aside.
 * @param isUsed which columns are used, by name, where that is known: of a text these are kept as a table of the database, for
 * joins, and `relation` and `numbered` lack the others. All columns of a text, which nobody knows yet, are kept as Parquet.
 */
const openSource = (
  db: Duck,
  file: Recognised,
  signal: AbortSignal | undefined,
  isUsed: IsUsed | undefined,
): Promise<Source> => (file.format === 'parquet' ? openParquet(db, file) : openText(db, file, signal, isUsed));

type IsUsed = (name: string) => boolean;

/** Files that are opened at once. Most are too short for several threads to read one of them. */
const LANES = 2;

/** Opens files side by side. The error of the first file that has one is thrown once no other file is at work. */
export const openSources = async (
  db: Duck,
  files: readonly Recognised[],
  o: {
    signal: AbortSignal | undefined;
    onOpen: (file: Recognised, done: number) => void;
    isUsed?: (file: Recognised) => IsUsed;
  },
): Promise<Source[]> => {
  const lanes = [db];
  while (lanes.length < Math.min(LANES, files.length)) lanes.push(await db.another());
  const opened: PromiseSettledResult<Source>[] = [];
  let next = 0;
  const work = async (lane: Duck): Promise<void> => {
    while (next < files.length) {
      const place = next;
      next += 1;
      const file = files[place]!;
      o.onOpen(file, place);
      [opened[place]!] = await Promise.allSettled([openSource(lane, file, o.signal, o.isUsed?.(file))]);
      if (opened[place]!.status === 'rejected') next = files.length;
    }
  };
  await Promise.all(lanes.map(work));
  return opened.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
};

const openParquet = async (db: Duck, { file, name, path }: Place): Promise<Source> => {
  const from = `read_parquet(${literal(path)}, file_row_number = true)`;
  try {
    const described = await db.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * EXCLUDE (file_row_number) FROM ${from}`,
    );
    refuseTooManyColumns(name, described.length);
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
    return {
      file,
      name,
      format: 'parquet',
      delimiter: null,
      hasHeader: true,
      rows,
      columns,
      relation: `(SELECT ${fields.join(', ')} FROM ${from})`,
      numbered: `(SELECT ${file} AS file, file_row_number + 1 AS row, ${fields.join(', ')} FROM ${from})`,
      gaps: null,
      warnings: [],
    };
  } catch (error) {
    if (error instanceof CloveError || isInterrupt(error)) throw error;
    throw new CloveError(
      'data-unreadable',
      `${name} is a broken or truncated Parquet file: upload it again. ${reasonOf(error, path, name)}`,
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
  text: Text,
  signal: AbortSignal | undefined,
  isUsed: IsUsed | undefined,
): Promise<Source> => {
  const { file, name, magic, dialect } = text;
  const whole = dialect.layout === 'whitespace';
  const used = dialect.names.flatMap((column, i) => (isUsed?.(column) === false ? [] : [`c${i}`]));
  const fields = used.join(', ');
  const stage = isUsed === undefined ? parquetStage(db, file) : tableStage(file);
  const stageAs = (from: Text) => stageText(db, from, whole ? [...used, 'fields'] : used, stage);
  let encoding = magic.encoding;
  const tidyPath = join(db.folder, `tidy-${file}.csv`);
  const tidy = async () => {
    const { unclosed } = await tidyCopy(text.path, tidyPath, { gzip: magic.gzip, encoding, dialect, signal }).catch(
      (error: unknown) => {
        throwIfAborted(signal);
        if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') throw error;
        throw new CloveError(
          'data-unreadable',
          `${name} cannot be read to its end: ${reasonOf(error, text.path, name)}`,
          {
            cause: error,
          },
        );
      },
    );
    if (unclosed !== null) throw unclosedQuote(name, unclosed - (dialect.hasHeader ? 1 : 0));
    return stageAs({ ...text, path: tidyPath, magic: { ...magic, gzip: false } });
  };
  const clean = encoding === 'utf-8' && !dialect.startsBlank;
  let { cut: staged, taken } = clean ? await stageAs(text) : await tidy();
  // A wrong encoding, mixed line ends and open quotes look like broken rows; row numbers are exact only without blank lines.
  if (clean && staged !== 'clean' && !(staged === 'rejects' && (await hasPlainLines(text)))) {
    if (staged === 'not utf-8') encoding = 'windows-1252';
    ({ cut: staged, taken } = await tidy());
  }
  if (staged === 'mixed line ends' || staged === 'not utf-8')
    throw new CloveError('data-unreadable', `${name} cannot be read as text: ${staged}.`);
  const gone = staged === 'clean' && !whole ? 0 : await countRejects(db, file);
  const { from, place } = stage;
  const gaps = gone === 0 ? null : await createGaps(db, file);
  const plain = `SELECT ${file} AS file, ${place} + 1 AS row, ${fields} FROM ${from}`;
  const where = whole ? ` WHERE fields = ${dialect.names.length}` : '';
  return {
    ...describeText(text, whole ? taken : taken + gone),
    relation: `(SELECT ${fields} FROM ${from}${where})`,
    numbered:
      whole || gaps === null
        ? `(${plain}${where})`
        : `(SELECT ${file} AS file, kept.${place} + 1 + coalesce(gaps.gone, 0) AS row, ${fields}
            FROM ${from} AS kept ASOF LEFT JOIN ${gaps} AS gaps ON kept.${place} >= gaps.kept_before)`,
    gaps,
    warnings: [
      ...renamedColumns(text),
      ...(encoding === 'utf-8'
        ? []
        : [{ code: 'encoding', message: `${name} is not UTF-8; its text was read as ${encoding}.` }]),
    ],
  };
};

/** What a text file is, once its rows are counted. Error 'data-empty' where there are none. */
export const describeText = (
  { file, name, dialect }: Text,
  rows: number,
): Pick<Source, 'file' | 'name' | 'format' | 'delimiter' | 'hasHeader' | 'rows' | 'columns'> => {
  if (rows === 0)
    throw new CloveError('data-empty', `${name} holds ${dialect.hasHeader ? 'a header and no rows' : 'no rows'}.`);
  const columns = dialect.names.map((column, i): SourceColumn => ({ name: column, sql: `c${i}`, type: 'text' }));
  const { delimiter, hasHeader } = dialect;
  return { file, name, format: 'csv', delimiter, hasHeader, rows, columns };
};

/** Warnings of columns that have another name than in the file. */
export const renamedColumns = ({ name, dialect }: Text): Warning[] =>
  dialect.renamed.map(({ from, to }) => ({
    code: 'column-renamed',
    message: `${name}: the column ${from === '' ? 'without a name' : `"${from}", which is there more than once,`} is called "${to}".`,
  }));

/** The k-th row kept is row k plus the rejected rows that come before it: makes the table that `Source.gaps` names. */
export const createGaps = async (db: Duck, file: number): Promise<string> => {
  await db.run(`CREATE OR REPLACE TABLE gaps_${file} AS
    SELECT kept_before, max(place) AS gone
    FROM (SELECT row - row_number() OVER (ORDER BY row) AS kept_before, row_number() OVER (ORDER BY row) AS place
          FROM rejects WHERE file = ${file})
    GROUP BY kept_before`);
  return `gaps_${file}`;
};

/**
 * Whether every line ends in one LF and none is blank: then DuckDB counts lines as a person counts rows. A blank line or a
 * CR inside quotes counts against it too; that costs time and nothing else.
 */
export const hasPlainLines = async ({ path, magic }: Text): Promise<boolean> => {
  if (magic.gzip) return false;
  let last = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    if (chunk.includes('\n\n') || chunk.includes('\r') || (last === 10 && chunk[0] === 10)) return false;
    last = chunk.at(-1)!;
  }
  return true;
};

/** Whether a text file is long and plain enough to be read by what its first rows say. */
export const isPlainText = ({ magic, dialect }: Text): boolean =>
  magic.encoding === 'utf-8' &&
  dialect.layout === 'delimited' &&
  dialect.hasHeader &&
  !dialect.startsBlank &&
  !magic.complete;

/** Rows that a plan for the whole file is made from. */
const HEAD_ROWS = 5_000;

/** Keeps the first rows of a plain text file in the table `head`. */
export const createHead = async (db: Duck, text: Text): Promise<Omit<Rows, 'inOrder'> & { rows: number }> => {
  await db.run(`CREATE OR REPLACE TABLE head AS FROM (${csvRows(text, 'ignore_errors = true')}) LIMIT ${HEAD_ROWS}`);
  const { rows } = await db.row<{ rows: number }>('SELECT count(*) AS rows FROM head');
  const columns = text.dialect.names.map((name, i): SourceColumn => ({ name, sql: `c${i}`, type: 'text' }));
  const numbered = `(SELECT ${text.file} AS file, rowid + 1 AS row, * FROM head)`;
  return { columns, relation: 'head', numbered, rows };
};

/** What DuckDB reads of a text at once, twice its longest line: two threads then share a file of a few megabytes. */
const BUFFER_BYTES = 4 * 1024 ** 2;

/**
 * SQL of the rows of a text file as DuckDB cuts them, c0, c1, … and, padded with spaces, the number of `fields`.
 * @param numbers columns that are read as numbers where they are delimited; empty fields are null then
 */
export const csvRows = ({ path, magic, dialect }: Text, errors: string, numbers?: ReadonlySet<string>): string => {
  const common = `${literal(path)}, auto_detect = false, compression = '${magic.gzip ? 'gzip' : 'none'}', header = ${dialect.hasHeader},
    buffer_size = ${BUFFER_BYTES}, nullstr = ${numbers === undefined ? 'chr(1)' : "''"}, ${errors}`;
  return dialect.layout === 'whitespace'
    ? `SELECT len(f) AS fields, ${dialect.names.map((_, i) => `f[${i + 1}] AS c${i}`).join(', ')}
       FROM (SELECT regexp_split_to_array(trim(line), '\\s+') AS f FROM read_csv(${common}, delim = chr(2), quote = '', escape = '',
         columns = {'line': 'VARCHAR'}) WHERE trim(line) <> '')`
    : `SELECT * FROM read_csv(${common}, delim = ${literal(dialect.delimiter)}, quote = '"', escape = ${literal(dialect.escape)},
         columns = {${dialect.names.map((_, i) => `'c${i}': '${numbers?.has(`c${i}`) === true ? 'DOUBLE' : 'VARCHAR'}'`).join(', ')}})`;
};

/** What became of the rows of a text file that DuckDB has cut; `rejects` are rows of too few or too many fields, no worse. */
export type Cut = 'clean' | 'rejects' | 'odd quotes' | 'mixed line ends' | 'not utf-8';

/** Where the fields of a text are kept: how they get there, where they are read, and SQL of a row's place among them, from 0. */
type Stage = { write: (rows: string) => string; from: string; place: string };

const parquetStage = (db: Duck, file: number): Stage => {
  const path = literal(join(db.folder, `stage-${file}.parquet`));
  return {
    write: (rows) => `COPY (${rows}) TO ${path} (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE ${PART_ROWS})`,
    from: `read_parquet(${path}, file_row_number = true)`,
    place: 'file_row_number',
  };
};

const tableStage = (file: number): Stage => ({
  write: (rows) => `CREATE OR REPLACE TABLE stage_${file} AS ${rows}`,
  from: `stage_${file}`,
  place: 'rowid',
});

/**
 * Cuts a text file into fields, once, and keeps some columns; rows that cannot be cut go to `rejects`. All columns are asked for
 * whatever is kept: DuckDB 1.5 breaks off with an internal error where a row is not UTF-8 in a column that is read and others
 * are not.
 */
const stageText = async (
  db: Duck,
  text: Text,
  kept: readonly string[],
  stage: Stage,
): Promise<{ cut: Cut; taken: number }> => {
  const others = text.dialect.names.map((_, i) => `c${i}`).filter((column) => !kept.includes(column));
  const all = others.length === 0 ? '' : ` WHERE coalesce(${others.join(', ')}, '') >= ''`;
  const done = await cutText(db, text, (rows) => stage.write(`SELECT ${kept.join(', ')} FROM (${rows})${all}`));
  if (text.dialect.layout !== 'whitespace') return done;
  const width = text.dialect.names.length;
  await db.run(`INSERT INTO rejects SELECT ${text.file}, ${stage.place} + 1, NULL, NULL,
    CASE WHEN fields < ${width} THEN 'too few fields' ELSE 'too many fields' END, false
    FROM ${stage.from} WHERE fields <> ${width}`);
  return done;
};

/** Rows of a part of a Parquet file, so that several threads read and write one that is not long. */
export const PART_ROWS = 30_720;

/** How many rows of a file are in `rejects`. */
export const countRejects = async (db: Duck, file: number): Promise<number> => {
  const { gone } = await db.row<{ gone: number }>(`SELECT count(*) AS gone FROM rejects WHERE file = ${file}`);
  return gone;
};

/**
 * Runs a COPY over the rows of a text file; rows that cannot be cut go to `rejects`.
 * @returns how it went, and the rows that the COPY took
 * @throws CloveError data-unreadable
 */
export const cutText = async (
  db: Duck,
  text: Text,
  copy: (rows: string) => string,
): Promise<{ cut: Cut; taken: number }> => {
  const { file, name, dialect } = text;
  await db.run(
    `DELETE FROM rejects WHERE file = ${file}; DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans`,
  );
  let taken = 0;
  try {
    const { Count } = await db.row<{ Count: number }>(copy(csvRows(text, 'store_rejects = true, rejects_limit = 0')));
    taken = Count;
  } catch (error) {
    if (isInterrupt(error)) throw error;
    if (/invalid state/i.test(firstLine(error))) return { cut: 'mixed line ends', taken };
    if (/Invalid unicode|not utf-?8/i.test(String(error))) return { cut: 'not utf-8', taken };
    if (/^(Out of Memory|IO Error.*space)/i.test(firstLine(error))) throw error;
    throw new CloveError(
      'data-unreadable',
      `${name} cannot be read as delimited text: ${reasonOf(error, text.path, name)}`,
      {
        cause: error,
      },
    );
  }
  const skipped = dialect.hasHeader ? 1 : 0;
  const kinds = await db.rows<{ kind: string; line: number }>(
    `SELECT error_type::VARCHAR AS kind, min(line) AS line FROM reject_errors GROUP BY 1`,
  );
  if (kinds.length === 0) return { cut: 'clean', taken };
  if (kinds.some(({ kind }) => kind === 'INVALID ENCODING')) return { cut: 'not utf-8', taken };
  const long = kinds.find(({ kind }) => kind === 'LINE SIZE OVER MAXIMUM');
  if (long !== undefined) throw unclosedQuote(name, long.line - skipped);
  await db.run(`INSERT INTO rejects
    SELECT ${file}, line - ${skipped}, NULL, left(arg_min(csv_line, column_idx), 200),
      CASE arg_min(error_type, column_idx)::VARCHAR WHEN 'MISSING COLUMNS' THEN 'too few fields'
        WHEN 'TOO MANY COLUMNS' THEN 'too many fields' ELSE 'a quoted field goes on after its closing quote' END, false
    FROM reject_errors GROUP BY line`);
  const counted = kinds.every(({ kind }) => kind === 'MISSING COLUMNS' || kind === 'TOO MANY COLUMNS');
  return { cut: counted ? 'rejects' : 'odd quotes', taken };
};

const unclosedQuote = (name: string, row: number): CloveError =>
  new CloveError(
    'data-unreadable',
    `${name}: row ${figure(row)} opens a quote (") that is not closed, so everything after it is one field. ` +
      'Close the quote, or double the quotes that belong to the text.',
  );

const isInterrupt = (error: unknown): boolean => /^INTERRUPT/i.test(firstLine(error));

/** What DuckDB says of a file, which is called by the name that its user knows. */
const reasonOf = (error: unknown, path: string, name: string): string => firstLine(error).replaceAll(path, name);

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;

const key = (column: SourceColumn): string => column.name.trim().toLowerCase();

/**
 * Several files of one layout as one: the columns of the first, found in the others by name. Error 'column-missing' for
 * a file that lacks one or has others.
 */
export const concatenate = (sources: readonly Source[]): Rows => {
  const [first, ...others] = sources;
  if (first === undefined) throw new CloveError('data-empty', 'No file was given.');
  const inOrder = sources.every(({ gaps }) => gaps === null);
  if (others.length === 0) return { ...first, inOrder };
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
  const union = (pick: (source: Source) => string, before: string) =>
    `(${sources
      .map((source, s) => {
        const fields = columns.map((column, i) => {
          const found = matched[s]![i]!;
          return `${column.type === 'text' && found.type !== 'text' ? `${found.sql}::VARCHAR` : found.sql} AS ${column.sql}`;
        });
        return `SELECT ${before}${fields.join(', ')} FROM ${pick(source)}`;
      })
      .join(' UNION ALL ')})`;
  return {
    columns,
    relation: union(({ relation }) => relation, ''),
    numbered: union(({ numbered }) => numbered, 'file, row, '),
    inOrder,
  };
};

const list = (source: Source): string => source.columns.map((column) => column.name).join(', ');
