import type { ForwardContext, ParamSpec, Tensors } from '@clove/engine';
import { batchNorm, batchNormAffine } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';

/** What follows each hidden layer; `silu` is x·sigmoid(x). */
export type Activation = 'relu' | 'silu';

/** The shape of a stack of fully connected layers. */
export type MlpOptions = {
  /** units of each hidden layer; none: a linear model */
  hidden: readonly number[];
  batchNorm: boolean;
  /** share of units dropped while training, 0 to below 1 */
  dropout: number;
  /** `relu` when left out */
  activation?: Activation | undefined;
  /** outputs, as the head asks; 1 when left out */
  outputs?: number | undefined;
  /** the last layer starts at 0, so that every output does; for networks that correct a forecast */
  zeroLast?: boolean | undefined;
};

/** A part of a network: its parameters, and what it makes of an input. */
export type Block = {
  params: readonly ParamSpec[];
  stats: readonly ParamSpec[];
  forward(
    params: Tensors,
    stats: Tensors,
    x: tf.Tensor2D,
    context: ForwardContext,
  ): { output: tf.Tensor2D; stats: Tensors };
};

/** A linear layer that starts uniform in ±1/√fan-in, as torch.nn.Linear starts: `name.weight` [inputs, outputs] and `name.bias`. */
export const linearParams = (name: string, inputs: number, outputs: number): ParamSpec[] => {
  const init = { type: 'uniform', bound: 1 / Math.sqrt(inputs) } as const;
  return [
    { name: `${name}.weight`, shape: [inputs, outputs], init },
    { name: `${name}.bias`, shape: [outputs], init },
  ];
};

/** x [rows, inputs] through the linear layer `name`. */
export const linear = (p: Tensors, name: string, x: tf.Tensor): tf.Tensor2D =>
  tf.add(tf.matMul(x as tf.Tensor2D, p[`${name}.weight`]!), p[`${name}.bias`]!);

/**
 * For each hidden layer Linear → BatchNorm → activation → Dropout, then Linear to the outputs. The first parameter is
 * `hidden0.weight` [inputWidth, units], or `output.weight` without hidden layers.
 */
export const mlp = (inputWidth: number, o: MlpOptions): Block => {
  const activate = o.activation === 'silu' ? silu : tf.relu;
  const params: ParamSpec[] = [];
  const stats: ParamSpec[] = [];
  let width = inputWidth;
  o.hidden.forEach((units, i) => {
    params.push(...linearParams(`hidden${i}`, width, units));
    if (o.batchNorm) {
      params.push({ name: `hidden${i}.scale`, shape: [units], init: { type: 'ones' } });
      params.push({ name: `hidden${i}.shift`, shape: [units], init: { type: 'zeros' } });
      stats.push({ name: `hidden${i}.mean`, shape: [units], init: { type: 'zeros' } });
      stats.push({ name: `hidden${i}.variance`, shape: [units], init: { type: 'ones' } });
    }
    width = units;
  });
  const last = linearParams('output', width, o.outputs ?? 1);
  params.push(...(o.zeroLast ? last.map((spec): ParamSpec => ({ ...spec, init: { type: 'zeros' } })) : last));

  return {
    params,
    stats,
    forward(p, s, x, { training, dropout }) {
      const updated: Record<string, tf.Tensor> = {};
      let h = x;
      for (let i = 0; i < o.hidden.length; i += 1) {
        const layer = `hidden${i}`;
        if (!o.batchNorm) {
          h = linear(p, layer, h);
        } else {
          const norm = {
            scale: p[`${layer}.scale`]!,
            shift: p[`${layer}.shift`]!,
            mean: s[`${layer}.mean`]!,
            variance: s[`${layer}.variance`]!,
          };
          if (training) {
            const x: tf.Tensor2D = tf.matMul(h, p[`${layer}.weight`] as tf.Tensor2D);
            const normalised = batchNorm({ x, bias: p[`${layer}.bias`]!, ...norm, training });
            h = normalised.output;
            updated[`${layer}.mean`] = normalised.mean;
            updated[`${layer}.variance`] = normalised.variance;
          } else {
            // Batch norm folded into the layer scores a third faster.
            const { factor, offset } = batchNormAffine(norm);
            const [weight, bias] = [p[`${layer}.weight`]!, p[`${layer}.bias`]!];
            h = tf.add(tf.matMul(h, tf.mul(weight, factor)), tf.add(tf.mul(bias, factor), offset));
          }
        }
        h = dropout(activate(h), o.dropout) as tf.Tensor2D;
      }
      return { output: linear(p, 'output', h), stats: updated };
    },
  };
};

const silu = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.sigmoid(x));
