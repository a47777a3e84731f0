import { quantile } from './columns.js';
import { formatNumber, numberExpr } from './format.js';

/**
 * Equal bins of the decimal logarithm, for amounts that span decades. What has no logarithm, and the few amounts far
 * below all others, stand in a band of their own beside the axis.
 */
export type LogBins = {
  /** log10 of the lower edge of bin 0 */
  from: number;
  /** in decades */
  width: number;
  count: number;
};

/** What the band beside a logarithmic axis holds: zeros only, also negative amounts, or also small positive ones. */
export type Band = 'zero' | 'negative' | 'small';

const WIDTHS = [1 / 20, 1 / 16, 1 / 10, 1 / 8, 1 / 5, 1 / 4, 1 / 2, 1, 2, 5, 10, 20];
/** Amounts of less than this part of the largest may go into the band, a quarter of the positive ones at most. */
const SPAN = 1e-8;

/**
 * Bins over the positive ones of `values` (any order), about `target` of them at most. Where the lowest of the positive
 * values lie more than a decade below all but `below` of them, the axis begins above: a stray 1e-12 does not squeeze the rest.
 */
export const logBins = (values: Float64Array, target: number, below = 0.005): LogBins => {
  const positive = values.filter((value) => value > 0).toSorted();
  const largest = positive.at(-1) ?? 10;
  const at = (p: number): number => (positive.length === 0 ? 1 : quantile(positive, p));
  const usual = Math.max(at(below), Math.min(largest * SPAN, at(0.25)));
  const smallest = below === 0 || at(0) > usual / 10 ? at(0) : usual;
  let low = Math.log10(smallest);
  let high = Math.log10(largest);
  if (high - low < 0.5) [low, high] = [(low + high) / 2 - 0.25, (low + high) / 2 + 0.25];
  const width = WIDTHS.find((candidate) => (high - low) / candidate <= target - 1) ?? WIDTHS.at(-1)!;
  const from = Math.floor(low / width) * width;
  return { from, width, count: Math.floor((high - from) / width) + 1 };
};

/** The bin of `value`, or -1 where it belongs to the band. */
export const binOf = (bins: LogBins, value: number): number => {
  if (!(value > 0)) return -1;
  const bin = Math.floor((Math.log10(value) - bins.from) / bins.width + 1e-9);
  return bin < 0 ? -1 : Math.min(bin, bins.count - 1);
};

/** What the band holds of these values; null where it is empty. */
export const bandOf = (bins: LogBins, values: Float64Array): Band | null => {
  let band: Band | null = null;
  for (const value of values) {
    if (binOf(bins, value) >= 0) continue;
    if (value < 0) return 'negative';
    if (value > 0) band = 'small';
    else band ??= 'zero';
  }
  return band;
};

const bandLabel = (bins: LogBins, band: Band): string =>
  band === 'zero' ? '0' : band === 'negative' ? '≤ 0' : `< ${formatNumber(Number((10 ** bins.from).toPrecision(2)))}`;

/** A logarithmic axis with its band, in coordinates of the decimal logarithm. */
export type LogAxis = {
  domain: [number, number];
  /** edges of the band; null where there is none */
  band: { from: number; to: number; middle: number } | null;
  /** coordinates of the labels */
  ticks: number[];
  /** Vega expression that writes them */
  labelExpr: string;
  /** coordinate of an amount */
  place(value: number): number;
};

export const logAxis = (bins: LogBins, band: Band | null): LogAxis => {
  const to = bins.from + bins.width * bins.count;
  const span = to - bins.from;
  const edges =
    band === null
      ? null
      : { from: bins.from - span * 0.09, to: bins.from - span * 0.025, middle: bins.from - span * 0.0575 };
  // A label too near the band's would run into it.
  const ticks = amountTicks(bins.from, to).filter(
    (at) => edges === null || at - edges.middle > span * (band === 'zero' ? 0.06 : 0.1),
  );
  return {
    domain: [edges?.from ?? bins.from, to],
    band: edges,
    ticks: edges === null ? ticks : [edges.middle, ...ticks],
    labelExpr:
      (band === null ? '' : `datum.value < ${bins.from - span * 0.02} ? '${bandLabel(bins, band)}' : `) +
      numberExpr('pow(10, datum.value)'),
    place: (value) => {
      const at = value > 0 ? Math.log10(value) : Number.NEGATIVE_INFINITY;
      return edges !== null && binOf(bins, value) < 0 ? edges.middle : Math.max(bins.from, Math.min(to, at));
    },
  };
};

/** Powers of ten between two logarithms, eight at most; with 2 and 5 between them, or 3, where that is still sparse. */
const amountTicks = (from: number, to: number): number[] => {
  const span = to - from;
  const every = Math.max(1, Math.ceil(span / 7));
  const factors = span <= 1.6 ? [1, 2, 5] : span <= 3.2 ? [1, 3] : [1];
  const ticks: number[] = [];
  for (let decade = Math.floor(from); decade <= to; decade += 1) {
    if (decade % every !== 0) continue;
    for (const factor of factors) {
      const at = decade + Math.log10(factor);
      if (at >= from - 1e-9 && at <= to + 1e-9) ticks.push(at);
    }
  }
  return ticks;
};
