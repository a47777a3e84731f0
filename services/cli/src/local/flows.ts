import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  ArtifactName,
  CloveError,
  type DatasetProfile,
  type EvaluationReport,
  type GeneratorOptions,
  type IngestOptions,
  type LeaderboardOptions,
  type LeaderboardReport,
  type ModelManifest,
  type TrainingOptions,
} from '@clove/contracts';
import type { Context } from '../context.js';
import { count } from '../screen/format.js';
import { describeEpochs, describeLeaderboard, describeProfile } from '../screen/views.js';
import {
  CARD_FILES,
  CHECKPOINT_FILE,
  checkModelFolder,
  checkOutput,
  findFiles,
  isThere,
  moveFile,
  openDatasetFolder,
  openModelFolder,
  predictionFormat,
  withScratch,
} from '../files.js';
import { FIT_INPUT_HELP, type FitInput, type FittedModel } from '../fit-input.js';
import { runTask } from './run-task.js';
import type { DatasetFiles, Tasks } from './tasks.js';

/** The files of a dataset folder. */
const DATASET_FILES = ['data.parquet', 'profile.json'] as const;

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

/**
 * Moves a finished model into its folder, with what its report tells beside it; files of a model that was there before and
 * that this one does not have are removed.
 */
const keepModel = async (outDir: string, folder: string, beside: Record<string, unknown>): Promise<void> => {
  await mkdir(folder, { recursive: true });
  const made = await readdir(outDir);
  for (const name of ArtifactName.options.filter((one) => made.includes(one)))
    await moveFile(join(outDir, name), join(folder, name));
  for (const [name, value] of Object.entries(beside)) await writeFile(join(folder, name), JSON.stringify(value));
  const kept = [...made, ...Object.keys(beside)];
  for (const name of [...ArtifactName.options, ...CARD_FILES])
    if (!kept.includes(name)) await rm(join(folder, name), { force: true });
};

/**
 * Trains a model and writes its folder. A training that is stopped leaves its checkpoint there.
 * @param i.options null: goes on with the training that was stopped in the folder, with its options
 */
export const trainLocally = async (
  ctx: Context,
  i: { data: readonly string[]; reading: IngestOptions; options: TrainingOptions | null; out: string },
): Promise<{
  folder: string;
  profile: DatasetProfile;
  manifest: ModelManifest;
  evaluation: EvaluationReport;
  seconds: { ingest: number; train: number };
}> => {
  const replaces = await checkModelFolder(i.out);
  const folder = resolve(i.out);
  const path = join(folder, CHECKPOINT_FILE);
  const options = i.options ?? (await optionsOfStopped(path));
  const checkpoint = i.options === null ? { path, from: path, required: true } : { path };
  return withScratch(async (scratchDir) => {
    const data = await openData(ctx, i.data, i.reading, scratchDir);
    const outDir = join(scratchDir, 'model');
    const { output, seconds } = await step(
      ctx,
      'train',
      'train',
      { parquet: data.parquet, profile: data.profile, options, outDir, scratchDir, checkpoint },
      ({ manifest }) => describeTraining(manifest),
    ).catch(async (error: unknown) => {
      if (ctx.signal.aborted && (await isThere(path))) {
        const files = i.data.map((file) => ` --data ${file}`).join('');
        ctx.screen.note(`Stopped. Go on with: clove train --local --resume ${i.out}${files}`);
      } else if (i.options !== null) {
        await rm(path, { force: true });
      }
      throw error;
    });
    await rm(path, { force: true });
    await keepModel(outDir, folder, { 'profile.json': data.profile });
    if (replaces) ctx.screen.note(`The model that was in ${folder} is replaced.`);
    return { folder, profile: data.profile, ...output, seconds: { ingest: data.seconds, train: seconds } };
  });
};

/** The options of the training that a checkpoint is of. */
const optionsOfStopped = async (path: string): Promise<TrainingOptions> => {
  const { readCheckpoint } = await import('@clove/trainer');
  return (await readCheckpoint(path)).options;
};

/** Ranks every model on the data; the winner's model goes into a folder where one is named. */
export const leaderboardLocally = async (
  ctx: Context,
  i: { data: readonly string[]; reading: IngestOptions; options: LeaderboardOptions; out: string | undefined },
): Promise<{
  folder: string | null;
  profile: DatasetProfile;
  report: LeaderboardReport;
  winner: { manifest: ModelManifest; evaluation: EvaluationReport } | null;
  seconds: { ingest: number; leaderboard: number };
}> => {
  const replaces = i.out !== undefined && (await checkModelFolder(i.out));
  return withScratch(async (scratchDir) => {
    const data = await openData(ctx, i.data, i.reading, scratchDir);
    const outDir = join(scratchDir, 'model');
    await mkdir(outDir);
    const { output, seconds } = await step(
      ctx,
      'rank',
      'leaderboard',
      { parquet: data.parquet, profile: data.profile, options: i.options, outDir, scratchDir },
      ({ report }) => describeLeaderboard(report),
    );
    const folder = i.out === undefined || output.winner === null ? null : resolve(i.out);
    if (folder !== null) {
      await keepModel(outDir, folder, { 'profile.json': data.profile, 'leaderboard.json': output.report });
      if (replaces) ctx.screen.note(`The model that was in ${folder} is replaced.`);
    }
    return { folder, profile: data.profile, ...output, seconds: { ingest: data.seconds, leaderboard: seconds } };
  });
};

