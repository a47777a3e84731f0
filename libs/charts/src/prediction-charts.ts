import type { PredictionReport } from '@clove/contracts';
import { round } from './columns.js';
import type { NamedChart } from './evaluation-charts.js';
import { formatAmount, formatCount, formatPercent, numberExpr, percentExpr } from './format.js';
import { type ChartOptions, emptyChart, frameOf, framed, single } from './frame.js';
import type { ChartSpec } from './spec.js';

/** Predictions counted on bins that touch; the last one may reach further than it is drawn. */
export type PredictionHistogram = PredictionReport['histogram'];
/** Groups of customers of equal count by prediction, the best first. */
export type PredictionDeciles = PredictionReport['deciles'];

/** How many customers are predicted to spend how much. Drawn up to where the bins are equal; the tail is told in words. */
export const predictionHistogramChart = (histogram: PredictionHistogram, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 380);
  const { theme } = frame;
  const customers = histogram.reduce((sum, bin) => sum + bin.count, 0);
  const [first] = histogram;
  const width = first === undefined ? 0 : first.to - first.from;
  const last = histogram.at(-1);
  const stretched = last !== undefined && histogram.length > 1 && last.to - last.from > width * 1.001;
  const heading = {
    title: 'Predicted spend per customer',
    subtitle:
      `${formatCount(customers)} ${customers === 1 ? 'customer' : 'customers'}.` +
      (stretched
        ? ` The last bar holds ${formatCount(last.count)} from ${formatAmount(last.from, options.currency)} up to ${formatAmount(last.to, options.currency)}.`
        : ''),
  };
  if (first === undefined || customers === 0) return emptyChart(frame, heading);
  // one value for all is a bar, not a line
  const span = width > 0 ? width : Math.max(1, Math.abs(first.from)) / 10;
  // a little narrower than the bin, so that bars of one height can be told apart
  const bars = histogram.map(({ from, count }) => ({ from: round(from), to: round(from + 0.95 * span), count }));
  return framed(frame, heading, {
    ...single(frame),
    data: { values: bars },
    mark: { type: 'rect', color: theme.series[1] },
    encoding: {
      x: {
        field: 'from',
        type: 'quantitative',
        scale: { nice: false, zero: false },
        axis: {
          title: `Predicted spend${options.currency === undefined ? '' : `, ${options.currency}`}`,
          labelExpr: numberExpr('datum.value'),
          grid: false,
        },
      },
      x2: { field: 'to' },
      y2: { datum: 0 },
      y: {
        field: 'count',
        type: 'quantitative',
        scale: { zero: true },
        axis: { title: 'Customers', labelExpr: numberExpr('datum.value'), tickMinStep: 1 },
      },
    },
  });
};

/** Which part of the predicted spend each tenth of the customers holds, the best first. */
export const predictionDecilesChart = (deciles: PredictionDeciles, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 380);
  const { theme } = frame;
  const total = deciles.reduce((sum, group) => sum + group.total, 0);
  const share = (value: number) => (total === 0 ? 0 : value / total);
  const [best] = deciles;
  const heading = {
    title: 'Where the predicted spend comes from',
    subtitle:
      best === undefined || deciles.length < 2
        ? 'Share of the predicted total by group of customers.'
        : `The best ${formatPercent(1 / deciles.length)} of customers hold ${formatPercent(share(best.total))} of the predicted ${formatAmount(total, options.currency)}.`,
  };
  if (best === undefined) return emptyChart(frame, heading);
  const names = deciles.map((_, k) => (k === 0 ? 'Best' : k === deciles.length - 1 ? 'Lowest' : `${k + 1}`));
  return framed(frame, heading, {
    ...single(frame),
    data: {
      values: deciles.map((group, k) => ({
        k,
        share: round(share(group.total)),
        text: formatPercent(share(group.total)),
      })),
    },
    encoding: {
      x: {
        field: 'k',
        type: 'ordinal',
        axis: {
          title: deciles.length === 10 ? 'Tenth of the customers by prediction' : 'Group of customers by prediction',
          labelAngle: 0,
          labelOverlap: false,
          labelExpr: `${JSON.stringify(names)}[datum.value]`,
        },
      },
      y: {
        field: 'share',
        type: 'quantitative',
        // room for the figure above the highest bar
        scale: { domain: [0, Math.max(...deciles.map((group) => share(group.total)), 0.01) * 1.1], nice: false },
        axis: { title: 'Share of predicted spend', labelExpr: percentExpr('datum.value') },
      },
    },
    layer: [
      { mark: { type: 'bar', color: theme.series[1] } },
      {
        mark: { type: 'text', dy: -7, fontSize: 11, color: theme.muted },
        encoding: { text: { field: 'text' } },
      },
    ],
  });
};

/** The charts of a prediction without actual spend. */
export const predictionCharts = ({ histogram, deciles }: PredictionReport): NamedChart[] => [
  { name: 'predictions', chart: (options) => predictionHistogramChart(histogram, options) },
  { name: 'tenths', chart: (options) => predictionDecilesChart(deciles, options) },
];
