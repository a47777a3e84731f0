import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Column, Table } from '@clove/clv';
import { CloveError, PREDICTION_COLUMNS, type PredictionSummary } from '@clove/contracts';
import { DOUBLE, type DuckDBAppender, type DuckDBType, FLOAT, VARCHAR } from '@duckdb/node-api';
import { type Values, appendColumns } from './columns.js';
import { type Duck, type DuckOptions, ident, literal, openDuck, throwIfAborted } from './duck.js';

/** Scored customers, in the order in which they shall appear. */
export type PredictionChunk = {
  ids: readonly string[];
  predicted: Float32Array;
  /** null where the model gives no probability of buying */
  pBuy: Float32Array | null;
  low: Float32Array;
  high: Float32Array;
  /** with `includeInputs`: the columns to append to each row; the same names and kinds in every chunk */
  inputs?: Table['columns'] | undefined;
};

/** `append` any number of times, then either `finish` or `abort`, once. */
export type PredictionWriter = {
  /** @throws CloveError internal where a prediction is not a finite number or the inputs changed */
  append(chunk: PredictionChunk): Promise<void>;
  /**
   * Ranks all rows, writes both files and closes. Files appear whole or not at all.
   * @param o.modelVersion what the column `model_version` shall say @param o.asOf null for a features dataset
   */
  finish(o: { modelVersion: string; asOf: string | null }): Promise<{ rows: number; summary: PredictionSummary }>;
  /** Closes and leaves nothing behind; harmless after `finish`. */
  abort(): Promise<void>;
};

/**
 * Opens a writer of `predictions.parquet` and `predictions.csv` in `outDir`: PREDICTION_COLUMNS, then the inputs when
 * asked for, in the order in which rows were appended. `percentile` is the share of customers predicted lower, in
 * percent, and `tier` follows from it. An input that has the name of a prediction column gets the prefix `input_`.
 *
 * Spreadsheets run text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a formula. In the CSV such
 * text, column names included, is given a leading apostrophe; numbers are not touched, and the Parquet keeps the text
 * as it is.
 *
 * Memory stays bounded whatever the row count: rows beyond the limit spill to the scratch folder.
 */
export const createPredictionWriter = async (
  o: DuckOptions & { outDir: string; includeInputs?: boolean | undefined; signal?: AbortSignal | undefined },
): Promise<PredictionWriter> => {
  const { db, explain, close } = await openDuck(o);
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      throwIfAborted(o.signal);
      return await work();
    } catch (error) {
      await close();
      throw explain(error);
    }
  };
  let staging: Staging | undefined;
  let rows = 0;
  return {
    append: (chunk) =>
      guarded(async () => {
        const inputs = inputsOf(chunk, o.includeInputs ?? false);
        staging ??= await createStaging(db, inputs);
        checkChunk(chunk, inputs, staging.inputs);
        const count = chunk.ids.length;
        const positions = Float64Array.from({ length: count }, (_, i) => rows + i);
        const pBuy = chunk.pBuy ?? new Float32Array(count).fill(Number.NaN);
        const values: Values[] = [positions, chunk.ids, chunk.predicted, pBuy, chunk.low, chunk.high];
        appendColumns(staging.appender, staging.types, count, [...values, ...inputs.map(({ values: input }) => input)]);
        rows += count;
      }),
    finish: ({ modelVersion, asOf }) =>
      guarded(async () => {
        staging ??= await createStaging(db, []);
        staging.appender.closeSync();
        await db.run(rankedSql(staging.inputs, await wholeInputs(db, staging.inputs), modelVersion, asOf));
        await writeBoth(db, o.outDir, staging.inputs);
        const summary = await summaryOf(db, rows);
        await close();
        return { rows, summary };
      }),
    abort: close,
  };
};

type Input = Column & { name: string };
type Staging = { appender: DuckDBAppender; types: DuckDBType[]; inputs: { name: string; kind: Column['kind'] }[] };

const inputsOf = (chunk: PredictionChunk, wanted: boolean): Input[] => {
  if (!wanted) return [];
  if (chunk.inputs === undefined) throw new CloveError('internal', 'A chunk of predictions came without its inputs.');
  const taken = new Set<string>(PREDICTION_COLUMNS);
  const names = new Set(chunk.inputs.keys());
  return Array.from(chunk.inputs, ([name, column]) => {
    let free = name;
    while (taken.has(free.toLowerCase()) || (free !== name && names.has(free))) free = `input_${free}`;
    taken.add(free.toLowerCase());
    return { ...column, name: free };
  });
};

const createStaging = async (db: Duck, inputs: Input[]): Promise<Staging> => {
  const columns: [string, DuckDBType][] = [
    ['position', DOUBLE],
    ['customer_id', VARCHAR],
    ['predicted_clv', FLOAT],
    ['p_buy', FLOAT],
    ['low', FLOAT],
    ['high', FLOAT],
    ...inputs.map(({ kind }, i): [string, DuckDBType] => [`input${i}`, kind === 'numeric' ? DOUBLE : VARCHAR]),
  ];
  await db.run(`CREATE TABLE staged (${columns.map(([name, type]) => `${name} ${String(type)}`).join(', ')})`);
  return {
    appender: await db.connection.createAppender('staged'),
    types: columns.map(([, type]) => type),
    inputs: inputs.map(({ name, kind }) => ({ name, kind })),
  };
};

