import { round } from './columns.js';
import { formatCount, formatNumber, numberExpr, percentExpr } from './format.js';
import { type ChartOptions, emptyChart, framed, frameOf, single } from './frame.js';
import type { ChartSpec } from './spec.js';

/** Mean of a forecast over customers of like frequency and recency. */
export type RecencyFrequency = {
  rows: number;
  omitted: number;
  /** repeat orders in one step up, and time units in one step across */
  frequencyStep: number;
  recencyStep: number;
  /** from this frequency on customers stand in the top row; null where the rows reach to the largest */
  frequencyCap: number | null;
  /** lower edges of a cell, rows in it and their mean value */
  cells: { frequency: number; recency: number; rows: number; value: number }[];
};

/** Heat map of P(alive) or of expected spend by frequency (up) and recency (across). */
export const recencyFrequencyChart = (
  data: RecencyFrequency,
  options: ChartOptions & {
    measure: 'alive' | 'spend';
    /** unit of recency, `weeks` when left out */ recencyUnit?: string;
  },
): ChartSpec => {
  const frame = frameOf(options, 460);
  const { theme } = frame;
  const alive = options.measure === 'alive';
  const unit = options.recencyUnit ?? 'weeks';
  const heading = {
    title: alive ? 'Who is still a customer: P(alive) by order history' : 'Expected spend by order history',
    subtitle:
      `${formatCount(data.rows)} ${data.rows === 1 ? 'customer' : 'customers'}; ` +
      (alive
        ? 'mean probability of each cell'
        : `mean expected spend of each cell${options.currency === undefined ? '' : `, ${options.currency}`}`) +
      '. Empty cells hold nobody.',
    omitted: data.omitted,
  };
  if (data.cells.length === 0) return emptyChart(frame, heading);
  const values = data.cells.map((cell) => cell.value);
  const least = Math.min(...values);
  const most = Math.max(...values);
  // Amounts of which the largest would leave all others in one shade are coloured by their square root.
  const rooted = !alive && least >= 0;
  const cells = data.cells.map((cell) => ({
    x1: round(cell.recency),
    x2: round(cell.recency + data.recencyStep),
    y1: cell.frequency,
    y2: cell.frequency + data.frequencyStep,
    value: round(cell.value),
  }));
  const right = Math.max(...cells.map((cell) => cell.x2));
  const above = Math.max(...cells.map((cell) => cell.y2));
  const rows = Math.round(above / data.frequencyStep);
  const every = data.frequencyStep * Math.max(1, Math.ceil(rows / 10));
  const ticks = Array.from({ length: Math.ceil(above / every) }, (_, i) => i * every + data.frequencyStep / 2);
  const cap = data.frequencyCap;
  if (cap !== null) {
    while (ticks.length > 0 && ticks.at(-1)! > cap - data.frequencyStep / 2) ticks.pop();
    ticks.push(cap + data.frequencyStep / 2);
  }
  const label =
    data.frequencyStep === 1
      ? numberExpr('round(datum.value - 0.5)')
      : data.frequencyStep >= 1000
        ? numberExpr(`datum.value - ${data.frequencyStep / 2}`)
        : `format(datum.value - ${data.frequencyStep / 2}, ',d') + '–' + format(datum.value + ${data.frequencyStep / 2 - 1}, ',d')`;
  const domain = alive ? [0, 1] : [Math.min(0, least), most > least || most > 0 ? most : least + 1];
  return framed(frame, heading, {
    ...single(frame),
    view: { fill: theme.hollow, stroke: null },
    data: { values: cells },
    mark: { type: 'rect', stroke: theme.background, strokeWidth: 1 },
    encoding: {
      x: {
        field: 'x1',
        type: 'quantitative',
        scale: { domain: [0, right], nice: false },
        axis: {
          title: `Recency: ${unit} from first to last order`,
          labelExpr: numberExpr('datum.value'),
          tickCount: 8,
        },
      },
      x2: { field: 'x2' },
      y: {
        field: 'y1',
        type: 'quantitative',
        scale: { domain: [0, above], nice: false },
        axis: {
          title: 'Frequency: repeat orders',
          values: ticks,
          tickCount: ticks.length,
          grid: false,
          labelExpr: cap === null ? label : `datum.value > ${cap} ? '${formatNumber(cap)}+' : (${label})`,
        },
      },
      y2: { field: 'y2' },
      fill: {
        field: 'value',
        type: 'quantitative',
        scale: { type: rooted ? 'sqrt' : 'linear', domain, range: [...theme.ramp] },
        legend: {
          title: alive ? 'P(alive)' : (options.currency ?? 'Spend'),
          orient: 'right',
          direction: 'vertical',
          gradientLength: 160,
          gradientThickness: 10,
          offset: 16,
          tickCount: 4,
          labelExpr: alive ? percentExpr('datum.value') : numberExpr('datum.value'),
        },
      },
    },
  });
};
