import { round } from './columns.js';
import { formatCount, formatPercent } from './format.js';
import { type ChartOptions, MARGIN, emptyChart, framed, frameOf, headingOf } from './frame.js';
import type { ChartSpec } from './spec.js';

/**
 * Randomised probability integral transform of what came under its forecast distribution. Even where the forecast
 * distributions are right; heaped at both ends where intervals are too narrow, in the middle where they are too wide.
 */
export type Pit = {
  rows: number;
  omitted: number;
  /** rows in each of equal bins from 0 to 1 */
  counts: number[];
  /** share of rows inside the central interval of each nominal level */
  coverage: { level: number; observed: number }[];
};

/** PIT histogram with the band of chance, beside observed against nominal coverage of central intervals. */
export const pitChart = (data: Pit, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 400);
  const { theme } = frame;
  const eighty = data.coverage.find(({ level }) => level === 0.8);
  const heading = {
    title: 'Do the intervals hold what they promise?',
    subtitle:
      `${formatCount(data.rows)} ${data.rows === 1 ? 'customer' : 'customers'}` +
      `${eighty === undefined ? '' : `; 80% intervals hold ${formatPercent(eighty.observed)} of them`}.` +
      ' Left: even bars are right, a band marks what chance allows (95%). Right: above the line, intervals are too wide.',
    omitted: data.omitted,
  };
  if (data.rows === 0) return emptyChart(frame, heading);
  const bins = data.counts.length;
  const share = 1 / bins;
  // Binomial share of one bin, normal approximation.
  const spread = 1.96 * Math.sqrt((share * (1 - share)) / data.rows);
  const bars = data.counts.map((n, i) => ({
    from: round(i / bins),
    to: round((i + 1) / bins),
    ratio: round((n / data.rows) * bins),
  }));
  const gap = 72;
  const extent = 40;
  const width = (frame.width - MARGIN.left - MARGIN.right - gap - extent - 16) / 2;
  const height = Math.max(100, frame.height - MARGIN.top - MARGIN.bottom - headingOf(frame, heading).height - 60);
  const axisY = { minExtent: extent, maxExtent: extent } as const;
  const high = Math.max(1 + spread * bins, ...bars.map((bar) => bar.ratio)) * 1.08;
  return framed(frame, heading, {
    spacing: gap,
    bounds: 'flush',
    hconcat: [
      {
        width,
        height,
        layer: [
          {
            data: { values: [{ low: Math.max(0, 1 - spread * bins), high: 1 + spread * bins }] },
            mark: { type: 'rect', color: theme.series[1], opacity: 0.22 },
            encoding: {
              y: {
                field: 'low',
                type: 'quantitative',
                scale: { domain: [0, high], nice: false },
                axis: { ...axisY, title: 'Density, 1 = even', tickCount: 4 },
              },
              y2: { field: 'high' },
            },
          },
          {
            data: { values: bars },
            mark: { type: 'bar', color: theme.series[0], binSpacing: 1.5 },
            encoding: {
              x: {
                field: 'from',
                type: 'quantitative',
                bin: 'binned',
                scale: { domain: [0, 1], nice: false },
                axis: { title: 'Probability integral transform', tickCount: 5, grid: false, format: '~g' },
              },
              x2: { field: 'to' },
              y: { field: 'ratio', type: 'quantitative' },
            },
          },
          {
            mark: { type: 'rule', color: theme.series[1], strokeWidth: 2 },
            data: { values: [{}] },
            encoding: { y: { datum: 1 } },
          },
        ],
      },
      {
        width,
        height,
        encoding: {
          x: {
            type: 'quantitative',
            field: 'level',
            scale: { domain: [0, 1], nice: false },
            axis: { title: 'Nominal level of the interval', format: '.0%', tickCount: 5, grid: true },
          },
          y: {
            type: 'quantitative',
            field: 'observed',
            scale: { domain: [0, 1], nice: false },
            axis: { ...axisY, title: 'Customers inside', format: '.0%', tickCount: 5 },
          },
        },
        layer: [
          {
            data: {
              values: [
                { level: 0, observed: 0 },
                { level: 1, observed: 1 },
              ],
            },
            mark: { type: 'line', strokeDash: [5, 4], strokeWidth: 1.5, color: theme.reference },
          },
          {
            data: { values: data.coverage.map(({ level, observed }) => ({ level, observed: round(observed) })) },
            mark: { type: 'line', color: theme.series[0], point: { filled: true, size: 45, fill: theme.series[0] } },
          },
        ],
      },
    ],
  });
};
