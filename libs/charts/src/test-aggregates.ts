/**
 * What charts draw, made of rows of customers: for the tests of this package alone. In use it comes from the evaluation of a
 * version, whose figures have one implementation, in clv.
 */
import { CloveError } from '@clove/contracts';
import { type Values, quantile, round } from './columns.js';
import type { Deciles } from './deciles.js';
import type { Distribution, Histogram } from './distribution.js';
import type { GainCurves, GainPoint } from './gain.js';
import { type LogBins, bandOf, binOf, logBins } from './log-axis.js';
import type { Pit } from './pit.js';
import type { PredictedActual } from './predicted-actual.js';
import type { RecencyFrequency } from './recency-frequency.js';
import { type Reliability, wilson } from './reliability.js';
import type { Residuals } from './residuals.js';

/** Rows of which every column has a number. */
type Complete = { columns: Float64Array[]; rows: number; omitted: number };

const lengthsDiffer = (names: readonly string[], lengths: readonly number[]): CloveError =>
  new CloveError(
    'invalid-input',
    `The columns of a chart must have one length, and are ${names.map((name, i) => `${name}: ${lengths[i]}`).join(', ')}.`,
  );

/**
 * The rows that have a number in every column, in their order.
 * @throws CloveError `invalid-input` for columns of different lengths
 */
const completeRows = (columns: Readonly<Record<string, Values>>): Complete => {
  const names = Object.keys(columns);
  const given = Object.values(columns);
  const length = given[0]?.length ?? 0;
  if (given.some((column) => column.length !== length)) {
    throw lengthsDiffer(
      names,
      given.map((column) => column.length),
    );
  }
  const kept = given.map(() => new Float64Array(length));
  let rows = 0;
  for (let i = 0; i < length; i += 1) {
    let complete = true;
    for (let c = 0; c < given.length; c += 1) {
      const value = given[c]![i];
      if (!Number.isFinite(value)) complete = false;
      kept[c]![rows] = Number(value);
    }
    if (complete) rows += 1;
  }
  return { columns: kept.map((column) => column.subarray(0, rows)), rows, omitted: length - rows };
};

/** Row numbers in ascending order of `values`; equal values keep their order. */
const orderBy = (values: Float64Array): Uint32Array =>
  Uint32Array.from(values, (_, i) => i).toSorted((a, b) => values[a]! - values[b]! || a - b);

const take = (values: Float64Array, order: Uint32Array): Float64Array =>
  Float64Array.from(order, (row) => values[row]!);

/**
 * `values` in the order of `sorted` keys, where rows of equal keys share their mean: what is summed over a part of the
 * rows then does not depend on how ties were broken.
 */
const shareTies = (sorted: Float64Array, values: Float64Array): Float64Array => {
  const shared = new Float64Array(values.length);
  for (let from = 0; from < sorted.length;) {
    let to = from;
    let sum = 0;
    while (to < sorted.length && sorted[to] === sorted[from]) {
      sum += values[to]!;
      to += 1;
    }
    shared.fill(sum / (to - from), from, to);
    from = to;
  }
  return shared;
};

/** Half-open ranges of `n` ordered rows in `groups` parts of equal count, empty ones left out: ⌊kn/g⌋ to ⌊(k+1)n/g⌋. */
const equalGroups = (n: number, groups: number): { from: number; to: number }[] => {
  const count = Math.min(groups, n);
  return Array.from({ length: count }, (_, k) => ({
    from: Math.floor((k * n) / count),
    to: Math.floor(((k + 1) * n) / count),
  }));
};

const sum = (values: Float64Array): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

const mean = (values: Float64Array): number => sum(values) / values.length;

/**
 * The decile table: group k of g holds the places ⌊kn/g⌋ to ⌊(k+1)n/g⌋ by prediction, g = 10 or the number of rows where
 * that is less. Rows of equal prediction share the mean of their actuals, as in the decile MAPE. O(n log n).
 * @throws CloveError `invalid-input` for columns of different lengths
 */
export const groupDeciles = (data: { actual: Values; predicted: Values }): Deciles => {
  const { columns, rows, omitted } = completeRows({ actual: data.actual, predicted: data.predicted });
  const [actual, predicted] = columns as [Float64Array, Float64Array];
  const order = orderBy(predicted);
  const sorted = take(predicted, order);
  const shared = shareTies(sorted, take(actual, order));
  return {
    rows,
    omitted,
    groups: equalGroups(rows, 10).map(({ from, to }) => ({
      rows: to - from,
      predicted: mean(sorted.subarray(from, to)),
      actual: mean(shared.subarray(from, to)),
    })),
  };
};

