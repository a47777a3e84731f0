import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { Column } from '@clove/clv';
import { PREDICTION_COLUMNS } from '@clove/contracts';
import { DOUBLE, FLOAT } from '@duckdb/node-api';
import { type DuckOptions, ident, literal, withDuck } from './duck.js';
import { joinedParquet } from './parquet-join.js';
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

/**
 * Writes one stretch of a prediction as `parquet` and as `csv`: PREDICTION_COLUMNS, then the inputs. The names of the columns
 * stand in a file of their own, see `joinPredictions`. `tier` follows from the percentile. Ids and inputs go from the
 * source to the files inside DuckDB.
 *
 * Spreadsheets run text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a formula. In the CSV such text,
 * column names included, is given a leading apostrophe; numbers are not touched, and the Parquet keeps the text as it is.
 */
export const writePredictions = (
  o: DuckOptions & {
    parquet: string;
    stretch: Stretch;
    scores: ScoredRows;
    inputs: readonly InputColumn[];
    /** what the column `model_version` shall say */
    modelVersion: string;
    /** null for a features dataset */
    asOf: string | null;
    /** files to write */
    out: { parquet: string; csv: string };
    signal?: AbortSignal | undefined;
  },
): Promise<void> =>
  withDuck({ ...o, files: [o.parquet, o.out.parquet, o.out.csv] }, async (db) => {
    const { predicted, pBuy, low, high, percentile } = o.scores;
    await db.run('CREATE TABLE staged (predicted_clv FLOAT, p_buy FLOAT, low FLOAT, high FLOAT, percentile DOUBLE)');
    const appender = await db.connection.createAppender('staged');
    const types = [FLOAT, FLOAT, FLOAT, FLOAT, DOUBLE];
    appendArrays(appender, types, predicted.length, [predicted, pBuy ?? predicted, low, high, percentile]);
    appender.closeSync();
    const inputs = o.inputs.map(({ column, name, kind, whole }) => {
      const value = kind === 'categorical' ? ident(column) : `nullif(${ident(column)}::DOUBLE, 'NaN'::DOUBLE)`;
      return `, ${value}${whole ? '::BIGINT' : ''} AS ${ident(name)}`;
    });
    const columns = [
      'customer_id, predicted_clv',
      `${pBuy === null ? 'NULL::FLOAT' : 'p_buy'} AS p_buy`,
      'low, high, round(percentile, 4) AS percentile',
      `CASE WHEN percentile >= 90 THEN 'platinum' WHEN percentile >= 70 THEN 'gold'
        WHEN percentile >= 40 THEN 'silver' ELSE 'bronze' END AS tier`,
      `${literal(o.modelVersion)} AS model_version`,
      `${o.asOf === null ? 'NULL' : literal(o.asOf)}::DATE AS as_of`,
    ];
    const names = ['customer_id', ...o.inputs.map(({ name }) => name)].map(ident);
    const read = `SELECT customer_id${inputs.join('')} FROM ${stretchOf(o.parquet, o.stretch)}`;
    const ranked = `SELECT ${[...columns, ...names.slice(1)].join(', ')} FROM (${read}) POSITIONAL JOIN staged`;
    await db.run(
      `COPY (${ranked}) TO ${literal(o.out.parquet)} (FORMAT parquet, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT 1000)`,
    );
    const texts = new Set(['customer_id', 'model_version']);
    for (const { name, kind } of o.inputs) if (kind === 'categorical') texts.add(name);
    const cells = namesOf(o.inputs).map((name) => (texts.has(name) ? guardedSql(ident(name)) : ident(name)));
    await db.run(
      `COPY (SELECT ${cells.join(', ')} FROM (${ranked})) TO ${literal(o.out.csv)} (FORMAT csv, HEADER false)`,
    );
  });

const namesOf = (inputs: readonly InputColumn[]): string[] => [
  ...PREDICTION_COLUMNS,
  ...inputs.map(({ name }) => name),
];

/** The files of a whole prediction as streams of bytes, made of those of its stretches one after the other. */
export const joinedPredictions = (o: {
  inputs: readonly InputColumn[];
  /** of at least one stretch, in order */
  parts: readonly { parquet: string; csv: string }[];
}): { csv: Readable; parquet: Readable } => ({
  csv: Readable.from(joinedCsv(o), { objectMode: false }),
  parquet: Readable.from(joinedParquet(o.parts.map(({ parquet }) => parquet)), { objectMode: false }),
});

async function* joinedCsv(o: Parameters<typeof joinedPredictions>[0]): AsyncGenerator<Uint8Array, void, undefined> {
  const header = namesOf(o.inputs).map((name) => cell(FORMULA.test(name) ? `'${name}` : name));
  yield Buffer.from(`${header.join(',')}\n`);
  for (const { csv } of o.parts) yield* createReadStream(csv, { highWaterMark: 2 ** 20 });
}

/** A text as DuckDB writes it to a CSV. */
const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;
const guardedSql = (text: string): string =>
  `CASE WHEN regexp_matches(${text}, '^[=+\\-@\\t\\r]') THEN '''' || ${text} ELSE ${text} END`;
