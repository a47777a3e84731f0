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

/**
 * Expected against actual repeat orders of a cohort, week by week: week w holds the days 7(w - 1) + 1 to 7w after the cohort's
 * first day. The expectation is unconditional, Σ E[X(days since the customer's first order day)] over customers who have come by then: what
 * the model says of the cohort as a whole, before and after the day at which it was fitted.
 * @param o.firstDays the first order day of each customer, as a day number of any calendar
 * @param o.repeatDays the day numbers of the repeat order days of all of them, in any order
 * @param o.weeks how many weeks; those that the data cover
 * @throws CloveError `not-enough-data` for no customers
 */
export const trackCohort = (
  forecaster: Pick<Forecaster, 'model' | 'purchase' | 'unitDays'>,
  o: { firstDays: ArrayLike<number>; repeatDays: ArrayLike<number>; weeks: number },
): TrackedWeek[] => {
  if (o.firstDays.length === 0) throw new CloveError('not-enough-data', 'There is no customer to track.');
  const { expected } = purchaseModels[forecaster.model];
  const newcomers = new Map<number, number>();
  let start = Infinity;
  for (let i = 0; i < o.firstDays.length; i += 1) {
    const day = o.firstDays[i]!;
    newcomers.set(day, (newcomers.get(day) ?? 0) + 1);
    start = Math.min(start, day);
  }
  const orders = new Float64Array(o.weeks);
  for (let i = 0; i < o.repeatDays.length; i += 1) {
    const week = Math.ceil((o.repeatDays[i]! - start) / 7);
    if (week >= 1 && week <= o.weeks) orders[week - 1]! += 1;
  }
  let cumulativeExpected = 0;
  let cumulativeActual = 0;
  return Array.from(orders, (actual, i) => {
    const lastDay = start + 7 * (i + 1);
    let total = 0;
    for (const [day, count] of newcomers)
      if (day < lastDay)
        total += count * expected(forecaster.purchase.parameters, (lastDay - day) / forecaster.unitDays);
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
