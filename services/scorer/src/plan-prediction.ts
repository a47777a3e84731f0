import type { ModelManifest } from '@clove/contracts';
import { CloveError, type DatasetProfile, type IngestOptions, type Warning } from '@clove/contracts';
import {
  type DuckOptions,
  type IngestFile,
  type PlainRows,
  type ScoringRows,
  inputColumns,
  openPlainCsv,
  scoringRows,
} from '@clove/data';
import { scannable, takenColumns } from './columns.js';
import { daysOf, openModelFolder, requireKind } from './model.js';
import { PIECE_ROWS, type PredictionPlan, piecesOf } from './pieces.js';
import type { ScoreIo } from './predict-dataset.js';

/** What is to be scored, and with what. */
export type PlanInput = DuckOptions & {
  /** folder with model.onnx and model.json */
  modelDir: string;
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** transactions: the last day of the data when left out */
  asOf?: string;
  /** append the model's input columns (of a features dataset, all columns) to each row */
  includeInputs: boolean;
  /** rows of a piece at most; PIECE_ROWS when left out */
  pieceRows?: number;
  /** where the snapshot of a transactions dataset is written */
  dir: string;
};

/**
 * Looks whether the model fits the data, makes the rows to score and says how they are cut.
 * @throws CloveError `kind-mismatch`; `columns-mismatch` where more than half of the model's features are missing;
 * `data-empty`; `invalid-input` for an as-of date that cannot be
 */
export const planPrediction = async (
  i: PlanInput,
  io: ScoreIo,
): Promise<{ plan: PredictionPlan; source: ScoringRows }> => {
  const model = await openModelFolder(i.modelDir, { threads: 1 });
  await model.release();
  const { manifest, sequence } = model;
  requireKind(manifest, i.profile);
  const asOf = asOfDay(i);
  const taken = takenColumns(model, i.profile);
  io.post({ fraction: 0, stage: asOf.day === null ? 'reading' : `features as of ${asOf.day}` });
  const { parquet, steps, rows, columns } = await scoringRows({
    ...i,
    asOf: asOf.day ?? undefined,
    ...(sequence === null ? {} : { sequence }),
    outDir: i.dir,
    signal: io.signal,
  });
  if (rows === 0) {
    throw new CloveError(
      'data-empty',
      asOf.day === null ? 'The dataset has no rows to score.' : `No customer bought anything by ${asOf.day}.`,
    );
  }
  const names = i.profile.kind === 'features' ? scannable(i.profile) : taken.columns;
  const source = { parquet, steps };
  const numbers = numericFeatures(manifest);
  return {
    source,
    plan: {
      rows,
      pieces: piecesOf(rows, i.pieceRows ?? PIECE_ROWS),
      columns: taken.columns,
      sequence,
      ids: columns.some(({ name, kind }) => kind === 'categorical' && numbers.has(name)),
      inputs: i.includeInputs
        ? await inputColumns({ ...i, source: { ...source, rows, columns }, names, signal: io.signal })
        : [],
      asOf: asOf.day,
      warnings: [...asOf.warnings, ...taken.warnings],
    },
  };
};

/**
 * The same of a CSV of features that can be scored as it lies.
 * @returns null where it has to be ingested first; else also what the ingest would say of the file
 * @throws CloveError `columns-mismatch` where more than half of the model's features are missing
 */
export const planCsvPrediction = async (
  i: DuckOptions & { modelDir: string; file: IngestFile; reading: IngestOptions },
  io: ScoreIo,
): Promise<{ plan: PredictionPlan; source: PlainRows; warnings: Warning[] } | null> => {
  const [model, opened] = await Promise.all([
    openModelFolder(i.modelDir, { threads: 1 }),
    openPlainCsv({ ...i, options: i.reading, signal: io.signal }),
  ]);
  await model.release();
  if (opened === null || model.manifest.kind !== 'features') return null;
  const taken = takenColumns(model, { kind: 'features', columns: opened.columns });
  const { source, rows, warnings } = opened;
  // About as many rows as each stretch has of the file's bytes.
  const bytes = source.stretches.at(-1)!.to - source.stretches[0]!.from;
  const pieces = source.stretches.map(({ from, to }) => ({ from: 0, rows: Math.round((rows * (to - from)) / bytes) }));
  const plan = { rows, pieces, columns: taken.columns, sequence: null, ids: false, inputs: [], asOf: null };
  return { plan: { ...plan, warnings: taken.warnings }, source, warnings };
};

/** Columns that some part of the model reads as numbers. */
const numericFeatures = ({ schema, predictor }: ModelManifest): ReadonlySet<string> => {
  const schemas = [schema, ...(predictor?.members.flatMap((member) => member.schema ?? []) ?? [])];
  const features = schemas.flatMap((one) => one.features);
  return new Set(features.filter(({ kind }) => kind === 'numeric').map(({ name }) => name));
};

/** The day at whose end customers are seen; null for a features dataset. */
const asOfDay = (i: PlanInput): { day: string | null; warnings: Warning[] } => {
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
