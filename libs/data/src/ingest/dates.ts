import { CloveError } from '@clove/contracts';
import { isOneOf, literal, type Duck } from '../duck.js';
import type { SourceColumn } from './read.js';
import { figure } from './rejects.js';

/** A way to read times: what it is called in reports and options, and the SQL that reads a text (NULL where it does not fit). */
export type DateFormat = { name: string; parse: (text: string) => string; forms?: number };

/** Years outside 1900 to 2100 are typing errors or another format, such as two digits read as four. */
const between = (time: string): string =>
  `CASE WHEN ${time} >= TIMESTAMP '1900-01-01' AND ${time} < TIMESTAMP '2101-01-01' THEN ${time} END`;

/** A column with a time zone is brought to UTC; without one, UTC is what it is taken to be. */
const ISO: DateFormat = {
  name: 'iso',
  // TIMESTAMP is read several times as fast, but drops an offset: it is for texts that have no room for one, or end in Z.
  parse: (text) => `coalesce(
    TRY_CAST(CASE WHEN strlen(${text}) = 10 OR (strlen(${text}) = 19 AND ${text}[17] = ':') OR ends_with(${text}, 'Z') THEN ${text} END AS TIMESTAMP),
    TRY_CAST(${text} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')`,
};

const epoch = (name: string, perSecond: number): DateFormat => ({
  name,
  parse: (text) => `make_timestamp((TRY_CAST(${text} AS DOUBLE) * ${1_000_000 / perSecond})::BIGINT)`,
});
const EPOCH = [
  { format: epoch('epoch-s', 1), shape: /^\d{9,10}(\.\d+)?$/ },
  { format: epoch('epoch-ms', 1000), shape: /^\d{12,13}(\.\d+)?$/ },
  { format: epoch('epoch-us', 1_000_000), shape: /^\d{15,16}$/ },
];

const strptime = (formats: readonly string[]): DateFormat => ({
  name: formats[0]!,
  forms: formats.length,
  parse: (text) => `try_strptime(trim(${text}), [${formats.map(literal).join(', ')}])`,
});

/** Days as people write them; each may be followed by a time of day. */
const DAYS = ['/', '-', '.']
  .flatMap((s) => [`%d${s}%m${s}%Y`, `%m${s}%d${s}%Y`, `%d${s}%m${s}%y`, `%m${s}%d${s}%y`])
  .concat('%Y.%m.%d', '%d %b %Y', '%d-%b-%Y', '%d-%b-%y', '%d %B %Y', '%b %d, %Y', '%B %d, %Y', '%Y%m%d');
const CLOCKS = [
  '',
  ...[' ', ', ', 'T'].flatMap((gap) => [
    `${gap}%H:%M`,
    `${gap}%H:%M:%S`,
    `${gap}%H:%M:%S.%f`,
    `${gap}%I:%M %p`,
    `${gap}%I:%M:%S %p`,
  ]),
];

const DIRECTIVES: Record<string, string> = {
  Y: '\\d{4}',
  y: '\\d{2}',
  b: '[A-Za-z]{3}',
  B: '[A-Za-z]{3,9}',
  f: '\\d{1,6}',
  p: '[AaPp][Mm]',
};
/** The shape that a strptime form reads, whatever the digits. */
const shapeOf = (format: string): RegExp => {
  const fixed = format === '%Y%m%d' || format.startsWith('%Y%m%d') ? '\\d{2}' : '\\d{1,2}';
  const pattern = format.replace(/%(.)|[.\\^$*+?()[\]{}|]/g, (found: string, directive: string | undefined) =>
    directive === undefined ? `\\${found}` : (DIRECTIVES[directive] ?? fixed),
  );
  return new RegExp(`^${pattern}$`);
};

/** One family a day form, with each clock that may follow it. */
const FAMILIES = [...DAYS.map((day) => CLOCKS.map((clock) => `${day}${clock}`)), ['%Y%m%d%H%M%S'], ['%Y%m%d%H%M']].map(
  (formats) => formats.map((format) => ({ format, shape: shapeOf(format) })),
);
const ISO_SHAPE = /^\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T].*)?$/;

const NO_TIME = ['', 'na', 'n/a', 'nan', 'nat', 'null', 'none', '\\n', '0000-00-00', '0000-00-00 00:00:00'];

/** SQL: true where a cell of a time column says that there is no value. */
export const timeIsMissing = (column: SourceColumn): string =>
  column.type === 'text'
    ? `(${column.sql} IS NULL OR ${isOneOf(`lower(trim(${column.sql}))`, NO_TIME)})`
    : `${column.sql} IS NULL`;

