import { type Checkpoints, isProbabilistic, isSequence, requireFitting } from '@clove/clv';
import {
  CloveError,
  type DatasetProfile,
  type Epoch,
  type EvaluationReport,
  type ModelManifest,
  type TrainingOptions,
} from '@clove/contracts';
import { fingerprintOf } from '@clove/data';
import { checkpointOf } from './checkpoint.js';
import { fileCheckpoints, namedCheckpoints, readCheckpoint } from './checkpoints.js';
import { type Contestant, enter, familyOf } from './contestants.js';
import { decideLevel } from './level.js';
import { type Samples, type Source, readRehearsal, readSamples, stackOrigins, wholeHorizon } from './samples.js';
import { exceedsMemory, streamSamples } from './streamed-samples.js';
import { type Threads, threadsOf } from './threads.js';
import {
  type Level,
  evaluateVersion,
  levelErrorOf,
  levelSdOf,
  levelled,
  levelledSeeds,
  meanOf,
  versionOf,
  writeVersion,
} from './version.js';

/** What a training tells while it runs. */
export type TrainMessage =
  | { type: 'progress'; fraction: number; stage: string }
  | { type: 'epoch'; epoch: Epoch }
  /** the file of the checkpoint has been written */
  | { type: 'checkpoint' }
  /** the checkpoint of an earlier attempt is of no use: the training starts over */
  | { type: 'restarted'; reason: string };

export type TrainInput = {
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** null outside a registry */
  datasetId: string | null;
  options: TrainingOptions;
  /** receives model.json, evaluation.json, and where there are networks or trees model.onnx and checkpoint.safetensors */
  outDir: string;
  scratchDir: string;
  /**
   * `path`: where the training keeps how far it has come, from time to time, when it is aborted, and as each network ends.
   * `from`: the file of an earlier attempt on the same data and options, to go on with; the model is then that of an
   * uninterrupted training, byte for byte. `required`: a file that is of no use is an error rather than told of.
   */
  checkpoint?: { path: string; from?: string; required?: boolean };
  memoryLimitBytes?: number;
  /** native threads that the training may use at most */
  threads?: number;
};

/** How a training is stopped, and whom it tells how far it is. */
type TrainIo = { signal: AbortSignal; post(message: TrainMessage): void };

/**
 * Trains a model on a dataset, evaluates it on held-out rows and writes a model folder.
 *
 * Way of the data: rows split by the protocol of the dataset's kind (of a features table that memory does not hold a part of
 * them, the others come in chunks) → the model learned on the training rows, early stopping
 * by the validation rows → with an anchor, the level decided on a rehearsal before the test origin → ONNX files from raw
 * encoded features to a prediction in currency, not below 0, and the manifest → those very files score the test rows, once,
 * beside the baselines.
 *
 * The same dataset, options and threads give the same bytes of model.onnx, checkpoint.safetensors and evaluation.json;
 * model.json alone tells the seconds. Blocks its thread while it computes.
 * @throws CloveError `target-missing`, `target-constant`, `not-enough-data`, `column-missing`, `not-converged`, `cancelled`
 */
export const trainModel = async (
  i: TrainInput,
  io: TrainIo,
): Promise<{ manifest: ModelManifest; evaluation: EvaluationReport }> => {
  const started = performance.now();
  const { options } = i;
  const { kind } = i.profile;
  requireFitting(kind, options);
  const source = {
    ...i,
    signal: io.signal,
    ...(isSequence(options.model) ? { sequence: { length: options.sequenceLength } } : {}),
  };
  const reading = (stage: string): void => io.post({ type: 'progress', fraction: 0.02, stage });
  if (kind === 'features' && options.model === 'feedforward' && exceedsMemory(i.profile, i.memoryLimitBytes)) {
    const { samples, close } = await streamSamples(source, reading);
    try {
      return await trainOn(samples, source, i, { ...io, started });
    } finally {
      await close();
    }
  }
  return trainOn(await readSamples(source, reading), source, i, { ...io, started });
};

