import { CloveError } from '@clove/contracts';
import { type Values, round } from './columns.js';
import { difference, formatCount, numberExpr } from './format.js';
import { type ChartOptions, MARGIN, emptyChart, framed, frameOf, headingOf } from './frame.js';
import { legendColumns, shortenAll } from './text.js';
import { LABEL_SIZE } from './theme.js';
import type { ChartSpec } from './spec.js';

/** What came and what models expected, period by period, of the same customers. */
export type Tracking = {
  /** `orders` (repeat orders) or `spend` */
  measure: 'orders' | 'spend';
  /** length of a period, 7 for weeks */
  periodDays: number;
  /** first day of the first period, `YYYY-MM-DD`; periods are numbered from 1 where it is left out */
  start?: string | undefined;
  /** periods that the models were fitted on; the holdout begins after them. All of them when left out */
  fittedPeriods?: number | undefined;
  /** of each period; null where it is not known, as in the future */
  actual: Values;
  models: readonly { name: string; expected: Values }[];
};

/** One period, or several drawn as one, of one series. `at` is the number of periods up to its end. */
type TrackingPoint = { at: number; value: number; cumulative: number };

/** Sums of `every` consecutive periods, and the running total, up to the first period without a value. */
export const accumulate = (values: Values, every: number): TrackingPoint[] => {
  const points: TrackingPoint[] = [];
  let cumulative = 0;
  for (let from = 0; from < values.length; from += every) {
    const to = Math.min(values.length, from + every);
    let value = 0;
    for (let i = from; i < to; i += 1) {
      if (!Number.isFinite(values[i])) return points;
      value += Number(values[i]);
    }
    cumulative += value;
    points.push({ at: to, value, cumulative });
  }
  return points;
};

const MOST_POINTS = 260;
const MOST_MODELS = 6;
const DAY_MS = 86_400_000;

const PERIOD: Record<number, readonly [singular: string, plural: string, adverb: string]> = {
  1: ['day', 'days', 'Daily'],
  7: ['week', 'weeks', 'Weekly'],
};

/**
 * Tracking plots, cumulative above period by period, with the line where the holdout begins.
 * @throws CloveError `invalid-input` for a model whose periods are fewer than the actual ones, or a start that is no date
 */
