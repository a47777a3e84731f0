/** Data and charts that the tests of this package share. */
import {
  type ChartOptions,
  type ChartSpec,
  decileChart,
  distributionChart,
  gainChart,
  leaderboardChart,
  learningCurveChart,
  pitChart,
  predictedActualChart,
  predictionDecilesChart,
  predictionHistogramChart,
  recencyFrequencyChart,
  reliabilityChart,
  residualChart,
  trackingChart,
} from './index.js';
import {
  averageByRecencyFrequency,
  countPit,
  countPredictedActual,
  distributionOf,
  gainCurves,
  groupDeciles,
  reliabilityTable,
  spreadResiduals,
} from './test-aggregates.js';

/** Numbers in [0, 1), the same each time: a linear congruential generator is enough for pictures. */
export const draws = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

/** Customers much like those of a shop: most come once, spend is skewed, predictions are about right. */
export const customers = (n: number) => {
  const next = draws(n);
  const actual = new Float32Array(n);
  const predicted = new Float32Array(n);
  const probability = new Float32Array(n);
  const frequency = new Float32Array(n);
  const recency = new Float32Array(n);
  const alive = new Float32Array(n);
  for (let i = 0; i < n; i += 1) {
    const rate = -Math.log(1 - next()) / 2;
    frequency[i] = Math.floor(rate * 4);
    recency[i] = frequency[i] === 0 ? 0 : Math.floor(next() * 39);
    alive[i] = 1 / (1 + Math.exp(3 - recency[i]! / 8));
    probability[i] = 1 - Math.exp(-rate * alive[i]! - 0.05);
    const mean = 20 * probability[i]! * Math.exp(next() * 2);
    predicted[i] = mean;
    actual[i] = next() < probability[i]! ? (mean / probability[i]!) * -Math.log(1 - next()) : 0;
  }
  const bought = Array.from(actual, (spend) => spend > 0);
  return { actual, predicted, probability, frequency, recency, alive, bought };
};

const weekly = (weeks: number, level: number) => Array.from({ length: weeks }, (_, i) => level / (1 + i / 20));

/** Thirty equal bins up to the 99th percentile, the last one up to the largest. */
const histogramOf = (values: Float32Array) => {
  const sorted = values.toSorted();
  const [low, high, max] = [sorted[0]!, sorted[Math.floor(sorted.length * 0.99)]!, sorted.at(-1)!];
  const width = (high - low) / 30;
  const bins = Array.from({ length: 30 }, (_, i) => ({
    from: low + i * width,
    to: i === 29 ? max : low + (i + 1) * width,
    count: 0,
  }));
  for (const value of values) bins[Math.min(29, Math.floor((value - low) / width))]!.count += 1;
  return bins;
};

/** Ten groups of equal count, the best first. */
const tenthsOf = (values: Float32Array) => {
  const sorted = values.toSorted((a, b) => b - a);
  return Array.from({ length: 10 }, (_, k) => {
    const group = sorted.subarray((k * sorted.length) / 10, ((k + 1) * sorted.length) / 10);
    const total = group.reduce((sum, value) => sum + value, 0);
    return { customers: group.length, highest: group[0]!, lowest: group.at(-1)!, mean: total / group.length, total };
  });
};

