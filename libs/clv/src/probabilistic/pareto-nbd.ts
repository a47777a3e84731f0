import type { Counts } from './counts.js';
import type { Fit } from './fit.js';
import { customerLogLikelihood, fitPurchases, type PurchaseLikelihood } from './fit-purchases.js';
import { digamma, gaussLegendre, lnGamma, logAddExp } from './special.js';

/**
 * Pareto/NBD: a customer orders at a Poisson rate λ ~ Gamma(r, alpha) through a lifetime that is exponential with rate
 * μ ~ Gamma(s, beta). Schmittlein, Morrison & Colombo (1987), Counting Your Customers, Management Science 33(1);
 * notation of Fader & Hardie (2005), A Note on Deriving the Pareto/NBD Model.
 */
export type ParetoNbd = { r: number; alpha: number; s: number; beta: number };
const NAMES = ['r', 'alpha', 's', 'beta'] as const;

const RULES = [8, 12, 16, 24].map(gaussLegendre);

/**
 * Gauss-Legendre rule for an integrand on [0, end] that falls like e^(-decay·w). The relative error stays below 1e-11:
 * compared with 200 nodes on 60,000 random parameters and histories.
 */
const ruleFor = (end: number, decay: number) => {
  const span = end * Math.max(1, Math.abs(decay));
  return RULES[span < 1 ? 0 : span < 2 ? 1 : span < 4 ? 2 : 3]!;
};

/**
 * ln of ∫ s (alpha+τ)^-(r+x) (beta+τ)^-(s+1) dτ over τ from tx to T: having died in between. The literature writes it as
 * a difference of two ₂F₁ that overflow and cancel. Here it is integrated over w = ln((m+τ)/(m+tx)), m = min(alpha,
 * beta), in which both factors are smooth, cut where the integrand has fallen by e^-40. Writes its derivatives by r, alpha,
 * s and beta to `slopes`.
 */
const logOfDeath = (
  r: number,
  alpha: number,
  s: number,
  beta: number,
  x: number,
  tx: number,
  T: number,
  slopes: Float64Array,
): number => {
  const [m, other] = alpha <= beta ? [alpha, beta] : [beta, alpha];
  const [power, otherPower] = alpha <= beta ? [r + x, s + 1] : [s + 1, r + x];
  const ratio = (m + tx) / (other + tx);
  const decay = power - 1 + otherPower * ratio;
  const end = Math.min(Math.log((m + T) / (m + tx)), decay > 0 ? 40 / decay : Infinity);
  const { nodes, weights } = ruleFor(end, decay);
  // Means over the integrand of ln((m+τ)/(m+tx)), the same of the other, and the inverses of m+τ and of the other's.
  let integral = 0;
  let log = 0;
  let otherLog = 0;
  let inverse = 0;
  let otherInverse = 0;
  for (let i = 0; i < nodes.length; i += 1) {
    const w = end * nodes[i]!;
    const growth = Math.expm1(w);
    const otherW = Math.log1p(ratio * growth);
    const value = weights[i]! * Math.exp((1 - power) * w - otherPower * otherW);
    integral += value;
    log += value * w;
    otherLog += value * otherW;
    inverse += value / (1 + growth);
    otherInverse += value / (1 + ratio * growth);
  }
  const logM = Math.log(m + tx);
  const logOther = Math.log(other + tx);
  const byPower = -logM - log / integral;
  const byOtherPower = -logOther - otherLog / integral;
  const byM = (-power * inverse) / (integral * (m + tx));
  const byOther = (-otherPower * otherInverse) / (integral * (other + tx));
  [slopes[0], slopes[1], slopes[2], slopes[3]] =
    alpha <= beta ? [byPower, byM, byOtherPower, byOther] : [byOtherPower, byOther, byPower, byM];
  slopes[2]! += 1 / s;
  return Math.log(s * end * integral) + (1 - power) * logM - otherPower * logOther;
};

const slopes = new Float64Array(4);

