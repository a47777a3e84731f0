import { round } from './columns.js';
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
