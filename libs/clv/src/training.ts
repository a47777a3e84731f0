import type { Epoch, TrainingOptions } from '@clove/contracts';
import { CloveError } from '@clove/contracts';
import type { Loss, Network, TrainState } from '@clove/engine';
import { EngineError, compileTraining, initialState } from '@clove/engine';
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainingCheckpoint } from './checkpoint.js';
import { Rng, type RngState } from './rng.js';

/** Mean squared error. @param output,target [rows, 1], on the same scale */
export const mse: Loss = (output, target) => tf.mean(tf.square(tf.sub(output, target)));

/** The options of a run that the epoch loop itself obeys. */
export type LoopOptions = Pick<
  TrainingOptions,
  | 'batchSize'
  | 'epochs'
  | 'patience'
  | 'optimizer'
  | 'learningRate'
  | 'weightDecay'
  | 'clipNorm'
  | 'lrFactor'
  | 'lrPatience'
  | 'seed'
  | 'backend'
> & {
  threads?: number | undefined;
  /** native threads at most, where `threads` is left out */
  threadLimit?: number | undefined;
  cpuFallback?: boolean | undefined;
};

/** What came out of a training: the state of its best epoch. */
export type TrainedNetwork = {
  state: TrainState;
  epochs: Epoch[];
  /** 1-based; the epoch whose parameters `state` holds. */
  bestEpoch: number;
  /** Backend, threads and device that trained it. */
  backend: string;
  versions: Record<string, string>;
};

/** Everything that decides how a training goes on after an epoch. */
export type TrainingState = {
  /** after the last epoch of `epochs` */
  state: TrainState;
  best: { epoch: number; loss: number; state: TrainState };
  epochs: Epoch[];
  schedule: PlateauState;
  /** generators of the orders and of the dropout seeds */
  order: RngState;
  dropout: RngState;
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

/** Rows that are in memory: an epoch is one chunk, shuffled whole. @param rows indices of those to train on */
export const inMemory = (x: Float32Array, y: Float32Array, rows: Int32Array): TrainingSource => ({
  rows: rows.length,
  chunks: (seed) => [{ x, y, order: new Rng(seed).shuffle(rows.slice()) }],
});

// Independent sequences of one seed.
const STREAM = { init: 1, order: 2, dropout: 3 };

/**
 * Trains a network: seeded shuffling each epoch, early stopping on the validation loss with the best parameters
 * restored, and the learning rate lowered on a plateau. Stops soon when told to. The same arguments give the same bytes,
 * whether it was stopped and gone on with in between or not.
 * @param o.source the rows to train on, at least 2 @param o.held prepared inputs and target of the validation rows, at least 1
 * @param o.onEpoch every epoch, those too that were trained before `checkpoint.from`
 * @param o.checkpoint `from`: goes on from there; `save` is called after an epoch where `everySeconds` have passed since it
 * was last, when the training is stopped, and at its end
 * @throws CloveError `not-enough-data`, `not-converged` where the loss is no longer finite, or what `signal` gives
 */
export async function trainNetwork(o: {
  network: Network;
  loss: Loss;
  source: TrainingSource;
  held: { x: Float32Array; y: Float32Array };
  options: LoopOptions;
  onEpoch?: (epoch: Epoch) => void;
  checkpoint?: TrainingCheckpoint;
  signal?: AbortSignal;
}): Promise<TrainedNetwork> {
  const { network, options, source, held, checkpoint } = o;
  if (source.rows < 2 || held.y.length < 1) {
    throw new CloveError(
      'not-enough-data',
      `Training needs at least 2 customers to learn from and 1 to validate on; there are ${source.rows} and ` +
        `${held.y.length}. Bring more customers, or hold fewer back.`,
    );
  }
  const batchSize = Math.min(options.batchSize, source.rows);
  const executor = await compiled({
    network,
    loss: o.loss,
    weightDecay: options.weightDecay,
    decoupled: options.optimizer === 'adamw',
    clipNorm: options.clipNorm,
    batchSize,
    rows: source.rows,
    backend: options.backend,
    cpuFallback: options.cpuFallback,
    threads: options.threads,
    threadLimit: options.threadLimit,
  });
  const { learningRate, lrFactor, lrPatience, seed } = options;
  const from = checkpoint?.from ?? null;
  const shuffling = from === null ? new Rng(seed, STREAM.order) : Rng.restore(from.order);
  const dropping = from === null ? new Rng(seed, STREAM.dropout) : Rng.restore(from.dropout);
  const rate = new PlateauSchedule(learningRate, lrFactor, lrPatience, from?.schedule);
  const epochs: Epoch[] = [...(from?.epochs ?? [])];
  let unsaved: TrainingState | undefined;
  let savedAt = performance.now();
  const save = (): void => {
    if (unsaved !== undefined) checkpoint?.save(unsaved);
    unsaved = undefined;
    savedAt = performance.now();
  };
  try {
    const init = new Rng(seed, STREAM.init);
    let best = from?.best ?? {
      epoch: 0,
      loss: Number.POSITIVE_INFINITY,
      state: initialState(network, () => init.uniform()),
    };
    executor.load(from?.state ?? best.state);
    for (const done of epochs) o.onEpoch?.(done);

    for (let epoch = epochs.length + 1; epoch <= options.epochs && epoch - best.epoch <= options.patience; epoch += 1) {
      const started = performance.now();
      let [lossSum, rows] = [0, 0];
      for await (const piece of piecesOf(source, shuffling.uint32(), batchSize, network.inputWidth)) {
        // The executor may block its thread: here an abort can be heard.
        await setImmediate();
        o.signal?.throwIfAborted();
        const trained = await executor.trainEpoch({
          ...piece,
          learningRate: rate.current,
          seed: dropping.uint32(),
          signal: o.signal,
        });
        if (trained.rows > 0) lossSum += trained.loss * trained.rows;
        rows += trained.rows;
      }
      const trainLoss = lossSum / rows;
      const validationLoss = await executor.loss(held.x, held.y, held.y.length, o.signal);
      if (!Number.isFinite(trainLoss) || !Number.isFinite(validationLoss)) throw diverged(epoch, rate.current);
      const seconds = (performance.now() - started) / 1000;
      const report = { epoch, trainLoss, validationLoss, learningRate: rate.current, seconds };
      epochs.push(report);
      rate.step(validationLoss);
      const state = executor.state();
      if (validationLoss < best.loss) best = { epoch, loss: validationLoss, state };
      unsaved = {
        state,
        best,
        epochs: [...epochs],
        schedule: rate.state(),
        order: shuffling.state(),
        dropout: dropping.state(),
      };
      o.onEpoch?.(report);
      if (checkpoint !== undefined && performance.now() - savedAt >= checkpoint.everySeconds * 1000) save();
    }
    save();
    return {
      state: best.state,
      epochs,
      bestEpoch: best.epoch,
      backend: executor.backend,
      versions: executor.versions,
    };
  } catch (error) {
    if (o.signal?.aborted === true) save();
    throw error;
  } finally {
    await executor.release();
  }
}

/** What a user can do something about, as a CloveError. */
const compiled = async (spec: Parameters<typeof compileTraining>[0]): ReturnType<typeof compileTraining> => {
  try {
    return await compileTraining(spec);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.code === 'backend-missing') throw new CloveError('unavailable', error.message, { cause: error });
    if (error.code === 'unsupported-op') throw new CloveError('invalid-input', error.message, { cause: error });
    throw error;
  }
};

