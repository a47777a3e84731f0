import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { type Argument, type TestFunction, argument, positive, runEagerly, runTraced, vector } from './test-support.js';
import { TRACE_BACKEND, trace } from './trace.js';

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

/** A use of a kernel; `trained` where gradients are compared too. */
type Case = { f: TestFunction; inputs: Argument[]; trained: boolean };
const trained = (f: TestFunction, ...inputs: Argument[]): Case => ({ f, inputs, trained: true });
const forward = (f: TestFunction, ...inputs: Argument[]): Case => ({ f, inputs, trained: false });
const over = (x: tf.Tensor, ...parts: tf.Tensor[]): tf.Tensor => parts.reduce((sum, part) => tf.add(sum, part), x);

const MATRIX = argument(4, 3);
const ROW = argument(3);
const CUBE = argument(2, 4, 3);

// Not called through tf: the linter takes tf.fill for Array.fill.
const { fill: filled } = tf;

const CASES: Record<string, Case[]> = {
  Abs: [trained(tf.abs, MATRIX)],
  Add: [trained(tf.add, MATRIX, ROW), trained(tf.add, argument(4, 1), ROW)],
  BatchMatMul: [
    trained((a, b) => tf.matMul(a, b), argument(4, 3), argument(3, 5)),
    trained((a, b) => tf.matMul(a, b, true), argument(3, 4), argument(3, 5)),
    trained((a, b) => tf.matMul(a, b, false, true), argument(4, 3), argument(5, 3)),
    trained((a, b) => tf.matMul(a, b, true, true), argument(3, 4), argument(5, 3)),
    trained((a, b) => tf.matMul(a, b), argument(2, 4, 3), argument(2, 3, 5)),
    trained((a, b) => tf.matMul(a, b, true, true), argument(2, 3, 4), argument(2, 5, 3)),
    trained((a, b) => tf.matMul(a, b, false, true), argument(2, 4, 3), argument(1, 5, 3)),
  ],
  Cast: [
    trained((x) => tf.mul(tf.cast(x, 'float32'), x), MATRIX),
    forward((x) => tf.cast(x, 'int32'), vector(-2.7, -0.2, 0.9, 3.5)),
    forward((x) => tf.cast(x, 'bool'), vector(-1, 0, 0.5)),
  ],
  Ceil: [trained(tf.ceil, MATRIX)],
  ClipByValue: [trained((x) => tf.clipByValue(x, -0.4, 0.6), MATRIX)],
  Concat: [
    trained((a, b) => tf.concat([a, b, a], 1), argument(4, 3), argument(4, 2)),
    trained((a, b) => tf.concat([a, b], 0), argument(4, 3), argument(2, 3)),
  ],
  Elu: [trained(tf.elu, MATRIX)],
  Equal: [forward(tf.equal, vector(1, 2, nan), vector(1, 3, nan))],
  Erf: [trained(tf.erf, MATRIX)],
  Exp: [trained(tf.exp, MATRIX)],
  ExpandDims: [trained((x) => tf.expandDims(x, 1), MATRIX), trained((x) => tf.expandDims(x, -1), MATRIX)],
  Expm1: [trained(tf.expm1, MATRIX), forward(tf.expm1, vector(1e-7, -1e-6, 40, -40))],
  Fill: [
    forward((x) => tf.add(x, filled(MATRIX.shape, 2.5)), MATRIX),
    forward((x) => tf.add(x, filled([], 2)), MATRIX),
  ],
  Floor: [trained(tf.floor, MATRIX)],
  GatherV2: [
    forward((x) => tf.gather(x, tf.tensor1d([2, 0, 0], 'int32')), MATRIX),
    forward((x) => tf.gather(x, tf.tensor2d([[1], [2]], [2, 1], 'int32'), 1), MATRIX),
  ],
  Greater: [forward(tf.greater, vector(1, 2, nan), vector(1, 1, 1))],
  GreaterEqual: [forward(tf.greaterEqual, vector(1, 0, nan), vector(1, 1, 1))],
  Identity: [trained(tf.clone, MATRIX)],
  IsInf: [forward(tf.isInf, vector(1, infinity, -infinity, nan))],
  IsNan: [forward(tf.isNaN, vector(1, nan, infinity))],
  LeakyRelu: [trained((x) => tf.leakyRelu(x, 0.2), MATRIX)],
  Less: [forward(tf.less, vector(1, 0, nan), vector(1, 1, 1))],
  LessEqual: [forward(tf.lessEqual, vector(1, 2, nan), vector(1, 1, 1))],
  Log: [trained(tf.log, positive(4, 3))],
  Log1p: [trained(tf.log1p, positive(4, 3)), forward(tf.log1p, vector(0, 1e-9, -1e-7, 1e-4, 1e9, infinity))],
  LogicalAnd: [
    forward((a, b) => tf.logicalAnd(tf.cast(a, 'bool'), tf.cast(b, 'bool')), vector(0, 0, 1, 1), vector(0, 1, 0, 1)),
  ],
  LogicalNot: [forward((x) => tf.logicalNot(tf.cast(x, 'bool')), vector(0, 1))],
  LogicalOr: [
    forward((a, b) => tf.logicalOr(tf.cast(a, 'bool'), tf.cast(b, 'bool')), vector(0, 0, 1, 1), vector(0, 1, 0, 1)),
  ],
  Max: [
    trained((x) => tf.max(x), MATRIX),
    trained((x) => tf.max(x, 1), MATRIX),
    trained((x) => tf.max(x, [0, 2], true), CUBE),
  ],
  Maximum: [trained(tf.maximum, MATRIX, ROW), trained((x) => tf.maximum(x, 0.3), MATRIX)],
  Mean: [
    trained((x) => tf.mean(x), MATRIX),
    trained((x) => tf.mean(x, 0), MATRIX),
    trained((x) => tf.mean(x, [0, 2], true), CUBE),
    forward((x) => tf.mean(tf.cast(x, 'int32')), vector(1, 2, 4)),
  ],
  Min: [trained((x) => tf.min(x, 0), MATRIX), trained((x) => tf.min(x, -1, true), CUBE)],
  Minimum: [trained(tf.minimum, MATRIX, ROW), trained((x) => tf.minimum(x, 0.3), MATRIX)],
  Multiply: [trained(tf.mul, MATRIX, ROW), trained(tf.mul, argument(2, 1, 3), argument(4, 1))],
  Neg: [trained(tf.neg, MATRIX)],
  NotEqual: [forward(tf.notEqual, vector(1, 2, nan), vector(1, 3, nan))],
  OnesLike: [trained((x) => tf.add(x, tf.onesLike(x)), MATRIX)],
  Pack: [
    trained((a, b) => tf.stack([a, b], 0), argument(4, 3), positive(4, 3)),
    trained((a, b) => tf.stack([a, b], 2), argument(4, 3), positive(4, 3)),
  ],
  PadV2: [
    trained(
      (x) =>
        tf.pad(x, [
          [1, 0],
          [2, 3],
        ]),
      MATRIX,
    ),
    forward((x) => tf.pad(x, [[1, 1]], 7), ROW),
  ],
  Pow: [trained(tf.pow, positive(4, 3), ROW), trained((x) => tf.pow(x, 3), MATRIX)],
  RealDiv: [trained(tf.div, MATRIX, positive(3)), trained((x) => tf.div(1, x), MATRIX)],
  Reciprocal: [trained(tf.reciprocal, MATRIX)],
  Relu: [trained(tf.relu, MATRIX)],
  Reshape: [
    trained((x) => tf.mul(tf.reshape(x, [2, 6]), 2), MATRIX),
    trained((x) => tf.reshape(tf.reshape(x, [2, -1]), [4, 3]), MATRIX),
  ],
  Round: [trained(tf.round, vector(-1.7, -0.3, 0.2, 0.7))],
  Rsqrt: [trained(tf.rsqrt, positive(4, 3))],
  Select: [
    trained((a, b) => tf.where(tf.greater(a, 0), a, tf.mul(b, 2)), MATRIX, positive(4, 3)),
    trained((a, b) => tf.where(tf.greater(a, 0), b, tf.zerosLike(a)), MATRIX, ROW),
  ],
  Sigmoid: [trained(tf.sigmoid, MATRIX)],
  Sign: [trained(tf.sign, MATRIX), forward(tf.sign, vector(-2, 0, 3))],
  Slice: [
    trained((x) => tf.slice(x, [1, 0], [2, 3]), MATRIX),
    trained((x) => tf.slice(x, [0, 1, 2], [-1, 2, 1]), CUBE),
    trained((x) => tf.slice(x, [0, 0], [4, 3]), MATRIX),
  ],
  Softmax: [trained((x) => tf.softmax(x), MATRIX), trained((x) => tf.logSoftmax(x), MATRIX)],
  Softplus: [trained(tf.softplus, MATRIX), forward(tf.softplus, vector(-60, 60))],
  SplitV: [
    trained((x) => over(...(tf.split(x, 2, 0) as [tf.Tensor, tf.Tensor])), MATRIX),
    trained((x) => tf.concat(tf.split(x, [2, 1], 1).toReversed(), 1), MATRIX),
  ],
  Sqrt: [trained(tf.sqrt, positive(4, 3))],
  Square: [trained(tf.square, MATRIX)],
  SquaredDifference: [trained(tf.squaredDifference, MATRIX, ROW)],
  Step: [trained((x) => tf.step(x), MATRIX), forward((x) => tf.step(x, 0.25), MATRIX)],
  Sub: [trained(tf.sub, MATRIX, ROW), trained(tf.sub, ROW, MATRIX)],
  Sum: [
    trained((x) => tf.sum(x), MATRIX),
    trained((x) => tf.sum(x, 0), MATRIX),
    trained((x) => tf.sum(x, [0, 2], true), CUBE),
    forward((x) => tf.sum(tf.greater(x, 0), 1), MATRIX),
  ],
  Tanh: [trained(tf.tanh, MATRIX)],
  Tile: [trained((x) => tf.tile(x, [2, 3]), MATRIX), trained((x) => tf.broadcastTo(x, [5, 4, 3]), argument(4, 1))],
  Transpose: [trained((x) => tf.transpose(x), MATRIX), trained((x) => tf.transpose(x, [2, 0, 1]), CUBE)],
  Unpack: [
    trained((x) => over(...(tf.unstack(x) as [tf.Tensor, tf.Tensor])), MATRIX),
    trained((x) => tf.mul(...(tf.unstack(x, 1).slice(0, 2) as [tf.Tensor, tf.Tensor])), MATRIX),
  ],
  ZerosLike: [trained((x) => tf.add(x, tf.zerosLike(x)), MATRIX)],
};

