import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { compileTraining } from './backends.js';
import type { Optimiser } from './adam.js';
import { type Executor, type TrainingSpec, usualThreads } from './executor.js';
import { batchNorm } from './layers.js';
import { type Loss, type Network, type TrainState, initialState } from './network.js';
import { argument } from './test-support.js';

const WIDTH = 3;
const UNITS = 5;
const mse: Loss = (output, target) => tf.mean(tf.squaredDifference(output, target));

/** Linear, batch norm, ReLU, dropout, Linear. */
function network(dropout: number): Network {
  const uniform = { type: 'uniform', bound: 0.5 } as const;
  return {
    name: 'test',
    inputWidth: WIDTH,
    params: [
      { name: 'w', shape: [WIDTH, UNITS], init: uniform },
      { name: 'b', shape: [UNITS], init: uniform },
      { name: 'scale', shape: [UNITS], init: { type: 'ones' } },
      { name: 'shift', shape: [UNITS], init: { type: 'zeros' } },
      { name: 'u', shape: [UNITS, 1], init: uniform },
      { name: 'c', shape: [1], init: uniform },
    ],
    stats: [
      { name: 'mean', shape: [UNITS], init: { type: 'zeros' } },
      { name: 'variance', shape: [UNITS], init: { type: 'ones' } },
    ],
    forward(p, s, x, { training, dropout: drop }) {
      const normalised = batchNorm({
        x: tf.matMul(x, p['w']!),
        bias: p['b']!,
        scale: p['scale']!,
        shift: p['shift']!,
        mean: s['mean']!,
        variance: s['variance']!,
        training,
      });
      const h = drop(tf.relu(normalised.output), dropout) as tf.Tensor2D;
      return {
        output: tf.add(tf.matMul(h, p['u']!), p['c']!),
        stats: { mean: normalised.mean, variance: normalised.variance },
      };
    },
  };
}

/** The same network and torch's Adam in plain double precision loops, derived by hand. */
class Reference {
  readonly p: { w: number[][]; b: number[]; scale: number[]; shift: number[]; u: number[]; c: number[] };
  readonly mean: number[];
  readonly variance: number[];
  private readonly m = new Map<string, number>();
  private readonly v = new Map<string, number>();
  private t = 0;

  constructor(
    state: TrainState,
    private readonly optimiser: Optimiser,
  ) {
    let at = 0;
    const take = (n: number): number[] => [...state.params.subarray(at, (at += n))];
    this.p = {
      w: Array.from({ length: WIDTH }, () => take(UNITS)),
      b: take(UNITS),
      scale: take(UNITS),
      shift: take(UNITS),
      u: take(UNITS),
      c: take(1),
    };
    this.mean = [...state.stats.subarray(0, UNITS)];
    this.variance = [...state.stats.subarray(UNITS)];
  }

  flat(): number[] {
    const { w, b, scale, shift, u, c } = this.p;
    return [...w.flat(), ...b, ...scale, ...shift, ...u, ...c];
  }

