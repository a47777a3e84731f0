import type { Network } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { cellParams } from './lstm.js';
import { type SequenceNetworkOptions, sequenceNetwork, timeMajor } from './sequence-network.js';

/**
 * A GRU over the sequence (Cho et al. 2014); the state after the last step joins the static features. Cell equations,
 * gate order r, z, n and the two biases are those of torch.nn.GRU:
 *
 *     r, z = σ(W x + b + R h + b'),  n = tanh(W x + b + r·(R h + b')),  h ← (1 - z)·n + z·h
 *
 * Parameters of layer n: `gru<n>.input` [in, 3·units] and `gru<n>.recurrent` [units, 3·units] (torch's matrices
 * transposed), `gru<n>.inputBias` and `gru<n>.recurrentBias` [3·units]; all start uniform in ±1/√units.
 * @param o.layers stacked GRUs; between them `dropout`
 */
export const gru = (o: SequenceNetworkOptions & { units: number; layers: number }): Network => {
  const layers = Array.from({ length: o.layers }, (_, i) => `gru${i}`);
  return sequenceNetwork(`gru ${o.layers}×${o.units}`, o, {
    width: o.units,
    params: layers.flatMap((name, i) => cellParams(name, i === 0 ? o.sequence.channels : o.units, o.units, 3)),
    encode(p, steps, { dropout }) {
      const mask = timeMajor(tf.expandDims(steps.mask, 2));
      let x = timeMajor(steps.values);
      layers.forEach((name, i) => {
        const projected = tf.add(tf.matMul(x, p[`${name}.input`]!), p[`${name}.inputBias`]!) as tf.Tensor2D;
        const last = i === layers.length - 1;
        const h = gruLayer({
          projected,
          recurrent: p[`${name}.recurrent`] as tf.Tensor2D,
          bias: p[`${name}.recurrentBias`] as tf.Tensor1D,
          mask,
          length: o.sequence.length,
          last,
        });
        x = (last ? h : dropout(h, o.dropout)) as tf.Tensor2D;
      });
      return x;
    },
  });
};

/**
 * The recurrence itself, with its gradient in closed form, as in lstm.ts: the factors of all steps are computed at once,
 * and the weights' gradient is one product.
 * @param o.projected [L·rows, 3·units] W x + b of all steps, time-major @param o.mask [L·rows, 1]
 * @returns h after the last step [rows, units], or of all steps [L·rows, units]
 */
const gruLayer = (o: {
  projected: tf.Tensor2D;
  recurrent: tf.Tensor2D;
  bias: tf.Tensor1D;
  mask: tf.Tensor2D;
  length: number;
  last: boolean;
}): tf.Tensor2D => {
  const { length, mask } = o;
  const units = o.recurrent.shape[0];
  const run = tf.customGrad((...given) => {
    const [projected, recurrent, bias, save] = given as unknown as [
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor1D,
      tf.GradSaveFunc,
    ];
    const masks = tf.split(mask, length);
    const gates: tf.Tensor2D[] = [];
    const inner: tf.Tensor2D[] = [];
    const news: tf.Tensor2D[] = [];
    const outputs: tf.Tensor2D[] = [];
    tf.split(projected, length).forEach((input, t) => {
      const before = outputs[t - 1] ?? (tf.zerosLike(tf.slice(input, [0, 0], [-1, units])) as tf.Tensor2D);
      const fed = t === 0 ? tf.add(tf.zerosLike(input), bias) : tf.add(tf.matMul(before, recurrent), bias);
      const [inputRZ, inputN] = tf.split(input, [2 * units, units], 1);
      const [fedRZ, fedN] = tf.split(fed, [2 * units, units], 1);
      gates.push(tf.sigmoid(tf.add(inputRZ!, fedRZ!)));
      const [r, z] = tf.split(gates[t]!, 2, 1);
      inner.push(fedN as tf.Tensor2D);
      news.push(tf.tanh(tf.add(inputN!, tf.mul(r!, fedN!))));
      outputs.push(tf.mul(tf.add(news[t]!, tf.mul(z!, tf.sub(before, news[t]!))), masks[t]!));
    });
    // The mask too: eager backends free what is neither saved nor returned.
    save([recurrent, mask, ...gates, ...inner, ...news, ...outputs]);
    return {
      value: o.last ? outputs.at(-1)! : tf.concat(outputs),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        gruGradient({ dy: dy as tf.Tensor2D, saved: saved as tf.Tensor2D[], length, last: o.last }),
    };
  }) as (projected: tf.Tensor2D, recurrent: tf.Tensor2D, bias: tf.Tensor1D) => tf.Tensor2D;
  return run(o.projected, o.recurrent, o.bias);
};

const gruGradient = (o: {
  dy: tf.Tensor2D;
  saved: tf.Tensor2D[];
  length: number;
  last: boolean;
}): [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D] => {
  const { length } = o;
  const [recurrent, mask, ...rest] = o.saved as [tf.Tensor2D, tf.Tensor2D, ...tf.Tensor2D[]];
  const part = (k: number): tf.Tensor2D[] => rest.slice(k * length, (k + 1) * length);
  const [gates, inner, news, outputs] = [part(0), part(1), part(2), part(3)];
  const units = recurrent.shape[0];
  const stepsOf = (x: tf.Tensor2D): tf.Tensor2D[] => tf.split(x, length);
  // What a change of each gate's input (of n: of what the state feeds into it) and of h before does to h, for all steps at once.
  const all = tf.concat(gates);
  const [r, z] = tf.split(all, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  const n = tf.concat(news);
  const before = tf.concat([tf.zerosLike(outputs[0]!), ...outputs.slice(0, -1)]);
  const kept: tf.Tensor2D = tf.mul(z, mask);
  const byN: tf.Tensor2D = tf.mul(tf.sub(mask, kept), tf.sub(1, tf.square(n)));
  const partners: tf.Tensor2D[] = [tf.mul(byN, tf.concat(inner)), tf.mul(tf.sub(before, n), mask)];
  const byRZ: tf.Tensor2D = tf.mul(tf.mul(all, tf.sub(1, all)), tf.concat(partners, 1));
  const byFed = stepsOf(tf.concat([byRZ, tf.mul(byN, r)], 1));
  const keptSteps = stepsOf(kept);

  const above = o.last ? undefined : stepsOf(o.dy);
  const dOutputs: tf.Tensor2D[] = [];
  const dFed: tf.Tensor2D[] = [];
  let dh = above?.at(-1) ?? o.dy;
  for (let t = length - 1; t >= 0; t -= 1) {
    const d: tf.Tensor2D = tf.mul(tf.concat([dh, dh, dh], 1), byFed[t]!);
    dOutputs.unshift(dh);
    dFed.unshift(d);
    if (t > 0) {
      const back: tf.Tensor2D = tf.add(tf.matMul(d, recurrent, false, true), tf.mul(dh, keptSteps[t]!));
      dh = above === undefined ? back : tf.add(back, above[t - 1]!);
    }
  }
  const fed = tf.concat(dFed);
  const dProjected = tf.concat([tf.slice(fed, [0, 0], [-1, 2 * units]), tf.mul(tf.concat(dOutputs), byN)], 1);
  const dRecurrent =
    length === 1 ? tf.zerosLike(recurrent) : tf.matMul(tf.concat(outputs.slice(0, -1)), tf.concat(dFed.slice(1)), true);
  return [dProjected as tf.Tensor2D, dRecurrent as tf.Tensor2D, tf.sum(fed, 0) as tf.Tensor1D];
};
