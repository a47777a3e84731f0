import { formatChange, formatCoefficient, formatCount, formatNumber, formatPercent } from './format.js';
import { type ChartOptions, MARGIN, emptyChart, framed, frameOf, headingOf } from './frame.js';
import { round } from './columns.js';
import { legendColumns, shorten, shortenAll, textWidth } from './text.js';
import { LABEL_SIZE } from './theme.js';
import type { ChartSpec } from './spec.js';

export type LeaderboardRow = {
  model: string;
  family: 'neural' | 'probabilistic' | 'trees' | 'ensemble' | 'baseline';
  /** by name of the metric; null or not there: not known */
  metrics: Readonly<Record<string, number | null | undefined>>;
  /** standard deviation over seeds, by name of the metric */
  sd?: Readonly<Record<string, number | null | undefined>> | undefined;
};
/** Models and baselines on the same test rows. The first metric orders the rows. */
export type Leaderboard = {
  rows: readonly LeaderboardRow[];
  /** one to four of them; normalized Gini, bias, decile MAPE and MAE when left out */
  metrics?: readonly string[] | undefined;
  /** name of the model that was chosen */
  winner?: string | undefined;
};

type Better = 'higher' | 'lower' | 'zero';
type Metric = { title: string; better: Better; unit: 'coefficient' | 'percent' | 'amount' };
const METRICS: Readonly<Record<string, Metric>> = {
  normalizedGini: { title: 'Norm. Gini', better: 'higher', unit: 'coefficient' },
  totalBias: { title: 'Total bias', better: 'zero', unit: 'percent' },
  decileMape: { title: 'Decile MAPE', better: 'lower', unit: 'percent' },
  mae: { title: 'MAE', better: 'lower', unit: 'amount' },
  rmse: { title: 'RMSE', better: 'lower', unit: 'amount' },
  r2: { title: 'R²', better: 'higher', unit: 'coefficient' },
  mape: { title: 'MAPE', better: 'lower', unit: 'percent' },
  wape: { title: 'WAPE', better: 'lower', unit: 'percent' },
  spearman: { title: 'Spearman', better: 'higher', unit: 'coefficient' },
  auc: { title: 'AUC', better: 'higher', unit: 'coefficient' },
  brier: { title: 'Brier', better: 'lower', unit: 'coefficient' },
  coverage80: { title: '80% coverage', better: 'higher', unit: 'percent' },
};
const metricOf = (name: string): Metric => METRICS[name] ?? { title: name, better: 'higher', unit: 'amount' };
const HINT: Record<Better, string> = {
  higher: 'higher is better',
  lower: 'lower is better',
  zero: '0 is best',
};

const DEFAULT_METRICS = ['normalizedGini', 'totalBias', 'decileMape', 'mae'];
const MOST_METRICS = 4;
/** px that a panel needs for dots and figures: narrow charts show fewer metrics */
const LEAST_PANEL = 98;
const MOST_ROWS = 40;

/** Rows by the first metric, best first; unknown values last, equals in their order. */
export const rankRows = (rows: readonly LeaderboardRow[], metric: string): LeaderboardRow[] => {
  const { better } = metricOf(metric);
  const badness = (row: LeaderboardRow): number => {
    const value = row.metrics[metric];
    if (typeof value !== 'number' || !Number.isFinite(value)) return Number.POSITIVE_INFINITY;
    return better === 'higher' ? -value : better === 'lower' ? value : Math.abs(value);
  };
  return rows
    .map((row, i) => ({ row, i, badness: badness(row) }))
    .toSorted((a, b) => (a.badness === b.badness ? a.i - b.i : a.badness - b.badness))
    .map(({ row }) => row);
};

/** Best share of the rows that an axis shows in full. */
const SHOWN = 0.6;

/**
 * Where an axis ends: around all values, unless that would squeeze the better three fifths of them into less than a third
 * of it; then around those, with some room for the next. `values` are best first.
 */
export const axisEnds = (values: readonly number[], withZero: boolean): [number, number] => {
  const around = (list: readonly number[]): [number, number] => {
    const reference = withZero ? [...list, 0] : list;
    return [Math.min(...reference), Math.max(...reference)];
  };
  let [low, high] = around(values);
  const [nearLow, nearHigh] = around(values.slice(0, Math.max(2, Math.ceil(values.length * SHOWN))));
  const near = nearHigh - nearLow;
  if (near < (high - low) / 3) {
    const room = near > 0 ? near * 0.25 : Math.max(Math.abs(nearHigh) * 0.05, (high - low) * 0.05);
    [low, high] = [Math.max(low, nearLow - room), Math.min(high, nearHigh + room)];
  }
  return high > low ? [low, high] : [low - 1, high + 1];
};

