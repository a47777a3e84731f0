import type { Head as HeadName } from '@clove/contracts';
import { type Network, createScorer, exportOnnx, initialState, mapRows } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { feedforward } from './feedforward.js';
import { type Head, anchored, headOf, logForecast } from './heads.js';
import { differences, errorOf, natively } from './network.test-support.js';
import { Rng } from './rng.js';

/** A network whose parameters are its outputs: its gradient is the gradient of the loss by the outputs. */
const outputsThemselves = (rows: number, outputs: number): Network => ({
  name: 'outputs',
  inputWidth: rows,
  params: [{ name: 'output', shape: [rows, outputs], init: { type: 'zeros' } }],
  stats: [],
  // x is the identity matrix, so that the graph may take any number of rows.
  forward: (p, _, x) => ({ output: tf.matMul(x, p['output'] as tf.Tensor2D), stats: {} }),
});

const lossOf = async (head: Head, output: number[][], target: number[]) => {
  const rows = target.length;
  const network = outputsThemselves(rows, head.outputs);
  const x = Float32Array.from({ length: rows * rows }, (_, i) => (i % (rows + 1) === 0 ? 1 : 0));
  const state = { ...initialState(network, () => 0), params: Float32Array.from(output.flat()) };
  return natively({ network, loss: head.loss, state, x, y: Float32Array.from(target) });
};

const afterOf = (head: Head, scale: { mean: number; sd: number }, output: number[][]): Promise<Float32Array> =>
  mapRows(head.after(scale), Float32Array.from(output.flat()), output.length, head.outputs);

// Written from the definitions, in double precision, on densities rather than logarithms where that can be.
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const softplus = (z: number) => Math.log(1 + Math.exp(z));
const lognormalDensity = (y: number, mu: number, sd: number) =>
  Math.exp(-((Math.log(y) - mu) ** 2) / (2 * sd * sd)) / (y * sd * Math.sqrt(2 * Math.PI));
const rowLoss: Record<HeadName, (z: number[], y: number) => number> = {
  mse: ([z], y) => (z! - y) ** 2,
  huber: ([z], y) => (Math.abs(z! - y) <= 1 ? (z! - y) ** 2 / 2 : Math.abs(z! - y) - 0.5),
  poisson: ([z], y) => Math.exp(z!) - Math.max(0, y) * z!,
  tweedie: ([z], y) => {
    const mean = Math.exp(z!);
    return (2 * Math.max(0, y)) / Math.sqrt(mean) + 2 * Math.sqrt(mean);
  },
  ziln: ([a, b, c], y) => {
    const p = sigmoid(a!);
    return y > 0 ? -Math.log(p * lognormalDensity(y, b!, softplus(c!))) : -Math.log(1 - p);
  },
};
const HEADS = Object.keys(rowLoss) as HeadName[];

