import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Duck, literal } from '../duck.js';

/**
 * Writes every rejected row to `rejected.parquet` and `rejected.csv`, in the order of the files: file, row (from 1, the header not counted), column, value, reason.
 * Parquet for paging, CSV for people; a value that a spreadsheet would take for a formula has an apostrophe before it there.
 * @param names of the files, by index
 */
export const writeRejected = (db: Duck, names: readonly string[], outDir: string): Promise<void> => {
  const files = names.map((name, i) => `(${i}, ${literal(name)})`).join(', ');
  const rows = `SELECT f.name AS file, r.row, r."column", r.value, r.reason
    FROM rejects AS r JOIN (VALUES ${files}) AS f(number, name) ON f.number = r.file
    ORDER BY r.file, r.row, r.reason`;
  return writeRejectedFiles(db, rows, outDir);
};

/** The same of an SQL query of rows that have these columns, in its order. */
export const writeRejectedFiles = async (db: Duck, rows: string, outDir: string): Promise<void> => {
  const guarded = ['file', 'column', 'value', 'reason'].map((name) => `${guardedSql(name)} AS "${name}"`);
  const parquet = join(outDir, 'rejected.parquet');
  const csv = join(outDir, 'rejected.csv');
  await db.run(`COPY (${rows}) TO ${literal(`${parquet}.part`)} (FORMAT parquet, COMPRESSION zstd)`);
  await db.run(
    `COPY (SELECT * REPLACE (${guarded.join(', ')}) FROM (${rows})) TO ${literal(`${csv}.part`)} (FORMAT csv, HEADER)`,
  );
  for (const file of [parquet, csv]) await rename(`${file}.part`, file);
};

const guardedSql = (name: string): string =>
  `CASE WHEN regexp_matches("${name}", '^[=+\\-@\\t\\r]') THEN '''' || "${name}" ELSE "${name}" END`;
