import { CloveError } from '@clove/contracts';
import { Rng } from './rng.js';

/**
 * Gradient-boosted regression trees on histograms: Friedman (2001), Greedy function approximation; second-order leaf
 * weights and default directions of Chen & Guestrin (2016), XGBoost; binned features and histogram subtraction as in
 * LightGBM (Ke et al. 2017). With an offset, and `poisson` or `tweedie`, the trees learn the logarithm of a multiplier of
 * exp(offset).
 */
export type BoostingOptions = {
  /** of the prediction for `squared`, of its logarithm for the others */
  loss: 'squared' | 'poisson' | 'tweedie';
  /** variance power of `tweedie`, between 1 (Poisson) and 2 (gamma); 1.5 when left out */
  power?: number;
  /** most trees */
  trees: number;
  /** most splits on the way to a leaf */
  depth: number;
  learningRate: number;
  /** least rows in a leaf */
  minLeaf: number;
  /** L2 penalty on leaf values, in rows of mean Hessian */
  l2: number;
  /** share of rows drawn for each tree, in (0, 1] */
  rowShare: number;
  /** share of features drawn for each tree, in (0, 1] */
  featureShare: number;
  seed: number;
  /** trees without a better validation loss after which growth stops */
  patience: number;
};

/**
 * One tree as parallel arrays by node; node 0 is the root. An inner node has `feature` ≥ 0 and sends a row left where its value
 * is ≤ `threshold`, or where it is missing and `missingLeft` is 1. A leaf has `feature` -1 and adds `value`.
 */
export type Tree = {
  feature: Int32Array;
  threshold: Float32Array;
  missingLeft: Uint8Array;
  left: Int32Array;
  right: Int32Array;
  value: Float32Array;
};

/** A sum of trees upon `base`: the score. The prediction is offset + score for `squared`, exp(offset + score) for the others. */
export type Boosted = { loss: BoostingOptions['loss']; base: number; features: number; trees: Tree[] };

/** Rows by column: `columns[f][i]` is feature f of row i, NaN where missing. `offset` is 0 when left out. */
export type BoostingData = {
  columns: readonly Float32Array[];
  y: Float64Array;
  offset?: Float64Array | undefined;
};

/** Bins of present values; bin 0 is for missing ones, so that a bin's number fits a byte. */
const BINS = 255;
/** Places in a histogram: sum of gradients, of Hessians, and rows, bin by bin. */
const STRIDE = 3;
const HISTOGRAM = (BINS + 1) * STRIDE;
/** Rows whose quantiles are the edges of bins, where there are more. */
const EDGE_ROWS = 200_000;
/** Most that a leaf moves the logarithm of a mean by, before the learning rate: a Newton step from far below overshoots. */
const LARGEST_STEP = 3;

/** The largest 32-bit float. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/** Upper edges of the bins, the last one the largest value: all distinct values where they fit, else quantiles. */
const edgesOf = (column: Float32Array): Float32Array => {
  const every = Math.max(1, Math.ceil(column.length / EDGE_ROWS));
  const present = column.filter((v, i) => i % every === 0 && !Number.isNaN(v)).toSorted();
  const distinct = present.filter((v, i) => v !== present[i - 1]);
  if (distinct.length <= BINS) return distinct;
  const edges = Float32Array.from({ length: BINS }, (_, k) => {
    return present[Math.ceil(((k + 1) * present.length) / BINS) - 1]!;
  });
  return edges.filter((v, i) => v !== edges[i - 1]);
};

/** The bin of a value: 0 where missing, else one more than the place of the first edge that is not below it. */
const binOf = (edges: Float32Array, value: number): number => {
  if (Number.isNaN(value)) return 0;
  let low = 0;
  let high = edges.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= edges[middle]!) high = middle;
    else low = middle + 1;
  }
  return low + 1;
};

