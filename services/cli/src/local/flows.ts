import { basename, dirname, join, resolve } from 'node:path';
import {
  CloveError,
  type DatasetProfile,
  type EvaluationReport,
  type GeneratorOptions,
  type IngestOptions,
  type ModelManifest,
  type TrainingOptions,
} from '@clove/contracts';
import type { Context } from '../context.js';
import { count } from '../screen/format.js';
import { describeEpochs, describeProfile } from '../screen/views.js';
import {
  checkOutput,
  findFiles,
  moveFile,
  openDatasetFolder,
  openModelFolder,
  predictionFormat,
  withScratch,
} from '../files.js';
import { runTask } from './run-task.js';
import type { DatasetFiles, Tasks } from './tasks.js';

/** The files of a dataset folder and of a model folder. */
const DATASET_FILES = ['data.parquet', 'profile.json'] as const;
const MODEL_FILES = ['model.onnx', 'model.json', 'checkpoint.safetensors', 'evaluation.json'] as const;

/** Does a task as a step on the screen. */
const step = async <K extends keyof Tasks>(
  ctx: Context,
  name: string,
  task: K,
  input: Parameters<Tasks[K]>[0],
  summary: (output: Awaited<ReturnType<Tasks[K]>>) => string,
): Promise<{ output: Awaited<ReturnType<Tasks[K]>>; seconds: number }> => {
  const shown = ctx.screen.step(name);
  try {
    const output = await runTask(task, input, {
      signal: ctx.signal,
      onMessage: ({ fraction, stage }) => shown.update(fraction, stage),
    });
    return { output, seconds: shown.done(summary(output)) };
  } catch (error) {
    shown.failed();
    throw error;
  }
};

const ingestInto = async (
  ctx: Context,
  paths: readonly string[],
  options: IngestOptions,
  scratchDir: string,
): Promise<DatasetFiles & { seconds: number }> => {
  const files = await findFiles(paths);
  const outDir = join(scratchDir, 'dataset');
  const { output, seconds } = await step(
    ctx,
    'ingest',
    'ingest',
    { files, options, outDir, scratchDir },
    describeProfile,
  );
  ctx.screen.warn(output.warnings);
  return { parquet: join(outDir, 'data.parquet'), profile: output, seconds };
};

/** The dataset that `--data` names: a dataset folder as it is, anything else ingested into the scratch folder. */
const openData = async (
  ctx: Context,
  paths: readonly string[],
  options: IngestOptions,
  scratchDir: string,
): Promise<DatasetFiles & { seconds: number }> => {
  const [only, ...more] = paths;
  if (only === undefined) throw new CloveError('invalid-input', '--data: name a file or a folder.');
  const folder = more.length === 0 ? await openDatasetFolder(only) : undefined;
  if (!folder) return ingestInto(ctx, paths, options, scratchDir);
  ctx.screen.warn(folder.profile.warnings);
  return { ...folder, seconds: 0 };
};

/** Ingests files into a dataset folder. */
export const ingestLocally = async (
  ctx: Context,
  i: { data: readonly string[]; options: IngestOptions; out: string },
): Promise<{ folder: string; profile: DatasetProfile; seconds: number }> => {
  await checkOutput(i.out);
  return withScratch(async (scratchDir) => {
    const { profile, seconds } = await ingestInto(ctx, i.data, i.options, scratchDir);
    const folder = resolve(i.out);
    for (const name of DATASET_FILES) await moveFile(join(scratchDir, 'dataset', name), join(folder, name));
    return { folder, profile, seconds };
  });
};

/** Trains a model and writes its folder. */
export const trainLocally = async (
  ctx: Context,
  i: { data: readonly string[]; reading: IngestOptions; options: TrainingOptions; out: string },
): Promise<{
  folder: string;
  profile: DatasetProfile;
  manifest: ModelManifest;
  evaluation: EvaluationReport;
  seconds: { ingest: number; train: number };
}> => {
  await checkOutput(i.out);
  return withScratch(async (scratchDir) => {
    const data = await openData(ctx, i.data, i.reading, scratchDir);
    const outDir = join(scratchDir, 'model');
    const { output, seconds } = await step(
      ctx,
      'train',
      'train',
      { parquet: data.parquet, profile: data.profile, options: i.options, outDir, scratchDir },
      ({ manifest }) => describeTraining(manifest),
    );
    const folder = resolve(i.out);
    for (const name of MODEL_FILES) await moveFile(join(outDir, name), join(folder, name));
    return { folder, profile: data.profile, ...output, seconds: { ingest: data.seconds, train: seconds } };
  });
};

