import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArtifactName, CloveError, DatasetProfile, type EvaluationReport } from '@clove/contracts';
import { type Handlers, type JobContext, runInThread } from '@clove/runtime';
import { type ArtifactStore, type Registry, artifactKeys } from '@clove/store';
import type { PredictionResult, ScoreMessage } from './predict-dataset.js';
import type { ScoreTask } from './score-thread.js';

/** What the handlers of the queue `score` work with. */
export type ScorerContext = {
  registry: Registry;
  artifacts: ArtifactStore;
  /** folder for files in the making */
  scratchDir: string;
  memoryLimitBytes: number;
  threads: number | undefined;
};

const PREDICTION_FILES = ['predictions.parquet', 'predictions.csv'] as const;

/**
 * Does `predict` and `evaluate` jobs: model and data from the store, work in a thread, files back to the store, then the
 * registry. What is done already is left alone; an attempt that was cut short leaves nothing but files that the next one
 * writes over.
 */
export const scoreHandlers = (context: ScorerContext): Handlers<'score'> => ({
  predict: async ({ predictionId }, ctx) => {
    const { registry, artifacts } = context;
    const prediction = await registry.predictions.get(predictionId);
    if (prediction.rows !== null) return;
    const datasetId = await readyDataset(registry, prediction.datasetId);
    await inScratch(context, async (scratch) => {
      const outDir = join(scratch, 'prediction');
      const made = await inThread<PredictionResult>(ctx, {
        type: 'predict',
        input: {
          ...(await inputs(context, scratch, datasetId, prediction.versionId)),
          ...(prediction.asOf === null ? {} : { asOf: prediction.asOf }),
          includeInputs: prediction.includeInputs,
          modelVersion: `${prediction.model}@${prediction.version}`,
          outDir,
        },
      });
      for (const name of PREDICTION_FILES) {
        await artifacts.putFile(artifactKeys.prediction(predictionId, name), join(outDir, name));
      }
      try {
        ctx.signal.throwIfAborted();
        await registry.predictions.complete(predictionId, made);
      } catch (error) {
        // Where the registry did not answer, it may have taken the files: they stay for the next attempt.
        if (error instanceof CloveError && !error.retryable) {
          for (const name of PREDICTION_FILES) await artifacts.remove(artifactKeys.prediction(predictionId, name));
        }
        throw error;
      }
    });
  },

  evaluate: async ({ evaluationId }, ctx) => {
    const { registry } = context;
    if ((await registry.evaluations.get(evaluationId)).report !== null) return;
    const { datasetId, versionId, testOrigin } = await registry.evaluations.input(evaluationId);
    await inScratch(context, async (scratch) => {
      const report = await inThread<EvaluationReport>(ctx, {
        type: 'evaluate',
        input: {
          ...(await inputs(context, scratch, datasetId, versionId)),
          datasetId,
          ...(testOrigin === null ? {} : { testOrigin }),
        },
      });
      await registry.evaluations.complete(evaluationId, report);
    });
  },
});

const inThread = <O>({ signal, progress }: JobContext, task: ScoreTask): Promise<O> =>
  runInThread<ScoreTask, ScoreMessage, O>(new URL('./score-thread.js', import.meta.url), task, {
    signal,
    onMessage: ({ fraction, stage }) => progress(fraction, stage),
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
    scratchDir,
    memoryLimitBytes: context.memoryLimitBytes,
    ...(context.threads === undefined ? {} : { threads: context.threads }),
  };
};
