import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import {
  type Accepted,
  CloveError,
  type Dataset,
  type DatasetProfile,
  type Erasure,
  type Evaluation,
  type EvaluationReport,
  type IngestOptions,
  type Job,
  type Leaderboard,
  type LeaderboardReport,
  type ModelVersion,
  type Prediction,
  type RowPage,
  type Run,
  type StartEvaluation,
  type StartLeaderboard,
  type StartPrediction,
  type StartRun,
} from '@clove/contracts';
import type { Context } from '../context.js';
import type { SourceFile } from '../local/tasks.js';
import { findFiles, moveFile, predictionFormat } from '../files.js';
import { bytes, count } from '../screen/format.js';
import { describeEpochs, describeLeaderboard, describeProfile } from '../screen/views.js';
import type { GatewayClient } from './client.js';
import { followJob } from './follow.js';

/** Follows a job as a step on the screen; Ctrl-C leaves the job running and says so, or cancels it where `ctx` says so. */
const follow = async <T>(
  ctx: Context,
  client: GatewayClient,
  name: string,
  start: (stage: (text: string) => void) => Promise<Accepted>,
  finish: (accepted: Accepted) => Promise<{ value: T; summary: string }>,
): Promise<{ value: T; seconds: number }> => {
  const step = ctx.screen.step(name);
  let job: Job | undefined;
  try {
    const accepted = await start((stage) => step.update(0, stage));
    job = accepted.job;
    await followJob(client, job, {
      signal: ctx.signal,
      onChange: (now) => step.update(now.progress, now.status === 'queued' ? 'waiting for a worker' : now.stage),
    });
    const { value, summary } = await finish(accepted);
    return { value, seconds: step.done(summary) };
  } catch (error) {
    step.failed();
    if (!ctx.signal.aborted || job === undefined) throw error;
    if (ctx.cancelsJobs) {
      // A job that has just ended, or a server that is gone, needs no cancel.
      await client.cancelJob(job.id).catch(() => undefined);
      throw new CloveError('cancelled', 'Cancelled.', { cause: error });
    }
    throw new CloveError(
      'cancelled',
      `No longer waiting; the job goes on.\n  see it:    clove jobs watch ${job.id}\n  cancel it: clove jobs cancel ${job.id}`,
      { cause: error },
    );
  }
};

/** Shows the rest of a job that was started elsewhere. */
export const watchJob = async (ctx: Context, client: GatewayClient, job: Job): Promise<Job> => {
  const { value } = await follow(
    ctx,
    client,
    job.kind,
    async () => ({ job, id: job.resource.id }),
    async () => ({ value: await client.job(job.id), summary: `${job.resource.type} ${job.resource.id}` }),
  );
  return value;
};

/** A dataset of the gateway, ready to use. */
export type RemoteDataset = { dataset: Dataset; profile: DatasetProfile; seconds: number };

const ready = async (ctx: Context, client: GatewayClient, id: string): Promise<Omit<RemoteDataset, 'seconds'>> => {
  const [dataset, profile] = await Promise.all([client.dataset(id), client.datasetProfile(id)]);
  ctx.screen.warn(profile.warnings);
  return { dataset, profile };
};

/** Uploads files and waits until they are ingested. */
export const uploadDataset = async (
  ctx: Context,
  client: GatewayClient,
  i: { data: readonly string[]; options: IngestOptions; name: string | undefined },
): Promise<RemoteDataset> => {
  const files = await findFiles(i.data);
  const first = i.data[0] ?? '';
  const { value, seconds } = await follow(
    ctx,
    client,
    'ingest',
    async (stage) => {
      const sizes = await Promise.all(files.map(async ({ path }) => (await stat(path)).size));
      const total = sizes.reduce((sum, size) => sum + size, 0);
      stage(`sending ${files.length === 1 ? files[0]?.name : `${files.length} files`}, ${bytes(total)}`);
      return client.uploadDataset(files, i.options, (i.name ?? basename(resolve(first))).slice(0, 100));
    },
    async ({ id }) => {
      const profile = await client.datasetProfile(id);
      return { value: id, summary: describeProfile(profile) };
    },
  );
  return { ...(await ready(ctx, client, value)), seconds };
};

/** Has the gateway generate a dataset and waits for it. */
export const generateDataset = async (
  ctx: Context,
  client: GatewayClient,
  body: Parameters<GatewayClient['generateDataset']>[0],
): Promise<RemoteDataset> => {
  const { value, seconds } = await follow(
    ctx,
    client,
    'ingest',
    () => client.generateDataset(body),
    async ({ id }) => ({ value: id, summary: describeProfile(await client.datasetProfile(id)) }),
  );
  return { ...(await ready(ctx, client, value)), seconds };
};

