import { CloveError, columnNamed, customerTier, foldName, type IngestOptions, type Warning } from '@clove/contracts';
import { ident, literal, type Duck } from '../duck.js';
import { holdsDates } from './dates.js';
import { PLAIN, numberIsMissing, numberOf, readNumbers, type NumberReading } from './numbers.js';
import type { Rows, SourceColumn } from './read.js';
import { figure, firstBroken, type Rule } from './rejects.js';
import { allEmpty, identifierOf, isWholeFloat } from './transactions.js';

/** How a features table becomes the canonical one. */
export type FeaturesPlan = {
  /** SQL of the canonical rows */
  select: string;
  /** SQL of the rows with the rule that each breaks */
  checked: string;
  rules: Rule[];
  idColumn: string | null;
  targetColumn: string | null;
  /** canonical columns that are no features */
  roles: Map<string, 'id' | 'ignored'>;
  /** the canonical columns in order with those of the source that they come from; the id's is left out where row numbers serve */
  columns: { name: string; sql: string }[];
  /** columns of the source that are no ids and all of whose values plainly read as numbers */
  numbers: Set<string>;
  /** SQL of a condition over `checked`: true where a canonical value is not what the source holds */
  changed: string;
  warnings: Warning[];
};

/** What the cells of a column hold; `numbers` are those that plainly read as one. */
type Figures = {
  present: number;
  distinct: number;
  numbers: number;
  fractional: number;
  zeroLed: number;
  min: number | null;
  max: number | null;
};
type Kind = 'number' | 'text' | 'boolean' | 'date' | 'empty';
type Studied = { column: SourceColumn; figures: Figures; kind: Kind; integer: boolean; reading: NumberReading | null };

/** A column is one of numbers where at most this share of its values, or two of them, are something else. */
const STRAY_SHARE = 0.05;
const STRAY_VALUES = 2;
/** A column of text is told of where at least this share of its values are numbers. */
const MIXED_SHARE = 0.25;
/** A column called "customer id" is the id where at least this share of its values differ; another id-like name needs 0.95. */
const ID_SHARE = 0.95;
const SAMPLE = 5000;
/** SQL: the rows of `source` as the files have them, where joins may have mixed them up. */
const IN_ORDER = 'ORDER BY source.file, source.row';

/**
 * Reads a table of one row per customer: which column is the id, which the target, what type each is.
 *
 * The id is found by content: every value differs, and it is text, or whole numbers that are no measure (consecutive,
 * ascending, too many to differ by chance, or codes of one length). A column that is plainly called the customer's id
 * and has duplicates is the id all the same: the first row of each customer is taken and the others rejected.
 * Errors: 'column-missing' for a column that the user named, 'target-missing', 'value-invalid'.
 */