/** The parameters are r, alpha, s, beta. Alive at T, or died in (tx, T]. */
const likelihood: PurchaseLikelihood = {
  ofOrders([r, alpha, s, beta], x, gradient, weight) {
    gradient[0]! += weight * (digamma(r! + x) - digamma(r!) + Math.log(alpha!));
    gradient[1]! += (weight * r!) / alpha!;
    gradient[2]! += weight * Math.log(beta!);
    gradient[3]! += (weight * s!) / beta!;
    return lnGamma(r! + x) - lnGamma(r!) + r! * Math.log(alpha!) + s! * Math.log(beta!);
  },
  ofLife(parameters, x, tx, T, gradient, weight) {
    const [r, alpha, s, beta] = [parameters[0]!, parameters[1]!, parameters[2]!, parameters[3]!];
    const logAlpha = Math.log(alpha + T);
    const logBeta = Math.log(beta + T);
    const alive = -(r + x) * logAlpha - s * logBeta;
    const dead = tx < T ? logOfDeath(r, alpha, s, beta, x, tx, T, slopes) : -Infinity;
    const total = logAddExp(alive, dead);
    const pDead = Math.exp(dead - total);
    const pAlive = 1 - pDead;
    gradient[0]! += weight * (pDead * slopes[0]! - pAlive * logAlpha);
    gradient[1]! += weight * (pDead * slopes[1]! - (pAlive * (r + x)) / (alpha + T));
    gradient[2]! += weight * (pDead * slopes[2]! - pAlive * logBeta);
    gradient[3]! += weight * (pDead * slopes[3]! - (pAlive * s) / (beta + T));
    return total;
  },
};

/** Log-likelihood of one customer; derivatives by r, alpha, s, beta are added to `gradient` where given. */
export const paretoNbdLogLikelihood = (
  { r, alpha, s, beta }: ParetoNbd,
  x: number,
  tx: number,
  T: number,
  gradient?: Float64Array,
): number => customerLogLikelihood(likelihood, Float64Array.of(r, alpha, s, beta), [x, tx, T], gradient);

/** Fits r, alpha, s, beta by maximum likelihood. @throws CloveError `not-converged`, also where nobody drops out */
export const fitParetoNbd = (counts: Counts): Fit<(typeof NAMES)[number]> =>
  fitPurchases(
    'Pareto/NBD',
    NAMES,
    (span) => [
      [0.5, span / 4, 0.6, span / 4],
      [1, span / 2, 1, span],
      [0.3, span / 10, 0.3, span / 20],
    ],
    likelihood,
    counts,
  );

/** P(alive at T | x, tx, T). */
export const paretoNbdAlive = ({ r, alpha, s, beta }: ParetoNbd, x: number, tx: number, T: number): number => {
  if (tx >= T) return 1;
  const alive = -(r + x) * Math.log(alpha + T) - s * Math.log(beta + T);
  return 1 / (1 + Math.exp(logOfDeath(r, alpha, s, beta, x, tx, T, slopes) - alive));
};

/**
 * Mean of ∫ e^(-μτ) dτ over (0, t] under μ ~ Gamma(s, beta): the time alive in the next t. With `discount` > 0 the time τ from
 * now counts e^(-discount·τ), integrated over u = ln(1 + τ/beta).
 */
const timeAlive = (s: number, beta: number, t: number, discount: number): number => {
  const end = Math.log1p(t / beta);
  const k = s - 1;
  if (discount === 0) return beta * (Math.abs(k * end) < 1e-12 ? end : -Math.expm1(-k * end) / k);
  let sum = 0;
  for (let i = 0; i < DISCOUNTED.nodes.length; i += 1) {
    const u = end * DISCOUNTED.nodes[i]!;
    sum += DISCOUNTED.weights[i]! * Math.exp(-k * u - discount * beta * Math.expm1(u));
  }
  return beta * end * sum;
};
const DISCOUNTED = gaussLegendre(64);

/** E[X(t)]: orders after the first that a new customer makes in a time t, equation 27 of Fader & Hardie (2005). */
export const paretoNbdExpected = ({ r, alpha, s, beta }: ParetoNbd, t: number): number =>
  (r / alpha) * timeAlive(s, beta, t, 0);

/** Orders in the next `t` of a customer who is alive after x orders in a time T; discounted where `discount` > 0. */
export const paretoNbdIfAlive = (
  { r, alpha, s, beta }: ParetoNbd,
  x: number,
  T: number,
  t: number,
  discount = 0,
): number => ((r + x) / (alpha + T)) * timeAlive(s, beta + T, t, discount);

/**
 * P(no order in the next t | alive after x orders in a time T). Given that, λ ~ Gamma(r + x, alpha + T) and μ ~ Gamma(s,
 * beta + T): the probability of no order in a new customer's time t under those.
 */
export const paretoNbdSilence = ({ r, alpha, s, beta }: ParetoNbd, x: number, T: number, t: number): number =>
  Math.exp(paretoNbdLogLikelihood({ r: r + x, alpha: alpha + T, s, beta: beta + T }, 0, 0, t));

/** E[Y(t) | x, tx, T]: orders in (T, T + t] of a customer with that history, equation 41 of Fader & Hardie (2005). */
export const paretoNbdConditional = (parameters: ParetoNbd, x: number, tx: number, T: number, t: number): number =>
  paretoNbdAlive(parameters, x, tx, T) * paretoNbdIfAlive(parameters, x, T, t);
