/** Special functions of the probabilistic models, in double precision and log space. */

// Lanczos approximation, g = 7, n = 9 (Godfrey's coefficients; relative error below 1e-14 for x > 0).
const LANCZOS = [
  0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_13,
  -176.615_029_162_140_59, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6,
  1.505_632_735_149_311_6e-7,
] as const;

/** ln Γ(x) for x > 0. Lanczos approximation; Stirling's series from 1e4 on, where Lanczos loses digits to cancellation. */
export const lnGamma = (x: number): number => {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - lnGamma(1 - x);
  if (x > 1e4) return (x - 0.5) * Math.log(x) - x + 0.918_938_533_204_672_8 + 1 / (12 * x) - 1 / (360 * x ** 3);
  const z = x - 1;
  let sum: number = LANCZOS[0];
  for (let i = 1; i < 9; i += 1) sum += LANCZOS[i]! / (z + i);
  const t = z + 7.5;
  return 0.918_938_533_204_672_8 + (z + 0.5) * Math.log(t) - t + Math.log(sum);
};

/** ψ(x) = d ln Γ(x)/dx for x > 0: recurrence up to 8, then the asymptotic series (Abramowitz & Stegun 6.3.18). */
export const digamma = (x: number): number => {
  let shift = 0;
  let z = x;
  while (z < 8) {
    shift -= 1 / z;
    z += 1;
  }
  const f = 1 / (z * z);
  return (
    shift +
    Math.log(z) -
    0.5 / z -
    f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f * (5 / 660 - (f * 691) / 32_760)))))
  );
};

/** ln B(a, b) = ln Γ(a) + ln Γ(b) - ln Γ(a + b), for a, b > 0. */
export const lnBeta = (a: number, b: number): number => lnGamma(a) + lnGamma(b) - lnGamma(a + b);

/** ln(eᵃ + eᵇ) without overflow; either may be -Infinity. */
export const logAddExp = (a: number, b: number): number => {
  const m = Math.max(a, b);
  return m === -Infinity ? m : m + Math.log1p(Math.exp(-Math.abs(a - b)));
};

/**
 * e^`logScale` times Gauss's hypergeometric function ₂F₁(a, b; c; z) for c > 0, 0 ≤ z < 1 and real a, b, one of which may be
 * negative, by its power series (Abramowitz & Stegun 15.1.1), to about 1e-14 of the largest term. The sum itself may lie
 * beyond the range of numbers.
 */
export const hyp2f1 = (a: number, b: number, c: number, z: number, logScale = 0): number => {
  let term = 1;
  let sum = 1;
  let log = logScale;
  const settled = Math.max(0, -a, -b); // from here on the terms no longer change sign
  for (let n = 0; n < 1_000_000; n += 1) {
    term *= ((a + n) * (b + n) * z) / ((c + n) * (n + 1));
    sum += term;
    if (n > settled && Math.abs(term) <= 1e-15 * Math.abs(sum) * (1 - z)) break;
    if (Math.abs(term) > 1e200) {
      term *= 1e-200;
      sum *= 1e-200;
      log += 200 * Math.LN10;
    }
  }
  return sum * Math.exp(log);
};

/** Nodes in (0, 1) and weights of Gauss-Legendre quadrature with n points, by Newton's method on Pₙ. */
export const gaussLegendre = (n: number): { nodes: Float64Array; weights: Float64Array } => {
  const nodes = new Float64Array(n);
  const weights = new Float64Array(n);
  for (let i = 0; i < n; i += 1) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 0;
    for (let step = 0; step < 100; step += 1) {
      let p0 = 1;
      let p1 = x;
      for (let k = 2; k <= n; k += 1) [p0, p1] = [p1, ((2 * k - 1) * x * p1 - (k - 1) * p0) / k];
      slope = (n * (x * p1 - p0)) / (x * x - 1);
      const dx = p1 / slope;
      x -= dx;
      if (Math.abs(dx) < 1e-15) break;
    }
    nodes[i] = (1 - x) / 2;
    weights[i] = 1 / ((1 - x * x) * slope * slope);
  }
  return { nodes, weights };
};