const trainOn = async (
  samples: Samples,
  source: Source,
  i: TrainInput,
  { started, ...io }: TrainIo & { started: number },
): Promise<{ manifest: ModelManifest; evaluation: EvaluationReport }> => {
  const { options } = i;
  const progress = (fraction: number, stage: string): void => io.post({ type: 'progress', fraction, stage });
  const { data } = samples;
  const threads = threadsOf(options.threads, i.threads);
  const checkpoints = await checkpointsOf(i, io.post);
  progress(0.1, 'learning');
  const contestant: Contestant = { name: options.model, family: familyOf(options.model), type: 'model', options };
  const entry = await enter(contestant, {
    data,
    ...threads,
    checkpoints,
    signal: io.signal,
    onEpoch: (epoch) => {
      io.post({ type: 'epoch', epoch });
      progress(0.1 + (0.7 * epoch.epoch) / options.epochs, `epoch ${epoch.epoch} of at most ${options.epochs}`);
    },
  });
  const { learned } = entry.members[0]!;
  progress(0.85, 'rehearsing before the test origin');
  const { level, levelError } = await rehearse(contestant, source, samples, { ...threads, checkpoints });

  progress(0.92, 'exporting the model');
  const { train } = stackOrigins(data.origins);
  const { manifest, graphs } = await versionOf({
    entry,
    level,
    levelSd: levelSdOf(levelError, samples.windows),
    data,
    profile: i.profile,
    datasetId: i.datasetId,
    fingerprint: await fingerprintOf(source),
    options,
    targetMean: meanOf(train.target),
    trainingOrigins: samples.protocol.trainingOrigins,
    rows: samples.protocol.trainRows + samples.protocol.validationRows,
    seconds: (performance.now() - started) / 1000,
    warnings: [...samples.warnings, ...learned.warnings],
  });

  progress(0.94, 'evaluating on the test rows');
  const seeds = levelledSeeds(entry, level.held);
  const evaluation = await evaluateVersion({ manifest, graphs, source, samples, train, seeds, seed: options.seed });

  progress(0.98, 'writing the model');
  await writeVersion(i.outDir, { manifest, graphs, evaluation, checkpoint: checkpointOf(entry, options, data.target) });
  return { manifest, evaluation };
};

/** The checkpoints of this attempt, with what an earlier one has left. */
const checkpointsOf = async (
  { checkpoint, options }: TrainInput,
  post: (message: TrainMessage) => void,
): Promise<Checkpoints | undefined> => {
  if (checkpoint === undefined) return undefined;
  const { path, from, required = false } = checkpoint;
  let kept: Awaited<ReturnType<typeof readCheckpoint>>['trainings'] = new Map();
  if (from !== undefined) {
    try {
      kept = (await readCheckpoint(from)).trainings;
    } catch (error) {
      if (required || !(error instanceof CloveError)) throw error;
      post({ type: 'restarted', reason: error.message });
    }
  }
  return fileCheckpoints({ path, options, kept, mustFit: required, onSaved: () => post({ type: 'checkpoint' }) });
};

/** The level of a model with an anchor, and how far off its total was, on a rehearsal before the test origin. */
const rehearse = async (
  contestant: Contestant & { type: 'model' },
  source: Source,
  samples: Samples,
  work: Threads & { checkpoints: Checkpoints | undefined },
): Promise<{ level: Level; levelError: number | null }> => {
  const { anchor, level: asked, model } = contestant.options;
  if (samples.windows === null) return { level: { held: false, reason: 'a features dataset' }, levelError: null };
  const anchored = anchor !== 'none' && !isProbabilistic(model);
  const rehearsal = await readRehearsal(source, samples, () => {});
  const decided: Level = !anchored
    ? { held: false, reason: 'its own total' }
    : { held: asked !== 'free', reason: asked === 'auto' ? NO_REHEARSAL : `${asked}, as asked` };
  if (rehearsal === null) return { level: decided, levelError: null };
  try {
    const options = { ...contestant.options, seeds: 1 };
    const checkpoints = work.checkpoints && namedCheckpoints('rehearsal', work.checkpoints);
    const entry = await enter(
      { ...contestant, options },
      { ...work, checkpoints, data: rehearsal.data, signal: source.signal },
    );
    const { target } = rehearsal.test;
    const level =
      anchored && asked === 'auto'
        ? decideLevel(entry, target, wholeHorizon(rehearsal, samples), options.seed)
        : decided;
    return { level, levelError: levelErrorOf(levelled(entry, level.held).predicted, target) };
  } catch (error) {
    // What can be learned from all of the history may not be from part of it.
    if (!(error instanceof CloveError) || !REHEARSAL_FAILURES.has(error.code)) throw error;
    return { level: decided, levelError: null };
  }
};

const NO_REHEARSAL = 'held to the forecast: the history is too short for a rehearsal before the test origin';
const REHEARSAL_FAILURES = new Set(['not-enough-data', 'not-converged', 'target-constant', 'value-invalid']);
