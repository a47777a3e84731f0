import { describe, expect, test } from 'vitest';
import { maximise, type Objective } from './maximise.js';

/** A parabola in the second number beside `f` in the first, which is given with its slope. */
const beside =
  (f: (x: number) => { value: number; slope: number }): Objective =>
  (x, gradient) => {
    const { value, slope } = f(x[0]!);
    gradient[0] = slope;
    gradient[1] = -(x[1]! - 3);
    return value - (x[1]! - 3) ** 2 / 2;
  };

describe('a search whose maximum lies at infinity', () => {
  test('ends at the border once next to nothing is left to gain, however far out that is', () => {
    for (const missing of [1, 1e3, 1e5]) {
      const levelling = beside((x) => ({ value: -missing * Math.exp(-x), slope: missing * Math.exp(-x) }));
      const { best } = maximise(levelling, [[1, 0]]);
      expect(best?.border).toEqual([0]);
      expect(best?.x[1]).toBeCloseTo(3, 1);
      expect(missing * Math.exp(-best!.x[0]!)).toBeLessThan(0.01);
    }
  });

  test('fails where it climbs for ever, with its trace', () => {
    const { best, failures } = maximise(
      beside((x) => ({ value: x, slope: 1 })),
      [[1, 0]],
    );
    expect(best).toBeUndefined();
    expect(failures[0]!.reason).toContain('runs to zero or to infinity');
    expect(failures[0]!.trace.length).toBeGreaterThan(1);
  });
});
