import { createScorer, treesOnnx } from '@clove/engine';
import { describe, expect, test } from 'vitest';
import { type BoostingOptions, fitBoosted, predictBoosted } from './boosting.js';
import { Rng } from './rng.js';

const OPTIONS: BoostingOptions = {
  loss: 'squared',
  trees: 120,
  depth: 4,
  learningRate: 0.1,
  minLeaf: 10,
  l2: 1,
  rowShare: 1,
  featureShare: 1,
  seed: 1,
  patience: 1000,
};

/** Rows of uniform features and the target of each. */
const made = (seed: number, rows: number, features: number, target: (x: number[], rng: Rng) => number) => {
  const rng = new Rng(seed);
  const columns = Array.from({ length: features }, () => new Float32Array(rows));
  const y = new Float64Array(rows);
  for (let i = 0; i < rows; i += 1) {
    const x = columns.map((column) => (column[i] = rng.uniform()));
    y[i] = target(x, rng);
  }
  return { columns, y };
};
const mean = (values: Float64Array) => values.reduce((sum, v) => sum + v, 0) / values.length;
const r2 = (y: Float64Array, p: Float64Array) => {
  const centre = mean(y);
  const errors = y.reduce((sum, v, i) => sum + (v - p[i]!) ** 2, 0);
  return 1 - errors / y.reduce((sum, v) => sum + (v - centre) ** 2, 0);
};
/** Half the Poisson deviance without the term that only the target decides. */
const poissonLoss = (y: Float64Array, p: Float64Array) => mean(y.map((v, i) => p[i]! - v * Math.log(p[i]!)));

