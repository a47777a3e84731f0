/**
 * The operations that can be traced: for each tfjs kernel the ONNX nodes that compute it (operator set 18).
 * To add one: its line here, its rule in gradients.ts where it is trained through, its case in kernels.test.ts.
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { sizeOf } from './network.js';
import { type ElementType, elementType } from './onnx.js';
import type { TraceBackend } from './trace.js';

type Inputs = Record<string, tf.TensorInfo>;
type Kernel = (b: TraceBackend, inputs: Inputs, attrs: tf.NamedAttrMap) => tf.TensorInfo | tf.TensorInfo[];

/** tfjs kernel → ONNX operator, one input, same shape. The second list gives bool. */
const UNARY: Record<string, string> = {
  Abs: 'Abs',
  Ceil: 'Ceil',
  Elu: 'Elu',
  Erf: 'Erf',
  Exp: 'Exp',
  Floor: 'Floor',
  Identity: 'Identity',
  Log: 'Log',
  LogicalNot: 'Not',
  Neg: 'Neg',
  Reciprocal: 'Reciprocal',
  Relu: 'Relu',
  Round: 'Round',
  Sigmoid: 'Sigmoid',
  Sign: 'Sign',
  Softplus: 'Softplus',
  Sqrt: 'Sqrt',
  Tanh: 'Tanh',
};
const UNARY_TO_BOOL: Record<string, string> = { IsNan: 'IsNaN', IsInf: 'IsInf' };

/** tfjs kernel → ONNX operator, two inputs, broadcast. The second list gives bool. */
const BINARY: Record<string, string> = {
  Add: 'Add',
  LogicalAnd: 'And',
  LogicalOr: 'Or',
  Maximum: 'Max',
  Minimum: 'Min',
  Multiply: 'Mul',
  Pow: 'Pow',
  RealDiv: 'Div',
  Sub: 'Sub',
};
const COMPARISON: Record<string, string> = {
  Equal: 'Equal',
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
};

/** tfjs kernel → ONNX operator over axes. */
const REDUCTION: Record<string, string> = { Max: 'ReduceMax', Mean: 'ReduceMean', Min: 'ReduceMin', Sum: 'ReduceSum' };

/** One input called x, same shape and type, of several nodes. */
const COMPOSED: Record<string, (b: TraceBackend, x: string, attrs: tf.NamedAttrMap) => string> = {
  ClipByValue: (b, x, { clipValueMin, clipValueMax }) =>
    b.emit('Clip', [x, scalar(b, clipValueMin), scalar(b, clipValueMax)]),
  // eˣ - 1 = tanh(x/2)·(eˣ + 1): keeps its digits near 0.
  Expm1: (b, x) =>
    b.emit('Mul', [
      b.emit('Tanh', [b.emit('Mul', [x, scalar(b, 0.5)])]),
      b.emit('Add', [b.emit('Exp', [x]), scalar(b, 1)]),
    ]),
  LeakyRelu: (b, x, { alpha }) => b.emit('LeakyRelu', [x], { alpha: { float: Number(alpha) } }),
  // Kahan: with u = 1 + x rounded, ln(u)·x/(u - 1) keeps its digits near 0; the two branches spare 0/0 and ∞/∞.
  Log1p: (b, x) => {
    const u = b.emit('Add', [x, scalar(b, 1)]);
    const rounded = b.emit('Sub', [u, scalar(b, 1)]);
    const log = b.emit('Log', [u]);
    const corrected = b.emit('Mul', [log, b.emit('Div', [x, rounded])]);
    const large = b.emit('Where', [b.emit('Equal', [rounded, x]), log, corrected]);
    return b.emit('Where', [b.emit('Equal', [rounded, scalar(b, 0)]), x, large]);
  },
  Rsqrt: (b, x) => b.emit('Reciprocal', [b.emit('Sqrt', [x])]),
  Square: (b, x) => b.emit('Mul', [x, x]),
  Step: (b, x, { alpha }) => {
    // 0 up to 0, 1 from the smallest normal number on: one pass where a comparison and a cast take two.
    if (!alpha) return b.emit('HardSigmoid', [x], { alpha: { float: STEEP }, beta: { float: 0 } });
    return b.emit('Where', [b.emit('Greater', [x, scalar(b, 0)]), scalar(b, 1), scalar(b, alpha)]);
  },
};

