import {
  type Loss,
  type Network,
  compileTraining,
  initialState,
  probeBackends,
  type TrainingSpec,
} from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { feedforward } from './feedforward.js';
import { gru } from './gru.js';
import { headOf } from './heads.js';
import { lstm } from './lstm.js';
import { Rng } from './rng.js';
import { transformer } from './transformer.js';

const ROWS = 100;
const WIDTH = 15;
const rng = new Rng(5);
const x = Float32Array.from({ length: ROWS * WIDTH }, () => rng.normal());
/** Spend: a third of the rows none. */
const y = Float32Array.from({ length: ROWS }, (_, row) => (row % 3 === 0 ? 0 : Math.exp(0.5 * rng.normal())));
// Three batches of 32 and one of 4.
const order = Int32Array.from({ length: ROWS }, (_, i) => (i * 37) % ROWS);

const dense = { hidden: [16, 8], batchNorm: true, dropout: 0.2 };
const plain = { ...dense, batchNorm: false };
const reading = { ...dense, staticWidth: 3, sequence: { length: 4, channels: 2 } };
const network = { feedforward: (outputs: number) => feedforward({ ...dense, inputWidth: WIDTH, outputs }) };
const mse = headOf('mse').loss;

const CASES: [string, Network, Loss, Partial<TrainingSpec>][] = [
  ...(['mse', 'huber', 'poisson', 'tweedie', 'ziln'] as const).map((name): (typeof CASES)[number] => {
    const head = headOf(name);
    return [`feedforward, head ${name}`, network.feedforward(head.outputs), head.loss, {}];
  }),
  // Without batch norm too.
  [
    'AdamW with clipped gradients',
    feedforward({ ...plain, inputWidth: WIDTH }),
    mse,
    { decoupled: true, clipNorm: 0.5 },
  ],
  ['lstm', lstm({ ...reading, units: 6, layers: 2 }), mse, {}],
  ['gru', gru({ ...reading, units: 6, layers: 2 }), mse, {}],
  ['transformer', transformer({ ...reading, width: 8, heads: 2, layers: 2, feedForward: 16 }), mse, {}],
];

/** Training and validation losses of three epochs, and what the network then predicts. */
const trained = async (
  backend: TrainingSpec['backend'],
  [, made, loss, options]: (typeof CASES)[number],
): Promise<{ losses: number[]; predicted: number[] }> => {
  const spec = { network: made, loss, weightDecay: 1e-3, batchSize: 32, rows: ROWS, backend, ...options };
  const executor = await compileTraining(spec);
  try {
    const init = new Rng(1);
    executor.load(initialState(made, () => init.uniform()));
    const losses: number[] = [];
    for (let seed = 1; seed <= 3; seed += 1) {
      const epoch = await executor.trainEpoch({ x, y, order, learningRate: 0.01, seed });
      losses.push(epoch.loss, await executor.loss(x, y, ROWS));
    }
    return { losses, predicted: Array.from(await executor.predict(x, ROWS)) };
  } finally {
    await executor.release();
  }
};

const reports = await probeBackends();
const others = reports.filter(({ name }) => name !== 'onnx-cpu');

test('every backend says whether it is present: what it computes with, or why it is not', () => {
  expect(reports.map(({ name }) => name)).toEqual([
    'onnx-cpu',
    'onnx-webgpu',
    'onnx-cuda',
    'tfjs-node-gpu',
    'tfjs-node',
    'tfjs-wasm',
    'tfjs-cpu',
  ]);
  for (const { present, device, reason, versions } of reports) {
    expect([device !== null, reason === null, Object.keys(versions).length > 0]).toEqual([present, present, present]);
  }
  const alwaysThere = reports.filter(({ name }) => ['onnx-cpu', 'tfjs-wasm', 'tfjs-cpu'].includes(name));
  expect(alwaysThere.every(({ present }) => present)).toBe(true);
});

describe.each(others)('$name', ({ name, present, reason }) => {
  const skipped = present ? '' : ` (skipped: ${reason})`;
  test.skipIf(!present)(
    `has the epoch losses and predictions of onnx-cpu, for every network and head${skipped}`,
    async () => {
      for (const one of CASES) {
        const [expected, actual] = [await trained('onnx-cpu', one), await trained(name, one)];
        for (const figures of ['losses', 'predicted'] as const) {
          const close = expected[figures].map((value) => expect.closeTo(value, 3));
          expect([one[0], actual[figures]]).toEqual([one[0], close]);
        }
      }
    },
    120_000,
  );

  test.skipIf(!present)(
    `trains to the same bytes twice, and goes on from a state that was taken${skipped}`,
    async () => {
      const spec = {
        loss: mse,
        weightDecay: 0,
        batchSize: 32,
        rows: ROWS,
        backend: name,
        network: network.feedforward(1),
      };
      const run = async (stopAfter: number) => {
        let executor = await compileTraining(spec);
        executor.load(initialState(spec.network, () => 0.6));
        for (let seed = 0; seed < 3; seed += 1) {
          await executor.trainEpoch({ x, y, order, learningRate: 0.01, seed });
          if (seed === stopAfter) {
            const state = executor.state();
            await executor.release();
            executor = await compileTraining(spec);
            executor.load(state);
          }
        }
        const state = executor.state();
        await executor.release();
        return state;
      };
      const whole = await run(-1);
      expect(whole.step).toBe(12);
      expect(await run(-1)).toEqual(whole);
      expect(await run(0)).toEqual(whole);
    },
    60_000,
  );
});

const webgpu = reports.find(({ name }) => name === 'onnx-webgpu')!;
test.skipIf(!webgpu.present)(
  `what WebGPU cannot run is refused, and left to the processor only where the run says so${webgpu.present ? '' : ` (skipped: ${webgpu.reason})`}`,
  async () => {
    const base = feedforward({ inputWidth: WIDTH, hidden: [4], batchNorm: false, dropout: 0 });
    const testing: Network = {
      ...base,
      // There is no IsInf on WebGPU.
      forward: (p, s, input, context) =>
        base.forward(p, s, tf.mul(input, tf.sub(1, tf.cast(tf.isInf(input), 'float32'))), context),
    };
    const spec = {
      network: testing,
      loss: mse,
      weightDecay: 0,
      batchSize: 50,
      rows: ROWS,
      backend: 'onnx-webgpu',
    } as const;
    await expect(compileTraining(spec)).rejects.toMatchObject({
      code: 'unsupported-op',
      message: expect.stringContaining('cpuFallback'),
    });
    const executor = await compileTraining({ ...spec, cpuFallback: true });
    expect(executor.backend).toContain('with the CPU for what it lacks');
    executor.load(initialState(testing, () => 0.6));
    expect((await executor.trainEpoch({ x, y, order, learningRate: 0.01, seed: 1 })).loss).toBeGreaterThan(0);
    await executor.release();
  },
  60_000,
);
