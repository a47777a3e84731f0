import { CloveError } from '@clove/contracts';
import type { Network, ParamSpec, Tensors } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { linear, linearParams } from './mlp.js';
import { type SequenceNetworkOptions, type Steps, sequenceNetwork } from './sequence-network.js';

export type TransformerOptions = SequenceNetworkOptions & {
  /** numbers that stand for a step, a multiple of `heads` */
  width: number;
  heads: number;
  layers: number;
  /** units of the feed-forward part */
  feedForward: number;
  /** between them; `gelu` when left out */
  feedForwardActivation?: 'gelu' | 'relu' | undefined;
  /** how a step knows its place, counted from the latest; `learned` when left out */
  positions?: 'learned' | 'sinusoidal' | undefined;
  /** what stands for the sequence: the mean over the steps that count, or the latest step; `mean` when left out */
  pooling?: 'mean' | 'last' | undefined;
};

/**
 * A transformer encoder over the sequence (Vaswani et al. 2017), normalised in front of each part (Xiong et al. 2020), as
 * torch.nn.TransformerEncoder with norm_first and a last norm: x ← x + attention(norm(x)), x ← x + feedForward(norm(x)).
 * Every step attends to all steps that count. `dropout` acts on both parts' results and on the embedded steps. The
 * pooled steps join the static features.
 * @throws CloveError `invalid-input` where the width is no multiple of the heads
 */
export const transformer = (o: TransformerOptions): Network => {
  const { length, channels } = o.sequence;
  if (o.width % o.heads !== 0) {
    throw new CloveError(
      'invalid-input',
      `The width of a transformer is shared out among its heads: ${o.width} is no multiple of ${o.heads}.`,
    );
  }
  const learned = (o.positions ?? 'learned') === 'learned';
  const layers = Array.from({ length: o.layers }, (_, i) => `encoder${i}`);
  const places: ParamSpec = { name: 'positions', shape: [length, o.width], init: { type: 'uniform', bound: 0.02 } };
  return sequenceNetwork(`transformer ${o.layers}×${o.width}`, o, {
    width: o.width,
    params: [
      ...linearParams('embedding', channels, o.width),
      ...(learned ? [places] : []),
      ...layers.flatMap((name) => [
        ...normParams(`${name}.norm1`, o.width),
        ...linearParams(`${name}.queryKeyValue`, o.width, 3 * o.width),
        ...linearParams(`${name}.attended`, o.width, o.width),
        ...normParams(`${name}.norm2`, o.width),
        ...linearParams(`${name}.wide`, o.width, o.feedForward),
        ...linearParams(`${name}.narrow`, o.feedForward, o.width),
      ]),
      ...normParams('norm', o.width),
    ],
    encode(p, { values, mask }, { dropout }) {
      // [rows·L, width] but where steps meet.
      const flat = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [-1, x.shape.at(-1)!]);
      const bySteps = (x: tf.Tensor): tf.Tensor3D => tf.reshape(x, [-1, length, o.width]);
      const activate = o.feedForwardActivation === 'relu' ? tf.relu : gelu;
      const positions = learned ? p['positions']! : sinusoids(length, o.width);
      // Far below any score: e to that is 0.
      const unseen = tf.mul(tf.sub(tf.reshape(mask, [-1, 1, 1, length]), 1), 1e9);

      const embedded = tf.add(bySteps(linear(p, 'embedding', flat(values))), tf.expandDims(positions, 0));
      let x: tf.Tensor = dropout(flat(embedded), o.dropout);
      for (const name of layers) {
        const mixed = attention(linear(p, `${name}.queryKeyValue`, layerNorm(p, `${name}.norm1`, x)), o, unseen);
        x = tf.add(x, dropout(linear(p, `${name}.attended`, mixed), o.dropout));
        const wide = activate(linear(p, `${name}.wide`, layerNorm(p, `${name}.norm2`, x)));
        x = tf.add(x, dropout(linear(p, `${name}.narrow`, wide), o.dropout));
      }
      return pooled({ values: bySteps(layerNorm(p, 'norm', x)), mask }, o.pooling ?? 'mean');
    },
  });
};

/** @param mixed [rows·L, 3·width]: queries, keys and values @param unseen [rows, 1, 1, L], added to the scores of keys */
const attention = (mixed: tf.Tensor2D, o: TransformerOptions, unseen: tf.Tensor): tf.Tensor2D => {
  const { length } = o.sequence;
  const size = o.width / o.heads;
  const parts = tf.transpose(tf.reshape(mixed, [-1, length, 3, o.heads, size]), [2, 0, 3, 1, 4]);
  const [query, key, value] = tf.unstack(parts) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const scores = tf.matMul(tf.mul(query, 1 / Math.sqrt(size)), key, false, true);
  const attended = tf.matMul(tf.softmax(tf.add(scores, unseen)), value);
  return tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [-1, o.width]);
};

const pooled = ({ values, mask }: Steps, how: 'mean' | 'last'): tf.Tensor2D => {
  const counting = tf.expandDims(mask, 2);
  const kept = tf.mul(values, counting);
  if (how === 'last') {
    const [, length, width] = values.shape;
    return tf.reshape(tf.slice(kept, [0, length - 1, 0], [-1, 1, -1]), [-1, width]);
  }
  return tf.div(tf.sum(kept, 1), tf.maximum(tf.sum(counting, 1), 1));
};

const normParams = (name: string, width: number): ParamSpec[] => [
  { name: `${name}.scale`, shape: [width], init: { type: 'ones' } },
  { name: `${name}.shift`, shape: [width], init: { type: 'zeros' } },
];

/** Layer normalisation of the rows of x (Ba, Kiros & Hinton 2016), as torch.nn.LayerNorm. */
const layerNorm = (p: Tensors, name: string, x: tf.Tensor): tf.Tensor2D =>
  normalised(x, p[`${name}.scale`]!, p[`${name}.shift`]!);

/** With x̂ = (x - mean)/sd: y = scale·x̂ + shift; dx = (g - mean(g) - x̂·mean(g·x̂))/sd where g = scale·dy. */
const normalised = tf.customGrad((...given) => {
  const [x, scale, shift, save] = given as unknown as [tf.Tensor2D, tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
  const centred = tf.sub(x, tf.mean(x, 1, true));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), LAYER_NORM_EPSILON));
  const unit = tf.mul(centred, inverse);
  save([unit, inverse, scale]);
  return {
    value: tf.add(tf.mul(unit, scale), shift),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [u, inv, s] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const g = tf.mul(dy, s);
      const along = tf.mul(u, tf.mean(tf.mul(g, u), 1, true));
      const dx = tf.mul(tf.sub(tf.sub(g, tf.mean(g, 1, true)), along), inv);
      return [dx, tf.sum(tf.mul(dy, u), 0), tf.sum(dy, 0)];
    },
  };
}) as (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) => tf.Tensor2D;
const LAYER_NORM_EPSILON = 1e-5;

/** x·Φ(x), the exact form (Hendrycks & Gimpel 2016). */
const gelu = (x: tf.Tensor2D): tf.Tensor2D => tf.mul(x, tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5));

/** Vaswani et al. 2017, section 3.5, with places counted from the latest step. */
const sinusoids = (length: number, width: number): tf.Tensor2D => {
  const values = Float32Array.from({ length: length * width }, (_, at) => {
    const place = length - 1 - Math.floor(at / width);
    const i = at % width;
    const angle = place / 10_000 ** ((2 * Math.floor(i / 2)) / width);
    return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
  return tf.tensor2d(values, [length, width]);
};
