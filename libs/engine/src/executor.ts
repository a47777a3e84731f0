import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { ADAM_SCALARS, type Optimiser, adamTables } from './adam.js';
import { cpuName } from './devices.js';
import { firstState, randomTable } from './dropout.js';
import { EngineError } from './errors.js';
import { type Loss, type Network, type TrainState, totalSize } from './network.js';
import { type Feed, type Session, libraryVersions, openSession } from './session.js';
import { type Carried, carriedOf, epochGraph, lossGraph, predictionGraph } from './training-graph.js';

/** Where training runs. `auto` takes the fastest that is present. */
export type Backend =
  | 'auto'
  | 'onnx-cpu'
  | 'onnx-webgpu'
  | 'onnx-cuda'
  | 'tfjs-node-gpu'
  | 'tfjs-node'
  | 'tfjs-wasm'
  | 'tfjs-cpu';

/** What `compileTraining` compiles. */
export type TrainingSpec = Optimiser & {
  network: Network;
  loss: Loss;
  batchSize: number;
  /** Rows of an epoch: what they leave over whole batches is the size of its last batch. */
  rows: number;
  backend: Backend;
  /** onnx-webgpu, onnx-cuda: whether the CPU may run what the device cannot; refused when left out. */
  cpuFallback?: boolean | undefined;
  /** onnx-cpu: native threads; by the size of a step when left out (see `usualThreads`). */
  threads?: number | undefined;
  /** onnx-cpu: native threads at most where `threads` is left out; 2 when left out. */
  threadLimit?: number | undefined;
};

/** Runs whole epochs of one network natively. One at a time: no call may start before the one before has settled. */
export interface Executor {
  /** Backend, threads and device, such as `onnx-cpu, 1 thread, AMD EPYC 7B13`. */
  readonly backend: string;
  /** Versions of the libraries that compute. */
  readonly versions: Record<string, string>;
  /**
   * Trains once over the rows named by `order`, batch by batch, and moves the state on: a whole epoch, or, where the rows
   * come in pieces, one of them. Every piece but an epoch's last is whole batches; the last batch of an epoch holds what is
   * left; a single row left over is not trained on where the network has batch norm, which needs two.
   * @param i.x [n, inputWidth] row-major; `i.y` [n]; `order`: indices into them
   * @param i.seed decides the dropout of this call: the same state, rows, order, learning rate and seed give the same
   * bytes, with the same library versions and threads.
   * @param i.signal heard between steps, 2 s after its abort at the latest unless a single step takes longer; its reason is
   * thrown, and the state is what it was before the call
   * @returns the mean training loss over the rows trained on and their number, as seen with dropout while the parameters
   * moved. Not finite where the training diverged.
   */
  trainEpoch(i: {
    x: Float32Array;
    y: Float32Array;
    order: Int32Array;
    learningRate: number;
    seed: number;
    signal?: AbortSignal | undefined;
  }): Promise<{ loss: number; rows: number }>;
  /** Output of the network, [rows, k] row-major, with the present parameters, nothing dropped. */
  predict(x: Float32Array, rows: number): Promise<Float32Array>;
  /**
   * Mean loss over rows with the present parameters, nothing dropped.
   * @param signal heard every 1,024 rows; its reason is thrown
   */
  loss(x: Float32Array, y: Float32Array, rows: number, signal?: AbortSignal): Promise<number>;
  /** A copy of the present state. */
  state(): TrainState;
  /** Goes on from a state; it is copied. Must be called once before anything else. */
  load(state: TrainState): void;
  /** Frees native memory. The executor cannot be used afterwards. */
  release(): Promise<void>;
}

/** Rows that are predicted at once: what they need then still fits the processor's cache. */
const INFERENCE_ROWS = 1024;

/** A run of a graph is to take this long: what comes between runs costs little, and a cancel is heard soon. */
const RUN_MS = 500;
/**
 * Multiply-adds of a training step that each thread must have to gain more than it costs to wake it, as measured with two
 * threads and the networks of the training bench: 20 million a thread are enough, 7 are not.
 */
const WORK_OF_A_THREAD = 10e6;

/**
 * Threads for a training that says nothing about them: as many as large steps keep busy, `threadLimit` at most and no more
 * than there are cores. It is not measured anew each time: two numbers of threads give different bytes, and the same seed is
 * to give the same model whatever else the machine is doing.
 */
export function usualThreads(
  { network, batchSize, rows, threadLimit = 2 }: TrainingSpec,
  cores: number = availableParallelism(),
): number {
  // Forward, the inputs' gradient and the weights' gradient; the steps of a sequence are not counted.
  const weights = totalSize(network.params.filter(({ shape }) => shape.length > 1));
  const busy = Math.floor((3 * Math.min(batchSize, rows) * weights) / WORK_OF_A_THREAD);
  return Math.max(1, Math.min(busy, threadLimit, cores));
}