describe('what is learned', () => {
  test('a known function of few of many features, on rows not seen', () => {
    const truth = (x: number[]) => 3 * x[0]! + Math.sin(6 * x[1]!) * (x[2]! > 0.5 ? 1 : -1);
    const train = made(1, 4000, 10, truth);
    const test = made(2, 2000, 10, truth);
    const { model, gains } = fitBoosted(train, undefined, OPTIONS);
    expect(r2(test.y, predictBoosted(model, test.columns, 2000))).toBeGreaterThan(0.93);
    // The splits know which features matter.
    const order = [...gains.keys()].toSorted((a, b) => gains[b]! - gains[a]!);
    expect(order.slice(0, 3).toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  });

  test.each(['poisson', 'tweedie'] as const)('%s with an offset learns the multiplier of a forecast', (loss) => {
    const rng = new Rng(7);
    const forecast = Float64Array.from({ length: 12_000 }, () => Math.exp(2 * rng.normal()));
    let row = 0;
    const multiplier = (x: number[]) => (x[0]! > 0.5 ? 2 : 0.5) * (x[1]! > 0.8 ? 1.5 : 1);
    const { columns, y } = made(3, 12_000, 4, (x, chance) => chance.poisson(forecast[row++]! * multiplier(x)));
    const offset = forecast.map(Math.log);
    const half = (from: number, to: number) => ({
      columns: columns.map((c) => c.subarray(from, to)),
      y: y.subarray(from, to),
      offset: offset.subarray(from, to),
    });
    const validation = half(8000, 12_000);
    const { model } = fitBoosted(half(0, 8000), validation, { ...OPTIONS, loss, patience: 20 });
    const learned = predictBoosted(model, validation.columns, 4000, validation.offset);
    let off = 0;
    for (let i = 0; i < 4000; i += 1) {
      const truth = forecast[8000 + i]! * multiplier(validation.columns.map((c) => c[i]!));
      off += Math.abs(Math.log(learned[i]! / truth)) / 4000;
    }
    expect(off).toBeLessThan(0.12);
  });

  test('it beats the constant it starts from, and a target that no feature explains leaves that constant', () => {
    const signal = made(4, 3000, 3, (x, rng) => rng.poisson(Math.exp(2 * x[0]!)));
    const other = made(5, 3000, 3, (x, rng) => rng.poisson(Math.exp(2 * x[0]!)));
    const { model } = fitBoosted(signal, other, { ...OPTIONS, loss: 'poisson', patience: 20 });
    const constant = new Float64Array(3000).fill(mean(signal.y));
    expect(poissonLoss(other.y, predictBoosted(model, other.columns, 3000))).toBeLessThan(
      poissonLoss(other.y, constant) - 0.1,
    );
    const noise = made(6, 3000, 3, (_, rng) => rng.normal());
    const nothing = fitBoosted(
      noise,
      made(8, 3000, 3, (_, rng) => rng.normal()),
      { ...OPTIONS, patience: 20 },
    ).model;
    for (const value of predictBoosted(nothing, noise.columns, 3000))
      expect(Math.abs(value - mean(noise.y))).toBeLessThan(0.25);
  });

  test('missing values go to the side where they belong, in training and in prediction', () => {
    const { columns, y } = made(9, 2000, 2, (x) => (x[0]! < 0.3 ? 5 : x[0]!));
    const hidden = Float32Array.from(columns[0]!, (v) => (v < 0.3 ? Number.NaN : v)); // all that tells is that it is missing
    const { model } = fitBoosted({ columns: [hidden, columns[1]!], y }, undefined, OPTIONS);
    expect(r2(y, predictBoosted(model, [hidden, columns[1]!], 2000))).toBeGreaterThan(0.99);
    // A value beyond all seen ones is not taken for a missing one.
    const [missing, large] = predictBoosted(model, [Float32Array.of(Number.NaN, 7), Float32Array.of(0.5, 0.5)], 2);
    expect(missing).toBeCloseTo(5, 0);
    expect(large).toBeCloseTo(1, 0);
  });
});

describe('how it is learned', () => {
  test.each(['squared', 'poisson', 'tweedie'] as const)(
    'with all rows, each tree makes the %s loss smaller',
    (loss) => {
      const train = made(10, 1500, 4, (x, rng) => rng.poisson(5 * x[0]! * x[1]!));
      const { losses, trainLosses } = fitBoosted(train, undefined, { ...OPTIONS, loss, trees: 40 });
      expect(trainLosses).toEqual(losses);
      expect(losses).toHaveLength(41);
      for (let k = 1; k < losses.length; k += 1) expect(losses[k]!).toBeLessThan(losses[k - 1]!);
    },
  );

  test('the reported loss is that of the predictions', () => {
    const train = made(11, 500, 2, (x, rng) => rng.poisson(4 * x[0]!));
    const { losses, model } = fitBoosted(train, undefined, { ...OPTIONS, loss: 'poisson', trees: 15 });
    expect(losses.at(-1)).toBeCloseTo(poissonLoss(train.y, predictBoosted(model, train.columns, 500)), 10);
  });

  test('the best of all splits of one feature is the one that a plain search finds', () => {
    const { columns, y } = made(12, 200, 1, (x, rng) => (x[0]! > 0.62 ? 3 : 0) + rng.normal());
    const { model } = fitBoosted({ columns, y }, undefined, { ...OPTIONS, trees: 1, depth: 1, l2: 0, learningRate: 1 });
    const gainAt = (cut: number) => {
      const sides = [y.filter((_, i) => columns[0]![i]! <= cut), y.filter((_, i) => columns[0]![i]! > cut)];
      return Math.min(...sides.map((s) => s.length)) < 10
        ? -Infinity
        : sides.reduce((sum, s) => sum + s.length * (mean(s) - mean(y)) ** 2, 0);
    };
    const [tree] = model.trees;
    expect(gainAt(tree!.threshold[0]!)).toBeCloseTo(Math.max(...Array.from(columns[0]!, gainAt)), 9);
    expect(tree!.value[tree!.left[0]!]! + model.base).toBeCloseTo(
      mean(y.filter((_, i) => columns[0]![i]! <= tree!.threshold[0]!)),
      5,
    );
  });

  test('the same seed gives the same trees, another seed others', () => {
    const train = made(13, 1000, 5, (x) => x[0]! * x[1]!);
    const fit = (seed: number) =>
      fitBoosted(train, undefined, { ...OPTIONS, trees: 10, rowShare: 0.7, featureShare: 0.6, seed }).model;
    expect(fit(1)).toEqual(fit(1));
    expect(fit(1)).not.toEqual(fit(2));
  });

  test('targets, offsets and options that cannot be are refused with what to do', () => {
    const train = made(14, 50, 2, (x) => x[0]! - 0.5);
    expect(() => fitBoosted(train, undefined, { ...OPTIONS, loss: 'poisson' })).toThrow(
      /Row \d+ has the target -.*refunds/,
    );
    const zero = { columns: train.columns, y: new Float64Array(50) };
    expect(() => fitBoosted(zero, undefined, { ...OPTIONS, loss: 'tweedie' })).toThrow(/nothing to learn/);
    const offset = new Float64Array(50).fill(-Infinity);
    expect(() => fitBoosted({ ...train, offset }, undefined, OPTIONS)).toThrow(/offset/);
    expect(() => fitBoosted(train, undefined, { ...OPTIONS, rowShare: 0 })).toThrow(/rowShare is 0/);
    expect(() => fitBoosted(train, undefined, { ...OPTIONS, loss: 'tweedie', power: 2 })).toThrow(/power is 2/);
  });
});

describe('trees in ONNX predict as trees here', () => {
  const data = made(15, 3000, 6, (x, rng) => rng.poisson(Math.exp(3 * x[0]! * x[1]!)));
  const chance = new Rng(16);
  const columns = data.columns.map((c) => c.map((v) => (chance.uniform() < 0.15 ? Number.NaN : v)));
  const offset = Float64Array.from({ length: 3000 }, () => Math.fround(chance.normal()));

  test.each([
    ['squared', undefined],
    ['squared', 'added'],
    ['poisson', undefined],
    ['poisson', 'added'],
    ['tweedie', 'multiplied'],
  ] as const)('%s, last column %s: to 1e-5, missing values included', async (loss, last) => {
    const { model } = fitBoosted({ columns, y: data.y, ...(last !== undefined && { offset }) }, undefined, {
      ...OPTIONS,
      loss,
      trees: 200,
    });
    const scorer = await createScorer(treesOnnx(model, last === undefined ? {} : { last }));
    const width = last === undefined ? 6 : 7;
    expect(scorer.inputWidth).toBe(width);
    const x = new Float32Array(3000 * width);
    for (let i = 0; i < 3000; i += 1) {
      for (let f = 0; f < 6; f += 1) x[i * width + f] = columns[f]![i]!;
      if (last !== undefined) x[i * width + 6] = last === 'added' ? offset[i]! : Math.exp(offset[i]!);
    }
    const scored = await scorer.predict(x, 3000);
    await scorer.release();
    const expected = predictBoosted(model, columns, 3000, last === undefined ? undefined : offset);
    let worst = 0;
    for (let i = 0; i < 3000; i += 1)
      worst = Math.max(worst, Math.abs(scored[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!)));
    expect(worst).toBeLessThan(1e-5);
  });

  test('no tree at all is the constant', async () => {
    const scorer = await createScorer(treesOnnx({ loss: 'poisson', base: Math.log(3), features: 2, trees: [] }));
    expect([...(await scorer.predict(Float32Array.of(1, 2, Number.NaN, 4), 2))].map((v) => v.toFixed(5))).toEqual([
      '3.00000',
      '3.00000',
    ]);
    await scorer.release();
  });
});