const checkChunk = (chunk: PredictionChunk, inputs: Input[], staged: Staging['inputs']): void => {
  const same = inputs.length === staged.length && inputs.every(({ name }, i) => name === staged[i]!.name);
  if (!same) throw new CloveError('internal', 'The input columns changed between two chunks of predictions.');
  for (const [name, values] of [
    ['prediction', chunk.predicted],
    ['lower bound', chunk.low],
    ['upper bound', chunk.high],
  ] as const) {
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new CloveError(
        'internal',
        `The model gave ${values[bad]} as the ${name} for customer "${chunk.ids[bad]}": train it anew, or look for extreme values in that row.`,
      );
  }
};

/** Which inputs hold whole numbers only: they are written as 5, not as 5.0. */
const wholeInputs = async (db: Duck, inputs: Staging['inputs']): Promise<boolean[]> => {
  const checks = inputs.map(({ kind }, i) =>
    kind === 'numeric'
      ? `coalesce(bool_and(input${i} = trunc(input${i}) AND abs(input${i}) <= ${Number.MAX_SAFE_INTEGER}), true) AS input${i}`
      : `false AS input${i}`,
  );
  if (checks.length === 0) return [];
  return Object.values(await db.row<Record<string, boolean>>(`SELECT ${checks.join(', ')} FROM staged`));
};

/** The table `ranked`: the rows as they are written, in the order in which they came. */
const rankedSql = (
  inputs: Staging['inputs'],
  whole: readonly boolean[],
  modelVersion: string,
  asOf: string | null,
): string => `
CREATE TABLE ranked AS
SELECT
  customer_id, predicted_clv, p_buy, low, high,
  round(percentile, 4) AS percentile,
  CASE WHEN percentile >= 90 THEN 'platinum' WHEN percentile >= 70 THEN 'gold'
    WHEN percentile >= 40 THEN 'silver' ELSE 'bronze' END AS tier,
  ${literal(modelVersion)} AS model_version,
  ${asOf === null ? 'NULL' : literal(asOf)}::DATE AS as_of
  ${inputs.map(({ name }, i) => `, input${i}${whole[i] ? '::BIGINT' : ''} AS ${ident(name)}`).join('')}
FROM (
  SELECT *, 100 * (rank() OVER (ORDER BY predicted_clv) - 1) / (count(*) OVER ()) AS percentile FROM staged
)
ORDER BY position`;

const writeBoth = async (db: Duck, outDir: string, inputs: Staging['inputs']): Promise<void> => {
  await mkdir(outDir, { recursive: true });
  const texts = new Set(['customer_id', 'tier', 'model_version']);
  for (const { name, kind } of inputs) if (kind === 'categorical') texts.add(name);
  const cells = [...PREDICTION_COLUMNS, ...inputs.map(({ name }) => name)].map((name) => {
    const cell = texts.has(name) ? guardedSql(ident(name)) : ident(name);
    return `${cell} AS ${ident(FORMULA.test(name) ? `'${name}` : name)}`;
  });
  const parquet = join(outDir, 'predictions.parquet');
  const csv = join(outDir, 'predictions.csv');
  try {
    await db.run(`COPY ranked TO ${literal(`${parquet}.part`)} (FORMAT parquet, COMPRESSION zstd)`);
    await db.run(`COPY (SELECT ${cells.join(', ')} FROM ranked) TO ${literal(`${csv}.part`)} (FORMAT csv, HEADER)`);
    await rename(`${parquet}.part`, parquet);
    await rename(`${csv}.part`, csv);
  } finally {
    await rm(`${parquet}.part`, { force: true });
    await rm(`${csv}.part`, { force: true });
  }
};

/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;
const guardedSql = (text: string): string =>
  `CASE WHEN regexp_matches(${text}, '^[=+\\-@\\t\\r]') THEN '''' || ${text} ELSE ${text} END`;

const summaryOf = async (db: Duck, rows: number): Promise<PredictionSummary> => {
  if (rows === 0) return { customers: 0, total: 0, mean: 0, median: 0, sd: 0, min: 0, max: 0 };
  const figures = await db.row<Omit<PredictionSummary, 'median'>>(`
    SELECT
      count(*) AS customers, sum(predicted_clv::DOUBLE) AS total, avg(predicted_clv::DOUBLE) AS mean,
      stddev_pop(predicted_clv::DOUBLE) AS sd, min(predicted_clv) AS min, max(predicted_clv) AS max
    FROM ranked`);
  // The middle of a sort that may spill; DuckDB's own median would hold every value in memory.
  const { median } = await db.row<{ median: number }>(`
    SELECT avg(predicted_clv::DOUBLE) AS median FROM (
      SELECT predicted_clv FROM ranked ORDER BY predicted_clv LIMIT ${rows % 2 === 0 ? 2 : 1} OFFSET ${Math.floor((rows - 1) / 2)}
    )`);
  return { ...figures, median };
};
