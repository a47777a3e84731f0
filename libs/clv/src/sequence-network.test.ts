import type { Head as HeadName } from '@clove/contracts';
import { type Network, compileTraining, createScorer, exportOnnx, initialState } from '@clove/engine';
import { describe, expect, test } from 'vitest';
import { gru } from './gru.js';
import { anchored, headOf } from './heads.js';
import { lstm } from './lstm.js';
import { errorOf, natively, randomState, sequences } from './network.test-support.js';
import { Rng } from './rng.js';
import type { SequenceNetworkOptions } from './sequence-network.js';
import { inMemory, type LoopOptions, mse, trainNetwork } from './training.js';
import { transformer } from './transformer.js';

type Make = (o: SequenceNetworkOptions) => Network;
const NETWORKS: [string, Make][] = [
  ['lstm', (o) => lstm({ ...o, units: 6, layers: 2 })],
  ['gru', (o) => gru({ ...o, units: 6, layers: 2 })],
  [
    'transformer',
    (o) => transformer({ ...o, width: 8, heads: 2, layers: 2, feedForward: 12, positions: 'sinusoidal' }),
  ],
];
const plain = { batchNorm: false, dropout: 0, activation: 'silu' } as const;
const options: LoopOptions = {
  batchSize: 32,
  epochs: 15,
  patience: 15,
  optimizer: 'adam',
  learningRate: 0.01,
  weightDecay: 0,
  lrFactor: 0.5,
  lrPatience: 5,
  seed: 5,
  backend: 'auto',
};

