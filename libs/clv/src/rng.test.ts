import { describe, expect, test } from 'vitest';
import { Rng } from './rng.js';

/** How many standard deviations the chi-square of counts lies above its mean; below 5 where they fit. */
const misfit = (counts: ArrayLike<number>, expected: (i: number) => number): number => {
  const terms = Array.from({ length: counts.length }, (_, i) => (counts[i]! - expected(i)) ** 2 / expected(i));
  const chiSquare = terms.reduce((sum, x) => sum + x, 0);
  const freedom = counts.length - 1;
  return (chiSquare - freedom) / Math.sqrt(2 * freedom);
};

/** The same for draws and their distribution function, over 50 bins of equal probability. */
const misfitOf = (draw: () => number, cdf: (x: number) => number, n = 100_000): number => {
  const counts = new Float64Array(50);
  for (let i = 0; i < n; i += 1) counts[Math.min(49, Math.floor(50 * cdf(draw())))]! += 1;
  return misfit(counts, () => n / 50);
};

const moments = (draw: () => number, n = 200_000) => {
  const values = Float64Array.from({ length: n }, draw);
  const mean = values.reduce((sum, x) => sum + x, 0) / n;
  const central = (power: number) => values.reduce((sum, x) => sum + (x - mean) ** power, 0) / n;
  const variance = central(2);
  return { mean, variance, skewness: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 };
};

/** Normal distribution function by Simpson's rule on its density. */
const normalCdf = (x: number) => {
  const steps = 200;
  const h = x / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i += 1)
    sum += Math.exp(-((i * h) ** 2) / 2) * (i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2);
  return 0.5 + (sum * h) / 3 / Math.sqrt(2 * Math.PI);
};

const draws = (g: Rng) => Array.from({ length: 20 }, () => [g.normal(), g.uint32(), g.gamma(0.7), g.poisson(60)]);

const logFactorial = (k: number) => {
  let sum = 0;
  for (let i = 2; i <= k; i += 1) sum += Math.log(i);
  return sum;
};

describe('sequence', () => {
  test('the first values of seed 42 never change', () => {
    const rng = new Rng(42);
    expect(Array.from({ length: 4 }, () => rng.uint32())).toEqual([4143273884, 1952882225, 2315008379, 2209767184]);
    const other = new Rng(42);
    expect([other.uniform(), other.normal(), other.normal(), other.gamma(0.5), other.poisson(100)]).toEqual([
      0.9646811221144409, 0.6604641016191785, 2.1903988435888526, 0.059748744823494127, 92,
    ]);
  });

  test('words follow the published step of xoshiro128**, computed in big integers', () => {
    const rng = new Rng(7);
    const mask = 0xffffffffn;
    const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
    let s = rng.state().words.map((word) => BigInt(word >>> 0)) as [bigint, bigint, bigint, bigint];
    for (let i = 0; i < 1000; i += 1) {
      const result = (rotate((s[1] * 5n) & mask, 7n) * 9n) & mask;
      const t = (s[1] << 9n) & mask;
      let [a, b, c, d] = s;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = rotate(d, 11n);
      s = [a, b, c, d];
      expect(rng.uint32()).toBe(Number(result));
    }
  });

  test('a restored generator goes on exactly where the state was taken, a pending normal included', () => {
    for (const normals of [0, 1, 2]) {
      const rng = new Rng(5);
      for (let i = 0; i < 100; i += 1) rng.uniform();
      for (let i = 0; i < normals; i += 1) rng.normal();
      const copy = Rng.restore(JSON.parse(JSON.stringify(rng.state())) as ReturnType<Rng['state']>);
      expect(draws(copy)).toEqual(draws(rng));
    }
  });

  test('seeds and streams give different, uncorrelated sequences', () => {
    const sequences = [new Rng(1), new Rng(2), new Rng(1, 1), new Rng(1, 2)].map((rng) =>
      Float64Array.from({ length: 20_000 }, () => rng.uniform() - 0.5),
    );
    for (const [i, x] of sequences.entries())
      for (const y of sequences.slice(i + 1)) {
        const correlation = (12 * x.reduce((sum, value, k) => sum + value * y[k]!, 0)) / x.length;
        expect(Math.abs(correlation)).toBeLessThan(0.03);
      }
  });
});

