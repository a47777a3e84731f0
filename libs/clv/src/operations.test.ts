/**
 * Every tfjs kernel that tracing meets, in every family with every head: which they are, and that each, called as the
 * networks call it, gives in onnxruntime the values and gradients that it has on tfjs's cpu backend. What the rules of the
 * gradients are held against is in the engine's table of kernels, which has each of these.
 */
import { type Loss, type Network, compileTraining, exportOnnx, initialState } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { withEmbeddings } from './embeddings.js';
import { feedforward } from './feedforward.js';
import { gru } from './gru.js';
import { anchored, headOf } from './heads.js';
import { lstm } from './lstm.js';
import { errorOf } from './network.test-support.js';
import { Rng } from './rng.js';
import { transformer } from './transformer.js';

const HEADS = ['mse', 'huber', 'poisson', 'tweedie', 'ziln'] as const;
const ROWS = 6;
const sequence = { length: 4, channels: 3 };

type Dense = {
  hidden: number[];
  batchNorm: boolean;
  dropout: number;
  activation: 'relu' | 'silu';
  outputs: number;
  zeroLast: boolean;
};
const FAMILIES: Record<string, (o: Dense) => Network> = {
  feedforward: (o) => feedforward({ ...o, inputWidth: 5 }),
  embedded: (o) =>
    withEmbeddings(
      { features: [{ kind: 'categorical', name: 'town', categories: ['a', 'b'], embedding: 3 }], width: 1 },
      (inputWidth) => feedforward({ ...o, inputWidth }),
    ),
  lstm: (o) => lstm({ ...o, staticWidth: 2, sequence, units: 4, layers: 2 }),
  gru: (o) => gru({ ...o, staticWidth: 2, sequence, units: 4, layers: 2 }),
  transformer: (o) =>
    transformer({
      ...o,
      staticWidth: 2,
      sequence,
      width: 4,
      heads: 2,
      layers: 2,
      feedForward: 8,
      positions: 'learned',
    }),
  'transformer, fixed positions': (o) =>
    transformer({
      ...o,
      staticWidth: 0,
      sequence,
      width: 4,
      heads: 2,
      layers: 1,
      feedForward: 8,
      positions: 'sinusoidal',
    }),
};

/** One call of a kernel. */
type Call = { kernel: string; inputs: [string, tf.TensorInfo][]; attrs: tf.NamedAttrMap };
const met = new Map<string, Call>();

/** While graphs of any number of rows are traced, these stand for the number. */
const STAND_INS = [1_000_003, 1_000_033];
const small = (length: number): number => {
  const standIn = STAND_INS.find((size) => length > 0 && length % size === 0);
  return standIn === undefined ? length : (length / standIn) * ROWS;
};
const settled = (value: unknown): unknown =>
  typeof value === 'number' ? small(value) : Array.isArray(value) ? value.map(settled) : value;

/** Calls that differ in nothing but lengths are of one kind: kernel, element types, which lengths are 1, attributes but for their lengths. */
const kindOf = ({ kernel, inputs, attrs }: Call): string => {
  const shapes = inputs.map(
    ([name, { shape, dtype }]) => `${name}:${dtype}[${shape.map((n) => (n === 1 ? '1' : 'n')).join()}]`,
  );
  const equal = inputs.map(([, { shape }]) => inputs.findIndex(([, other]) => other.shape.join() === shape.join()));
  const lengths = new Set(['shape', 'size', 'begin', 'numOrSizeSplits', 'paddings', 'reps']);
  const rest = Object.entries(attrs).map(([name, value]) =>
    lengths.has(name) && Array.isArray(value) ? [name, (value as number[]).map((n) => Math.sign(n))] : [name, value],
  );
  return JSON.stringify([kernel, shapes, equal, rest]);
};

/** Lets every kernel of the tracer say what it is called with. The tracer's kernels are there once something was traced. */
const listen = async (): Promise<void> => {
  await traced(FAMILIES['feedforward']!(dense(1)), headOf('mse').loss);
  for (const config of tf.getKernelsForBackend('clove-trace')) {
    const run = config.kernelFunc;
    config.kernelFunc = (o) => {
      const inputs = Object.entries(o.inputs).map(([name, tensor]): [string, tf.TensorInfo] => {
        const { shape, dtype } = tensor as tf.TensorInfo;
        return [name, { dataId: {}, shape: shape.map(small), dtype }];
      });
      const attrs = Object.fromEntries(Object.entries(o.attrs ?? {}).map(([name, value]) => [name, settled(value)]));
      const call: Call = { kernel: config.kernelName, inputs, attrs: attrs as tf.NamedAttrMap };
      if (!met.has(kindOf(call))) met.set(kindOf(call), call);
      return run(o);
    };
  }
};

const dense = (outputs: number, o: Partial<Dense> = {}): Dense => ({
  hidden: [4],
  batchNorm: true,
  dropout: 0.2,
  activation: 'relu',
  zeroLast: false,
  outputs,
  ...o,
});

