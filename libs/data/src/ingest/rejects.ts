import { CloveError, type RejectedRow, type Warning } from '@clove/contracts';
import { literal, type Duck } from '../duck.js';

/**
 * One way for a row to be unusable, over the columns of the relation that is checked. `reason` is SQL text, so that it
 * may name the value; `column` is what the user calls the column; `expected` marks rows that are left out by choice,
 * which never make the whole file invalid.
 */
export type Rule = { when: string; reason: string; column: string | null; value: string; expected?: boolean };

const SAMPLE_ROWS = 1000;
/** Characters that are kept of a value that cannot be used. */
export const VALUE_LENGTH = 200;

/** Rows not taken live in a table: file index, row from 1, column, value, reason. */
export const createRejects = (db: Duck): Promise<void> =>
  db.run(
    `CREATE TABLE rejects (file INTEGER, row BIGINT, "column" VARCHAR, value VARCHAR, reason VARCHAR, expected BOOLEAN)`,
  );

/** SQL: the index of the first rule that a row breaks, NULL for a good row. */
export const firstBroken = (rules: readonly Rule[]): string =>
  rules.length === 0 ? 'NULL::INTEGER' : `CASE ${rules.map((rule, i) => `WHEN ${rule.when} THEN ${i}`).join(' ')} END`;

/** Keeps the rows of `relation` (columns file, row, broken and what the rules speak of) that break a rule. */
export const recordRejects = async (db: Duck, relation: string, rules: readonly Rule[]): Promise<void> => {
  if (rules.length === 0) return;
  const pick = (sql: (rule: Rule) => string) =>
    `CASE broken ${rules.map((rule, i) => `WHEN ${i} THEN ${sql(rule)}`).join(' ')} END`;
  await db.run(`INSERT INTO rejects SELECT file, row,
    ${pick((rule) => (rule.column === null ? 'NULL::VARCHAR' : literal(rule.column)))},
    left(${pick((rule) => `(${rule.value})::VARCHAR`)}, ${VALUE_LENGTH}),
    ${pick((rule) => rule.reason)},
    ${pick((rule) => String(rule.expected === true))}
    FROM ${relation} WHERE broken IS NOT NULL`);
};

export type Rejected = {
  rows: number;
  byReason: { reason: string; count: number }[];
  sample: RejectedRow[];
};

/**
 * Sums the rejected rows up. Rule: where half of the rows of the judged files or more cannot be used, the file was read
 * wrongly or is broken, and CloveError 'value-invalid' says why; fewer are left out, counted and listed.
 *
 * @param files names by index @param judged which files the rule counts, with their rows
 */
export const settleRejects = async (
  db: Duck,
  files: readonly string[],
  judged: readonly { file: number; rows: number }[],
  advice: string,
): Promise<{ rejected: Rejected; warnings: Warning[] }> => {
  const reasons = await db.rows<{ reason: string; count: number }>(
    `SELECT reason, count(*) AS count FROM rejects GROUP BY 1 ORDER BY 2 DESC, 1`,
  );
  if (reasons.length === 0) return { rejected: { rows: 0, byReason: [], sample: [] }, warnings: [] };
  const each = Math.max(1, Math.floor(SAMPLE_ROWS / Math.max(1, reasons.length)));
  const sample = await db.rows<{ file: number } & Omit<RejectedRow, 'file'>>(
    `SELECT file, row, "column", value, reason
     FROM (SELECT *, row_number() OVER (PARTITION BY reason ORDER BY file, row) AS place FROM rejects)
     WHERE place <= ${each} ORDER BY file, row, reason LIMIT ${SAMPLE_ROWS}`,
  );
  const rejected: Rejected = {
    rows: reasons.reduce((sum, { count }) => sum + count, 0),
    byReason: reasons,
    sample: sample.map((row) => ({ ...row, file: files[row.file] ?? '' })),
  };
  const unusable = await db.rows<{ reason: string; count: number }>(
    `SELECT reason, count(*) AS count FROM rejects WHERE NOT expected GROUP BY 1 ORDER BY 2 DESC, 1`,
  );
  const top = unusable
    .slice(0, 3)
    .map(({ reason, count }) => `${figure(count)} × ${reason}${example(rejected, reason)}`);
  const { count } = await db.row<{ count: number }>(
    `SELECT count(*) AS count FROM rejects WHERE NOT expected AND file IN (${judged.map(({ file }) => file).join(', ')})`,
  );
  const rows = judged.reduce((sum, file) => sum + file.rows, 0);
  if (count > 0 && count * 2 >= rows)
    throw new CloveError(
      'value-invalid',
      `${figure(count)} of ${figure(rows)} rows cannot be used: ${top.join('; ')}. ${advice}`,
    );
  const left = unusable.reduce((sum, reason) => sum + reason.count, 0);
  const warnings: Warning[] = [];
  if (left > 0)
    warnings.push({
      code: 'rows-rejected',
      message: `${left === 1 ? '1 row was' : `${figure(left)} rows were`} left out: ${top.join('; ')}${unusable.length > 3 ? '; and other reasons' : ''}. The profile lists them by row number.`,
      count: left,
    });
  return { rejected, warnings };
};

const example = ({ sample }: Rejected, reason: string): string => {
  const row = sample.find((candidate) => candidate.reason === reason);
  if (row === undefined) return '';
  const value = row.value === null || row.value === '' ? '' : `: ${JSON.stringify(row.value.slice(0, 60))}`;
  return ` (${row.file} row ${row.row}${value})`;
};

/** A count with thousands separators, for messages. */
export const figure = (count: number): string => count.toLocaleString('en-US');
