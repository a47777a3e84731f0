import { describe, expect, test } from 'vitest';
import { Rng } from '../rng.js';
import { SNAPSHOT_FEATURE_NAMES } from '../snapshot-features.js';
import type { Table } from '../table.js';
import { bgNbdConditional } from './bg-nbd.js';
import {
  bootstrapForecaster,
  discountedValue,
  fitForecaster,
  type FittedParameters,
  forecast,
  type Forecaster,
} from './forecaster.js';
import { gammaGammaConditional, gammaGammaMean } from './gamma-gamma.js';
import { type Histories, historiesOf } from './histories.js';
import { paretoNbdConditional } from './pareto-nbd.js';
import { type PurchaseModel, purchaseModels } from './purchase-models.js';
import { BG, PARETO, simulate } from './simulate.test-support.js';
import { trackCohort } from './tracking.js';

const known = (parameters: Record<string, number>): FittedParameters => ({
  parameters,
  standardErrors: Object.fromEntries(Object.keys(parameters).map((name) => [name, null])),
  atBorder: [],
  logCovariance: null,
});
const SPEND = { p: 6, q: 4, v: 15 };
/** A forecaster whose parameters are known. */
const truth = (model: PurchaseModel): Forecaster => ({
  model,
  inPlaceOf: null,
  unitDays: 7,
  purchase: known(model === 'pareto-nbd' ? PARETO : model === 'nbd' ? { r: BG.r, alpha: BG.alpha } : BG),
  spend: known(SPEND),
  spendFrom: 'order-days',
  logLikelihood: 0,
  spendLogLikelihood: 0,
  customers: 0,
  repeaters: 0,
  refundShare: 0,
});

const WEEKS = 40;
/** Customers who came up to 20 weeks apart, seen for at most 40 weeks, with what they ordered in the 30 weeks after. */
const simulated = (kind: Parameters<typeof simulate>[2], n: number, seed: number) => {
  const rng = new Rng(seed);
  const histories: Histories = {
    x: new Float64Array(n),
    tx: new Float64Array(n),
    T: new Float64Array(n),
    spend: new Float64Array(n),
    repeatSpend: new Float64Array(n),
    refundShare: 0,
  };
  const later = new Float64Array(n);
  const laterSpend = new Float64Array(n);
  for (let i = 0; i < n; i += 1) {
    const T = WEEKS - 20 * rng.uniform();
    const orders = simulate(rng, T + 30, kind);
    const seen = orders.filter((t) => t <= T);
    const rate = rng.gamma(SPEND.q) / SPEND.v;
    const amounts = [0, ...orders].map(() => rng.gamma(SPEND.p) / rate);
    const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
    histories.x[i] = seen.length;
    histories.tx[i] = 7 * (seen.at(-1) ?? 0);
    histories.T[i] = 7 * T;
    histories.spend[i] = mean(amounts.slice(0, seen.length + 1));
    histories.repeatSpend[i] = seen.length > 0 ? mean(amounts.slice(1, seen.length + 1)) : Number.NaN;
    later[i] = orders.length - seen.length;
    laterSpend[i] = amounts.slice(seen.length + 1).reduce((sum, v) => sum + v, 0);
  }
  return { histories, later, laterSpend };
};
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);

