import * as tf from '@tensorflow/tfjs-core';

/** How a target is standardised: (value − mean) / sd. Fitted on training rows. */
export type TargetScale = { mean: number; sd: number };

/** @param target training rows, at least two of which differ */
export const fitTargetScale = (target: Float64Array): TargetScale => {
  let mean = 0;
  for (const value of target) mean += value / target.length;
  let variance = 0;
  for (const value of target) variance += (value - mean) ** 2 / target.length;
  return { mean, sd: Math.sqrt(variance) };
};

/** Values on the scale on which a network learns. */
export const scaleTarget = (scale: TargetScale, target: Float64Array): Float32Array =>
  Float32Array.from(target, (value) => (value - scale.mean) / scale.sd);

/** A network's output back in currency and not below 0, as tfjs ops: the end of `model.onnx`. */
export const predictionTensor =
  (scale: TargetScale): ((output: tf.Tensor2D) => tf.Tensor2D) =>
  (output) =>
    tf.relu(tf.add(tf.mul(output, tf.scalar(scale.sd)), tf.scalar(scale.mean)));
