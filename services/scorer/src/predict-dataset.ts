import { type OpenPredictor, encodingWarnings, noCounts } from '@clove/clv';
import { CloveError, type DatasetProfile, type PredictionSummary, type Warning } from '@clove/contracts';
import { createPredictionWriter, scan } from '@clove/data';
import { scannable, takenColumns } from './columns.js';
import { daysOf, openModelFolder, requireKind } from './model.js';

/** What the scorer's work tells while it runs. */
export type ScoreMessage = { fraction: number; stage: string };
export type ScoreIo = { signal: AbortSignal; post(message: ScoreMessage): void };

export type PredictInput = {
  /** folder with model.onnx and model.json */
  modelDir: string;
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** transactions: the last day of the data when left out */
  asOf?: string;
  /** append the model's input columns (of a features dataset, all columns) to each row */
  includeInputs: boolean;
  /** what the column `model_version` says */
  modelVersion: string;
  /** receives predictions.parquet and predictions.csv */
  outDir: string;
  scratchDir: string;
  memoryLimitBytes?: number;
  threads?: number;
};

export type PredictionResult = {
  rows: number;
  summary: PredictionSummary;
  warnings: Warning[];
  /** null for a features dataset */
  asOf: string | null;
};

/**
 * Scores every customer of a dataset, one row each, and writes the prediction files. Memory stays bounded whatever the row
 * count. What was filled, unknown or left unused is counted in the warnings. Blocks its thread while it computes.
 * @throws CloveError `kind-mismatch`; `columns-mismatch` where more than half of the model's features are missing;
 * `value-invalid` where most of a numeric column is text; `data-empty`; `invalid-input` for an as-of date that cannot be
 */
export const predictDataset = async (i: PredictInput, io: ScoreIo): Promise<PredictionResult> => {
  const model = await openModelFolder(i.modelDir, i.threads === undefined ? {} : { threads: i.threads });
  try {
    return await scoreAll(model, i, io);
  } finally {
    await model.release();
  }
};

const scoreAll = async (model: OpenPredictor, i: PredictInput, io: ScoreIo): Promise<PredictionResult> => {
  const { manifest } = model;
  const { schema } = manifest;
  requireKind(manifest, i.profile);
  const asOf = asOfDay(i);
  const taken = takenColumns(model, i.profile);
  const inputs = i.profile.kind === 'features' ? scannable(i.profile) : taken.columns;
  const columns = i.includeInputs ? inputs : taken.columns;
  io.post({ fraction: 0.02, stage: asOf.day === null ? 'reading' : `features as of ${asOf.day}` });

  const duck = {
    scratchDir: i.scratchDir,
    ...(i.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: i.memoryLimitBytes }),
    ...(i.threads === undefined ? {} : { threads: i.threads }),
  };
  const writer = await createPredictionWriter({
    ...duck,
    outDir: i.outDir,
    includeInputs: i.includeInputs,
    signal: io.signal,
  });
  try {
    const counts = noCounts();
    let rows = 0;
    let lowest = Number.POSITIVE_INFINITY;
    let highest = Number.NEGATIVE_INFINITY;
    const chunks = scan({
      ...duck,
      parquet: i.parquet,
      profile: i.profile,
      asOf: asOf.day ?? undefined,
      columns,
      ...(model.sequence === null ? {} : { sequence: model.sequence }),
      signal: io.signal,
    });
    for await (const table of chunks) {
      const scores = await model.score(table, counts);
      await writer.append({
        ids: table.ids,
        ...scores,
        inputs: i.includeInputs ? table.columns : undefined,
      });
      for (const value of scores.predicted) {
        lowest = Math.min(lowest, value);
        highest = Math.max(highest, value);
      }
      rows += table.rows;
      io.post({
        fraction: 0.05 + 0.85 * Math.min(1, rows / Math.max(1, i.profile.customers)),
        stage: `${rows} customers scored`,
      });
    }
    if (rows === 0) {
      throw new CloveError(
        'data-empty',
        asOf.day === null ? 'The dataset has no rows to score.' : `No customer bought anything by ${asOf.day}.`,
      );
    }
    refuseText(counts, rows);
    const warnings = [...asOf.warnings, ...taken.warnings, ...encodingWarnings(schema, counts, manifest.kind)];
    if (rows > 1 && lowest === highest) {
      warnings.push({
        code: 'constant-predictions',
        message: `Every customer got the same prediction, ${lowest}: the model found nothing in these columns to tell customers apart. Look at its evaluation, and at the columns that are missing.`,
        count: rows,
      });
    }
    io.post({ fraction: 0.92, stage: 'writing the files' });
    const written = await writer.finish({ modelVersion: i.modelVersion, asOf: asOf.day });
    return { ...written, warnings, asOf: asOf.day };
  } catch (error) {
    await writer.abort();
    throw error;
  }
};

/** The day at whose end customers are seen; null for a features dataset. */
const asOfDay = (i: PredictInput): { day: string | null; warnings: Warning[] } => {
  if (i.profile.kind === 'features') {
    if (i.asOf === undefined) return { day: null, warnings: [] };
    throw new CloveError(
      'invalid-input',
      'asOf is for transactions: the features of this dataset were fixed when it was made. Leave asOf out.',
    );
  }
  const { firstDay, lastDay } = daysOf(i.profile);
  const day = i.asOf ?? lastDay;
  if (day < firstDay) {
    throw new CloveError(
      'invalid-input',
      `asOf ${day} lies before the first purchase, on ${firstDay}: nobody is known by then. Choose ${firstDay} or later.`,
    );
  }
  if (day <= lastDay) return { day, warnings: [] };
  return {
    day,
    warnings: [
      {
        code: 'as-of-after-data',
        message: `The data ends on ${lastDay}, before the as-of date ${day}: the days between count as days without a purchase. Bring newer data if there were any.`,
      },
    ],
  };
};

/** A column that must hold numbers and mostly holds text is another column. */
const refuseText = (counts: ReturnType<typeof noCounts>, rows: number): void => {
  for (const [name, { count, example, customer }] of counts.unreadable) {
    const present = rows - (counts.missing.get(name) ?? 0);
    if (count * 2 > present) {
      throw new CloveError(
        'value-invalid',
        `Column "${name}" must hold numbers, but ${count} of its ${present} values are text, first "${example.slice(0, 60)}" of customer "${customer}". Correct the column, or leave it out.`,
      );
    }
  }
};
