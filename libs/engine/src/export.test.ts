import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { compileTraining } from './backends.js';
import { exportOnnx } from './export.js';
import { type Network, initialState } from './network.js';
import { createScorer } from './scorer.js';
import { argument } from './test-support.js';

const network: Network = {
  name: 'one layer',
  inputWidth: 3,
  params: [
    { name: 'w', shape: [3, 1], init: { type: 'uniform', bound: 1 } },
    { name: 'b', shape: [1], init: { type: 'uniform', bound: 1 } },
  ],
  stats: [],
  forward: (p, _, x) => ({ output: tf.tanh(tf.add(tf.matMul(x, p['w']!), p['b']!)), stats: {} }),
};
let draw = 0;
const state = initialState(network, () => ((draw += 1) * 0.618) % 1);
/** Missing values become 0, and say so in a third column. */
const before = (raw: tf.Tensor2D): tf.Tensor2D => {
  const missing = tf.isNaN(tf.slice(raw, [0, 1], [-1, 1]));
  return tf.concat([tf.where(tf.isNaN(raw), tf.zerosLike(raw), raw), tf.cast(missing, 'float32')], 1) as tf.Tensor2D;
};
const after = (output: tf.Tensor2D): tf.Tensor2D => tf.maximum(tf.add(tf.mul(output, 20), 5), 0);
const spec = { network, params: state.params, stats: state.stats, inputWidth: 2, before, after };

const refusal = (text: string) =>
  expect.objectContaining({ code: 'size-mismatch', message: expect.stringContaining(text) });

const ROWS = 2500;
const raw = argument(ROWS, 2).values.map((value, i) => (i % 7 === 1 ? Number.NaN : value));

describe('an exported graph', () => {
  test('predicts what the executor predicts, with preparation and rescaling inside, for any number of rows', async () => {
    const executor = await compileTraining({
      network,
      loss: (output, target) => tf.mean(tf.square(tf.sub(output, target))),
      weightDecay: 0,
      batchSize: 2,
      rows: 2,
      backend: 'auto',
    });
    executor.load(state);
    const prepared = Float32Array.from({ length: ROWS * 3 }, (_, i) => {
      const [row, column] = [Math.floor(i / 3), i % 3];
      const value = raw[row * 2 + Math.min(column, 1)]!;
      return column === 2 ? Number(Number.isNaN(value)) : Number.isNaN(value) ? 0 : value;
    });
    const expected = (await executor.predict(prepared, ROWS)).map((value) => Math.max(0, value * 20 + 5));
    await executor.release();

    const scorer = await createScorer(exportOnnx(spec), { threads: 1 });
    expect(scorer.inputWidth).toBe(2);
    const predicted = await scorer.predict(raw, ROWS);
    expected.forEach((value, i) => expect(predicted[i]).toBeCloseTo(value, 4));
    const [one] = await scorer.predict(raw.subarray(8, 10), 1);
    expect(one).toBeCloseTo(expected[4]!, 4);
    expect((await scorer.predict(new Float32Array(), 0)).length).toBe(0);
    await expect(scorer.predict(raw, ROWS - 1)).rejects.toThrow(expect.objectContaining({ code: 'size-mismatch' }));
    await scorer.release();
  });

  test('may predict several things a row', async () => {
    const both = (x: tf.Tensor2D): tf.Tensor2D => tf.concat([after(x), x], 1);
    const scorer = await createScorer(exportOnnx({ ...spec, after: both }), { threads: 1 });
    const one = await createScorer(exportOnnx(spec), { threads: 1 });
    expect([scorer.outputWidth, one.outputWidth]).toEqual([2, 1]);
    const [pairs, single] = [await scorer.predict(raw, ROWS), await one.predict(raw, ROWS)];
    expect(pairs.length).toBe(2 * ROWS);
    expect(pairs.filter((_, i) => i % 2 === 0)).toEqual(single);
    single.forEach((value, row) => expect(Math.max(0, pairs[2 * row + 1]! * 20 + 5)).toBeCloseTo(value, 4));
    await Promise.all([scorer.release(), one.release()]);
  });

  test('is the same bytes for the same model, metadata included, and restores the backend', () => {
    const backend = tf.getBackend();
    const metadata = { format: '1', note: 'äöü' };
    expect(exportOnnx({ ...spec, metadata })).toEqual(exportOnnx({ ...spec, metadata }));
    expect(Buffer.from(exportOnnx({ ...spec, metadata })).includes('äöü')).toBe(true);
    expect(tf.getBackend()).toBe(backend);
  });

  test('is refused where preparation, network and rescaling do not fit together', () => {
    expect(() => exportOnnx({ ...spec, before: (x) => x })).toThrow(
      refusal('`before` gave the shape [N, 2] where [N, 3]'),
    );
    expect(() => exportOnnx({ ...spec, after: (x) => tf.sum(x) as unknown as tf.Tensor2D })).toThrow(
      refusal('`after`'),
    );
    expect(() => exportOnnx({ ...spec, params: state.params.slice(1) })).toThrow(refusal('array holds 3'));
  });
});

describe('a file that is no scoring graph is refused', () => {
  test('other bytes', async () => {
    await expect(createScorer(Uint8Array.from([1, 2, 3]))).rejects.toThrow(
      expect.objectContaining({ code: 'runtime' }),
    );
  });
  test('another graph', async () => {
    const { predictionGraph } = await import('./training-graph.js');
    await expect(createScorer(predictionGraph(network))).rejects.toThrow(
      expect.objectContaining({ code: 'invalid-file' }),
    );
  });
});
