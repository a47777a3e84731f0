import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { compileTraining, fastestOf, probeBackends } from './backends.js';
import type { TrainingSpec } from './executor.js';
import type { Network } from './network.js';

/** Two wide layers: what is slow is slow by far. */
const WIDE = 256;
const network: Network = {
  name: 'wide',
  inputWidth: WIDE,
  params: [
    { name: 'first', shape: [WIDE, WIDE], init: { type: 'uniform', bound: 0.05 } },
    { name: 'last', shape: [WIDE, 1], init: { type: 'uniform', bound: 0.05 } },
  ],
  stats: [],
  forward: (p, _, x) => ({ output: tf.matMul(tf.relu(tf.matMul(x, p['first']!)), p['last']!), stats: {} }),
};
const spec: TrainingSpec = {
  network,
  loss: (output, target) => tf.mean(tf.square(tf.sub(output, target))),
  weightDecay: 0,
  batchSize: 64,
  rows: 256,
  backend: 'auto',
};

const absent = (await probeBackends()).flatMap(({ name, present }) => (present ? [] : [name]));

describe('the fastest backend', () => {
  test('is the one of the shortest step, and the same when it is asked for again', async () => {
    expect(await fastestOf(spec, ['onnx-cpu', 'tfjs-cpu'])).toBe('onnx-cpu');
    expect(await fastestOf(spec, ['tfjs-cpu', 'onnx-cpu'])).toBe('onnx-cpu');
    expect(await fastestOf(spec, ['onnx-cpu', 'tfjs-cpu'])).toBe('onnx-cpu');
  });

  test('is none that cannot run the network; the first of them must', async () => {
    const named = { ...spec, network: { ...network, name: 'missing' } };
    const lacking: Network = {
      ...network,
      name: 'lacking',
      forward: () => {
        throw new Error('cannot be run');
      },
    };
    await expect(fastestOf({ ...spec, network: lacking }, ['onnx-cpu', 'tfjs-cpu'])).rejects.toThrow('cannot be run');
    expect(await fastestOf({ ...named, threads: 1 }, ['onnx-cpu', ...absent])).toBe('onnx-cpu');
  });

  test('is written down: the backend, its threads and its device', async () => {
    for (const [backend, label] of [
      ['auto', /^(onnx|tfjs)-\w+, /],
      ['onnx-cpu', /^onnx-cpu, \d+ threads?, \S/],
      ['tfjs-wasm', /^tfjs-wasm, 1 thread, \S/],
    ] as const) {
      const executor = await compileTraining({ ...spec, backend });
      expect(executor.backend).toMatch(label);
      expect(executor.versions['@tensorflow/tfjs-core']).toMatch(/^\d+\.\d+/);
      await executor.release();
    }
  });
});
