/** A function of several numbers to be made as large as possible; its gradient is written into `gradient`. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

/** One iteration of the optimiser. */
export type Step = { iteration: number; value: number; gradientNorm: number; x: number[] };

/**
 * A search that converged: `x` is the maximum, `trace` the way to it. `border` holds the places of parameters that ran to
 * zero or to infinity while the function levelled off: `x` is then as good as the limit.
 */
export type Maximum = { x: Float64Array; value: number; iterations: number; border: number[]; trace: Step[] };

/** A search that did not, and why. */
export type Failure = { reason: string; trace: Step[] };

/** Beyond this |x| a search is on its way to a border, and ends as soon as so little is left to gain. Models search in logarithms. */
const LIMIT = 14;
/** Where a search ends that still gains: it climbs to nowhere. */
const END = 18;
/** Beyond this |x| a search that no step improves is taken to be on its way to a border. */
const FAR = 10;
/** A slope of the log-likelihood by the logarithm of a parameter that no inference could tell from none. */
const NOTHING_LEFT = 0.01;
const ITERATIONS = 500;

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i]! * b[i]!;
  return sum;
};
const zeros = (n: number): number[][] => Array.from({ length: n }, () => Array.from({ length: n }, () => 0));
const scaledIdentity = (n: number, scale: number): number[][] => zeros(n).map((row, i) => row.with(i, scale));

/**
 * Maximises by BFGS with a bisecting Armijo-Wolfe line search (Nocedal & Wright 2006, Numerical Optimization, algorithms
 * 6.1 and 3.5) from each start, and returns the best of the searches that converged, none where none did, and the others.
 * A search has converged where |gradient| ≤ 1e-7 · max(1, |value|). One that runs off has where so little is left to gain: far
 * out a likelihood lacks some c·e^-|x| of its limit, which is also its slope.
 * @param inverse the inverse of the negative Hessian to begin with, where it is roughly known
 */
export const maximise = (
  objective: Objective,
  starts: readonly ArrayLike<number>[],
  inverse?: number[][],
): { best: Maximum | undefined; failures: Failure[] } => {
  let best: Maximum | undefined;
  const failures: Failure[] = [];
  for (const start of starts) {
    const result = bfgs(objective, start, inverse);
    if ('reason' in result) failures.push(result);
    else if (!best || result.value > best.value) best = result;
  }
  return { best, failures };
};

const bfgs = (objective: Objective, start: ArrayLike<number>, known: number[][] | undefined): Maximum | Failure => {
  const n = start.length;
  let x = Float64Array.from(start);
  let g = new Float64Array(n);
  let value = objective(x, g);
  const trace: Step[] = [];
  if (!Number.isFinite(value)) return { reason: 'the log-likelihood is not finite at the start', trace };
  let inverse = known?.map((row) => [...row]) ?? scaledIdentity(n, 1 / Math.max(1, Math.sqrt(dot(g, g))));
  let fresh = known === undefined;
  // Numbers that are as far out as they need to be: the others go on without them.
  const held = new Set<number>();
  for (let iteration = 0; iteration < ITERATIONS; iteration += 1) {
    const free = g.map((slope, i) => (held.has(i) ? 0 : slope));
    const norm = Math.sqrt(dot(free, free));
    trace.push({ iteration, value, gradientNorm: Math.sqrt(dot(g, g)), x: [...x] });
    const little = Math.max(NOTHING_LEFT, 1e-6 * Math.abs(value));
    const border = Array.from(x.keys()).filter((i) => Math.abs(x[i]!) > LIMIT);
    const converged: Maximum = { x, value, iterations: iteration, border, trace };
    if (norm <= 1e-7 * Math.max(1, Math.abs(value))) return converged;
    if (border.length > 0) {
      if (norm <= little) return converged;
      if (border.some((i) => Math.abs(x[i]!) > END))
        return { reason: 'a parameter runs to zero or to infinity', trace };
      const arrived = border.filter((i) => !held.has(i) && Math.abs(g[i]!) <= little);
      if (arrived.length > 0) {
        for (const i of arrived) held.add(i);
        inverse = scaledIdentity(n, 1 / Math.max(1, norm));
        fresh = true;
        continue;
      }
    }
    const direction = inverse.map((row, i) => (held.has(i) ? 0 : dot(row, free)));
    const next = lineSearch(objective, { x, g, value }, direction);
    if (!next || next.value === value) {
      // Rounding has the last word: as good as double precision allows, or a bad curvature to be thrown away once.
      if (norm <= 1e-4 * Math.sqrt(Math.max(1, Math.abs(value)))) return converged;
      if (fresh) {
        // Far out the noise of ln Γ can hide a slope that is as small as what a border is taken for.
        const far = Array.from(x.keys()).filter((i) => Math.abs(x[i]!) > FAR);
        if (far.length > 0 && norm <= little) return { ...converged, border: far };
        return { reason: 'no step makes the log-likelihood larger', trace };
      }
      inverse = scaledIdentity(n, 1 / Math.max(1, norm));
      fresh = true;
      continue;
    }
    const s = next.x.map((v, i) => v - x[i]!);
    const y = next.g.map((v, i) => (held.has(i) ? 0 : g[i]! - v));
    const sy = dot(s, y);
    if (sy > 1e-12) {
      const hy = inverse.map((row) => dot(row, y));
      const factor = (1 + dot(y, hy) / sy) / sy;
      for (let i = 0; i < n; i += 1)
        for (let j = 0; j < n; j += 1)
          inverse[i]![j]! += factor * s[i]! * s[j]! - (hy[i]! * s[j]! + s[i]! * hy[j]!) / sy;
      fresh = false;
    }
    ({ x, g, value } = next);
  }
  return { reason: `it did not settle in ${ITERATIONS} iterations`, trace };
};