/** SQL: a cell as TIMESTAMP in UTC, NULL where it does not fit. */
export const timeOf = (column: SourceColumn, format: DateFormat): string =>
  column.type === 'timestamp'
    ? between(`(${column.sql}::TIMESTAMPTZ AT TIME ZONE 'UTC')`)
    : between(format.parse(column.type === 'text' ? column.sql : wholeText(column)));

/** Numbers of a Parquet file as text: 20240131.0 means 20240131. */
const wholeText = (column: SourceColumn): string =>
  `regexp_replace(TRY_CAST(${column.sql} AS DECIMAL(38,3))::VARCHAR, '\\.0+$', '')`;

/** A form that the user gave: a strptime form, or one of the names that reports use. */
const given = (name: string): DateFormat => {
  const known = [ISO, ...EPOCH.map(({ format }) => format)].find((format) => format.name === name);
  if (known !== undefined) return known;
  if (!name.includes('%'))
    throw new CloveError(
      'invalid-input',
      `"${name}" is no date format: give a strptime form such as %d/%m/%Y, or iso, epoch-s, epoch-ms.`,
      {
        pointer: '/dateFormat',
      },
    );
  return strptime(/%[HI]/.test(name) ? [name] : CLOCKS.map((clock) => `${name}${clock}`));
};

export type DateReading = {
  format: DateFormat;
  /** values that are there, and how many of them the format reads */
  present: number;
  read: number;
  /** what the other values look like: a format that reads some of them, with an example */
  other: { name: string; example: string } | null;
  /** whether values of another shape could change neither the format nor its name: it alone reads all, in one form */
  settled: boolean;
};

/**
 * Finds the date format of a column on all of its rows: the one that reads the most values.
 * Errors: 'date-ambiguous' where two formats read equally many and mean different days; 'value-invalid' where none
 * reads anything.
 */
export const readDates = async (
  db: Duck,
  relation: string,
  column: SourceColumn,
  dateFormat: string | undefined,
): Promise<DateReading> => {
  if (dateFormat === undefined) {
    // No other format reads what ISO reads, so one that reads everything needs no comparison.
    const { read, stray } = await readIso(db, relation, column);
    if (read > 0 && stray === 0) return { format: ISO, present: read, read, other: null, settled: true };
  }
  const there = `FROM ${relation} WHERE NOT ${timeIsMissing(column)}`;
  const candidates = dateFormat === undefined ? await candidatesOf(db, there, column) : [given(dateFormat)];
  const times = candidates.map((format) => timeOf(column, format));
  const { present, counts } = await db
    .row<{ present: number; counts: number[] }>(
      `SELECT count(*) AS present, [${times.map((time) => `count(${time})`).join(', ')}]::BIGINT[] AS counts ${there}`,
    )
    .catch((error: unknown) => {
      if (dateFormat === undefined || !/strptime|format/i.test(String(error))) throw error;
      throw new CloveError('invalid-input', `"${dateFormat}" is no strptime form: see %d, %m, %Y, %H, %M, %S.`, {
        pointer: '/dateFormat',
        cause: error,
      });
    });
  const most = Math.max(0, ...counts);
  const best = counts.indexOf(most);
  const format = candidates[best];
  if (present === 0)
    throw new CloveError('value-invalid', `The column "${column.name}" holds no dates: every cell is empty.`);
  if (format === undefined || most === 0) {
    const { example } = await db.row<{ example: string | null }>(
      `SELECT min(${column.sql}::VARCHAR) AS example ${there}`,
    );
    throw new CloveError(
      'value-invalid',
      dateFormat === undefined
        ? `The column "${column.name}" holds no dates that can be read, such as ${JSON.stringify(example)}. Give another time column, or its form with dateFormat (--date-format; strptime, such as %d/%m/%Y).`
        : `No value of the column "${column.name}" fits the date format ${dateFormat}; one is ${JSON.stringify(example)}.`,
    );
  }
  for (const [i, count] of counts.entries()) {
    if (i === best || count !== most) continue;
    const [clash] = await db.rows<{ text: string; one: Date; two: Date }>(
      `SELECT ${column.sql}::VARCHAR AS text, ${times[best]!} AS one, ${times[i]!} AS two ${there} AND one <> two LIMIT 1`,
    );
    if (clash === undefined) continue;
    throw new CloveError(
      'date-ambiguous',
      `The dates of the column "${column.name}" can be read as ${format.name} and as ${candidates[i]!.name}: ${clash.text} would be ` +
        `${day(clash.one)} or ${day(clash.two)}, and nothing in the ${figure(present)} values tells. Say which with dateFormat (--date-format).`,
      { pointer: '/dateFormat' },
    );
  }
  const other = await otherFormat(db, there, column, candidates, times, best);
  // No other format reads what ISO reads.
  const alone = format === ISO || (format.forms === 1 && counts.every((count, i) => i === best || count < most));
  return { format, present, read: most, other, settled: dateFormat !== undefined || (most === present && alone) };
};