/** A number that depends on every element of the output, each with another weight. */
const weighted = (y: tf.Tensor): tf.Tensor => {
  const weights = tf.tensor(argument(...y.shape, 1).values, y.shape);
  return tf.sum(tf.mul(weights, y));
};
/** All gradients of a case's inputs, laid out one after the other. */
const gradients =
  (f: TestFunction): TestFunction =>
  (...inputs) =>
    tf.concat1d(
      tf
        .grads((...x) => weighted(f(...x)))(inputs)
        .map((g) => tf.reshape(g, [-1])),
    );

/** The largest error, relative to what is expected (absolute near 0); equal NaN and infinities are no error. */
const errorOf = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < expected.length; i += 1) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (!Object.is(a, e) && a !== e) worst = Math.max(worst, Math.abs(a - e) / (Math.abs(e) + 0.1));
  }
  return worst;
};

/** Gradients by central differences of values that tfjs computed: they know nothing of our rules. */
function differences({ f, inputs }: Case): number[] {
  const h = 5e-3;
  return inputs.flatMap((input, which) =>
    Array.from(input.values, (value, i) => {
      const at = (x: number): number => {
        const moved = inputs.map((other, j) => (j === which ? { ...other, values: other.values.with(i, x) } : other));
        return runEagerly((...x2) => weighted(f(...x2)), moved)[0]!;
      };
      // The step that float32 really takes.
      const [up, down] = [Math.fround(value + h), Math.fround(value - h)];
      return (at(up) - at(down)) / (up - down);
    }),
  );
}

