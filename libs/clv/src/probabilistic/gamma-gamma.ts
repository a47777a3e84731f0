import { CloveError } from '@clove/contracts';
import { fitPositive, type Fit } from './fit.js';
import { digamma, lnGamma } from './special.js';

/**
 * Gamma-Gamma model of spend an order: a customer's orders are Gamma(p, ν) with ν ~ Gamma(q, v), independent of how often
 * they come. Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value.
 */
export type GammaGamma = { p: number; q: number; v: number };
const NAMES = ['p', 'q', 'v'] as const;

/** Customers with at least one order: `x` orders, `mean` spend an order (> 0). */
export type SpendCounts = { x: ArrayLike<number>; mean: ArrayLike<number> };

/**
 * Fits p, q, v by maximum likelihood (equation 1a). Customers without repeat orders or with a mean spend of 0 carry no
 * information on spend: leave them out.
 * @throws CloveError `not-enough-data` for fewer than two customers; `value-invalid` for a mean spend ≤ 0 or x < 1;
 *   `not-converged`, also where q ≤ 1: the population mean p·v/(q - 1) is then infinite or negative, and so would every
 *   forecast of spend be
 */
export const fitGammaGamma = (spend: SpendCounts): Fit<(typeof NAMES)[number]> => {
  const n = spend.x.length;
  if (n < 2)
    throw new CloveError(
      'not-enough-data',
      'A spend model needs at least two customers with repeat orders of positive amounts.',
    );
  // What of the likelihood follows from x alone is computed once for each x; two sums stand for the logarithms of the means.
  const customers = new Map<number, number>();
  let mean = 0;
  let logs = 0;
  let logsOfOrders = 0;
  const totals = new Float64Array(n);
  for (let i = 0; i < n; i += 1) {
    const x = spend.x[i]!;
    const z = spend.mean[i]!;
    if (!(z > 0 && Number.isFinite(z) && x >= 1)) {
      throw new CloveError(
        'value-invalid',
        `Customer ${i + 1} has ${x} orders with a mean of ${z}: the spend model takes customers with orders of positive amounts only. Leave out zero amounts and net out refunds first.`,
      );
    }
    customers.set(x, (customers.get(x) ?? 0) + 1);
    mean += z / n;
    logs += Math.log(z);
    logsOfOrders += x * Math.log(z);
    totals[i] = x * z;
  }
  const starts = [
    [2, 3, mean],
    [6, 4, mean / 2],
    [1, 6, 5 * mean],
  ];
  const fit = fitPositive('Gamma-Gamma', NAMES, starts, (parameters, gradient) => {
    const [p, q, v] = [parameters[0]!, parameters[1]!, parameters[2]!];
    let sum = p * logsOfOrders - logs;
    gradient[0] = logsOfOrders;
    for (const [x, weight] of customers) {
      const k = p * x;
      sum += weight * (lnGamma(k + q) - lnGamma(k) - lnGamma(q) + q * Math.log(v) + k * Math.log(x));
      const psi = digamma(k + q);
      gradient[0]! += weight * x * (psi - digamma(k) + Math.log(x));
      gradient[1]! += weight * (psi - digamma(q) + Math.log(v));
      gradient[2]! += (weight * q) / v;
    }
    for (let i = 0; i < n; i += 1) {
      const all = p * spend.x[i]! + q;
      const log = Math.log(totals[i]! + v);
      sum -= all * log;
      gradient[0]! -= spend.x[i]! * log;
      gradient[1]! -= log;
      gradient[2]! -= all / (totals[i]! + v);
    }
    return sum;
  });
  const { q } = fit.parameters;
  if (q <= 1) {
    throw new CloveError(
      'not-converged',
      `Gamma-Gamma fitted q = ${q.toFixed(3)}: the spend of these customers varies so much that its mean does not exist (q must exceed 1). Look for amounts that are not single orders, or cap extreme ones.`,
    );
  }
  return fit;
};

/** Population mean of spend an order, p·v/(q - 1). */
export const gammaGammaMean = ({ p, q, v }: GammaGamma): number => (p * v) / (q - 1);

/** E[spend an order | x orders with this mean], equation 5: between the customer's own mean and the population's. */
export const gammaGammaConditional = ({ p, q, v }: GammaGamma, x: number, mean: number): number =>
  (p * (v + x * mean)) / (p * x + q - 1);
