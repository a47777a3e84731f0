/** Training steps op by op on a backend of tfjs: the network's own ops, tfjs's tape, the same Adam as the compiled step. */
import * as tf from '@tensorflow/tfjs-core';
import { type Optimiser, adamStep } from './adam.js';
import { checkDropoutRate, maskOf } from './dropout.js';
import { EngineError } from './errors.js';
import { registerGradients } from './gradients.js';
import { type ForwardContext, type Loss, type Network, type TrainState, sizeOf } from './network.js';
import type { Batch, Stepper } from './stepwise.js';
import type { TfjsBackend } from './tfjs.js';
import { inOrder, named, scalar } from './training-graph.js';

type State = { params: tf.Tensor1D; m: tf.Tensor1D; v: tf.Tensor1D; stats: tf.Tensor1D };

const NAMES = ['params', 'm', 'v', 'stats'] as const;
const NOTHING_DROPPED: ForwardContext = { training: false, dropout: (x) => x };

/** A stepper on a backend that `loadTfjs` has loaded. */
export class EagerStepper implements Stepper {
  readonly backend: string;
  readonly versions: Record<string, string>;
  private held: State | undefined;
  private lossSum: tf.Scalar | undefined;
  private readonly maskLengths = new Map<number, number>();

  constructor(
    private readonly spec: Optimiser & { network: Network; loss: Loss },
    private readonly tfjs: TfjsBackend,
  ) {
    this.backend = [tfjs.name, ...(tfjs.threads === 1 ? ['1 thread'] : []), tfjs.device].join(', ');
    this.versions = tfjs.versions;
    registerGradients();
  }

  maskLength(rows: number): number {
    let length = this.maskLengths.get(rows);
    if (length === undefined) {
      length = 0;
      const count = (x: tf.Tensor, rate: number): tf.Tensor => {
        checkDropoutRate(rate);
        if (rate > 0) length! += x.size;
        return x;
      };
      this.within((state) => {
        this.forward(state, tf.zeros([rows, this.spec.network.inputWidth]), { training: true, dropout: count });
      });
      this.maskLengths.set(rows, length);
    }
    return length;
  }

  async step(batch: Batch): Promise<void> {
    const { network, loss } = this.spec;
    const moved = this.within((state) => {
      const [x, y] = [tf.tensor2d(batch.x, [batch.rows, network.inputWidth]), tf.tensor2d(batch.y, [batch.rows, 1])];
      let at = 0;
      const dropout = (t: tf.Tensor, rate: number): tf.Tensor => {
        checkDropoutRate(rate);
        if (rate === 0) return t;
        const random = tf.tensor(batch.random.subarray(at, (at += t.size)), t.shape);
        return tf.mul(t, maskOf(random, rate));
      };
      let stats = state.stats;
      const run = (...params: tf.Tensor[]): tf.Scalar => {
        const given = named(network.stats, unpack(network.stats, state.stats));
        const forward = network.forward(named(network.params, params), given, x, { training: true, dropout });
        // Kept, for the scope of the gradients ends before the step does.
        if (network.stats.length > 0) stats = tf.keep(pack(inOrder(network.stats, forward.stats)));
        return scalar(loss(forward.output, y));
      };
      const { value, grads } = tf.valueAndGrads(run)(unpack(network.params, state.params));
      const { root_factor, root_offset, kept } = batch.scalars;
      const scalars = {
        root_factor: tf.scalar(root_factor),
        root_offset: tf.scalar(root_offset),
        kept: tf.scalar(kept),
      };
      const piece = { p: state.params, g: pack(grads), m: state.m, v: state.v };
      const { p, m, v } = adamStep(this.spec, piece, scalars);
      const sum = tf.add<tf.Scalar>(this.lossSum ?? tf.scalar(0), tf.mul(value, batch.rows));
      return { params: p, m, v, stats, sum };
    });
    const { sum, ...state } = moved;
    this.hold(state);
    this.lossSum?.dispose();
    this.lossSum = tf.keep(sum);
  }