/** Rows of no meaning, within what prepared inputs are, to time steps with. */
export const waves = (network: Network, rows: number) => ({
  x: Float32Array.from({ length: rows * network.inputWidth }, (_, i) => Math.sin(i)),
  y: Float32Array.from({ length: rows }, (_, i) => Math.cos(i)),
  order: Int32Array.from({ length: rows }, (_, i) => i),
});

/**
 * Rows that the batches of an epoch have: the whole ones, and where some are left the last one.
 * @throws EngineError `invalid-network` where batch norm has no two rows to go by
 */
export function batchSizesOf({ network, rows, batchSize: asked }: TrainingSpec): number[] {
  const normalised = network.stats.length > 0;
  if (rows < 1 || asked < 1 || (normalised && Math.min(rows, asked) < 2)) {
    throw new EngineError(
      'invalid-network',
      `${rows} rows in batches of ${asked} cannot be trained; batch norm needs batches of at least 2.`,
    );
  }
  const batchSize = Math.min(asked, rows);
  const left = rows % batchSize;
  return left > (normalised ? 1 : 0) ? [batchSize, left] : [batchSize];
}

/**
 * Compiles a network for training on the processor: traces a step, opens whole epochs as loops in onnxruntime.
 * @throws EngineError `unsupported-op` or `invalid-network` where it cannot be traced
 */
export async function compileLoop(spec: TrainingSpec): Promise<Executor> {
  const { network } = spec;
  const sizes = batchSizesOf(spec);
  const threads = spec.threads ?? usualThreads(spec);

  const sessions: Session[] = [];
  const open = async (onnx: Uint8Array): Promise<Session> => {
    const session = await openSession(onnx, threads);
    sessions.push(session);
    return session;
  };
  try {
    const stages = [];
    for (const size of sizes) {
      const graph = epochGraph({ ...spec, batchSize: size });
      stages.push({ batchSize: size, maskLength: graph.maskLength, session: await open(graph.onnx) });
    }
    const predicting = await open(predictionGraph(network));
    const losing = await open(lossGraph(network, spec.loss));
    return new OnnxExecutor(spec, threads, stages, predicting, losing, sessions);
  } catch (error) {
    await Promise.all(sessions.map((session) => session.release()));
    throw error;
  }
}

/** Batches of one size, and the graph that trains on them. */
type Stage = { batchSize: number; maskLength: number; session: Session };

class OnnxExecutor implements Executor {
  readonly backend: string;
  readonly versions = libraryVersions();
  private readonly network: Network;
  private readonly carried: Carried[];
  private current: TrainState | undefined;
  /** Steps of one run of a graph. What they compute does not depend on it. */
  private stepsAtOnce = 1;

  constructor(
    private readonly spec: TrainingSpec,
    threads: number,
    private readonly stages: Stage[],
    private readonly predicting: Session,
    private readonly losing: Session,
    private readonly sessions: Session[],
  ) {
    this.network = spec.network;
    this.carried = carriedOf(spec.network);
    this.backend = `onnx-cpu, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${cpuName()}`;
  }

  async trainEpoch(i: Parameters<Executor['trainEpoch']>[0]): ReturnType<Executor['trainEpoch']> {
    const n = this.rowsOf(i.x, i.y);
    const batchSize = Math.min(this.spec.batchSize, this.spec.rows);
    const left = i.order.length % batchSize;
    if (i.order.length === 0 || (left !== 0 && left !== this.spec.rows % batchSize)) {
      throw new EngineError(
        'size-mismatch',
        `order names ${i.order.length} rows: neither whole batches of ${batchSize}, nor what ${this.spec.rows} rows end with.`,
      );
    }
    if (i.order.some((row) => row < 0 || row >= n)) {
      throw new EngineError('size-mismatch', `order names a row that is not among the ${n} rows.`);
    }
    if (!(i.learningRate > 0)) {
      throw new EngineError('invalid-value', `The learning rate must be above 0; it is ${i.learningRate}.`);
    }
    const before = this.loaded();
    const whole = Math.floor(i.order.length / batchSize);
    const plan = this.stages.flatMap((stage) => {
      const turns = stage.batchSize === batchSize ? whole : left > 0 ? 1 : 0;
      return turns === 0 ? [] : [{ ...stage, steps: turns }];
    });
    const steps = plan.reduce((sum, stage) => sum + stage.steps, 0);
    const data: Record<string, Feed> = {
      x: { values: i.x, shape: [n, this.network.inputWidth] },
      y: { values: i.y, shape: [n, 1] },
    };
    const tables = adamTables(this.spec, before.step, steps, i.learningRate);
    i.signal?.throwIfAborted();
    let after = before;
    let generator = BigInt64Array.of(BigInt(firstState(i.seed)));
    let [done, rows, lossSum] = [0, 0, 0];
    for (const { session, steps: all, batchSize: size, maskLength } of plan) {
      let loss = Float32Array.of(0);
      const until = done + all;
      while (done < until) {
        const turns = Math.min(until - done, this.stepsAtOnce);
        const taken = i.order.subarray(rows, rows + turns * size);
        const feeds: Record<string, Feed> = {
          ...data,
          steps: { values: BigInt64Array.of(BigInt(turns)), shape: [] },
          order: { values: taken, shape: [taken.length] },
          loss: { values: loss, shape: [] },
        };
        if (maskLength > 0) {
          const random = randomTable(maskLength);
          feeds['random'] = { values: random, shape: [random.length] };
          feeds['generator'] = { values: generator, shape: [] };
        }
        for (const name of ADAM_SCALARS)
          feeds[name] = { values: tables[name].subarray(done, done + turns), shape: [turns] };
        for (const { name, length } of this.carried) feeds[name] = { values: after[name], shape: [length] };
        const started = performance.now();
        const outputs = await session.run(feeds);
        this.paceBy(performance.now() - started, turns);
        const moved = this.carried.map(({ name }) => [name, outputs[`${name}_out`]] as const);
        after = { ...after, ...Object.fromEntries(moved), step: after.step + turns };
        loss = outputs['loss_out'] as Float32Array<ArrayBuffer>;
        // The one output that is no float32.
        if (maskLength > 0) generator = outputs['generator_out'] as unknown as typeof generator;
        done += turns;
        rows += taken.length;
        if (done < steps) {
          // A run blocks its thread: here an abort can be heard.
          await setImmediate();
          i.signal?.throwIfAborted();
        }
      }
      lossSum += loss[0]! * size;
    }
    this.current = after;
    return { loss: lossSum / rows, rows };
  }