/** Traces everything that a training and a version need of a network. */
const traced = async (network: Network, loss: Loss, after = (output: tf.Tensor2D): tf.Tensor2D => output) => {
  const spec = { network, loss, weightDecay: 0.1, decoupled: true, clipNorm: 1, batchSize: 4, rows: ROWS };
  const executor = await compileTraining({ ...spec, backend: 'onnx-cpu', threads: 1 });
  const { params, stats } = initialState(network, () => 0.5);
  exportOnnx({ network, params, stats, inputWidth: network.inputWidth, before: (raw) => raw, after });
  await executor.release();
};

/** The kernels that any family, with any head, trains and predicts through. */
const KERNELS =
  'Abs Add BatchMatMul Cast ClipByValue Concat Equal Erf Exp ExpandDims Greater Identity Less LessEqual Log ' +
  'LogicalAnd LogicalNot LogicalOr Maximum Mean Minimum Multiply Neg Pack RealDiv Relu Reshape Rsqrt Select ' +
  'Sigmoid Sign Slice Softmax Softplus SplitV Sqrt Square Step Sub Sum Tanh Tile Transpose Unpack ZerosLike';

test('the kernels that the families and heads are made of are these', async () => {
  await listen();
  for (const make of Object.values(FAMILIES)) {
    for (const name of HEADS) {
      const head = headOf(name);
      const scale = head.fitScale(Float64Array.of(0, 1, 5));
      for (const o of [{}, { batchNorm: false, activation: 'silu', zeroLast: true } as const]) {
        await traced(make(dense(head.outputs, o)), head.loss, head.after(scale));
      }
      if (name === 'poisson' || name === 'tweedie')
        await traced(anchored(make(dense(head.outputs))), head.loss, head.after(scale));
    }
  }
  const kernels = new Set([...met.values()].map(({ kernel }) => kernel));
  expect([...kernels].toSorted()).toEqual(KERNELS.split(' '));
}, 120_000);

/** A network whose parameters are the inputs of a call and whose output is its outcome, laid out in one row. */
const networkOf = ({ kernel, inputs, attrs }: Call): Network => ({
  name: kernel,
  inputWidth: 1,
  params: inputs.map(([name, { shape }]) => ({ name, shape, init: { type: 'uniform', bound: 1 } })),
  stats: [],
  forward(p, _, x) {
    const given = inputs.map(([name, { dtype }]): [string, tf.Tensor] => {
      const value = p[name]!;
      return [name, dtype === 'bool' ? tf.greater(value, 0.7) : dtype === 'int32' ? tf.cast(value, 'int32') : value];
    });
    // Kernels of any number of inputs, whose names are places, take a list.
    const listed = inputs.length > 0 && inputs[0]![0] === '0';
    const named = listed ? given.map(([, value]) => value) : Object.fromEntries(given);
    const outcome = tf.engine().runKernel(kernel, named as tf.NamedTensorMap, attrs) as tf.Tensor | tf.Tensor[];
    const flat = (Array.isArray(outcome) ? outcome : [outcome]).map((part) =>
      tf.reshape(tf.cast(part, 'float32'), [1, -1]),
    );
    return { output: tf.add(tf.mul(x, 0), tf.concat(flat, 1)) as tf.Tensor2D, stats: {} };
  },
});

/** A number that depends on every value of the outcome, on each in another measure. */
const weighted: Loss = (output) => {
  const weights = Float32Array.from({ length: output.shape[1] }, (_, i) => Math.cos(i + 1));
  return tf.mean(tf.matMul(output, tf.tensor2d(weights, [output.shape[1], 1])));
};

/** Values of a call and, where it can be trained through, the gradient by all of its inputs. */
const outcomeOf = async (call: Call, backend: 'onnx-cpu' | 'tfjs-cpu'): Promise<number[]> => {
  const network = networkOf(call);
  const spec = { network, loss: weighted, weightDecay: 0, batchSize: 1, rows: 1, backend, threads: 1 };
  const executor = await compileTraining(spec);
  try {
    const rng = new Rng(3);
    const state = initialState(network, () => rng.uniform());
    executor.load({ ...state, params: state.params.map((value) => Math.abs(value) * 1.3 + 0.2) });
    const one = Float32Array.of(1);
    const values = [...(await executor.predict(one, 1))];
    await executor.trainEpoch({ x: one, y: one, order: Int32Array.of(0), learningRate: 1e-6, seed: 1 });
    return [...values, ...executor.state().m];
  } finally {
    await executor.release();
  }
};

test('each of them, as it is called, computes and differentiates as on the cpu backend of tfjs', async () => {
  const calls = [...met.values()];
  expect(calls.length).toBeGreaterThan(100);
  for (const call of calls) {
    const error = errorOf(await outcomeOf(call, 'onnx-cpu'), await outcomeOf(call, 'tfjs-cpu'));
    expect(error, kindOf(call)).toBeLessThan(1e-5);
  }
}, 300_000);
