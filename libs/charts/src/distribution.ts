import { round } from './columns.js';
import { formatAmount, formatCount, formatPercent, percentExpr } from './format.js';
import { type ChartOptions, emptyChart, framed, frameOf, single } from './frame.js';
import { type Band, type LogBins, logAxis } from './log-axis.js';
import type { ChartSpec } from './spec.js';

/** How amounts are distributed over equal bins of the logarithm, zeros apart. */
export type Distribution = {
  bins: LogBins;
  predicted: Histogram;
  actual: Histogram | null;
};
export type Histogram = {
  rows: number;
  omitted: number;
  mean: number | null;
  median: number | null;
  /** rows of which the band beside the axis holds: 0 and below, and the very small */
  band: Band | null;
  banded: number;
  /** rows in each bin */
  counts: number[];
};

/**
 * Bars of the predictions, with the outline of what came. The band of zeros has a bar of its own, cut where it would dwarf
 * the others; its share is written beside it.
 */
export const distributionChart = (data: Distribution, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 420);
  const { theme } = frame;
  const { predicted, actual, bins } = data;
  const unit = options.currency === undefined ? '' : `, ${options.currency}`;
  const heading = {
    title: 'Distribution of predicted spend',
    subtitle:
      `${formatCount(predicted.rows)} ${predicted.rows === 1 ? 'customer' : 'customers'}` +
      (predicted.mean === null
        ? '.'
        : `; mean ${formatAmount(predicted.mean, options.currency)}` +
          (predicted.median === null ? '.' : `, median ${formatAmount(predicted.median, options.currency)}.`)) +
      ` Share of customers by amount${unit}, logarithmic axis.`,
    omitted: predicted.omitted + (actual?.omitted ?? 0),
  };
  if (predicted.rows === 0) return emptyChart(frame, heading);
  const shares = (h: Histogram) => h.counts.map((n) => n / Math.max(1, h.rows));
  const tallest = Math.max(...shares(predicted), ...(actual === null ? [] : shares(actual)));
  const zeros = [predicted, ...(actual === null ? [] : [actual])].map((h) => h.banded / Math.max(1, h.rows));
  const cap = tallest === 0 ? 1 : Math.min(Math.max(tallest, ...zeros) * 1.02, tallest * 2.6);
  const band: Band | null = [predicted.band, actual?.band ?? null].reduce<Band | null>(
    (a, b) => (a === 'negative' || b === 'negative' ? 'negative' : a === 'small' || b === 'small' ? 'small' : (a ?? b)),
    null,
  );
  const axis = logAxis(bins, band);
  const edge = (bin: number) => round(bins.from + bin * bins.width);
  const bars = predicted.counts.map((n, bin) => ({
    from: edge(bin),
    to: edge(bin + 1),
    share: round(n / predicted.rows),
  }));
  const steps =
    actual === null ? [] : [...shares(actual), 0].map((share, bin) => ({ from: edge(bin), share: round(share) }));
  const space = axis.band;
  const zeroBars =
    space === null
      ? []
      : [
          { kind: 'Predicted', share: predicted.banded / Math.max(1, predicted.rows) },
          ...(actual === null ? [] : [{ kind: 'Actual', share: actual.banded / Math.max(1, actual.rows) }]),
        ].map((bar, i, list) => ({
          ...bar,
          from: round(space.from + ((space.to - space.from) * i) / list.length),
          to: round(space.from + ((space.to - space.from) * (i + 1)) / list.length),
          share: round(Math.min(cap, bar.share)),
          label: `${actual === null ? '' : `${bar.kind}: `}${formatPercent(bar.share)}${bar.share > cap ? ', bar cut' : ''}`,
        }));
  const kinds = actual === null ? ['Predicted'] : ['Predicted', 'Actual'];
  const fill = {
    scale: { domain: kinds, range: [theme.series[0], theme.series[1]] },
    legend: actual === null ? null : { symbolType: 'square' as const, symbolStrokeWidth: 0 },
  };
  const y = {
    field: 'share',
    type: 'quantitative',
    scale: { domain: [0, cap * (space !== null && actual === null ? 1.08 : 1)] as number[], nice: false },
    axis: { title: 'Share of customers', labelExpr: percentExpr('datum.value') },
  } as const;
  return framed(frame, heading, {
    ...single(frame),
    encoding: {
      x: {
        field: 'from',
        type: 'quantitative',
        scale: { domain: axis.domain, nice: false, zero: false },
        axis: {
          title: `Spend per customer${unit}`,
          values: axis.ticks,
          tickCount: axis.ticks.length,
          labelExpr: axis.labelExpr,
          labelOverlap: false,
        },
      },
    },
    layer: [
      {
        data: { values: bars },
        mark: { type: 'rect', stroke: theme.background, strokeWidth: 1 },
        encoding: { x2: { field: 'to' }, y, y2: { datum: 0 }, fill: { datum: 'Predicted', ...fill } },
      },
      {
        data: { values: zeroBars },
        mark: { type: 'rect', stroke: theme.background, strokeWidth: 1 },
        encoding: { x2: { field: 'to' }, y, y2: { datum: 0 }, fill: { field: 'kind', type: 'nominal', ...fill } },
      },
      {
        data: { values: steps },
        mark: { type: 'line', interpolate: 'step-after', strokeWidth: 2, color: theme.series[1] },
        encoding: { y },
      },
      {
        data: { values: zeroBars.map((bar, i) => ({ ...bar, i: 8 + i * 16 })) },
        mark:
          actual === null
            ? { type: 'text', baseline: 'bottom', dy: -4, fontSize: 11, fontWeight: 600 }
            : { type: 'text', align: 'left', baseline: 'middle', dx: 8, fontSize: 11, fontWeight: 600 },
        encoding: {
          x: { datum: (actual === null ? space?.middle : space?.to) ?? bins.from },
          y: actual === null ? y : { field: 'i', type: 'quantitative', scale: null },
          text: { field: 'label' },
          fill: { field: 'kind', type: 'nominal', ...fill },
        },
      },
    ],
  });
};