const SPEND_BINS = 40;

const histogram = (bins: LogBins, values: Float64Array, omitted: number): Histogram => {
  const counts = Array.from({ length: bins.count }, () => 0);
  let banded = 0;
  for (const value of values) {
    const bin = binOf(bins, value);
    if (bin < 0) banded += 1;
    else counts[bin]! += 1;
  }
  return {
    rows: values.length,
    omitted,
    mean: values.length === 0 ? null : mean(values),
    median: values.length === 0 ? null : quantile(values.toSorted(), 0.5),
    band: bandOf(bins, values),
    banded,
    counts,
  };
};

/** Histograms of predictions, and of what came where `actual` is given, on the same bins. O(n log n). */
export const distributionOf = (data: { predicted: Values; actual?: Values | undefined }): Distribution => {
  const predicted = completeRows({ predicted: data.predicted });
  const actual = data.actual === undefined ? null : completeRows({ actual: data.actual });
  const [first] = predicted.columns as [Float64Array];
  const second = actual?.columns[0] ?? new Float64Array(0);
  const all = new Float64Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  const bins = logBins(all, SPEND_BINS);
  return {
    bins,
    predicted: histogram(bins, first, predicted.omitted),
    actual: actual === null ? null : histogram(bins, second, actual.omitted),
  };
};

/** Shares of customers at which curves are read: finer at the start, where few customers may hold everything. */
const SHARES = [
  ...Array.from({ length: 20 }, (_, i) => i / 1000),
  ...Array.from({ length: 197 }, (_, i) => (i + 4) / 200),
];

/** Cumulative share of `ordered` (descending by the model) at each of {@link SHARES}, linear between customers; and the area below. */
const cumulate = (ordered: Float64Array, total: number): { points: GainPoint[]; area: number } => {
  const n = ordered.length;
  const cumulative = new Float64Array(n + 1);
  let area = 0;
  for (let i = 0; i < n; i += 1) {
    cumulative[i + 1] = cumulative[i]! + ordered[i]!;
    area += (cumulative[i]! + cumulative[i + 1]!) / (2 * n * total);
  }
  const points = SHARES.map((customers) => {
    const at = customers * n;
    const low = Math.min(n - 1, Math.floor(at));
    return { customers, spend: round((cumulative[low]! + ordered[low]! * (at - low)) / total) };
  });
  return { points, area };
};

/**
 * Gain (Lorenz) curves of several models on the same customers. Customers of equal prediction share the mean of their
 * actuals, so that a tie is a straight line. `normalizedGini` is the area between model and random over that between
 * perfect and random; null where all actuals are equal. O(n log n) for each model.
 * @throws CloveError `invalid-input` for columns of different lengths
 */
export const gainCurves = (data: {
  actual: Values;
  models: readonly { name: string; predicted: Values }[];
}): GainCurves => {
  const { columns, rows, omitted } = completeRows({
    actual: data.actual,
    // Numbered, for two models may have one name.
    ...Object.fromEntries(data.models.map(({ name, predicted }, i) => [`${name} (model ${i + 1})`, predicted])),
  });
  const [actual = new Float64Array(0), ...predictions] = columns;
  const total = sum(actual);
  const perfect = total > 0 ? cumulate(actual.toSorted().toReversed(), total) : null;
  return {
    rows,
    omitted,
    total,
    perfect: perfect?.points ?? [],
    models: data.models.map(({ name }, i) => {
      if (perfect === null) return { name, points: [], normalizedGini: null };
      const order = orderBy(predictions[i]!);
      const shared = shareTies(take(predictions[i]!, order), take(actual, order)).toReversed();
      const { points, area } = cumulate(shared, total);
      const best = perfect.area - 0.5;
      return { name, points, normalizedGini: best > 1e-12 ? (area - 0.5) / best : null };
    }),
  };
};

const PIT_BINS = 20;

const LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/**
 * Counts PIT values, and how many lie in each central interval. O(n).
 * @throws CloveError `invalid-input` for a value outside 0 to 1
 */
export const countPit = (values: Values): Pit => {
  const { columns, rows, omitted } = completeRows({ pit: values });
  const [pit] = columns as [Float64Array];
  const wrong = pit.findIndex((value) => value < 0 || value > 1);
  if (wrong >= 0) throw new CloveError('invalid-input', `PIT value ${pit[wrong]} of a chart is not between 0 and 1.`);
  const counts = Array.from({ length: PIT_BINS }, () => 0);
  const inside = LEVELS.map(() => 0);
  for (const value of pit) {
    counts[Math.min(PIT_BINS - 1, Math.floor(value * PIT_BINS))]! += 1;
    LEVELS.forEach((level, i) => {
      if (Math.abs(value - 0.5) <= level / 2) inside[i]! += 1;
    });
  }
  return {
    rows,
    omitted,
    counts,
    coverage: rows === 0 ? [] : LEVELS.map((level, i) => ({ level, observed: inside[i]! / rows })),
  };
};

