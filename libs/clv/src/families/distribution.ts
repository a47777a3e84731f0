import type { PredictiveDistribution } from '@clove/contracts';

/** Buyers behind the quantiles of a bin, of its neighbours too where it holds fewer: less say little about an interval. */
const FEWEST_BUYERS = 60;
const MOST_BINS = 20;
/** Customers of a bin: fewer say little about the share without spend. */
const FEWEST_ROWS = 25;
/** Steps between the quantiles kept. */
const STEPS = 40;

/**
 * Learns how actual spend scatters around predictions, from customers whose spend is known and who taught the model
 * nothing. Bins of equal count by prediction. The shares without spend are made to fall as predictions rise, for a wiggle is
 * noise. Where a bin has few buyers, those of the bins around it stand in: what a buyer spends is taken to scale with the
 * prediction over the probability to buy.
 */
export const fitDistribution = (predicted: ArrayLike<number>, actual: ArrayLike<number>): PredictiveDistribution => {
  const order = Array.from({ length: predicted.length }, (_, row) => row).toSorted(
    (a, b) => predicted[a]! - predicted[b]!,
  );
  const count = Math.max(1, Math.min(MOST_BINS, Math.floor(order.length / FEWEST_ROWS)));
  const members = Array.from({ length: count }, (_, k) =>
    order.slice(Math.floor((k * order.length) / count), Math.floor(((k + 1) * order.length) / count)),
  );
  const means = members.map((rows) => rows.reduce((sum, row) => sum + predicted[row]!, 0) / Math.max(1, rows.length));
  const zeros = falling(
    // Half a customer of each kind: nobody is certain.
    members.map((rows) => (rows.filter((row) => actual[row]! <= 0).length + 0.5) / (rows.length + 1)),
    members.map(({ length }) => length),
    means.map((mean) => Math.log1p(Math.max(0, mean))),
  );
  /** Of buyers: actual spend over what the prediction says of a buyer. */
  const amounts = members.map((rows, k) =>
    rows
      .filter((row) => actual[row]! > 0 && predicted[row]! > 0)
      .map((row) => (actual[row]! / predicted[row]!) * (1 - zeros[k]!)),
  );
  return {
    upper: members.slice(0, -1).map((rows) => predicted[rows.at(-1)!]!),
    bins: members.map((rows, k) => {
      let [from, to] = [k, k + 1];
      const buyers = (): number[] => amounts.slice(from, to).flat();
      while (buyers().length < FEWEST_BUYERS && (from > 0 || to < count)) [from, to] = [Math.max(0, from - 1), to + 1];
      const sorted = buyers().toSorted((a, b) => a - b);
      return {
        rows: rows.length,
        predicted: means[k]!,
        zero: zeros[k]!,
        ratios: Array.from({ length: STEPS + 1 }, (_, step) =>
          sorted.length === 0 ? 1 : quantile(sorted, step / STEPS) / (1 - zeros[k]!),
        ),
      };
    }),
  };
};

/** Points of the level that stand for a normal distribution of its logarithm: the means of twelve parts of equal probability. */
const LEVELS = [-1.86, -1.18, -0.82, -0.54, -0.31, -0.1, 0.1, 0.31, 0.54, 0.82, 1.18, 1.86];

/**
 * The distribution where the level of all customers together is in doubt too: spend of those who buy scales with it, and the
 * more there is the fewer buy nothing (ln P(nothing) scales with it, as in a Poisson process of orders).
 * @param levelSd standard deviation of the level's logarithm
 */
export const widen = (d: PredictiveDistribution, levelSd: number): PredictiveDistribution => {
  const factors = LEVELS.map((z) => Math.exp(levelSd * z));
  return {
    ...d,
    bins: d.bins.map((bin) => {
      const zero = factors.reduce((sum, factor) => sum + bin.zero ** factor, 0) / factors.length;
      const ratios = factors.flatMap((factor) => bin.ratios.map((ratio) => ratio * factor)).toSorted((a, b) => a - b);
      return { ...bin, zero, ratios: bin.ratios.map((_, step) => quantile(ratios, step / STEPS)) };
    }),
  };
};

const quantile = (sorted: readonly number[], p: number): number => {
  const place = p * (sorted.length - 1);
  const low = sorted[Math.floor(place)]!;
  return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place));
};

/**
 * The nearest sequence that never rises, by least squares (pool adjacent violators); between the centres of two pooled
 * stretches it falls along a line, so that a larger prediction never says the same as a smaller one by chance of the pooling.
 */
const falling = (values: readonly number[], weights: readonly number[], places: readonly number[]): number[] => {
  const blocks: { value: number; place: number; weight: number }[] = [];
  values.forEach((value, k) => {
    blocks.push({ value, place: places[k]!, weight: weights[k]! });
    while (blocks.length > 1 && blocks.at(-2)!.value <= blocks.at(-1)!.value) {
      const b = blocks.pop()!;
      const a = blocks.pop()!;
      const weight = a.weight + b.weight;
      const mean = (x: number, y: number): number => (x * a.weight + y * b.weight) / weight;
      blocks.push({ value: mean(a.value, b.value), place: mean(a.place, b.place), weight });
    }
  });
  return places.map((place) => {
    const right = blocks.findIndex((block) => block.place > place);
    const b = blocks.at(right < 0 ? -1 : right)!;
    const a = right > 0 ? blocks[right - 1]! : b;
    return a === b || right < 0 ? b.value : a.value + ((b.value - a.value) * (place - a.place)) / (b.place - a.place);
  });
};

/** What the distribution says of one prediction: between the centres of two bins, what lies between theirs. */
type At = { zero: number; ratio: (p: number) => number };

const at = ({ bins }: PredictiveDistribution, predicted: number): At => {
  let right = bins.findIndex((bin) => bin.predicted > predicted);
  if (right < 0) right = bins.length;
  const a = bins[Math.max(0, right - 1)]!;
  const b = bins[Math.min(bins.length - 1, right)]!;
  const span = Math.log1p(b.predicted) - Math.log1p(a.predicted);
  const share = span > 0 ? Math.min(1, Math.max(0, (Math.log1p(predicted) - Math.log1p(a.predicted)) / span)) : 0;
  const between = (x: number, y: number): number => x + (y - x) * share;
  return { zero: between(a.zero, b.zero), ratio: (p) => between(quantile(a.ratios, p), quantile(b.ratios, p)) };
};

/** P(any spend). */
export const buyProbability = (d: PredictiveDistribution, predicted: number): number => 1 - at(d, predicted).zero;

/** The amount that a customer's spend stays at or below with probability `p`. */
export const spendQuantile = (d: PredictiveDistribution, predicted: number, p: number): number => {
  const { zero, ratio } = at(d, predicted);
  return p <= zero ? 0 : Math.max(0, predicted * ratio((p - zero) / (1 - zero)));
};

/**
 * Randomised probability integral transform (Brockwell 2007): uniform on [0, 1] where the distribution is right. The jump
 * at 0 is spread evenly by `u`.
 * @param u uniform on [0, 1)
 */
export const pitOf = (d: PredictiveDistribution, predicted: number, actual: number, u: number): number => {
  const { zero, ratio } = at(d, predicted);
  if (actual <= 0) return u * zero;
  if (!(predicted > 0)) return 1;
  const reached = actual / predicted;
  let [low, high] = [0, 1];
  for (let turn = 0; turn < 20; turn += 1) {
    const middle = (low + high) / 2;
    if (ratio(middle) <= reached) low = middle;
    else high = middle;
  }
  return zero + (1 - zero) * ((low + high) / 2);
};
