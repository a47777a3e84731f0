import type { Epoch, TrainingOptions } from '@clove/contracts';
import { CloveError } from '@clove/contracts';
import type { Loss, Network, TrainState } from '@clove/engine';
import { compileTraining, initialState } from '@clove/engine';
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from './rng.js';

/** Mean squared error. @param output,target [rows, 1], on the same scale */
export const mse: Loss = (output, target) => tf.mean(tf.square(tf.sub(output, target)));

/** The options of a run that the epoch loop itself obeys. */
export type LoopOptions = Pick<
  TrainingOptions,
  'batchSize' | 'epochs' | 'patience' | 'learningRate' | 'weightDecay' | 'lrFactor' | 'lrPatience' | 'seed' | 'backend'
> & { threads?: number | undefined };

/** What came out of a training: the state of its best epoch. */
export type TrainedNetwork = {
  state: TrainState;
  epochs: Epoch[];
  /** 1-based; the epoch whose parameters `state` holds. */
  bestEpoch: number;
  /** Backend and threads that trained it. */
  backend: string;
  versions: Record<string, string>;
};

/** Prepared rows to train on: those that `order` names, in that order. */
export type TrainingChunk = {
  /** inputs of the network, [n, inputWidth] row-major */
  x: Float32Array;
  /** standardised target, [n] */
  y: Float32Array;
  /** indices into them; rows left out of it are not trained on */
  order: Int32Array;
};

/**
 * The rows of a training, epoch by epoch: one chunk where all of them are in memory, else many, read as they are needed.
 * A chunk is trained on before the next is asked for, so one may be filled anew.
 */
export interface TrainingSource {
  /** Rows of every epoch. */
  readonly rows: number;
  /** Every row once, in an order that follows from the seed alone. Its iterator's `return` frees what reading holds. */
  chunks(seed: number): AsyncIterable<TrainingChunk> | Iterable<TrainingChunk>;
}

/** Rows that are in memory: an epoch is one chunk, shuffled whole. @param rows indices of the rows to train on */
export const inMemory = (x: Float32Array, y: Float32Array, rows: Int32Array): TrainingSource => ({
  rows: rows.length,
  chunks: (seed) => [{ x, y, order: new Rng(seed).shuffle(rows.slice()) }],
});

// Independent sequences of one seed.
const STREAM = { init: 1, order: 2, dropout: 3 };

/**
 * Trains a network: seeded shuffling each epoch, early stopping on the validation loss with the best parameters
 * restored, and the learning rate lowered on a plateau. Stops between epochs when told to.
 * @param o.x prepared inputs, [n, network.inputWidth] row-major; `y`: standardised target, [n]
 * @param o.train,o.validation indices of rows; both at least 2 long
 * @throws CloveError `not-enough-data`, `not-converged` where the loss is no longer finite, or what `signal` gives
 */
export async function trainNetwork(o: {
  network: Network;
  loss: Loss;
  x: Float32Array;
  y: Float32Array;
  train: Int32Array;
  validation: Int32Array;
  options: LoopOptions;
  onEpoch?: (epoch: Epoch) => void;
  signal?: AbortSignal;
}): Promise<TrainedNetwork> {
  const { network, options, train, validation } = o;
  if (train.length < 2 || validation.length < 1) {
    throw new CloveError(
      'not-enough-data',
      `Training needs at least 2 customers to learn from and 1 to validate on; there are ${train.length} and ` +
        `${validation.length}. Bring more customers, or hold fewer back.`,
    );
  }
  const executor = await compileTraining({
    network,
    loss: o.loss,
    weightDecay: options.weightDecay,
    batchSize: options.batchSize,
    rows: train.length,
    backend: options.backend,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  try {
    const init = new Rng(options.seed, STREAM.init);
    const shuffling = new Rng(options.seed, STREAM.order);
    const dropping = new Rng(options.seed, STREAM.dropout);
    const held = gatherRows(o.x, o.y, network.inputWidth, validation);
    const order = train.slice();
    const rate = new PlateauSchedule(options.learningRate, options.lrFactor, options.lrPatience);
    const epochs: Epoch[] = [];
    let best = { epoch: 0, loss: Number.POSITIVE_INFINITY, state: initialState(network, () => init.uniform()) };
    executor.load(best.state);

    for (let epoch = 1; epoch <= options.epochs && epoch - best.epoch <= options.patience; epoch += 1) {
      // The executor blocks its thread for a whole epoch: only here can an abort be heard.
      await setImmediate();
      o.signal?.throwIfAborted();
      const started = performance.now();
      const learningRate = rate.current;
      const { loss: trainLoss } = await executor.trainEpoch({
        x: o.x,
        y: o.y,
        order: shuffling.shuffle(order),
        learningRate,
        seed: dropping.uint32(),
      });
      const validationLoss = await executor.loss(held.x, held.y, validation.length);
      if (!Number.isFinite(trainLoss) || !Number.isFinite(validationLoss)) throw diverged(epoch, learningRate);
      const seconds = (performance.now() - started) / 1000;
      const report = { epoch, trainLoss, validationLoss, learningRate, seconds };
      epochs.push(report);
      o.onEpoch?.(report);
      if (validationLoss < best.loss) best = { epoch, loss: validationLoss, state: executor.state() };
      rate.step(validationLoss);
    }
    return {
      state: best.state,
      epochs,
      bestEpoch: best.epoch,
      backend: executor.backend,
      versions: executor.versions,
    };
  } finally {
    await executor.release();
  }
}

/**
 * Lowers the learning rate by `factor` once `patience` epochs in a row were no better, as torch's ReduceLROnPlateau with
 * its defaults: lower is better, by a relative 1e-4; changes of the rate below 1e-8 are not made.
 */
export class PlateauSchedule {
  current: number;
  private best = Number.POSITIVE_INFINITY;
  private badEpochs = 0;
  constructor(
    initial: number,
    private readonly factor: number,
    private readonly patience: number,
  ) {
    this.current = initial;
  }

  /** Takes the loss of an epoch that has ended; `current` is then the rate of the next. */
  step(loss: number): void {
    if (loss < this.best * (1 - 1e-4)) {
      this.best = loss;
      this.badEpochs = 0;
    } else {
      this.badEpochs += 1;
    }
    if (this.badEpochs > this.patience) {
      const lower = this.current * this.factor;
      if (this.current - lower > 1e-8) this.current = lower;
      this.badEpochs = 0;
    }
  }
}

function gatherRows(x: Float32Array, y: Float32Array, width: number, rows: Int32Array) {
  const held = { x: new Float32Array(rows.length * width), y: new Float32Array(rows.length) };
  rows.forEach((row, i) => {
    held.x.set(x.subarray(row * width, (row + 1) * width), i * width);
    held.y[i] = y[row]!;
  });
  return held;
}

const diverged = (epoch: number, learningRate: number): CloveError =>
  new CloveError(
    'not-converged',
    `The loss of epoch ${epoch} is not a finite number at a learning rate of ${learningRate}. ` +
      `Try a lower learning rate (${learningRate / 10}), or a larger batch; look for infinite or extreme values in the inputs.`,
  );
