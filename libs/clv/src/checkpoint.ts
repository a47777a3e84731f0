/**
 * Checkpoints: how far the networks of one job have come, as one safetensors file. A job trains several networks in a fixed
 * order (one a seed, then those of its rehearsal); each has a name, and one that has ended is not trained again.
 */
import { createHash } from 'node:crypto';
import { Checkpoint, CloveError, type TrainingOptions } from '@clove/contracts';
import { type Network, type SafeTensor, type TrainState, decodeSafetensors, encodeSafetensors } from '@clove/engine';
import type { TrainingState } from './training.js';

/** A training and what it was begun with. */
export type KeptTraining = TrainingState & { fingerprint: string };

/** What `trainNetwork` goes on from and saves to. */
export type TrainingCheckpoint = {
  from: TrainingState | null;
  everySeconds: number;
  save(state: TrainingState): void;
};

/** The checkpoints of a job. */
export interface Checkpoints {
  /** That of one training. One that was kept under this name with another fingerprint is not gone on with. */
  of(name: string, fingerprint: string): TrainingCheckpoint;
}

const PARTS = ['params', 'm', 'v', 'stats'] as const;

/** SHA-256 of what a training works on: a network's shape and any options, and its data. */
export const fingerprint = (
  [network, options]: [Network, Record<string, unknown>],
  data: readonly Float32Array[],
): string => {
  const hash = createHash('sha256');
  // What computes it may change in between; threads and backend are no part of what is learnt.
  const { backend: _backend, threads: _threads, cpuFallback: _cpuFallback, ...rest } = options;
  hash.update(JSON.stringify([network.name, network.inputWidth, network.params, network.stats, rest]));
  for (const { buffer, byteOffset, byteLength } of data) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
};

/** The file. @param options of the job */
export const encodeCheckpoint = (
  options: TrainingOptions,
  trainings: ReadonlyMap<string, KeptTraining>,
): Uint8Array => {
  const tensors: Record<string, SafeTensor> = {};
  const described: Checkpoint['trainings'] = {};
  const add = (prefix: string, state: TrainState): void => {
    for (const part of PARTS) tensors[`${prefix}${part}`] = { shape: [state[part].length], values: state[part] };
  };
  for (const [name, { state, best, ...training }] of trainings) {
    add(`${name}/`, state);
    add(`${name}/best.`, best.state);
    described[name] = {
      ...training,
      step: state.step,
      best: { epoch: best.epoch, loss: best.loss, step: best.state.step },
    };
  }
  const about: Checkpoint = { format: 1, options, trainings: described };
  return encodeSafetensors(tensors, { clove: JSON.stringify(about) });
};

/** @throws EngineError `invalid-file` where it is no safetensors file; CloveError `data-unreadable` where it is no checkpoint of this format */
export const decodeCheckpoint = (
  bytes: Uint8Array,
): { options: TrainingOptions; trainings: Map<string, KeptTraining> } => {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const about = Checkpoint.safeParse(parsed(metadata['clove']));
  if (!about.success) {
    throw new CloveError('data-unreadable', `The file is no checkpoint of a training: ${about.error.message}`);
  }
  const part = (name: string): Float32Array => {
    const values = tensors[name]?.values;
    if (values instanceof Float32Array) return values;
    throw new CloveError('data-unreadable', `The checkpoint lacks the tensor "${name}".`);
  };
  const stateOf = (prefix: string, step: number): TrainState => ({
    params: part(`${prefix}params`),
    m: part(`${prefix}m`),
    v: part(`${prefix}v`),
    stats: part(`${prefix}stats`),
    step,
  });
  const trainings = new Map<string, KeptTraining>();
  for (const [name, { step, best, ...training }] of Object.entries(about.data.trainings)) {
    trainings.set(name, {
      ...training,
      state: stateOf(`${name}/`, step),
      best: { epoch: best.epoch, loss: best.loss, state: stateOf(`${name}/best.`, best.step) },
    });
  }
  return { options: about.data.options, trainings };
};

const parsed = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
};
