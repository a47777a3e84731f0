import type { Sample } from './lint.js';
import { pickRows } from './table.js';

/** A term of a formula, by its value in every row. */
type Term = { isNumber: boolean; values: Float64Array };

/** Rows that a formula is searched on, and as many that judge it. */
const ROWS = 1000;
/** Columns beyond which a least-squares fit says little. */
const MOST_COLUMNS = 200;
/** Of more columns than these, products are made of those that go most with the target. */
const MOST_FACTORS = 16;
/** Values of a text beyond which it is no group. */
const MOST_CATEGORIES = 12;
const ROUNDS = 3;
const TERMS_A_ROUND = 6;
/** Of more than that correlation one term says what another does. */
const ALIKE = 0.999;

/**
 * Looks for the target in sums, products, quotients and powers of the features: least squares on the columns, to which those
 * products and quotients are added, round by round, that tell most of what is left; and least squares of the logarithms. Fitted to
 * one half of a sample of the rows, judged on the other, so that chance finds nothing.
 * @returns R² of the best formula on rows that it was not fitted to; 0 where there are too few rows or too many columns to say
 */
export const formulaR2 = (columns: readonly string[], sample: Sample): number => {
  const { learn, judge } = halves(sample);
  const base = [...termsOf(columns, learn, judge)];
  const [a, b] = [learn.target.length, judge.target.length];
  const y = joined(learn.target, judge.target);
  if (base.length === 0 || base.length > MOST_COLUMNS || a < 3 * base.length) return 0;
  let best = 0;
  const logs = logarithms(base, y);
  if (logs !== null) best = leastSquares(logs.terms, logs.y, a, b).r2;

  const goal = standardised(y, a);
  const factors = base
    .filter(({ isNumber }) => isNumber)
    .map((term) => ({ term, strength: Math.abs(dot(standardised(term.values, a), goal, a)) }))
    .toSorted((one, other) => other.strength - one.strength)
    .slice(0, MOST_FACTORS)
    .map(({ term }) => term);
  const roots = factors.flatMap(({ values }): Term[] =>
    values.every((value) => value >= 0) ? [{ isNumber: true, values: values.map(Math.sqrt) }] : [],
  );
  let terms = base;
  for (let round = 0; round <= ROUNDS; round += 1) {
    const { r2, residual } = leastSquares(terms, y, a, b);
    best = Math.max(best, r2);
    const most = Math.min(TERMS_A_ROUND, Math.floor(a / 3) - terms.length);
    if (best > 0.9999 || round === ROUNDS || most < 1) break;
    const pool = [...factors, ...roots, ...terms.slice(base.length)];
    terms = [...terms, ...telling(pool, [...factors, ...roots], residual, a, most)];
  }
  return best;
};

/** Every second row of an even sample teaches, the others judge. */
const halves = ({ table, target }: Sample): { learn: Sample; judge: Sample } => {
  const step = Math.max(1, table.rows / (2 * ROWS));
  const rows = Int32Array.from({ length: Math.min(table.rows, 2 * ROWS) }, (_, k) => Math.floor(k * step));
  const half = (odd: number): Sample => {
    const taken = rows.filter((_, k) => k % 2 === odd);
    return { table: pickRows(table, taken), target: Float64Array.from(taken, (row) => target[row]!) };
  };
  return { learn: half(0), judge: half(1) };
};

const joined = (a: Float64Array, b: Float64Array): Float64Array => {
  const all = new Float64Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
};

/** Numbers as they are, missing ones at the mean; texts of few values as 0 and 1. Columns that do not vary are left out. */
function* termsOf(columns: readonly string[], learn: Sample, judge: Sample): Generator<Term> {
  for (const name of columns) {
    const [here, there] = [learn.table.columns.get(name), judge.table.columns.get(name)];
    if (here?.kind === 'numeric' && there?.kind === 'numeric') {
      const values = joined(Float64Array.from(here.values), Float64Array.from(there.values));
      const known = values.filter(Number.isFinite);
      const mean = known.reduce((sum, value) => sum + value / known.length, 0);
      if (known.some((value) => value !== known[0])) {
        yield { isNumber: true, values: values.map((value) => (Number.isFinite(value) ? value : mean)) };
      }
    } else if (here?.kind === 'categorical' && there?.kind === 'categorical') {
      const values = [...here.values, ...there.values];
      const distinct = [...new Set(values)].toSorted();
      if (distinct.length > MOST_CATEGORIES) continue;
      for (const one of distinct.slice(1)) {
        yield { isNumber: false, values: Float64Array.from(values, (value) => (value === one ? 1 : 0)) };
      }
    }
  }
}

