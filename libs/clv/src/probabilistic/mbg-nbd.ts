import { ordersOfTheLiving } from './bg-nbd.js';
import type { Counts } from './counts.js';
import type { Fit } from './fit.js';
import { customerLogLikelihood, fitPurchases, type PurchaseLikelihood } from './fit-purchases.js';
import { digamma, lnBeta, lnGamma, logAddExp } from './special.js';

/**
 * MBG/NBD: as BG/NBD, but the coin is thrown after the first order too, so that a customer who never came back may be
 * gone. Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base analysis,
 * International Journal of Research in Marketing 24(3).
 */
export type MbgNbd = { r: number; alpha: number; a: number; b: number };
const NAMES = ['r', 'alpha', 'a', 'b'] as const;

/** The parameters are r, alpha, a, b. */
const likelihood: PurchaseLikelihood = {
  ofOrders([r, alpha, a, b], x, gradient, weight) {
    gradient[0]! += weight * (digamma(r! + x) - digamma(r!) + Math.log(alpha!));
    gradient[1]! += (weight * r!) / alpha!;
    const shared = digamma(a! + b!) - digamma(a! + b! + x + 1);
    gradient[2]! += weight * shared;
    gradient[3]! += weight * (shared + digamma(b! + x + 1) - digamma(b!));
    return lnGamma(r! + x) - lnGamma(r!) + r! * Math.log(alpha!) + lnBeta(a!, b! + x + 1) - lnBeta(a!, b!);
  },
  ofLife(parameters, x, tx, T, gradient, weight) {
    const [r, alpha, a, b] = [parameters[0]!, parameters[1]!, parameters[2]!, parameters[3]!];
    const logEnd = Math.log(alpha + T);
    const logLast = Math.log(alpha + tx);
    const alive = -(r + x) * logEnd;
    const dead = Math.log(a / (b + x)) - (r + x) * logLast;
    const total = logAddExp(alive, dead);
    const pDead = Math.exp(dead - total);
    gradient[0]! -= weight * ((1 - pDead) * logEnd + pDead * logLast);
    gradient[1]! -= weight * (r + x) * ((1 - pDead) / (alpha + T) + pDead / (alpha + tx));
    gradient[2]! += (weight * pDead) / a;
    gradient[3]! -= (weight * pDead) / (b + x);
    return total;
  },
};

/** Log-likelihood of one customer; derivatives by r, alpha, a, b are added to `gradient` where given. */
export const mbgNbdLogLikelihood = (
  { r, alpha, a, b }: MbgNbd,
  x: number,
  tx: number,
  T: number,
  gradient?: Float64Array,
): number => customerLogLikelihood(likelihood, Float64Array.of(r, alpha, a, b), [x, tx, T], gradient);

/** Fits r, alpha, a, b by maximum likelihood. @throws CloveError `not-converged`, also where nobody drops out */
export const fitMbgNbd = (counts: Counts): Fit<(typeof NAMES)[number]> =>
  fitPurchases(
    'MBG/NBD',
    NAMES,
    (span) => [
      [0.5, span / 8, 0.8, 2.5],
      [1, span / 2, 0.3, 1],
      [0.3, span / 20, 1.5, 3],
    ],
    likelihood,
    counts,
  );

/** P(not yet dropped out at T | x, tx, T). */
export const mbgNbdAlive = ({ r, alpha, a, b }: MbgNbd, x: number, tx: number, T: number): number =>
  1 / (1 + (a / (b + x)) * Math.exp((r + x) * Math.log((alpha + T) / (alpha + tx))));

/** E[X(t)]: orders after the first that a new customer makes in a time t; the first coin is survived with b / (a + b). */
export const mbgNbdExpected = ({ r, alpha, a, b }: MbgNbd, t: number): number =>
  (b / (a + b)) * ordersOfTheLiving(r, alpha, a, b + 1, t);

/** Orders in the next `t` of a customer who is alive after x orders in a time T; discounted where `discount` > 0. */
export const mbgNbdIfAlive = ({ r, alpha, a, b }: MbgNbd, x: number, T: number, t: number, discount = 0): number =>
  ordersOfTheLiving(r + x, alpha + T, a, b + x + 1, t, discount);

/** E[Y(t) | x, tx, T]: orders in (T, T + t] of a customer with that history. */
export const mbgNbdConditional = (parameters: MbgNbd, x: number, tx: number, T: number, t: number): number =>
  mbgNbdAlive(parameters, x, tx, T) * mbgNbdIfAlive(parameters, x, T, t);