/** Names are cut beyond this width. */
const LONGEST_NAME = 330;
/** Room for the longest name, with what lies between it and the first panel. */
const longestName = (rows: readonly LeaderboardRow[]): number =>
  Math.max(120, ...rows.map(({ model }) => textWidth(model, LABEL_SIZE) + 24));

/** One panel for each metric, one row for each model: dot, whiskers of one sd, and the figure. Baselines are hollow. */
export const leaderboardChart = (data: Leaderboard, options: ChartOptions = {}): ChartSpec => {
  const known = (name: string) => data.rows.some((row) => Number.isFinite(row.metrics[name]));
  const probe = frameOf(options, 400);
  const nameWidth = Math.min(LONGEST_NAME, probe.width * 0.3, longestName(data.rows));
  const panels = Math.floor((probe.width - MARGIN.left - MARGIN.right - nameWidth) / LEAST_PANEL);
  const names = (data.metrics ?? DEFAULT_METRICS).filter(known).slice(0, Math.max(1, Math.min(MOST_METRICS, panels)));
  const [first] = names;
  const ranked = first === undefined ? [] : rankRows(data.rows, first).slice(0, MOST_ROWS);
  const valuesOf = (name: string) =>
    rankRows(ranked, name)
      .map((row) => row.metrics[name])
      .filter((value): value is number => Number.isFinite(value));
  const ends = names.map((name) => axisEnds(valuesOf(name), metricOf(name).better === 'zero'));
  const beyond = names.some((name, i) => valuesOf(name).some((value) => value < ends[i]![0] || value > ends[i]![1]));
  const heading = {
    title: 'Models and baselines on the same test rows',
    subtitle:
      `${formatCount(data.rows.length)} ${data.rows.length === 1 ? 'entry' : 'entries'}` +
      `${first === undefined ? '' : `, ordered by ${metricOf(first).title}`}` +
      `${data.winner === undefined ? '' : `; chosen: ${data.winner}`}.` +
      (ranked.some(({ sd }) => sd !== undefined && names.some((name) => Number.isFinite(sd[name])))
        ? ' Whiskers: one standard deviation over seeds.'
        : '') +
      (ranked.some(({ family }) => family === 'baseline') ? ' Hollow: baselines.' : '') +
      (beyond ? ' Triangles: beyond the axis.' : '') +
      (data.rows.length > ranked.length && first !== undefined
        ? ` The last ${data.rows.length - ranked.length} are not drawn.`
        : ''),
  };
  const step = ranked.length > 16 ? 24 : 32;
  const top = headingOf(probe, heading).height;
  const natural = MARGIN.top + MARGIN.bottom + top + 58 + 26 + Math.max(3, ranked.length) * step;
  const frame = frameOf(options, Math.min(4000, Math.ceil(natural)));
  const { theme } = frame;
  if (first === undefined) return emptyChart(frame, heading);

  const height = Math.max(60, frame.height - MARGIN.top - MARGIN.bottom - top - 58 - 26);
  const gap = 18;
  const width = Math.floor(
    (frame.width - MARGIN.left - MARGIN.right - nameWidth - gap * (names.length - 1) - 4) / names.length,
  );
  const labels = shortenAll(
    ranked.map(({ model }) => model),
    nameWidth - 20,
    LABEL_SIZE,
  );
  const families = {
    ensemble: 'Ensemble',
    neural: 'Neural',
    trees: 'Trees',
    probabilistic: 'Probabilistic',
    baseline: 'Baseline',
  } as const;
  const present = (Object.keys(families) as (keyof typeof families)[]).filter((family) =>
    ranked.some((row) => row.family === family),
  );
  const colors = {
    ensemble: theme.series[0],
    neural: theme.series[1],
    trees: theme.series[2],
    probabilistic: theme.series[3],
    baseline: theme.reference,
  };
  const domain = present.map((family) => families[family]);
  const chosen = ranked.findIndex((row) => row.model === data.winner);

  const panel = (name: string, i: number) => {
    const metric = metricOf(name);
    const write = (value: number) =>
      metric.unit === 'percent'
        ? metric.better === 'zero'
          ? formatChange(value)
          : formatPercent(value)
        : metric.unit === 'coefficient'
          ? formatCoefficient(value)
          : formatNumber(value);
    const [low, high] = ends[i]!;
    const place = (value: number) => round(Math.min(high, Math.max(low, value)));
    const values = ranked.map((row, k) => {
      const value = row.metrics[name];
      const sd = row.sd?.[name];
      const at = typeof value === 'number' && Number.isFinite(value) ? value : null;
      return {
        label: labels[k]!,
        color: colors[row.family],
        fill: row.family === 'baseline' ? theme.background : colors[row.family],
        winner: row.model === data.winner,
        at: at === null ? null : place(at),
        beyond: at === null || (at >= low && at <= high) ? '' : at > high ? 'right' : 'left',
        from: at === null || !Number.isFinite(sd) ? null : place(at - Number(sd)),
        to: at === null || !Number.isFinite(sd) ? null : place(at + Number(sd)),
        text: at === null ? 'n/a' : write(at),
      };
    });
    const whisker = values.filter((row) => row.from !== null);
    const dots = values.filter((row) => row.at !== null);
    // Figures stand in a column at the right of each panel: beside the dots they would lie over whiskers.
    const figures = 52;
    const x = {
      field: 'at',
      type: 'quantitative',
      scale: { domain: [low, high], range: [8, Math.max(20, width - figures)], nice: false, zero: false },
      axis: null,
    } as const;
    const y = {
      field: 'label',
      type: 'ordinal',
      sort: labels,
      scale: { domain: labels },
      axis:
        i === 0
          ? {
              title: null,
              minExtent: nameWidth - 8,
              maxExtent: nameWidth - 8,
              labelLimit: nameWidth - 8,
              labelColor: theme.ink,
              ...(chosen < 0
                ? {}
                : {
                    labelFontWeight: {
                      condition: { test: `datum.value === ${JSON.stringify(labels[chosen])}`, value: 600 as const },
                      value: 400 as const,
                    },
                  }),
              domain: false,
              grid: false,
              offset: 0,
            }
          : null,
    } as const;
    return {
      title: {
        text: shorten(metric.title, width + gap / 2, LABEL_SIZE),
        subtitle: HINT[metric.better],
        anchor: 'start' as const,
        frame: 'group' as const,
        fontSize: LABEL_SIZE,
        fontWeight: 600 as const,
        subtitleFontSize: 11,
        subtitlePadding: 3,
        offset: 10,
      },
      width,
      height,
      data: { values },
      encoding: { y },
      layer: [
        // Draws nothing: it holds the legend, once for all panels.
        ...(i === 0
          ? [
              {
                data: { values: domain.map((family) => ({ family })) },
                mark: { type: 'point' as const, filled: true, opacity: 0 },
                encoding: {
                  x: { value: width / 2 },
                  y: { value: height / 2 },
                  color: {
                    field: 'family',
                    type: 'nominal' as const,
                    scale: { domain: domain as string[], range: present.map((family) => colors[family]) },
                    legend: {
                      orient: 'bottom' as const,
                      offset: 8,
                      symbolOpacity: 1,
                      symbolSize: 110,
                      columns: legendColumns(domain, frame.width - MARGIN.left - MARGIN.right - nameWidth, 11),
                    },
                  },
                },
              },
            ]
          : []),
        {
          mark: { type: 'rule' as const, color: theme.grid, strokeWidth: 1 },
          encoding: { x: { value: 0 }, x2: { value: width } },
        },
        ...(metric.better === 'zero'
          ? [
              {
                data: { values: [{ at: 0 }] },
                mark: { type: 'rule' as const, color: theme.reference, strokeDash: [2, 3] },
                encoding: { x, y: { value: 0 }, y2: { value: 'height' as const } },
              },
            ]
          : []),
        {
          data: { values: values.filter((row) => row.winner) },
          mark: { type: 'bar' as const, color: theme.series[0], opacity: 0.13 },
          encoding: { x: { value: i === 0 ? 4 - nameWidth : -gap / 2 }, x2: { value: width + gap / 2 } },
        },
        {
          data: { values: whisker },
          mark: { type: 'rule' as const, strokeWidth: 2, opacity: 0.65 },
          encoding: {
            x: { ...x, field: 'from' },
            x2: { field: 'to' },
            stroke: { field: 'color', type: 'nominal', scale: null },
          },
        },
        {
          data: { values: dots },
          mark: { type: 'point' as const, size: 85, opacity: 1, strokeWidth: 2 },
          encoding: {
            x,
            stroke: { field: 'color', type: 'nominal', scale: null },
            fill: { field: 'fill', type: 'nominal', scale: null },
            shape: {
              field: 'beyond',
              type: 'nominal' as const,
              scale: { domain: ['', 'left', 'right'], range: ['circle', 'triangle-left', 'triangle-right'] },
              legend: null,
            },
          },
        },
        {
          mark: { type: 'text' as const, align: 'right' as const, fontSize: 11 },
          encoding: {
            x: { value: width },
            text: { field: 'text' },
            color: { condition: { test: 'datum.winner', value: theme.ink }, value: theme.muted },
          },
        },
      ],
      resolve: { scale: { x: 'independent' as const } },
    };
  };
  return framed(frame, heading, {
    spacing: gap,
    bounds: 'flush',
    hconcat: names.map(panel),
    resolve: { scale: { color: 'shared', x: 'independent' } },
  } as Parameters<typeof framed>[2]);
};
