import { exportOnnx, createScorer, initialState, mapRows } from '@clove/engine';
import { describe, expect, test } from 'vitest';
import { withEmbeddings } from './embeddings.js';
import { encode, fitSchema, noCounts, prepareTensor, preparedWidth } from './feature-schema.js';
import { feedforward } from './feedforward.js';
import { differences, errorOf, matricesOf, natively, plainLoss, randomState, times } from './network.test-support.js';
import { Rng } from './rng.js';
import type { Table } from './table.js';
import { inMemory, mse, trainNetwork } from './training.js';

const CITIES = 60;
const ROWS = 1200;
const rng = new Rng(2);
const ages = Float64Array.from({ length: ROWS }, (_, i) => (i % 7 === 0 ? Number.NaN : 40 + 10 * rng.normal()));
const cities = Array.from({ length: ROWS }, (_, i) => `city ${i % CITIES}`);
const table = (age: ArrayLike<number>, city: (string | null)[]): Table => ({
  rows: city.length,
  ids: city.map((_, i) => `c${i}`),
  columns: new Map([
    ['city', { kind: 'categorical', values: city }],
    ['age', { kind: 'numeric', values: Float64Array.from(age) }],
    ['sex', { kind: 'categorical', values: city.map((_, i) => (i % 2 === 0 ? 'm' : 'f')) }],
  ]),
});
const all = table(ages, cities);
const { schema } = fitSchema(all, ['city', 'age', 'sex']);
const prepared = (rows: Table): Promise<Float32Array> =>
  mapRows(prepareTensor(schema), encode(schema, rows, noCounts()), rows.rows, schema.width);
const make = (staticWidth: number) =>
  feedforward({ inputWidth: staticWidth, hidden: [], batchNorm: false, dropout: 0 });

describe('embedded categories', () => {
  test('travel as one column, their place by frequency, behind all other inputs', async () => {
    const some = table([40, 41, 42, 43], ['city 0', 'city 59', 'elsewhere', null]);
    const counts = noCounts();
    const raw = encode(schema, some, counts);
    const places = (schema.features[0] as { categories: string[] }).categories;
    expect([0, 1, 2, 3].map((row) => raw[row * schema.width])).toEqual([
      places.indexOf('city 0'),
      places.indexOf('city 59'),
      CITIES,
      CITIES,
    ]);
    expect([counts.unknown.get('city'), counts.missing.get('city')]).toEqual([1, 1]);
    // Age, two sexes and their unknown bucket, the indicator of missing ages, the city.
    expect([schema.width, preparedWidth(schema)]).toEqual([5, 6]);
    const x = await prepared(some);
    expect([0, 1, 2, 3].map((row) => x[row * 6 + 5])).toEqual([0, 1, 2, 3].map((row) => raw[row * schema.width]));
  });

  test('are looked up: values and gradients of a plain computation', async () => {
    const network = withEmbeddings(schema, make);
    expect(network.inputWidth).toBe(6);
    const some = table([40, 20, Number.NaN, 50, 33], ['city 3', 'city 3', 'city 40', 'nowhere', 'city 7']);
    const x = await prepared(some);
    const y = Float32Array.of(1, -1, 0.5, 2, 0);
    const state = randomState(network, 6);
    const plain = (p: (name: string) => number[][], row: number) => {
      const input = Array.from(x.subarray(row * 6, row * 6 + 5));
      return times([...input, ...p('embedding0')[x[row * 6 + 5]!]!], p('output.weight'), p('output.bias')[0])[0]!;
    };
    const { output, gradient } = await natively({ network, loss: mse, state, x, y });
    expect(
      errorOf(
        output,
        Array.from(y, (_, row) => plain(matricesOf(network, state.params), row)),
      ),
    ).toBeLessThan(1e-6);
    expect(errorOf(gradient, differences(plainLoss(network, y, plain), state.params))).toBeLessThan(1e-6);
  });

  test('teach a network what differs between cities, and one never seen adds nothing', async () => {
    const effect = Array.from({ length: CITIES }, () => rng.normal());
    const y = Float32Array.from({ length: ROWS }, (_, i) => effect[i % CITIES]! + 0.1 * rng.normal());
    const network = withEmbeddings(schema, (staticWidth) =>
      feedforward({ inputWidth: staticWidth, hidden: [8], batchNorm: false, dropout: 0, activation: 'silu' }),
    );
    const x = await prepared(all);
    const { state, epochs, bestEpoch } = await trainNetwork({
      network,
      loss: mse,
      source: inMemory(
        x,
        y,
        Int32Array.from({ length: 1000 }, (_, i) => i),
      ),
      held: { x: x.subarray(1000 * network.inputWidth), y: y.subarray(1000) },
      options: {
        batchSize: 32,
        epochs: 25,
        patience: 25,
        learningRate: 0.02,
        optimizer: 'adam',
        weightDecay: 1e-5,
        lrFactor: 0.5,
        lrPatience: 3,
        seed: 1,
        backend: 'auto',
      },
    });
    expect(epochs[bestEpoch - 1]!.validationLoss).toBeLessThan(0.1);
    const rows = matricesOf(network, state.params)('embedding0');
    expect(rows.at(-1)).toEqual(Array<number>(8).fill(0));
    expect(rows[0]!.some((value) => Math.abs(value) > 0.05)).toBe(true);
  });

  test('leave a network alone that has none, and export for any number of rows', async () => {
    const { schema: simple } = fitSchema(all, ['age', 'sex']);
    expect(withEmbeddings(simple, make)).toEqual({ ...make(preparedWidth(simple)), forward: expect.any(Function) });
    const network = withEmbeddings(schema, make);
    const state = initialState(network, () => 0.9);
    const graph = exportOnnx({
      network,
      params: state.params,
      stats: state.stats,
      inputWidth: schema.width,
      before: prepareTensor(schema),
      after: (output) => output,
    });
    const scorer = await createScorer(graph);
    const predicted = await scorer.predict(encode(schema, all, noCounts()), ROWS);
    await scorer.release();
    const { output } = await natively({ network, loss: mse, state, x: await prepared(all), y: new Float32Array(ROWS) });
    expect(errorOf(predicted, output)).toBeLessThan(1e-5);
  });
});
