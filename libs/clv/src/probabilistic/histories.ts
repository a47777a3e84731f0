import { CloveError } from '@clove/contracts';
import type { Table } from '../table.js';

/**
 * What the probabilistic models know of each customer at an as-of day, in days, row by row. Orders of one day count once:
 * an order day is a day with a purchase.
 *
 * Refunds and zero amounts: a purchase is an order of amount ≥ 0. One of amount 0 is an order like any other for x, tx and T;
 * a customer whose orders are all 0 tells nothing about spend. A refund, an order below 0, is no purchase and changes
 * none of x, tx, T and spend; forecasts of value are reduced by `refundShare` for everyone.
 */
export type Histories = {
  /** repeat order days: order days after the first */
  x: Float64Array;
  /** days from the first order day to the last; 0 where x = 0 */
  tx: Float64Array;
  /** days from the first order day to the as-of day; NaN for one who never purchased, who is no part of a fit and is forecast 0 */
  T: Float64Array;
  /** mean amount of an order day, of all x + 1; NaN where it is not above 0 */
  spend: Float64Array;
  /** mean amount of a repeat order day; NaN where x = 0 or it is not above 0 */
  repeatSpend: Float64Array;
  /** what was refunded so far over what was bought, of all customers together; at most 1 */
  refundShare: number;
};

const COLUMNS = [
  'active_days',
  'recency_days',
  'gap_mean_days',
  'revenue',
  'order_value_first',
  'refund_amount',
] as const;

/**
 * Histories from a snapshot. For `repeatSpend` the first day's spend is taken to be the first order's: the amounts of further
 * orders of that day go to the repeat days.
 * @throws CloveError `columns-mismatch` naming the snapshot columns that the table lacks
 */
export const historiesOf = (table: Table): Histories => {
  const column = (name: (typeof COLUMNS)[number]): Float64Array => {
    const found = table.columns.get(name);
    if (found?.kind === 'numeric') return found.values;
    const lacking = COLUMNS.filter((c) => table.columns.get(c)?.kind !== 'numeric');
    throw new CloveError(
      'columns-mismatch',
      `Purchase histories need the snapshot's numeric columns ${lacking.join(', ')}.`,
    );
  };
  const days = column('active_days');
  const recency = column('recency_days');
  const gap = column('gap_mean_days');
  const revenue = column('revenue');
  const first = column('order_value_first');
  const refunded = column('refund_amount');
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  const bought = sum(revenue);
  const x = days.map((count) => Math.max(0, count - 1));
  const tx = x.map((count, i) => (count > 0 ? Math.round(gap[i]! * count) : 0));
  return {
    x,
    tx,
    T: days.map((count, i) => (count > 0 ? recency[i]! + tx[i]! : Number.NaN)),
    spend: days.map((count, i) => (revenue[i]! > 0 ? revenue[i]! / count : Number.NaN)),
    // The tolerance: what is left of a difference of sums is no amount.
    repeatSpend: x.map((count, i) => {
      const later = revenue[i]! - first[i]!;
      return count > 0 && later > 1e-9 * revenue[i]! ? later / count : Number.NaN;
    }),
    refundShare: bought > 0 ? Math.min(1, sum(refunded) / bought) : 0,
  };
};
