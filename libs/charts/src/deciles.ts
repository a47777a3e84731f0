import { round } from './columns.js';
import { formatChange, formatCount, formatNumber, formatPercent, numberExpr } from './format.js';
import { type ChartOptions, MARGIN, emptyChart, framed, frameOf, single } from './frame.js';
import { textWidth } from './text.js';
import { LABEL_SIZE } from './theme.js';
import { type Band, bandOf, logAxis, logBins } from './log-axis.js';
import type { ChartSpec } from './spec.js';

/** Ten groups of equal count in order of prediction, lowest first: what was predicted and what came. */
export type Deciles = {
  rows: number;
  omitted: number;
  groups: { rows: number; predicted: number; actual: number }[];
};

/** Largest mean over smallest from which a linear axis would hide the small groups. */
const LOGARITHMIC_FROM = 12;

/** Mean predicted against mean actual spend by decile, with the error and the number of customers of each. */
export const decileChart = (data: Deciles, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 460);
  const { theme } = frame;
  const { groups } = data;
  const errors = groups.map((g) =>
    g.actual === 0 ? (g.predicted === 0 ? 0 : null) : Math.abs(g.predicted - g.actual) / Math.abs(g.actual),
  );
  const mape =
    groups.length === 10 && errors.every((error) => error !== null) ? errors.reduce((a, b) => a + b, 0) / 10 : null;
  const values = Float64Array.from(groups.flatMap((g) => [g.predicted, g.actual]));
  const positive = values.filter((value) => value > 0);
  const logarithmic =
    values.every((value) => value >= 0) &&
    positive.length > 0 &&
    Math.max(...positive) / Math.min(...positive) > LOGARITHMIC_FROM;
  const heading = {
    title: 'Calibration by decile of prediction',
    subtitle:
      `Mean spend per customer${options.currency === undefined ? '' : `, ${options.currency}`}${logarithmic ? ', logarithmic axis' : ''}` +
      `${mape === null ? '' : `; mean error of the deciles ${formatPercent(mape)}`}.`,
    omitted: data.omitted,
  };
  if (groups.length === 0) return emptyChart(frame, heading);
  const bins = logBins(values, 40, 0);
  const band: Band | null = bandOf(bins, values);
  const axis = logAxis(bins, band);
  const place = (value: number) => round(logarithmic ? axis.place(value) : value);
  // Texts get shorter where columns are narrow; where even the short ones would run into each other, the row is left out.
  const column = (frame.width - MARGIN.left - MARGIN.right - 75) / groups.length;
  const fitting = (...choices: string[][]): string[] | null =>
    choices.find((texts) => texts.every((text) => textWidth(text, LABEL_SIZE) < column)) ?? null;
  const changes = groups.map((g) =>
    g.actual > 0 ? g.predicted / g.actual - 1 : g.predicted === g.actual ? 0 : Number.NaN,
  );
  const whole = (change: number) => `${change > 0 ? '+' : ''}${formatNumber(Math.round(change * 100))}%`;
  const errorTexts = fitting(changes.map(formatChange), changes.map(whole));
  const counts = fitting(
    groups.map((g) => formatCount(g.rows)),
    groups.map((g) => formatNumber(g.rows)),
  );
  const numbers = groups.map((_, k) => `${k + 1}`);
  const titles =
    groups.length === 1 ? numbers : (fitting(numbers.with(0, 'Lowest').with(groups.length - 1, 'Highest')) ?? numbers);
  const rows = groups.map((g, k) => ({
    k,
    predicted: place(g.predicted),
    actual: place(g.actual),
    error: errorTexts?.[k] ?? '',
  }));
  // Predictions last: the smaller mark on top of the larger one, so that a good decile shows both.
  const points = [
    ...rows.map((row) => ({ k: row.k, at: row.actual, kind: 'Actual' })),
    ...rows.map((row) => ({ k: row.k, at: row.predicted, kind: 'Predicted' })),
  ];
  const edge = { x: { value: -12 } };
  const note = { type: 'text', align: 'right', fontSize: 11, color: theme.muted } as const;
  const y = logarithmic
    ? ({
        scale: {
          domain: [axis.domain[0], axis.domain[1] + (axis.domain[1] - axis.domain[0]) * 0.06] as number[],
          nice: false,
          zero: false,
        },
        axis: {
          title: null,
          values: axis.ticks,
          tickCount: axis.ticks.length,
          labelExpr: axis.labelExpr,
          labelOverlap: false,
        },
      } as const)
    : ({
        scale: { domain: [Math.min(0, ...values) * 1.1, Math.max(0, ...values) * 1.1 || 1] as number[], nice: false },
        axis: { title: null, labelExpr: numberExpr('datum.value') },
      } as const);
  const kinds = { domain: ['Actual', 'Predicted'], range: [theme.series[0], theme.series[1]] };
  return framed(frame, heading, {
    ...single(frame),
    encoding: {
      x: {
        field: 'k',
        type: 'ordinal',
        scale: { padding: 0.1 },
        axis: {
          title: null,
          labelAngle: 0,
          labelLineHeight: 16,
          labelOverlap: false,
          labelExpr: `[${JSON.stringify(titles)}[datum.value], ${JSON.stringify(counts ?? titles.map(() => ''))}[datum.value]]`,
        },
      },
    },
    layer: [
      {
        data: { values: rows },
        mark: { type: 'rule', strokeWidth: 4, color: theme.reference, opacity: 0.45 },
        encoding: { y: { field: 'predicted', type: 'quantitative', ...y }, y2: { field: 'actual' } },
      },
      {
        data: { values: points },
        mark: { type: 'point', filled: true, opacity: 1, stroke: theme.background, strokeWidth: 1 },
        encoding: {
          y: { field: 'at', type: 'quantitative' },
          color: { field: 'kind', type: 'nominal', scale: kinds },
          shape: { field: 'kind', type: 'nominal', scale: { domain: kinds.domain, range: ['circle', 'diamond'] } },
          size: { field: 'kind', type: 'ordinal', scale: { domain: kinds.domain, range: [190, 95] } },
        },
      },
      {
        data: { values: rows },
        mark: { type: 'text', baseline: 'bottom', dy: -4, color: theme.ink, fontSize: 11 },
        encoding: { y: { value: 0 }, text: { field: 'error' } },
      },
      {
        data: { values: [{}] },
        mark: { ...note, baseline: 'bottom', dy: -4, text: errorTexts === null ? '' : 'Error' },
        encoding: { ...edge, y: { value: 0 } },
      },
      {
        data: { values: [{}] },
        mark: {
          ...note,
          baseline: 'top',
          dy: 8,
          lineHeight: 16,
          fontSize: 12,
          text: counts === null ? ['Decile'] : ['Decile', 'Customers'],
        },
        encoding: { ...edge, y: { value: 'height' } },
      },
    ],
  });
};
