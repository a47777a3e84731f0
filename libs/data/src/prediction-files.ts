import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Column } from '@clove/clv';
import { PREDICTION_COLUMNS } from '@clove/contracts';
import { DOUBLE, FLOAT } from '@duckdb/node-api';
import { type DuckOptions, type OpenDuck, ident, literal, withDuck } from './duck.js';
import { NUMBER_BYTES, putDecimal, putFloat } from './number-text.js';
import { type ScoringRows, type ScoringShape, type Stretch, stretchOf } from './scan.js';
import { appendArrays } from './vectors.js';

/** An input column that is appended to each row: its name in the files, and whether all its numbers are whole. */
export type InputColumn = { column: string; name: string; kind: Column['kind']; whole: boolean };

/**
 * How input columns are written. One that has the name of a prediction column gets the prefix `input_`; numbers that are
 * whole in every row are written as 5, not as 5.0.
 * @param o.names of columns of the rows, in the order in which they shall follow
 */
export const inputColumns = (
  o: DuckOptions & { source: ScoringRows & ScoringShape; names: readonly string[]; signal?: AbortSignal | undefined },
): Promise<InputColumn[]> =>
  withDuck({ ...o, files: [o.source.parquet] }, async (db) => {
    const kinds = new Map(o.source.columns.map(({ name, kind }) => [name, kind]));
    const checks = o.names.map((name, i) =>
      kinds.get(name) === 'numeric'
        ? `coalesce(bool_and(${ident(name)}::DOUBLE = trunc(${ident(name)}::DOUBLE) AND abs(${ident(name)}::DOUBLE) <= ${Number.MAX_SAFE_INTEGER}), true) AS c${i}`
        : `bool_and(false) AS c${i}`,
    );
    if (checks.length === 0) return [];
    const whole = await db.row<Record<string, boolean>>(
      `SELECT ${checks.join(', ')} FROM read_parquet(${literal(o.source.parquet)})`,
    );
    const taken = new Set<string>(PREDICTION_COLUMNS);
    const given = new Set(o.names);
    return o.names.map((column, i) => {
      let name = column;
      while (taken.has(name.toLowerCase()) || (name !== column && given.has(name))) name = `input_${name}`;
      taken.add(name.toLowerCase());
      return { column, name, kind: kinds.get(column) ?? 'numeric', whole: whole[`c${i}`]! };
    });
  });

/** Predictions of the rows of one stretch, in their order. */
export type ScoredRows = {
  predicted: Float32Array<ArrayBuffer>;
  /** null where the model gives no probability of buying */
  pBuy: Float32Array<ArrayBuffer> | null;
  low: Float32Array<ArrayBuffer>;
  high: Float32Array<ArrayBuffer>;
  /** share of all customers of the prediction who are predicted lower, in percent */
  percentile: Float64Array<ArrayBuffer>;
};

/** What each row of a prediction says beside its numbers. */
type Told = {
  scores: ScoredRows;
  /** what the column `model_version` shall say */
  modelVersion: string;
  /** null for a features dataset */
  asOf: string | null;
};

/** Rows of a stretch: their ids, and the inputs that are appended to each. */
type Cells = { parquet: string; stretch: Stretch; inputs: readonly InputColumn[] };

/** Percent from which a customer is of a tier, the highest first; the others are of the last. */
export const TIERS = [
  { tier: 'platinum', from: 90 },
  { tier: 'gold', from: 70 },
  { tier: 'silver', from: 40 },
  { tier: 'bronze', from: 0 },
] as const;
/** Decimals of a percentile in the files. */
const DECIMALS = 4;

/**
 * Writes one stretch of a prediction as the Parquet file `out`: PREDICTION_COLUMNS, then the inputs. `tier` follows from the
 * percentile. Ids and inputs go from the source to the file inside DuckDB.
 * @param duck reaches the source and `out`
 */
export const writePredictionParquet = async (
  { db, explain }: OpenDuck,
  { scores, inputs, ...o }: Told & Cells & { out: string },
): Promise<void> => {
  try {
    const { predicted, pBuy, low, high, percentile } = scores;
    await db.run(
      'CREATE OR REPLACE TABLE staged (predicted_clv FLOAT, p_buy FLOAT, low FLOAT, high FLOAT, percentile DOUBLE)',
    );
    const appender = await db.connection.createAppender('staged');
    const types = [FLOAT, FLOAT, FLOAT, FLOAT, DOUBLE];
    appendArrays(appender, types, predicted.length, [predicted, pBuy ?? predicted, low, high, percentile]);
    appender.closeSync();
    const tiers = TIERS.map(({ tier, from }) => `WHEN percentile >= ${from} THEN ${literal(tier)}`);
    const columns = [
      'customer_id, predicted_clv',
      `${pBuy === null ? 'NULL::FLOAT' : 'p_buy'} AS p_buy`,
      `low, high, round(percentile, ${DECIMALS}) AS percentile`,
      `CASE ${tiers.join(' ')} END AS tier`,
      `${literal(o.modelVersion)} AS model_version`,
      `${o.asOf === null ? 'NULL' : literal(o.asOf)}::DATE AS as_of`,
      ...inputs.map(({ name }) => ident(name)),
    ];
    await db.run(
      `COPY (SELECT ${columns.join(', ')} FROM (${rowsOf({ ...o, inputs })}) POSITIONAL JOIN staged)
       TO ${literal(o.out)} ${PREDICTIONS_FILE}`,
    );
  } catch (error) {
    throw explain(error);
  }
};

