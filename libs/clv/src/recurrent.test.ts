import { describe, expect, test } from 'vitest';
import { gru } from './gru.js';
import { lstm } from './lstm.js';
import {
  type Matrices,
  differences,
  errorOf,
  natively,
  plainLoss,
  randomState,
  matricesOf,
  sequences,
  times,
} from './network.test-support.js';
import { mse } from './training.js';

const UNITS = 3;
const shape = { staticWidth: 2, length: 4, channels: 3 };
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));

const zeros = () => Array<number>(UNITS).fill(0);
type State = { h: number[]; c: number[] };
/** One step of a cell, from what its gates get of the input and of the state before, gate by gate. */
type Step = (before: State, fromInput: number[], fromState: number[]) => State;

/** The equations of torch.nn.GRU and of torch.nn.LSTM, whose gates come in these orders. */
const CELLS: Record<'gru' | 'lstm', Step> = {
  gru: ({ h, c }, fromInput, fromState) => {
    const gate = (k: number, j: number) => sigmoid(fromInput[k * UNITS + j]! + fromState[k * UNITS + j]!);
    const proposed = (j: number) => Math.tanh(fromInput[2 * UNITS + j]! + gate(0, j) * fromState[2 * UNITS + j]!);
    return { h: h.map((old, j) => (1 - gate(1, j)) * proposed(j) + gate(1, j) * old), c };
  },
  lstm: (before, fromInput, fromState) => {
    const gate = (k: number, j: number) => fromInput[k * UNITS + j]! + fromState[k * UNITS + j]!;
    const c = before.c.map((old, j) => sigmoid(gate(1, j)) * old + sigmoid(gate(0, j)) * Math.tanh(gate(2, j)));
    return { h: c.map((now, j) => sigmoid(gate(3, j)) * Math.tanh(now)), c };
  },
};

/** A network of such cells for one sequence, in plain loops; only the steps that count. */
const plain = (cell: keyof typeof CELLS) => (p: Matrices, features: number[], steps: number[][], layers: number) => {
  let inputs = steps;
  let state: State = { h: zeros(), c: zeros() };
  for (let layer = 0; layer < layers; layer += 1) {
    const get = (part: string) => p(`${cell}${layer}.${part}`);
    state = { h: zeros(), c: zeros() };
    const outputs: number[][] = [];
    for (const x of inputs) {
      const fromInput = times(x, get('input'), get('inputBias')[0]);
      const fromState = times(state.h, get('recurrent'), get('recurrentBias')[0]);
      state = CELLS[cell](state, fromInput, fromState);
      outputs.push(state.h);
    }
    inputs = outputs;
  }
  return times([...features, ...state.h], p('output.weight'), p('output.bias')[0])[0]!;
};

describe.each([
  ['gru', 1, gru],
  ['gru', 2, gru],
  ['gru', 3, gru],
  ['lstm', 1, lstm],
  ['lstm', 2, lstm],
  ['lstm', 3, lstm],
] as const)('%s of %d layers', (cell, layers, make) => {
  const network = make({
    staticWidth: shape.staticWidth,
    sequence: shape,
    units: UNITS,
    layers,
    hidden: [],
    batchNorm: false,
    dropout: 0,
  });
  const { x, y, steps, features } = sequences({ ...shape, rows: 11, seed: layers });
  const state = randomState(network, layers);

  test('computes what the equations of its cell give for the steps that count', async () => {
    const { output } = await natively({ network, loss: mse, state, x, y });
    const p = matricesOf(network, state.params);
    const expected = steps.map((sequence, row) => plain(cell)(p, features[row]!, sequence, layers));
    expect(errorOf(output, expected)).toBeLessThan(1e-6);
  });

  test('has the gradient that differences of those equations give', async () => {
    const { gradient } = await natively({ network, loss: mse, state, x, y });
    const loss = plainLoss(network, y, (p, row) => plain(cell)(p, features[row]!, steps[row]!, layers));
    expect(errorOf(gradient, differences(loss, state.params))).toBeLessThan(1e-6);
  });
});

test.each([
  ['gru', gru],
  ['lstm', lstm],
] as const)('%s: a sequence of one step needs no recurrence', async (cell, make) => {
  const one = { staticWidth: 0, length: 1, channels: 2 };
  const network = make({
    staticWidth: 0,
    sequence: one,
    units: UNITS,
    layers: 2,
    hidden: [],
    batchNorm: false,
    dropout: 0,
  });
  const { x, y, steps } = sequences({ ...one, rows: 4, seed: 9 });
  const state = randomState(network, 9);
  const { gradient } = await natively({ network, loss: mse, state, x, y });
  const loss = plainLoss(network, y, (p, row) => plain(cell)(p, [], steps[row]!, 2));
  expect(errorOf(gradient, differences(loss, state.params))).toBeLessThan(1e-6);
});
