import type { Counts } from './counts.js';
import { fitPositive, type Fit } from './fit.js';
import { digamma, lnGamma } from './special.js';

/**
 * NBD: a customer orders at a Poisson rate λ ~ Gamma(r, alpha) for ever. Ehrenberg (1959), The Pattern of Consumer
 * Purchases. What the models with drop-out become where nobody drops out.
 */
export type Nbd = { r: number; alpha: number };
const NAMES = ['r', 'alpha'] as const;

/** Fits r and alpha by maximum likelihood of the orders' times, as the models with drop-out do. @throws CloveError `not-converged` */
export const fitNbd = (counts: Counts): Fit<(typeof NAMES)[number]> => {
  const customers = sums(counts.x, counts.weight, () => 1);
  const observed = sums(counts.T, counts.weight, () => 1);
  const orders = sums(counts.T, counts.weight, (i) => counts.x[i]!);
  const span = Math.max(...observed.keys());
  const starts = [
    [0.5, span / 4],
    [2, span],
  ];
  return fitPositive('NBD', NAMES, starts, (parameters, gradient) => {
    const [r, alpha] = [parameters[0]!, parameters[1]!];
    let sum = 0;
    for (const [x, weight] of customers) {
      sum += weight * (lnGamma(r + x) - lnGamma(r));
      gradient[0]! += weight * (digamma(r + x) - digamma(r));
    }
    for (const [T, weight] of observed) {
      const all = r * weight + orders.get(T)!;
      const log = Math.log1p(T / alpha); // ln((alpha + T) / alpha): what is left of r·ln(alpha) comes below
      sum -= all * log + orders.get(T)! * Math.log(alpha);
      gradient[0]! -= weight * log;
      gradient[1]! += (all * T) / (alpha * (alpha + T)) - orders.get(T)! / alpha;
    }
    return sum;
  });
};

/** Σ weight · value by key. */
const sums = (keys: Float64Array, weight: Float64Array, value: (i: number) => number): Map<number, number> => {
  const result = new Map<number, number>();
  for (let i = 0; i < keys.length; i += 1) result.set(keys[i]!, (result.get(keys[i]!) ?? 0) + weight[i]! * value(i));
  return result;
};

/** E[X(t)] = r·t/alpha: orders after the first that a new customer makes in a time t. */
export const nbdExpected = ({ r, alpha }: Nbd, t: number): number => (r * t) / alpha;

/** Orders in the next `t` after x orders in a time T; with `discount` > 0 an order at time τ from now counts e^(-discount·τ). */
export const nbdIfAlive = ({ r, alpha }: Nbd, x: number, T: number, t: number, discount = 0): number =>
  ((r + x) / (alpha + T)) * (discount === 0 ? t : -Math.expm1(-discount * t) / discount);

/**
 * P(no order in the next t) after x orders in a time T. Also of the living under BG/NBD and MBG/NBD, where nobody drops
 * out before the next order.
 */
export const nbdSilence = ({ r, alpha }: Nbd, x: number, T: number, t: number): number =>
  Math.exp(-(r + x) * Math.log1p(t / (alpha + T)));
