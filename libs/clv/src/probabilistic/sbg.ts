import { CloveError } from '@clove/contracts';
import { fitPositive, type Fit } from './fit.js';
import { digamma, lnBeta } from './special.js';

/**
 * Shifted beta-geometric model of contracts: each renewal is refused with θ ~ Beta(alpha, beta). Fader & Hardie (2007), How
 * to project customer retention, Journal of Interactive Marketing 21(1).
 */
export type Sbg = { alpha: number; beta: number };

/**
 * Fits alpha and beta to the share of a cohort that is still there after each period.
 * @param survival falling shares from 1 (period 0) on
 * @param customers size of the cohort, which scales the standard errors
 * @throws CloveError `value-invalid` where the shares do not start at 1 and fall; `not-converged`
 */
export const fitSbg = (survival: readonly number[], customers = 1000): Fit<'alpha' | 'beta'> => {
  if (
    survival.length < 3 ||
    survival[0] !== 1 ||
    survival.some((share, i) => share < 0 || (i > 0 && share > survival[i - 1]!))
  )
    throw new CloveError('value-invalid', 'Survival must hold at least three shares, begin with 1 and never rise.');
  return fitPositive(
    'Shifted beta-geometric',
    ['alpha', 'beta'],
    [
      [1, 1],
      [0.5, 3],
      [3, 5],
    ],
    ([alpha, beta], gradient) => {
      let sum = 0;
      const base = digamma(alpha! + beta!);
      const add = (weight: number, losses: number, renewals: number) => {
        sum += weight * (lnBeta(alpha! + losses, beta! + renewals) - lnBeta(alpha!, beta!));
        const all = digamma(alpha! + beta! + losses + renewals);
        gradient[0]! += weight * (digamma(alpha! + losses) - all - digamma(alpha!) + base);
        gradient[1]! += weight * (digamma(beta! + renewals) - all - digamma(beta!) + base);
      };
      for (let t = 1; t < survival.length; t += 1) add(customers * (survival[t - 1]! - survival[t]!), 1, t - 1);
      add(customers * survival.at(-1)!, 0, survival.length - 1);
      return sum;
    },
  );
};

/** S(t): the share of a cohort that is still there after t periods, equation 6. */
export const sbgSurvival = ({ alpha, beta }: Sbg, t: number): number =>
  Math.exp(lnBeta(alpha, beta + t) - lnBeta(alpha, beta));