describe('traced values are those that tfjs computes', () => {
  test.each(Object.entries(CASES))('%s', async (_, cases) => {
    for (const { f, inputs } of cases) {
      expect(errorOf(await runTraced(f, inputs), runEagerly(f, inputs))).toBeLessThan(2e-6);
    }
  });
});

describe('gradients, traced and eager, are those that differences of the values give', () => {
  const trainedThrough = Object.entries(CASES).filter(([, cases]) => cases.some((c) => c.trained));
  test.each(trainedThrough)('%s', async (_, cases) => {
    for (const c of cases.filter((one) => one.trained)) {
      const eager = runEagerly(gradients(c.f), c.inputs);
      expect(errorOf(await runTraced(gradients(c.f), c.inputs), eager)).toBeLessThan(1e-5);
      expect(errorOf(eager, differences(c))).toBeLessThan(5e-3);
    }
  });
});

describe('edge shapes: a number, one row, one column, one element', () => {
  const SHAPES = [[], [1], [1, 3], [3, 1], [1, 1]];
  const elementwise: Record<string, TestFunction> = {
    relu: tf.relu,
    'sigmoid and square': (x) => tf.square(tf.sigmoid(x)),
    softplus: tf.softplus,
    step: (x) => tf.mul(x, tf.step(x)),
    'where over a comparison': (x) => tf.where(tf.greater(x, 0), x, tf.exp(x)),
    'clip, cast and scale': (x) => tf.mul(tf.cast(tf.clipByValue(x, -0.5, 0.5), 'float32'), 3),
    'sum of all': (x) => tf.sum(x),
    'mean of all': (x) => tf.mean(x),
  };
  const ofMatrices: Record<string, TestFunction> = {
    'sums down columns': (x) => tf.sum(x, 0),
    'means down columns, kept': (x) => tf.mean(x, 0, true),
    'sums along rows': (x) => tf.sum(x, 1),
    'largest of a row': (x) => tf.max(x, 1),
    softmax: (x) => tf.softmax(x),
    'product with itself, turned': (x) => tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, true),
    turned: (x) => tf.transpose(x),
    'beside itself': (x) => tf.concat([x, x], 1),
    'first row and column': (x) => tf.add(tf.slice(x, [0, 0], [1, -1]), tf.slice(x, [0, 0], [-1, 1])),
    'less the means of its columns': (x) => tf.sub(x, tf.mean(x, 0)),
  };
  /** The largest error of values and of gradients. */
  const worst = async (f: TestFunction, ...inputs: Argument[]): Promise<number> => {
    const g = gradients(f);
    return Math.max(
      errorOf(await runTraced(f, inputs), runEagerly(f, inputs)),
      errorOf(await runTraced(g, inputs), runEagerly(g, inputs)),
    );
  };
  test.each(Object.entries(elementwise))('%s', async (_, f) => {
    for (const shape of SHAPES) expect(await worst(f, argument(...shape)), `[${shape.join()}]`).toBeLessThan(1e-5);
  });
  test.each(Object.entries(ofMatrices))('%s', async (_, f) => {
    for (const shape of SHAPES.filter(({ length }) => length === 2))
      expect(await worst(f, argument(...shape)), `[${shape.join()}]`).toBeLessThan(1e-5);
  });
  test.each([
    [[], [1, 3]],
    [[1], [3, 1]],
    [
      [1, 3],
      [3, 1],
    ],
    [
      [1, 1],
      [1, 3],
    ],
    [[3], [2, 1, 3]],
  ])('broadcast of %j and %j, either way round', async (a, b) => {
    for (const f of [tf.add, tf.sub, tf.mul, tf.div, tf.maximum, tf.squaredDifference]) {
      expect(await worst(f, argument(...a), positive(...b))).toBeLessThan(1e-5);
      expect(await worst(f, positive(...b), positive(...a))).toBeLessThan(1e-5);
    }
  });
});

test('every kernel of the engine has a case here', () => {
  const registered = trace(() => tf.getKernelsForBackend(TRACE_BACKEND).map((kernel) => kernel.kernelName));
  expect(Object.keys(CASES).toSorted()).toEqual(registered.toSorted());
});

test('every kernel with a gradient has a case that trains through it, but for those through which nothing flows', () => {
  const untrained = Object.entries(CASES).flatMap(([name, cases]) =>
    tf.getGradient(name) === undefined || cases.some((c) => c.trained) ? [] : [name],
  );
  expect(untrained).toEqual([
    'Equal',
    'Greater',
    'GreaterEqual',
    'IsInf',
    'IsNan',
    'Less',
    'LessEqual',
    'LogicalAnd',
    'LogicalNot',
    'LogicalOr',
    'NotEqual',
  ]);
});
