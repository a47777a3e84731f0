import { type Values, completeRows, quantile, round } from './columns.js';
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

const MOST_ROWS = 20;
const MOST_COLUMNS = 28;

/** The smallest of 1, 2, 5, 10, 20, 50, … (or their parts of ten) of which `most` steps reach `span`. */
const stepFor = (span: number, most: number, least: number): number => {
  const raw = Math.max(least, span / most);
  const decade = 10 ** Math.floor(Math.log10(raw) + 1e-9);
  const factor = [1, 2, 5, 10].find((candidate) => candidate * decade >= raw * (1 - 1e-9)) ?? 10;
  return factor * decade;
};

/**
 * Averages `value` (a probability or an amount) over a grid of frequency (repeat orders) and recency (time between first
 * and last order). The one in two hundred of highest frequency share the top row. O(n log n).
 * @throws CloveError `invalid-input` for columns of different lengths
 */
export const averageByRecencyFrequency = (data: {
  frequency: Values;
  recency: Values;
  value: Values;
}): RecencyFrequency => {
  const { columns, rows, omitted } = completeRows({
    frequency: data.frequency,
    recency: data.recency,
    value: data.value,
  });
  const [frequency, recency, value] = columns as [Float64Array, Float64Array, Float64Array];
  const ordered = frequency.toSorted();
  const largest = ordered.at(-1) ?? 0;
  const usual = rows === 0 ? 0 : Math.ceil(quantile(ordered, 0.995));
  const frequencyStep = stepFor(usual + 1, MOST_ROWS, 1);
  const top = Math.floor(usual / frequencyStep) * frequencyStep;
  let span = 0;
  for (const time of recency) span = Math.max(span, time);
  const recencyStep = span > 0 ? stepFor(span, MOST_COLUMNS, Number.MIN_VALUE) : 1;
  const cells = new Map<string, { frequency: number; recency: number; rows: number; sum: number }>();
  for (let i = 0; i < rows; i += 1) {
    const row = Math.min(top, Math.floor(Math.max(0, frequency[i]!) / frequencyStep) * frequencyStep);
    const column = Math.floor(Math.max(0, recency[i]!) / recencyStep + 1e-9);
    const key = `${row} ${column}`;
    const cell = cells.get(key) ?? { frequency: row, recency: column * recencyStep, rows: 0, sum: 0 };
    cell.rows += 1;
    cell.sum += value[i]!;
    cells.set(key, cell);
  }
  return {
    rows,
    omitted,
    frequencyStep,
    recencyStep,
    frequencyCap: largest >= top + frequencyStep ? top : null,
    cells: [...cells.values()]
      .map(({ sum, ...cell }) => ({ ...cell, value: sum / cell.rows }))
      .toSorted((a, b) => a.frequency - b.frequency || a.recency - b.recency),
  };
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