describe.each(['bg-nbd', 'mbg-nbd', 'pareto-nbd', 'nbd'] as const)('%s', (model) => {
  const { histories, later, laterSpend } = simulated(model, 30_000, 2);
  const made = forecast(truth(model), histories, 7 * 30);

  test('orders, buyers and spend are those of simulated customers, for those long silent and others alike', () => {
    const groups = [
      (i: number) => histories.x[i] === 0,
      (i: number) => histories.x[i]! > 0 && histories.T[i]! - histories.tx[i]! > 70,
      (i: number) => histories.x[i]! > 0 && histories.T[i]! - histories.tx[i]! <= 70,
    ];
    for (const inGroup of groups) {
      const of = (values: Float64Array) => values.filter((_, i) => inGroup(i));
      const n = of(later).length;
      const buyers = sum(of(later.map((orders) => Number(orders > 0))));
      expect(Math.abs(sum(of(made.pBuy)) - buyers)).toBeLessThan(4 * Math.sqrt(n * 0.25));
      expect(Math.abs(sum(of(made.orders)) / sum(of(later)) - 1)).toBeLessThan(0.08);
      expect(Math.abs(sum(of(made.value)) / sum(of(laterSpend)) - 1)).toBeLessThan(0.12);
    }
  });

  test('a fit to these customers forecasts the same totals, and is plain JSON', () => {
    const fitted = fitForecaster(model, histories);
    const again = forecast(JSON.parse(JSON.stringify(fitted)) as Forecaster, histories, 7 * 30);
    expect(Math.abs(sum(again.orders) / sum(made.orders) - 1)).toBeLessThan(0.08);
    for (const [name, value] of Object.entries(truth(model).purchase.parameters)) {
      const error = fitted.purchase.standardErrors[name]!;
      expect(Math.abs(fitted.purchase.parameters[name]! - value)).toBeLessThan(4 * error);
    }
    for (const [name, value] of Object.entries(SPEND))
      expect(Math.abs(fitted.spend.parameters[name]! - value)).toBeLessThan(4.5 * fitted.spend.standardErrors[name]!);
  });

  test('P(buy) is what the purchase process gives when it is played on from the living', () => {
    // Of the living after x orders in T, the chance of silence falls from 1 at the rate of expected orders.
    const { silence, ifAlive } = purchaseModels[model];
    const { parameters } = truth(model).purchase;
    expect(silence(parameters, 3, 20, 0)).toBeCloseTo(1, 12);
    const h = 1e-4;
    expect((1 - silence(parameters, 3, 20, h)) / h).toBeCloseTo(ifAlive(parameters, 3, 20, h) / h, 4);
    let before = 1;
    for (const t of [1, 5, 20, 100, 1000]) {
      const now = silence(parameters, 3, 20, t);
      expect(now).toBeLessThan(before);
      expect(1 - now).toBeLessThanOrEqual(ifAlive(parameters, 3, 20, t) + 1e-12); // P(N > 0) ≤ E[N]
      before = now;
    }
  });

  test('discounted values are sums over short periods, each discounted from its middle', () => {
    const few: Histories = {
      x: Float64Array.of(0, 3, 25, 0),
      tx: Float64Array.of(0, 100, 250, 0),
      T: Float64Array.of(200, 220, 280, Number.NaN),
      spend: Float64Array.of(20, Number.NaN, 40, Number.NaN),
      repeatSpend: Float64Array.of(Number.NaN, Number.NaN, 40, Number.NaN),
      refundShare: 0,
    };
    const f = { ...truth(model), refundShare: 0.1 };
    const plain = (rate: number, days: number) => {
      const step = 7;
      const totals = new Float64Array(4);
      let before = new Float64Array(4);
      for (let day = step; day <= days; day += step) {
        const { value } = forecast(f, few, day);
        for (let i = 0; i < 4; i += 1) totals[i]! += (value[i]! - before[i]!) * (1 + rate) ** (-(day - step / 2) / 365);
        before = Float64Array.from(value);
      }
      return totals;
    };
    const within = (actual: Float64Array, expected: Float64Array) => {
      for (let i = 0; i < 3; i += 1) expect(Math.abs(actual[i]! / expected[i]! - 1)).toBeLessThan(1e-4);
      expect(actual[3]).toBe(0);
    };
    within(discountedValue(f, few, { annualRate: 0.15, horizonDays: 728 }), plain(0.15, 728));
    within(discountedValue(f, few, { annualRate: 3 }), plain(3, 7 * 700));
    within(discountedValue(f, few, { annualRate: 0, horizonDays: 364 }), forecast(f, few, 364).value);
    expect(() => discountedValue(f, few, { annualRate: 0 })).toThrow(/above 0/);
    expect(() => discountedValue(f, few, { annualRate: -0.1, horizonDays: 100 })).toThrow(/-0.1/);
  });

  test('tracking adds up what each customer is expected to do since the day of the first order', () => {
    const firstDays = [100, 100, 103, 140];
    const days = [
      ...firstDays.map((day) => ({ day, newcomers: 1, repeats: 0 })),
      ...[107, 108, 120, 120, 150].map((day) => ({ day, newcomers: 0, repeats: 1 })),
    ];
    const table = trackCohort(truth(model), { days, weeks: 8 });
    const { expected } = purchaseModels[model];
    expect(table.map(({ actual }) => actual)).toEqual([1, 1, 2, 0, 0, 0, 0, 1]);
    for (const { week, cumulativeExpected } of table) {
      const end = 100 + 7 * week;
      const seen = firstDays.filter((day) => day < end);
      const total = sum(seen.map((day) => expected(truth(model).purchase.parameters, (end - day) / 7)));
      expect(cumulativeExpected).toBeCloseTo(total, 12);
    }
    expect(sum(table.map((row) => row.expected))).toBeCloseTo(table.at(-1)!.cumulativeExpected, 12);
    expect(table.at(-1)!.cumulativeActual).toBe(5);
  });
});