  step(x: number[][], y: number[], rate: number): number {
    const { w, b, scale, shift, u, c } = this.p;
    const n = x.length;
    const units = [...Array(UNITS).keys()];
    const z = x.map((row) => units.map((j) => b[j]! + row.reduce((sum, value, i) => sum + value * w[i]![j]!, 0)));
    const mean = units.map((j) => z.reduce((sum, row) => sum + row[j]!, 0) / n);
    const variance = units.map((j) => z.reduce((sum, row) => sum + (row[j]! - mean[j]!) ** 2, 0) / n);
    const hat = z.map((row) => units.map((j) => (row[j]! - mean[j]!) / Math.sqrt(variance[j]! + 1e-5)));
    const a = hat.map((row) => units.map((j) => scale[j]! * row[j]! + shift[j]!));
    const h = a.map((row) => row.map((value) => Math.max(0, value)));
    const out = h.map((row) => c[0]! + row.reduce((sum, value, j) => sum + value * u[j]!, 0));
    units.forEach((j) => {
      this.mean[j] = 0.9 * this.mean[j]! + 0.1 * mean[j]!;
      this.variance[j] = 0.9 * this.variance[j]! + (0.1 * variance[j]! * n) / (n - 1);
    });

    const dOut = out.map((value, r) => (2 * (value - y[r]!)) / n);
    const dA = a.map((row, r) => units.map((j) => (row[j]! > 0 ? dOut[r]! * u[j]! : 0)));
    const dHat = dA.map((row) => units.map((j) => row[j]! * scale[j]!));
    const sums = units.map((j) => dHat.reduce((sum, row) => sum + row[j]!, 0));
    const products = units.map((j) => dHat.reduce((sum, row, r) => sum + row[j]! * hat[r]![j]!, 0));
    const dZ = dHat.map((row, r) =>
      units.map((j) => (n * row[j]! - sums[j]! - hat[r]![j]! * products[j]!) / (n * Math.sqrt(variance[j]! + 1e-5))),
    );
    this.t += 1;
    const moves: [values: number[], gradient: number[]][] = [
      ...w.map((row, i): [number[], number[]] => [
        row,
        units.map((j) => dZ.reduce((s, d, r) => s + d[j]! * x[r]![i]!, 0)),
      ]),
      // The sum of dZ but for rounding: what a batch norm is given is not changed by adding a number to all of it.
      [b, units.map(() => 0)],
      [scale, units.map((j) => dA.reduce((s, d, r) => s + d[j]! * hat[r]![j]!, 0))],
      [shift, units.map((j) => dA.reduce((s, d) => s + d[j]!, 0))],
      [u, units.map((j) => dOut.reduce((s, d, r) => s + d * h[r]![j]!, 0))],
      [c, [dOut.reduce((s, d) => s + d, 0)]],
    ];
    const norm = Math.sqrt(moves.flatMap(([, gradient]) => gradient).reduce((sum, value) => sum + value ** 2, 0));
    const clip = Math.min(1, (this.optimiser.clipNorm ?? Infinity) / (norm + 1e-6));
    moves.forEach(([values, gradient], k) => {
      const clipped = gradient.map((value) => value * clip);
      this.adam(k, values, clipped, rate);
    });
    return out.reduce((sum, value, r) => sum + (value - y[r]!) ** 2, 0) / n;
  }

  private adam(which: number, values: number[], gradient: number[], rate: number): void {
    const { weightDecay, decoupled } = this.optimiser;
    gradient.forEach((raw, i) => {
      const key = `${which} ${i}`;
      const g = raw + (decoupled ? 0 : weightDecay * values[i]!);
      if (decoupled) values[i]! *= 1 - rate * weightDecay;
      const m = 0.9 * (this.m.get(key) ?? 0) + 0.1 * g;
      const v = 0.999 * (this.v.get(key) ?? 0) + 0.001 * g * g;
      this.m.set(key, m);
      this.v.set(key, v);
      values[i]! -= (rate * (m / (1 - 0.9 ** this.t))) / (Math.sqrt(v / (1 - 0.999 ** this.t)) + 1e-8);
    });
  }

  predict(row: number[]): number {
    const { w, b, scale, shift, u, c } = this.p;
    return b.reduce((sum, bias, j) => {
      const z = row.reduce((s, value, i) => s + value * w[i]![j]!, bias);
      const a = (scale[j]! * (z - this.mean[j]!)) / Math.sqrt(this.variance[j]! + 1e-5) + shift[j]!;
      return sum + Math.max(0, a) * u[j]!;
    }, c[0]!);
  }
}

const ROWS = 11;
const x = argument(ROWS, WIDTH).values;
const y = Float32Array.from({ length: ROWS }, (_, i) => x[i * WIDTH]! * 2 - Math.abs(x[i * WIDTH + 1]!));
const rowsOf = (rows: Iterable<number>): number[][] =>
  Array.from(rows, (r) => [...x.subarray(r * WIDTH, (r + 1) * WIDTH)]);
const order = Int32Array.from([3, 9, 0, 7, 1, 10, 5, 2, 8, 6, 4]);
let drawn = 0;
const start = (net: Network): TrainState => {
  drawn = 0;
  return initialState(net, () => ((drawn += 1) * 0.6180339887) % 1);
};

const open: Executor[] = [];
async function compiled(spec: Partial<TrainingSpec> = {}): Promise<Executor> {
  const net = spec.network ?? network(0);
  const executor = await compileTraining({
    network: net,
    loss: mse,
    weightDecay: 0.01,
    batchSize: 4,
    rows: ROWS,
    backend: 'auto',
    ...spec,
  });
  open.push(executor);
  executor.load(start(net));
  return executor;
}
afterEach(() => Promise.all(open.splice(0).map((executor) => executor.release())));