describe('losses', () => {
  test('T15: ziln of logits [.1, .2, .3] with label 0 and [.4, .5, .6] with label 1.5', async () => {
    for (const [z, y] of [
      [[0.1, 0.2, 0.3], 0],
      [[0.4, 0.5, 0.6], 1.5],
    ] as const) {
      const { loss, gradient } = await lossOf(headOf('ziln'), [[...z]], [y]);
      expect(errorOf([loss], [rowLoss.ziln([...z], y)])).toBeLessThan(1e-6);
      expect(
        errorOf(
          gradient,
          differences((at) => rowLoss.ziln(at, y), z),
        ),
      ).toBeLessThan(1e-6);
    }
  });

  test.each(HEADS)('%s: values and gradients are those of its definition', async (name) => {
    const head = headOf(name);
    const rng = new Rng(3);
    const target = [0, 0, 0.02, 0.7, 1, 1.5, 4, 30, -0.5, 12];
    const output = target.map(() => Array.from({ length: head.outputs }, () => 1.5 * rng.normal()));
    const { loss, gradient } = await lossOf(head, output, target);
    const expected = (flat: number[]) =>
      target.reduce((sum, y, row) => {
        const z = flat.slice(row * head.outputs, (row + 1) * head.outputs);
        return sum + rowLoss[name](z, y) / target.length;
      }, 0);
    expect(errorOf([loss], [expected(output.flat())])).toBeLessThan(1e-6);
    expect(errorOf(gradient, differences(expected, Float32Array.from(output.flat())))).toBeLessThan(2e-6);
  });

  test.each(HEADS)('%s: extreme outputs and targets give finite losses, gradients and predictions', async (name) => {
    const head = headOf(name);
    const extremes = [-1e6, -1e3, -90, 0, 90, 1e3, 1e6];
    const output = extremes.flatMap((z) => [0, 1e-6, 1, 1e5].map(() => Array<number>(head.outputs).fill(z)));
    const target = extremes.flatMap(() => [0, 1e-6, 1, 1e5]);
    const { loss, gradient } = await lossOf(head, output, target);
    expect(Number.isFinite(loss)).toBe(true);
    expect(gradient.every(Number.isFinite)).toBe(true);
    const after = await afterOf(head, { mean: 0, sd: 50 }, output);
    expect(after.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
  });

  test('beyond a bound the gradient only leads back: an output that shot over is not lost', async () => {
    const over = await lossOf(headOf('poisson'), [[1000], [-1000]], [1, 1]);
    expect(over.gradient[0]).toBeGreaterThan(0);
    expect(over.gradient[1]).toBeLessThan(0);
    // Nothing bought: smaller would be better still, but smaller than nothing makes no difference.
    expect((await lossOf(headOf('poisson'), [[-1000]], [0])).gradient[0]).toBe(0);
    const ziln = await lossOf(headOf('ziln'), [[0, 100, -100]], [1]);
    expect(ziln.gradient[1]).toBeGreaterThan(0);
    expect(ziln.gradient[2]).toBeLessThan(0);
  });

  test('tweedie takes its power, and refuses those of other distributions', async () => {
    const { loss } = await lossOf(headOf('tweedie', { tweediePower: 1.2 }), [[0.3]], [2]);
    expect(loss).toBeCloseTo((2 * Math.exp(-0.2 * 0.3)) / 0.2 + Math.exp(0.8 * 0.3) / 0.8, 5);
    for (const tweediePower of [1, 2, 3, Number.NaN])
      expect(() => headOf('tweedie', { tweediePower })).toThrow(/between 1 and 2/);
  });
});

describe('scales and predictions', () => {
  const target = Float64Array.of(0, 0, 0, 10, 40, -5, 0, 55);

  /** Where the pulls of all rows, none above one standard deviation, are in balance. */
  const huberCentre = (() => {
    const sd = Math.sqrt(target.reduce((sum, y) => sum + (y - 12.5) ** 2 / 8, 0));
    let [low, high] = [-5, 55];
    for (let i = 0; i < 60; i += 1) {
      const middle = (low + high) / 2;
      const pull = target.reduce((sum, y) => sum + Math.max(-sd, Math.min(sd, y - middle)), 0);
      if (pull > 0) low = middle;
      else high = middle;
    }
    return low;
  })();
  const logs = [10, 40, 55].map(Math.log);
  const mu = logs.reduce((sum, value) => sum + value / 3, 0);
  const variance = logs.reduce((sum, value) => sum + (value - mu) ** 2 / 3, 0);

  test.each([
    ['mse', [12.5]],
    ['huber', [huberCentre]],
    ['poisson', [105 / 8]],
    ['tweedie', [105 / 8]],
    ['ziln', [(3 / 8) * Math.exp(mu + variance / 2), 3 / 8]],
  ] as const)('%s: what is learnt without any feature is its mean of the training rows', async (name, expected) => {
    const head = headOf(name);
    const scale = head.fitScale(target);
    const scaled = Array.from(target, (value) => (value - scale.mean) / scale.sd);
    const mean = (at: number[]) => scaled.reduce((sum, y) => sum + rowLoss[name](at, y) / scaled.length, 0);
    let z = Array<number>(head.outputs).fill(0);
    for (let step = 0; step < 20_000; step += 1) {
      const slope = differences(mean, z);
      z = z.map((value, i) => value - 0.05 * slope[i]!);
    }
    const after = await afterOf(head, scale, [z]);
    expect(errorOf(after, expected)).toBeLessThan(1e-4);
    expect(head.columns).toHaveLength(expected.length);
  });

  test('an output of 0 starts near the data: the mean, or for ziln a typical purchase', () => {
    expect(headOf('mse').fitScale(target).mean).toBeCloseTo(12.5, 12);
    for (const name of ['poisson', 'tweedie'] as const)
      expect(headOf(name).fitScale(target)).toEqual({ mean: 0, sd: 105 / 8 });
    expect(headOf('ziln').fitScale(target).sd).toBeCloseTo((10 * 40 * 55) ** (1 / 3), 10);
  });

  test.each(HEADS)('%s: a target without any spend is refused', (name) => {
    expect(() => headOf(name).fitScale(new Float64Array(5))).toThrow(
      expect.objectContaining({ code: 'target-constant' }),
    );
  });

  test('ziln exports the prediction and the probability to buy for any number of rows', async () => {
    const head = headOf('ziln');
    const network = feedforward({ inputWidth: 3, hidden: [], batchNorm: false, dropout: 0, outputs: 3 });
    const params = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0);
    const graph = exportOnnx({
      network,
      params,
      stats: new Float32Array(),
      inputWidth: 3,
      before: (raw) => raw,
      after: head.after({ mean: 0, sd: 20 }),
    });
    const scorer = await createScorer(graph);
    const [first, , prediction, pBuy] = await scorer.predict(Float32Array.of(0, 0, 0, 0.4, 0.5, 0.6), 2);
    await scorer.release();
    expect(first).toBeCloseTo(10 * Math.exp(Math.log(2) ** 2 / 2), 4);
    expect(pBuy).toBeCloseTo(sigmoid(0.4), 6);
    expect(prediction! / (20 * sigmoid(0.4) * Math.exp(0.5 + softplus(0.6) ** 2 / 2))).toBeCloseTo(1, 5);
  });
});