/**
 * What the values of a column look like that ISO does not read: the format, of those that read some of them, that a look at the
 * whole column would name too.
 */
export const otherThanIso = async (
  db: Duck,
  relation: string,
  column: SourceColumn,
): Promise<NonNullable<DateReading['other']> | null> => {
  const there = `FROM ${relation} WHERE NOT ${timeIsMissing(column)}`;
  const candidates = (await candidatesOf(db, there, column)).filter((format) => format !== ISO);
  const times = candidates.map((format) => timeOf(column, format));
  return otherFormat(db, there, column, [ISO, ...candidates], [timeOf(column, ISO), ...times], 0);
};

const otherFormat = async (
  db: Duck,
  there: string,
  column: SourceColumn,
  candidates: DateFormat[],
  times: string[],
  best: number,
): Promise<DateReading['other']> => {
  if (column.type === 'timestamp') return null;
  for (const [i, time] of times.entries()) {
    if (i === best) continue;
    const { example } = await db.row<{ example: string | null }>(
      `SELECT min(${column.sql}::VARCHAR) AS example ${there} AND (${times[best]!}) IS NULL AND (${time}) IS NOT NULL`,
    );
    if (example !== null) return { name: candidates[i]!.name, example };
  }
  return null;
};

/** Formats whose shape occurs in the column: digits are folded, so a few shapes stand for all of the values. */
const candidatesOf = async (db: Duck, there: string, column: SourceColumn): Promise<DateFormat[]> => {
  if (column.type === 'timestamp') return [{ name: 'timestamp', parse: (text) => text }];
  if (column.type === 'boolean') return [];
  const text = column.type === 'text' ? `trim(${column.sql})` : wholeText(column);
  const shapes = await db.rows<{ example: string }>(
    `SELECT min(${text}) AS example, count(*) AS n ${there} GROUP BY translate(${text}, '123456789', '000000000') ORDER BY n DESC, 1 LIMIT 200`,
  );
  const examples = shapes.map((shape) => shape.example);
  const found: DateFormat[] = [];
  if (examples.some((example) => ISO_SHAPE.test(example))) found.push(ISO);
  for (const { format, shape } of EPOCH) if (examples.some((example) => shape.test(example))) found.push(format);
  for (const family of FAMILIES) {
    const present = family
      .map(({ format, shape }) => ({ format, place: examples.findIndex((example) => shape.test(example)) }))
      .filter(({ place }) => place >= 0)
      .toSorted((a, b) => a.place - b.place);
    if (present.length > 0) found.push(strptime(present.map(({ format }) => format)));
  }
  return found;
};

/** How many values of a text column ISO reads, and how many are there that it does not read; none in columns of other types. */
const readIso = async (db: Duck, relation: string, column: SourceColumn): Promise<{ read: number; stray: number }> => {
  if (column.type !== 'text') return { read: 0, stray: 0 };
  return db.row(
    `SELECT count(time) AS read, count(CASE WHEN time IS NULL THEN CASE WHEN NOT ${timeIsMissing(column)} THEN 1 END END) AS stray
     FROM (SELECT ${column.sql}, ${timeOf(column, ISO)} AS time FROM ${relation})`,
  );
};

/** Whether nearly all values of a column are dates in some format; of a sample, when the relation is one. */
export const holdsDates = async (db: Duck, relation: string, column: SourceColumn): Promise<boolean> => {
  if (column.type === 'timestamp') return true;
  const iso = await readIso(db, relation, column);
  if (iso.read > 0 && iso.stray === 0) return true;
  const there = `FROM ${relation} WHERE NOT ${timeIsMissing(column)}`;
  const times = (await candidatesOf(db, there, column)).map((format) => timeOf(column, format));
  if (times.length === 0) return false;
  const { present, read } = await db.row<{ present: number; read: number }>(
    `SELECT count(*) AS present, count(coalesce(${times.join(', ')})) AS read ${there}`,
  );
  return present > 0 && read >= present * 0.95;
};

const day = (time: Date): string => time.toISOString().slice(0, 10);
