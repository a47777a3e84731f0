import { describe, expect, test } from 'vitest';
import { Rng } from '../rng.js';
import {
  bgNbdAlive,
  bgNbdConditional,
  bgNbdExpected,
  bgNbdLogLikelihood,
  fitBgNbd,
  ordersOfTheLiving,
} from './bg-nbd.js';
import { groupCounts } from './counts.js';
import { fitGammaGamma } from './gamma-gamma.js';
import { fitMbgNbd, mbgNbdConditional, mbgNbdExpected, mbgNbdLogLikelihood } from './mbg-nbd.js';
import { fitNbd } from './nbd.js';
import {
  fitParetoNbd,
  paretoNbdAlive,
  paretoNbdConditional,
  paretoNbdExpected,
  paretoNbdLogLikelihood,
} from './pareto-nbd.js';
import { BG, PARETO, simulate } from './simulate.test-support.js';
import { digamma, hyp2f1, lnBeta, lnGamma } from './special.js';

const bg = BG;
const pareto = PARETO;
const HISTORIES = [
  [0, 0, 39],
  [1, 3, 20],
  [4, 30, 33],
  [40, 38.5, 39],
  [300, 12, 39],
] as const;

describe('special functions', () => {
  test('ln Γ is right at whole and half numbers, small, large and huge', () => {
    let factorial = 0;
    for (let n = 1; n < 100; n += 1) {
      expect(lnGamma(n)).toBeCloseTo(factorial, 9);
      factorial += Math.log(n);
    }
    expect(lnGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 13);
    expect(lnGamma(1e-6)).toBeCloseTo(-Math.log(1e-6) - 0.577_215_664_901_53e-6, 11);
    expect(lnGamma(20_000) - lnGamma(19_999)).toBeCloseTo(Math.log(19_999), 8);
  });
  test('digamma is the slope of ln Γ', () => {
    for (const x of [0.01, 0.3, 1, 2.5, 7.9, 40, 5000]) {
      const h = 1e-5 * x;
      expect(Math.abs(digamma(x) / ((lnGamma(x + h) - lnGamma(x - h)) / (2 * h)) - 1)).toBeLessThan(1e-6);
    }
  });
  test('₂F₁ meets its elementary cases', () => {
    for (const z of [0.01, 0.3, 0.7, 0.95]) {
      expect(hyp2f1(1, 1, 2, z)).toBeCloseTo(-Math.log1p(-z) / z, 11);
      expect(hyp2f1(2.5, 3, 3, z)).toBeCloseTo((1 - z) ** -2.5, 7);
      expect(hyp2f1(-2, 1.5, 0.7, z)).toBeCloseTo(1 - ((2 * 1.5) / 0.7) * z + ((1.5 * 2.5) / (0.7 * 1.7)) * z * z, 11);
    }
  });
});

test('the orders of the living are those of a plain integral over who they are, for small and huge parameters', () => {
  // Mean of (1 - (1 + pt/rate)^-shape) / p over p ~ Beta(a, b), by a fine sum over the logit of p.
  const plain = (shape: number, rate: number, a: number, b: number, t: number) => {
    const width = 1 / Math.sqrt(Math.min(a, b)); // of the peak in the logit
    const h = Math.min(0.01, width / 40);
    let sum = 0;
    for (let logit = Math.log(a / b) - 60 * Math.max(1, width); logit < Math.log(a / b) + 60 * Math.max(1, width);) {
      logit += h;
      const logP = -Math.log1p(Math.exp(-logit));
      const logRest = -Math.log1p(Math.exp(logit));
      const p = Math.exp(logP);
      const orders = -Math.expm1(-shape * Math.log1p((p * t) / rate)) / p;
      sum += h * orders * Math.exp(a * logP + b * logRest - lnBeta(a, b));
    }
    return sum;
  };
  for (const [shape, rate, a, b, t] of [
    [0.24, 4.4, 0.79, 2.4, 39],
    [0.24, 4.4, 1, 2.4, 5000],
    [12.2, 40, 1.3, 14, 39],
    [301, 45, 0.8, 302, 26],
    [0.5, 10, 0.05, 0.6, 100],
    [3, 20, 250, 900, 30],
    [3, 20, 2e6, 9e6, 30],
    [900, 20, 2e5, 3e6, 60],
  ] as const)
    expect(Math.abs(ordersOfTheLiving(shape, rate, a, b, t) / plain(shape, rate, a, b, t) - 1)).toBeLessThan(1e-5);
});