type Point = { x: Float64Array<ArrayBuffer>; g: Float64Array<ArrayBuffer>; value: number };

/** A point along `direction` that is high enough and where the slope has fallen; the last high enough one after 60 tries. */
const lineSearch = (objective: Objective, from: Point, direction: readonly number[]): Point | undefined => {
  const slope = dot(direction, from.g);
  const longest = Math.max(...direction.map(Math.abs));
  let step = longest > 2 ? 2 / longest : 1;
  let low = 0;
  let high = Infinity;
  let accepted: Point | undefined;
  for (let tries = 0; tries < 60; tries += 1) {
    const x = from.x.map((v, i) => v + step * direction[i]!);
    const g = new Float64Array(x.length);
    const value = objective(x, g);
    if (value >= from.value + 1e-4 * step * slope) {
      accepted = { x, g, value };
      if (dot(direction, g) <= 0.9 * slope) break;
      low = step;
    } else high = step; // also where the value is not a number
    step = high === Infinity ? 2 * low : (low + high) / 2;
  }
  return accepted;
};

/**
 * Covariance of the maximum likelihood estimate: the inverse of the observed information, that is of the negative Hessian of
 * the log-likelihood at its maximum, by central differences of the gradient. Parameters at a border are held: their
 * rows and columns are 0. Undefined where the information is not positive definite: the data do not determine every parameter.
 */
export const covarianceAt = (objective: Objective, { x, border }: Maximum): number[][] | undefined => {
  const h = 1e-4;
  const free = Array.from(x.keys()).filter((i) => !border.includes(i));
  const slopes = free.map((i) => {
    const up = new Float64Array(x.length);
    const down = new Float64Array(x.length);
    objective(x.with(i, x[i]! + h), up);
    objective(x.with(i, x[i]! - h), down);
    return free.map((j) => (down[j]! - up[j]!) / (2 * h));
  });
  const lower = cholesky(slopes.map((row, i) => row.map((value, j) => (value + slopes[j]![i]!) / 2)));
  if (!lower) return undefined;
  const inverse = inverseOf(lower);
  const covariance = zeros(x.length);
  for (const [a, i] of free.entries()) for (const [b, j] of free.entries()) covariance[i]![j] = inverse[a]![b]!;
  return covariance;
};

/** The lower triangular L with L·Lᵀ = `matrix`; undefined where that is not positive definite. */
export const cholesky = (matrix: readonly (readonly number[])[]): number[][] | undefined => {
  const n = matrix.length;
  const lower = zeros(n);
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      const rest = matrix[i]![j]! - dot(lower[i]!.slice(0, j), lower[j]!);
      if (i > j) lower[i]![j] = rest / lower[j]![j]!;
      else if (rest > 0) lower[i]![i] = Math.sqrt(rest);
      else return undefined;
    }
  }
  return lower;
};

/** (L·Lᵀ)⁻¹, column by column through two triangular systems. */
const inverseOf = (lower: number[][]): number[][] => {
  const n = lower.length;
  return Array.from({ length: n }, (_, column) => {
    const z = Array.from({ length: n }, () => 0);
    for (let i = 0; i < n; i += 1) {
      let rest = i === column ? 1 : 0;
      for (let k = 0; k < i; k += 1) rest -= lower[i]![k]! * z[k]!;
      z[i] = rest / lower[i]![i]!;
    }
    for (let i = n - 1; i >= 0; i -= 1) {
      for (let k = i + 1; k < n; k += 1) z[i]! -= lower[k]![i]! * z[k]!;
      z[i]! /= lower[i]![i]!;
    }
    return z;
  });
};