/** Everything else, by hand. */
const SPECIAL: Record<string, Kernel> = {
  BatchMatMul: (b, { a, b: other }, { transposeA, transposeB }) => {
    const left = turned(a!.shape, transposeA === true);
    const right = turned(other!.shape, transposeB === true);
    const batch = broadcast(left.slice(0, -2), right.slice(0, -2));
    const shape = [...batch, left.at(-2)!, right.at(-1)!];
    const [x, y] = [b.name(a!), b.name(other!)];
    if (!transposeA && !transposeB) return b.result(b.emit('MatMul', [x, y]), shape, 'float32');
    if (shape.length === 2) {
      const attributes = { transA: { int: Number(transposeA) }, transB: { int: Number(transposeB) } };
      return b.result(b.emit('Gemm', [x, y], attributes), shape, 'float32');
    }
    const turn = (name: string, rank: number, yes: unknown): string =>
      yes ? b.emit('Transpose', [name], { perm: { ints: turned([...Array(rank).keys()], true) } }) : name;
    const turnedInputs = [turn(x, a!.shape.length, transposeA), turn(y, other!.shape.length, transposeB)];
    return b.result(b.emit('MatMul', turnedInputs), shape, 'float32');
  },
  Cast: (b, { x }, { dtype }) => {
    const to = dtype as ElementType & tf.DataType;
    const name = b.name(x!);
    return b.result(x!.dtype === to ? name : b.emit('Cast', [name], { to: { int: elementType(to) } }), x!.shape, to);
  },
  Concat: (b, inputs, { axis }) => {
    const all = Object.values(inputs);
    const along = tf.util.parseAxisParam(axis as number, all[0]!.shape)[0]!;
    const parts = all.filter((part) => sizeOf(part.shape) > 0);
    const shape = all[0]!.shape.with(
      along,
      all.reduce((sum, part) => sum + part.shape[along]!, 0),
    );
    return b.result(
      b.emit(
        'Concat',
        parts.map((part) => b.name(part)),
        { axis: { int: along } },
      ),
      shape,
      all[0]!.dtype,
    );
  },
  ExpandDims: (b, { input }, { dim }) => {
    const at = Number(dim) < 0 ? input!.shape.length + 1 + Number(dim) : Number(dim);
    return reshaped(b, input!, input!.shape.toSpliced(at, 0, 1));
  },
  Fill: (b, _, { shape, value, dtype }) =>
    filled(b, Number(value), shape as number[], (dtype as tf.DataType) ?? 'float32'),
  GatherV2: (b, { x, indices }, { axis, batchDims }) => {
    if (batchDims)
      throw new EngineError('unsupported-op', 'Gather with batch dimensions has no kernel; see kernels.ts.');
    const along = tf.util.parseAxisParam(axis as number, x!.shape)[0]!;
    const shape = x!.shape.toSpliced(along, 1, ...indices!.shape);
    return b.result(b.emit('Gather', [b.name(x!), b.name(indices!)], { axis: { int: along } }), shape, x!.dtype);
  },
  NotEqual: (b, { a, b: other }) =>
    b.result(b.emit('Not', [b.emit('Equal', [b.name(a!), b.name(other!)])]), broadcast(a!.shape, other!.shape), 'bool'),
  OnesLike: (b, { x }) => filled(b, 1, x!.shape, x!.dtype),
  Pack: (b, inputs, { axis }) => {
    const all = Object.values(inputs);
    const at = Number(axis);
    const single = all[0]!.shape.toSpliced(at, 0, 1);
    const parts = all.map((part) => b.reshape(b.name(part), part.shape, single));
    return b.result(b.emit('Concat', parts, { axis: { int: at } }), single.with(at, all.length), all[0]!.dtype);
  },
  PadV2: (b, { x }, { paddings, constantValue }) => {
    const pairs = paddings as [number, number][];
    const shape = x!.shape.map((length, i) => length + pairs[i]![0] + pairs[i]![1]);
    const pads = b.ints([...pairs.map(([before]) => before), ...pairs.map(([, after]) => after)]);
    const value = b.constant([Number(constantValue)], [], x!.dtype as ElementType);
    return b.result(b.emit('Pad', [b.name(x!), pads, value]), shape, x!.dtype);
  },
  Reshape: (b, { x }, { shape }) =>
    reshaped(b, x!, tf.util.inferFromImplicitShape(shape as number[], sizeOf(x!.shape))),
  Select: (b, { condition, t, e }) => {
    const chosen = broadcast(t!.shape, e!.shape);
    const shape = broadcast(condition!.shape, chosen);
    // tfjs repeats the condition, which `Where` does by itself at no cost where a branch has the whole shape.
    const by = chosen.join() === shape.join() ? b.narrow(b.name(condition!)) : b.name(condition!);
    return b.result(b.emit('Where', [by, b.name(t!), b.name(e!)]), shape, t!.dtype);
  },
  Slice: (b, { x }, { begin, size }) => {
    const [from, lengths] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin as number[], size as number[]);
    return b.result(b.slice(b.name(x!), x!.shape, from!, lengths!), lengths!, x!.dtype);
  },
  Softmax: (b, { logits }, { dim }) =>
    b.result(b.emit('Softmax', [b.name(logits!)], { axis: { int: Number(dim) } }), logits!.shape, logits!.dtype),
  SplitV: (b, { x }, { numOrSizeSplits, axis }) => {
    const along = tf.util.parseAxisParam(axis as number, x!.shape)[0]!;
    const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits as number[] | number, along);
    const parts = b.emitMany('Split', [b.name(x!), b.ints(sizes)], { axis: { int: along } }, sizes.length);
    return parts.map((part, i) => b.result(part, x!.shape.with(along, sizes[i]!), x!.dtype));
  },
  SquaredDifference: (b, { a, b: other }) => {
    const difference = b.emit('Sub', [b.name(a!), b.name(other!)]);
    return b.result(b.emit('Mul', [difference, difference]), broadcast(a!.shape, other!.shape), a!.dtype);
  },
  Tile: (b, { x }, { reps }) => {
    const times = reps as number[];
    const shape = x!.shape.map((length, i) => length * times[i]!);
    const name = b.name(x!);
    if (times.every((n) => n === 1)) return b.result(name, shape, x!.dtype);
    // Where only single elements are repeated, as a view: WebGPU has no Tile.
    const single = times.every((n, i) => n === 1 || x!.shape[i] === 1);
    return b.result(single ? b.expand(name, times) : b.emit('Tile', [name, b.ints(times)]), shape, x!.dtype);
  },
  Transpose: (b, { x }, { perm }) => {
    const order = perm as number[];
    const shape = order.map((axis) => x!.shape[axis]!);
    return b.result(b.emit('Transpose', [b.name(x!)], { perm: { ints: order } }), shape, x!.dtype);
  },
  Unpack: (b, { value }, { axis }) => {
    const along = tf.util.parseAxisParam(axis as number, value!.shape)[0]!;
    const count = value!.shape[along]!;
    const sizes = Array<number>(count).fill(1);
    const parts = b.emitMany('Split', [b.name(value!), b.ints(sizes)], { axis: { int: along } }, count);
    const shape = value!.shape.toSpliced(along, 1);
    return parts.map((part) => b.result(b.reshape(part, value!.shape.with(along, 1), shape), shape, value!.dtype));
  },
  ZerosLike: (b, { x }) => filled(b, 0, x!.shape, x!.dtype),
};

