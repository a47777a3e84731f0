import { expect, test } from 'vitest';
import { createScorer } from './scorer.js';
import { type TreeEnsemble, treesOnnx } from './trees.js';

/** x0 ≤ 1 (missing right) ? (x1 ≤ 0 (missing left) ? 1 : 2) : 4, and half of that again: easily followed with a finger. */
const tree = (scale: number) => ({
  feature: [0, 1, -1, -1, -1],
  threshold: [1, 0, 0, 0, 0],
  missingLeft: [0, 1, 0, 0, 0],
  left: [1, 3, 0, 0, 0],
  right: [2, 4, 0, 0, 0],
  value: [0, 0, 4 * scale, 1 * scale, 2 * scale],
});
const ensemble: TreeEnsemble = { loss: 'squared', base: 10, features: 2, trees: [tree(1), tree(0.5)] };
const rows = Float32Array.of(1, 0, 0, 1, 2, 0, Number.NaN, 0, 0, Number.NaN);

const predict = async (onnx: Uint8Array, x: Float32Array): Promise<number[]> => {
  const scorer = await createScorer(onnx);
  const predictions = [...(await scorer.predict(x, x.length / scorer.inputWidth))];
  await scorer.release();
  return predictions;
};

test('rows go down each tree, missing values to their own side, and leaves add up on the base', async () => {
  expect(await predict(treesOnnx(ensemble), rows)).toEqual([11.5, 13, 16, 16, 11.5]);
});

test('a last column is added to the score, or multiplied with its exponential, 0 included', async () => {
  expect(await predict(treesOnnx(ensemble, { last: 'added' }), Float32Array.of(1, 0, 0.5, 2, 0, -3))).toEqual([12, 13]);
  const poisson = { ...ensemble, loss: 'poisson', base: 0 } as const;
  const [one, none] = await predict(treesOnnx(poisson, { last: 'multiplied' }), Float32Array.of(1, 0, 20, 2, 0, 0));
  expect(one).toBeCloseTo(20 * Math.exp(1.5), 3);
  expect(none).toBe(0);
});

test('the same trees give the same bytes, and what cannot be is refused', () => {
  expect(treesOnnx(ensemble)).toEqual(treesOnnx(ensemble));
  expect(() => treesOnnx({ ...ensemble, features: 1 })).toThrow(/Tree 1 asks for feature 2, and there are 1/);
  expect(() => treesOnnx(ensemble, { last: 'multiplied' })).toThrow(/squared/);
});
