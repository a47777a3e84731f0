import type { Rng } from '../rng.js';

/** Parameters of simulated customers. */
export const BG = { r: 0.4, alpha: 6, a: 0.8, b: 2 };
export const PARETO = { r: 0.6, alpha: 10, s: 0.7, beta: 12 };

/**
 * Times of the repeat orders of one customer in (0, until], by the story of each model: a coin after each order, a coin after
 * the first one too, an exponential lifetime, or no end.
 */
export const simulate = (rng: Rng, until: number, kind: 'bg-nbd' | 'mbg-nbd' | 'pareto-nbd' | 'nbd'): number[] => {
  const { r, alpha } = kind === 'pareto-nbd' ? PARETO : BG;
  const lambda = rng.gamma(r) / alpha;
  const p = kind === 'bg-nbd' || kind === 'mbg-nbd' ? rng.beta(BG.a, BG.b) : 0;
  const death = kind === 'pareto-nbd' ? rng.exponential() / (rng.gamma(PARETO.s) / PARETO.beta) : Infinity;
  const orders: number[] = [];
  if (kind === 'mbg-nbd' && rng.uniform() < p) return orders;
  for (let t = rng.exponential() / lambda; t <= Math.min(until, death); t += rng.exponential() / lambda) {
    orders.push(t);
    if (rng.uniform() < p) break;
  }
  return orders;
};
