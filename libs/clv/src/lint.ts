import type { LintFinding } from '@clove/contracts';
import { formulaR2 } from './formula.js';
import { pearson, spearman } from './metrics.js';
import { addDays } from './splits.js';
import { type Column, type Table, pickRows } from './table.js';

/** Customers and the target of each, row by row. */
export type Sample = { table: Table; target: Float64Array };

/** From here on a correlation is called a copy. */
const COPY = 0.999;
/** From here on a fit is called a formula. No honest forecast of people comes near. */
const FORMULA_R2 = 0.995;
/** And from here on it is doubted: a formula with a little noise on it. */
const DOUBTFUL_R2 = 0.97;
/** Columns up to which those that a formula needs are found by leaving out each. */
const MOST_COLUMNS_TO_NAME = 30;
/** What a formula must lose without a column that it needs. */
const NEEDED_R2 = 0.005;
/** Fewer rows than this can agree by chance. */
const FEWEST_ROWS = 30;
/** Rows that the fits look at, spread evenly: enough for figures of three digits. */
const SAMPLE_ROWS = 20_000;
/** A split may share this much of its test rows by chance before it is a warning. */
const DUPLICATE_SHARE = 0.01;

/**
 * Looks for ways in which a test could flatter a model. Each finding says what was seen and what to do.
 * @param i.columns feature columns that the model may learn from
 * @param i.train what the model learned from (validation not needed); null where that is not at hand: then the test rows alone are
 *   looked at, and rows on both sides cannot be seen. `test`: those it is judged on
 * @param i.testR2 the model's own figure on the test rows
 * @param i.windows protocol forward: the origins; null for protocol random
 */
export const lintLeakage = (i: {
  columns: readonly string[];
  train: Sample | null;
  test: Sample;
  testR2: number | null;
  windows: { trainingOrigins: readonly string[]; testOrigin: string; horizonDays: number } | null;
}): LintFinding[] => {
  const known = i.train ?? i.test;
  const sample = thinned(known);
  const findings: LintFinding[] = [];
  const copies: string[] = [];
  const ids: string[] = [];
  if (sample.table.rows >= FEWEST_ROWS) {
    for (const name of i.columns) {
      const column = sample.table.columns.get(name);
      if (column === undefined) continue;
      if (copiesTarget(column, sample.target)) copies.push(name);
      if (looksLikeId(known.table.columns.get(name)!)) ids.push(name);
    }
  }
  if (copies.length > 0) {
    findings.push({
      code: 'feature-predicts-target',
      severity: 'error',
      message: `${named(copies)} alone ${copies.length === 1 ? 'predicts' : 'predict'} the target almost exactly. Was it known at the moment of prediction, or is it the target in other words? If so, train without it (ignoreColumns).`,
      columns: copies,
    });
  }
  if (ids.length > 0) {
    findings.push({
      code: 'id-used-as-feature',
      severity: 'warning',
      message: `${named(ids)} ${ids.length === 1 ? 'has' : 'have'} a different whole number in every row, as an identifier or a row number has. If so, train without it (ignoreColumns).`,
      columns: ids,
    });
  }
  findings.push(...functionOfFeatures(i, sample, copies), ...duplicates(i));
  if (i.windows !== null) findings.push(...lintWindows(i.windows));
  return findings;
};

const thinned = ({ table, target }: Sample): Sample => {
  if (table.rows <= SAMPLE_ROWS) return { table, target };
  const step = table.rows / SAMPLE_ROWS;
  const rows = Int32Array.from({ length: SAMPLE_ROWS }, (_, k) => Math.floor(k * step));
  return { table: pickRows(table, rows), target: Float64Array.from(rows, (row) => target[row]!) };
};

/** |Pearson| or |Spearman| of a number, or the share of variance between the groups of a text, is almost 1. */
const copiesTarget = (column: Column, target: Float64Array): boolean => {
  if (column.kind === 'categorical') return betweenGroups(column.values, target) > COPY;
  const present = [...target.keys()].filter((row) => Number.isFinite(column.values[row]!));
  if (present.length < Math.max(FEWEST_ROWS, target.length / 2)) return false;
  const x = Float64Array.from(present, (row) => column.values[row]!);
  const y = Float64Array.from(present, (row) => target[row]!);
  return Math.abs(pearson(x, y) ?? 0) > COPY || Math.abs(spearman(x, y) ?? 0) > COPY;
};

/** R² of the group means; 0 where the groups are too small to say. */
const betweenGroups = (values: readonly (string | null)[], target: Float64Array): number => {
  const groups = new Map<string | null, { count: number; sum: number }>();
  let sum = 0;
  target.forEach((value, row) => {
    const key = values[row] ?? null;
    const group = groups.get(key) ?? { count: 0, sum: 0 };
    group.count += 1;
    group.sum += value;
    sum += value;
    groups.set(key, group);
  });
  if (groups.size < 2 || groups.size * 5 > target.length) return 0;
  const mean = sum / target.length;
  let total = 0;
  for (const value of target) total += (value - mean) ** 2;
  let between = 0;
  for (const group of groups.values()) between += group.count * (group.sum / group.count - mean) ** 2;
  return total === 0 ? 0 : between / total;
};

