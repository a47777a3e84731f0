import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { bgBbConditional, fitBgBb } from './bg-bb.js';
import { type BgNbd, bgNbdConditional, bgNbdExpected, bgNbdLogLikelihood, fitBgNbd } from './bg-nbd.js';
import { computeMetrics } from '../metrics.js';
import { groupCounts } from './counts.js';
import { fitGammaGamma, gammaGammaConditional, gammaGammaMean } from './gamma-gamma.js';
import { fitMbgNbd, type MbgNbd, mbgNbdConditional } from './mbg-nbd.js';
import { fitParetoNbd, type ParetoNbd, paretoNbdAlive, paretoNbdConditional } from './pareto-nbd.js';
import { fitSbg, sbgSurvival } from './sbg.js';
import { trackCohort } from './tracking.js';

const data = process.env.CLOVE_DATA ?? fileURLToPath(new URL('../../../../../shared/data', import.meta.url));
const table = (file: string) =>
  readFileSync(path.join(data, file), 'utf8')
    .trim()
    .split(/\r?\n/)
    .slice(1)
    .map((line) => line.split(',').map(Number));
const within = (actual: Record<string, number>, expected: Record<string, number>, relative: number) => {
  for (const [name, value] of Object.entries(expected))
    expect(Math.abs(actual[name]! / value - 1), `${name} = ${actual[name]}, published ${value}`).toBeLessThan(relative);
};

describe.skipIf(!existsSync(path.join(data, 'cdnow')))(
  'published fits to the CDNOW sample (needs the data folder)',
  () => {
    const customers = existsSync(path.join(data, 'cdnow'))
      ? table('cdnow/cdnow_customers_summary_with_transactions.csv').map(([, x, tx, T, mean]) => ({
          x: x!,
          tx: tx!,
          T: T!,
          mean: mean!,
        }))
      : [];
    const counts = () =>
      groupCounts(
        customers.map((c) => c.x),
        customers.map((c) => c.tx),
        customers.map((c) => c.T),
      );

    test('BG/NBD: parameters, errors, likelihood and expectations of Fader, Hardie & Lee (2005)', () => {
      const fit = fitBgNbd(counts());
      within(fit.parameters, { r: 0.24259, alpha: 4.4136, a: 0.7929, b: 2.4259 }, 0.01);
      within(fit.standardErrors, { r: 0.01256, alpha: 0.378, a: 0.186, b: 0.705 }, 0.02);
      expect(fit.logLikelihood).toBeCloseTo(-9582.43, 1);
      for (const [t, orders] of [
        [0.1429, 0.0078],
        [1, 0.0532],
        [3, 0.1506],
        [31.8571, 1.0405],
        [32, 1.0437],
      ] as const)
        expect(Math.abs(bgNbdExpected(fit.parameters, t) - orders)).toBeLessThan(0.00006);
      expect(bgNbdConditional(fit.parameters, 2, 30.43, 38.86, 39)).toBeCloseTo(1.226, 3);
      // P(X(39) = 0) is the likelihood of a customer without an order.
      expect(Math.abs(Math.exp(bgNbdLogLikelihood(fit.parameters, 0, 0, 39)) / 0.57379 - 1)).toBeLessThan(0.005);
    });

    test('Pareto/NBD: parameters, errors, likelihood, P(alive) and expectations of Fader & Hardie (2005)', () => {
      const fit = fitParetoNbd(counts());
      within(fit.parameters, { r: 0.5533, alpha: 10.578, s: 0.6062, beta: 11.669 }, 0.01);
      within(fit.standardErrors, { r: 0.0476, alpha: 0.8427, s: 0.1873, beta: 6.2105 }, 0.02);
      expect(Math.abs(fit.logLikelihood - -9594.976)).toBeLessThan(0.01);
      expect(paretoNbdConditional(fit.parameters, 26, 30.86, 31, 52)).toBeCloseTo(25.46, 1);
      expect(paretoNbdAlive(fit.parameters, 26, 30.86, 31)).toBeCloseTo(0.9979, 4);
    });

    test('MBG/NBD: parameters and likelihood', () => {
      const fit = fitMbgNbd(counts());
      within(fit.parameters, { r: 0.525, alpha: 6.183, a: 0.891, b: 1.614 }, 0.01);
      expect(Math.abs(fit.logLikelihood - -9582.14)).toBeLessThan(0.01);
    });

    test('Gamma-Gamma: parameters, likelihood, population mean and conditional spend of Fader & Hardie (2013)', () => {
      const repeaters = customers.filter((c) => c.x > 0);
      expect(repeaters).toHaveLength(946);
      const fit = fitGammaGamma({ x: repeaters.map((c) => c.x), mean: repeaters.map((c) => c.mean) });
      within(fit.parameters, { p: 6.2488, q: 3.7446, v: 15.4477 }, 0.01);
      expect(Math.abs(fit.logLikelihood - -4055.92)).toBeLessThan(0.01);
      expect(gammaGammaMean(fit.parameters)).toBeCloseTo(35.171, 2);
      const first = customers
        .slice(0, 10)
        .map((c) => gammaGammaConditional({ p: 6.25, q: 3.74, v: 15.44 }, c.x, c.mean));
      const published = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17];
      for (const [i, value] of first.entries()) expect(Math.abs(value - published[i]!)).toBeLessThan(0.1);
    });
  },
);

