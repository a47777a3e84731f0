import { CloveError } from '@clove/contracts';
import { type Counts, ordersHistogram, thinCounts } from './counts.js';
import { fitPositive, type Fit, type LogLikelihood } from './fit.js';
import { fitNbd } from './nbd.js';

/**
 * The log-likelihood of a customer in two parts: what follows from the number of orders alone, so that it is computed once
 * for each number, and the rest. Each adds `weight` times its derivatives by the parameters to `gradient`.
 */
export type PurchaseLikelihood = {
  ofOrders: (parameters: Float64Array, x: number, gradient: Float64Array, weight: number) => number;
  ofLife: (
    parameters: Float64Array,
    x: number,
    tx: number,
    T: number,
    gradient: Float64Array,
    weight: number,
  ) => number;
};

/** Log-likelihood of one customer. `weight` times its derivatives are added to `gradient`. */
export const customerLogLikelihood = (
  { ofOrders, ofLife }: PurchaseLikelihood,
  parameters: Float64Array,
  history: readonly [x: number, tx: number, T: number],
  gradient: Float64Array = new Float64Array(parameters.length),
): number => ofOrders(parameters, history[0], gradient, 1) + ofLife(parameters, ...history, gradient, 1);

const summed = ({ ofOrders, ofLife }: PurchaseLikelihood, counts: Counts): LogLikelihood => {
  const orders = ordersHistogram(counts);
  return (parameters, gradient) => {
    let sum = 0;
    for (let i = 0; i < orders.x.length; i += 1)
      sum += orders.weight[i]! * ofOrders(parameters, orders.x[i]!, gradient, orders.weight[i]!);
    for (let i = 0; i < counts.x.length; i += 1) {
      const weight = counts.weight[i]!;
      sum += weight * ofLife(parameters, counts.x[i]!, counts.tx[i]!, counts.T[i]!, gradient, weight);
    }
    return sum;
  };
};

/** Histories on which the starts are tried where there are more: enough to tell them apart. */
const SAMPLE_ROWS = 4000;

/** Log-likelihood below which a better fit than another is none. */
const NOTHING = 0.01;

/**
 * Fits a purchase model by maximum likelihood. With many distinct histories the starts are tried on an even sample.
 * @throws CloveError `not-converged`; `NoDropOut` where nobody seems to drop out
 */
export const fitPurchases = <P extends string>(
  what: string,
  names: readonly P[],
  starts: (span: number) => number[][],
  likelihood: PurchaseLikelihood,
  counts: Counts,
): Fit<P> => {
  const span = counts.T.reduce((max, value) => Math.max(max, value), 0);
  const sample = counts.x.length > 2 * SAMPLE_ROWS ? thinCounts(counts, SAMPLE_ROWS) : undefined;
  const total = (weights: Float64Array) => weights.reduce((sum, value) => sum + value, 0);
  return fitPositive(what, names, starts(span), summed(likelihood, counts), {
    ...(sample && {
      sample: { logLikelihood: summed(likelihood, sample), share: total(sample.weight) / total(counts.weight) },
    }),
    objection: (largest) => withoutDropOut(what, counts, largest),
  });
};

/**
 * Nobody seems to drop out: the NBD, in which every customer stays, is as likely as the model with drop-out, so that the
 * latter's parameters of dropping out could be anything.
 */
export class NoDropOut extends CloveError {
  constructor(what: string, nbd: number) {
    super(
      'not-converged',
      `${what} could not be fitted to these customers: nobody seems to drop out. The NBD, in which every customer stays, is as likely (log-likelihood ${nbd.toFixed(2)}), so the parameters of dropping out could be anything. Take a longer history, or fit the NBD in its place.`,
    );
  }
}

const withoutDropOut = (what: string, counts: Counts, largest: number): NoDropOut | undefined => {
  const nbd = nbdLogLikelihood(counts);
  if (nbd === undefined || Math.abs(largest - nbd) > Math.max(NOTHING, 1e-7 * Math.abs(nbd))) return undefined;
  return new NoDropOut(what, nbd);
};

/** The NBD's largest log-likelihood; undefined where it has none, for one where all customers order at one rate. */
const nbdLogLikelihood = (counts: Counts): number | undefined => {
  try {
    return fitNbd(counts).logLikelihood;
  } catch (error) {
    if (error instanceof CloveError && error.code === 'not-converged') return undefined;
    throw error;
  }
};
