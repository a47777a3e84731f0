/**
 * A tfjs backend that records instead of computing: every kernel appends ONNX nodes and returns a tensor that stands for
 * their output. tfjs's own tape then differentiates through it, so a traced training step needs no autodiff of ours.
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { registerGradients } from './gradients.js';
import { registerKernels } from './kernels.js';
import { sizeOf } from './network.js';
import {
  type Attribute,
  type ElementType,
  type Graph,
  type Initializer,
  type Node,
  type Port,
  encodeModel,
} from './onnx.js';

/** Name under which tfjs knows the backend while something is traced. */
export const TRACE_BACKEND = 'clove-trace';

/** What a traced tensor stands for: an output of a node, an input of the graph, or a constant. */
type Traced = { name: string } | { constant: ArrayLike<number>; shape: readonly number[]; type: ElementType };

/** Larger than any axis of a tensor: "to the end" in ONNX's Slice. */
const TO_END = Number.MAX_SAFE_INTEGER;

/** The rows of a graph that takes any number of them: `size` stands in for the number while tracing, `input` has it when run. */
export type DynamicRows = { size: number; input: string };

/** Records one graph. Kernels call `name`, `emit` and `result`; who traces calls `input`, `tensor` and `graph`. */
export class TraceBackend extends tf.KernelBackend {
  private readonly nodes: Node[] = [];
  private readonly initializers = new Map<string, Initializer>();
  /** Nodes and constants already recorded, by what they are: the same thing twice is recorded once. */
  private readonly known = new Map<string, string[]>();
  /** What each reshaped value was before. */
  private readonly unshaped = new Map<string, { name: string; shape: readonly number[] }>();
  /** What each repeated value was before, for operators that repeat by themselves. */
  private readonly unrepeated = new Map<string, string>();
  private readonly traced = new WeakMap<object, Traced>();
  private count = 0;

  /** @param prefix of all names, to tell a graph's names from those of one inside it */
  constructor(
    private readonly rows?: DynamicRows,
    private readonly prefix = '',
  ) {
    super();
  }

  /** The ONNX name of a tensor. */
  name(tensor: tf.TensorInfo): string {
    const traced = this.traced.get(tensor.dataId);
    if (traced === undefined) {
      throw new EngineError(
        'invalid-network',
        'A tensor made outside the traced function was used in it. Make it inside.',
      );
    }
    return 'name' in traced ? traced.name : this.constant(traced.constant, traced.shape, traced.type);
  }

  /** The name of a constant. */
  constant(values: ArrayLike<number>, shape: readonly number[], type: ElementType = 'float32'): string {
    if (this.rows !== undefined && shape.some((length) => this.isDynamic(length)))
      return this.dynamicConstant(values, shape, type);
    const bytes = encode(values, type);
    const make = (): string[] => {
      const name = `${this.prefix}c${this.count++}`;
      this.initializers.set(name, { name, type, shape, bytes });
      return [name];
    };
    // Long constants are parameters: never equal, and too long for a key.
    return bytes.length > 256 ? make()[0]! : this.once(`${type} ${shape.join()} ${bytes.join()}`, make)[0]!;
  }

  /** The name of a list of int64, as shapes and positions are given; what stands for the rows is taken from the input. */
  ints(values: readonly number[]): string {
    if (!values.some((value) => this.isDynamic(value))) return this.constant(values, [values.length], 'int64');
    const { size, input } = this.rows!;
    const rows = this.emit('Slice', [this.emit('Shape', [input]), this.ints([0]), this.ints([1])]);
    const pieces = values.map((value) =>
      this.isDynamic(value) ? this.emit('Mul', [rows, this.ints([value / size])]) : this.ints([value]),
    );
    return this.emit('Concat', pieces, { axis: { int: 0 } });
  }

  /** Records a node with one output. @returns the output's name */
  emit(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.emitMany(op, inputs, attributes, 1)[0]!;
  }