describe.each([
  [
    'BG/NBD',
    (p: readonly number[], x: number, tx: number, T: number, g?: Float64Array) =>
      bgNbdLogLikelihood({ r: p[0]!, alpha: p[1]!, a: p[2]!, b: p[3]! }, x, tx, T, g),
    [0.4, 6, 0.8, 2],
  ],
  [
    'MBG/NBD',
    (p: readonly number[], x: number, tx: number, T: number, g?: Float64Array) =>
      mbgNbdLogLikelihood({ r: p[0]!, alpha: p[1]!, a: p[2]!, b: p[3]! }, x, tx, T, g),
    [0.4, 6, 0.8, 2],
  ],
  [
    'Pareto/NBD',
    (p: readonly number[], x: number, tx: number, T: number, g?: Float64Array) =>
      paretoNbdLogLikelihood({ r: p[0]!, alpha: p[1]!, s: p[2]!, beta: p[3]! }, x, tx, T, g),
    [0.6, 10, 0.7, 12],
  ],
  [
    'Pareto/NBD with alpha > beta',
    (p: readonly number[], x: number, tx: number, T: number, g?: Float64Array) =>
      paretoNbdLogLikelihood({ r: p[0]!, alpha: p[1]!, s: p[2]!, beta: p[3]! }, x, tx, T, g),
    [2, 30, 0.1, 0.5],
  ],
] as const)('%s', (_, likelihood, parameters) => {
  test.each(HISTORIES)('analytic slopes equal differences at x = %d, t_x = %d, T = %d', (x, tx, T) => {
    const gradient = new Float64Array(4);
    expect(likelihood(parameters, x, tx, T, gradient)).toBe(likelihood(parameters, x, tx, T));
    for (let i = 0; i < 4; i += 1) {
      const h = 1e-5 * parameters[i]!;
      const moved = (sign: number) =>
        likelihood(
          parameters.map((v, k) => (k === i ? v + sign * h : v)),
          x,
          tx,
          T,
        );
      const slope = (moved(1) - moved(-1)) / (2 * h);
      expect(Math.abs(gradient[i]! - slope)).toBeLessThan(1e-5 * Math.max(1, Math.abs(slope)));
    }
  });
});

describe('expectations equal those of simulated customers', () => {
  test.each([
    [
      'bg-nbd',
      (t: number) => bgNbdExpected(bg, t),
      (x: number, tx: number, t: number) => bgNbdConditional(bg, x, tx, 30, t),
    ],
    [
      'mbg-nbd',
      (t: number) => mbgNbdExpected(bg, t),
      (x: number, tx: number, t: number) => mbgNbdConditional(bg, x, tx, 30, t),
    ],
    [
      'pareto-nbd',
      (t: number) => paretoNbdExpected(pareto, t),
      (x: number, tx: number, t: number) => paretoNbdConditional(pareto, x, tx, 30, t),
    ],
  ] as const)('%s: of new customers, and of known ones given their history', (kind, unconditional, conditional) => {
    const rng = new Rng(11);
    const n = 60_000;
    let before = 0;
    let after = 0;
    let forecast = 0;
    for (let i = 0; i < n; i += 1) {
      const orders = simulate(rng, 60, kind);
      const known = orders.filter((t) => t <= 30);
      before += known.length;
      after += orders.length - known.length;
      forecast += conditional(known.length, known.at(-1) ?? 0, 30);
    }
    expect(Math.abs(before / n / unconditional(30) - 1)).toBeLessThan(0.03);
    expect(Math.abs((before + after) / n / unconditional(60) - 1)).toBeLessThan(0.03);
    // The forecasts given histories average to the unconditional orders of the second half.
    expect(Math.abs(forecast / n / (unconditional(60) - unconditional(30)) - 1)).toBeLessThan(0.03);
    expect(Math.abs(forecast / after - 1)).toBeLessThan(0.04);
  });
});