/** Every chart of the same customers. */
export const gallery = (n: number): Record<string, (options: ChartOptions) => ChartSpec> => {
  const { actual, predicted, probability, frequency, recency, alive, bought } = customers(n);
  const next = draws(7);
  const noisy = Float32Array.from(predicted, (value) => value * Math.exp(next() - 0.5));
  const pit = Array.from({ length: n }, next);
  return {
    predictedActual: (o) => predictedActualChart(countPredictedActual({ actual, predicted }), o),
    residuals: (o) => residualChart(spreadResiduals({ actual, predicted }), o),
    learningCurves: (o) =>
      learningCurveChart(
        {
          epochs: Array.from({ length: 40 }, (_, i) => ({
            epoch: i + 1,
            trainLoss: 0.4 + 1 / (i + 1),
            validationLoss: 0.5 + 1 / (i + 1) + i / 300,
          })),
          bestEpoch: 17,
        },
        o,
      ),
    deciles: (o) => decileChart(groupDeciles({ actual, predicted }), o),
    gain: (o) =>
      gainChart(
        gainCurves({
          actual,
          models: [
            { name: 'anchored-mlp', predicted },
            { name: 'pareto-nbd + gamma-gamma', predicted: noisy },
          ],
        }),
        o,
      ),
    reliability: (o) => reliabilityChart(reliabilityTable({ probability, bought }), o),
    tracking: (o) =>
      trackingChart(
        {
          measure: 'orders',
          periodDays: 7,
          start: '1997-01-01',
          fittedPeriods: 39,
          actual: weekly(78, 900),
          models: [
            { name: 'bg-nbd', expected: weekly(78, 860) },
            { name: 'pareto-nbd', expected: weekly(78, 910) },
          ],
        },
        o,
      ),
    distribution: (o) => distributionChart(distributionOf({ predicted, actual }), o),
    predictions: (o) => distributionChart(distributionOf({ predicted }), o),
    predictionHistogram: (o) => predictionHistogramChart(histogramOf(predicted), o),
    predictionTenths: (o) => predictionDecilesChart(tenthsOf(predicted), o),
    alive: (o) =>
      recencyFrequencyChart(averageByRecencyFrequency({ frequency, recency, value: alive }), {
        ...o,
        measure: 'alive',
      }),
    expectedSpend: (o) =>
      recencyFrequencyChart(averageByRecencyFrequency({ frequency, recency, value: predicted }), {
        ...o,
        measure: 'spend',
      }),
    leaderboard: (o) =>
      leaderboardChart(
        {
          winner: 'ensemble',
          rows: [
            row('ensemble', 'ensemble', 0.758, 0.013, 0.1, 12.1, 0.004),
            row('anchored-mlp', 'neural', 0.755, 0.013, 0.067, 12.2, 0.006),
            row('trees', 'trees', 0.746, 0.42, 0.66, 14.8, 0.003),
            row('pareto-nbd + gamma-gamma', 'probabilistic', 0.735, 0.013, 0.242, 12.6),
            row('mlp-ziln', 'neural', 0.686, 9.1, 8.7, 88, 0.03),
            row('naive-rate', 'baseline', 0.652, 0.557, 0.61, 16.4),
          ],
        },
        o,
      ),
    pit: (o) => pitChart(countPit(pit), o),
  };
};

const row = (
  model: string,
  family: 'ensemble' | 'neural' | 'trees' | 'probabilistic' | 'baseline',
  normalizedGini: number,
  totalBias: number,
  decileMape: number,
  mae: number,
  sd?: number,
) => ({
  model,
  family,
  metrics: { normalizedGini, totalBias, decileMape, mae },
  ...(sd === undefined ? {} : { sd: { normalizedGini: sd, totalBias: sd * 5, decileMape: sd * 4, mae: sd * 40 } }),
});

const NAMES = [
  'a very long model name that goes on and on, transformer with a ziln head anchored on pareto-nbd, seed 1',
  'a very long model name that goes on and on, transformer with a ziln head anchored on pareto-nbd, seed 2',
  '',
  '<b>"&amp;"</b>',
  "it's \\ `quoted` ${x}",
  'Модель №1',
  'naïve',
];