  /** Records a node with several outputs. */
  emitMany(op: string, inputs: readonly string[], attributes: Record<string, Attribute>, outputs: number): string[] {
    return this.once(`${op} ${inputs.join()} ${JSON.stringify(attributes)} ${outputs}`, () => {
      const names = Array.from({ length: outputs }, () => `${this.prefix}t${this.count++}`);
      this.nodes.push({ op, inputs, outputs: names, attributes });
      return names;
    });
  }

  /** Records a node as it is, under the output names that it has. */
  append(node: Node): void {
    this.nodes.push(node);
  }

  /** Records a reshape, unless the value has been in that shape before. */
  reshape(name: string, from: readonly number[], to: readonly number[]): string {
    const origin = this.unshaped.get(name) ?? { name, shape: from };
    if (origin.shape.join() === to.join()) return origin.name;
    const dynamic = to.filter((length) => this.isDynamic(length)).length;
    const shape = this.ints(
      dynamic === 1 && sizeOf(to) > 0 ? to.map((length) => (this.isDynamic(length) ? -1 : length)) : to,
    );
    const reshaped = this.emit('Reshape', [origin.name, shape]);
    this.unshaped.set(reshaped, origin);
    return reshaped;
  }

  /** Records a value whose single elements are repeated to a shape. */
  expand(name: string, times: readonly number[]): string {
    const expanded = this.emit('Expand', [name, this.ints(times)]);
    this.unrepeated.set(expanded, name);
    return expanded;
  }

  /** A value as it was before `expand`, where it came from there. */
  narrow(name: string): string {
    return this.unrepeated.get(name) ?? name;
  }

  /** Records a slice. @param shape of the value */
  slice(name: string, shape: readonly number[], begin: readonly number[], size: readonly number[]): string {
    if (begin.every((b, i) => b === 0 && size[i] === shape[i])) return name;
    const end = begin.map((b, i) => (b + (size[i] ?? 0) === shape[i] ? TO_END : b + (size[i] ?? 0)));
    return this.emit('Slice', [name, this.ints(begin), this.ints(end)]);
  }

  /** What a kernel returns: the named value as a tensor. */
  result(name: string, shape: readonly number[], dtype: tf.DataType): tf.TensorInfo {
    const dataId = {};
    this.traced.set(dataId, { name });
    return { dataId, shape: [...shape], dtype };
  }

  /** The named value as a tensor, for the function that is traced. */
  tensor<R extends tf.Rank>(name: string, shape: readonly number[], dtype: tf.DataType = 'float32'): tf.Tensor<R> {
    return tf.engine().makeTensorFromTensorInfo(this.result(name, shape, dtype), this) as tf.Tensor<R>;
  }

  /** The recorded graph, less what no output needs. */
  graph(o: { name: string; inputs: readonly Port[]; outputs: readonly Port[] }): Graph {
    const needed = new Set(o.outputs.map((output) => output.name));
    const nodes = this.nodes.toReversed().filter((node) => {
      if (!node.outputs.some((output) => needed.has(output))) return false;
      for (const input of inputsOf(node)) needed.add(input);
      return true;
    });
    return {
      ...o,
      nodes: nodes.toReversed(),
      initializers: [...this.initializers.values()].filter((constant) => needed.has(constant.name)),
    };
  }

  /** True for a length that stands for the rows or a multiple of them. */
  isDynamic(length: number): boolean {
    return this.rows !== undefined && length > 0 && length !== TO_END && length % this.rows.size === 0;
  }

  private dynamicConstant(values: ArrayLike<number>, shape: readonly number[], type: ElementType): string {
    const first = values[0]!;
    for (let i = 1; i < values.length; i += 1) {
      if (values[i] !== first) {
        throw new EngineError(
          'invalid-network',
          'A constant has a value for each row, but the graph takes any number of rows.',
        );
      }
    }
    return this.emit('Expand', [this.constant([first], [], type), this.ints(shape)]);
  }

  private once(key: string, make: () => string[]): string[] {
    let names = this.known.get(key);
    if (names === undefined) this.known.set(key, (names = make()));
    return names;
  }