export const trackingChart = (data: Tracking, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 560);
  const { theme } = frame;
  for (const { name, expected } of data.models) {
    if (expected.length < data.actual.length) {
      throw new CloveError(
        'invalid-input',
        `Model "${name}" expects ${expected.length} periods, and there are ${data.actual.length} actual ones.`,
      );
    }
  }
  const startMs = data.start === undefined ? null : Date.parse(`${data.start}T00:00:00Z`);
  if (Number.isNaN(startMs))
    throw new CloveError('invalid-input', `The start "${data.start}" is not a date (YYYY-MM-DD).`);

  const longest = Math.max(data.actual.length, ...data.models.map(({ expected }) => expected.length));
  const every = Math.max(1, Math.ceil(longest / MOST_POINTS));
  const models = data.models.slice(0, MOST_MODELS);
  const names = shortenAll(['Actual', ...models.map(({ name }) => name)], 180, LABEL_SIZE);
  const series = [data.actual, ...models.map(({ expected }) => expected)].map((values, i) => ({
    name: names[i]!,
    points: accumulate(values, every),
  }));
  const actual = series[0]!.points;
  const [, plural, adverb] = PERIOD[data.periodDays] ?? ['period', `periods of ${data.periodDays} days`, 'By period'];
  const what =
    data.measure === 'orders'
      ? 'repeat orders'
      : `spend${options.currency === undefined ? '' : `, ${options.currency}`}`;
  const known = actual.at(-1);
  const atEnd =
    known === undefined
      ? []
      : series.slice(1).map(({ points }) => points.find((p) => p.at === known.at)?.cumulative ?? Number.NaN);
  const first = atEnd[0];
  const heading = {
    title:
      data.measure === 'orders' ? 'Repeat orders as they came and as expected' : 'Spend as it came and as expected',
    subtitle:
      `${formatCount(data.actual.length)} ${data.actual.length === 1 ? 'period' : plural}` +
      (known === undefined || first === undefined || !(known.cumulative > 0) || !Number.isFinite(first)
        ? '.'
        : `; ${difference(`the total that ${names[1]} expected`, first / known.cumulative - 1, 'actual')}.`) +
      (every > 1 ? ` Drawn in steps of ${every}.` : '') +
      (data.models.length > MOST_MODELS ? ` ${data.models.length - MOST_MODELS} more models not drawn.` : ''),
  };
  if (series.every(({ points }) => points.length === 0)) return emptyChart(frame, heading);

  const place = (at: number): number => (startMs === null ? at : startMs + at * data.periodDays * DAY_MS);
  const values = series.toReversed().flatMap(({ name, points }) =>
    points.map((point) => ({
      at: place(point.at),
      value: round(point.value),
      cumulative: round(point.cumulative),
      name,
    })),
  );
  const holdout =
    data.fittedPeriods === undefined || data.fittedPeriods >= longest ? [] : [{ at: place(data.fittedPeriods) }];
  const extent = 46;
  const width = frame.width - MARGIN.left - MARGIN.right - extent - 16;
  const rest = frame.height - MARGIN.top - MARGIN.bottom - headingOf(frame, heading).height - 125;
  const x = {
    field: 'at',
    type: startMs === null ? 'quantitative' : 'temporal',
    scale: {
      domain: [place(0), place(longest)] as number[],
      nice: false,
      ...(startMs === null ? { zero: false as const } : { type: 'utc' as const }),
    },
  } as const;
  const axisX =
    startMs === null
      ? ({
          title: data.periodDays === 7 ? 'Week' : data.periodDays === 1 ? 'Day' : 'Period',
          tickMinStep: 1,
          format: ',d',
        } as const)
      : ({ title: null, tickCount: Math.floor(width / 90) } as const);
  const stroke = {
    field: 'name',
    type: 'nominal',
    scale: { domain: names, range: [theme.ink, ...theme.series] },
    legend: {
      symbolType: 'stroke',
      offset: 12,
      columns: legendColumns(names, width, 14),
    },
  } as const;
  const panel = (field: 'cumulative' | 'value', title: string, height: number, top: boolean) => ({
    width,
    height,
    layer: [
      {
        data: { values: holdout },
        mark: { type: 'rule' as const, color: theme.reference, strokeDash: [2, 3], strokeWidth: 1.5 },
        encoding: { x },
      },
      ...(top
        ? [
            {
              data: { values: holdout },
              mark: {
                type: 'text' as const,
                align: 'left' as const,
                baseline: 'top' as const,
                dx: 7,
                text: 'Holdout',
                color: theme.muted,
              },
              encoding: { x, y: { value: 0 } },
            },
          ]
        : []),
      {
        data: { values },
        mark: { type: 'line' as const, strokeWidth: top ? 2.5 : 1.75, point: longest === 1 },
        encoding: {
          x: { ...x, axis: top ? { labels: false, title: null } : axisX },
          y: {
            field,
            type: 'quantitative' as const,
            axis: {
              title,
              minExtent: extent,
              maxExtent: extent,
              tickCount: top ? 5 : 3,
              labelExpr: numberExpr('datum.value'),
            },
          },
          stroke,
          strokeDash: {
            condition: { test: `datum.name !== 'Actual'`, value: [6, 3] },
            value: [1, 0],
          },
        },
      },
    ],
  });
  return framed(frame, heading, {
    spacing: 40,
    bounds: 'flush',
    vconcat: [
      panel('cumulative', `Cumulative ${what}`, Math.max(120, rest * 0.62), true),
      panel('value', `${adverb} ${what}`, Math.max(70, rest * 0.38), false),
    ],
  });
};
