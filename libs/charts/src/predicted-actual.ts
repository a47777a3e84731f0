import { type Values, completeRows, equalGroups, mean, orderBy, round, shareTies, sum, take } from './columns.js';
import { difference, formatCount, numberExpr } from './format.js';
import { type ChartOptions, emptyChart, framed, frameOf, single } from './frame.js';
import { type Band, type LogAxis, type LogBins, bandOf, binOf, logAxis, logBins } from './log-axis.js';
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
  /** every row, where there are so few that they can be drawn as points; else empty */
  points: { predicted: number; actual: number }[];
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
const GROUPS = 20;
const FEW = 400;

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
      equalGroups(rows, GROUPS).map(({ from, to }) => ({
        predicted: mean(sorted.subarray(from, to)),
        actual: mean(shared.subarray(from, to)),
        rows: to - from,
      })),
      bins,
    ),
    points: rows <= FEW ? Array.from(actual, (value, i) => ({ predicted: predicted[i]!, actual: value })) : [],
  };
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
  const few = data.points.length > 0;
  const cells = data.cells.map((cell) => {
    const [x1, x2] = edges(x, data.bins, cell.predicted);
    const [y1, y2] = edges(y, data.bins, cell.actual);
    return { x1: round(x1), x2: round(x2), y1: round(y1), y2: round(y2), rows: cell.rows };
  });
  // Points of the band are spread over its width, evenly and always the same way, for they would hide each other.
  const spread = (axis: LogAxis, value: number, turn: number): number => {
    const at = axis.place(value);
    if (axis.band === null || at !== axis.band.middle) return round(at);
    return round(axis.band.from + (axis.band.to - axis.band.from) * (turn % 1));
  };
  const points = data.points.map((point, i) => ({
    x1: spread(x, point.predicted, i * 0.754_878),
    y1: spread(y, point.actual, i * 0.569_84),
  }));
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
      few
        ? {
            data: { values: points },
            mark: { type: 'point', filled: true, size: 36, opacity: 0.55, color: theme.series[0] },
          }
        : {
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
