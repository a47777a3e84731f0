import { CloveError } from '@clove/contracts';
import * as tf from '@tensorflow/tfjs-core';
import type { Sequence } from './table.js';

/** Columns that a sequence takes in a row of inputs, behind the features: the values step by step, then the mask. */
export const sequenceWidth = ({ length, channels }: { length: number; channels: number }): number =>
  length * channels + length;

/**
 * Learns each channel's mean and standard deviation over the steps that count, and standardises with them, as tfjs ops on the
 * columns of the sequence [rows, sequenceWidth]; the mask stays as it is. A channel that never changes is only centred.
 * @param sequence of the training rows and no others
 * @throws CloveError `not-enough-data` where no row has a step
 */
export const prepareSequence = (sequence: Sequence): ((raw: tf.Tensor2D) => tf.Tensor2D) => {
  const { length, channels, values, mask } = sequence;
  const count = mask.reduce((sum, counts) => sum + counts, 0);
  if (count === 0) {
    throw new CloveError(
      'not-enough-data',
      'No customer of the training rows has an order, so there is no sequence to learn from.',
    );
  }
  const moment = (of: (value: number, channel: number) => number): Float64Array => {
    const sums = new Float64Array(channels);
    for (let i = 0; i < values.length; i += 1) {
      const channel = i % channels;
      if (mask[(i - channel) / channels] === 1) sums[channel]! += of(values[i]!, channel) / count;
    }
    return sums;
  };
  const mean = moment((value) => value);
  const sd = moment((value, channel) => (value - mean[channel]!) ** 2).map(Math.sqrt);
  // A hair's breadth of rounding in a constant channel is no spread.
  const factor = sd.map((value, channel) => (value > 1e-6 * Math.max(1, Math.abs(mean[channel]!)) ? 1 / value : 1));
  const everyStep = (channel: Float64Array, ofMask: number): tf.Tensor2D =>
    tf.tensor2d(
      [...Array.from({ length }, () => [...channel]).flat(), ...Array<number>(length).fill(ofMask)],
      [1, sequenceWidth(sequence)],
    );
  return (raw) => tf.mul(tf.sub(raw, everyStep(mean, 0)), everyStep(factor, 1));
};