/** Near the largest float32: takes any normal number above 0 to above 1. */
const STEEP = 3.4e38;

const scalar = (b: TraceBackend, value: unknown): string => b.constant([Number(value)], []);
const broadcast = (a: readonly number[], b: readonly number[]): number[] =>
  tf.broadcast_util.assertAndGetBroadcastShape([...a], [...b]);
/** The list with its last two items swapped, where asked. */
const turned = (shape: readonly number[], yes: boolean): number[] =>
  yes ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : [...shape];
const reshaped = (b: TraceBackend, x: tf.TensorInfo, shape: number[]): tf.TensorInfo =>
  b.result(b.reshape(b.name(x), x.shape, shape), shape, x.dtype);
/** One value in every place; the constant itself stays a scalar. */
const filled = (b: TraceBackend, value: number, shape: number[], dtype: tf.DataType): tf.TensorInfo => {
  const single = b.constant([value], [], dtype as ElementType);
  return b.result(shape.length === 0 ? single : b.emit('Expand', [single, b.ints(shape)]), shape, dtype);
};

function* allKernels(): Generator<[string, Kernel]> {
  for (const [name, op] of Object.entries(UNARY)) {
    yield [name, (b, { x }) => b.result(op === 'Identity' ? b.name(x!) : b.emit(op, [b.name(x!)]), x!.shape, x!.dtype)];
  }
  for (const [name, op] of Object.entries(UNARY_TO_BOOL)) {
    yield [name, (b, { x }) => b.result(b.emit(op, [b.name(x!)]), x!.shape, 'bool')];
  }
  for (const [table, dtype] of [
    [BINARY, null],
    [COMPARISON, 'bool'],
  ] as const) {
    for (const [name, op] of Object.entries(table)) {
      yield [
        name,
        (b, { a, b: other }) =>
          b.result(b.emit(op, [b.name(a!), b.name(other!)]), broadcast(a!.shape, other!.shape), dtype ?? a!.dtype),
      ];
    }
  }
  for (const [name, op] of Object.entries(REDUCTION)) yield [name, reduction(name, op)];
  for (const [name, compose] of Object.entries(COMPOSED)) {
    yield [name, (b, { x }, attrs) => b.result(compose(b, b.name(x!), attrs ?? {}), x!.shape, x!.dtype)];
  }
  yield* Object.entries(SPECIAL);
}

