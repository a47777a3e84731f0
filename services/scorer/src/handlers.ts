import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  ArtifactName,
  CloveError,
  type Dataset,
  DatasetProfile,
  type JobKind,
  type JobPayload,
  type Prediction,
  type ShardStep,
} from '@clove/contracts';
import type { Handlers, JobContext } from '@clove/runtime';
import { type ArtifactStore, type Registry, type RevisionRef, type ShardState, artifactKeys } from '@clove/store';
import { checkReports } from './finish-prediction.js';
import { importHandler } from './import-handler.js';
import type { Lanes } from './lanes.js';
import { readManifest } from './model.js';
import { type Format, PIECE_ROWS } from './pieces.js';
import { type Made, PROGRESS, type ScoreIo, duckOptions, joinedFiles, predictPieces } from './predict-dataset.js';
import { FORMATS, doShard, joinShards, readPlan, readReports, storePlan, versionName } from './shards.js';

/** What the handlers of the queue `score` work with. */
export type ScorerContext = {
  registry: Registry;
  artifacts: ArtifactStore;
  /** folder for files in the making */
  scratchDir: string;
  memoryLimitBytes: number;
  /** a prediction of more rows is shared among scorers, in shards of so many at most */
  shardRows: number;
  /** native threads of one job */
  threads: number;
  /** where jobs are computed; as many as `threads` for long jobs */
  lanes: Lanes;
};

/**
 * Does `predict` and `evaluate` jobs: model and data from the store, work in threads, files back to the store, then the
 * registry. What is done already is left alone; an attempt that was cut short leaves nothing but files that the next one
 * writes over.
 *
 * A prediction of more than `shardRows` rows is shared: the first delivery plans it and gives out its shards to be scored;
 * the second, once they all are, gives them out to be ranked and written; the third puts their files together. Which of the
 * three a delivery is follows from the registry's shards alone.
 */