type Group = PredictedActual['trend'][number];

/** Neighbours whose predictions lie in one bin as one group: customers who bought once are all predicted much the same. */
const mergeNear = (groups: readonly Group[], bins: LogBins): Group[] => {
  const merged: Group[] = [];
  for (const group of groups) {
    const last = merged.at(-1);
    if (last === undefined || binOf(bins, last.predicted) !== binOf(bins, group.predicted)) {
      merged.push(group);
      continue;
    }
    const rows = last.rows + group.rows;
    const pooled = (a: number, b: number) => (a * last.rows + b * group.rows) / rows;
    merged[merged.length - 1] = {
      predicted: pooled(last.predicted, group.predicted),
      actual: pooled(last.actual, group.actual),
      rows,
    };
  }
  return merged;
};

const GRID = 36;

const TREND_GROUPS = 20;

/**
 * Counts rows on the grid of {@link PredictedActual}. O(n log n) for n rows; the result has at most some 1,400 cells.
 * @throws CloveError `invalid-input` for columns of different lengths
 */
export const countPredictedActual = (data: { actual: Values; predicted: Values }): PredictedActual => {
  const { columns, rows, omitted } = completeRows({ actual: data.actual, predicted: data.predicted });
  const [actual, predicted] = columns as [Float64Array, Float64Array];
  const all = new Float64Array(rows * 2);
  all.set(actual);
  all.set(predicted, rows);
  const bins = logBins(all, GRID);
  const counts = new Map<number, number>();
  const stride = bins.count + 1;
  for (let i = 0; i < rows; i += 1) {
    const cell = (binOf(bins, predicted[i]!) + 1) * stride + binOf(bins, actual[i]!) + 1;
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
  const order = orderBy(predicted);
  const sorted = take(predicted, order);
  const shared = shareTies(sorted, take(actual, order));
  const total = sum(actual);
  return {
    rows,
    omitted,
    totalBias: total > 0 ? sum(predicted) / total - 1 : null,
    bins,
    bands: { predicted: bandOf(bins, predicted), actual: bandOf(bins, actual) },
    cells: [...counts]
      .toSorted(([a], [b]) => a - b)
      .map(([cell, n]) => ({ predicted: Math.floor(cell / stride) - 1, actual: (cell % stride) - 1, rows: n })),
    trend: mergeNear(
      equalGroups(rows, TREND_GROUPS).map(({ from, to }) => ({
        predicted: mean(sorted.subarray(from, to)),
        actual: mean(shared.subarray(from, to)),
        rows: to - from,
      })),
      bins,
    ),
  };
};

const MOST_ROWS = 20;

const MOST_COLUMNS = 28;

/** The smallest of 1, 2, 5, 10, 20, 50, … (or their parts of ten) of which `most` steps reach `span`. */
const stepFor = (span: number, most: number, least: number): number => {
  const raw = Math.max(least, span / most);
  const decade = 10 ** Math.floor(Math.log10(raw) + 1e-9);
  const factor = [1, 2, 5, 10].find((candidate) => candidate * decade >= raw * (1 - 1e-9)) ?? 10;
  return factor * decade;
};

/**
 * Averages `value` (a probability or an amount) over a grid of frequency (repeat orders) and recency (time between first
 * and last order). The one in two hundred of highest frequency share the top row. O(n log n).
 * @throws CloveError `invalid-input` for columns of different lengths
 */
export const averageByRecencyFrequency = (data: {
  frequency: Values;
  recency: Values;
  value: Values;
}): RecencyFrequency => {
  const { columns, rows, omitted } = completeRows({
    frequency: data.frequency,
    recency: data.recency,
    value: data.value,
  });
  const [frequency, recency, value] = columns as [Float64Array, Float64Array, Float64Array];
  const ordered = frequency.toSorted();
  const largest = ordered.at(-1) ?? 0;
  const usual = rows === 0 ? 0 : Math.ceil(quantile(ordered, 0.995));
  const frequencyStep = stepFor(usual + 1, MOST_ROWS, 1);
  const top = Math.floor(usual / frequencyStep) * frequencyStep;
  let span = 0;
  for (const time of recency) span = Math.max(span, time);
  const recencyStep = span > 0 ? stepFor(span, MOST_COLUMNS, Number.MIN_VALUE) : 1;
  const cells = new Map<string, { frequency: number; recency: number; rows: number; sum: number }>();
  for (let i = 0; i < rows; i += 1) {
    const row = Math.min(top, Math.floor(Math.max(0, frequency[i]!) / frequencyStep) * frequencyStep);
    const column = Math.floor(Math.max(0, recency[i]!) / recencyStep + 1e-9);
    const key = `${row} ${column}`;
    const cell = cells.get(key) ?? { frequency: row, recency: column * recencyStep, rows: 0, sum: 0 };
    cell.rows += 1;
    cell.sum += value[i]!;
    cells.set(key, cell);
  }
  return {
    rows,
    omitted,
    frequencyStep,
    recencyStep,
    frequencyCap: largest >= top + frequencyStep ? top : null,
    cells: [...cells.values()]
      .map(({ sum, ...cell }) => ({ ...cell, value: sum / cell.rows }))
      .toSorted((a, b) => a.frequency - b.frequency || a.recency - b.recency),
  };
};

const PROBABILITY_GROUPS = 10;

const STEPS = 30;

/**
 * The reliability table. Groups are of equal count; rows of equal probability stay together, so there may be fewer than
 * ten groups. O(n log n).
 * @throws CloveError `invalid-input` for columns of different lengths, or a probability outside 0 to 1
 */
export const reliabilityTable = (data: {
  probability: Values;
  bought: ArrayLike<boolean | number | null>;
}): Reliability => {
  const outcomes = Array.from(data.bought, (bought) => (bought === null ? null : Number(bought)));
  const { columns, rows, omitted } = completeRows({ probability: data.probability, bought: outcomes });
  const [probability, bought] = columns as [Float64Array, Float64Array];
  const wrong = probability.findIndex((p) => p < 0 || p > 1);
  if (wrong >= 0) {
    throw new CloveError('invalid-input', `Probability ${probability[wrong]} of a chart is not between 0 and 1.`);
  }
  const order = orderBy(probability);
  const sorted = take(probability, order);
  const outcome = take(bought, order);
  const groups: Reliability['groups'] = [];
  let from = 0;
  for (const part of equalGroups(rows, PROBABILITY_GROUPS)) {
    let to = part.to;
    while (to < rows && sorted[to] === sorted[to - 1]) to += 1;
    if (to <= from) continue;
    const observed = mean(outcome.subarray(from, to).map((value) => (value > 0 ? 1 : 0)));
    groups.push({
      rows: to - from,
      predicted: mean(sorted.subarray(from, to)),
      observed,
      ...wilson(observed * (to - from), to - from),
    });
    from = to;
  }
  const top = sorted.at(-1) ?? 1;
  const step = (top > 0 ? top : 1) / STEPS;
  const counts = Array.from({ length: STEPS }, () => 0);
  let squared = 0;
  for (let i = 0; i < rows; i += 1) {
    counts[Math.min(STEPS - 1, Math.floor(sorted[i]! / step))]! += 1;
    squared += (sorted[i]! - (outcome[i]! > 0 ? 1 : 0)) ** 2;
  }
  return {
    rows,
    omitted,
    brier: rows === 0 ? null : squared / rows,
    groups,
    histogram: rows === 0 ? [] : counts.map((n, i) => ({ from: i * step, to: (i + 1) * step, rows: n })),
  };
};

const RESIDUAL_GROUPS = 20;

/**
 * Residuals by groups of equal count (twenty, fewer where there are fewer rows). O(n log n).
 * @throws CloveError `invalid-input` for columns of different lengths
 */
export const spreadResiduals = (data: { actual: Values; predicted: Values }): Residuals => {
  const { columns, rows, omitted } = completeRows({ actual: data.actual, predicted: data.predicted });
  const [actual, predicted] = columns as [Float64Array, Float64Array];
  const order = orderBy(predicted);
  const sorted = take(predicted, order);
  const residuals = Float64Array.from(order, (row) => actual[row]! - predicted[row]!);
  return {
    rows,
    omitted,
    mean: rows === 0 ? null : mean(residuals),
    groups: equalGroups(rows, RESIDUAL_GROUPS).map(({ from, to }) => {
      const group = residuals.slice(from, to).toSorted();
      return {
        from: from / rows,
        to: to / rows,
        rows: to - from,
        predicted: mean(sorted.subarray(from, to)),
        mean: mean(group),
        p10: quantile(group, 0.1),
        p25: quantile(group, 0.25),
        p50: quantile(group, 0.5),
        p75: quantile(group, 0.75),
        p90: quantile(group, 0.9),
      };
    }),
  };
};