/** Derivative and second derivative of each loss by the score s, and the loss itself up to a term without s. */
type LossFunctions = {
  loss: (y: number, s: number) => number;
  slopes: (y: Float64Array, s: Float64Array, g: Float64Array, h: Float64Array) => void;
};
const lossFunctions = (o: BoostingOptions): LossFunctions => {
  const p = o.power ?? 1.5;
  if (o.loss === 'squared') {
    return {
      loss: (y, s) => (s - y) ** 2 / 2,
      slopes: (y, s, g, h) => {
        for (let i = 0; i < y.length; i += 1) g[i] = s[i]! - y[i]!;
        h.fill(1);
      },
    };
  }
  if (o.loss === 'poisson') {
    return {
      loss: (y, s) => Math.exp(s) - y * s,
      slopes: (y, s, g, h) => {
        for (let i = 0; i < y.length; i += 1) {
          h[i] = Math.exp(s[i]!);
          g[i] = h[i]! - y[i]!;
        }
      },
    };
  }
  return {
    loss: (y, s) => Math.exp((2 - p) * s) / (2 - p) + (y * Math.exp((1 - p) * s)) / (p - 1),
    slopes: (y, s, g, h) => {
      for (let i = 0; i < y.length; i += 1) {
        const up = Math.exp((2 - p) * s[i]!);
        const down = y[i]! * Math.exp((1 - p) * s[i]!);
        g[i] = up - down;
        h[i] = (2 - p) * up + (p - 1) * down;
      }
    },
  };
};

/**
 * Fits trees to `train`. With `validation`, growth stops when its loss no longer falls, and the best number of trees is kept:
 * it can be none, where the offset times a constant forecasts best. `losses` holds the mean loss (up to a term without
 * the prediction) on the validation rows before the first tree and after each, on the training rows where there are no others;
 * `trainLosses` that on the training rows.
 * `gains` tells by feature how much loss its splits took away. Same data, options and seed: same trees.
 * @throws CloveError `invalid-input` for options or an offset out of range; `value-invalid` for negative targets under
 *   poisson or tweedie; `target-constant` where all targets are 0 under these; `not-enough-data` without rows
 */
export const fitBoosted = (
  train: BoostingData,
  validation: BoostingData | undefined,
  o: BoostingOptions,
): { model: Boosted; losses: number[]; trainLosses: number[]; gains: Float64Array } => {
  refuse(train, o);
  const n = train.y.length;
  const { loss, slopes } = lossFunctions(o);
  const rng = new Rng(o.seed, 17);
  const features = train.columns.length;
  const edges = train.columns.map(edgesOf);
  const bins = train.columns.map((column, f) => Uint8Array.from(column, (v) => binOf(edges[f]!, v)));
  const base = baseOf(train, o);
  const startOf = ({ y, offset }: BoostingData) => Float64Array.from(y, (_, i) => base + (offset?.[i] ?? 0));
  const scores = startOf(train);
  const watchedScores = validation ? startOf(validation) : scores;
  const meanLoss = ({ y }: BoostingData, s: Float64Array): number => {
    let sum = 0;
    for (let i = 0; i < y.length; i += 1) sum += loss(y[i]!, s[i]!);
    return sum / y.length;
  };
  const grower = new TreeGrower(bins, edges, o);
  const trees: Tree[] = [];
  const trainLosses = [meanLoss(train, scores)];
  const losses = validation ? [meanLoss(validation, watchedScores)] : trainLosses;
  let best = 0;
  for (let round = 1; round <= o.trees && round - best <= o.patience; round += 1) {
    slopes(train.y, scores, grower.g, grower.h);
    const rows = new Int32Array(n);
    let kept = 0;
    for (let i = 0; i < n; i += 1) if (o.rowShare >= 1 || rng.uniform() < o.rowShare) rows[kept++] = i;
    const drawn = rng
      .shuffle(Int32Array.from({ length: features }, (_, f) => f))
      .subarray(0, Math.max(1, Math.round(o.featureShare * features)))
      .toSorted();
    const tree = grower.grow(rows.subarray(0, kept), drawn);
    trees.push(tree);
    addTree(tree, train.columns, scores);
    if (validation) addTree(tree, validation.columns, watchedScores);
    trainLosses.push(meanLoss(train, scores));
    if (validation) losses.push(meanLoss(validation, watchedScores));
    if (losses[round]! < losses[best]! || !validation) best = round;
  }
  const model: Boosted = { loss: o.loss, base, features, trees: trees.slice(0, best) };
  return { model, losses, trainLosses, gains: grower.gains };
};

