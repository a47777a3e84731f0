import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { EngineError } from './errors.js';
import { openSession } from './session.js';
import { runTraced, vector } from './test-support.js';
import { TRACE_BACKEND, trace, traceAnyRows } from './trace.js';
import { floats } from './training-graph.js';

const build = (f: (x: tf.Tensor2D, rows: number) => tf.Tensor): Uint8Array =>
  traceAnyRows('x', (b, rows) => {
    const y = f(b.tensor('x', [rows, 2]), rows);
    return b.graph({ name: 'g', inputs: [floats('x', 'N', 2)], outputs: [floats(b.name(y), 'N', 2)] });
  });
const run = async (onnx: Uint8Array, rows: number): Promise<number[]> => {
  const session = await openSession(onnx, 1);
  const values = Float32Array.from({ length: rows * 2 }, (_, i) => i - 1);
  const outputs = await session.run({ x: { values, shape: [rows, 2] } });
  await session.release();
  return [...Object.values(outputs)[0]!];
};

describe('tracing is contained', () => {
  test('the backend of before is back, and no tensor stays behind', () => {
    const before = { backend: tf.getBackend(), ...tf.memory() };
    trace((b) => {
      expect(tf.getBackend()).toBe(TRACE_BACKEND);
      const x = b.tensor<tf.Rank.R2>('x', [4, 3]);
      tf.valueAndGrads((t: tf.Tensor) => tf.sum(tf.square(tf.relu(t))))([x]);
    });
    expect({ backend: tf.getBackend(), ...tf.memory() }).toEqual(before);
    expect(tf.engine().backendNames()).not.toContain(TRACE_BACKEND);
  });

  test('the same holds where tracing fails', () => {
    const before = { backend: tf.getBackend(), ...tf.memory() };
    expect(() => trace((b) => tf.cumsum(tf.abs(b.tensor('x', [4]))))).toThrow(EngineError);
    expect({ backend: tf.getBackend(), ...tf.memory() }).toEqual(before);
  });
});

describe('what cannot be traced is named', () => {
  test('an operation without a kernel', () => {
    expect(() => trace((b) => tf.cumsum(b.tensor('x', [4])))).toThrow(
      expect.objectContaining({ code: 'unsupported-op', message: expect.stringContaining('"Cumsum"') }),
    );
  });
  test('an operation without a gradient', () => {
    expect(() => trace((b) => tf.grad((x) => tf.gather(x, tf.tensor1d([0], 'int32')))(b.tensor('x', [4])))).toThrow(
      expect.objectContaining({ code: 'unsupported-op', message: expect.stringContaining('"GatherV2"') }),
    );
  });
  test('reading a value', () => {
    expect(() => trace((b) => b.tensor('x', [4]).dataSync())).toThrow(
      expect.objectContaining({ code: 'invalid-network', message: expect.stringContaining('dataSync') }),
    );
  });
  test('a tensor from outside', () => {
    const outside = tf.tensor1d([1, 2]);
    expect(() => trace((b) => tf.add(b.tensor('x', [2]), outside))).toThrow(
      expect.objectContaining({ code: 'invalid-network', message: expect.stringContaining('outside') }),
    );
    outside.dispose();
  });
});

describe('recording', () => {
  test('the same operation twice is one node, and what nothing needs is left out', () => {
    const graph = trace((b) => {
      const x = b.tensor('x', [4]);
      tf.exp(x);
      const twice = tf.add(tf.abs(x), tf.abs(x));
      return b.graph({ name: 'g', inputs: [floats('x', 4)], outputs: [floats(b.name(twice), 4)] });
    });
    expect(graph.nodes.map((node) => node.op)).toEqual(['Abs', 'Add']);
  });
  test('reshaping there and back is no node', () => {
    const graph = trace((b) => {
      const x = b.tensor('x', [4, 3]);
      const y = tf.neg(tf.reshape(tf.reshape(x, [2, 6]), [4, 3]));
      return b.graph({ name: 'g', inputs: [floats('x', 4, 3)], outputs: [floats(b.name(y), 4, 3)] });
    });
    expect(graph.nodes.map((node) => node.op)).toEqual(['Neg']);
  });
  test('NaN goes through relu and maximum, so that a diverged training cannot look well', async () => {
    const out = await runTraced((x) => tf.add(tf.relu(x), tf.maximum(x, 0)), [vector(Number.NaN, 1)]);
    expect([...out]).toEqual([Number.NaN, 2]);
  });
});

describe('graphs for any number of rows', () => {
  test('constants, repetitions, reshapes and slices follow the rows', async () => {
    const onnx = build((x, rows) => {
      const columns = tf.reshape(tf.transpose(tf.reshape(x, [rows * 2])), [rows, 2]);
      const ones = tf.add(tf.ones([rows, 1]), tf.zerosLike(tf.slice(x, [0, 0], [-1, 1])));
      const row = tf.broadcastTo(tf.tensor2d([[10, 20]]), [rows, 2]);
      return tf.add(tf.where(tf.greater(columns, 0), columns, tf.zerosLike(columns)), tf.mul(ones, row));
    });
    expect(await run(onnx, 1)).toEqual([10, 20]);
    expect(await run(onnx, 3)).toEqual([10, 20, 11, 22, 13, 24]);
  });
  test('a result that depends on the row count as a number is refused', () => {
    expect(() => build((x, rows) => tf.div(x, rows))).toThrow(
      expect.objectContaining({ code: 'invalid-network', message: expect.stringContaining('number of rows') }),
    );
  });
  test('a constant with a value for each row is refused', () => {
    expect(() =>
      build((x, rows) =>
        tf.add(
          x,
          tf.tensor2d(
            Float32Array.from({ length: rows }, (_, i) => i),
            [rows, 1],
          ),
        ),
      ),
    ).toThrow(expect.objectContaining({ code: 'invalid-network' }));
  });
});
