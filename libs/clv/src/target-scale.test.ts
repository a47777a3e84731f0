import { mapRows } from '@clove/engine';
import { expect, test } from 'vitest';
import { fitTargetScale, predictionTensor, scaleTarget } from './target-scale.js';

test('what was scaled comes back in currency, and never below 0', async () => {
  const target = Float64Array.of(0, 10, 20, 500, 12.5);
  const scale = fitTargetScale(target);
  const scaled = scaleTarget(scale, target);
  expect(scaled.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 5);
  expect(Math.hypot(...scaled) / Math.sqrt(5)).toBeCloseTo(1, 5);
  const back = await mapRows(predictionTensor(scale), Float32Array.of(...scaled, -9), 6, 1);
  [...target, 0].forEach((value, i) => expect(back[i]).toBeCloseTo(value, 3));
});