describe.each(NETWORKS)('%s', (_, make) => {
  const shape = { staticWidth: 2, length: 5, channels: 3 };
  const network = make({ staticWidth: 2, sequence: shape, hidden: [4], ...plain });
  const { x, y, width } = sequences({ ...shape, rows: 13, seed: 1 });
  const state = randomState(network, 1);
  const maskAt = 2 + 5 * 3;

  test('what stands in the padding changes nothing: not a bit of outputs, loss and gradient', async () => {
    const before = await natively({ network, loss: mse, state, x, y });
    expect(before.output.every(Number.isFinite)).toBe(true);
    for (const filling of [0, -7.5, 1e30, Number.NaN, Number.NEGATIVE_INFINITY]) {
      const filled = x.map((value, i) => {
        const [row, column] = [Math.floor(i / width), i % width];
        const step = Math.floor((column - 2) / 3);
        const padding = column >= 2 && column < maskAt && x[row * width + maskAt + step] === 0;
        return padding ? filling : value;
      });
      expect(await natively({ network, loss: mse, state, x: filled, y })).toEqual(before);
    }
  });

  test('customers with no, one and all orders do not depend on who is in the batch', async () => {
    const { output } = await natively({ network, loss: mse, state, x, y });
    for (const row of [0, 1, 5]) {
      const alone = await natively({
        network,
        loss: mse,
        state,
        x: x.slice(row * width, (row + 1) * width),
        y: y.slice(row, row + 1),
      });
      expect(errorOf(alone.output, [output[row]!])).toBeLessThan(1e-6);
    }
    expect(new Set(output).size).toBe(output.length);
  });

  test('a longer window with the same orders gives the same prediction', async () => {
    const long = { staticWidth: 2, length: 9, channels: 3 };
    const longer = make({ staticWidth: 2, sequence: long, hidden: [4], ...plain });
    const rows = y.length;
    const longWidth = longer.inputWidth;
    const wide = new Float32Array(rows * longWidth).fill(3);
    for (let row = 0; row < rows; row += 1) {
      wide.set(x.subarray(row * width, row * width + 2), row * longWidth);
      wide.set(x.subarray(row * width + 2, row * width + maskAt), row * longWidth + 2 + 4 * 3);
      wide.fill(0, row * longWidth + 2 + 9 * 3, (row + 1) * longWidth);
      wide.set(x.subarray(row * width + maskAt, (row + 1) * width), row * longWidth + 2 + 9 * 3 + 4);
    }
    const [short, same] = [
      await natively({ network, loss: mse, state, x, y }),
      await natively({ network: longer, loss: mse, state, x: wide, y }),
    ];
    expect(errorOf(same.output, short.output)).toBeLessThan(1e-6);
    expect(errorOf(same.gradient, short.gradient)).toBeLessThan(1e-5);
  });

  test('the exported graph predicts the same for any number of rows', async () => {
    const graph = exportOnnx({
      network,
      params: state.params,
      stats: state.stats,
      inputWidth: network.inputWidth,
      before: (raw) => raw,
      after: (output) => output,
    });
    const scorer = await createScorer(graph);
    const { output } = await natively({ network, loss: mse, state, x, y });
    expect(errorOf(await scorer.predict(x, y.length), output)).toBeLessThan(1e-6);
    expect(errorOf(await scorer.predict(x.subarray(0, width), 1), output.subarray(0, 1))).toBeLessThan(1e-6);
    await scorer.release();
  });

  test.each<HeadName>(['mse', 'huber', 'poisson', 'tweedie', 'ziln'])(
    'trains with the head %s, batch norm and dropout, anchored where that is a log mean',
    async (name) => {
      const head = headOf(name);
      const shaped = make({
        staticWidth: 2,
        sequence: shape,
        hidden: [4],
        batchNorm: true,
        dropout: 0.2,
        outputs: head.outputs,
        activation: 'silu',
        zeroLast: true,
      });
      const whole = name === 'poisson' || name === 'tweedie' ? anchored(shaped) : shaped;
      const rows = 40;
      const wide = Float32Array.from({ length: rows * whole.inputWidth }, (_v, i) => (i * 0.618) % 1);
      const spend = Float32Array.from({ length: rows }, (_v, i) => (i % 3) * 1.5);
      const executor = await compileTraining({
        network: whole,
        loss: head.loss,
        weightDecay: 0,
        batchSize: 16,
        rows,
        backend: 'auto',
      });
      const rng = new Rng(1);
      executor.load(initialState(whole, () => rng.uniform()));
      const order = Int32Array.from({ length: rows }, (_v, i) => i);
      const losses: number[] = [];
      for (let epoch = 0; epoch < 20; epoch += 1) {
        const { loss } = await executor.trainEpoch({ x: wide, y: spend, order, learningRate: 0.01, seed: epoch });
        losses.push(loss);
      }
      expect(Math.max(...losses.slice(-3))).toBeLessThan(losses[0]!);
      await executor.release();
    },
  );

  test('learns what only the order of the steps tells, the same again with the same seed', async () => {
    const length = 6;
    const rows = 500;
    const ordered = make({
      staticWidth: 0,
      sequence: { length, channels: 1 },
      hidden: [],
      batchNorm: false,
      dropout: 0,
    });
    // Every customer has the same steps in another order; y tells whether the largest came after the smallest.
    const rng = new Rng(3);
    const input = new Float32Array(rows * 2 * length).fill(1);
    const target = new Float32Array(rows);
    for (let row = 0; row < rows; row += 1) {
      const places = rng.shuffle([0, 1, 2, 3, 4, 5]);
      places.forEach((value, t) => (input[row * 2 * length + t] = value - 2.5));
      target[row] = places.indexOf(5) > places.indexOf(0) ? 1 : -1;
    }
    const job = {
      network: ordered,
      loss: mse,
      source: inMemory(
        input,
        target,
        Int32Array.from({ length: 400 }, (_v, i) => i),
      ),
      held: { x: input.subarray(400 * 2 * length), y: target.subarray(400) },
      options,
    };
    const { epochs, bestEpoch, state: learnt } = await trainNetwork(job);
    // Without the order nothing but the mean is left: a loss of 1.
    expect(epochs[bestEpoch - 1]!.validationLoss).toBeLessThan(0.25);
    expect((await trainNetwork(job)).state).toEqual(learnt);
  });
});
