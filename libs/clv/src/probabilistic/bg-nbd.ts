import type { Counts } from './counts.js';
import type { Fit } from './fit.js';
import { customerLogLikelihood, fitPurchases, type PurchaseLikelihood } from './fit-purchases.js';
import { digamma, gaussLegendre, hyp2f1, lnBeta, lnGamma, logAddExp } from './special.js';

/**
 * BG/NBD: a customer orders at a Poisson rate λ ~ Gamma(r, alpha) until a coin with p ~ Beta(a, b), thrown after each
 * order but the first, ends it. Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2).
 */
export type BgNbd = { r: number; alpha: number; a: number; b: number };
const NAMES = ['r', 'alpha', 'a', 'b'] as const;

/** Its equation 6 in log space; the parameters are r, alpha, a, b. */
const likelihood: PurchaseLikelihood = {
  ofOrders([r, alpha, a, b], x, gradient, weight) {
    gradient[0]! += weight * (digamma(r! + x) - digamma(r!) + Math.log(alpha!));
    gradient[1]! += (weight * r!) / alpha!;
    const shared = digamma(a! + b!) - digamma(a! + b! + x);
    gradient[2]! += weight * shared;
    gradient[3]! += weight * (shared + digamma(b! + x) - digamma(b!));
    return lnGamma(r! + x) - lnGamma(r!) + r! * Math.log(alpha!) + lnBeta(a!, b! + x) - lnBeta(a!, b!);
  },
  ofLife(parameters, x, tx, T, gradient, weight) {
    const [r, alpha, a, b] = [parameters[0]!, parameters[1]!, parameters[2]!, parameters[3]!];
    const logEnd = Math.log(alpha + T);
    const alive = -(r + x) * logEnd;
    if (x === 0) {
      gradient[0]! -= weight * logEnd;
      gradient[1]! -= (weight * r) / (alpha + T);
      return alive;
    }
    const logLast = Math.log(alpha + tx);
    const dead = Math.log(a / (b + x - 1)) - (r + x) * logLast;
    const total = logAddExp(alive, dead);
    const pDead = Math.exp(dead - total);
    gradient[0]! -= weight * ((1 - pDead) * logEnd + pDead * logLast);
    gradient[1]! -= weight * (r + x) * ((1 - pDead) / (alpha + T) + pDead / (alpha + tx));
    gradient[2]! += (weight * pDead) / a;
    gradient[3]! -= (weight * pDead) / (b + x - 1);
    return total;
  },
};

/** Log-likelihood of one customer; derivatives by r, alpha, a, b are added to `gradient` where given. */
export const bgNbdLogLikelihood = (
  { r, alpha, a, b }: BgNbd,
  x: number,
  tx: number,
  T: number,
  gradient?: Float64Array,
): number => customerLogLikelihood(likelihood, Float64Array.of(r, alpha, a, b), [x, tx, T], gradient);

/** Fits r, alpha, a, b by maximum likelihood. @throws CloveError `not-converged`, also where nobody drops out */
export const fitBgNbd = (counts: Counts): Fit<(typeof NAMES)[number]> =>
  fitPurchases(
    'BG/NBD',
    NAMES,
    (span) => [
      [0.5, span / 8, 0.8, 2.5],
      [1, span / 2, 0.3, 1],
      [0.2, span / 20, 1.5, 6],
    ],
    likelihood,
    counts,
  );

/** P(not yet dropped out at T | x, tx, T): equation 7 of Fader, Hardie & Lee (2008), Computing P(alive) Using the BG/NBD Model. */
export const bgNbdAlive = ({ r, alpha, a, b }: BgNbd, x: number, tx: number, T: number): number =>
  x === 0 ? 1 : 1 / (1 + (a / (b + x - 1)) * Math.exp((r + x) * Math.log((alpha + T) / (alpha + tx))));

const RULES = { plain: gaussLegendre(24), discounted: gaussLegendre(64) };
const STEEP = 12;

/**
 * Expected orders in the next `t` of customers who are alive now, with λ ~ Gamma(shape, rate) and p ~ Beta(a, b): the mean
 * of (1 - e^(-λpt)) / p; with `discount` > 0 each order counts e^(-discount·time). In place of the closed form, which
 * divides by a - 1 and takes ₂F₁ at c = a + b - 1 ≤ 0, its derivative by t is integrated over u = ln(1 + t/rate). Of the two
 * forms that Pfaff's transformations give the derivative (Abramowitz & Stegun 15.3.4 and 15.3.5), with a factor e^(-u·shape) or
 * e^(-u·a), the one with the smaller exponent keeps every number of moderate size.
 */
export const ordersOfTheLiving = (
  shape: number,
  rate: number,
  a: number,
  b: number,
  t: number,
  discount = 0,
): number => {
  const derivative = (u: number): number => {
    const z = -Math.expm1(-u);
    const later = discount * rate * Math.expm1(u);
    return shape + 1 < a
      ? hyp2f1(shape + 1, b, a + b, z, -shape * u - later)
      : hyp2f1(a, a + b - shape - 1, a + b, z, (1 - a) * u - later);
  };
  const { nodes, weights } = discount > 0 ? RULES.discounted : RULES.plain;
  const end = Math.log1p(t / rate);
  // It begins to fall like e^(-decay·u): where that is steep, the steep part is integrated by itself.
  const decay = (a * (shape + 1)) / (a + b) - 1 + discount * rate;
  const bend = STEEP / decay;
  let sum = 0;
  for (const [from, to] of bend > 0 && bend < end ? [[0, bend] as const, [bend, end] as const] : [[0, end] as const]) {
    let part = 0;
    for (let i = 0; i < nodes.length; i += 1) part += weights[i]! * derivative(from + (to - from) * nodes[i]!);
    sum += (to - from) * part;
  }
  return shape * sum;
};

/** E[X(t)]: orders after the first that a new customer makes in a time t, equation 9. */
export const bgNbdExpected = ({ r, alpha, a, b }: BgNbd, t: number): number => ordersOfTheLiving(r, alpha, a, b, t);

/** Orders in the next `t` of a customer who is alive after x orders in a time T; discounted where `discount` > 0. */
export const bgNbdIfAlive = ({ r, alpha, a, b }: BgNbd, x: number, T: number, t: number, discount = 0): number =>
  ordersOfTheLiving(r + x, alpha + T, a, b + x, t, discount);

/** E[Y(t) | x, tx, T]: orders in (T, T + t] of a customer with that history, equation 10. */
export const bgNbdConditional = (parameters: BgNbd, x: number, tx: number, T: number, t: number): number =>
  bgNbdAlive(parameters, x, tx, T) * bgNbdIfAlive(parameters, x, T, t);
