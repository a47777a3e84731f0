/**
 * Training one step at a time, for backends that run no loop over an epoch: tfjs op by op, and onnxruntime on a GPU. The
 * batches, the random numbers and Adam's tables are those of the compiled epoch, so all backends train alike up to rounding.
 */
import { setImmediate } from 'node:timers/promises';
import { type AdamScalars, type Optimiser, adamTables } from './adam.js';
import { firstState, nextState, randomTable, startOf } from './dropout.js';
import { EngineError } from './errors.js';
import type { Executor } from './executor.js';
import { type Network, type TrainState, totalSize } from './network.js';

/** What one step needs besides the state. */
export type Batch = {
  /** [rows, inputWidth] */
  x: Float32Array;
  /** [rows] */
  y: Float32Array;
  rows: number;
  /** uniform numbers in [0, 1) for the dropout masks, as many as `maskLength` says */
  random: Float32Array;
  /** see `adamTables` */
  scalars: AdamScalars<number>;
};

/** A device that holds a state and moves it step by step. */
export interface Stepper {
  /** Backend, device and threads. */
  readonly backend: string;
  readonly versions: Record<string, string>;
  /** Random numbers that a step of so many rows reads. */
  maskLength(rows: number): number;
  /** One step; what it learns is kept on the device. */
  step(batch: Batch): Promise<void>;
  /** Sum of the batches' mean losses, each times its rows, since it was last asked for. */
  takeLoss(): Promise<number>;
  predict(x: Float32Array, rows: number): Promise<Float32Array>;
  loss(x: Float32Array, y: Float32Array, rows: number): Promise<number>;
  /** Parameters, moments and statistics, as copies. */
  read(): Omit<TrainState, 'step'>;
  write(state: Omit<TrainState, 'step'>): void;
  release(): Promise<void>;
}

/** Rows that are predicted at once. */
const INFERENCE_ROWS = 1024;
/** How long steps follow each other before the event loop may run, where a cancel is heard. */
const PAUSE_EVERY_MS = 200;

/** An executor that drives a stepper. */
export class StepwiseExecutor implements Executor {
  private steps: number | undefined;

  constructor(
    private readonly spec: Optimiser & { network: Network; batchSize: number; rows: number },
    private readonly stepper: Stepper,
  ) {}

  get backend(): string {
    return this.stepper.backend;
  }

  get versions(): Record<string, string> {
    return this.stepper.versions;
  }

  async trainEpoch(i: Parameters<Executor['trainEpoch']>[0]): ReturnType<Executor['trainEpoch']> {
    const { network } = this.spec;
    const before = this.state();
    const sizes = batchSizes(this.spec, i);
    const maskLength = Math.max(0, ...[...new Set(sizes)].map((size) => this.stepper.maskLength(size)));
    const tables = adamTables(this.spec, before.step, sizes.length, i.learningRate);
    const table = maskLength > 0 ? randomTable(maskLength) : new Float32Array();
    let generator = firstState(i.seed);
    let taken = 0;
    let heard = performance.now();
    try {
      for (const [k, rows] of sizes.entries()) {
        generator = nextState(generator);
        const start = startOf(generator);
        await this.stepper.step({
          ...gatherRows(i.x, i.y, network.inputWidth, i.order.subarray(taken, taken + rows)),
          rows,
          random: table.subarray(start, start + this.stepper.maskLength(rows)),
          scalars: {
            root_factor: tables.root_factor[k]!,
            root_offset: tables.root_offset[k]!,
            kept: tables.kept[k]!,
          },
        });
        taken += rows;
        if (performance.now() - heard > PAUSE_EVERY_MS) {
          await setImmediate();
          i.signal?.throwIfAborted();
          heard = performance.now();
        }
      }
    } catch (error) {
      this.stepper.write(before);
      await this.stepper.takeLoss();
      throw error;
    }
    this.steps = before.step + sizes.length;
    return { loss: (await this.stepper.takeLoss()) / taken, rows: taken };
  }

