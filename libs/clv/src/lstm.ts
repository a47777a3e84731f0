import type { Network, ParamSpec } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { type SequenceNetworkOptions, sequenceNetwork, timeMajor } from './sequence-network.js';

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
      const mask = timeMajor(tf.expandDims(steps.mask, 2));
      const doubled = tf.tensor2d(
        [1, 1, 2, 1].flatMap((by) => Array<number>(o.units).fill(by)),
        [1, 4 * o.units],
      );
      let x = timeMajor(steps.values);
      layers.forEach((name, i) => {
        const bias = tf.add(p[`${name}.inputBias`]!, p[`${name}.recurrentBias`]!);
        const projected: tf.Tensor2D = tf.add(
          tf.matMul(x, tf.mul(p[`${name}.input`]!, doubled)),
          tf.mul(bias, doubled),
        );
        const recurrent: tf.Tensor2D = tf.mul(p[`${name}.recurrent`]!, doubled);
        const last = i === layers.length - 1;
        const h = lstmLayer({ projected, recurrent, mask, length: o.sequence.length, last });
        x = (last ? h : dropout(h, o.dropout)) as tf.Tensor2D;
      });
      return x;
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
 * The recurrence itself, with its gradient in closed form: the chain that tfjs would record touches every gate of every
 * step several times and adds up a matrix of weights a step; here each step's gates are touched once, while they are
 * still in the processor's cache, and the weights' gradient is one product over all steps.
 *
 * tanh(x) = 2σ(2x) - 1: with the columns of g doubled, one sigmoid serves all four gates.
 * @param o.projected [L·rows, 4·units] W x + b + b' of all steps, time-major, g's columns doubled
 * @param o.recurrent R, g's columns doubled @param o.mask [L·rows, 1]
 * @returns h after the last step [rows, units], or of all steps [L·rows, units]
 */
const lstmLayer = (o: {
  projected: tf.Tensor2D;
  recurrent: tf.Tensor2D;
  mask: tf.Tensor2D;
  length: number;
  last: boolean;
}): tf.Tensor2D => {
  const { length } = o;
  const run = tf.customGrad((...given) => {
    const [projected, recurrent, save] = given as unknown as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const masks: tf.Tensor2D[] = tf.split(o.mask, length);
    const steps: LstmStep[] = [];
    tf.split(projected, length).forEach((input, t) => {
      const before = steps[t - 1];
      const fed = before === undefined ? input : tf.add(tf.matMul(before.h, recurrent), input);
      const gates: tf.Tensor2D = tf.sigmoid(fed as tf.Tensor2D);
      const [i, f, g2, out] = tf.split(gates, 4, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
      const g: tf.Tensor2D = tf.sub(tf.mul(g2, 2), 1);
      const news: tf.Tensor2D = tf.mul(i, g);
      const moved: tf.Tensor2D = before === undefined ? news : tf.add(tf.mul(f, before.c), news);
      const c: tf.Tensor2D = tf.mul(moved, masks[t]!);
      const squashed: tf.Tensor2D = tf.tanh(c);
      steps.push({ gates, i, f, g, out, c, squashed, h: tf.mul(out, squashed), mask: masks[t]! });
    });
    save([recurrent, ...steps.flatMap((step) => Object.values(step))]);
    const outputs = steps.map(({ h }) => h);
    return {
      value: o.last ? outputs.at(-1)! : tf.concat(outputs),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [r, ...flat] = saved as [tf.Tensor2D, ...tf.Tensor2D[]];
        const names = Object.keys(steps[0]!);
        const kept = steps.map(
          (_, t) => Object.fromEntries(names.map((name, k) => [name, flat[t * names.length + k]])) as LstmStep,
        );
        return lstmGradient({ dy: dy as tf.Tensor2D, recurrent: r, steps: kept, last: o.last });
      },
    };
  }) as (projected: tf.Tensor2D, recurrent: tf.Tensor2D) => tf.Tensor2D;
  return run(o.projected, o.recurrent);
};

/** What the gradient needs of a step: σ of all gates [rows, 4·units], the gates apart, the state, tanh(c), the output. */
type LstmStep = Record<'gates' | 'i' | 'f' | 'g' | 'out' | 'c' | 'squashed' | 'h' | 'mask', tf.Tensor2D>;

const lstmGradient = (o: {
  dy: tf.Tensor2D;
  recurrent: tf.Tensor2D;
  steps: LstmStep[];
  last: boolean;
}): [tf.Tensor2D, tf.Tensor2D] => {
  const { recurrent, steps } = o;
  const above: tf.Tensor2D[] | undefined = o.last ? undefined : tf.split(o.dy, steps.length);
  const dGates: tf.Tensor2D[] = [];
  let dh = above?.at(-1) ?? o.dy;
  let dc: tf.Tensor2D | undefined;
  for (let t = steps.length - 1; t >= 0; t -= 1) {
    const { gates, i, f, g, out, squashed, mask } = steps[t]!;
    const through: tf.Tensor2D = tf.mul(dh, tf.mul(out, tf.sub(1, tf.square(squashed))));
    const dMoved: tf.Tensor2D = tf.mul(dc === undefined ? through : tf.add(dc, through), mask);
    const before = steps[t - 1]?.c ?? tf.zerosLike(f);
    // By σ of each gate; g is 2σ - 1.
    const parts = [tf.mul(dMoved, g), tf.mul(dMoved, before), tf.mul(tf.mul(dMoved, i), 2), tf.mul(dh, squashed)];
    const d: tf.Tensor2D = tf.mul(tf.concat(parts, 1), tf.mul(gates, tf.sub(1, gates)));
    dGates.unshift(d);
    if (t > 0) {
      const back: tf.Tensor2D = tf.matMul(d, recurrent, false, true);
      dh = above === undefined ? back : tf.add(back, above[t - 1]!);
      dc = tf.mul(dMoved, f);
    }
  }
  const outputs = steps.slice(0, -1).map(({ h }) => h);
  const dRecurrent: tf.Tensor2D =
    outputs.length === 0 ? tf.zerosLike(recurrent) : tf.matMul(tf.concat(outputs), tf.concat(dGates.slice(1)), true);
  return [tf.concat(dGates), dRecurrent];
};