describe('anchored networks', () => {
  const scale = { mean: 0, sd: 40 };
  const forecasts = [0, Number.NaN, 1e-9, 3, 40, 5000];

  test('start as the forecast itself', async () => {
    for (const name of ['poisson', 'tweedie'] as const) {
      const network = anchored(
        feedforward({ inputWidth: 2, hidden: [4], batchNorm: false, dropout: 0, zeroLast: true, activation: 'silu' }),
      );
      const { params } = initialState(network, () => 0.8);
      const raw = Float32Array.from(forecasts.flatMap((forecast) => [1, -2, forecast]));
      const predict = (x: tf.Tensor2D): tf.Tensor2D => {
        const input = tf.concat([tf.slice(x, [0, 0], [-1, 2]), logForecast(scale)(tf.slice(x, [0, 2], [-1, 1]))], 1);
        let at = 0;
        const p = Object.fromEntries(
          network.params.map(({ name: id, shape }) => {
            const size = shape.reduce((product, n) => product * n, 1);
            return [id, tf.tensor(params.slice(at, (at += size)), shape)];
          }),
        );
        const { output } = network.forward(p, {}, input, { training: false, dropout: (t) => t });
        return headOf(name).after(scale)(output);
      };
      const least = 40e-6;
      expect(
        errorOf(await mapRows(predict, raw, forecasts.length, 3), [least, least, least, 3, 40, 5000]),
      ).toBeLessThan(1e-5);
    }
  });

  test('the output is that of the network plus the last input', async () => {
    const inner = feedforward({ inputWidth: 2, hidden: [], batchNorm: false, dropout: 0 });
    const x = Float32Array.of(1, 2, 0.5, 3, -1, -2);
    const state = { ...initialState(inner, () => 0), params: Float32Array.of(0.1, 0.2, 0.3) };
    const { output } = await natively({
      network: anchored(inner),
      loss: headOf('poisson').loss,
      state,
      x,
      y: Float32Array.of(1, 2),
    });
    expect(errorOf(output, [0.1 + 0.4 + 0.3 + 0.5, 0.3 - 0.2 + 0.3 - 2])).toBeLessThan(1e-6);
  });
});