describe('forecasts by customer', () => {
  const histories: Histories = {
    x: Float64Array.of(2, 0, 5, 0),
    tx: Float64Array.of(210, 0, 30, 0),
    T: Float64Array.of(273, 273, 200, Number.NaN),
    spend: Float64Array.of(12, 30, Number.NaN, Number.NaN),
    repeatSpend: Float64Array.of(10, Number.NaN, Number.NaN, Number.NaN),
    refundShare: 0.25,
  };
  test('are the closed forms in weeks, spend from all order days or from repeat days, refunds deducted', () => {
    const f = { ...truth('pareto-nbd'), refundShare: 0.25 };
    const made = forecast(f, histories, 91);
    const orders = paretoNbdConditional(PARETO, 2, 30, 39, 13);
    expect(made.orders[0]).toBeCloseTo(orders, 12);
    expect(made.spend[0]).toBeCloseTo(gammaGammaConditional(SPEND, 3, 12), 12);
    expect(made.value[0]).toBeCloseTo(orders * gammaGammaConditional(SPEND, 3, 12) * 0.75, 12);
    expect(made.spend[1]).toBeCloseTo(gammaGammaConditional(SPEND, 1, 30), 12);
    const repeat = forecast({ ...f, spendFrom: 'repeat-days' }, histories, 91);
    expect(repeat.spend[0]).toBeCloseTo(gammaGammaConditional(SPEND, 2, 10), 12);
    expect(repeat.spend[1]).toBeCloseTo(gammaGammaMean(SPEND), 12);
    expect(forecast(truth('bg-nbd'), histories, 91).orders[2]).toBeCloseTo(
      bgNbdConditional(BG, 5, 30 / 7, 200 / 7, 13),
      12,
    );
  });
  test('a customer of zero amounts gets the mean spend, and one who never purchased nothing', () => {
    const made = forecast(truth('bg-nbd'), histories, 91);
    expect(made.spend[2]).toBeCloseTo(gammaGammaMean(SPEND), 12);
    expect([made.pAlive[3], made.orders[3], made.pBuy[3], made.value[3]]).toEqual([0, 0, 0, 0]);
  });
});

describe('a fit', () => {
  test('without anyone who drops out is refused, or is the NBD where the caller allows it', () => {
    const { histories } = simulated('nbd', 3000, 2);
    expect(() => fitForecaster('pareto-nbd', histories)).toThrow(
      /Pareto\/NBD could not be fitted.*nobody seems to drop out/,
    );
    const instead = fitForecaster('pareto-nbd', histories, { withoutDropOut: 'nbd' });
    expect(instead.model).toBe('nbd');
    expect(instead.inPlaceOf).toEqual({
      model: 'pareto-nbd',
      reason: expect.stringMatching(/nobody seems to drop out/),
    });
    expect(forecast(instead, histories, 100).pAlive.every((p) => p === 1)).toBe(true);
  });

  test('leaves out customers who never purchased, and says when nobody came back', () => {
    const { histories } = simulated('bg-nbd', 2000, 5);
    const longer: Histories = {
      ...histories,
      x: Float64Array.of(...histories.x, 0),
      tx: Float64Array.of(...histories.tx, 0),
      T: Float64Array.of(...histories.T, Number.NaN),
      spend: Float64Array.of(...histories.spend, Number.NaN),
      repeatSpend: Float64Array.of(...histories.repeatSpend, Number.NaN),
    };
    expect(fitForecaster('bg-nbd', longer)).toEqual(fitForecaster('bg-nbd', histories));
    const nobody: Histories = {
      ...histories,
      x: histories.x.map(() => 0),
      tx: histories.tx.map(() => 0),
      repeatSpend: histories.x.map(() => Number.NaN),
    };
    expect(() => fitForecaster('bg-nbd', nobody)).toThrow(/could not be fitted|at least two customers/);
  });

  test('of one rate of dropping out for all reports the parameters that ran off, and forecasts all the same', () => {
    // Everyone throws the same coin: a and b grow without end at a fixed ratio.
    const rng = new Rng(8);
    const n = 4000;
    const histories = simulated('nbd', n, 9).histories;
    for (let i = 0; i < n; i += 1) {
      const T = 40;
      const lambda = rng.gamma(1) / 5;
      const orders: number[] = [];
      for (let t = rng.exponential() / lambda; t <= T; t += rng.exponential() / lambda) {
        orders.push(t);
        if (rng.uniform() < 0.3) break;
      }
      histories.x[i] = orders.length;
      histories.tx[i] = 7 * (orders.at(-1) ?? 0);
      histories.T[i] = 7 * T;
    }
    histories.repeatSpend = histories.spend.map((v, i) => (histories.x[i]! > 0 ? v : Number.NaN));
    const f = fitForecaster('bg-nbd', histories);
    const { a, b } = f.purchase.parameters;
    expect(a! / (a! + b!)).toBeCloseTo(0.3, 1);
    expect(a).toBeGreaterThan(20);
    const { orders } = forecast(f, histories, 210);
    expect(orders.every((v) => Number.isFinite(v) && v >= 0)).toBe(true);
  });

  test.each(['nbd', 'bg-nbd'] as const)('%s: totals are as uncertain as refits to fresh customers differ', (model) => {
    const n = 1200;
    const { histories } = simulated(model, n, 20);
    const refits = Array.from({ length: 40 }, (_, k) => {
      const fresh = fitForecaster(model, simulated(model, n, 1000 + k).histories);
      return Math.log(sum(forecast(fresh, histories, 182).value));
    });
    const mean = sum(refits) / refits.length;
    const spread = Math.sqrt(sum(refits.map((v) => (v - mean) ** 2)) / refits.length);
    const drawn = bootstrapForecaster(fitForecaster(model, histories), { draws: 60, seed: 1 });
    const totals = drawn.map((f) => Math.log(sum(forecast(f, histories, 182).value)));
    const centre = sum(totals) / totals.length;
    const doubt = Math.sqrt(sum(totals.map((v) => (v - centre) ** 2)) / totals.length);
    expect(Math.abs(doubt / spread - 1)).toBeLessThan(0.45);
  });

  test('draws parameters that spread as their errors say, purchase and spend alike', () => {
    const f = fitForecaster('pareto-nbd', simulated('pareto-nbd', 4000, 6).histories);
    const draws = bootstrapForecaster(f, { draws: 3000, seed: 1 });
    for (const part of ['purchase', 'spend'] as const) {
      for (const [k, name] of Object.keys(f[part].parameters).entries()) {
        const logs = draws.map((d) => Math.log(d[part].parameters[name]! / f[part].parameters[name]!));
        const mean = sum(logs) / 3000;
        const sd = Math.sqrt(sum(logs.map((v) => (v - mean) ** 2)) / 3000);
        expect(Math.abs(mean)).toBeLessThan(0.1 * sd);
        expect(Math.abs(sd / Math.sqrt(f[part].logCovariance![k]![k]!) - 1)).toBeLessThan(0.06);
      }
    }
    expect(bootstrapForecaster(f, { draws: 2, seed: 1 })).toEqual(draws.slice(0, 2));
    expect(() => bootstrapForecaster(truth('bg-nbd'), { draws: 1, seed: 1 })).toThrow(/not determined/);
  });
});