/** The purchase histories of an order history at the end of a day, for a fit; of its last day where none is named. */
export const historiesLocally = async (
  ctx: Context,
  i: { data: readonly string[]; reading: IngestOptions; asOf: string | undefined },
): Promise<FitInput> =>
  withScratch(async (scratchDir) => {
    const { parquet, profile } = await openData(ctx, i.data, i.reading, scratchDir);
    if (profile.kind !== 'transactions' || profile.lastTime === null)
      throw new CloveError(
        'kind-mismatch',
        `Probabilistic models are fitted to an order history or to a summary of one, and this is a table of customers.\n${FIT_INPUT_HELP}`,
      );
    const asOf = i.asOf ?? profile.lastTime.slice(0, 10);
    const { output } = await step(
      ctx,
      'histories',
      'histories',
      { parquet, asOf, scratchDir },
      () => `purchases up to ${asOf}`,
    );
    return output;
  });

/** Fits a probabilistic model. */
export const fitLocally = (ctx: Context, model: FittedModel, input: FitInput) =>
  step(
    ctx,
    'fit',
    'fit',
    { model, input },
    ({ logLikelihood }) => `${model}, log-likelihood ${logLikelihood.toFixed(2)}`,
  );

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

/**
 * The data for a model, read as the kind that it was trained on where the user does not say; an error of such a reading
 * tells that it was one, for the file may be good and the model the wrong one.
 */
const openDataFor = async (
  ctx: Context,
  i: { data: readonly string[]; reading: IngestOptions },
  manifest: ModelManifest,
  needsTarget: boolean,
  scratchDir: string,
) => {
  const reading = readingFor(i.reading, manifest, needsTarget);
  try {
    return await openData(ctx, i.data, reading, scratchDir);
  } catch (error) {
    const guessed = i.reading.kind === undefined && reading.kind !== undefined;
    if (!guessed || !(error instanceof CloveError) || !MISREADINGS.has(error.code)) throw error;
    const kind = manifest.kind === 'features' ? 'customers, one a row (features)' : 'orders (transactions)';
    throw new CloveError(
      error.code,
      `The model was trained on ${kind}, so the files were read as such, and do not fit: ${error.message} ` +
        'If they hold something else, choose another model.',
      { cause: error },
    );
  }
};

/** What is found wrong with a good file that is read as the other kind. */
const MISREADINGS: ReadonlySet<string> = new Set(['column-missing', 'column-ambiguous', 'value-invalid']);

/** Bytes of a file from which it is worth while to look whether it can be scored as it lies. */
const LARGE_BYTES = 4 * 1024 ** 2;

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
    const outDir = join(scratchDir, 'prediction');
    const given = { modelDir, modelVersion: basename(modelDir), outDir, scratchDir };
    const describe = ({ rows }: { rows: number }): string => `${count(rows)} customers`;
    const file = resolve(i.out);
    const [only, ...more] = i.data;
    if (
      only !== undefined &&
      more.length === 0 &&
      format === 'csv' &&
      i.asOf === undefined &&
      !i.includeInputs &&
      manifest.kind === 'features'
    ) {
      const found = await stat(only).catch(() => undefined);
      if (found?.isFile() === true && found.size >= LARGE_BYTES) {
        const source = { name: basename(only), path: resolve(only) };
        const reading = readingFor(i.reading, manifest, false);
        const { output, seconds } = await step(
          ctx,
          'predict',
          'predictCsv',
          { ...given, file: source, reading },
          (made) => (made === null ? 'the file has to be ingested first' : describe(made)),
        );
        if (output !== null) {
          ctx.screen.warn(output.warnings);
          await moveFile(join(outDir, 'predictions.csv'), file);
          return { file, ...output, seconds: { ingest: 0, predict: seconds } };
        }
      }
    }
    const data = await openDataFor(ctx, i, manifest, false, scratchDir);
    const { output, seconds } = await step(
      ctx,
      'predict',
      'predict',
      {
        ...given,
        parquet: data.parquet,
        profile: data.profile,
        ...(i.asOf === undefined ? {} : { asOf: i.asOf }),
        includeInputs: i.includeInputs,
        format,
      },
      describe,
    );
    ctx.screen.warn(output.warnings);
    await moveFile(join(outDir, `predictions.${format}`), file);
    const warnings = [...data.profile.warnings, ...output.warnings];
    return { file, ...output, warnings, seconds: { ingest: data.seconds, predict: seconds } };
  });
};

/** Compares a model's predictions with actual spend. */
export const evaluateLocally = async (
  ctx: Context,
  i: { data: readonly string[]; reading: IngestOptions; model: string; testOrigin: string | undefined },
): Promise<{ manifest: ModelManifest; profile: DatasetProfile; report: EvaluationReport; seconds: number }> => {
  const { modelDir, manifest } = await openModelFolder(i.model);
  return withScratch(async (scratchDir) => {
    const data = await openDataFor(ctx, i, manifest, true, scratchDir);
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
