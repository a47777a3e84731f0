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
 * step several times and adds up a matrix of weights a step; here the factors of all steps are computed at once, and
 * the weights' gradient is one product.
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
  const { length, mask } = o;
  const run = tf.customGrad((...given) => {
    const [projected, recurrent, save] = given as unknown as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const masks = tf.split(mask, length);
    const gates: tf.Tensor2D[] = [];
    const cells: tf.Tensor2D[] = [];
    const squashed: tf.Tensor2D[] = [];
    const outputs: tf.Tensor2D[] = [];
    const inputs: tf.Tensor2D[] = tf.split(projected, length);
    inputs.forEach((input, t) => {
      const fed: tf.Tensor2D = t === 0 ? input : tf.add(tf.matMul(outputs[t - 1]!, recurrent), input);
      const all = tf.sigmoid(fed);
      const [i, f, g2, out] = tf.split(all, 4, 1);
      const news: tf.Tensor2D = tf.mul(i!, doubleLessOne(g2!));
      const moved: tf.Tensor2D = t === 0 ? news : tf.add(tf.mul(f!, cells[t - 1]!), news);
      const cell: tf.Tensor2D = tf.mul(moved, masks[t]!);
      gates.push(all);
      cells.push(cell);
      squashed.push(tf.tanh(cell));
      outputs.push(tf.mul(out!, squashed[t]!));
    });
    save([recurrent, ...gates, ...cells, ...squashed, ...outputs]);
    return {
      value: o.last ? outputs.at(-1)! : tf.concat(outputs),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        lstmGradient({ dy: dy as tf.Tensor2D, saved: saved as tf.Tensor2D[], length, mask, last: o.last }),
    };
  }) as (projected: tf.Tensor2D, recurrent: tf.Tensor2D) => tf.Tensor2D;
  return run(o.projected, o.recurrent);
};

type FourGates = [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];

const lstmGradient = (o: {
  dy: tf.Tensor2D;
  saved: tf.Tensor2D[];
  length: number;
  mask: tf.Tensor2D;
  last: boolean;
}): [tf.Tensor2D, tf.Tensor2D] => {
  const { length, mask } = o;
  const [recurrent, ...rest] = o.saved as [tf.Tensor2D, ...tf.Tensor2D[]];
  const part = (k: number): tf.Tensor2D[] => rest.slice(k * length, (k + 1) * length);
  const [gates, cells, squashed, outputs] = [part(0), part(1), part(2), part(3)];
  const stepsOf = (x: tf.Tensor2D): tf.Tensor2D[] => tf.split(x, length);
  // What a change of each gate's input (of the last one: on h, of the others: on c) and of c before does, for all steps at once.
  const all = tf.concat(gates);
  const [i, f, g2, out] = tf.split(all, 4, 1) as FourGates;
  const tanh = tf.concat(squashed);
  const before = tf.concat([tf.zerosLike(cells[0]!), ...cells.slice(0, -1)]);
  const partners: FourGates = [tf.mul(doubleLessOne(g2), mask), tf.mul(before, mask), tf.mul(tf.mul(i, 2), mask), tanh];
  const byGates = stepsOf(tf.mul(tf.mul(all, tf.sub(1, all)), tf.concat(partners, 1)));
  const kept = stepsOf(tf.mul(f, mask));
  const byOutput = stepsOf(tf.mul(out, tf.sub(1, tf.square(tanh))));

  const above = o.last ? undefined : stepsOf(o.dy);
  const dGates: tf.Tensor2D[] = [];
  let dh = above?.at(-1) ?? o.dy;
  let dc: tf.Tensor2D | undefined;
  for (let t = length - 1; t >= 0; t -= 1) {
    const through: tf.Tensor2D = tf.mul(dh, byOutput[t]!);
    dc = dc === undefined ? through : tf.add<tf.Tensor2D>(dc, through);
    const d: tf.Tensor2D = tf.mul(tf.concat([dc, dc, dc, dh], 1), byGates[t]!);
    dGates.unshift(d);
    if (t > 0) {
      const back: tf.Tensor2D = tf.matMul(d, recurrent, false, true);
      dh = above === undefined ? back : tf.add(back, above[t - 1]!);
      dc = tf.mul(dc, kept[t]!);
    }
  }
  const dProjected = tf.concat(dGates);
  if (length === 1) return [dProjected, tf.zerosLike(recurrent)];
  const dRecurrent: tf.Tensor2D = tf.matMul(tf.concat(outputs.slice(0, -1)), tf.concat(dGates.slice(1)), true);
  return [dProjected, dRecurrent];
};

/** g from σ of its doubled input. */
const doubleLessOne = (x: tf.Tensor): tf.Tensor2D => tf.sub(tf.mul(x, 2), 1);