test('a fit finds the parameters that simulated customers were made with', () => {
  const rng = new Rng(3);
  const customers = Array.from({ length: 20_000 }, () => simulate(rng, 52, 'bg-nbd'));
  const fit = fitBgNbd(
    groupCounts(
      customers.map((o) => o.length),
      customers.map((o) => o.at(-1) ?? 0),
      customers.map(() => 52),
    ),
  );
  for (const name of ['r', 'alpha', 'a', 'b'] as const)
    expect(Math.abs(fit.parameters[name] - bg[name])).toBeLessThan(4 * fit.standardErrors[name]);
});

test('P(alive) stays in [0, 1], falls with silence, and survives customers with hundreds of orders', () => {
  for (const [x, tx, T] of HISTORIES) {
    for (const alive of [bgNbdAlive(bg, x, tx, T), paretoNbdAlive(pareto, x, tx, T)]) {
      expect(alive).toBeGreaterThanOrEqual(0);
      expect(alive).toBeLessThanOrEqual(1);
    }
    expect(paretoNbdAlive(pareto, x, tx, T + 20)).toBeLessThanOrEqual(paretoNbdAlive(pareto, x, tx, T));
  }
  expect(bgNbdConditional(bg, 2000, 38.9, 39, 39)).toBeGreaterThan(1000);
  expect(Number.isFinite(paretoNbdConditional(pareto, 2000, 38.9, 39, 39))).toBe(true);
});

test('where nobody drops out, the models with drop-out say so, and the NBD fits', () => {
  const rng = new Rng(5);
  const T = 40;
  const customers = Array.from({ length: 400 }, () => {
    const lambda = rng.gamma(5) / 20;
    const orders: number[] = [];
    for (let t = rng.exponential() / lambda; t <= T; t += rng.exponential() / lambda) orders.push(t);
    return orders;
  });
  const counts = groupCounts(
    customers.map((o) => o.length),
    customers.map((o) => o.at(-1) ?? 0),
    customers.map(() => T),
  );
  for (const fit of [fitBgNbd, fitMbgNbd, fitParetoNbd]) expect(() => fit(counts)).toThrow(/nobody seems to drop out/);
  const nbd = fitNbd(counts);
  expect(Math.abs(nbd.parameters.r - 5)).toBeLessThan(4 * nbd.standardErrors.r);
  expect(Math.abs(nbd.parameters.alpha - 20)).toBeLessThan(4 * nbd.standardErrors.alpha);
});

test('amounts without a mean (q ≤ 1) and zero amounts are refused with what to do', () => {
  expect(() => fitGammaGamma({ x: [1, 2], mean: [5, 0] })).toThrow(/zero amounts/);
  const rng = new Rng(9);
  const heavy = Array.from({ length: 2000 }, () => rng.gamma(1) / rng.gamma(0.7));
  expect(() => fitGammaGamma({ x: heavy.map(() => 5), mean: heavy })).toThrow(/q = 0\.\d+.*must exceed 1/);
});

test('grouping refuses impossible customers by number and is exact', () => {
  expect(() => groupCounts([1, 0], [2, 1], [3, 3])).toThrow(/Customer 2/);
  const counts = groupCounts([1, 0, 1], [2, 0, 2], [3, 3, 3]);
  expect([...counts.weight]).toEqual([1, 2]);
  const sum = (c: typeof counts) =>
    c.x.reduce((total, x, i) => total + c.weight[i]! * bgNbdLogLikelihood(bg, x, c.tx[i]!, c.T[i]!), 0);
  expect(sum(counts)).toBeCloseTo(2 * bgNbdLogLikelihood(bg, 1, 2, 3) + bgNbdLogLikelihood(bg, 0, 0, 3), 12);
});
