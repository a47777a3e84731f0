import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ArtifactName,
  CloveError,
  DatasetProfile,
  type Epoch,
  type EvaluationReport,
  type ModelManifest,
  type TrainingOptions,
} from '@clove/contracts';
import { type Handlers, type Logger, runInThread } from '@clove/runtime';
import { type ArtifactStore, type Registry, artifactKeys, newId } from '@clove/store';
import type { TrainInput, TrainMessage } from './train-model.js';

/** What the handler of `train` jobs works with. */
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
 * a new version's keys, then the version itself. A run that has its version is left alone; one that was interrupted starts
 * from its first epoch.
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
    const scratch = await mkdtemp(join(context.scratchDir, 'train-'));
    try {
      const outDir = join(scratch, 'model');
      const input: TrainInput = {
        parquet: await artifacts.local(artifactKeys.data(datasetId), scratch),
        profile: DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile(datasetId))),
        datasetId,
        options: {
          ...run.options,
          backend: run.options.backend === 'auto' ? context.backend : run.options.backend,
        },
        outDir,
        scratchDir: scratch,
        memoryLimitBytes: context.memoryLimitBytes,
        ...(context.threads === undefined ? {} : { threads: context.threads }),
      };
      const epochs = inOrder((epoch: Epoch) => registry.runs.putEpoch(runId, epoch));
      const { manifest, evaluation } = await runInThread<
        TrainInput,
        TrainMessage,
        { manifest: ModelManifest; evaluation: EvaluationReport }
      >(new URL('./train-thread.js', import.meta.url), input, {
        signal,
        onMessage: (message) => {
          if (message.type === 'progress') progress(message.fraction, message.stage);
          else epochs.push(message.epoch);
        },
      });
      await epochs.done();

      await register(context, runId, outDir, { manifest, evaluation }, signal, logger);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };

/**
 * Stores the files of a finished training under a new version's keys and registers the version. Where the registry says no,
 * or has a version of this run already, the files are removed; where it did not answer they stay, for it may have
 * registered them.
 */
const register = async (
  { registry, artifacts }: TrainerContext,
  runId: string,
  modelDir: string,
  made: { manifest: ModelManifest; evaluation: EvaluationReport },
  signal: AbortSignal,
  logger: Logger,
): Promise<void> => {
  const versionId = newId('version');
  let needed = false;
  try {
    const files: { name: ArtifactName; bytes: number; sha256: string }[] = [];
    const there = new Set(await readdir(modelDir));
    for (const name of ArtifactName.options.filter((option) => there.has(option))) {
      files.push({ name, ...(await artifacts.putFile(artifactKeys.version(versionId, name), join(modelDir, name))) });
    }
    signal.throwIfAborted();
    needed = true;
    const { id, model, version } = await registry.runs.complete(runId, { ...made, versionId, artifacts: files });
    needed = id === versionId;
    logger.info({ model, version }, 'version registered');
  } catch (error) {
    if (error instanceof CloveError && !error.retryable) needed = false;
    throw error;
  } finally {
    if (!needed) for (const name of ArtifactName.options) await artifacts.remove(artifactKeys.version(versionId, name));
  }
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