/** The problem in logarithms, where products are sums; null where the target or every column has values of 0 and below. */
const logarithms = (base: readonly Term[], y: Float64Array): { terms: Term[]; y: Float64Array } | null => {
  if (!y.every((value) => value > 0)) return null;
  const terms = base.flatMap(({ values }): Term[] =>
    values.every((value) => value > 0) ? [{ isNumber: true, values: values.map(Math.log) }] : [],
  );
  return terms.length === 0 ? null : { terms, y: y.map(Math.log) };
};

/** The products and quotients that tell most of a residual on the first `a` rows, none of them like another. */
const telling = (
  pool: readonly Term[],
  factors: readonly Term[],
  residual: Float64Array,
  a: number,
  most: number,
): Term[] => {
  const left = standardised(residual, a);
  const found: { term: Term; made: Float64Array; strength: number }[] = [];
  const offer = (values: Float64Array): void => {
    const made = standardised(values, a);
    const strength = Math.abs(dot(made, left, a));
    const last = found.at(-1);
    if (!Number.isFinite(strength) || (found.length >= most && strength <= last!.strength)) return;
    const like = found.findIndex((other) => Math.abs(dot(other.made, made, a)) > ALIKE);
    if (like >= 0) {
      if (found[like]!.strength >= strength) return;
      found.splice(like, 1);
    }
    found.push({ term: { isNumber: true, values }, made, strength });
    found.sort((one, other) => other.strength - one.strength);
    found.length = Math.min(found.length, most);
  };
  for (const { values } of pool) {
    for (const factor of factors) {
      const least = factor.values.reduce((low, value) => Math.min(low, value), Infinity);
      offer(values.map((value, row) => value * factor.values[row]!));
      if (factor.values === values || least < 0) continue;
      if (least > 0) offer(values.map((value, row) => value / factor.values[row]!));
      offer(values.map((value, row) => value / (factor.values[row]! + 1)));
    }
  }
  return found.map(({ term }) => term);
};

/** Fits y to terms on the first `a` rows: R² on the `b` rows after them, and what is left of y in every row. */
const leastSquares = (
  terms: readonly Term[],
  y: Float64Array,
  a: number,
  b: number,
): { r2: number; residual: Float64Array } => {
  const design = terms.map(({ values }) => standardised(values, a));
  const goal = standardised(y, a);
  const gram = design.map((one, row) =>
    design.map((other, col) => (col > row ? 0 : dot(one, other, a) + (col === row ? 1e-9 : 0))),
  );
  const weights = solveCholesky(
    gram,
    design.map((one) => dot(one, goal, a)),
  );
  const residual = goal.slice();
  design.forEach((one, j) => {
    for (let row = 0; row < a + b; row += 1) residual[row]! -= weights[j]! * one[row]!;
  });
  let mean = 0;
  for (let row = a; row < a + b; row += 1) mean += goal[row]! / b;
  let [error, spread] = [0, 0];
  for (let row = a; row < a + b; row += 1) {
    error += residual[row]! ** 2;
    spread += (goal[row]! - mean) ** 2;
  }
  return { r2: spread > 0 ? 1 - error / spread : 0, residual };
};

/** Mean 0 and sd 1 on the first `a` rows, the same scale beyond; all 0 where they are constant there. */
const standardised = (values: Float64Array, a: number): Float64Array => {
  let [mean, squares] = [0, 0];
  for (let row = 0; row < a; row += 1) {
    const d = values[row]! - mean;
    mean += d / (row + 1);
    squares += d * (values[row]! - mean);
  }
  const sd = Math.sqrt(squares / a);
  return values.map((value) => (sd > 0 ? (value - mean) / sd : 0));
};

/** Mean product of the first `a` rows. */
const dot = (one: Float64Array, other: Float64Array, a: number): number => {
  let sum = 0;
  for (let row = 0; row < a; row += 1) sum += one[row]! * other[row]!;
  return sum / a;
};

/** Solves A·w = b for a symmetric positive definite A, given by its lower triangle, which is overwritten. */
const solveCholesky = (a: number[][], b: number[]): number[] => {
  const n = b.length;
  const w = [...b];
  for (let j = 0; j < n; j += 1) {
    const row = a[j]!;
    for (let k = 0; k < j; k += 1) {
      const other = a[k]!;
      let sum = row[k]!;
      for (let m = 0; m < k; m += 1) sum -= row[m]! * other[m]!;
      row[k] = sum / other[k]!;
    }
    let diagonal = row[j]!;
    for (let m = 0; m < j; m += 1) diagonal -= row[m]! ** 2;
    row[j] = Math.sqrt(Math.max(diagonal, 1e-12));
    let value = w[j]!;
    for (let m = 0; m < j; m += 1) value -= row[m]! * w[m]!;
    w[j] = value / row[j]!;
  }
  for (let j = n - 1; j >= 0; j -= 1) {
    let value = w[j]!;
    for (let m = j + 1; m < n; m += 1) value -= a[m]![j]! * w[m]!;
    w[j] = value / a[j]![j]!;
  }
  return w;
};