describe.skipIf(!existsSync(path.join(data, 'cdnow')))(
  'what the fits say of the CDNOW sample (needs the data folder)',
  () => {
    /** Order days of each customer, as days since 1 January 1997, ascending: several orders of a day are one. */
    const orderDays = () => {
      const days = new Map<number, Set<number>>();
      for (const line of readFileSync(path.join(data, 'cdnow/CDNOW_sample.txt'), 'utf8').trim().split(/\r?\n/)) {
        const [, id, date] = line.trim().split(/\s+/);
        const day = Date.parse(`${date!.slice(0, 4)}-${date!.slice(4, 6)}-${date!.slice(6)}`) / 86_400_000;
        const known = days.get(Number(id)) ?? new Set();
        days.set(Number(id), known.add(day - Date.parse('1997-01-01') / 86_400_000));
      }
      return [...days].toSorted(([a], [b]) => a - b).map(([, set]) => [...set].toSorted((a, b) => a - b));
    };
    const CALIBRATION = 272; // 1997-09-30
    const customers = existsSync(path.join(data, 'cdnow')) ? orderDays() : [];
    const histories = customers.map((days) => {
      const seen = days.filter((day) => day <= CALIBRATION);
      return { x: seen.length - 1, tx: (seen.at(-1)! - seen[0]!) / 7, T: (CALIBRATION - seen[0]!) / 7 };
    });
    const counts = () =>
      groupCounts(
        histories.map(({ x }) => x),
        histories.map(({ tx }) => tx),
        histories.map(({ T }) => T),
      );
    const observed = customers.map((days) => days.filter((day) => day > CALIBRATION).length);
    const total = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0);

    test('histories from the transactions are those of the published summary', () => {
      const published = table('cdnow/cdnow_customers_summary_with_transactions.csv');
      for (const [i, { x, tx, T }] of histories.entries())
        expect([x, tx.toFixed(2), T.toFixed(2)]).toEqual([
          published[i]![1],
          published[i]![2]!.toFixed(2),
          published[i]![3]!.toFixed(2),
        ]);
      expect([total(histories.map(({ x }) => x)), total(observed)]).toEqual([2457, 1882]);
    });

    test('39 weeks ahead: total bias, errors and order of each model, recomputed', () => {
      const [bg, pareto, mbg] = [fitBgNbd(counts()), fitParetoNbd(counts()), fitMbgNbd(counts())].map(
        (fit) => fit.parameters,
      ) as [BgNbd, ParetoNbd, MbgNbd];
      const expected = {
        'naive rate': [0.557, 1.024, 2.212, 0.652],
        'BG/NBD': [-0.121, 0.786, 1.608, 0.663],
        'Pareto/NBD': [-0.115, 0.755, 1.603, 0.673],
        'MBG/NBD': [-0.162, 0.765, 1.607, 0.664],
      };
      const forecasts: Record<keyof typeof expected, (h: (typeof histories)[number], row: number) => number> = {
        // The published order of those who tie, at 0 above all, is that of the rows.
        'naive rate': ({ x, T }, row) => (x / T) * 39 - 1e-9 * row,
        'BG/NBD': ({ x, tx, T }) => bgNbdConditional(bg, x, tx, T, 39),
        'Pareto/NBD': ({ x, tx, T }) => paretoNbdConditional(pareto, x, tx, T, 39),
        'MBG/NBD': ({ x, tx, T }) => mbgNbdConditional(mbg, x, tx, T, 39),
      };
      for (const [name, [bias, mae, rmse, gini]] of Object.entries(expected)) {
        const metrics = computeMetrics(observed, histories.map(forecasts[name as keyof typeof expected]));
        expect(Math.abs(metrics.totalBias! - bias!), `${name} ${metrics.totalBias}`).toBeLessThan(0.0006);
        expect(Math.abs(metrics.mae - mae!), `${name} ${metrics.mae}`).toBeLessThan(0.0006);
        expect(Math.abs(metrics.rmse - rmse!), `${name} ${metrics.rmse}`).toBeLessThan(0.0006);
        expect(Math.abs(metrics.normalizedGini! - gini!), `${name} ${metrics.normalizedGini}`).toBeLessThan(0.001);
      }
    });

    test('tracking: expected repeat orders of the cohort up to week 78', () => {
      const days = customers.flatMap((history) =>
        history.map((day, i) => ({ day, newcomers: i === 0 ? 1 : 0, repeats: i === 0 ? 0 : 1 })),
      );
      for (const [model, fit, cumulative] of [
        ['bg-nbd', fitBgNbd(counts()), 4165.7],
        ['pareto-nbd', fitParetoNbd(counts()), 4275.4],
      ] as const) {
        const purchase = { parameters: fit.parameters, standardErrors: {}, atBorder: [], logCovariance: null };
        const weeks = trackCohort({ model, unitDays: 7, purchase }, { days, weeks: 78 });
        expect(weeks).toHaveLength(78);
        expect(weeks.at(-1)!.cumulativeActual).toBe(4339);
        expect(Math.abs(weeks.at(-1)!.cumulativeExpected - cumulative)).toBeLessThan(0.06);
      }
    });
  },
);