export const planFeatures = async (
  db: Duck,
  { columns, numbered: relation, inOrder }: Rows,
  fileRows: readonly number[],
  options: Pick<IngestOptions, 'idColumn' | 'targetColumn' | 'ignoreColumns'>,
): Promise<FeaturesPlan> => {
  const warnings: Warning[] = [];
  const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM ${relation}`);
  const ignored = new Set(options.ignoreColumns.map((name) => columnNamed(columns, name, 'ignoreColumns')));
  const target = targetOf(columns, options.targetColumn);
  const studied = await study(db, relation, columns, target);
  const givenId = options.idColumn === undefined ? null : columnNamed(columns, options.idColumn, 'idColumn');
  const free = studied.filter(({ column }) => column !== target && column !== givenId && !ignored.has(column));
  const ids = await findIds(db, relation, rows, free);
  const id = givenId ?? ids.chosen;
  const roles = new Map<string, 'id' | 'ignored'>();
  const others = studied.filter(({ column }) => column !== id);
  const names = canonicalNames(others, warnings);
  const extraIds = ids.unique.filter((column) => column !== id);
  for (const column of extraIds) roles.set(names.get(column)!, 'id');
  if (extraIds.length > 0)
    warnings.push({
      code: 'id-like-columns',
      message: `${quoted(extraIds)} differ${extraIds.length === 1 ? 's' : ''} in every row, as identifiers do, and will not be learned from.`,
      count: extraIds.length,
    });
  for (const { column, kind, figures, reading, integer } of others) {
    const name = names.get(column)!;
    if (ignored.has(column)) roles.set(name, 'ignored');
    else if (column === target || extraIds.includes(column)) continue;
    else if (kind === 'empty') {
      roles.set(name, 'ignored');
      warnings.push({
        code: 'column-empty',
        message: `The column "${column.name}" is empty and will not be learned from.`,
      });
    } else if (kind === 'date') {
      roles.set(name, 'ignored');
      warnings.push({
        code: 'column-dates',
        message: `The column "${column.name}" holds dates, which are no features as they are, and will not be learned from; days since then would be one. If each row is a purchase, give the kind transactions (--kind) and name its columns.`,
      });
    } else if (kind === 'text' && figures.distinct > 50 && figures.distinct > rows / 2) {
      roles.set(name, 'ignored');
      warnings.push({
        code: 'column-free-text',
        message: `The column "${column.name}" holds about ${figure(Math.min(figures.distinct, figures.present))} different texts in ${figure(rows)} rows: no categories, and will not be learned from.`,
      });
    }
    if (kind === 'number' || kind === 'text') numberWarnings(column, kind, reading, integer, warnings);
  }
  const rules: Rule[] = [{ when: allEmpty(columns), reason: literal('empty row'), column: null, value: 'NULL' }];
  let idSql = rowNumbers(fileRows);
  let whole = false;
  if (id !== null) {
    ({ whole } = await db.row<{ whole: boolean }>(`SELECT ${isWholeFloat(id)} AS whole FROM ${relation}`));
    idSql = identifierOf(id, whole);
    rules.push({
      when: `(${idSql}) IS NULL`,
      reason: literal('customer id is missing'),
      column: id.name,
      value: 'NULL',
    });
  }
  if (target !== null)
    targetRules(
      studied.find(({ column }) => column === target)!,
      rows,
      rules,
      warnings,
    );
  let source = relation;
  const differ = id !== null && !whole && ids.unique.includes(id);
  const repeated = id === null || differ ? 0 : await markRepeated(db, relation, idSql, rules);
  if (repeated > 0 && id !== null) {
    source = `(SELECT r.*, repeated.row IS NOT NULL AS repeated FROM ${relation} AS r LEFT JOIN repeated USING (file, row))`;
    rules.push({ when: 'repeated', reason: literal('duplicate id'), column: id.name, value: idSql });
    warnings.push({
      code: 'duplicate-ids',
      message: `${repeated === 1 ? '1 row repeats' : `${figure(repeated)} rows repeat`} a customer id ("${id.name}") that an earlier row has: the first row of each customer was taken.`,
      count: repeated,
    });
  }
  const numbers = new Set(
    others.flatMap(({ column, figures }) =>
      figures.present > 0 && figures.numbers === figures.present && !extraIds.includes(column) ? [column.sql] : [],
    ),
  );
  const canonical = others.map(({ column, kind, reading }) => {
    const value = canonicalValue(column, kind, reading, column === target);
    const stays = kind === 'number' || kind === 'empty' || kind === 'boolean' ? column.type !== 'text' : true;
    const same = column.type === 'number' && numbers.has(column.sql);
    return {
      name: names.get(column)!,
      sql: column.sql,
      value,
      changed: stays ? (same ? 'false' : `(${value}) IS DISTINCT FROM ${column.sql}`) : 'true',
    };
  });
  if (id !== null)
    canonical.unshift({
      name: 'customer_id',
      sql: id.sql,
      value: idSql,
      changed: `(${idSql}) IS DISTINCT FROM ${id.sql}`,
    });
  const checked = `(SELECT *, ${firstBroken(rules)} AS broken FROM ${source})`;
  const cells = canonical.map(({ name, value }) => `${value} AS ${ident(name)}`);
  if (id === null) cells.unshift(`${idSql} AS customer_id`);
  const learnable = others.filter(({ column }) => column !== target && !roles.has(names.get(column)!));
  if (learnable.length === 0)
    throw new CloveError(
      'column-missing',
      `No column is left to learn from: ${columns.map((column) => column.name).join(', ')}. Check the delimiter and the columns of the file.`,
    );
  return {
    select: `SELECT ${cells.join(', ')} FROM ${checked} AS source WHERE source.broken IS NULL ${inOrder && repeated === 0 ? '' : IN_ORDER}`,
    checked,
    rules,
    idColumn: id?.name ?? null,
    targetColumn: target === null ? null : names.get(target)!,
    roles,
    columns: canonical.map(({ name, sql }) => ({ name, sql })),
    numbers,
    changed: [...new Set(canonical.map(({ changed }) => changed))].join(' OR '),
    warnings,
  };
};

const targetOf = (columns: readonly SourceColumn[], given: string | undefined): SourceColumn | null =>
  given === undefined
    ? (columns.find((column) => foldName(column.name) === 'clv') ?? null)
    : columnNamed(columns, given, 'targetColumn');

const COLUMNS_PER_QUERY = 40;

/** One pass over the rows for what each column holds, and a closer look at those that are not plainly numbers. */
const study = async (
  db: Duck,
  relation: string,
  columns: readonly SourceColumn[],
  target: SourceColumn | null,
): Promise<Studied[]> => {
  const studied: Studied[] = [];
  for (let start = 0; start < columns.length; start += COLUMNS_PER_QUERY) {
    const batch = columns.slice(start, start + COLUMNS_PER_QUERY);
    const numbers = batch.map((column) => `${column.sql}, ${numberOf(column)} AS n_${column.sql}`);
    const row = await db.row<Record<string, Omit<Figures, 'distinct'>>>(
      `SELECT ${batch.map((column, i) => `${figuresOf(column)} AS f${i}`).join(', ')}
       FROM (SELECT ${numbers.join(', ')} FROM ${relation})`,
    );
    const distinct = await distinctOf(
      db,
      relation,
      batch.filter((_, i) => !isDecimal(row[`f${i}`]!)),
    );
    for (const [i, column] of batch.entries()) {
      const figures = { ...row[`f${i}`]!, distinct: distinct.get(column) ?? row[`f${i}`]!.present };
      studied.push(await classify(db, relation, column, figures, column === target));
    }
  }
  return studied;
};

/** Numbers of which some are no whole ones: neither ids nor text, so nobody asks how many differ, which costs the most to tell. */
const isDecimal = ({ numbers, present, fractional }: Omit<Figures, 'distinct'>): boolean =>
  numbers === present && fractional > 0;

/** How many values of each column differ, about. */
const distinctOf = async (
  db: Duck,
  relation: string,
  columns: readonly SourceColumn[],
): Promise<Map<SourceColumn, number>> => {
  if (columns.length === 0) return new Map();
  const row = await db.row<Record<string, number>>(
    `SELECT ${columns.map(({ sql }, i) => `approx_count_distinct(${sql}) AS d${i}`).join(', ')} FROM ${relation}`,
  );
  return new Map(columns.map((column, i) => [column, row[`d${i}`]!]));
};

const figuresOf = (column: SourceColumn): string => {
  const { sql, type } = column;
  const number = `n_${sql}`;
  const zeroLed = `count(*) FILTER (${sql} LIKE '0_%' AND ${sql} NOT LIKE '0.%' AND ${sql} NOT LIKE '0,%')`;
  // What begins with more than a blank needs no closer look.
  const present =
    type === 'text' ? `count(CASE WHEN ${sql} > '!' THEN 1 WHEN trim(${sql}) <> '' THEN 1 END)` : `count(${sql})`;
  return `struct_pack(
    present := ${present},
    numbers := count(${number}), fractional := count(*) FILTER (${number} <> trunc(${number})),
    zeroLed := ${type === 'text' ? zeroLed : '0'}, min := min(${number}), max := max(${number}))`;
};

const classify = async (
  db: Duck,
  relation: string,
  column: SourceColumn,
  figures: Figures,
  isTarget: boolean,
): Promise<Studied> => {
  const integer = figures.numbers > 0 && figures.fractional === 0;
  const result = (kind: Kind, reading: NumberReading | null = null): Studied => ({
    column,
    figures,
    kind,
    integer,
    reading,
  });
  if (figures.present === 0) return result('empty');
  if (column.type === 'boolean') return result('boolean');
  if (column.type === 'timestamp') return result('date');
  if (column.type === 'number') return result('number');
  if (isTarget) return result('number', await readNumbers(db, relation, column));
  if (figures.zeroLed === 0 && figures.numbers === figures.present) return result('number');
  const { sql } = column;
  const texts = await db.row<{ codes: boolean; values: number; booleans: number; numberLike: number }>(
    `SELECT coalesce(bool_and(regexp_full_match(t, '\\d+')) AND min(length(t)) = max(length(t)), false) AS codes,
       count(*) FILTER (NOT ${numberIsMissing(column)}) AS values, count(*) FILTER (lower(t) IN ('true', 'false')) AS booleans,
       count(*) FILTER (regexp_matches(t, '^[-+]?\\s*(R?[$€£¥₹])?\\s*[-+]?[.,]?\\d')) AS numberLike
     FROM (SELECT ${sql}, nullif(trim(${sql}), '') AS t FROM ${relation})`,
  );
  // 00501 is a code, not the number 501.
  if (figures.zeroLed > 0 && texts.codes) return result('text');
  if (texts.values === 0) return result('empty');
  if (figures.numbers === texts.values) return result('number');
  if (texts.booleans === figures.present) return result('boolean');
  if (texts.numberLike < texts.values * MIXED_SHARE) return result('text');
  if (await holdsDates(db, `(SELECT * FROM ${relation} LIMIT ${SAMPLE})`, column)) return result('date');
  const reading = await readNumbers(db, relation, column);
  const stray = reading.present - reading.read;
  const numeric = stray <= Math.max(STRAY_VALUES, reading.present * STRAY_SHARE) && reading.read * 2 > reading.present;
  return result(numeric ? 'number' : 'text', reading);
};

const numberWarnings = (
  column: SourceColumn,
  kind: Kind,
  reading: NumberReading | null,
  integer: boolean,
  warnings: Warning[],
): void => {
  if (reading === null) return;
  const stray = reading.present - reading.read;
  if (reading.ambiguous)
    warnings.push({
      code: 'number-ambiguous',
      message: `Numbers of the column "${column.name}" such as ${JSON.stringify(reading.example)} could have a thousands separator or a decimal comma; nothing in the column tells, so they were not read. Write them with a decimal point and no separators.`,
      count: stray,
    });
  if (kind === 'number' && stray > 0)
    warnings.push({
      code: 'values-unreadable',
      message: `The column "${column.name}" holds ${integer ? 'whole numbers' : 'numbers'}, but ${figure(stray)} of its ${figure(reading.present)} values are something else, such as ${JSON.stringify(reading.example)}; they count as missing.`,
      count: stray,
    });
  if (kind === 'text' && reading.read >= reading.present * MIXED_SHARE)
    warnings.push({
      code: 'column-mixed',
      message: `The column "${column.name}" holds numbers in ${figure(reading.read)} of ${figure(reading.present)} rows and text such as ${JSON.stringify(reading.example)} in the others; it was taken for text.`,
      count: stray,
    });
};

/** Canonical rows as a file: it is read more often than written, and a dictionary of what hardly repeats helps nobody. */
export const FEATURES_FILE = '(FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 1000)';

const targetRules = (target: Studied, rows: number, rules: Rule[], warnings: Warning[]): void => {
  const { column, figures, reading } = target;
  if (figures.present === 0) {
    warnings.push({
      code: 'target-empty',
      message: `The target "${column.name}" is empty: the rows can be scored, not learned from.`,
    });
    return;
  }
  const style = reading?.style ?? PLAIN;
  const missing = numberIsMissing(column);
  rules.push({
    when: `(${numberOf(column, style)}) IS NULL AND NOT ${missing}`,
    reason: literal(`target ${column.name} is not a number`),
    column: column.name,
    value: column.sql,
  });
  const without = rows - (reading?.present ?? figures.numbers);
  if (without > 0)
    warnings.push({
      code: 'target-partly-missing',
      message: `The target "${column.name}" is missing in ${figure(without)} rows: they can be scored, not learned from.`,
      count: without,
    });
};

const canonicalValue = (column: SourceColumn, kind: Kind, reading: NumberReading | null, isTarget: boolean): string => {
  if (isTarget || kind === 'number' || kind === 'empty') return numberOf(column, reading?.style);
  if (kind === 'boolean') return column.type === 'boolean' ? column.sql : `(lower(trim(${column.sql})) = 'true')`;
  return `nullif(trim(${column.sql}::VARCHAR), '')`;
};

/** Names that a canonical file keeps for the id and for what DuckDB calls the numbers of rows. */
const RESERVED = new Set(['customer_id', 'file_row_number']);

/** Canonical names: the file's own, but for those that are reserved. */
const canonicalNames = (others: readonly Studied[], warnings: Warning[]): Map<SourceColumn, string> => {
  const used = new Set(others.map(({ column }) => column.name.toLowerCase()));
  const names = new Map<SourceColumn, string>();
  for (const { column } of others) {
    let name = column.name;
    for (let n = 2; RESERVED.has(name.toLowerCase()) || (name !== column.name && used.has(name.toLowerCase())); n += 1)
      name = `${column.name.toLowerCase()}_${n}`;
    names.set(column, name);
    if (name !== column.name)
      warnings.push({
        code: 'column-renamed',
        message: `The column "${column.name}" is called "${name}": its own name has another meaning here.`,
      });
  }
  return names;
};

/** SQL: the number of the row over all files, from 1. */
const rowNumbers = (fileRows: readonly number[]): string => {
  let before = 0;
  const cases = fileRows.map((rows, file) => {
    const sql = `WHEN ${file} THEN row + ${before}`;
    before += rows;
    return sql;
  });
  return `(CASE file ${cases.join(' ')} END)::VARCHAR`;
};

/** Keeps in the table `repeated` the rows whose id an earlier usable row has; returns how many there are. */
const markRepeated = async (db: Duck, relation: string, idSql: string, rules: readonly Rule[]): Promise<number> => {
  const usable = `SELECT file, row, ${idSql} AS id FROM ${relation} WHERE ${firstBroken(rules)} IS NULL`;
  const { count } = await db.row<{ count: number }>(`SELECT count(*) - count(DISTINCT id) AS count FROM (${usable})`);
  if (count > 0)
    await db.run(`CREATE TABLE repeated AS SELECT file, row FROM (${usable})
      QUALIFY row_number() OVER (PARTITION BY id ORDER BY file, row) > 1`);
  return count;
};

/**
 * Columns that are unique per row and id-like, and which of them is the customer's: by name where a name says so, else
 * the first. A column with duplicates is only ever chosen by its name.
 */
const findIds = async (
  db: Duck,
  relation: string,
  rows: number,
  studied: readonly Studied[],
): Promise<{ chosen: SourceColumn | null; unique: SourceColumn[] }> => {
  const unique: SourceColumn[] = [];
  const nearly: SourceColumn[] = [];
  for (const { column, kind, integer, figures } of studied) {
    const tier = customerTier(column);
    if (kind !== 'text' && !(kind === 'number' && integer)) continue;
    // The approximate count can be a fifth off on small tables: only what is clearly no id is passed over.
    if (figures.distinct < figures.present * 0.5 && tier !== 0) continue;
    const { distinct, present } = await db.row<{ distinct: number; present: number }>(
      `SELECT count(DISTINCT id) AS "distinct", count(id) AS present FROM (SELECT ${identifierOf(column, false)} AS id FROM ${relation})`,
    );
    const hinted = tier !== null || hasIdName(column.name);
    if (distinct === rows && (hinted || (await idLike(db, relation, rows, column, kind, figures)))) unique.push(column);
    else if (tier === 0 || (hinted && rows >= 2 && distinct >= present * ID_SHARE && distinct >= rows / 2))
      nearly.push(column);
  }
  const byRank = (a: SourceColumn, b: SourceColumn) => rank(a) - rank(b);
  const best = unique.toSorted(byRank)[0];
  const named = nearly.toSorted(byRank)[0];
  // "customer_id" with a few duplicates beats an anonymous unique column.
  const chosen = best === undefined || (named !== undefined && rank(named) < rank(best)) ? named : best;
  return { chosen: chosen ?? null, unique };
};

/** The lower, the more a name says that the column is the customer's id. */
const rank = (column: SourceColumn): number => customerTier(column) ?? (hasIdName(column.name) ? 3 : 4);

const ID_WORDS = new Set(['id', 'ids', 'uuid', 'guid', 'key', 'pk', 'no', 'nr', 'ref', 'code', 'hash']);

/** Whether the last word of a name says identifier: user_id, orderRef, but not paid or bid_rate. */
const hasIdName = (name: string): boolean => {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((word) => word !== '');
  return ID_WORDS.has(words.at(-1) ?? '');
};

/** Of a column whose values all differ: is it an identifier, or a measure that happens to differ? */
const idLike = async (
  db: Duck,
  relation: string,
  rows: number,
  column: SourceColumn,
  kind: Kind,
  { min, max }: Figures,
): Promise<boolean> => {
  if (kind === 'text') {
    if (rows >= 20) return true;
    const { coded } = await db.row<{ coded: boolean }>(
      `SELECT bool_and(regexp_matches(${column.sql}, '[\\d@]')) AS coded FROM ${relation}`,
    );
    return coded && rows >= 2;
  }
  if (min === null || max === null) return false;
  const range = max - min + 1;
  if (rows < 20) return false;
  // Birthday bound: so many draws from so small a range do not differ by chance (probability below e^-10).
  if ((rows * (rows - 1)) / (2 * range) >= 10) return true;
  const { shortest, longest } = await db.row<{ shortest: number; longest: number }>(
    `SELECT min(length(id)) AS shortest, max(length(id)) AS longest FROM (SELECT ${identifierOf(column, true)} AS id FROM ${relation})`,
  );
  const coded = shortest === longest && shortest >= 6;
  if (coded && range >= 0.8 * (10 ** shortest - 10 ** (shortest - 1))) return true;
  // Rows are listed by id more often than by a measure, and the id comes first.
  if (column.sql !== 'c0') return false;
  const number = numberOf(column);
  const { ascending } = await db.row<{ ascending: boolean }>(
    `SELECT bool_and(before IS NULL OR number > before) AS ascending
     FROM (SELECT ${number} AS number, lag(${number}) OVER (ORDER BY file, row) AS before FROM ${relation})`,
  );
  return ascending;
};

const quoted = (columns: readonly SourceColumn[]): string => columns.map((column) => `"${column.name}"`).join(', ');