/** Whole numbers, one for each row, as densely packed as numbers that were handed out: within ten times the row count. */
const looksLikeId = (column: Column): boolean => {
  if (column.kind === 'categorical') return false; // a text of its own in every row never becomes a feature
  const seen = new Set<number>();
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of column.values) {
    if (!Number.isInteger(value) || seen.has(value)) return false;
    seen.add(value);
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high - low < 10 * column.values.length;
};

const functionOfFeatures = (
  i: Parameters<typeof lintLeakage>[0],
  sample: Sample,
  copies: readonly string[],
): LintFinding[] => {
  if (copies.length > 0) return []; // said already
  const fitted = sample.table.rows >= FEWEST_ROWS ? formulaR2(i.columns, sample) : 0;
  const learned = i.testR2 ?? 0;
  const most = Math.max(fitted, learned);
  if (most <= DOUBTFUL_R2) return [];
  const needed =
    fitted > DOUBTFUL_R2 && i.columns.length <= MOST_COLUMNS_TO_NAME
      ? i.columns.filter((name) => formulaR2(without(i.columns, name), sample) < fitted - NEEDED_R2)
      : [];
  const how =
    fitted >= learned
      ? `A formula of ${needed.length > 0 ? named(needed) : 'the features'} gives the target with R² ${fitted.toFixed(4)} on customers that it was not fitted to`
      : `The model reaches R² ${learned.toFixed(4)} on customers that it has not seen`;
  return [
    {
      code: 'target-is-function-of-features',
      severity: most > FORMULA_R2 ? 'error' : 'warning',
      message: `${how}: the target looks computed from the features, so this test says nothing about future spend. Use a target that was observed after the features.`,
      ...(needed.length > 0 ? { columns: needed } : {}),
    },
  ];
};

const duplicates = (i: Parameters<typeof lintLeakage>[0]): LintFinding[] => {
  if (i.train === null) return [];
  const known = new Set(hashRows(i.columns, i.train));
  let count = 0;
  let row = 0;
  for (const hash of hashRows(i.columns, i.test)) {
    // Customers who spend nothing and look alike are no sign of anything: there are many.
    if (known.has(hash) && i.test.target[row] !== 0) count += 1;
    row += 1;
  }
  if (count === 0) return [];
  const share = count / i.test.table.rows;
  return [
    {
      code: 'duplicate-rows-across-split',
      severity: share > DUPLICATE_SHARE ? 'warning' : 'info',
      message: `${count} of ${i.test.table.rows} test rows (${(100 * share).toFixed(1)} %) have the same features and the same target, not 0, as a training row. A few are chance where features are coarse; many mean that customers were entered twice, and that the figures flatter.`,
    },
  ];
};

/**
 * A 53-bit fingerprint of each row's features and target: two 32-bit FNV-1a hashes over the bits of the numbers and the
 * units of the texts. Among a million rows two different ones meet with a chance of about 1 in 20,000.
 */
function* hashRows(columns: readonly string[], { table, target }: Sample): Generator<number> {
  const float = new Float64Array(1);
  const words = new Int32Array(float.buffer);
  const known = columns.flatMap((name) => table.columns.get(name) ?? []);
  for (let row = 0; row < table.rows; row += 1) {
    let a = 0x811c9dc5;
    let b = 0x1b873593;
    const take = (word: number): void => {
      a = Math.imul(a ^ word, 0x01000193);
      b = Math.imul((b << 13) | (b >>> 19), 5) ^ Math.imul(word ^ (word >>> 15), 0xcc9e2d51);
    };
    const takeNumber = (value: number): void => {
      float[0] = value;
      take(words[0]!);
      take(words[1]!);
    };
    for (const column of known) {
      if (column.kind === 'numeric') takeNumber(column.values[row]!);
      else {
        const text = column.values[row] ?? '\u0000';
        for (let c = 0; c < text.length; c += 1) take(text.charCodeAt(c));
        take(-1);
      }
    }
    takeNumber(target[row]!);
    yield (mix(b) & 0x1fffff) * 4_294_967_296 + (mix(a) >>> 0);
  }
}

const mix = (word: number): number => {
  const h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
};

/** Whether the label windows of training reach into the test, or into each other. */
export const lintWindows = (windows: {
  trainingOrigins: readonly string[];
  testOrigin: string;
  horizonDays: number;
}): LintFinding[] => {
  const { trainingOrigins, testOrigin, horizonDays } = windows;
  const findings: LintFinding[] = [];
  const late = trainingOrigins.filter((origin) => addDays(origin, horizonDays) > testOrigin);
  if (late.length > 0) {
    findings.push({
      code: 'overlapping-label-windows',
      severity: 'error',
      message: `The labels of the training origins ${late.join(', ')} reach beyond the test origin ${testOrigin}: the model has seen spend that it is tested on.`,
    });
  }
  const ordered = trainingOrigins.toSorted();
  const crowded = ordered.filter((origin, k) => k > 0 && addDays(ordered[k - 1]!, horizonDays) > origin).length;
  if (crowded > 0) {
    findings.push({
      code: 'overlapping-label-windows',
      severity: 'info',
      message: `The training origins lie closer together than the horizon of ${horizonDays} days, so ${crowded + 1} label windows share days: their rows are not independent, which makes the training set look larger than it is. The test window is apart.`,
    });
  }
  return findings;
};

const without = (names: readonly string[], left: string): string[] => names.filter((name) => name !== left);
const named = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');