const expectNear = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void => {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i += 1) {
    expect(Math.abs(actual[i]! - expected[i]!), `element ${i}`).toBeLessThan(tolerance);
  }
};

describe('a training step', () => {
  test.each<[string, Optimiser]>([
    ['Adam', { weightDecay: 0.01 }],
    ['AdamW', { weightDecay: 0.3, decoupled: true }],
    ['Adam with gradients clipped by their norm', { weightDecay: 0.01, clipNorm: 0.4 }],
  ])(
    'of %s is that of a hand-written one in double precision, the last partial batch included',
    async (_, optimiser) => {
      const executor = await compiled(optimiser);
      const reference = new Reference(executor.state(), optimiser);
      for (const [epoch, rate] of [0.05, 0.05, 0.01].entries()) {
        const { loss } = await executor.trainEpoch({ x, y, order, learningRate: rate, seed: epoch });
        let sum = 0;
        for (const [from, to] of [
          [0, 4],
          [4, 8],
          [8, 11],
        ] as const) {
          const batch = [...order.subarray(from, to)];
          sum +=
            (to - from) *
            reference.step(
              rowsOf(batch),
              batch.map((r) => y[r]!),
              rate,
            );
        }
        expect(loss).toBeCloseTo(sum / ROWS, 5);
      }
      const state = executor.state();
      expect(state.step).toBe(9);
      expectNear(state.params, reference.flat(), 1e-5);
      expectNear(state.stats, [...reference.mean, ...reference.variance], 1e-5);

      const expected = rowsOf(Array(ROWS).keys()).map((row) => reference.predict(row));
      expectNear(await executor.predict(x, ROWS), expected, 1e-5);
      const meanLoss = expected.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0) / ROWS;
      expect(await executor.loss(x, y, ROWS)).toBeCloseTo(meanLoss, 5);
    },
  );

  test('a single row left over is not trained on, for batch norm needs two', async () => {
    const executor = await compiled({ rows: 9 });
    const { loss } = await executor.trainEpoch({ x, y, order: order.slice(0, 9), learningRate: 0.05, seed: 1 });
    const other = await compiled({ rows: 8 });
    const same = await other.trainEpoch({ x, y, order: order.slice(0, 8), learningRate: 0.05, seed: 1 });
    expect(loss).toBe(same.loss);
    expect(executor.state()).toEqual(other.state());
  });

  test('fewer rows than a batch are one batch', async () => {
    const executor = await compiled({ batchSize: 64 });
    await executor.trainEpoch({ x, y, order, learningRate: 0.05, seed: 1 });
    expect(executor.state().step).toBe(1);
  });
});

const epoch = (seed: number) => ({ x, y, order, learningRate: 0.03, seed });