export const scoreHandlers = (context: ScorerContext): Handlers<'score'> => ({
  predict: async ({ predictionId, jobId, requestId }, ctx) => {
    const { registry, artifacts, shardRows } = context;
    const prediction = await registry.predictions.get(predictionId);
    if (prediction.rows !== null) return;
    const dataset = await readyDataset(registry, prediction.datasetId);
    const shards = await registry.predictions.shards(predictionId);
    if (shards.length > 0) ctx.progress(doneOf(shards), 'going on');
    await inScratch(context, async (scratch) => {
      let shared = await readPlan(artifacts, predictionId);
      // what was begun on some rows goes on on the same ones, whatever was erased since: their files stay until this job has ended
      const at: RevisionRef = shared === null ? dataset : { id: dataset.id, revision: shared.revision ?? null };
      const files = await inputs(context, scratch, at, prediction.versionId);
      if (shared === null) {
        const planned = await planOf(context, ctx, { prediction, files, scratch });
        if (planned.plan.rows <= shardRows) {
          const { parts, made } = await predictPieces(
            {
              lanes: context.lanes,
              budget: { ...context, scratchDir: scratch },
              modelDir: files.modelDir,
              modelVersion: versionName(prediction),
              dir: scratch,
              formats: FORMATS,
              ...planned,
            },
            ioOf(ctx),
          );
          const joined = joinedFiles(planned.plan.inputs, FORMATS, parts);
          await complete(context, ctx, { predictionId, files, scratch, joined, made });
          return;
        }
        const cut = (rows: number[]) => registry.predictions.cut(predictionId, rows);
        shared = await storePlan(artifacts, prediction, {
          ...planned,
          dataset: { path: files.parquet, at },
          shardRows,
          cut,
        });
        shards.splice(0, shards.length, ...(await registry.predictions.shards(predictionId)));
      }
      const giveOut = (step: ShardStep, open: ShardState[]): void =>
        ctx.giveOut(open.map(({ number: shard }) => ({ jobId, requestId, predictionId, shard, step })));
      const unscored = shards.filter(({ scored }) => !scored);
      if (unscored.length > 0) return giveOut('score', unscored);
      const reports = await readReports(artifacts, predictionId, shared);
      checkReports(reports, shared.plan.rows);
      const unwritten = shards.filter(({ written }) => !written);
      if (unwritten.length > 0) return giveOut('write', unwritten);
      ctx.progress(PROGRESS.join.start, 'putting the shards together');
      const manifest = await readManifest(files.modelDir);
      const whole = await joinShards(predictionId, shared, reports, { artifacts, scratchDir: scratch, manifest });
      await complete(context, ctx, { predictionId, files, scratch, ...whole });
      await artifacts.remove(artifactKeys.shards(predictionId));
    });
  },

  shard: async (payload, ctx) => {
    const { artifacts, lanes } = context;
    await inScratch(context, async (scratch) => {
      const budget = { ...context, scratchDir: scratch };
      const modelDir = (versionId: string) => modelFolder(artifacts, scratch, versionId);
      await doShard(payload, { artifacts, lanes, budget, modelDir }, ioOf(ctx));
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
          ...(await inputs(context, scratch, await registry.datasets.get(datasetId), versionId)),
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

/** How far a shared prediction has come by the steps that are done. */
const doneOf = (shards: readonly ShardState[]): number =>
  shards.every(({ written }) => written)
    ? PROGRESS.join.start
    : shards.every(({ scored }) => scored)
      ? PROGRESS.write.start
      : PROGRESS.score.start;

/** Removes what the shards of a prediction left that will not go on. */
export const discardShards =
  (artifacts: ArtifactStore) =>
  async (_kind: JobKind, payload: JobPayload<JobKind>): Promise<void> => {
    if ('predictionId' in payload) await artifacts.remove(artifactKeys.shards(payload.predictionId));
  };

/** Looks at model and data, and makes the rows to score. */
const planOf = (
  context: ScorerContext,
  ctx: JobContext,
  { prediction, files, scratch }: { prediction: Prediction; files: InputFiles; scratch: string },
) =>
  context.lanes.run(
    'plan',
    {
      ...files,
      ...duckOptions({ ...context, scratchDir: scratch }, 1),
      ...(prediction.asOf === null ? {} : { asOf: prediction.asOf }),
      includeInputs: prediction.includeInputs,
      pieceRows: Math.min(PIECE_ROWS, context.shardRows),
      dir: scratch,
    },
    ioOf(ctx),
  );

/** Stores the files of a prediction, reports on it and registers it. */
const complete = async (
  context: ScorerContext,
  ctx: JobContext,
  i: {
    predictionId: string;
    files: InputFiles;
    scratch: string;
    joined: ReturnType<typeof joinedFiles>;
    made: Made;
  },
): Promise<void> => {
  const { artifacts, registry, lanes } = context;
  const { signal } = ctx;
  const { predictionId } = i;
  const { figures, ...made } = i.made;
  const keyOf = (format: Format): string =>
    artifactKeys.prediction({ id: predictionId, revision: null }, `predictions.${format}`);
  await Promise.all(i.joined.map(({ format, stream }) => artifacts.put(keyOf(format), stream, { signal })));
  ctx.progress(0.97, 'summing the predictions up');
  const actual = await lanes.run(
    'compare',
    {
      ...i.files,
      ...duckOptions({ ...context, scratchDir: i.scratch }, 1),
      predictions: await artifacts.local(keyOf('parquet'), i.scratch),
      asOf: made.asOf,
    },
    ioOf(ctx),
  );
  try {
    signal.throwIfAborted();
    await registry.predictions.complete(predictionId, { ...made, report: { ...figures, actual } });
  } catch (error) {
    // Where the registry did not answer, it may have taken the files: they stay for the next attempt.
    if (error instanceof CloveError && !error.retryable) {
      for (const format of FORMATS) await artifacts.remove(keyOf(format));
    }
    throw error;
  }
};

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
 * A prediction's dataset once it can be read.
 * @throws CloveError `unavailable`, to be tried again, while it is being ingested; `conflict` where it failed or is gone
 */
const readyDataset = async (registry: Registry, id: string | null): Promise<Dataset> => {
  if (id === null)
    throw new CloveError('conflict', 'The dataset of this prediction was deleted. Choose another dataset.');
  const dataset = await registry.datasets.get(id);
  const { status, warnings, name } = dataset;
  if (status === 'ready') return dataset;
  if (status === 'pending')
    throw new CloveError('unavailable', `The dataset "${name}" (${id}) is still being ingested.`);
  const why = warnings.map(({ message }) => message).join(' ');
  throw new CloveError(
    'conflict',
    `The dataset "${name}" (${id}) could not be ingested, so there is nothing to score. ${why}`,
  );
};

/** The files of a model that scoring reads, in a folder of `scratchDir`. */
const modelFolder = async (artifacts: ArtifactStore, scratchDir: string, versionId: string): Promise<string> => {
  const modelDir = join(scratchDir, 'model');
  await mkdir(modelDir);
  for (const name of ArtifactName.options.filter((file) => file === 'model.json' || file.endsWith('.onnx'))) {
    const key = artifactKeys.version(versionId, name);
    if ((await artifacts.stat(key)) === null) continue;
    const { stream } = await artifacts.open(key);
    await pipeline(stream, createWriteStream(join(modelDir, name)));
  }
  return modelDir;
};

/** Data and model as files. */
type InputFiles = { modelDir: string; parquet: string; profile: DatasetProfile };

const inputs = async (
  { artifacts }: ScorerContext,
  scratchDir: string,
  dataset: RevisionRef,
  versionId: string,
): Promise<InputFiles> => ({
  modelDir: await modelFolder(artifacts, scratchDir, versionId),
  parquet: await artifacts.local(artifactKeys.data(dataset), scratchDir),
  profile: DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile(dataset))),
});
