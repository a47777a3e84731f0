import type { TrainingOptions } from '@clove/contracts';
import { encodeSafetensors } from '@clove/engine';
import type { Entry } from './contestants.js';

/**
 * What a network can be trained further from: parameters, optimiser and batch-norm statistics at the end of its training, in
 * safetensors layout, and what they belong to as JSON in the metadata; of several seeds, the first. Null for what has no such
 * state: trees, probabilistic models and means of several models.
 */
export const checkpointOf = (
  { members }: Pick<Entry, 'members'>,
  options: TrainingOptions,
  target: string,
): Uint8Array | null => {
  const [only, ...more] = members;
  const state = only?.learned.state ?? null;
  if (only === undefined || more.length > 0 || state === null) return null;
  const { member, bestEpoch } = only.learned;
  const config = { options, schema: member.schema, scale: state.scale, target, bestEpoch };
  return encodeSafetensors(
    { params: flat(state.params), m: flat(state.m), v: flat(state.v), stats: flat(state.stats) },
    { format: '1', step: String(state.step), config: JSON.stringify(config) },
  );
};

const flat = (values: Float32Array) => ({ shape: [values.length], values });
