import { expect, test } from 'vitest';
import { Rng } from '../rng.js';
import { type BgBb, bgBbAlive, bgBbConditional, bgBbExpected, fitBgBb } from './bg-bb.js';

const TRUTH: BgBb = { alpha: 1.2, beta: 0.8, gamma: 0.7, delta: 2.8 };
const PERIODS = 6;
const LATER = 4;

/** Customers as the model tells their story: death may come before each period, orders in those lived through. */
const simulated = (n: number) => {
  const rng = new Rng(12);
  return Array.from({ length: n }, () => {
    const order = rng.beta(TRUTH.alpha, TRUTH.beta);
    const death = rng.beta(TRUTH.gamma, TRUTH.delta);
    const customer = { x: 0, tx: 0, later: 0, alive: true };
    for (let period = 1; period <= PERIODS + LATER; period += 1) {
      customer.alive &&= rng.uniform() >= death;
      if (!customer.alive || rng.uniform() >= order) continue;
      if (period > PERIODS) customer.later += 1;
      else Object.assign(customer, { x: customer.x + 1, tx: period });
    }
    return customer;
  });
};

const customers = simulated(60_000);

test('expected orders are those of simulated customers, new and by history', () => {
  const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
  expect(Math.abs(mean(customers.map(({ x }) => x)) / bgBbExpected(TRUTH, PERIODS) - 1)).toBeLessThan(0.02);
  for (const [x, tx] of [
    [0, 0],
    [1, 1],
    [3, 4],
    [6, 6],
  ] as const) {
    const alike = customers.filter((c) => c.x === x && c.tx === tx);
    const expected = bgBbConditional(TRUTH, x, tx, PERIODS, LATER);
    const error = Math.sqrt((expected * LATER) / alike.length);
    expect(Math.abs(mean(alike.map(({ later }) => later)) - expected)).toBeLessThan(4 * error);
  }
});

test('P(alive) rises with the last order, and is 1 - P(death) for one who just ordered', () => {
  const alive = [1, 2, 3, 4, 5, 6].map((tx) => bgBbAlive(TRUTH, 1, tx, PERIODS));
  expect(alive).toEqual(alive.toSorted((a, b) => a - b));
  // Alive through period 6 for certain: the chance to live through one more is the mean of 1 - θ after six survivals.
  expect(bgBbAlive(TRUTH, 3, PERIODS, PERIODS)).toBeCloseTo(
    (TRUTH.delta + PERIODS) / (TRUTH.gamma + TRUTH.delta + PERIODS),
    12,
  );
});

test('a fit finds the parameters that customers were made with', () => {
  const counts = new Map<string, number>();
  for (const { x, tx } of customers) counts.set(`${x},${tx}`, (counts.get(`${x},${tx}`) ?? 0) + 1);
  const rows = [...counts].map(([key, weight]) => [...key.split(',').map(Number), weight]);
  const fit = fitBgBb({
    x: rows.map((row) => row[0]!),
    tx: rows.map((row) => row[1]!),
    n: rows.map(() => PERIODS),
    weight: rows.map((row) => row[2]!),
  });
  for (const name of ['alpha', 'beta', 'gamma', 'delta'] as const)
    expect(Math.abs(fit.parameters[name] - TRUTH[name])).toBeLessThan(4 * fit.standardErrors[name]);
});
