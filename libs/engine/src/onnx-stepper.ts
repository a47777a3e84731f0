/** Training steps as single runs of `stepGraph` on a device of onnxruntime. */
import { ADAM_SCALARS, type Optimiser } from './adam.js';
import { type Loss, type Network, type TrainState } from './network.js';
import { type Device, type Session, libraryVersions, openSession } from './session.js';
import type { Batch, Stepper } from './stepwise.js';
import { type Carried, carriedOf, lossGraph, predictionGraph, stepGraph } from './training-graph.js';

/** Steps of one size. */
type Step = { maskLength: number; session: Session };

/**
 * A stepper on a GPU. The state comes back after every step and goes there with the next.
 * @param spec.sizes rows that a batch may have
 * @throws EngineError `unsupported-op` where the device lacks an operation and the CPU may not stand in; `runtime`
 */
export async function openOnnxStepper(
  spec: Optimiser & { network: Network; loss: Loss; sizes: readonly number[] },
  device: Device,
  backend: string,
): Promise<Stepper> {
  const { network } = spec;
  const sessions: Session[] = [];
  const open = async (onnx: Uint8Array): Promise<Session> => {
    const session = await openSession(onnx, 1, device);
    sessions.push(session);
    return session;
  };
  try {
    const steps = new Map<number, Step>();
    for (const batchSize of spec.sizes) {
      const { onnx, maskLength } = stepGraph({ ...spec, batchSize });
      steps.set(batchSize, { maskLength, session: await open(onnx) });
    }
    // Sizes of inference follow from the rows asked for; each is compiled when it is met.
    const inference = new Map<string, Promise<Session>>();
    const infer = (what: 'predict' | 'loss', rows: number): Promise<Session> => {
      const key = `${what} ${rows}`;
      const graph = () => (what === 'predict' ? predictionGraph(network, rows) : lossGraph(network, spec.loss, rows));
      const session = inference.get(key) ?? open(graph());
      inference.set(key, session);
      return session;
    };
    // One now: what the device lacks is told before anything is trained.
    await infer('loss', 1);
    return new OnnxStepper(network, steps, infer, sessions, backend);
  } catch (error) {
    await Promise.all(sessions.map((session) => session.release()));
    throw error;
  }
}

class OnnxStepper implements Stepper {
  readonly versions = libraryVersions();
  private readonly carried: Carried[];
  private state: Record<Carried['name'], Float32Array>;
  private lossSum = 0;

  constructor(
    private readonly network: Network,
    private readonly steps: ReadonlyMap<number, Step>,
    private readonly inference: (what: 'predict' | 'loss', rows: number) => Promise<Session>,
    private readonly sessions: Session[],
    readonly backend: string,
  ) {
    this.carried = carriedOf(network);
    const empty = new Float32Array();
    this.state = { params: empty, m: empty, v: empty, stats: empty };
  }

  maskLength(rows: number): number {
    return this.stepOf(rows).maskLength;
  }

  async step({ x, y, rows, random, scalars }: Batch): Promise<void> {
    const { session } = this.stepOf(rows);
    const outputs = await session.run({
      ...Object.fromEntries(
        this.carried.map(({ name, length }) => [`${name}_in`, { values: this.state[name], shape: [length] }]),
      ),
      x: { values: x, shape: [rows, this.network.inputWidth] },
      y: { values: y, shape: [rows, 1] },
      ...Object.fromEntries(ADAM_SCALARS.map((name) => [name, { values: Float32Array.of(scalars[name]), shape: [] }])),
      ...(random.length > 0 ? { random: { values: random, shape: [random.length] } } : {}),
    });
    for (const { name } of this.carried) this.state[name] = outputs[`${name}_out`]!;
    this.lossSum += outputs['loss']![0]! * rows;
  }

  async takeLoss(): Promise<number> {
    const sum = this.lossSum;
    this.lossSum = 0;
    return sum;
  }

  async predict(x: Float32Array, rows: number): Promise<Float32Array> {
    return (await (await this.inference('predict', rows)).run(this.inferenceFeeds(x, rows)))['output']!;
  }

  async loss(x: Float32Array, y: Float32Array, rows: number): Promise<number> {
    const feeds = { ...this.inferenceFeeds(x, rows), y: { values: y, shape: [rows, 1] } };
    return (await (await this.inference('loss', rows)).run(feeds))['loss']![0]!;
  }

  read(): Omit<TrainState, 'step'> {
    const { params, m, v, stats } = this.state;
    return { params: params.slice(), m: m.slice(), v: v.slice(), stats: stats.slice() };
  }

  write({ params, m, v, stats }: Omit<TrainState, 'step'>): void {
    this.state = { params: params.slice(), m: m.slice(), v: v.slice(), stats: stats.slice() };
  }

  async release(): Promise<void> {
    await Promise.all(this.sessions.splice(0).map((session) => session.release()));
  }

  private inferenceFeeds(x: Float32Array, rows: number) {
    const { params, stats } = this.state;
    return {
      params: { values: params, shape: [params.length] },
      ...(stats.length > 0 ? { stats: { values: stats, shape: [stats.length] } } : {}),
      x: { values: x, shape: [rows, this.network.inputWidth] },
    };
  }

  private stepOf(rows: number): Step {
    return this.steps.get(rows)!;
  }
}
