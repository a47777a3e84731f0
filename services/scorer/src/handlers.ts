import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArtifactName, CloveError, DatasetProfile } from '@clove/contracts';
import { joinedPredictions } from '@clove/data';
import type { Handlers, JobContext } from '@clove/runtime';
import { type ArtifactStore, type Registry, artifactKeys } from '@clove/store';
import { importHandler } from './import-handler.js';
import type { Lanes } from './lanes.js';
import { type ScoreIo, duckOptions, predictPieces } from './predict-dataset.js';

/** What the handlers of the queue `score` work with. */
export type ScorerContext = {
  registry: Registry;
  artifacts: ArtifactStore;
  /** folder for files in the making */
  scratchDir: string;
  memoryLimitBytes: number;
  /** native threads of one job */
  threads: number;
  /** where jobs are computed; as many as `threads` */
  lanes: Lanes;
};

const PREDICTION_FILES = ['predictions.parquet', 'predictions.csv'] as const;

/**
 * Does `predict` and `evaluate` jobs: model and data from the store, work in threads, files back to the store, then the
 * registry. What is done already is left alone; an attempt that was cut short leaves nothing but files that the next one
 * writes over.
 */
export const scoreHandlers = (context: ScorerContext): Handlers<'score'> => ({
  predict: async ({ predictionId }, ctx) => {
    const { registry, artifacts, lanes } = context;
    const prediction = await registry.predictions.get(predictionId);
    if (prediction.rows !== null) return;
    const datasetId = await readyDataset(registry, prediction.datasetId);
    await inScratch(context, async (scratch) => {
      const io = ioOf(ctx);
      const budget = { ...context, scratchDir: scratch };
      const files = await inputs(context, scratch, datasetId, prediction.versionId);
      const planned = await lanes.run(
        'plan',
        {
          ...files,
          ...duckOptions(budget, 1),
          ...(prediction.asOf === null ? {} : { asOf: prediction.asOf }),
          includeInputs: prediction.includeInputs,
          dir: scratch,
        },
        io,
      );
      const modelVersion = `${prediction.model}@${prediction.version}`;
      const { parts, ...made } = await predictPieces(
        { lanes, budget, modelDir: files.modelDir, modelVersion, dir: scratch, ...planned },
        io,
      );
      const joined = joinedPredictions({ inputs: planned.plan.inputs, parts });
      const { signal } = ctx;
      await artifacts.put(artifactKeys.prediction(predictionId, 'predictions.parquet'), joined.parquet, { signal });
      await artifacts.put(artifactKeys.prediction(predictionId, 'predictions.csv'), joined.csv, { signal });
      const report = await lanes.run(
        'report',
        {
          ...files,
          ...duckOptions(budget, 1),
          predictions: await artifacts.local(artifactKeys.prediction(predictionId, 'predictions.parquet'), scratch),
          asOf: made.asOf,
        },
        io,
      );
      try {
        ctx.signal.throwIfAborted();
        await registry.predictions.complete(predictionId, { ...made, report });
      } catch (error) {
        // Where the registry did not answer, it may have taken the files: they stay for the next attempt.
        if (error instanceof CloveError && !error.retryable) {
          for (const name of PREDICTION_FILES) await artifacts.remove(artifactKeys.prediction(predictionId, name));
        }
        throw error;
      }
    });
  },

  import: importHandler(context),

  evaluate: async ({ evaluationId }, ctx) => {
    const { registry } = context;
    if ((await registry.evaluations.get(evaluationId)).report !== null) return;
    const { datasetId, versionId, testOrigin } = await registry.evaluations.input(evaluationId);
    await inScratch(context, async (scratch) => {
      const report = await context.lanes.run(
        'evaluate',
        {
          ...(await inputs(context, scratch, datasetId, versionId)),
          ...duckOptions({ ...context, scratchDir: scratch }, 1),
          datasetId,
          ...(testOrigin === null ? {} : { testOrigin }),
        },
        ioOf(ctx),
      );
      await registry.evaluations.complete(evaluationId, report);
    });
  },
});

const ioOf = ({ signal, progress }: JobContext): ScoreIo => ({
  signal,
  post: ({ fraction, stage }) => progress(fraction, stage),
});

const inScratch = async (context: ScorerContext, work: (scratch: string) => Promise<void>): Promise<void> => {
  const scratch = await mkdtemp(join(context.scratchDir, 'score-'));
  try {
    await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
};

/**
 * The id of a prediction's dataset once it can be read.
 * @throws CloveError `unavailable`, to be tried again, while it is being ingested; `conflict` where it failed or is gone
 */
const readyDataset = async (registry: Registry, id: string | null): Promise<string> => {
  if (id === null)
    throw new CloveError('conflict', 'The dataset of this prediction was deleted. Choose another dataset.');
  const { status, warnings, name } = await registry.datasets.get(id);
  if (status === 'ready') return id;
  if (status === 'pending')
    throw new CloveError('unavailable', `The dataset "${name}" (${id}) is still being ingested.`);
  const why = warnings.map(({ message }) => message).join(' ');
  throw new CloveError(
    'conflict',
    `The dataset "${name}" (${id}) could not be ingested, so there is nothing to score. ${why}`,
  );
};

/** Data and model as files, with what both kinds of work may use. */
const inputs = async (context: ScorerContext, scratchDir: string, datasetId: string, versionId: string) => {
  const { artifacts } = context;
  const modelDir = join(scratchDir, 'model');
  await mkdir(modelDir);
  for (const name of ArtifactName.options.filter((file) => file === 'model.json' || file.endsWith('.onnx'))) {
    const key = artifactKeys.version(versionId, name);
    if ((await artifacts.stat(key)) === null) continue;
    const { stream } = await artifacts.open(key);
    await pipeline(stream, createWriteStream(join(modelDir, name)));
  }
  return {
    modelDir,
    parquet: await artifacts.local(artifactKeys.data(datasetId), scratchDir),
    profile: DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile(datasetId))),
  };
};