const refuse = ({ columns, y, offset }: BoostingData, o: BoostingOptions): void => {
  if (y.length === 0 || columns.length === 0)
    throw new CloveError('not-enough-data', 'Trees need at least one row and one feature.');
  const shares = { learningRate: o.learningRate, rowShare: o.rowShare, featureShare: o.featureShare };
  for (const [name, value] of Object.entries(shares)) {
    if (!(value > 0 && value <= 1))
      throw new CloveError('invalid-input', `Boosting option ${name} is ${value}: it must lie above 0 and up to 1.`);
  }
  if (o.power !== undefined && !(o.power > 1 && o.power < 2)) {
    throw new CloveError('invalid-input', `Boosting option power is ${o.power}: it must lie between 1 and 2.`);
  }
  if (offset && !offset.every(Number.isFinite)) {
    throw new CloveError('invalid-input', 'An offset of boosted trees is no number: forecasts of 0 have no logarithm.');
  }
  if (o.loss === 'squared') return;
  const negative = y.findIndex((v) => !(v >= 0));
  if (negative >= 0) {
    throw new CloveError(
      'value-invalid',
      `Row ${negative + 1} has the target ${y[negative]}: the ${o.loss} loss takes targets of 0 and more. Net out refunds first, or take the squared loss.`,
    );
  }
  if (y.every((v) => v === 0)) throw new CloveError('target-constant', 'All targets are 0: there is nothing to learn.');
};

/** The constant that makes predictions without trees sum to the targets. */
const baseOf = ({ y, offset }: BoostingData, o: BoostingOptions): number => {
  let targets = 0;
  let offsets = 0;
  for (let i = 0; i < y.length; i += 1) {
    targets += y[i]!;
    offsets += o.loss === 'squared' ? (offset?.[i] ?? 0) : Math.exp(offset?.[i] ?? 0);
  }
  return o.loss === 'squared' ? (targets - offsets) / y.length : Math.log(targets / offsets);
};

/** Where a node splits best: rows in bins up to `bin` go left, and the missing ones where `missingLeft`. */
type Split = { gain: number; feature: number; bin: number; missingLeft: boolean; left: Totals };

/** Gradients and Hessians of a node's rows. */
type Totals = { G: number; H: number };

/** A node to be grown: its rows are `order[from..to)`; the histogram is there unless it must be a leaf. */
type Node = Totals & { node: number; from: number; to: number; depth: number; histogram: Float64Array | undefined };

/**
 * Grows trees on one set of binned columns, depth first. The histogram of the larger child is its parent's less the smaller
 * child's, so that each level costs at most half of the rows.
 */
class TreeGrower {
  /** gradient and Hessian of each row: written before each tree */
  readonly g: Float64Array;
  readonly h: Float64Array;
  readonly gains: Float64Array;
  private readonly spare: Int32Array;
  private readonly gathered: { g: Float64Array; h: Float64Array };
  private readonly pool: Float64Array[] = [];

  constructor(
    private readonly bins: readonly Uint8Array[],
    private readonly edges: readonly Float32Array[],
    private readonly o: BoostingOptions,
  ) {
    const rows = bins[0]!.length;
    this.g = new Float64Array(rows);
    this.h = new Float64Array(rows);
    this.gains = new Float64Array(bins.length);
    this.spare = new Int32Array(rows);
    this.gathered = { g: new Float64Array(rows), h: new Float64Array(rows) };
  }