/** Charts of data that breaks charts: nothing, one row, zeros, missing values, negative amounts, forty decades, long names. */
export const extremes = (): Record<string, (options: ChartOptions) => ChartSpec> => {
  const next = draws(11);
  const wide = Array.from({ length: 2000 }, () => 10 ** (next() * 40 - 20));
  const negative = Array.from({ length: 600 }, () => 200 * next() - 100);
  const zeros = Array.from({ length: 50 }, () => 0);
  const pairs: Record<string, [(number | null)[], (number | null)[]]> = {
    nothing: [[], []],
    one: [[12], [10]],
    oneZero: [[0], [5]],
    zeros: [zeros, zeros],
    constant: [Array.from({ length: 900 }, () => 7), Array.from({ length: 900 }, () => 7)],
    missing: [
      [1, Number.NaN, null, 5, 1e3, Number.POSITIVE_INFINITY],
      [2, 3, 4, null, 900, 1],
    ],
    onlyMissing: [
      [null, Number.NaN],
      [1, 2],
    ],
    negative: [negative, negative.map((value) => value + 20)],
    wide: [wide, wide.map((value) => value * 10 ** (next() * 4 - 2))],
    huge: [
      [1e-300, 1, 1e300],
      [1e-200, 5, 1e299],
    ],
  };
  const charts: Record<string, (options: ChartOptions) => ChartSpec> = {};
  for (const [kind, [actual, predicted]] of Object.entries(pairs)) {
    const models = [{ name: 'model', predicted }];
    const frequency = predicted.map((value) => (value === null ? null : Math.min(1e6, Math.round(Math.abs(value)))));
    charts[`${kind} predictedActual`] = (o) => predictedActualChart(countPredictedActual({ actual, predicted }), o);
    charts[`${kind} residuals`] = (o) => residualChart(spreadResiduals({ actual, predicted }), o);
    charts[`${kind} deciles`] = (o) => decileChart(groupDeciles({ actual, predicted }), o);
    charts[`${kind} gain`] = (o) => gainChart(gainCurves({ actual, models }), o);
    charts[`${kind} distribution`] = (o) => distributionChart(distributionOf({ predicted, actual }), o);
    charts[`${kind} recencyFrequency`] = (o) =>
      recencyFrequencyChart(averageByRecencyFrequency({ frequency, recency: actual, value: predicted }), {
        ...o,
        measure: 'spend',
      });
    charts[`${kind} tracking`] = (o) =>
      trackingChart({ measure: 'spend', periodDays: 1, actual, models: [{ name: 'model', expected: predicted }] }, o);
    charts[`${kind} learningCurves`] = (o) =>
      learningCurveChart(
        {
          epochs: actual.map((loss, i) => ({
            epoch: i + 1,
            trainLoss: loss,
            validationLoss: predicted[i] ?? null,
          })),
        },
        o,
      );
    charts[`${kind} leaderboard`] = (o) =>
      leaderboardChart(
        {
          rows: actual.slice(0, 60).map((value, i) => ({
            model: `${NAMES[i % NAMES.length]}`,
            family: 'neural',
            metrics: { normalizedGini: value, totalBias: predicted[i] },
            sd: { normalizedGini: predicted[i], totalBias: Number.NaN },
          })),
        },
        o,
      );
  }
  const shares: Record<string, number[]> = { nothing: [], one: [0.3], zeros, ones: zeros.map(() => 1) };
  for (const [kind, probability] of Object.entries(shares)) {
    charts[`${kind} reliability`] = (o) => reliabilityChart(reliabilityTable({ probability, bought: probability }), o);
    charts[`${kind} pit`] = (o) => pitChart(countPit(probability), o);
  }
  charts['long names gain'] = (o) =>
    gainChart(gainCurves({ actual: wide, models: NAMES.map((name) => ({ name, predicted: wide })) }), o);
  charts['long names tracking'] = (o) =>
    trackingChart(
      {
        measure: 'spend',
        periodDays: 1,
        fittedPeriods: 1000,
        actual: weekly(2000, 100),
        models: NAMES.map((name, i) => ({ name, expected: weekly(4000, 90 + i) })),
      },
      o,
    );
  charts['long names leaderboard'] = (o) =>
    leaderboardChart(
      {
        winner: NAMES[1],
        rows: NAMES.map((model, i) => ({
          model,
          family: i % 2 === 0 ? 'baseline' : 'trees',
          metrics: { normalizedGini: i / 10, 'a metric nobody has heard of, with a long name': 1 - i, r2: null },
        })),
        metrics: ['a metric nobody has heard of, with a long name', 'normalizedGini', 'r2'],
      },
      o,
    );
  charts['long training learningCurves'] = (o) =>
    learningCurveChart(
      {
        epochs: Array.from({ length: 10_000 }, (_, i) => ({
          epoch: i + 1,
          trainLoss: 1e4 / (i + 1) ** 2,
          validationLoss: i % 50 === 7 ? Number.NaN : 1e4 / (i + 1),
        })),
        bestEpoch: 9800,
      },
      o,
    );
  return charts;
};
