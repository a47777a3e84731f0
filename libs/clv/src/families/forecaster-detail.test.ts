import type { ModelManifest } from '@clove/contracts';
import { expect, test } from 'vitest';
import type { Forecaster } from '../probabilistic/forecaster.js';
import { forecasterDetail } from './forecaster-detail.js';

const column = (...values: number[]) => ({ kind: 'numeric' as const, values: Float64Array.from(values) });
const table = {
  rows: 2,
  ids: ['a', 'b'],
  columns: new Map(
    Object.entries({
      active_days: column(1, 3),
      recency_days: column(20, 2),
      gap_mean_days: column(Number.NaN, 9),
      revenue: column(10, 60),
      order_value_first: column(10, 20),
      refund_amount: column(0, 0),
    }),
  ),
};
const days = [
  { day: 0, newcomers: 2, repeats: 0 },
  { day: 9, newcomers: 0, repeats: 2 },
];
const fitted = (parameters: Record<string, number>) => ({
  parameters,
  standardErrors: {},
  atBorder: [],
  logCovariance: null,
});
const version = (purchase: Record<string, number>) => {
  const forecaster: Forecaster = {
    model: 'bg-nbd',
    inPlaceOf: null,
    unitDays: 7,
    purchase: fitted(purchase),
    spend: fitted({ p: 6, q: 4, v: 15 }),
    spendFrom: 'order-days',
    logLikelihood: 0,
    spendLogLikelihood: 0,
    customers: 2,
    repeaters: 1,
    refundShare: 0,
  };
  return { horizonDays: 28, predictor: { forecasters: [forecaster] } } as unknown as ModelManifest;
};

test('what a forecaster says of the customers comes with its weekly tracking', () => {
  const { detail, warnings } = forecasterDetail(version({ r: 0.24, alpha: 4.4, a: 0.8, b: 2.4 }), {
    table,
    days,
    until: '1970-01-29',
  });
  expect(detail.tracking!.map(({ actual }) => actual)).toEqual([0, 2, 0, 0]);
  expect(detail).toMatchObject({ forecaster: 'bg-nbd', trackingStart: '1970-01-01' });
  expect(warnings).toEqual([]);
});

test('tracking without a finite expectation is left out, and a warning says why', () => {
  const endless = version({ r: 1e6, alpha: 1e-6, a: 1e-6, b: 1e-6 });
  const { detail, warnings } = forecasterDetail(endless, { table, days, until: '1970-01-29' });
  expect(detail.tracking).toBeUndefined();
  expect(warnings).toMatchObject([{ code: 'no-tracking', message: expect.stringContaining('alpha = 0.000001') }]);
});
