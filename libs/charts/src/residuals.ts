import { quantile, round } from './columns.js';
import { formatAmount, formatCount, numberExpr } from './format.js';
import { type ChartOptions, emptyChart, framed, frameOf, single } from './frame.js';
import type { ChartSpec } from './spec.js';

/** Spread of the residuals, actual minus predicted, over groups of equal count in order of prediction. */
export type Residuals = {
  rows: number;
  omitted: number;
  /** mean of actual minus predicted; null without rows */
  mean: number | null;
  groups: ResidualGroup[];
};
export type ResidualGroup = {
  /** shares of the customers, in order of prediction, between which the group lies */
  from: number;
  to: number;
  rows: number;
  /** mean prediction of the group */
  predicted: number;
  /** mean residual and quantiles of the residuals */
  mean: number;
  p10: number;
  p25: number;
  p50: number;
  p75: number;
  p90: number;
};

/**
 * Power of ten below which a residual is drawn to a linear scale: about a tenth of the typical middle spread, so that
 * small groups and large ones are both legible.
 */
const linearPart = (groups: readonly ResidualGroup[]): number => {
  const sizes = Float64Array.from(groups.flatMap((g) => [g.p10, g.p50, g.p90, g.mean].map(Math.abs)))
    .filter((size) => size > 0)
    .toSorted();
  if (sizes.length === 0) return 1;
  return 10 ** Math.floor(Math.log10(Math.max(quantile(sizes, 0.25), sizes.at(-1)! * 1e-5)));
};

/** Residuals along the predictions: middle 50 % and 80 %, median and mean, on a signed logarithmic axis. */
export const residualChart = (data: Residuals, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 440);
  const { theme } = frame;
  const heading = {
    title: 'Residuals: actual minus predicted spend',
    subtitle:
      `${formatCount(data.rows)} ${data.rows === 1 ? 'customer' : 'customers'} in order of prediction` +
      `${data.mean === null ? '' : `; mean residual ${formatAmount(data.mean, options.currency)}`}.` +
      ' Signed logarithmic axis; below 0 the prediction was too high.',
    omitted: data.omitted,
  };
  if (data.groups.length === 0) return emptyChart(frame, heading);
  const unit = linearPart(data.groups);
  const place = (value: number) => round(Math.sign(value) * Math.log10(1 + Math.abs(value) / unit));
  const rows = data.groups.map((g) => ({
    middle: round((g.from + g.to) / 2),
    mean: place(g.mean),
    p10: place(g.p10),
    p25: place(g.p25),
    p50: place(g.p50),
    p75: place(g.p75),
    p90: place(g.p90),
  }));
  // One group has no width to draw an area over: it is drawn as bars.
  const ranges =
    rows.length === 1
      ? { type: 'bar' as const, width: 60 }
      : { type: 'area' as const, interpolate: 'monotone' as const };
  const extremes = rows.flatMap((row) => [row.p10, row.p90, row.mean]);
  const low = Math.min(0, ...extremes);
  const high = Math.max(0, ...extremes);
  const pad = Math.max(0.15, (high - low) * 0.06);
  const largest = Math.ceil(Math.max(high, -low));
  const every = Math.max(1, Math.ceil((high - low) / 7));
  const ticks = [0];
  for (let k = 1; k <= largest + 1; k += every) {
    const at = Math.log10(1 + 10 ** k);
    if (at <= high + pad) ticks.push(at);
    if (-at >= low - pad) ticks.unshift(-at);
  }
  const fills = { domain: ['Middle 80%', 'Middle 50%'], range: [theme.ramp[1]!, theme.ramp[2]!] };
  const strokes = { domain: ['Median', 'Mean'], range: [theme.series[0], theme.series[1]] };
  const stroke = { scale: strokes, legend: { symbolType: 'stroke' } } as const;
  return framed(frame, heading, {
    ...single(frame),
    data: { values: rows },
    encoding: {
      x: {
        field: 'middle',
        type: 'quantitative',
        scale: { domain: [0, 1], nice: false },
        axis: { title: 'Customers in order of prediction, lowest first', format: '.0%', tickCount: 5 },
      },
    },
    layer: [
      {
        mark: ranges,
        encoding: {
          y: {
            field: 'p10',
            type: 'quantitative',
            scale: { domain: [low - pad, high + pad], nice: false, zero: false },
            axis: {
              title: `Actual minus predicted${options.currency === undefined ? '' : `, ${options.currency}`}`,
              values: ticks,
              tickCount: ticks.length,
              labelExpr: numberExpr(`(datum.value < 0 ? -1 : 1) * (pow(10, abs(datum.value)) - 1) * ${unit}`),
            },
          },
          y2: { field: 'p90' },
          fill: { datum: 'Middle 80%', scale: fills, legend: { symbolType: 'square', symbolStrokeWidth: 0 } },
        },
      },
      {
        mark: ranges,
        encoding: {
          y: { field: 'p25', type: 'quantitative' },
          y2: { field: 'p75' },
          fill: { datum: 'Middle 50%', scale: fills, legend: { symbolType: 'square', symbolStrokeWidth: 0 } },
        },
      },
      {
        mark: { type: 'rule', color: theme.ink, strokeWidth: 1 },
        encoding: { x: { value: 0 }, x2: { value: 'width' }, y: { datum: 0 } },
      },
      {
        mark: { type: 'line', interpolate: 'monotone', point: rows.length === 1 },
        encoding: { y: { field: 'p50', type: 'quantitative' }, stroke: { datum: 'Median', ...stroke } },
      },
      {
        mark: { type: 'line', interpolate: 'monotone', point: { filled: true, size: 30, fill: theme.series[1] } },
        encoding: { y: { field: 'mean', type: 'quantitative' }, stroke: { datum: 'Mean', ...stroke } },
      },
    ],
  });
};
