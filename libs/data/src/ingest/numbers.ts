import { isOneOf, literal, type Duck } from '../duck.js';
import type { SourceColumn } from './read.js';

/** How a column writes its numbers: `1,234.5` is comma-thousands, `1.234,5` is decimal-comma. */
export type NumberStyle = { marks: 'plain' | 'comma-thousands' | 'decimal-comma'; symbols: boolean };

export const PLAIN: NumberStyle = { marks: 'plain', symbols: false };

/** Every style, the plain one first. */
export const STYLES: readonly NumberStyle[] = [
  PLAIN,
  { marks: 'plain', symbols: true },
  { marks: 'comma-thousands', symbols: true },
  { marks: 'decimal-comma', symbols: true },
];

const NO_NUMBER = ['', 'na', 'n/a', '#n/a', 'nan', '-nan', 'null', 'none', 'nil', '\\n', '-', '--', '?'];
const SYMBOLS = '[$€£¥₹\\s\u00a0\u202f]|R\\$';

/** SQL: true where a cell of a number column says that there is no value. */
export const numberIsMissing = (column: SourceColumn): string =>
  column.type === 'text'
    ? `(${column.sql} IS NULL OR ${isOneOf(`lower(trim(${column.sql}))`, NO_NUMBER)})`
    : `(${column.sql} IS NULL${column.type === 'number' ? ` OR isnan(${column.sql}::DOUBLE)` : ''})`;

/** The bound keeps squares finite; NaN and infinity do not pass it. */
const finite = (number: string): string => `CASE WHEN abs(${number}) < 1e150 THEN ${number} END`;

/** SQL: a cell as DOUBLE, NULL where it is no finite number. */
export const numberOf = (column: SourceColumn, style: NumberStyle = PLAIN): string => {
  if (column.type === 'timestamp') return 'NULL::DOUBLE';
  if (column.type === 'boolean') return `${column.sql}::INTEGER::DOUBLE`;
  if (column.type === 'number') return finite(`${column.sql}::DOUBLE`);
  const text = style.symbols ? stripped(column) : column.sql;
  if (style.marks === 'comma-thousands')
    return `CASE WHEN ${matches(text, COMMA_THOUSANDS)} THEN ${finite(`TRY_CAST(replace(${text}, ',', '') AS DOUBLE)`)} END`;
  if (style.marks === 'decimal-comma')
    return `CASE WHEN ${matches(text, DECIMAL_COMMA)} THEN
      ${finite(`TRY_CAST(replace(replace(${text}, '.', ''), ',', '.') AS DOUBLE)`)} END`;
  return finite(`TRY_CAST(${text} AS DOUBLE)`);
};

const COMMA_THOUSANDS = '\\s*[-+]?(\\d{1,3}(,\\d{3})+|\\d+)(\\.\\d*)?\\s*';
const DECIMAL_COMMA = '\\s*[-+]?(\\d{1,3}(\\.\\d{3})+|\\d+)(,\\d*)?\\s*';
const matches = (text: string, pattern: string): string => `regexp_full_match(${text}, ${literal(pattern)})`;
const stripped = (column: SourceColumn): string => `regexp_replace(${column.sql}, ${literal(SYMBOLS)}, '', 'g')`;

export type NumberReading = {
  style: NumberStyle;
  /** values that are there */
  present: number;
  /** of those, how many the style reads */
  read: number;
  /** a value that it does not read */
  example: string | null;
  /** True where `1,234` could be a thousand or a fraction and nothing in the column tells. */
  ambiguous: boolean;
};

/**
 * Finds out how a column writes numbers, on all of its rows: plain where that reads everything, else the style that
 * reads the most values. Where both comma styles read the same values, none is chosen.
 */
export const readNumbers = async (db: Duck, relation: string, column: SourceColumn): Promise<NumberReading> => {
  const figures = (style: NumberStyle) => `count(${numberOf(column, style)})`;
  const there = `FROM ${relation} WHERE NOT ${numberIsMissing(column)}`;
  const plain = await db.row<{ read: number; stray: number }>(
    `SELECT count(number) AS read, count(CASE WHEN number IS NULL THEN CASE WHEN NOT ${numberIsMissing(column)} THEN 1 END END) AS stray
     FROM (SELECT ${column.sql}, ${numberOf(column)} AS number FROM ${relation})`,
  );
  const present = plain.read + plain.stray;
  if (plain.stray === 0 || column.type !== 'text')
    return { present, read: plain.read, style: PLAIN, example: null, ambiguous: false };
  const { counts } = await db.row<{ counts: number[] }>(
    `SELECT [${STYLES.map(figures).join(', ')}] AS counts ${there}`,
  );
  const most = Math.max(...counts);
  const ambiguous = counts[2] === counts[3] && counts[2] === most && most > counts[1]!;
  const chosen = ambiguous ? (counts[1]! > counts[0]! ? 1 : 0) : counts.indexOf(most);
  const style = STYLES[chosen]!;
  const { example } = await db.row<{ example: string | null }>(
    `SELECT min(${column.sql}) AS example ${there} AND (${numberOf(column, style)}) IS NULL`,
  );
  return { style, present, read: counts[chosen]!, example, ambiguous };
};
