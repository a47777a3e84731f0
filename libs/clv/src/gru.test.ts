import { describe, expect, test } from 'vitest';
import { gru } from './gru.js';
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

/** torch.nn.GRU's equations for one sequence, gate by gate; only the steps that count. */
const plain = (p: Matrices, features: number[], steps: number[][], layers: number): number => {
  let inputs = steps;
  let h = Array<number>(UNITS).fill(0);
  for (let layer = 0; layer < layers; layer += 1) {
    const get = (part: string) => p(`gru${layer}.${part}`);
    h = Array<number>(UNITS).fill(0);
    const outputs: number[][] = [];
    for (const x of inputs) {
      const fromInput = times(x, get('input'), get('inputBias')[0]);
      const fromState = times(h, get('recurrent'), get('recurrentBias')[0]);
      const gate = (k: number, j: number) => sigmoid(fromInput[k * UNITS + j]! + fromState[k * UNITS + j]!);
      h = h.map((old, j) => {
        const proposed = Math.tanh(fromInput[2 * UNITS + j]! + gate(0, j) * fromState[2 * UNITS + j]!);
        return (1 - gate(1, j)) * proposed + gate(1, j) * old;
      });
      outputs.push(h);
    }
    inputs = outputs;
  }
  return times([...features, ...h], p('output.weight'), p('output.bias')[0])[0]!;
};

describe.each([1, 2, 3])('an GRU of %d layers', (layers) => {
  const network = gru({
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

  test('computes what the equations of torch.nn.GRU give for the steps that count', async () => {
    const { output } = await natively({ network, loss: mse, state, x, y });
    const p = matricesOf(network, state.params);
    const expected = steps.map((sequence, row) => plain(p, features[row]!, sequence, layers));
    expect(errorOf(output, expected)).toBeLessThan(1e-6);
  });

  test('has the gradient that differences of those equations give', async () => {
    const { gradient } = await natively({ network, loss: mse, state, x, y });
    const loss = plainLoss(network, y, (p, row) => plain(p, features[row]!, steps[row]!, layers));
    expect(errorOf(gradient, differences(loss, state.params))).toBeLessThan(1e-6);
  });
});

test('a sequence of one step needs no recurrence', async () => {
  const one = { staticWidth: 0, length: 1, channels: 2 };
  const network = gru({
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
  const loss = plainLoss(network, y, (p, row) => plain(p, [], steps[row]!, 2));
  expect(errorOf(gradient, differences(loss, state.params))).toBeLessThan(1e-6);
});