  /** @param order row numbers, ascending; left in the order of the leaves @param drawn the features to split by */
  grow(order: Int32Array, drawn: Int32Array): Tree {
    const { o, g, h } = this;
    let squares = 0;
    const all: Totals = { G: 0, H: 0 };
    for (const row of order) {
      squares += g[row]! ** 2;
      all.G += g[row]!;
      all.H += h[row]!;
    }
    const mean = all.H / order.length;
    const l2 = o.l2 * mean;
    const least = (1e-10 * squares) / mean; // gains below are rounding
    const mayGrow = (depth: number, rows: number) => depth < o.depth && rows >= 2 * o.minLeaf;
    const rows = order.length;
    const tree: { [K in keyof Tree]: number[] } = {
      feature: [],
      threshold: [],
      missingLeft: [],
      left: [],
      right: [],
      value: [],
    };
    const addNode = (): number => {
      for (const column of Object.values(tree)) column.push(0);
      return tree.feature.length - 1;
    };
    const root = mayGrow(0, rows) ? this.fill(order, 0, rows, drawn) : undefined;
    const todo: Node[] = [{ ...all, node: addNode(), from: 0, to: rows, depth: 0, histogram: root }];
    for (let at = todo.pop(); at; at = todo.pop()) {
      const { node, from, to, depth, histogram } = at;
      tree.feature[node] = -1;
      tree.value[node] = this.leafValue(at, l2);
      if (!histogram) continue;
      const split = this.best(histogram, drawn, at, l2, least);
      if (!split) {
        this.pool.push(histogram);
        continue;
      }
      const middle = this.partition(order, from, to, split);
      this.gains[split.feature]! += split.gain;
      tree.feature[node] = split.feature;
      const edges = this.edges[split.feature]!;
      // Values parted from the missing ones alone stay so, be they larger than any seen here.
      tree.threshold[node] = split.bin === edges.length ? LARGEST : edges[split.bin - 1]!;
      tree.missingLeft[node] = split.missingLeft ? 1 : 0;
      const shared = { depth: depth + 1, histogram: undefined };
      const left: Node = { ...shared, ...split.left, node: addNode(), from, to: middle };
      const right: Node = {
        ...shared,
        G: at.G - left.G,
        H: at.H - left.H,
        node: addNode(),
        from: middle,
        to,
      };
      tree.left[node] = left.node;
      tree.right[node] = right.node;
      const [small, large] = middle - from < to - middle ? [left, right] : [right, left];
      if (mayGrow(depth + 1, large.to - large.from)) {
        const counted = this.fill(order, small.from, small.to, drawn);
        for (let i = 0; i < histogram.length; i += 1) histogram[i]! -= counted[i]!;
        large.histogram = histogram;
        if (mayGrow(depth + 1, small.to - small.from)) small.histogram = counted;
        else this.pool.push(counted);
      } else this.pool.push(histogram);
      todo.push(right, left);
    }
    return {
      feature: Int32Array.from(tree.feature),
      threshold: Float32Array.from(tree.threshold),
      missingLeft: Uint8Array.from(tree.missingLeft),
      left: Int32Array.from(tree.left),
      right: Int32Array.from(tree.right),
      value: Float32Array.from(tree.value),
    };
  }

  /** A Newton step from the score of its rows. */
  private leafValue({ G, H }: Totals, l2: number): number {
    const step = H + l2 > 0 ? -G / (H + l2) : 0;
    const bound = this.o.loss === 'squared' ? Infinity : LARGEST_STEP;
    return this.o.learningRate * Math.max(-bound, Math.min(bound, step));
  }