  /** Cuts the coming runs to `RUN_MS`, by the time that one has taken. */
  private paceBy(elapsedMs: number, turns: number): void {
    this.stepsAtOnce = Math.max(1, Math.floor((RUN_MS * turns) / Math.max(elapsedMs, 1)));
  }

  async predict(x: Float32Array, rows: number): Promise<Float32Array> {
    this.expectRows(x, rows, this.network.inputWidth, 'x');
    let output: Float32Array | undefined;
    for (let from = 0; from < rows; from += INFERENCE_ROWS) {
      const count = Math.min(INFERENCE_ROWS, rows - from);
      const { output: part } = await this.predicting.run(this.inferenceFeeds(x, from, count));
      output ??= new Float32Array((part!.length / count) * rows);
      output.set(part!, (part!.length / count) * from);
    }
    return output ?? new Float32Array();
  }

  async loss(x: Float32Array, y: Float32Array, rows: number, signal?: AbortSignal): Promise<number> {
    this.expectRows(x, rows, this.network.inputWidth, 'x');
    this.expectRows(y, rows, 1, 'y');
    let sum = 0;
    for (let from = 0; from < rows; from += INFERENCE_ROWS) {
      await setImmediate();
      signal?.throwIfAborted();
      const count = Math.min(INFERENCE_ROWS, rows - from);
      const { loss } = await this.losing.run({
        ...this.inferenceFeeds(x, from, count),
        y: { values: y.subarray(from, from + count), shape: [count, 1] },
      });
      sum += loss![0]! * count;
    }
    return sum / rows;
  }

  state(): TrainState {
    const { params, m, v, stats, step } = this.loaded();
    return { params: params.slice(), m: m.slice(), v: v.slice(), stats: stats.slice(), step };
  }

  load(state: TrainState): void {
    const lengths = { params: 0, m: 0, v: 0, stats: 0 };
    for (const { name, length } of this.carried) lengths[name] = length;
    for (const name of ['params', 'm', 'v', 'stats'] as const) {
      if (state[name].length !== lengths[name]) {
        throw new EngineError(
          'size-mismatch',
          `The state holds ${state[name].length} numbers in "${name}", the network ${this.network.name} needs ${lengths[name]}.`,
        );
      }
    }
    const { params, m, v, stats, step } = state;
    this.current = { params: params.slice(), m: m.slice(), v: v.slice(), stats: stats.slice(), step };
  }

  async release(): Promise<void> {
    this.current = undefined;
    await Promise.all(this.sessions.splice(0).map((session) => session.release()));
  }

  private loaded(): TrainState {
    if (this.current === undefined)
      throw new EngineError('not-ready', 'Call load with a state first; after release, compile anew.');
    return this.current;
  }

  private inferenceFeeds(x: Float32Array, from: number, count: number): Record<string, Feed> {
    const state = this.loaded();
    const width = this.network.inputWidth;
    return {
      params: { values: state.params, shape: [state.params.length] },
      ...(state.stats.length > 0 ? { stats: { values: state.stats, shape: [state.stats.length] } } : {}),
      x: { values: x.subarray(from * width, (from + count) * width), shape: [count, width] },
    };
  }

  private rowsOf(x: Float32Array, y: Float32Array): number {
    this.expectRows(x, y.length, this.network.inputWidth, 'x');
    return y.length;
  }

  private expectRows(values: Float32Array, rows: number, width: number, name: string): void {
    if (values.length !== rows * width) {
      throw new EngineError('size-mismatch', `${name} holds ${values.length} numbers, not ${rows} rows of ${width}.`);
    }
  }
}
