/**
 * Gradient rules of the operations in kernels.ts. tfjs keeps the tape and applies them; tfjs-core comes without rules, and
 * the package that brings them is many times the size of this file. Each rule is tested against tfjs on its CPU backend
 * by finite differences.
 */
import * as tf from '@tensorflow/tfjs-core';

type T = tf.Tensor;

/** y = f(a, b) with broadcasting: what of dy each side receives, before it is summed back to that side's shape. */
const BINARY: Record<string, readonly [(dy: T, a: T, b: T) => T, (dy: T, a: T, b: T) => T]> = {
  Add: [(dy) => dy, (dy) => dy],
  Sub: [(dy) => dy, (dy) => tf.neg(dy)],
  Multiply: [(dy, _, b) => tf.mul(dy, b), (dy, a) => tf.mul(dy, a)],
  RealDiv: [(dy, _, b) => tf.div(dy, b), (dy, a, b) => tf.neg(tf.div(tf.mul(dy, a), tf.square(b)))],
  SquaredDifference: [
    (dy, a, b) => tf.mul(dy, tf.mul(tf.sub(a, b), 2)),
    (dy, a, b) => tf.mul(dy, tf.mul(tf.sub(b, a), 2)),
  ],
  Maximum: [(dy, a, b) => masked(dy, tf.greaterEqual(a, b)), (dy, a, b) => masked(dy, tf.less(a, b))],
  Minimum: [(dy, a, b) => masked(dy, tf.lessEqual(a, b)), (dy, a, b) => masked(dy, tf.greater(a, b))],
  Pow: [
    (dy, a, b) => tf.mul(dy, tf.mul(b, tf.pow(a, tf.sub(b, 1)))),
    (dy, a, b) => tf.mul(dy, tf.where(tf.greater(a, 0), tf.mul(tf.pow(a, b), tf.log(a)), tf.zerosLike(a))),
  ],
};

/** y = f(x), element by element, by its input. */
const FROM_INPUT: Record<string, (dy: T, x: T) => T> = {
  Abs: (dy, x) => tf.mul(dy, tf.sign(x)),
  Ceil: (dy) => tf.zerosLike(dy),
  Cast: (dy) => tf.cast(dy, 'float32'),
  Erf: (dy, x) => tf.mul(dy, tf.mul(tf.exp(tf.neg(tf.square(x))), 2 / Math.sqrt(Math.PI))),
  Expm1: (dy, x) => tf.mul(dy, tf.exp(x)),
  Floor: (dy) => tf.zerosLike(dy),
  Identity: (dy) => dy,
  Log: (dy, x) => tf.div(dy, x),
  Log1p: (dy, x) => tf.div(dy, tf.add(x, 1)),
  Neg: (dy) => tf.neg(dy),
  Round: (dy) => tf.zerosLike(dy),
  Sign: (dy) => tf.zerosLike(dy),
  Softplus: (dy, x) => tf.mul(dy, tf.sigmoid(x)),
  Square: (dy, x) => tf.mul(dy, tf.mul(x, 2)),
  Step: (dy) => tf.zerosLike(dy),
};

/** y = f(x), element by element, by its output. */
const FROM_OUTPUT: Record<string, (dy: T, y: T) => T> = {
  Elu: (dy, y) => tf.where(tf.greater(y, 0), dy, tf.mul(dy, tf.add(y, 1))),
  Exp: (dy, y) => tf.mul(dy, y),
  Reciprocal: (dy, y) => tf.neg(tf.mul(dy, tf.square(y))),
  Relu: (dy, y) => tf.mul(dy, tf.step(y)),
  Rsqrt: (dy, y) => tf.mul(dy, tf.mul(tf.mul(tf.square(y), y), -0.5)),
  Sigmoid: (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y))),
  Softmax: (dy, y) => tf.mul(tf.sub(dy, tf.sum(tf.mul(dy, y), -1, true)), y),
  Sqrt: (dy, y) => tf.mul(tf.div(dy, y), 0.5),
  Tanh: (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y))),
};

/** y = f(x) with attributes; the input is saved. */
const WITH_ATTRIBUTES: Record<string, (dy: T, x: T, attrs: tf.NamedAttrMap) => T> = {
  ClipByValue: (dy, x, { clipValueMin, clipValueMax }) =>
    masked(dy, tf.logicalAnd(tf.greaterEqual(x, Number(clipValueMin)), tf.lessEqual(x, Number(clipValueMax)))),
  LeakyRelu: (dy, x, { alpha }) => tf.where(tf.greater(x, 0), dy, tf.mul(dy, Number(alpha))),
  Mean: (dy, x, { axis }) => spread(tf.mul(dy, dy.size / x.size), x, axis),
  PadV2: (dy, x, { paddings }) =>
    tf.slice(
      dy,
      (paddings as number[][]).map(([before]) => before!),
      x.shape,
    ),
  Reshape: (dy, x) => tf.reshape(dy, x.shape),
  Slice: (dy, x, { begin, size }) => {
    const [from, lengths] = tf.slice_util.parseSliceParams(x, begin as number[], size as number[]);
    return tf.pad(
      dy,
      x.shape.map((length, i) => [from![i]!, length - from![i]! - lengths![i]!] as [number, number]),
    );
  },
  Sum: (dy, x, { axis }) => spread(dy, x, axis),
  Tile: (dy, x, { reps }) => {
    const parts = x.shape.flatMap((length, i) => [(reps as number[])[i]!, length]);
    const repeats = x.shape.map((_, i) => 2 * i);
    return tf.sum(tf.reshape(dy, parts), repeats);
  },
  Transpose: (dy, _, { perm }) => tf.transpose(dy, tf.backend_util.getUndoAxesPermutation(perm as number[])),
};

