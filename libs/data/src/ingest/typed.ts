import { CloveError, type DatasetKind, type IngestOptions } from '@clove/contracts';
import { ident, literal, type Duck } from '../duck.js';
import { FEATURES_FILE, type FeaturesPlan, planFeatures } from './features.js';
import { guessKind } from './plan.js';
import {
  type Source,
  type SourceColumn,
  type Text,
  createHead,
  csvRows,
  describeText,
  isPlainText,
  renamedColumns,
} from './read.js';

/**
 * The short way of a plain CSV of features, one pass from text to typed columns in the Parquet `stage`: which columns are
 * numbers is told by the first rows, and holds where the file has nothing else in them. Otherwise nothing is left behind but
 * `stage`, and the file is staged as text and looked at as a whole, which gives what this way gives where it goes through.
 * @param kind null where it has to be found out
 * @returns null where the file has to be staged as text; `canonical` where `stage` holds the canonical rows as they are
 */
export const ingestTyped = async (
  db: Duck,
  text: Text,
  options: IngestOptions,
  kind: DatasetKind | null,
  stage: string,
): Promise<{ source: Source; plan: FeaturesPlan; canonical: boolean } | null> => {
  if (!isPlainText(text)) return null;
  const head = await planFromHead(db, text, options, kind);
  if (head === null || head.numbers.size === 0) return null;
  const columns = text.dialect.names.map((name, i): SourceColumn => {
    const sql = `c${i}`;
    return { name, sql, type: head.numbers.has(sql) ? 'number' : 'text' };
  });
  const names = head.columns.map(({ name, sql }) => `${sql} AS ${ident(name)}`);
  const rows = csvRows(text, 'ignore_errors = false', head.numbers);
  const taken = await takenOrNull(
    db,
    `COPY (SELECT ${names.join(', ')} FROM (${rows})) TO ${literal(stage)} ${FEATURES_FILE}`,
  );
  if (taken === null || taken === 0) return null;
  const fields = head.columns.map(({ name, sql }) => `${ident(name)} AS ${sql}`).join(', ');
  const from = `read_parquet(${literal(stage)}, file_row_number = true)`;
  const source: Source = {
    ...describeText(text, taken),
    columns,
    relation: `(SELECT ${fields} FROM ${from})`,
    numbered: `(SELECT ${text.file} AS file, file_row_number + 1 AS row, ${fields} FROM ${from})`,
    gaps: null,
    warnings: renamedColumns(text),
  };
  const plan = await planFeatures(db, { ...source, inOrder: true }, [taken], options);
  // NaN, infinity, and numbers that turn out to be ids are matters of text.
  if (![...head.numbers].every((sql) => plan.numbers.has(sql))) return null;
  const expected = plan.idColumn !== null && JSON.stringify(plan.columns) === JSON.stringify(head.columns);
  const { canonical } = expected
    ? await db.row<{ canonical: boolean }>(
        `SELECT NOT bool_or(broken IS NOT NULL OR ${plan.changed}) AS canonical FROM ${plan.checked}`,
      )
    : { canonical: false };
  return { source, plan, canonical };
};

/** The rows that a COPY takes from a text file; null where one of them is not as expected, which ends it. */
const takenOrNull = async (db: Duck, copy: string): Promise<number | null> => {
  try {
    return (await db.row<{ Count: number }>(copy)).Count;
  } catch (error) {
    if (error instanceof Error && /^(Invalid Input|Conversion) Error/.test(error.message)) return null;
    throw error;
  }
};

/** What the first rows say; in `numbers` only columns that no further row makes codes such as 00501. */
const planFromHead = async (
  db: Duck,
  text: Text,
  options: IngestOptions,
  kind: DatasetKind | null,
): Promise<FeaturesPlan | null> => {
  try {
    const { columns, relation, numbered, rows } = await createHead(db, text);
    if (rows === 0) return null;
    if (kind === null) {
      const guessed = await guessKind(db, { columns, relation });
      if (guessed.kind !== 'features' || !guessed.settled) return null;
    }
    const plan = await planFeatures(db, { columns, relation, numbered, inOrder: true }, [rows], options);
    for (const column of plan.numbers) {
      const { codes } = await db.row<{ codes: boolean }>(
        `SELECT bool_and(regexp_full_match(trim(${column}), '\\d*')) AND count(DISTINCT length(nullif(trim(${column}), ''))) < 2
           OR bool_or(regexp_matches(${column}, '^\\s*0\\d')) AS codes FROM ${relation}`,
      );
      if (codes) plan.numbers.delete(column);
    }
    return plan;
  } catch (error) {
    // What the first rows cannot answer, the whole file may; and who is cancelled is told so by the next statement.
    if (error instanceof CloveError) return null;
    throw error;
  }
};
