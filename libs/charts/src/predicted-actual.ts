import { round } from './columns.js';
import { difference, formatCount, numberExpr } from './format.js';
import { type ChartOptions, emptyChart, framed, frameOf, single } from './frame.js';
import { type Band, type LogAxis, type LogBins, binOf, logAxis } from './log-axis.js';
import type { ChartSpec } from './spec.js';

/** Predicted against actual amounts, counted on a grid of equal bins of the logarithm, the same on both axes. */
export type PredictedActual = {
  rows: number;
  omitted: number;
  /** sum(predicted) / sum(actual) - 1; null where the actual total is not above 0 */
  totalBias: number | null;
  bins: LogBins;
  /** what stands in bin -1 */
  bands: { predicted: Band | null; actual: Band | null };
  /** cells that hold a row: bin of the prediction, bin of the actual amount (-1: the band), rows in it */
  cells: { predicted: number; actual: number; rows: number }[];
  /** means over groups in order of prediction: of equal count, then those of one bin together */
  trend: { predicted: number; actual: number; rows: number }[];
};

/** Edges of a bin in the coordinates of its axis. */
const edges = (axis: LogAxis, bins: LogBins, bin: number): [number, number] =>
  bin < 0
    ? [axis.band?.from ?? bins.from, axis.band?.to ?? bins.from]
    : [bins.from + bin * bins.width, bins.from + (bin + 1) * bins.width];

/** Predicted (across) against actual (up) on logarithmic axes, with the identity and the mean actual along the predictions. */
export const predictedActualChart = (data: PredictedActual, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 520);
  const { theme } = frame;
  const unit = options.currency === undefined ? '' : `, ${options.currency}`;
  const heading = {
    title: 'Predicted against actual spend',
    subtitle:
      `${formatCount(data.rows)} ${data.rows === 1 ? 'customer' : 'customers'}` +
      `${data.totalBias === null ? '' : `; ${difference('the predicted total', data.totalBias, 'actual')}`}.` +
      ` Logarithmic axes${unit}.`,
    omitted: data.omitted,
  };
  if (data.rows === 0) return emptyChart(frame, heading);
  const x = logAxis(data.bins, data.bands.predicted);
  const y = logAxis(data.bins, data.bands.actual);
  const low = data.bins.from;
  const high = low + data.bins.width * data.bins.count;
  const cells = data.cells.map((cell) => {
    const [x1, x2] = edges(x, data.bins, cell.predicted);
    const [y1, y2] = edges(y, data.bins, cell.actual);
    return { x1: round(x1), x2: round(x2), y1: round(y1), y2: round(y2), rows: cell.rows };
  });
  const trend = data.trend
    .filter((group) => binOf(data.bins, group.predicted) >= 0 && binOf(data.bins, group.actual) >= 0)
    .map((group) => ({ x1: round(x.place(group.predicted)), y1: round(y.place(group.actual)) }));
  const axisX = {
    title: 'Predicted',
    values: x.ticks,
    tickCount: x.ticks.length,
    labelExpr: x.labelExpr,
    labelOverlap: false,
    grid: true,
  };
  const axisY = {
    title: 'Actual',
    values: y.ticks,
    tickCount: y.ticks.length,
    labelExpr: y.labelExpr,
    labelOverlap: false,
  };
  const scaleX = { domain: x.domain, nice: false, zero: false };
  const scaleY = { domain: y.domain, nice: false, zero: false };
  const most = Math.max(...data.cells.map((cell) => cell.rows));
  const decades = Array.from({ length: Math.floor(Math.log10(most) + 1e-9) + 1 }, (_, i) => 10 ** i);
  const strokes = {
    domain: trend.length < 2 ? ['Perfect'] : ['Mean actual', 'Perfect'],
    range: trend.length < 2 ? [theme.reference] : [theme.series[1], theme.reference],
  };
  const stroke = { scale: strokes, legend: { symbolType: 'stroke' } } as const;
  return framed(frame, heading, {
    ...single(frame),
    encoding: {
      x: { field: 'x1', type: 'quantitative', axis: axisX, scale: scaleX },
      y: { field: 'y1', type: 'quantitative', axis: axisY, scale: scaleY },
    },
    layer: [
      {
        data: { values: cells },
        mark: { type: 'rect', stroke: null },
        encoding: {
          x2: { field: 'x2' },
          y2: { field: 'y2' },
          fill: {
            field: 'rows',
            type: 'quantitative',
            scale: { type: 'log', range: [...theme.ramp], domainMin: 1 },
            legend: {
              title: 'Customers',
              orient: 'right',
              direction: 'vertical',
              gradientLength: 140,
              gradientThickness: 10,
              values: decades,
              labelExpr: numberExpr('datum.value'),
              offset: 16,
            },
          },
        },
      },
      {
        data: {
          values: [
            { x1: low, y1: low },
            { x1: high, y1: high },
          ],
        },
        mark: { type: 'line', strokeDash: [5, 4], strokeWidth: 1.5 },
        encoding: { stroke: { datum: 'Perfect', ...stroke } },
      },
      ...(trend.length < 2
        ? []
        : [
            {
              data: { values: trend },
              mark: {
                type: 'line' as const,
                strokeWidth: 2.5,
                point: { filled: true, size: 34, fill: theme.series[1] },
              },
              encoding: { stroke: { datum: 'Mean actual', ...stroke } },
            },
          ]),
    ],
  });
};