  // What tfjs asks of any backend. Nothing is stored, so nothing is freed.
  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype);
    return dataId;
  }
  override move(dataId: tf.DataId, values: tf.BackendValues, shape: number[], dtype: tf.DataType): void {
    if (dtype === 'string' || dtype === 'complex64') {
      throw new EngineError('unsupported-op', `Tensors of ${dtype} cannot be traced; use float32, int32 or bool.`);
    }
    this.traced.set(dataId, { constant: values as ArrayLike<number>, shape, type: dtype });
  }
  override readSync(): never {
    throw new EngineError(
      'invalid-network',
      'A traced function must not read values of tensors (dataSync, arraySync).',
    );
  }
  override read(): never {
    return this.readSync();
  }
  override disposeData(): boolean {
    return true;
  }
  override incRef(): void {}
  override refCount(): number {
    return 1;
  }
  override numDataIds(): number {
    return 0;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }
  override floatPrecision(): 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override dispose(): void {}
}

/** All that a node reads, a loop's body included. */
const inputsOf = (node: Node): string[] => [
  ...node.inputs,
  ...Object.values(node.attributes).flatMap((a) => ('graph' in a ? a.graph.nodes.flatMap(inputsOf) : [])),
];

function encode(values: ArrayLike<number>, type: ElementType): Uint8Array {
  const array =
    type === 'int64'
      ? BigInt64Array.from(values as ArrayLike<number> & Iterable<number>, BigInt)
      : type === 'int32'
        ? Int32Array.from(values)
        : type === 'bool'
          ? Uint8Array.from(values)
          : Float32Array.from(values);
  return new Uint8Array(array.buffer);
}

let registered = false;

/**
 * Runs `record` with a fresh recording backend as tfjs's backend, and puts back what was there before. Synchronous, so
 * nothing else can run under the wrong backend. Every tensor made inside is freed.
 * @throws EngineError `unsupported-op` naming the operation that has no kernel or gradient
 */
export function trace<T>(record: (backend: TraceBackend) => T, rows?: DynamicRows): T {
  if (!registered) {
    registerKernels(TRACE_BACKEND);
    registerGradients();
    registered = true;
  }
  const before = tf.getBackend();
  const backend = new TraceBackend(rows);
  tf.registerBackend(TRACE_BACKEND, () => backend);
  try {
    // Resolved at once: the promise is only for backends that start asynchronously.
    void tf.setBackend(TRACE_BACKEND);
    let result!: T;
    tf.tidy(() => {
      result = record(backend);
    });
    return result;
  } catch (error) {
    const missing = error instanceof Error ? /^Kernel '(.+)' not registered for backend/.exec(error.message) : null;
    if (missing !== null) {
      throw new EngineError(
        'unsupported-op',
        `The operation "${missing[1]}" has no kernel in the engine; see kernels.ts.`,
        error,
      );
    }
    const gradient = error instanceof Error ? /gradient function not found for (.+?)\.?$/m.exec(error.message) : null;
    if (gradient !== null) {
      throw new EngineError(
        'unsupported-op',
        `The operation "${gradient[1]}" has no gradient in the engine; see gradients.ts.`,
        error,
      );
    }
    throw error;
  } finally {
    if (before) void tf.setBackend(before);
    tf.removeBackend(TRACE_BACKEND);
  }
}

/** Two primes larger than any axis of a network: lengths that stand for the rows while tracing. */
const STAND_INS = [1_000_003, 1_000_033] as const;

/**
 * The bytes of a graph that takes any number of rows, read off `input`.
 * @param build records it as if there were `rows` rows
 * @throws EngineError `invalid-network` where the result depends on that number other than through shapes
 */
export function traceAnyRows(
  input: string,
  build: (backend: TraceBackend, rows: number) => Graph,
  metadata?: Record<string, string>,
): Uint8Array {
  const [onnx, other] = STAND_INS.map((size) =>
    encodeModel(
      trace((b) => build(b, size), { size, input }),
      metadata,
    ),
  );
  if (Buffer.compare(onnx!, other!) !== 0) {
    throw new EngineError(
      'invalid-network',
      'The number of rows became a constant of the graph (a division by the row count, say), but the graph must take any ' +
        'number of rows. Use operations that ask the tensor itself, such as tf.mean.',
    );
  }
  return onnx!;
}