/** SQL of the id and the inputs of each row of a stretch. */
const rowsOf = ({ parquet, stretch, inputs }: Cells): string => {
  const values = inputs.map(({ column, name, kind, whole }) => {
    const value = kind === 'categorical' ? ident(column) : `nullif(${ident(column)}::DOUBLE, 'NaN'::DOUBLE)`;
    return `, ${value}${whole ? '::BIGINT' : ''} AS ${ident(name)}`;
  });
  return `SELECT customer_id${values.join('')} FROM ${stretchOf(parquet, stretch)}`;
};

/**
 * The ids and inputs of a stretch as lines of CSV, for `writePredictionCsv`.
 *
 * Spreadsheets run text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a formula. Such text is given a
 * leading apostrophe; numbers are not touched.
 * @param duck reaches the source
 */
export const customerCells = async ({ db, explain }: OpenDuck, o: Cells): Promise<Uint8Array> => {
  const file = join(db.folder, 'cells.csv');
  const cells = [guardedSql('customer_id')];
  for (const { name, kind } of o.inputs) cells.push(kind === 'categorical' ? guardedSql(ident(name)) : ident(name));
  try {
    await db.run(
      `COPY (SELECT ${cells.join(', ')} FROM (${rowsOf(o)})) TO ${literal(file)} (FORMAT csv, HEADER false)`,
    );
    return await readFile(file);
  } catch (error) {
    throw explain(error);
  }
};

/**
 * Writes one stretch of a prediction as the CSV file `out`, without the names of the columns: those stand in front of the whole,
 * see `joinedCsv`. Numbers have the text that DuckDB gives them.
 * @param o.cells a line for each row: the cell of its id, then those of its inputs
 */
export const writePredictionCsv = async ({ out, ...o }: Told & { cells: Uint8Array; out: string }): Promise<void> =>
  writeFile(out, predictionLines(o));

const [COMMA, LINE, QUOTE] = [44, 10, 34];
const BLOCK = 2 ** 20;

/** Lines, a block at a time; the next block takes the place of the one before, so that must be written by then. */
function* predictionLines({ cells, scores, modelVersion, asOf }: Told & { cells: Uint8Array }): Generator<Uint8Array> {
  const { predicted, pBuy, low, high, percentile } = scores;
  const ends = TIERS.map(({ tier }) => new Uint8Array(Buffer.from(`,${tier},${textCell(modelVersion)},${asOf ?? ''}`)));
  const most = 5 * (NUMBER_BYTES + 1) + Math.max(...ends.map(({ length }) => length)) + 1;
  let block = new Uint8Array(BLOCK);
  let at = 0;
  let read = 0;
  for (let row = 0; row < predicted.length; row += 1) {
    // A line ends, and a cell, outside of quotes.
    const start = read;
    let id = -1;
    for (let quoted = false; ; read += 1) {
      const byte = cells[read]!;
      if (byte === QUOTE) quoted = !quoted;
      else if (quoted) continue;
      else if (byte === LINE) break;
      else if (byte === COMMA && id < 0) id = read;
    }
    if (id < 0) id = read;
    if (at + read - start + most > block.length) {
      yield block.subarray(0, at);
      at = 0;
      if (read - start + most > block.length) block = new Uint8Array(read - start + most);
    }
    for (let i = start; i < id; i += 1) block[at++] = cells[i]!;
    block[at++] = COMMA;
    at = putFloat(block, at, predicted[row]!);
    block[at++] = COMMA;
    if (pBuy !== null) at = putFloat(block, at, pBuy[row]!);
    block[at++] = COMMA;
    at = putFloat(block, at, low[row]!);
    block[at++] = COMMA;
    at = putFloat(block, at, high[row]!);
    block[at++] = COMMA;
    const percent = percentile[row]!;
    at = putDecimal(block, at, Math.round(percent * 10 ** DECIMALS), DECIMALS);
    let tier = 0;
    while (percent < TIERS[tier]!.from) tier += 1;
    const end = ends[tier]!;
    for (let i = 0; i < end.length; i += 1) block[at++] = end[i]!;
    for (let i = id; i < read; i += 1) block[at++] = cells[i]!;
    block[at++] = LINE;
    read += 1;
  }
  yield block.subarray(0, at);
}

/** How the Parquet of a prediction is written. */
export const PREDICTIONS_FILE = '(FORMAT parquet, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT 1000)';

const namesOf = (inputs: readonly Pick<InputColumn, 'name'>[]): string[] => [
  ...PREDICTION_COLUMNS,
  ...inputs.map(({ name }) => name),
];

/** The CSV of a whole prediction as bytes: the names of the columns, then the stretches one after the other. */
export async function* joinedCsv(o: {
  inputs: readonly Pick<InputColumn, 'name'>[];
  /** in order */
  files: readonly string[];
}): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(`${namesOf(o.inputs).map(textCell).join(',')}\n`);
  for (const file of o.files) yield* createReadStream(file, { highWaterMark: BLOCK });
}

/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;
/** SQL: a text that no spreadsheet takes for a formula. */
export const guardedSql = (text: string): string =>
  `CASE WHEN regexp_matches(${text}, '^[=+\\-@\\t\\r]') THEN '''' || ${text} ELSE ${text} END`;

/** A text as `customerCells` has it, and as DuckDB quotes it. */
const textCell = (text: string): string => {
  const guarded = FORMULA.test(text) ? `'${text}` : text;
  return guarded === '' || /[",#\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
};
