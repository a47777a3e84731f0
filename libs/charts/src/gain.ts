import { formatAmount, formatCoefficient, formatCount, formatPercent } from './format.js';
import { type ChartOptions, emptyChart, framed, frameOf, single } from './frame.js';
import { legendColumns, shortenAll } from './text.js';
import { LABEL_SIZE } from './theme.js';
import type { ChartSpec } from './spec.js';

/** Share of the actual spend that the best customers hold, when a model says which they are. */
export type GainCurves = {
  rows: number;
  omitted: number;
  /** of actual spend; the curves are empty where it is not above 0 */
  total: number;
  /** customers in order of their actual spend */
  perfect: GainPoint[];
  models: { name: string; points: GainPoint[]; normalizedGini: number | null }[];
};
export type GainPoint = { customers: number; spend: number };

const MOST_MODELS = 7;

/** Gain curves of up to seven models between a random and the perfect order; the first model's gain at 20 % is marked. */
export const gainChart = (data: GainCurves, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 520);
  const { theme } = frame;
  const models = data.models.slice(0, MOST_MODELS);
  const first = models[0];
  const fifth = first?.points.find((point) => point.customers === 0.2);
  const more = data.models.length - models.length;
  const heading = {
    title: 'Share of spend that the best customers hold',
    subtitle:
      `${formatCount(data.rows)} ${data.rows === 1 ? 'customer' : 'customers'}, ${formatAmount(data.total, options.currency)} in all.` +
      `${fifth === undefined || data.total <= 0 ? '' : ` The 20% predicted highest hold ${formatPercent(fifth.spend)}.`}` +
      `${data.perfect.length === 0 ? '' : ' In brackets: normalized Gini.'}${more > 0 ? ` ${more} more models not drawn.` : ''}`,
    omitted: data.omitted,
  };
  if (first === undefined || data.perfect.length === 0) return emptyChart(frame, heading);
  const names = shortenAll(
    models.map(({ name }) => name),
    (frame.width - 90) / 2 - 95,
    LABEL_SIZE,
  ).map((name, i) => {
    const gini = models[i]!.normalizedGini;
    return gini === null ? name : `${name} (${formatCoefficient(gini)})`;
  });
  const labels = [...names, 'Perfect order', 'Random order'];
  const curves = [
    ...models.map((model, i) => ({ label: names[i]!, points: model.points })),
    { label: 'Perfect order', points: data.perfect },
    {
      label: 'Random order',
      points: [
        { customers: 0, spend: 0 },
        { customers: 1, spend: 1 },
      ],
    },
  ];
  // Perfect and random first, so that models lie above them.
  const values = curves
    .toReversed()
    .flatMap(({ label, points }, layer) => points.map((point) => ({ ...point, label, layer })));
  const lowest = Math.min(0, ...values.map(({ spend }) => spend));
  const highest = Math.max(1, ...values.map(({ spend }) => spend));
  const dashes: number[][] = models.map((_, i) => (i < 4 ? [1, 0] : [7, 3]));
  return framed(frame, heading, {
    ...single(frame),
    encoding: {
      x: {
        field: 'customers',
        type: 'quantitative',
        scale: { domain: [0, 1], nice: false },
        axis: { title: 'Customers, highest prediction first', format: '.0%', grid: true },
      },
      y: {
        field: 'spend',
        type: 'quantitative',
        scale: { domain: [lowest, highest], nice: false },
        axis: { title: 'Share of actual spend', format: '.0%' },
      },
    },
    layer: [
      {
        data: { values },
        mark: { type: 'line' },
        encoding: {
          detail: { field: 'layer', type: 'ordinal' },
          stroke: {
            field: 'label',
            type: 'nominal',
            scale: { domain: labels, range: [...theme.series.slice(0, models.length), theme.ink, theme.reference] },
            legend: { symbolType: 'stroke', symbolSize: 400, columns: legendColumns(labels, frame.width - 90, 20) },
          },
          strokeDash: {
            field: 'label',
            type: 'nominal',
            scale: { domain: labels, range: [...dashes, [1, 4], [5, 4]] },
          },
          strokeWidth: {
            condition: { test: "datum.label === 'Perfect order' || datum.label === 'Random order'", value: 1.5 },
            value: 2.5,
          },
        },
      },
      ...(fifth === undefined
        ? []
        : [
            {
              data: { values: [{ customers: 0.2, spend: fifth.spend }] },
              mark: {
                type: 'point' as const,
                filled: true,
                size: 90,
                opacity: 1,
                color: theme.series[0],
                stroke: theme.background,
                strokeWidth: 2,
              },
            },
          ]),
    ],
  });
};
