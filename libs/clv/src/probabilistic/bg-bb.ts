import { fitPositive, type Fit } from './fit.js';
import { digamma, lnBeta } from './special.js';

/**
 * BG/BB, for orders that can happen at most once a period: while alive a customer orders in each period with p ~
 * Beta(alpha, beta), and dies before each with θ ~ Beta(gamma, delta). Fader, Hardie & Shang (2010), Customer-Base
 * Analysis in a Discrete-Time Noncontractual Setting, Marketing Science 29(6).
 */
export type BgBb = { alpha: number; beta: number; gamma: number; delta: number };
const NAMES = ['alpha', 'beta', 'gamma', 'delta'] as const;

/** Customers with equal histories: `x` periods with an order, the last in period `tx` (0: none), `n` periods observed. */
export type PeriodCounts = {
  x: ArrayLike<number>;
  tx: ArrayLike<number>;
  n: ArrayLike<number>;
  weight: ArrayLike<number>;
};

/** Likelihood of one history, equation 5; derivatives of its logarithm, times `weight`, are added to `gradient` where given. */
const likelihood = (
  { alpha, beta, gamma, delta }: BgBb,
  x: number,
  tx: number,
  n: number,
  gradient?: Float64Array,
  weight = 1,
): number => {
  // Each way: alive at the end, or dead since period tx + i. Values stay far from underflow: n is a number of periods.
  const base = lnBeta(alpha, beta) + lnBeta(gamma, delta);
  const terms: { value: number; misses: number; deaths: number; survived: number }[] = [
    {
      value: Math.exp(lnBeta(alpha + x, beta + n - x) + lnBeta(gamma, delta + n) - base),
      misses: n - x,
      deaths: 0,
      survived: n,
    },
  ];
  for (let i = 0; i < n - tx; i += 1)
    terms.push({
      value: Math.exp(lnBeta(alpha + x, beta + tx - x + i) + lnBeta(gamma + 1, delta + tx + i) - base),
      misses: tx - x + i,
      deaths: 1,
      survived: tx + i,
    });
  const total = terms.reduce((sum, term) => sum + term.value, 0);
  if (gradient) {
    const common = digamma(alpha + beta);
    const life = digamma(gamma + delta);
    for (const { value, misses, deaths, survived } of terms) {
      const share = (weight * value) / total;
      const orders = digamma(alpha + beta + x + misses);
      const lives = digamma(gamma + delta + deaths + survived);
      gradient[0]! += share * (digamma(alpha + x) - orders - digamma(alpha) + common);
      gradient[1]! += share * (digamma(beta + misses) - orders - digamma(beta) + common);
      gradient[2]! += share * (digamma(gamma + deaths) - lives - digamma(gamma) + life);
      gradient[3]! += share * (digamma(delta + survived) - lives - digamma(delta) + life);
    }
  }
  return total;
};

/** Fits alpha, beta, gamma, delta by maximum likelihood. @throws CloveError `not-converged` */
export const fitBgBb = (counts: PeriodCounts): Fit<(typeof NAMES)[number]> =>
  fitPositive(
    'BG/BB',
    NAMES,
    [
      [1, 1, 0.5, 3],
      [0.5, 0.5, 1, 5],
      [2, 3, 0.3, 1],
    ],
    ([alpha, beta, gamma, delta], gradient) => {
      let sum = 0;
      for (let i = 0; i < counts.x.length; i += 1) {
        const weight = counts.weight[i]!;
        sum +=
          weight *
          Math.log(
            likelihood(
              { alpha: alpha!, beta: beta!, gamma: gamma!, delta: delta! },
              counts.x[i]!,
              counts.tx[i]!,
              counts.n[i]!,
              gradient,
              weight,
            ),
          );
      }
      return sum;
    },
  );

/** P(alive in period n + 1 | x, tx, n), equation 11. */
export const bgBbAlive = (parameters: BgBb, x: number, tx: number, n: number): number => {
  const { alpha, beta, gamma, delta } = parameters;
  return (
    Math.exp(
      lnBeta(alpha + x, beta + n - x) - lnBeta(alpha, beta) + lnBeta(gamma, delta + n + 1) - lnBeta(gamma, delta),
    ) / likelihood(parameters, x, tx, n)
  );
};

/** Expected orders in the next `periods` of a customer with that history: equation 13 as the sum it comes from, which has no pole at gamma = 1. */
export const bgBbConditional = (parameters: BgBb, x: number, tx: number, n: number, periods: number): number => {
  const { alpha, beta, gamma, delta } = parameters;
  const base = lnBeta(alpha, beta) + lnBeta(gamma, delta);
  let sum = 0;
  for (let j = 1; j <= periods; j += 1)
    sum += Math.exp(lnBeta(alpha + x + 1, beta + n - x) + lnBeta(gamma, delta + n + j) - base);
  return sum / likelihood(parameters, x, tx, n);
};

/** Expected orders of a new customer in `periods`. */
export const bgBbExpected = (parameters: BgBb, periods: number): number =>
  bgBbConditional(parameters, 0, 0, 0, periods);
