/** Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019) as tfjs ops, with the defaults of torch.optim. */
import * as tf from '@tensorflow/tfjs-core';

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** How gradients move parameters. */
export type Optimiser = {
  /** 0: none. L2 penalty added to the gradient, as in torch.optim.Adam(weight_decay=…), or see `decoupled`. */
  weightDecay: number;
  /** Whether weights decay by themselves instead, rate · weightDecay a step, as in torch.optim.AdamW. */
  decoupled?: boolean | undefined;
  /** The Euclidean norm that all gradients together may have, as torch.nn.utils.clip_grad_norm_; any when left out. */
  clipNorm?: number | undefined;
};

/** What one step takes besides the gradient, a number each. */
export type AdamScalars<T> = { root_factor: T; root_offset: T; kept: T };
/** Their names, as the graphs call them. */
export const ADAM_SCALARS = ['root_factor', 'root_offset', 'kept'] as const;

/**
 * The scalars of steps t = done + 1, done + 2, …, in double precision.
 *
 * The paper's step is rate·m̂/(√v̂ + ε) with m̂ = m/(1 - β1ᵗ), v̂ = v/(1 - β2ᵗ), m and v sums weighted by (1 - β). All
 * scalars are drawn together, so that a step touches the parameters as few times as it can: with M = m/(1 - β1) and
 * V = v/(1 - β2) the step is M / (√V·factor + offset). `kept` is what decoupled decay leaves of a weight.
 */
export function adamTables(
  o: Optimiser,
  done: number,
  steps: number,
  rate: number,
): AdamScalars<Float32Array<ArrayBuffer>> {
  const root_factor = new Float32Array(steps);
  const root_offset = new Float32Array(steps);
  for (let i = 0; i < steps; i += 1) {
    const t = done + i + 1;
    const size = (rate * (1 - BETA1)) / (1 - BETA1 ** t);
    root_factor[i] = Math.sqrt((1 - BETA2) / (1 - BETA2 ** t)) / size;
    root_offset[i] = EPSILON / size;
  }
  return { root_factor, root_offset, kept: new Float32Array(steps).fill(1 - rate * o.weightDecay) };
}

/** Parameters and their moments M and V, flat. */
export type AdamState = { p: tf.Tensor1D; m: tf.Tensor1D; v: tf.Tensor1D };

/** One step. @param at the state, and the gradient g */
export function adamStep(o: Optimiser, at: AdamState & { g: tf.Tensor1D }, scalars: AdamScalars<tf.Tensor>): AdamState {
  const { p, m, v } = at;
  const clipped = o.clipNorm === undefined ? at.g : tf.mul(at.g, clipFactor(at.g, o.clipNorm));
  const coupled = o.weightDecay !== 0 && o.decoupled !== true;
  const g = coupled ? tf.add(clipped, tf.mul(p, o.weightDecay)) : clipped;
  const m2: tf.Tensor1D = tf.add(tf.mul(m, BETA1), g);
  const v2: tf.Tensor1D = tf.add(tf.mul(v, BETA2), tf.square(g));
  const step = tf.div(m2, tf.add(tf.mul(tf.sqrt(v2), scalars.root_factor), scalars.root_offset));
  const kept = o.weightDecay !== 0 && !coupled ? tf.mul(p, scalars.kept) : p;
  return { p: tf.sub(kept, step), m: m2, v: v2 };
}

/** What a gradient is multiplied with: 1, or less where its norm is above the limit. 1e-6 as in torch. */
const clipFactor = (g: tf.Tensor1D, limit: number): tf.Tensor =>
  tf.minimum(tf.div(limit, tf.add(tf.sqrt(tf.sum(tf.square(g))), 1e-6)), 1);