describe('distributions', () => {
  test('uniform is uniform on [0, 1), and successive draws are independent', () => {
    const rng = new Rng(11);
    expect(
      misfitOf(
        () => rng.uniform(),
        (x) => x,
      ),
    ).toBeLessThan(5);
    const pairs = new Float64Array(100);
    for (let i = 0; i < 100_000; i += 1)
      pairs[10 * Math.floor(10 * rng.uniform()) + Math.floor(10 * rng.uniform())]! += 1;
    expect(misfit(pairs, () => 1000)).toBeLessThan(5);
  });

  test('integer covers 0 to n-1 evenly, for n that does not divide 2^32 too', () => {
    const rng = new Rng(12);
    for (const n of [2, 7, 60, 3_000_000_000]) {
      const bins = Math.min(n, 60);
      const counts = new Float64Array(bins);
      for (let i = 0; i < 120_000; i += 1) {
        const value = rng.integer(n);
        if (!(value >= 0 && value < n && Number.isInteger(value))) throw new Error(`${value} is not in [0, ${n})`);
        counts[Math.floor((value / n) * bins)]! += 1;
      }
      expect(misfit(counts, () => 120_000 / bins)).toBeLessThan(5);
    }
  });

  test('normal has its distribution function and moments', () => {
    const rng = new Rng(13);
    expect(misfitOf(() => rng.normal(), normalCdf)).toBeLessThan(5);
    const { mean, variance, skewness, kurtosis } = moments(() => rng.normal());
    expect(mean).toBeCloseTo(0, 1);
    expect(Math.abs(variance - 1)).toBeLessThan(0.02);
    expect(Math.abs(skewness)).toBeLessThan(0.03);
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.06);
  });

  test('exponential has its distribution function', () => {
    const rng = new Rng(14);
    expect(
      misfitOf(
        () => rng.exponential(),
        (x) => 1 - Math.exp(-x),
      ),
    ).toBeLessThan(5);
  });

  test('gamma has the closed distribution functions of shapes 1, 2 and 3', () => {
    const rng = new Rng(15);
    expect(
      misfitOf(
        () => rng.gamma(1),
        (x) => 1 - Math.exp(-x),
      ),
    ).toBeLessThan(5);
    expect(
      misfitOf(
        () => rng.gamma(2),
        (x) => 1 - Math.exp(-x) * (1 + x),
      ),
    ).toBeLessThan(5);
    expect(
      misfitOf(
        () => rng.gamma(3),
        (x) => 1 - Math.exp(-x) * (1 + x + (x * x) / 2),
      ),
    ).toBeLessThan(5);
    // A squared normal is twice a gamma of shape one half.
    expect(
      misfitOf(
        () => rng.gamma(0.5),
        (x) => 2 * normalCdf(Math.sqrt(2 * x)) - 1,
      ),
    ).toBeLessThan(5);
  });

  test.each([0.2, 0.8, 3.74, 40])('gamma of shape %f has its moments', (shape) => {
    const rng = new Rng(16);
    const { mean, variance, skewness } = moments(() => rng.gamma(shape));
    expect(Math.abs(mean / shape - 1)).toBeLessThan(0.02);
    expect(Math.abs(variance / shape - 1)).toBeLessThan(0.04);
    expect(Math.abs(skewness / (2 / Math.sqrt(shape)) - 1)).toBeLessThan(0.1);
  });

  test('beta has the closed distribution functions of (2, 1), (1, 3) and (2, 2), and the moments of (2, 5)', () => {
    const rng = new Rng(17);
    expect(
      misfitOf(
        () => rng.beta(2, 1),
        (x) => x * x,
      ),
    ).toBeLessThan(5);
    expect(
      misfitOf(
        () => rng.beta(1, 3),
        (x) => 1 - (1 - x) ** 3,
      ),
    ).toBeLessThan(5);
    expect(
      misfitOf(
        () => rng.beta(2, 2),
        (x) => x * x * (3 - 2 * x),
      ),
    ).toBeLessThan(5);
    const { mean, variance } = moments(() => rng.beta(2, 5));
    expect(mean).toBeCloseTo(2 / 7, 2);
    expect(variance).toBeCloseTo(10 / (49 * 8), 3);
  });

  test.each([0.3, 2, 5, 10, 29.9, 50, 400])('poisson of mean %f has its probabilities', (mean) => {
    const rng = new Rng(18);
    const n = 60_000;
    const from = Math.max(0, Math.floor(mean - 2.5 * Math.sqrt(mean)));
    const to = Math.ceil(mean + 2.5 * Math.sqrt(mean));
    // One bin for each count, and one at each end for the tails.
    const counts = new Float64Array(to - from + 3);
    for (let i = 0; i < n; i += 1) counts[Math.min(to - from + 2, Math.max(0, rng.poisson(mean) - from + 1))]! += 1;
    const probability = (k: number) => Math.exp(k * Math.log(mean) - mean - logFactorial(k));
    const below = Array.from({ length: from }, (_, k) => probability(k)).reduce((sum, p) => sum + p, 0);
    const inside = Array.from({ length: to - from + 1 }, (_, i) => probability(from + i));
    const shares = [below, ...inside, 1 - below - inside.reduce((sum, p) => sum + p, 0)];
    const used = shares.flatMap((share, i) => (share * n > 5 ? [i] : []));
    expect(
      misfit(
        used.map((i) => counts[i]!),
        (i) => shares[used[i]!]! * n,
      ),
    ).toBeLessThan(5);
  });

  test('poisson of mean 0 is 0', () => {
    expect(new Rng(1).poisson(0)).toBe(0);
  });

  test('shuffle gives every order of four items equally often, and loses nothing', () => {
    const rng = new Rng(19);
    const seen = new Map<string, number>();
    for (let i = 0; i < 48_000; i += 1) {
      const key = rng.shuffle([1, 2, 3, 4]).join('');
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(24);
    expect(misfit([...seen.values()], () => 2000)).toBeLessThan(5);
    expect(rng.shuffle(Int32Array.from({ length: 1000 }, (_, i) => i)).toSorted()).toEqual(
      Int32Array.from({ length: 1000 }, (_, i) => i),
    );
  });
});
