import { describe, expect, test } from 'vitest';
import {
  type Matrices,
  differences,
  errorOf,
  matricesOf,
  natively,
  plainLoss,
  randomState,
  sequences,
  times,
} from './network.test-support.js';
import { mse } from './training.js';
import { type TransformerOptions, transformer } from './transformer.js';

const shape = { staticWidth: 2, length: 4, channels: 3 };
const WIDTH = 4;
const HEADS = 2;
const options: TransformerOptions = {
  staticWidth: shape.staticWidth,
  sequence: shape,
  width: WIDTH,
  heads: HEADS,
  layers: 2,
  feedForward: 5,
  hidden: [],
  batchNorm: false,
  dropout: 0,
};

const plus = (a: number[], b: number[]) => a.map((value, i) => value + b[i]!);
const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** Φ by the integral of its density: trapezoids, exact to 1e-6 here. */
const normalCdf = (x: number): number => {
  const n = 1000;
  const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  let sum = (density(0) + density(x)) / 2;
  for (let i = 1; i < n; i += 1) sum += density((x * i) / n);
  return 0.5 + (sum * x) / n;
};

/** The encoder for one sequence in plain loops; only the steps that count exist. */
const plain = (p: Matrices, features: number[], steps: number[][], o: TransformerOptions): number => {
  const norm = (name: string, x: number[]) => {
    const mean = x.reduce((sum, value) => sum + value / x.length, 0);
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2 / x.length, 0);
    const [scale, shift] = [p(`${name}.scale`)[0]!, p(`${name}.shift`)[0]!];
    return x.map((value, i) => (scale[i]! * (value - mean)) / Math.sqrt(variance + 1e-5) + shift[i]!);
  };
  const through = (name: string, x: number[]) => times(x, p(`${name}.weight`), p(`${name}.bias`)[0]);
  const place = (t: number): number[] => {
    const back = steps.length - 1 - t;
    if (o.positions !== 'sinusoidal') return p('positions')[shape.length - 1 - back]!;
    return [Math.sin(back), Math.cos(back), Math.sin(back / 100), Math.cos(back / 100)];
  };
  let xs = steps.map((step, t) => plus(through('embedding', step), place(t)));
  for (let layer = 0; layer < o.layers; layer += 1) {
    const name = (part: string) => `encoder${layer}.${part}`;
    const mixed = xs.map((x) => through(name('queryKeyValue'), norm(name('norm1'), x)));
    const size = WIDTH / HEADS;
    const piece = (t: number, part: number, head: number) =>
      mixed[t]!.slice(part * WIDTH + head * size, part * WIDTH + (head + 1) * size);
    xs = xs.map((x, t) => {
      const attended = Array.from({ length: HEADS }, (_, head) => {
        const scores = xs.map((__, s) => Math.exp(dot(piece(t, 0, head), piece(s, 1, head)) / Math.sqrt(size)));
        const total = scores.reduce((sum, score) => sum + score, 0);
        return Array.from({ length: size }, (__, j) =>
          scores.reduce((sum, score, s) => sum + (score / total) * piece(s, 2, head)[j]!, 0),
        );
      }).flat();
      return plus(x, through(name('attended'), attended));
    });
    xs = xs.map((x) => {
      const wide = through(name('wide'), norm(name('norm2'), x));
      const bent = wide.map((z) => (o.feedForwardActivation === 'relu' ? Math.max(0, z) : z * normalCdf(z)));
      return plus(x, through(name('narrow'), bent));
    });
  }
  xs = xs.map((x) => norm('norm', x));
  const none = Array<number>(WIDTH).fill(0);
  const pooled =
    o.pooling === 'last' ? (xs.at(-1) ?? none) : none.map((_, j) => xs.reduce((sum, x) => sum + x[j]! / xs.length, 0));
  return times([...features, ...pooled], p('output.weight'), p('output.bias')[0])[0]!;
};

describe.each<Partial<TransformerOptions>>([
  {},
  { positions: 'sinusoidal', pooling: 'last' },
  { feedForwardActivation: 'relu', layers: 1 },
])('a transformer encoder with %o', (chosen) => {
  const o = { ...options, ...chosen };
  const network = transformer(o);
  const { x, y, steps, features } = sequences({ ...shape, rows: 6, seed: 4 });
  const state = randomState(network, 2);

  test('computes what its equations give for the steps that count', async () => {
    const { output } = await natively({ network, loss: mse, state, x, y });
    const p = matricesOf(network, state.params);
    const expected = steps.map((sequence, row) => plain(p, features[row]!, sequence, o));
    expect(errorOf(output, expected)).toBeLessThan(2e-6);
  });

  test('has the gradient that differences of those equations give', async () => {
    const { gradient } = await natively({ network, loss: mse, state, x, y });
    const loss = plainLoss(network, y, (p, row) => plain(p, features[row]!, steps[row]!, o));
    expect(errorOf(gradient, differences(loss, state.params))).toBeLessThan(5e-6);
  });
});

test('a width that the heads cannot share is refused', () => {
  expect(() => transformer({ ...options, heads: 3 })).toThrow(expect.objectContaining({ code: 'invalid-input' }));
});