  /** The histogram of some rows by the features drawn, one after the other. */
  private fill(order: Int32Array, from: number, to: number, drawn: Int32Array): Float64Array {
    const histogram = this.pool.pop()?.fill(0) ?? new Float64Array(drawn.length * HISTOGRAM);
    const { g, h } = this.gathered;
    for (let i = from; i < to; i += 1) {
      g[i] = this.g[order[i]!]!;
      h[i] = this.h[order[i]!]!;
    }
    for (let k = 0; k < drawn.length; k += 1) {
      const column = this.bins[drawn[k]!]!;
      const start = k * HISTOGRAM;
      for (let i = from; i < to; i += 1) {
        const at = start + column[order[i]!]! * STRIDE;
        histogram[at]! += g[i]!;
        histogram[at + 1]! += h[i]!;
        histogram[at + 2]! += 1;
      }
    }
    return histogram;
  }

  /** The split of the largest gain (Chen & Guestrin, equation 7), missing values to either side; undefined where none gains. */
  private best(
    histogram: Float64Array,
    drawn: Int32Array,
    { G, H, from, to }: Node,
    l2: number,
    least: number,
  ): Split | undefined {
    const rows = to - from;
    const whole = (G * G) / (H + l2);
    const { minLeaf } = this.o;
    let best: Split | undefined;
    for (let k = 0; k < drawn.length; k += 1) {
      const start = k * HISTOGRAM;
      const missing = histogram[start + 2]!;
      const last = this.edges[drawn[k]!]!.length;
      for (let side = 0; side < (missing > 0 ? 2 : 1); side += 1) {
        // Missing values go left on the first pass and right on the second, which can also part them from all others.
        let gl = side === 0 ? histogram[start]! : 0;
        let hl = side === 0 ? histogram[start + 1]! : 0;
        let nl = side === 0 ? missing : 0;
        for (let bin = 1; bin < last + side; bin += 1) {
          const at = start + bin * STRIDE;
          if (histogram[at + 2] === 0) continue;
          gl += histogram[at]!;
          hl += histogram[at + 1]!;
          nl += histogram[at + 2]!;
          if (nl < minLeaf) continue;
          if (rows - nl < minLeaf) break;
          const gain = (gl * gl) / (hl + l2) + (G - gl) ** 2 / (H - hl + l2) - whole;
          if (gain > (best?.gain ?? least))
            best = { gain, feature: drawn[k]!, bin, missingLeft: side === 0, left: { G: gl, H: hl } };
        }
      }
    }
    return best;
  }

  /** Brings the rows that go left to the front, keeping their order on both sides; returns where the others begin. */
  private partition(order: Int32Array, from: number, to: number, { feature, bin, missingLeft }: Split): number {
    const column = this.bins[feature]!;
    let left = from;
    let right = 0;
    for (let i = from; i < to; i += 1) {
      const row = order[i]!;
      const b = column[row]!;
      if (b === 0 ? missingLeft : b <= bin) order[left++] = row;
      else this.spare[right++] = row;
    }
    order.set(this.spare.subarray(0, right), left);
    return left;
  }
}

const addTree = (tree: Tree, columns: readonly Float32Array[], scores: Float64Array): void => {
  const { feature, threshold, missingLeft, left, right, value } = tree;
  for (let i = 0; i < scores.length; i += 1) {
    let node = 0;
    for (let f = feature[0]!; f >= 0; f = feature[node]!) {
      const v = columns[f]![i]!;
      node = v <= threshold[node]! || (Number.isNaN(v) && missingLeft[node] === 1) ? left[node]! : right[node]!;
    }
    scores[i]! += value[node]!;
  }
};

/** One prediction a row: values for `squared`, means for `poisson` and `tweedie`. @param offset 0 when left out */
export const predictBoosted = (
  model: Boosted,
  columns: readonly Float32Array[],
  rows: number,
  offset?: Float64Array,
): Float64Array => {
  const scores = Float64Array.from({ length: rows }, (_, i) => model.base + (offset?.[i] ?? 0));
  for (const tree of model.trees) addTree(tree, columns, scores);
  return model.loss === 'squared' ? scores : scores.map(Math.exp);
};