describe('the same bytes', () => {
  const spec = { network: network(0.4) };

  test('a training that is stopped and resumed from its state ends as an uninterrupted one', async () => {
    const whole = await compiled(spec);
    for (const seed of [11, 12, 13, 14]) await whole.trainEpoch(epoch(seed));
    const first = await compiled(spec);
    for (const seed of [11, 12]) await first.trainEpoch(epoch(seed));
    const second = await compiled(spec);
    second.load(first.state());
    for (const seed of [13, 14]) await second.trainEpoch(epoch(seed));
    expect(second.state()).toEqual(whole.state());
  });

  test('an epoch cut into many runs ends as one that is not, its loss included', async () => {
    const trained = async (runMs: number) => {
      const executor = await compiled({ ...spec, rows: 240 });
      let now = 0;
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += runMs));
      try {
        const { loss } = await executor.trainEpoch({
          ...epoch(5),
          order: Int32Array.from({ length: 240 }, (_, i) => i % ROWS),
        });
        return { loss, state: executor.state() };
      } finally {
        clock.mockRestore();
      }
    };
    // By one clock every run takes a minute, so that the next is to be a single step; by the other none takes any time.
    const slow = await trained(60_000);
    expect(slow).toEqual(await trained(0));
    expect(slow.state.step).toBe(60);
  });

  test('a training that is told to stop within an epoch stops there, and its state is that of before', async () => {
    const executor = await compiled({ ...spec, rows: 4000 });
    const before = executor.state();
    const controller = new AbortController();
    const long = Int32Array.from({ length: 4000 }, (_, i) => i % ROWS);
    const training = executor.trainEpoch({ ...epoch(1), order: long, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(training).rejects.toThrow('enough');
    expect(executor.state()).toEqual(before);
  });

  test.each(['onnx-cpu', 'tfjs-cpu'] as const)('a validation that is told to stop stops: %s', async (backend) => {
    const executor = await compiled({ ...spec, backend });
    const rows = 4000;
    const many = { x: new Float32Array(rows * WIDTH), y: new Float32Array(rows) };
    const controller = new AbortController();
    const losing = executor.loss(many.x, many.y, rows, controller.signal);
    controller.abort(new Error('enough'));
    await expect(losing).rejects.toThrow('enough');
    expect(await executor.loss(many.x, many.y, rows, new AbortController().signal)).toBe(
      await executor.loss(many.x, many.y, rows),
    );
  });

  test('another seed drops other units', async () => {
    const [a, b] = [await compiled(spec), await compiled(spec)];
    await a.trainEpoch(epoch(1));
    await b.trainEpoch(epoch(2));
    expect(a.state().params).not.toEqual(b.state().params);
  });

  test('a state that was given is not changed by training on', async () => {
    const executor = await compiled(spec);
    const state = executor.state();
    const copy = structuredClone(state);
    executor.load(state);
    await executor.trainEpoch(epoch(1));
    expect(state).toEqual(copy);
  });
});

const dropped = (mask: Float32Array): boolean[] => Array.from(mask, (value) => value === 0);
const share = (yes: boolean[]): number => yes.filter(Boolean).length / yes.length;
const both = (a: Float32Array, b: Float32Array): number => share(dropped(a).map((yes, i) => yes && b[i] === 0));

