import { CloveError } from '@clove/contracts';
import type { Forecaster } from './forecaster.js';
import { purchaseModels } from './purchase-models.js';

/** Repeat orders of a cohort in one week since its first day, and up to that week's end. */
export type TrackedWeek = {
  week: number;
  expected: number;
  actual: number;
  cumulativeExpected: number;
  cumulativeActual: number;
};

/** What happened on a day: customers whose first order day it was, and repeat order days of customers who came before. */
export type CohortDay = {
  /** of any calendar that counts days */
  day: number;
  newcomers: number;
  repeats: number;
};

/**
 * Expected against actual repeat orders of a cohort, week by week: week w holds the days 7(w - 1) + 1 to 7w after the cohort's
 * first day. The expectation is unconditional, Σ E[X(days since the customer's first order day)] over customers who have come by then: what
 * the model says of the cohort as a whole, before and after the day at which it was fitted.
 * @param o.days of all customers, in any order; those of one day add up
 * @param o.weeks how many weeks; those that the data cover
 * @throws CloveError `not-enough-data` for no customers
 */
export const trackCohort = (
  forecaster: Pick<Forecaster, 'model' | 'purchase' | 'unitDays'>,
  o: { days: readonly CohortDay[]; weeks: number },
): TrackedWeek[] => {
  const newcomers = new Map<number, number>();
  let start = Infinity;
  for (const { day, newcomers: count } of o.days) {
    if (!(count > 0)) continue;
    newcomers.set(day, (newcomers.get(day) ?? 0) + count);
    start = Math.min(start, day);
  }
  if (newcomers.size === 0) throw new CloveError('not-enough-data', 'There is no customer to track.');
  const orders = new Float64Array(o.weeks);
  for (const { day, repeats } of o.days) {
    const week = Math.ceil((day - start) / 7);
    if (week >= 1 && week <= o.weeks) orders[week - 1]! += repeats;
  }
  const { expected } = purchaseModels[forecaster.model];
  const byAge = new Map<number, number>();
  const expectedAt = (age: number): number => {
    const known = byAge.get(age);
    if (known !== undefined) return known;
    const made = expected(forecaster.purchase.parameters, age / forecaster.unitDays);
    byAge.set(age, made);
    return made;
  };
  let cumulativeExpected = 0;
  let cumulativeActual = 0;
  return Array.from(orders, (actual, i) => {
    const lastDay = start + 7 * (i + 1);
    let total = 0;
    for (const [day, count] of newcomers) if (day < lastDay) total += count * expectedAt(lastDay - day);
    const row = {
      week: i + 1,
      expected: total - cumulativeExpected,
      actual,
      cumulativeExpected: total,
      cumulativeActual: cumulativeActual + actual,
    };
    cumulativeExpected = total;
    cumulativeActual += actual;
    return row;
  });
};
