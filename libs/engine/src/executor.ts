import { EngineError } from './errors.js';
import type { Loss, Network, TrainState } from './network.js';

/** Where training runs. `auto` takes the fastest that is present. */
export type Backend = 'auto' | 'onnx-cpu';

/** What `compileTraining` compiles. */
export type TrainingSpec = {
  network: Network;
  loss: Loss;
  /** L2 penalty added to the gradient, as in torch.optim.Adam(weight_decay=…). */
  weightDecay: number;
  batchSize: number;
  /** Rows of an epoch: the length of every `order`. */
  rows: number;
  backend: Backend;
  /** Native threads; by the size of a step when left out. */
  threads?: number;
};

/** Runs whole epochs of one network natively. One at a time: no call may start before the one before has settled. */
export interface Executor {
  /** Backend and threads, such as `onnx-cpu, 1 thread`. */
  readonly backend: string;
  /** Versions of the libraries that compute. */
  readonly versions: Record<string, string>;
  /**
   * Trains once over the rows named by `order`, batch by batch, and moves the state on.
   * @param i.x [n, inputWidth] row-major; `i.y` [n]; `order`: indices into them, as many as `rows`.
   * @param i.seed decides the dropout of this epoch: the same state, rows, order, learning rate and seed give the same bytes.
   * @returns the mean training loss over the rows, as seen with dropout while the parameters moved.
   */
  trainEpoch(i: {
    x: Float32Array;
    y: Float32Array;
    order: Int32Array;
    learningRate: number;
    seed: number;
  }): Promise<{ loss: number }>;
  /** Output of the network, [rows, k] row-major, with the present parameters, nothing dropped. */
  predict(x: Float32Array, rows: number): Promise<Float32Array>;
  /** Mean loss over rows with the present parameters, nothing dropped. */
  loss(x: Float32Array, y: Float32Array, rows: number): Promise<number>;
  /** A copy of the present state. */
  state(): TrainState;
  /** Goes on from a state; it is copied. Must be called once before anything else. */
  load(state: TrainState): void;
  /** Frees native memory. The executor cannot be used afterwards. */
  release(): Promise<void>;
}

/** Compiles a network for training. */
export function compileTraining(_spec: TrainingSpec): Promise<Executor> {
  return Promise.reject(new EngineError('not-ready', 'not written yet'));
}