describe('dropout', () => {
  // A network that shows its masks: what dropout makes of ones is kept as statistics.
  const size = [40, 250] as const;
  const length = size[0] * size[1];
  const showing: Network = {
    name: 'masks',
    inputWidth: WIDTH,
    params: [{ name: 'c', shape: [1], init: { type: 'zeros' } }],
    stats: ['first', 'second'].map((name) => ({ name, shape: [length], init: { type: 'zeros' } as const })),
    forward(p, _, input, { dropout }) {
      const mask = (rate: number) => tf.reshape(dropout(tf.ones([...size]), rate), [length]);
      const stats = { first: mask(0.3), second: mask(0.6) };
      return { output: tf.mul(tf.add(tf.zerosLike(tf.slice(input, [0, 0], [-1, 1])), p['c']!), 1), stats };
    },
  };
  const masks = async (seed: number, rows: number) => {
    const executor = await compiled({ network: showing, rows });
    await executor.trainEpoch({ x, y, order: order.slice(0, rows), learningRate: 0.1, seed });
    const { stats } = executor.state();
    return { first: stats.slice(0, length), second: stats.slice(length) };
  };

  test('drops the share that was asked for and scales what is kept', async () => {
    const { first, second } = await masks(5, 4);
    // Five standard errors of a share of 10,000.
    expect(Math.abs(share(dropped(first)) - 0.3)).toBeLessThan(0.023);
    expect(Math.abs(share(dropped(second)) - 0.6)).toBeLessThan(0.025);
    expect(new Set(first)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
  });
  test('masks of two layers, of two steps and of two seeds are independent', async () => {
    const one = await masks(5, 4);
    expect(Math.abs(both(one.first, one.second) - 0.18)).toBeLessThan(0.02);
    const [secondStep, otherSeed] = [await masks(5, 8), await masks(6, 4)];
    expect(Math.abs(both(one.first, secondStep.first) - 0.09)).toBeLessThan(0.015);
    expect(Math.abs(both(one.first, otherSeed.first) - 0.09)).toBeLessThan(0.015);
  });
});

test('predictions do not depend on how many rows are asked for at once', async () => {
  const executor = await compiled();
  await executor.trainEpoch({ x, y, order, learningRate: 0.05, seed: 1 });
  const rows = 2500;
  const many = argument(rows, WIDTH).values;
  const all = await executor.predict(many, rows);
  expect(all.length).toBe(rows);
  for (const row of [0, 1023, 1024, 2499]) {
    const [one] = await executor.predict(many.subarray(row * WIDTH, (row + 1) * WIDTH), 1);
    expect(one).toBeCloseTo(all[row]!, 5);
  }
  expect((await executor.predict(new Float32Array(), 0)).length).toBe(0);
});

const refusal = (code: string, text: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

describe('what does not fit is refused', () => {
  test('arrays', async () => {
    const executor = await compiled();
    await expect(executor.trainEpoch({ ...epoch(1), order: order.slice(1) })).rejects.toThrow(
      refusal('size-mismatch', '10'),
    );
    await expect(executor.trainEpoch({ ...epoch(1), order: order.with(0, ROWS) })).rejects.toThrow(
      refusal('size-mismatch', 'order'),
    );
    await expect(executor.trainEpoch({ ...epoch(1), x: x.slice(1) })).rejects.toThrow(refusal('size-mismatch', 'x'));
    await expect(executor.predict(x, ROWS + 1)).rejects.toThrow(refusal('size-mismatch', 'x'));
  });
  test('a learning rate that is none', async () => {
    const executor = await compiled();
    await expect(executor.trainEpoch({ ...epoch(1), learningRate: 0 })).rejects.toThrow(
      refusal('invalid-value', 'above 0'),
    );
  });
  test('a state of another network', async () => {
    const executor = await compiled();
    const state = executor.state();
    expect(() => executor.load({ ...state, stats: state.stats.slice(1) })).toThrow(refusal('size-mismatch', 'stats'));
  });
  test('use before load and after release', async () => {
    const executor = await compileTraining({
      network: network(0),
      loss: mse,
      weightDecay: 0,
      batchSize: 4,
      rows: 4,
      backend: 'onnx-cpu',
    });
    expect(() => executor.state()).toThrow(refusal('not-ready', 'load'));
    executor.load(start(network(0)));
    await executor.release();
    await expect(executor.predict(x, ROWS)).rejects.toThrow(refusal('not-ready', 'release'));
  });
  test('a loss that is not one number', async () => {
    await expect(compiled({ loss: (output) => output as unknown as tf.Scalar })).rejects.toThrow(
      refusal('invalid-network', '[4, 1]'),
    );
  });
  test('batch norm on single rows', async () => {
    await expect(compiled({ batchSize: 1 })).rejects.toThrow(refusal('invalid-network', 'at least 2'));
  });
});

test('small steps run in one thread and large ones in two, whatever the machine is doing; who trains may say', async () => {
  const small: TrainingSpec = {
    network: network(0),
    loss: mse,
    weightDecay: 0,
    batchSize: 4,
    rows: 8,
    backend: 'auto',
  };
  expect(usualThreads(small)).toBe(1);
  const uniform = { type: 'uniform', bound: 0.05 } as const;
  const wide: Network = {
    name: 'wide',
    inputWidth: 400,
    params: [
      { name: 'first', shape: [400, 400], init: uniform },
      { name: 'last', shape: [400, 1], init: uniform },
    ],
    stats: [],
    forward: (p, _, input) => ({ output: tf.matMul(tf.relu(tf.matMul(input, p['first']!)), p['last']!), stats: {} }),
  };
  const large = { ...small, network: wide, batchSize: 64, rows: 640 };
  expect(usualThreads(large)).toBe(Math.min(2, availableParallelism()));
  expect(usualThreads({ ...large, rows: 8 })).toBe(1);
  // 31 million multiply-adds a step: work for three, where so many may be taken and are there.
  expect([1, 2, 3, 16].map((threadLimit) => usualThreads({ ...large, threadLimit }, 16))).toEqual([1, 2, 3, 3]);
  expect(usualThreads(large, 16)).toBe(2);
  expect(usualThreads({ ...large, threadLimit: 16 }, 1)).toBe(1);
  const executor = await compiled({ threads: 2 });
  expect(executor.backend).toMatch(/^onnx-cpu, 2 threads, \S/);
  expect(executor.versions).toEqual({
    'onnxruntime-node': expect.stringMatching(/^\d/),
    '@tensorflow/tfjs-core': tf.version_core,
  });
});
