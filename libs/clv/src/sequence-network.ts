/**
 * What the networks share that read a sequence beside static features.
 *
 * Input: one row [staticWidth + L·C + L]: prepared static features, then the L steps of C values, step by step, then the
 * mask of the L steps. A step counts where its mask is above 0; the steps that count stand at the end, the latest last
 * (padding in front). What stands in the padding, NaN included, changes nothing.
 */
import type { ForwardContext, Network, ParamSpec, Tensors } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { type MlpOptions, mlp } from './mlp.js';

/** What the LSTM, GRU and transformer networks have in common. The MLP reads [static features, encoded sequence]. */
export type SequenceNetworkOptions = MlpOptions & {
  /** prepared static features, 0 or more */
  staticWidth: number;
  sequence: { length: number; channels: number };
};

/** A batch of sequences, padding set to 0. */
export type Steps = {
  /** [rows, L, C] */
  values: tf.Tensor3D;
  /** [rows, L], 1 where a step counts, else 0 */
  mask: tf.Tensor2D;
};

/** What turns the steps into one vector a row; 0 where no step counts. */
export type SequenceEncoder = {
  width: number;
  params: readonly ParamSpec[];
  encode(params: Tensors, steps: Steps, context: ForwardContext): tf.Tensor2D;
};

/** The network of an encoder: its vector joins the static features in front of the MLP. */
export const sequenceNetwork = (name: string, o: SequenceNetworkOptions, encoder: SequenceEncoder): Network => {
  const { length, channels } = o.sequence;
  const head = mlp(o.staticWidth + encoder.width, o);
  return {
    name: `${name} ${length}×${channels}+${o.staticWidth}`,
    inputWidth: o.staticWidth + length * channels + length,
    // The MLP's come first: the first parameter's first rows belong to the static features, as in a feedforward network.
    params: [...head.params, ...encoder.params],
    stats: head.stats,
    forward(p, s, x, context) {
      const encoded = encoder.encode(p, stepsOf(x, o), context);
      const features = tf.slice(x, [0, 0], [-1, o.staticWidth]);
      const joined = o.staticWidth === 0 ? encoded : tf.concat([features, encoded], 1);
      return head.forward(p, s, joined, context);
    },
  };
};

const stepsOf = (x: tf.Tensor2D, { staticWidth, sequence: { length, channels } }: SequenceNetworkOptions): Steps => {
  const values = tf.reshape(tf.slice(x, [0, staticWidth], [-1, length * channels]), [-1, length, channels]);
  const counts = tf.greater(tf.slice(x, [0, staticWidth + length * channels], [-1, length]), 0);
  return {
    // Chosen rather than multiplied: NaN · 0 would be NaN.
    values: tf.where(tf.expandDims(counts, 2), values, tf.zerosLike(values)) as tf.Tensor3D,
    mask: tf.cast(counts, 'float32') as tf.Tensor2D,
  };
};

/** [rows, L, k] → [L·rows, k]: all rows of the first step, then of the second, and so on. */
export const timeMajor = (x: tf.Tensor3D): tf.Tensor2D => tf.reshape(tf.transpose(x, [1, 0, 2]), [-1, x.shape[2]]);

/** [rows, L, k] → [k, L·rows]: a column for each row of the first step, then of the second, and so on. */
export const featureMajor = (x: tf.Tensor3D): tf.Tensor2D => tf.reshape(tf.transpose(x, [2, 1, 0]), [x.shape[2], -1]);