/** What does not change when an input changes by a little: nothing flows back. By the names of their inputs. */
const FLAT: Record<string, readonly string[]> = {
  Equal: ['a', 'b'],
  Greater: ['a', 'b'],
  GreaterEqual: ['a', 'b'],
  IsInf: ['x'],
  IsNan: ['x'],
  Less: ['a', 'b'],
  LessEqual: ['a', 'b'],
  LogicalAnd: ['a', 'b'],
  LogicalNot: ['x'],
  LogicalOr: ['a', 'b'],
  NotEqual: ['a', 'b'],
  OnesLike: ['x'],
  ZerosLike: ['x'],
};

/** The rest, as tfjs wants them. */
const SPECIAL: tf.GradConfig[] = [
  {
    kernelName: 'BatchMatMul',
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, saved, attrs) => {
      const [a, b] = saved as [T, T];
      const { transposeA: ta, transposeB: tb } = attrs as { transposeA: boolean; transposeB: boolean };
      const d = dy as T;
      return {
        a: () => summedTo(ta ? tf.matMul(b, d, tb, true) : tf.matMul(d, b, false, !tb), a.shape),
        b: () => summedTo(tb ? tf.matMul(d, a, true, ta) : tf.matMul(a, d, !ta, false), b.shape),
      };
    },
  },
  {
    kernelName: 'Concat',
    saveAllInputs: true,
    gradFunc: (dy, saved, attrs) => {
      const axis = tf.util.parseAxisParam(attrs['axis'] as number, saved[0]!.shape)[0]!;
      const parts = tf.split(
        dy as T,
        saved.map((part) => part.shape[axis]!),
        axis,
      );
      return Object.fromEntries(parts.map((part, i) => [i, () => part]));
    },
  },
  {
    kernelName: 'ExpandDims',
    inputsToSave: ['input'],
    gradFunc: (dy, saved) => ({ input: () => tf.reshape(dy as T, saved[0]!.shape) }),
  },
  ...['Max', 'Min'].map((kernelName): tf.GradConfig => ({
    kernelName,
    inputsToSave: ['x'],
    outputsToSave: [true],
    gradFunc: (dy, saved, attrs) => {
      const [x, y] = saved as [T, T];
      const axis = attrs['axis'] ?? attrs['reductionIndices'];
      return { x: () => masked(spread(dy as T, x, axis), tf.equal(x, spread(y, x, axis))) };
    },
  })),
  {
    kernelName: 'Pack',
    saveAllInputs: true,
    gradFunc: (dy, _, attrs) =>
      Object.fromEntries(tf.unstack(dy as T, attrs['axis'] as number).map((part, i) => [i, () => part])),
  },
  {
    kernelName: 'Select',
    inputsToSave: ['condition'],
    gradFunc: (dy, saved) => {
      const [condition, d] = [saved[0]!, dy as T];
      return {
        condition: () => tf.cast(tf.zerosLike(condition), 'float32'),
        t: () => masked(d, condition),
        e: () => masked(d, tf.logicalNot(condition)),
      };
    },
  },
  { kernelName: 'SplitV', gradFunc: (dy, _, attrs) => ({ x: () => tf.concat(dy as T[], attrs['axis'] as number) }) },
  { kernelName: 'Unpack', gradFunc: (dy, _, attrs) => ({ value: () => tf.stack(dy as T[], attrs['axis'] as number) }) },
];

/** dy where the condition holds, else 0. */
const masked = (dy: T, condition: T): T => tf.mul(dy, tf.cast(condition, 'float32'));

/** Sums away what broadcasting had repeated. */
function summedTo(t: T, shape: number[]): T {
  const axes = tf.broadcast_util.getReductionAxes(shape, t.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(t, axes) : t, shape);
}

/** Repeats the outcome of a reduction over the axes that it reduced. */
function spread(dy: T, x: T, axis: unknown): T {
  const axes = tf.util.parseAxisParam(axis as number[], x.shape);
  const kept = x.shape.map((length, i) => (axes.includes(i) ? 1 : length));
  return tf.broadcastTo(tf.reshape(dy, kept), x.shape);
}

function* allGradients(): Generator<tf.GradConfig> {
  for (const [kernelName, [da, db]] of Object.entries(BINARY)) {
    yield {
      kernelName,
      inputsToSave: ['a', 'b'],
      gradFunc: (dy, saved) => {
        const [a, b] = saved as [T, T];
        return { a: () => summedTo(da(dy as T, a, b), a.shape), b: () => summedTo(db(dy as T, a, b), b.shape) };
      },
    };
  }
  for (const [kernelName, dx] of [...Object.entries(FROM_INPUT), ...Object.entries(WITH_ATTRIBUTES)]) {
    yield {
      kernelName,
      inputsToSave: ['x'],
      gradFunc: (dy, saved, attrs) => ({ x: () => dx(dy as T, saved[0]!, attrs) }),
    };
  }
  for (const [kernelName, dx] of Object.entries(FROM_OUTPUT)) {
    const input = kernelName === 'Softmax' ? 'logits' : 'x';
    yield {
      kernelName,
      outputsToSave: [true],
      gradFunc: (dy, saved) => ({ [input]: () => dx(dy as T, saved[0]!) }),
    };
  }
  for (const [kernelName, names] of Object.entries(FLAT)) {
    yield {
      kernelName,
      inputsToSave: [...names],
      gradFunc: (_, saved) =>
        Object.fromEntries(names.map((name, i) => [name, () => tf.cast(tf.zerosLike(saved[i]!), 'float32')])),
    };
  }
  yield* SPECIAL;
}

/** Makes all rules known to tfjs. */
export function registerGradients(): void {
  for (const rule of allGradients()) tf.registerGradient(rule);
}