describe('histories of a snapshot', () => {
  const snapshot = (rows: Record<string, number>[]): Table => ({
    rows: rows.length,
    ids: rows.map((_, i) => `c${i}`),
    columns: new Map(
      SNAPSHOT_FEATURE_NAMES.filter((name) => name !== 'place').map((name) => [
        name,
        { kind: 'numeric', values: Float64Array.from(rows, (row) => row[name] ?? Number.NaN) },
      ]),
    ),
  });

  test('come from order days; refunds are no purchases, and a refund before the first purchase does not make a customer older', () => {
    const made = historiesOf(
      snapshot([
        // Four order days on days 0, 3, 4, 10 of which the as-of day is 30; 5, 6, 7 and 8 spent; a refund 50 days ago.
        {
          active_days: 4,
          recency_days: 20,
          gap_mean_days: 10 / 3,
          tenure_days: 50,
          revenue: 26,
          order_value_first: 5,
          refund_amount: 13,
        },
        {
          active_days: 1,
          recency_days: 7,
          gap_mean_days: Number.NaN,
          tenure_days: 7,
          revenue: 0,
          order_value_first: 0,
          refund_amount: 0,
        },
        { active_days: 0, recency_days: Number.NaN, tenure_days: 3, revenue: 0, refund_amount: 13 },
        {
          active_days: 2,
          recency_days: 0,
          gap_mean_days: 9,
          tenure_days: 9,
          revenue: 26,
          order_value_first: 26,
          refund_amount: 0,
        },
      ]),
    );
    expect([...made.x]).toEqual([3, 0, 0, 1]);
    expect([...made.tx]).toEqual([10, 0, 0, 9]);
    expect([...made.T]).toEqual([30, 7, Number.NaN, 9]);
    expect([...made.spend]).toEqual([6.5, Number.NaN, Number.NaN, 13]);
    expect([...made.repeatSpend]).toEqual([7, Number.NaN, Number.NaN, Number.NaN]);
    expect(made.refundShare).toBe(0.5);
  });

  test('are refused without the snapshot’s columns, which are named', () => {
    const table = snapshot([{ active_days: 1 }]);
    const columns = new Map([...table.columns].filter(([name]) => name !== 'revenue' && name !== 'gap_mean_days'));
    expect(() => historiesOf({ ...table, columns })).toThrow(/gap_mean_days, revenue/);
  });
});
