import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CloveError,
  DatasetProfile,
  type Epoch,
  type EvaluationReport,
  type JobKind,
  type JobPayload,
  type ModelManifest,
  type TrainingOptions,
} from '@clove/contracts';
import { type Handlers, runInThread } from '@clove/runtime';
import { type ArtifactStore, type Registry, artifactKeys } from '@clove/store';
import { storeVersion } from './model-files.js';
import type { TrainInput, TrainMessage } from './train-model.js';

/** What the handlers of the trainer work with. */
export type TrainerContext = {
  registry: Registry;
  artifacts: ArtifactStore;
  /** folder for files in the making */
  scratchDir: string;
  /** what `auto` means here */
  backend: TrainingOptions['backend'];
  memoryLimitBytes: number;
  threads: number | undefined;
};

/**
 * Does one `train` job: dataset from the store, training in a thread, epochs to the registry as they come, the files under
 * a new version's keys, then the version itself. A run that has its version is left alone; one that was interrupted goes on
 * from its checkpoint, on whichever worker it comes to, and ends with the version of an uninterrupted one.
 */
export const trainHandler =
  (context: TrainerContext): Handlers<'train'>['train'] =>
  async ({ runId }, { signal, progress, logger }) => {
    const { registry, artifacts } = context;
    const run = await registry.runs.get(runId);
    if (run.versionId !== null) return;
    const { datasetId } = run;
    if (datasetId === null) {
      throw new CloveError('conflict', 'The dataset of this run was deleted. Start a run on another dataset.');
    }
    await registry.runs.clearEpochs(runId);
    // its files stay until this job has ended, whatever is erased meanwhile
    const dataset = await registry.datasets.get(datasetId);
    const scratch = await mkdtemp(join(context.scratchDir, 'train-'));
    const checkpointKey = artifactKeys.checkpoint(runId);
    const keeping = latestOnly(() =>
      artifacts.putFile(checkpointKey, join(scratch, 'checkpoint.safetensors')).catch((err: unknown) => {
        logger.error({ err }, 'the checkpoint could not be stored; the training goes on without it');
      }),
    );
    try {
      const outDir = join(scratch, 'model');
      const input: TrainInput & { modelName: string } = {
        modelName: run.modelName,
        parquet: await artifacts.local(artifactKeys.data(dataset), scratch),
        profile: DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile(dataset))),
        datasetId,
        options: {
          ...run.options,
          backend: run.options.backend === 'auto' ? context.backend : run.options.backend,
        },
        outDir,
        scratchDir: scratch,
        checkpoint: {
          path: join(scratch, 'checkpoint.safetensors'),
          ...((await artifacts.stat(checkpointKey)) === null
            ? {}
            : { from: await artifacts.local(checkpointKey, scratch) }),
        },
        memoryLimitBytes: context.memoryLimitBytes,
        ...(context.threads === undefined ? {} : { threads: context.threads }),
      };
      const epochs = inOrder((epoch: Epoch) => registry.runs.putEpoch(runId, epoch));
      const { manifest, evaluation, cardError } = await runInThread<
        typeof input,
        TrainMessage,
        { manifest: ModelManifest; evaluation: EvaluationReport; cardError: string | null }
      >(new URL('./train-thread.js', import.meta.url), input, {
        signal,
        onMessage: (message) => {
          if (message.type === 'progress') progress(message.fraction, message.stage);
          else if (message.type === 'epoch') epochs.push(message.epoch);
          else if (message.type === 'checkpoint') keeping.push();
          else logger.warn({ reason: message.reason }, 'the training starts over');
        },
      });
      await epochs.done();
      if (cardError !== null) logger.error({ reason: cardError }, 'the report of the version could not be drawn');

      signal.throwIfAborted();
      await storeVersion(artifacts, outDir, async (files) => {
        const { id, model, version } = await registry.runs.complete(runId, { manifest, evaluation, ...files });
        logger.info({ model, version }, 'version registered');
        return id;
      });
      await keeping.done();
      await artifacts.remove(checkpointKey);
    } catch (error) {
      await keeping.done();
      if (endsForGood(error, signal)) await artifacts.remove(checkpointKey);
      throw error;
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };

/** Removes the checkpoint of a run that was over when it was delivered, as one that was cancelled while it waited. */
export const discardCheckpoint =
  (artifacts: ArtifactStore) =>
  async (_kind: JobKind, payload: JobPayload<JobKind>): Promise<void> => {
    if ('runId' in payload) await artifacts.remove(artifactKeys.checkpoint(payload.runId));
  };

/**
 * Whether a training that threw is not to be gone on with: the user cancelled it, or what it says would be said again. A
 * worker that is stopped or has lost the job leaves it to another; a crash or a full disk may pass.
 */
const endsForGood = (error: unknown, signal: AbortSignal): boolean => {
  const why: unknown = signal.aborted ? signal.reason : error;
  if (!(why instanceof CloveError)) return false;
  return signal.aborted ? why.code === 'cancelled' : !why.retryable;
};

/** Calls `write` for one item after the other; `done` waits for all and throws what the first failure threw. */
const inOrder = <T>(write: (item: T) => Promise<void>) => {
  let failed = false;
  let failure: unknown;
  let last = Promise.resolve();
  return {
    push(item: T): void {
      last = last
        .then(() => (failed ? undefined : write(item)))
        .catch((error: unknown) => {
          failed = true;
          failure = error;
        });
    },
    async done(): Promise<void> {
      await last;
      if (failed) throw failure;
    },
  };
};

/** Calls `write` after each `push`, one call at a time; pushes during a call are one more call. `done` waits for all. */
const latestOnly = (write: () => Promise<unknown>) => {
  let pending = false;
  let writing: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    while (pending) {
      pending = false;
      await write();
    }
    writing = undefined;
  };
  return {
    push(): void {
      pending = true;
      writing ??= run();
    },
    done: async (): Promise<void> => writing,
  };
};