/** A dataset that is there already. */
export const existingDataset = async (ctx: Context, client: GatewayClient, id: string): Promise<RemoteDataset> => {
  const dataset = await client.dataset(id);
  if (dataset.status !== 'ready')
    throw new CloveError(
      'conflict',
      `Dataset ${id} is ${dataset.status}, not ready.${dataset.jobId === null ? '' : ` See "clove jobs show ${dataset.jobId}".`}`,
    );
  return { ...(await ready(ctx, client, id)), seconds: 0 };
};

/** Trains on a dataset and waits for the new version. */
export const train = async (
  ctx: Context,
  client: GatewayClient,
  body: StartRun,
): Promise<{ run: Run; evaluation: EvaluationReport; seconds: number }> => {
  const { value: run, seconds } = await follow(
    ctx,
    client,
    'train',
    () => client.startRun(body),
    async ({ id }) => {
      const run = await client.run(id);
      const epochs = describeEpochs(run.epochs.length, run.bestEpoch);
      return { value: run, summary: `${run.options.model}${epochs}; ${run.backend ?? ''}` };
    },
  );
  if (!run.evaluation) throw new CloveError('internal', `Run ${run.id} succeeded but has no evaluation.`);
  return { run, evaluation: run.evaluation, seconds };
};

/** Ranks every model on a dataset. */
export const leaderboard = async (
  ctx: Context,
  client: GatewayClient,
  body: StartLeaderboard,
): Promise<{ leaderboard: Leaderboard; report: LeaderboardReport; seconds: number }> => {
  const { value: leaderboard, seconds } = await follow(
    ctx,
    client,
    'rank',
    () => client.startLeaderboard(body),
    async ({ id }) => {
      const leaderboard = await client.leaderboard(id);
      return { value: leaderboard, summary: describeLeaderboard(leaderboard.report) };
    },
  );
  if (!leaderboard.report)
    throw new CloveError('internal', `Leaderboard ${leaderboard.id} succeeded without a report.`);
  return { leaderboard, report: leaderboard.report, seconds };
};

/** Evaluates a version on a dataset. */
export const evaluate = async (
  ctx: Context,
  client: GatewayClient,
  body: StartEvaluation,
): Promise<{ evaluation: Evaluation; report: EvaluationReport; seconds: number }> => {
  const { value: evaluation, seconds } = await follow(
    ctx,
    client,
    'evaluate',
    () => client.startEvaluation(body),
    async ({ id }) => {
      const evaluation = await client.evaluation(id);
      return { value: evaluation, summary: `${count(evaluation.report?.testCustomers)} customers` };
    },
  );
  if (!evaluation.report) throw new CloveError('internal', `Evaluation ${evaluation.id} succeeded but has no report.`);
  return { evaluation, report: evaluation.report, seconds };
};

/** Scores a dataset, downloads the file to `out` (by its extension CSV or Parquet) and reads the first rows. */
export const predict = async (
  ctx: Context,
  client: GatewayClient,
  body: StartPrediction,
  out: (prediction: Prediction) => string,
): Promise<{ prediction: Prediction; file: string; preview: RowPage; seconds: number }> => {
  const { value: prediction, seconds } = await follow(
    ctx,
    client,
    'predict',
    () => client.startPrediction(body),
    async ({ id }) => {
      const prediction = await client.prediction(id);
      return { value: prediction, summary: `${count(prediction.rows)} customers` };
    },
  );
  ctx.screen.warn(prediction.warnings);
  const file = resolve(out(prediction));
  await mkdir(dirname(file), { recursive: true });
  // Downloaded beside its place first: a connection that breaks leaves no half file under the name.
  await client.downloadPrediction(prediction.id, predictionFormat(file), `${file}.part`);
  await moveFile(`${file}.part`, file);
  return { prediction, file, preview: await client.predictionRows(prediction.id, 5), seconds };
};

/** Sends the files of a model and waits until they are a version. */
export const importModel = async (
  ctx: Context,
  client: GatewayClient,
  i: { name: string; files: readonly SourceFile[] },
): Promise<ModelVersion> => {
  const { value } = await follow(
    ctx,
    client,
    'import',
    (stage) => {
      stage(`sending ${i.files.map(({ name }) => name).join(', ')}`);
      return client.importModel(i.name, i.files);
    },
    async ({ id }) => {
      const { modelName, version } = await client.modelImport(id);
      if (version === null) throw new CloveError('internal', `The import ${id} ended without a version.`);
      return { value: await client.version(modelName, version), summary: `${modelName}@${version}` };
    },
  );
  return value;
};

/** Asks for the erasure of customers and waits for its end. */
export const erase = async (ctx: Context, client: GatewayClient, customers: readonly string[]): Promise<Erasure> => {
  const { value } = await follow(
    ctx,
    client,
    'erase',
    () => client.startErasure(customers),
    async ({ id }) => {
      const erasure = await client.erasure(id);
      return {
        value: erasure,
        summary: `${count(erasure.result.found)} of ${count(erasure.customers)} customers found`,
      };
    },
  );
  return value;
};
