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