/**
 * The rows of an epoch in pieces for the executor: whole batches, in the last piece what is left besides. Rows that a chunk
 * leaves over are joined with the first of the next.
 */
async function* piecesOf(
  source: TrainingSource,
  seed: number,
  batchSize: number,
  width: number,
): AsyncGenerator<TrainingChunk> {
  const joint = { x: new Float32Array(batchSize * width), y: new Float32Array(batchSize) };
  let waiting = 0;
  let seen = 0;
  const join = (chunk: TrainingChunk, order: Int32Array): void => {
    for (const row of order) {
      joint.x.set(chunk.x.subarray(row * width, (row + 1) * width), waiting * width);
      joint.y[waiting] = chunk.y[row]!;
      waiting += 1;
    }
  };
  const joined = (): TrainingChunk => {
    const order = Int32Array.from({ length: waiting }, (_, i) => i);
    waiting = 0;
    return { ...joint, order };
  };
  for await (const chunk of source.chunks(seed)) {
    const { order } = chunk;
    seen += order.length;
    let at = 0;
    if (waiting > 0) {
      at = Math.min(batchSize - waiting, order.length);
      join(chunk, order.subarray(0, at));
      if (waiting === batchSize) yield joined();
    }
    const left = seen === source.rows ? 0 : (order.length - at) % batchSize;
    if (order.length - left > at) yield { ...chunk, order: order.subarray(at, order.length - left) };
    join(chunk, order.subarray(order.length - left));
  }
  if (seen !== source.rows) {
    throw new CloveError('internal', `An epoch has ${source.rows} rows, but its chunks held ${seen}.`);
  }
  if (waiting > 0) yield joined();
}

/** What a schedule remembers. */
export type PlateauState = { current: number; best: number; badEpochs: number };

/**
 * Lowers the learning rate by `factor` once `patience` epochs in a row were no better, as torch's ReduceLROnPlateau with
 * its defaults: lower is better, by a relative 1e-4; changes of the rate below 1e-8 are not made.
 */
export class PlateauSchedule {
  current: number;
  private best: number;
  private badEpochs: number;
  /** @param from what `state` gave: goes on from there rather than from `initial` */
  constructor(
    initial: number,
    private readonly factor: number,
    private readonly patience: number,
    from: PlateauState = { current: initial, best: Number.POSITIVE_INFINITY, badEpochs: 0 },
  ) {
    ({ current: this.current, best: this.best, badEpochs: this.badEpochs } = from);
  }

  /** Everything that decides what comes next. */
  state(): PlateauState {
    return { current: this.current, best: this.best, badEpochs: this.badEpochs };
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

const diverged = (epoch: number, learningRate: number): CloveError =>
  new CloveError(
    'not-converged',
    `The loss of epoch ${epoch} is not a finite number at a learning rate of ${learningRate}. ` +
      `Try a lower learning rate (${learningRate / 10}), or a larger batch; look for infinite or extreme values in the inputs.`,
  );
