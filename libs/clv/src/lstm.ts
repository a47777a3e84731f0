import type { Network, ParamSpec } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { type SequenceNetworkOptions, featureMajor, sequenceNetwork } from './sequence-network.js';

/**
 * An LSTM over the sequence (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000); the state after the
 * last step joins the static features. Cell equations, gate order i, f, g, o and the two biases are those of torch.nn.LSTM:
 *
 *     i, f, o = σ(W x + b + R h + b'),  g = tanh(W x + b + R h + b'),  c ← f·c + i·g,  h ← o·tanh(c)
 *
 * Parameters of layer n: `lstm<n>.input` [in, 4·units] and `lstm<n>.recurrent` [units, 4·units] (torch's matrices
 * transposed), `lstm<n>.inputBias` and `lstm<n>.recurrentBias` [4·units]; all start uniform in ±1/√units.
 * @param o.layers stacked LSTMs; between them `dropout`
 */
export const lstm = (o: SequenceNetworkOptions & { units: number; layers: number }): Network => {
  const layers = Array.from({ length: o.layers }, (_, i) => `lstm${i}`);
  return sequenceNetwork(`lstm ${o.layers}×${o.units}`, o, {
    width: o.units,
    params: layers.flatMap((name, i) => cellParams(name, i === 0 ? o.sequence.channels : o.units, o.units, 4)),
    encode(p, steps, { dropout }) {
      const mask = featureMajor(tf.expandDims(steps.mask, 2));
      let x = featureMajor(steps.values);
      layers.forEach((name, i) => {
        const last = i === layers.length - 1;
        const h = lstmLayer({
          x,
          input: p[`${name}.input`] as tf.Tensor2D,
          recurrent: p[`${name}.recurrent`] as tf.Tensor2D,
          bias: tf.add(p[`${name}.inputBias`]!, p[`${name}.recurrentBias`]!) as tf.Tensor1D,
          mask,
          length: o.sequence.length,
          last,
        });
        x = (last ? h : dropout(h, o.dropout)) as tf.Tensor2D;
      });
      return tf.transpose(x);
    },
  });
};

/** Parameters of a recurrent layer with so many gates, as torch starts them. */
export const cellParams = (name: string, inputs: number, units: number, gates: number): ParamSpec[] => {
  const init = { type: 'uniform', bound: 1 / Math.sqrt(units) } as const;
  return [
    { name: `${name}.input`, shape: [inputs, gates * units], init },
    { name: `${name}.recurrent`, shape: [units, gates * units], init },
    { name: `${name}.inputBias`, shape: [gates * units], init },
    { name: `${name}.recurrentBias`, shape: [gates * units], init },
  ];
};

/**
 * One layer, with its gradient in closed form: the chain that tfjs would record touches every gate of every step several
 * times and adds up a matrix of weights a step; here each step's gates are touched once, while they are still in the
 * processor's cache, and the weights' gradients are one product over all steps.
 *
 * Rows are columns here. A product's left side is then the weights and its right side, which onnxruntime packs anew each
 * time, the smaller batch; and a gate is one piece of memory. tanh(x) = 2σ(2x) - 1: with the rows of g doubled, one sigmoid
 * serves all four gates.
 * @param o.x [inputs, L·rows], step by step @param o.input W turned, [inputs, 4·units] @param o.recurrent R turned,
 * [units, 4·units] @param o.bias b + b' [4·units] @param o.mask [1, L·rows]
 * @returns h after the last step [units, rows], or of all steps [units, L·rows]
 */