  async takeLoss(): Promise<number> {
    const sum = this.lossSum?.dataSync()[0] ?? 0;
    this.lossSum?.dispose();
    this.lossSum = undefined;
    return sum;
  }

  async predict(x: Float32Array, rows: number): Promise<Float32Array> {
    const output = this.within(
      (state) => this.forward(state, tf.tensor2d(x, [rows, this.spec.network.inputWidth]), NOTHING_DROPPED).output,
    );
    const values = Float32Array.from(output.dataSync());
    output.dispose();
    return values;
  }

  async loss(x: Float32Array, y: Float32Array, rows: number): Promise<number> {
    return this.within((state) => {
      const { output } = this.forward(state, tf.tensor2d(x, [rows, this.spec.network.inputWidth]), NOTHING_DROPPED);
      return scalar(this.spec.loss(output, tf.tensor2d(y, [rows, 1]))).dataSync()[0]!;
    });
  }

  read(): Omit<TrainState, 'step'> {
    const state = this.loaded();
    this.activate();
    const copy = (name: keyof State): Float32Array => Float32Array.from(state[name].dataSync());
    return { params: copy('params'), m: copy('m'), v: copy('v'), stats: copy('stats') };
  }

  write(state: Omit<TrainState, 'step'>): void {
    this.activate();
    // Copies: the cpu backend would go on using the arrays that it is given.
    const tensor = (name: keyof State): tf.Tensor1D => tf.tensor1d(state[name].slice(), 'float32');
    this.hold({ params: tensor('params'), m: tensor('m'), v: tensor('v'), stats: tensor('stats') });
  }

  async release(): Promise<void> {
    this.activate();
    await this.takeLoss();
    if (this.held !== undefined) for (const name of NAMES) this.held[name].dispose();
    this.held = undefined;
  }

  private forward(state: State, x: tf.Tensor2D, context: ForwardContext): ReturnType<Network['forward']> {
    const { network } = this.spec;
    return network.forward(
      named(network.params, unpack(network.params, state.params)),
      named(network.stats, unpack(network.stats, state.stats)),
      x,
      context,
    );
  }

  private hold(next: State): void {
    for (const name of NAMES) {
      if (next[name] !== this.held?.[name]) this.held?.[name].dispose();
      tf.keep(next[name]);
    }
    this.held = next;
  }

  private loaded(): State {
    if (this.held === undefined) throw new EngineError('not-ready', 'Call load with a state first.');
    return this.held;
  }

  /** Synchronous, so nothing else can run under the wrong backend. All tensors but those returned are freed. */
  private within<T extends tf.TensorContainer>(work: (state: State) => T): T {
    const state = this.loaded();
    this.activate();
    try {
      return tf.tidy(() => work(state));
    } catch (error) {
      const missing = error instanceof Error ? /^Kernel '(.+)' not registered for backend/.exec(error.message) : null;
      if (missing === null) throw error;
      throw new EngineError(
        'unsupported-op',
        `${this.tfjs.name} has no kernel for the operation "${missing[1]}". Choose another backend.`,
        error,
      );
    }
  }

  private activate(): void {
    // The backend is initialised, so it changes at once; the promise is for those that are not.
    if (tf.getBackend() !== this.tfjs.registered) void tf.setBackend(this.tfjs.registered);
  }
}

/** Cuts a flat tensor into those of a list. */
function unpack(specs: Network['params'], flat: tf.Tensor1D): tf.Tensor[] {
  const sizes = specs.map((spec) => sizeOf(spec.shape));
  const parts = specs.length > 1 ? tf.split(flat, sizes) : specs.length === 1 ? [flat] : [];
  return parts.map((part, i) => tf.reshape(part, specs[i]!.shape));
}

/** Lays tensors out one after the other. */
const pack = (tensors: tf.Tensor[]): tf.Tensor1D => tf.concat1d(tensors.map((tensor) => tf.reshape(tensor, [-1])));
