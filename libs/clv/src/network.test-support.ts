/** What the tests of heads and networks share: values and gradients as the native executor computes them. */
import { type Loss, type Network, type TrainState, compileTraining, initialState } from '@clove/engine';
import { Rng } from './rng.js';

/** A state of random parameters, none of them 0: biases and zeroed last layers too. */
export const randomState = (network: Network, seed: number): TrainState => {
  const rng = new Rng(seed);
  const state = initialState(network, () => rng.uniform());
  return { ...state, params: state.params.map(() => 0.6 * (2 * rng.uniform() - 1)) };
};

/** Loss and outputs of a state over the rows of x, and the gradient of the loss by every parameter. Nothing is dropped. */
export const natively = async (o: {
  network: Network;
  loss: Loss;
  state: TrainState;
  x: Float32Array;
  y: Float32Array;
}): Promise<{ loss: number; gradient: Float32Array; output: Float32Array }> => {
  const rows = o.y.length;
  const executor = await compileTraining({ ...o, weightDecay: 0, batchSize: rows, rows, backend: 'auto' });
  try {
    executor.load(o.state);
    const loss = await executor.loss(o.x, o.y, rows);
    const output = await executor.predict(o.x, rows);
    const order = Int32Array.from({ length: rows }, (_, row) => row);
    await executor.trainEpoch({ x: o.x, y: o.y, order, learningRate: 1e-6, seed: 1 });
    // After one step from rest Adam's first moment, without its factor, is the gradient itself.
    return { loss, gradient: executor.state().m, output };
  } finally {
    await executor.release();
  }
};

/** Central differences of a function of double precision. */
export const differences = (f: (x: number[]) => number, at: ArrayLike<number>, h = 1e-4): number[] => {
  const x = Array.from(at);
  return x.map((value, i) => (f(x.with(i, value + h)) - f(x.with(i, value - h))) / (2 * h));
};

/** The largest distance, relative to what is expected where that is above 1. */
export const errorOf = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < actual.length; i += 1) {
    const error = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }
  return worst;
};

/** Parameters by name, as rows of a matrix; a vector has one row. */
export type Matrices = (name: string) => number[][];

/** Reads a flat list of parameters. */
export const matricesOf =
  (network: Network, flat: ArrayLike<number>): Matrices =>
  (name) => {
    let at = 0;
    for (const spec of network.params) {
      const size = spec.shape.reduce((product, length) => product * length, 1);
      if (spec.name === name) {
        const values = Array.from({ length: size }, (_, i) => flat[at + i]!);
        const width = spec.shape.at(-1)!;
        return Array.from({ length: size / width }, (_, row) => values.slice(row * width, (row + 1) * width));
      }
      at += size;
    }
    throw new Error(`no parameter ${name}`);
  };

/** x·W, plus a bias where there is one. */
export const times = (x: number[], w: number[][], bias?: number[]): number[] =>
  w[0]!.map((_, j) => x.reduce((sum, value, i) => sum + value * w[i]![j]!, bias?.[j] ?? 0));

/** A batch of sequences of every length from 0 to L, some twice, beside static features. */
export const sequences = (o: { staticWidth: number; length: number; channels: number; rows: number; seed: number }) => {
  const rng = new Rng(o.seed);
  const width = o.staticWidth + o.length * o.channels + o.length;
  const x = new Float32Array(o.rows * width);
  const steps: number[][][] = [];
  const features: number[][] = [];
  for (let row = 0; row < o.rows; row += 1) {
    const count = row % (o.length + 1);
    const at = row * width;
    for (let i = 0; i < o.staticWidth + o.length * o.channels; i += 1) x[at + i] = rng.normal();
    for (let t = o.length - count; t < o.length; t += 1) x[at + o.staticWidth + o.length * o.channels + t] = 1;
    features.push(Array.from(x.subarray(at, at + o.staticWidth)));
    steps.push(
      Array.from({ length: count }, (_, k) => {
        const from = at + o.staticWidth + (o.length - count + k) * o.channels;
        return Array.from(x.subarray(from, from + o.channels));
      }),
    );
  }
  const y = Float32Array.from({ length: o.rows }, () => rng.normal());
  return { x, y, width, steps, features };
};

/** The mean squared error of plain loops over the rows: `output` gives a row's prediction from its parameters. */
export const plainLoss =
  (network: Network, y: Float32Array, output: (p: Matrices, row: number) => number) =>
  (flat: ArrayLike<number>): number => {
    const p = matricesOf(network, flat);
    return y.reduce((sum, target, row) => sum + (output(p, row) - target) ** 2 / y.length, 0);
  };
