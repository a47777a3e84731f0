/** Layers whose gradient or statistics are easy to get wrong, written once for every network. */
import * as tf from '@tensorflow/tfjs-core';

/** As torch.nn.BatchNorm1d. */
const EPSILON = 1e-5;
const MOMENTUM = 0.1;

/**
 * Batch normalisation over the rows of x [rows, width], as torch.nn.BatchNorm1d (Ioffe & Szegedy 2015).
 *
 * Training: normalises by the batch's mean and biased variance, and moves the running statistics by 0.1 towards the
 * batch's mean and unbiased variance; needs at least 2 rows. Otherwise: normalises by the running statistics.
 * @param o.bias of the linear layer in front, [width], where x comes without it. It cancels out and has no gradient; added to x
 * instead, its gradient is rounding, of which Adam makes steps of full size.
 * @param o.scale,o.shift trained, [width]; `mean`, `variance`: running statistics, [width]
 * @returns the normalised x and the running statistics after this batch
 */
export function batchNorm(o: {
  x: tf.Tensor2D;
  bias?: tf.Tensor;
  scale: tf.Tensor;
  shift: tf.Tensor;
  mean: tf.Tensor;
  variance: tf.Tensor;
  training: boolean;
}): { output: tf.Tensor2D; mean: tf.Tensor; variance: tf.Tensor } {
  if (!o.training) {
    const { factor, offset } = batchNormAffine(o);
    const x = o.bias === undefined ? o.x : tf.add(o.x, o.bias);
    return { output: tf.add(tf.mul(x, factor), offset), mean: o.mean, variance: o.variance };
  }
  const rows = o.x.shape[0];
  const mean = tf.mean(o.x, 0);
  const variance = tf.mean(tf.square(tf.sub(o.x, mean)), 0);
  const move = (running: tf.Tensor, seen: tf.Tensor, by: number): tf.Tensor =>
    tf.add(tf.mul(running, 1 - MOMENTUM), tf.mul(seen, by));
  return {
    output: normalise(o.x, o.scale, o.shift, o.bias ?? tf.zerosLike(o.shift)),
    mean: move(o.mean, o.bias === undefined ? mean : tf.add(mean, o.bias), MOMENTUM),
    variance: move(o.variance, variance, (MOMENTUM * rows) / (rows - 1)),
  };
}

/**
 * What batch norm is when not training: x · factor + offset, each [width]. Lets a network fold it into the linear layer
 * before it, which onnxruntime does not do by itself.
 */
export function batchNormAffine(o: { scale: tf.Tensor; shift: tf.Tensor; mean: tf.Tensor; variance: tf.Tensor }): {
  factor: tf.Tensor;
  offset: tf.Tensor;
} {
  const factor = tf.mul(o.scale, tf.rsqrt(tf.add(o.variance, EPSILON)));
  return { factor, offset: tf.sub(o.shift, tf.mul(o.mean, factor)) };
}

/**
 * scale · (x - mean) / sd + shift by the batch's own moments. The gradient is the closed form rather than the chain
 * through mean and variance, which touches the batch three times as often:
 * dx = scale/sd · (dy - mean(dy) - (x - mean)/sd² · mean(dy · (x - mean))).
 */
const normalise = tf.customGrad((x, scale, shift, bias, save) => {
  const [a, g, b, keep] = [x as tf.Tensor2D, scale as tf.Tensor, shift as tf.Tensor, save as tf.GradSaveFunc];
  const centred = tf.sub(a, tf.mean(a, 0));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 0), EPSILON));
  const factor = tf.mul(g, inverse);
  keep([centred, inverse, factor]);
  return {
    value: tf.add(tf.mul(centred, factor), b),
    gradFunc: (dy, saved) => {
      const [c, inv, k] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const product = tf.sum(tf.mul(dy, c), 0);
      const total = tf.sum(dy, 0);
      // Whatever has one number a column is multiplied first: the batch itself is touched four times.
      const share = tf.mul(k, 1 / a.shape[0]);
      const along = tf.mul(tf.mul(product, tf.square(inv)), share);
      const dx = tf.sub(tf.sub(tf.mul(dy, k), tf.mul(c, along)), tf.mul(total, share));
      return [dx, tf.mul(product, inv), total, tf.zerosLike(bias as tf.Tensor)];
    },
  };
}) as (x: tf.Tensor2D, scale: tf.Tensor, shift: tf.Tensor, bias: tf.Tensor) => tf.Tensor2D;