  async predict(x: Float32Array, rows: number): Promise<Float32Array> {
    this.loaded();
    const { inputWidth } = this.spec.network;
    expectLength(x, rows * inputWidth, 'x');
    const parts: Float32Array[] = [];
    for (let from = 0; from < rows; from += INFERENCE_ROWS) {
      const to = Math.min(rows, from + INFERENCE_ROWS);
      parts.push(await this.stepper.predict(x.subarray(from * inputWidth, to * inputWidth), to - from));
    }
    const output = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      output.set(part, at);
      at += part.length;
    }
    return output;
  }

  async loss(x: Float32Array, y: Float32Array, rows: number, signal?: AbortSignal): Promise<number> {
    this.loaded();
    const { inputWidth } = this.spec.network;
    expectLength(x, rows * inputWidth, 'x');
    expectLength(y, rows, 'y');
    let sum = 0;
    for (let from = 0; from < rows; from += INFERENCE_ROWS) {
      await setImmediate();
      signal?.throwIfAborted();
      const to = Math.min(rows, from + INFERENCE_ROWS);
      const part = x.subarray(from * inputWidth, to * inputWidth);
      sum += (await this.stepper.loss(part, y.subarray(from, to), to - from)) * (to - from);
    }
    return sum / rows;
  }

  state(): TrainState {
    return { step: this.loaded(), ...this.stepper.read() };
  }

  load({ step, ...state }: TrainState): void {
    checkState(this.spec.network, state);
    this.stepper.write(state);
    this.steps = step;
  }

  async release(): Promise<void> {
    this.steps = undefined;
    await this.stepper.release();
  }

  private loaded(): number {
    if (this.steps === undefined)
      throw new EngineError('not-ready', 'Call load with a state first; after release, compile anew.');
    return this.steps;
  }
}

/**
 * Sizes of the batches that an order is cut into. A single row left over is dropped where the network has batch norm.
 * @throws EngineError `size-mismatch`, `invalid-value` where the arguments of `trainEpoch` do not fit
 */
function batchSizes(
  spec: { network: Network; batchSize: number; rows: number },
  i: Parameters<Executor['trainEpoch']>[0],
): number[] {
  expectLength(i.x, i.y.length * spec.network.inputWidth, 'x');
  const batchSize = Math.min(spec.batchSize, spec.rows);
  const left = i.order.length % batchSize;
  if (i.order.length === 0 || (left !== 0 && left !== spec.rows % batchSize)) {
    throw new EngineError(
      'size-mismatch',
      `order names ${i.order.length} rows: neither whole batches of ${batchSize}, nor what ${spec.rows} rows end with.`,
    );
  }
  if (i.order.some((row) => row < 0 || row >= i.y.length)) {
    throw new EngineError('size-mismatch', `order names a row that is not among the ${i.y.length} rows.`);
  }
  if (!(i.learningRate > 0)) {
    throw new EngineError('invalid-value', `The learning rate must be above 0; it is ${i.learningRate}.`);
  }
  const sizes = Array<number>(Math.floor(i.order.length / batchSize)).fill(batchSize);
  if (left > (spec.network.stats.length > 0 ? 1 : 0)) sizes.push(left);
  return sizes;
}

/** @throws EngineError `size-mismatch` where the state is not of this network */
function checkState(network: Network, state: Omit<TrainState, 'step'>): void {
  const parameters = totalSize(network.params);
  const lengths = { params: parameters, m: parameters, v: parameters, stats: totalSize(network.stats) };
  for (const name of ['params', 'm', 'v', 'stats'] as const) {
    if (state[name].length !== lengths[name]) {
      throw new EngineError(
        'size-mismatch',
        `The state holds ${state[name].length} numbers in "${name}", the network ${network.name} needs ${lengths[name]}.`,
      );
    }
  }
}

function expectLength(values: Float32Array, length: number, name: string): void {
  if (values.length !== length) {
    throw new EngineError('size-mismatch', `${name} holds ${values.length} numbers where ${length} are needed.`);
  }
}

function gatherRows(x: Float32Array, y: Float32Array, width: number, order: Int32Array) {
  const batch = { x: new Float32Array(order.length * width), y: new Float32Array(order.length) };
  order.forEach((row, i) => {
    batch.x.set(x.subarray(row * width, (row + 1) * width), i * width);
    batch.y[i] = y[row]!;
  });
  return batch;
}
