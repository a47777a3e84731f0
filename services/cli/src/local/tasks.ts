import type {
  DatasetProfile,
  EvaluationReport,
  GeneratorOptions,
  IngestOptions,
  LeaderboardOptions,
  LeaderboardReport,
  ModelManifest,
  PredictionSummary,
  RowPage,
  TrainingOptions,
  Warning,
} from '@clove/contracts';

import { firstRows } from '../first-rows.js';
import { type FittedModel, type FitInput, fromHistories } from '../fit-input.js';
import type { FitResult } from '../fit-model.js';

/** What a task reports while it works. */
export type TaskMessage = { fraction: number; stage: string };
type Io = { signal: AbortSignal; post(message: TaskMessage): void };

/** An ingested dataset on disk: the folder that `clove ingest --local` writes. */
export type DatasetFiles = { parquet: string; profile: DatasetProfile };
export type SourceFile = { name: string; path: string };

const PREVIEW_ROWS = 5;

/** The first rows of a finished prediction. */
const previewOf = async (i: { outDir: string; format: 'csv' | 'parquet'; scratchDir: string }): Promise<RowPage> => {
  const file = `${i.outDir}/predictions.${i.format}`;
  if (i.format === 'csv') return firstRows(file, PREVIEW_ROWS);
  const { readRows } = await import('@clove/data');
  return readRows({
    parquet: file,
    query: { offset: 0, limit: PREVIEW_ROWS, order: 'asc' },
    scratchDir: i.scratchDir,
  });
};

type LocalPrediction = {
  rows: number;
  summary: PredictionSummary;
  warnings: Warning[];
  asOf: string | null;
  preview: RowPage;
};

/**
 * The work of the services, done in this process: the same cores that ingester, trainer and scorer run, called without
 * a queue, a registry or a server. Runs in a worker thread, because native work would hold up Ctrl-C and the progress
 * bar. Each core is loaded by the task that needs it.
 */
export const tasks = {
  ingest: async (
    i: { files: SourceFile[]; options: IngestOptions; outDir: string; scratchDir: string },
    io: Io,
  ): Promise<DatasetProfile> => {
    const { ingestFiles } = await import('@clove/data');
    return ingestFiles({
      ...i,
      customerSecret: process.env['CUSTOMER_ID_SECRET'],
      signal: io.signal,
      onProgress: (fraction, stage) => io.post({ fraction, stage }),
    });
  },

  generate: async (
    i: { options: GeneratorOptions; file: string; scratchDir: string },
    io: Io,
  ): Promise<{ rows: number }> => {
    const { generateFile } = await import('@clove/data');
    return generateFile({ ...i, signal: io.signal, onProgress: (fraction, stage) => io.post({ fraction, stage }) });
  },

  train: async (
    i: DatasetFiles & {
      options: TrainingOptions;
      outDir: string;
      scratchDir: string;
      checkpoint: { path: string; from?: string; required?: boolean };
    },
    io: Io,
  ): Promise<{ manifest: ModelManifest; evaluation: EvaluationReport }> => {
    const { trainModel } = await import('@clove/trainer');
    return trainModel(
      { ...i, datasetId: null },
      {
        signal: io.signal,
        post: (message) => {
          if (message.type === 'progress') io.post({ fraction: message.fraction, stage: message.stage });
        },
      },
    );
  },

  leaderboard: async (
    i: DatasetFiles & { options: LeaderboardOptions; outDir: string; scratchDir: string },
    io: Io,
  ): Promise<{
    report: LeaderboardReport;
    winner: { manifest: ModelManifest; evaluation: EvaluationReport } | null;
  }> => {
    const { runLeaderboard } = await import('@clove/trainer');
    return runLeaderboard(
      { ...i, datasetId: null },
      { signal: io.signal, post: ({ fraction, stage }) => io.post({ fraction, stage }) },
    );
  },

  histories: async (i: { parquet: string; asOf: string; scratchDir: string }, io: Io): Promise<FitInput> => {
    const [{ snapshot }, { historiesOf }] = await Promise.all([import('@clove/data'), import('@clove/clv')]);
    return fromHistories(historiesOf(await snapshot({ ...i, signal: io.signal })));
  },

  fit: async (i: { model: FittedModel; input: FitInput }, io: Io): Promise<FitResult> => {
    io.post({ fraction: 0, stage: 'maximising the likelihood' });
    const { fitModel } = await import('../fit-model.js');
    return fitModel(i.model, i.input);
  },

  predict: async (
    i: DatasetFiles & {
      modelDir: string;
      modelVersion: string;
      asOf?: string;
      includeInputs: boolean;
      format: 'csv' | 'parquet';
      outDir: string;
      scratchDir: string;
    },
    io: Io,
  ): Promise<LocalPrediction> => {
    const { predictDataset } = await import('@clove/scorer');
    const { format, ...input } = i;
    const made = await predictDataset({ ...input, formats: [format] }, io);
    return { ...made, preview: await previewOf(i) };
  },

  predictCsv: async (
    i: {
      file: SourceFile;
      reading: IngestOptions;
      modelDir: string;
      modelVersion: string;
      outDir: string;
      scratchDir: string;
    },
    io: Io,
  ): Promise<LocalPrediction | null> => {
    const { predictCsv } = await import('@clove/scorer');
    const made = await predictCsv(i, io);
    return made === null ? null : { ...made, preview: await previewOf({ ...i, format: 'csv' }) };
  },

  evaluate: async (
    i: DatasetFiles & { modelDir: string; testOrigin?: string; scratchDir: string },
    io: Io,
  ): Promise<EvaluationReport> => {
    const { evaluateModel } = await import('@clove/scorer');
    return evaluateModel(i, io);
  },
};
export type Tasks = typeof tasks;