const lstmLayer = (o: {
  x: tf.Tensor2D;
  input: tf.Tensor2D;
  recurrent: tf.Tensor2D;
  bias: tf.Tensor1D;
  mask: tf.Tensor2D;
  length: number;
  last: boolean;
}): tf.Tensor2D => {
  const { length } = o;
  const units = o.recurrent.shape[0];
  const run = tf.customGrad((...given) => {
    const [x, input, recurrent, bias, save] = given as unknown as [...LayerInputs, tf.GradSaveFunc];
    const doubled = tf.tensor2d(
      [1, 1, 2, 1].flatMap((by) => Array<number>(units).fill(by)),
      [4 * units, 1],
    );
    const turned = (matrix: tf.Tensor2D): tf.Tensor2D => tf.mul(tf.transpose(matrix), doubled);
    const [ofInput, ofState] = [turned(input), turned(recurrent)];
    const shift = tf.mul(tf.expandDims(bias, 1), doubled);
    const masks: tf.Tensor2D[] = tf.split(o.mask, length, 1);
    const steps: LstmStep[] = [];
    tf.split(x, length, 1).forEach((now, t) => {
      const before = steps[t - 1];
      const projected: tf.Tensor2D = tf.add(tf.matMul(ofInput, now), shift);
      const fed: tf.Tensor2D = before === undefined ? projected : tf.add(tf.matMul(ofState, before.h), projected);
      const gates: tf.Tensor2D = tf.sigmoid(fed);
      const [i, f, g2, out] = tf.split(gates, 4) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
      const added: tf.Tensor2D = tf.mul(i, tf.sub(tf.mul(g2, 2), 1));
      const kept: tf.Tensor2D = before === undefined ? tf.zerosLike(f) : tf.mul(f, before.c);
      const moved: tf.Tensor2D = before === undefined ? added : tf.add(kept, added);
      const c: tf.Tensor2D = tf.mul(moved, masks[t]!);
      const squashed: tf.Tensor2D = tf.tanh(c);
      steps.push({ gates, i, f, out, added, kept, c, squashed, h: tf.mul(out, squashed), mask: masks[t]! });
    });
    save([x, input, recurrent, ...steps.flatMap((step) => Object.values(step))]);
    const outputs = steps.map(({ h }) => h);
    return {
      value: o.last ? outputs.at(-1)! : tf.concat(outputs, 1),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [inputs, w, r, ...flat] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, ...tf.Tensor2D[]];
        const names = Object.keys(steps[0]!);
        const all = steps.map(
          (_, t) => Object.fromEntries(names.map((name, k) => [name, flat[t * names.length + k]])) as LstmStep,
        );
        return lstmGradient({ dy: dy as tf.Tensor2D, x: inputs, input: w, recurrent: r, steps: all, last: o.last });
      },
    };
  }) as (...inputs: LayerInputs) => tf.Tensor2D;
  return run(o.x, o.input, o.recurrent, o.bias);
};

/** What a layer has gradients by: x, W, R, b + b'. */
type LayerInputs = [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor1D];
/** What the gradient needs of a step: σ of all gates [4·units, rows], three gates apart, i·g, f·c of before, c, tanh(c), h. */
type LstmStep = Record<'gates' | 'i' | 'f' | 'out' | 'added' | 'kept' | 'c' | 'squashed' | 'h' | 'mask', tf.Tensor2D>;

const lstmGradient = (o: {
  dy: tf.Tensor2D;
  x: tf.Tensor2D;
  input: tf.Tensor2D;
  recurrent: tf.Tensor2D;
  steps: LstmStep[];
  last: boolean;
}): LayerInputs => {
  const { recurrent, steps } = o;
  const above: tf.Tensor2D[] | undefined = o.last ? undefined : tf.split(o.dy, steps.length, 1);
  const dGates: tf.Tensor2D[] = [];
  let dh = above?.at(-1) ?? o.dy;
  let dc: tf.Tensor2D | undefined;
  for (let t = steps.length - 1; t >= 0; t -= 1) {
    const { gates, i, f, out, added, kept, squashed, h, mask } = steps[t]!;
    // o·(1 - tanh²(c)) with h = o·tanh(c).
    const through: tf.Tensor2D = tf.mul(dh, tf.sub(out, tf.mul(h, squashed)));
    const dMoved: tf.Tensor2D = tf.mul(dc === undefined ? through : tf.add(dc, through), mask);
    // σ' = σ·(1 - σ), its first factor within what the step has kept; of g = 2σ(2x) - 1 it is 2·i·2σ = 2·(i·g + i).
    const byG: tf.Tensor2D = tf.mul(tf.add(added, i), 2);
    const parts = [tf.mul(dMoved, added), tf.mul(dMoved, kept), tf.mul(dMoved, byG), tf.mul(dh, h)];
    const d: tf.Tensor2D = tf.mul(tf.concat(parts), tf.sub(1, gates));
    dGates.unshift(d);
    if (t > 0) {
      const back: tf.Tensor2D = tf.matMul(recurrent, d);
      dh = above === undefined ? back : tf.add(back, above[t - 1]!);
      dc = tf.mul(dMoved, f);
    }
  }
  const all: tf.Tensor2D = tf.concat(dGates, 1);
  const before = tf.concat([tf.zerosLike(steps[0]!.h), ...steps.slice(0, -1).map(({ h }) => h)], 1);
  const weights = [o.x, before].map((by): tf.Tensor2D => tf.matMul(by as tf.Tensor2D, all, false, true));
  return [tf.matMul(o.input, all), weights[0]!, weights[1]!, tf.sum(all, 1)];
};