function reduction(name: string, op: string): Kernel {
  return (b, { x }, attrs) => {
    const axes = tf.util.parseAxisParam((attrs['axis'] ?? attrs['reductionIndices']) as number[], x!.shape);
    const keep = attrs['keepDims'] === true;
    const shape = x!.shape.flatMap((length, axis) => (!axes.includes(axis) ? [length] : keep ? [1] : []));
    const asFloat = name === 'Mean' && x!.dtype !== 'float32';
    const input = asFloat ? b.emit('Cast', [b.name(x!)], { to: { int: elementType('float32') } }) : b.name(x!);
    const output =
      axes.length === 0
        ? input
        : (columnSums(b, name, x!, input, axes, shape) ??
          b.emit(op, [input, b.ints(axes)], { keepdims: { int: Number(keep) } }));
    return b.result(output, shape, asFloat ? 'float32' : x!.dtype);
  };
}

/**
 * Sums or means down the columns of a matrix as a product with a row of ones or of 1/rows: on the CPU this takes an eighth
 * of the time of the reduction, which batch norm and every bias ask for. @returns nothing where it is no such case
 */
function columnSums(
  b: TraceBackend,
  name: string,
  x: tf.TensorInfo,
  input: string,
  axes: readonly number[],
  shape: readonly number[],
): string | undefined {
  const [rows, columns] = x.shape;
  if (x.shape.length !== 2 || axes.join() !== '0' || (name !== 'Sum' && name !== 'Mean')) return undefined;
  if (b.isDynamic(rows!) || rows === 0 || columns! < 2) return undefined;
  const weight = name === 'Sum' ? 1 : 1 / rows!;
  // onnxruntime computes the row of weights once, when it opens the graph.
  const weights = b.emit('Expand', [scalar(b, weight), b.ints([1, rows!])]);
  const product = b.emit('MatMul', [weights, input]);
  return b.reshape(product, [1, columns!], shape);
}

/** Makes all kernels known to tfjs under a backend's name. */
export function registerKernels(backendName: string): void {
  for (const [kernelName, run] of allKernels()) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) => run(backend as TraceBackend, inputs as Inputs, attrs ?? {}),
    });
  }
}
