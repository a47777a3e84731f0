import type { EvaluationDetail } from '@clove/contracts';
import type { Forecast } from '../probabilistic/forecaster.js';
import type { Histories } from '../probabilistic/histories.js';
import { pairedRows, quantileOf } from './ranking.js';

/*
 * Counts of customers on grids of two figures, for charts: of bounded size whatever the number of rows.
 */

type PredictedActual = NonNullable<EvaluationDetail['predictedActual']>;

/** Bins of the logarithm along each side, at most. */
const MOST_BINS = 36;
/** Widths of a bin, in decades. */
const WIDTHS = [1 / 20, 1 / 16, 1 / 10, 1 / 8, 1 / 5, 1 / 4, 1 / 2, 1, 2, 5, 10, 20];
/** Share of the smallest positive amounts that stand beside the axis where they lie more than a decade below the rest. */
const BESIDE = 0.005;

/**
 * Customers by what they were predicted to spend and what they spent, on equal bins of the decimal logarithm, the same on
 * both sides; bin -1 holds 0 and below and the few amounts far below all others. Rows as in `computeMetrics`.
 * @throws CloveError as `computeMetrics`
 */
export const predictedActualGrid = (actual: ArrayLike<number>, predicted: ArrayLike<number>): PredictedActual => {
  const pairs = pairedRows(actual, predicted);
  const rows = pairs.actual.length;
  const both = new Float64Array(2 * rows);
  both.set(pairs.actual);
  both.set(pairs.predicted, rows);
  const positive = both.filter((value) => value > 0).toSorted();
  const usual = positive.length === 0 ? 1 : quantileOf(positive, BESIDE);
  const least = positive[0] ?? 1;
  const low = Math.log10(least > usual / 10 ? least : usual);
  const high = positive.length === 0 ? 1 : Math.log10(positive.at(-1)!);
  const width = WIDTHS.find((candidate) => (high - low) / candidate <= MOST_BINS - 1) ?? WIDTHS.at(-1)!;
  const from = Math.floor(low / width) * width;
  const count = Math.floor((high - from) / width) + 1;
  const binOf = (value: number): number => {
    if (!(value > 0)) return -1;
    const bin = Math.floor((Math.log10(value) - from) / width + 1e-9);
    return bin < 0 ? -1 : Math.min(bin, count - 1);
  };
  const bandOf = (values: Float64Array): PredictedActual['bands']['actual'] => {
    const beside = values.filter((value) => binOf(value) < 0);
    if (beside.length === 0) return null;
    return beside.some((value) => value < 0) ? 'negative' : beside.some((value) => value > 0) ? 'small' : 'zero';
  };
  const stride = count + 1;
  const cells = new Map<number, number>();
  for (let i = 0; i < rows; i += 1) {
    const cell = (binOf(pairs.predicted[i]!) + 1) * stride + binOf(pairs.actual[i]!) + 1;
    cells.set(cell, (cells.get(cell) ?? 0) + 1);
  }
  return {
    from,
    width,
    count,
    bands: { predicted: bandOf(pairs.predicted), actual: bandOf(pairs.actual) },
    cells: [...cells]
      .toSorted(([a], [b]) => a - b)
      .map(([cell, n]) => ({ predicted: Math.floor(cell / stride) - 1, actual: (cell % stride) - 1, rows: n })),
  };
};

type RecencyFrequency = NonNullable<EvaluationDetail['recencyFrequency']>;

const MOST_ROWS = 20;
const MOST_COLUMNS = 28;
/** Customers of more repeat order days than this share of all share the top row. */
const USUAL = 0.995;

/** The smallest of 1, 2, 5, 10, 20, 50, … of which `most` steps reach `span`. */
const stepFor = (span: number, most: number): number => {
  const raw = Math.max(1, span / most);
  const decade = 10 ** Math.floor(Math.log10(raw) + 1e-9);
  return decade * [1, 2, 5, 10].find((factor) => factor * decade >= raw * (1 - 1e-9))!;
};

/**
 * What a forecaster says of customers by frequency (repeat order days, up) and recency (weeks from the first order day to
 * the last): means of P(alive) and of the expected spend over the customers of each cell. Customers who never purchased are
 * left out.
 */
export const recencyFrequencyGrid = (
  histories: Histories,
  made: Pick<Forecast, 'pAlive' | 'value'>,
): RecencyFrequency => {
  const rows = Int32Array.from(histories.x.keys()).filter((row) => Number.isFinite(histories.T[row]!));
  const ordered = Float64Array.from(rows, (row) => histories.x[row]!).toSorted();
  const usual = ordered.length === 0 ? 0 : Math.ceil(quantileOf(ordered, USUAL));
  const frequencyStep = stepFor(usual + 1, MOST_ROWS);
  const top = Math.floor(usual / frequencyStep) * frequencyStep;
  const span = rows.reduce((most, row) => Math.max(most, histories.tx[row]! / 7), 0);
  const recencyStep = stepFor(span, MOST_COLUMNS);
  const cells = new Map<string, RecencyFrequency['cells'][number]>();
  for (const row of rows) {
    const frequency = Math.min(top, Math.floor(histories.x[row]! / frequencyStep) * frequencyStep);
    const recency = Math.floor(histories.tx[row]! / 7 / recencyStep) * recencyStep;
    const key = `${frequency} ${recency}`;
    const cell = cells.get(key) ?? { frequency, recency, rows: 0, alive: 0, spend: 0 };
    cell.rows += 1;
    cell.alive += made.pAlive[row]!;
    cell.spend += made.value[row]!;
    cells.set(key, cell);
  }
  return {
    frequencyStep,
    recencyStep,
    frequencyCap: (ordered.at(-1) ?? 0) >= top + frequencyStep ? top : null,
    cells: [...cells.values()]
      .map((cell) => ({ ...cell, alive: cell.alive / cell.rows, spend: cell.spend / cell.rows }))
      .toSorted((a, b) => a.frequency - b.frequency || a.recency - b.recency),
  };
};