test.skipIf(!existsSync(path.join(data, 'donations')))(
  'BG/BB: fit to the donations of Fader, Hardie & Shang (2010) (needs the data folder)',
  () => {
    const rows = table('donations/donations.csv');
    const column = (i: number) => rows.map((row) => row[i]!);
    const fit = fitBgBb({ x: column(0), tx: column(1), n: column(2), weight: column(3) });
    within(fit.parameters, { alpha: 1.2035, beta: 0.7497, gamma: 0.6567, delta: 2.7834 }, 0.01);
    expect(Math.abs(fit.logLikelihood - -33_225.58)).toBeLessThan(0.01);
    const total = rows.reduce(
      (sum, [x, tx, n, weight]) => sum + weight! * bgBbConditional(fit.parameters, x!, tx!, n!, 5),
      0,
    );
    expect(Math.abs(total / 12_884.2 - 1)).toBeLessThan(0.001);
  },
);

test('shifted beta-geometric: both segments of Fader & Hardie (2007), and the survival it projects', () => {
  const regular = fitSbg([1, 0.631, 0.468, 0.382, 0.326, 0.289, 0.262, 0.241]).parameters;
  within(regular, { alpha: 0.7041, beta: 1.182 }, 0.01);
  for (const [year, share] of [
    [8, 0.22],
    [9, 0.204],
    [10, 0.191],
    [11, 0.18],
    [12, 0.17],
  ] as const)
    expect(sbgSurvival(regular, year)).toBeCloseTo(share, 2);
  within(
    fitSbg([1, 0.869, 0.743, 0.653, 0.593, 0.551, 0.517, 0.491]).parameters,
    { alpha: 0.6681, beta: 3.8061 },
    0.01,
  );
});

test('BG/NBD likelihood of single customers, a hyperactive one among them, as other packages print it', () => {
  const parameters = { a: 0.8, b: 2.5, r: 0.25, alpha: 4 };
  expect(bgNbdLogLikelihood(parameters, 0, 0, 40)).toBeCloseTo(-0.59947, 5);
  expect(bgNbdLogLikelihood(parameters, 200, 38, 40)).toBeCloseTo(100.7957, 4);
});
