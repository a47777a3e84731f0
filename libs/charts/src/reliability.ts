import { CloveError } from '@clove/contracts';
import { type Values, completeRows, equalGroups, mean, orderBy, round, take } from './columns.js';
import { formatCount, formatNumber, numberExpr, percentExpr } from './format.js';
import { type ChartOptions, MARGIN, emptyChart, framed, frameOf, headingOf } from './frame.js';
import type { ChartSpec } from './spec.js';

/** How often customers bought who were said to buy with a probability. */
export type Reliability = {
  rows: number;
  omitted: number;
  /** mean squared error of the probability; null without rows */
  brier: number | null;
  /** Groups of about equal count in order of probability. `low` to `high`: 95 % Wilson interval of the observed share. */
  groups: { rows: number; predicted: number; observed: number; low: number; high: number }[];
  /** rows by probability, in equal steps from 0 to `top` */
  histogram: { from: number; to: number; rows: number }[];
};

const GROUPS = 10;
const STEPS = 30;
/** 97.5 % quantile of the normal distribution. */
const Z = 1.959_963_984_540_054;

/** 95 % interval of a share of which `k` in `n` were seen (Wilson 1927). */
export const wilson = (k: number, n: number): { low: number; high: number } => {
  const share = k / n;
  const centre = share + (Z * Z) / (2 * n);
  const spread = Z * Math.sqrt((share * (1 - share)) / n + (Z * Z) / (4 * n * n));
  const scale = 1 + (Z * Z) / n;
  return { low: Math.max(0, (centre - spread) / scale), high: Math.min(1, (centre + spread) / scale) };
};

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
  for (const part of equalGroups(rows, GROUPS)) {
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

/** Observed against predicted P(buy) with intervals, above a histogram of the predictions. */
export const reliabilityChart = (data: Reliability, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 520);
  const { theme } = frame;
  const heading = {
    title: 'Reliability of the probability to buy',
    subtitle:
      `${formatCount(data.rows)} ${data.rows === 1 ? 'customer' : 'customers'}` +
      `${data.brier === null ? '' : `; Brier score ${formatNumber(data.brier)}`}.` +
      ' Each dot is a group of about equal count, with its 95% interval; below, how the predictions are distributed.',
    omitted: data.omitted,
  };
  if (data.groups.length === 0) return emptyChart(frame, heading);
  const top = Math.min(
    1,
    1.04 * Math.max(...data.groups.map((g) => Math.max(g.predicted, g.high)), data.histogram.at(-1)?.to ?? 0),
  );
  const groups = data.groups.map((g) => ({
    predicted: round(g.predicted),
    observed: round(g.observed),
    low: round(g.low),
    high: round(g.high),
  }));
  const bars = data.histogram.map((bar) => ({ from: round(bar.from), to: round(bar.to), rows: bar.rows }));
  const extent = 44;
  const width = frame.width - MARGIN.left - MARGIN.right - extent - 16;
  const rest = frame.height - MARGIN.top - MARGIN.bottom - headingOf(frame, heading).height - 142;
  const upper = Math.max(120, rest * 0.78);
  const lower = Math.max(36, rest * 0.22);
  const x = { type: 'quantitative', scale: { domain: [0, top] as number[], nice: false } } as const;
  const axisY = { minExtent: extent, maxExtent: extent } as const;
  const strokes = { domain: ['Observed', 'Perfect'], range: [theme.series[0], theme.reference] };
  return framed(frame, heading, {
    spacing: 34,
    bounds: 'flush',
    vconcat: [
      {
        width,
        height: upper,
        encoding: { x: { ...x, field: 'predicted', axis: { labels: false, title: null, grid: true } } },
        layer: [
          {
            data: { values: [{ at: 0 }, { at: top }] },
            mark: { type: 'line', strokeDash: [5, 4], strokeWidth: 1.5 },
            encoding: {
              x: { ...x, field: 'at' },
              y: {
                field: 'at',
                type: 'quantitative',
                scale: { domain: [0, top], nice: false },
                axis: { ...axisY, title: 'Share that bought', labelExpr: percentExpr('datum.value') },
              },
              stroke: {
                datum: 'Perfect',
                scale: strokes,
                legend: { symbolType: 'stroke', offset: 12 },
              },
            },
          },
          {
            data: { values: groups },
            mark: { type: 'rule', strokeWidth: 2, color: theme.series[0], opacity: 0.55 },
            encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } },
          },
          {
            data: { values: groups },
            mark: { type: 'line', point: { filled: true, size: 70, fill: theme.series[0] } },
            encoding: {
              y: { field: 'observed', type: 'quantitative' },
              stroke: {
                datum: 'Observed',
                scale: strokes,
                legend: { symbolType: 'stroke', offset: 12 },
              },
            },
          },
        ],
      },
      {
        width,
        height: lower,
        data: { values: bars },
        mark: { type: 'bar', color: theme.series[0], opacity: 0.75, binSpacing: 1 },
        encoding: {
          x: {
            ...x,
            field: 'from',
            bin: 'binned',
            axis: { title: 'Predicted probability to buy', grid: false, labelExpr: percentExpr('datum.value') },
          },
          x2: { field: 'to' },
          y: {
            field: 'rows',
            type: 'quantitative',
            axis: { ...axisY, title: 'Customers', tickCount: 2, labelExpr: numberExpr('datum.value') },
          },
        },
      },
    ],
  });
};