const describeTraining = (manifest: ModelManifest): string =>
  `${manifest.type}${describeEpochs(manifest.training.epochs.length, manifest.training.bestEpoch)}; ${manifest.training.backend}`;

/** What a model expects of a file: its kind, and where the target is needed, the target's column. */
const readingFor = (given: IngestOptions, manifest: ModelManifest, needsTarget: boolean): IngestOptions => {
  const kind = given.kind ?? (given.preset === undefined ? manifest.kind : undefined);
  const target =
    needsTarget && manifest.kind === 'features' ? (given.targetColumn ?? manifest.target) : given.targetColumn;
  return {
    ...given,
    ...(kind === undefined ? {} : { kind }),
    ...(target === undefined ? {} : { targetColumn: target }),
  };
};

/** Scores every customer of the data with the model of a folder and writes one file. */
export const predictLocally = async (
  ctx: Context,
  i: {
    data: readonly string[];
    reading: IngestOptions;
    model: string;
    asOf: string | undefined;
    includeInputs: boolean;
    out: string;
  },
) => {
  const format = predictionFormat(i.out);
  const { modelDir, manifest } = await openModelFolder(i.model);
  return withScratch(async (scratchDir) => {
    const data = await openData(ctx, i.data, readingFor(i.reading, manifest, false), scratchDir);
    const outDir = join(scratchDir, 'prediction');
    const { output, seconds } = await step(
      ctx,
      'predict',
      'predict',
      {
        parquet: data.parquet,
        profile: data.profile,
        modelDir,
        modelVersion: basename(modelDir),
        ...(i.asOf === undefined ? {} : { asOf: i.asOf }),
        includeInputs: i.includeInputs,
        outDir,
        scratchDir,
        previewRows: 5,
      },
      ({ rows }) => `${count(rows)} customers`,
    );
    ctx.screen.warn(output.warnings);
    const file = resolve(i.out);
    await moveFile(join(outDir, `predictions.${format}`), file);
    return { file, profile: data.profile, ...output, seconds: { ingest: data.seconds, predict: seconds } };
  });
};

/** Compares a model's predictions with actual spend. */
export const evaluateLocally = async (
  ctx: Context,
  i: { data: readonly string[]; reading: IngestOptions; model: string; testOrigin: string | undefined },
): Promise<{ manifest: ModelManifest; profile: DatasetProfile; report: EvaluationReport; seconds: number }> => {
  const { modelDir, manifest } = await openModelFolder(i.model);
  return withScratch(async (scratchDir) => {
    const data = await openData(ctx, i.data, readingFor(i.reading, manifest, true), scratchDir);
    const { output, seconds } = await step(
      ctx,
      'evaluate',
      'evaluate',
      {
        parquet: data.parquet,
        profile: data.profile,
        modelDir,
        ...(i.testOrigin === undefined ? {} : { testOrigin: i.testOrigin }),
        scratchDir,
      },
      (report) => `${count(report.testCustomers)} customers`,
    );
    return { manifest, profile: data.profile, report: output, seconds };
  });
};

/** Writes a file of synthetic data: CSV, gzipped CSV or Parquet by its name. */
export const generateLocally = async (
  ctx: Context,
  i: { options: GeneratorOptions; out: string },
): Promise<{ file: string; rows: number; seconds: number }> => {
  if (!/\.(csv|csv\.gz|parquet)$/i.test(i.out))
    throw new CloveError('invalid-input', `--out ${i.out}: the name must end in .csv, .csv.gz or .parquet.`);
  await checkOutput(dirname(resolve(i.out)));
  return withScratch(async (scratchDir) => {
    const made = join(scratchDir, basename(i.out));
    const { output, seconds } = await step(
      ctx,
      'generate',
      'generate',
      { options: i.options, file: made, scratchDir },
      ({ rows }) => `${count(rows)} rows`,
    );
    const file = resolve(i.out);
    await moveFile(made, file);
    return { file, rows: output.rows, seconds };
  });
};
