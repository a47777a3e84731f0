import { formatChange, formatCount, formatNumber, formatPercent } from './format.js';
import { type ChartOptions, MARGIN, emptyChart, framed, frameOf, headingOf } from './frame.js';
import { round } from './columns.js';
import { shortenAll } from './text.js';
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
type Metric = { title: string; better: Better; unit: 'number' | 'percent' | 'amount' };
const METRICS: Readonly<Record<string, Metric>> = {
  normalizedGini: { title: 'Normalized Gini', better: 'higher', unit: 'number' },
  totalBias: { title: 'Total bias', better: 'zero', unit: 'percent' },
  decileMape: { title: 'Decile MAPE', better: 'lower', unit: 'percent' },
  mae: { title: 'MAE', better: 'lower', unit: 'amount' },
  rmse: { title: 'RMSE', better: 'lower', unit: 'amount' },
  r2: { title: 'R²', better: 'higher', unit: 'number' },
  mape: { title: 'MAPE', better: 'lower', unit: 'percent' },
  wape: { title: 'WAPE', better: 'lower', unit: 'percent' },
  spearman: { title: 'Spearman', better: 'higher', unit: 'number' },
  auc: { title: 'AUC', better: 'higher', unit: 'number' },
  brier: { title: 'Brier', better: 'lower', unit: 'number' },
  coverage80: { title: '80% coverage', better: 'higher', unit: 'percent' },
};
const metricOf = (name: string): Metric => METRICS[name] ?? { title: name, better: 'higher', unit: 'number' };
const HINT: Record<Better, string> = {
  higher: 'higher is better',
  lower: 'lower is better',
  zero: 'closest to 0 is best',
};

const DEFAULT_METRICS = ['normalizedGini', 'totalBias', 'decileMape', 'mae'];
const MOST_METRICS = 4;
const MOST_ROWS = 40;

/** Rows by the first metric, best first; unknown values last, equals in their order. */
const rankRows = (rows: readonly LeaderboardRow[], metric: string): LeaderboardRow[] => {
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

/**
 * Where an axis ends so that a few hopeless models do not squeeze the others: at twice the spread of the middle beyond
 * it, where a value lies beyond even that; else at the values themselves.
 */
const axisEnds = (values: readonly number[], withZero: boolean): [number, number] => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (p: number) => sorted[Math.round((sorted.length - 1) * p)]!;
  const spread = Math.max(at(0.75) - at(0.25), Math.abs(at(0.5)) * 0.05, 1e-12);
  let low = sorted[0]! < at(0.25) - 4 * spread ? at(0.25) - 2 * spread : sorted[0]!;
  let high = sorted.at(-1)! > at(0.75) + 4 * spread ? at(0.75) + 2 * spread : sorted.at(-1)!;
  if (withZero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (high - low <= 0) [low, high] = [low - 1, high + 1];
  return [low, high];
};

/** One panel for each metric, one row for each model: dot, whiskers of one sd, and the figure. Baselines are hollow. */
export const leaderboardChart = (data: Leaderboard, options: ChartOptions = {}): ChartSpec => {
  const known = (name: string) => data.rows.some((row) => Number.isFinite(row.metrics[name]));
  const names = (data.metrics ?? DEFAULT_METRICS).slice(0, MOST_METRICS).filter(known);
  const [first] = names;
  const ranked = first === undefined ? [] : rankRows(data.rows, first).slice(0, MOST_ROWS);
  const heading = {
    title: 'Models and baselines on the same test rows',
    subtitle:
      `${formatCount(data.rows.length)} ${data.rows.length === 1 ? 'row' : 'rows'}` +
      `${first === undefined ? '' : `, ordered by ${metricOf(first).title}`}` +
      `${data.winner === undefined ? '' : `; chosen: ${data.winner}`}.` +
      ' Whiskers: one standard deviation over seeds. Hollow: baselines.' +
      (data.rows.length > ranked.length && first !== undefined
        ? ` The last ${data.rows.length - ranked.length} are not drawn.`
        : ''),
  };
  const step = ranked.length > 16 ? 24 : 32;
  const probe = frameOf(options, 400);
  const top = headingOf(probe, heading).height;
  const natural = MARGIN.top + MARGIN.bottom + top + 58 + 26 + Math.max(3, ranked.length) * step;
  const frame = frameOf(options, Math.min(4000, Math.ceil(natural)));
  const { theme } = frame;
  if (first === undefined) return emptyChart(frame, heading);

  const height = Math.max(60, frame.height - MARGIN.top - MARGIN.bottom - top - 58 - 26);
  const nameWidth = Math.min(200, frame.width * 0.3);
  const gap = 18;
  const width = (frame.width - MARGIN.left - MARGIN.right - nameWidth - gap * (names.length - 1) - 4) / names.length;
  const labels = shortenAll(
    ranked.map(({ model }) => model),
    nameWidth - 26,
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
  const color = {
    field: 'family',
    type: 'nominal',
    scale: { domain: present.map((family) => families[family]), range: present.map((family) => colors[family]) },
  } as const;

  const panel = (name: string, i: number) => {
    const metric = metricOf(name);
    const write = (value: number) =>
      metric.unit === 'percent'
        ? metric.better === 'zero'
          ? formatChange(value)
          : formatPercent(value)
        : formatNumber(value);
    const finite = ranked.map((row) => row.metrics[name]).filter((value): value is number => Number.isFinite(value));
    const [low, high] = axisEnds(finite, metric.better === 'zero');
    const place = (value: number) => round(Math.min(high, Math.max(low, value)));
    const values = ranked.map((row, k) => {
      const value = row.metrics[name];
      const sd = row.sd?.[name];
      const at = typeof value === 'number' && Number.isFinite(value) ? value : null;
      return {
        label: labels[k]!,
        family: families[row.family],
        baseline: row.family === 'baseline',
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
    const figures = 46;
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
              domain: false,
              grid: false,
              offset: 0,
            }
          : null,
    } as const;
    return {
      title: {
        text: metric.title,
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
          mark: { type: 'bar' as const, color: theme.series[0], opacity: 0.12, cornerRadius: 3 },
          encoding: { x: { value: -4 }, x2: { value: width + 4 } },
        },
        {
          data: { values: whisker },
          mark: { type: 'rule' as const, strokeWidth: 2, opacity: 0.65 },
          encoding: { x: { ...x, field: 'from' }, x2: { field: 'to' }, stroke: { ...color, legend: null } },
        },
        {
          data: { values: dots },
          mark: { type: 'point' as const, size: 85, opacity: 1, strokeWidth: 2 },
          encoding: {
            x,
            stroke:
              i === 0
                ? { ...color, legend: { orient: 'bottom' as const, symbolFillColor: 'transparent' } }
                : { ...color, legend: null },
            fill: { condition: { test: 'datum.baseline', value: theme.background }, ...color, legend: null },
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
