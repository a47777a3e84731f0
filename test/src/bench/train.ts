/** Training: rows a second through `trainEpoch`, on the networks of the comparison with PyTorch. */
import { Rng, feedforward, mse } from '@clove/clv';
import { compileTraining, initialState } from '@clove/engine';
import { type Case, fastest, measured, normals, resetPeakRss } from './case.js';

/** 16 inputs, batch norm, ReLU, dropout .3 after each hidden layer. */
export const NETWORKS = [
  { name: 'W', hidden: [128, 256, 128, 64], batchSize: 64, rows: 7200 },
  { name: 'W2', hidden: [256, 512, 256, 128], batchSize: 128, rows: 72_000 },
] as const;
export const WIDTH = 16;

export const networkOf = (hidden: readonly number[]) =>
  feedforward({ inputWidth: WIDTH, hidden: [...hidden], batchNorm: true, dropout: 0.3 });

export async function train(): Promise<Case[]> {
  const cases: Case[] = [];
  for (const { name, hidden, batchSize, rows } of NETWORKS) {
    resetPeakRss();
    const network = networkOf(hidden);
    const executor = await compileTraining({
      network,
      loss: mse,
      weightDecay: 1e-5,
      batchSize,
      rows,
      backend: 'onnx-cpu',
    });
    const rng = new Rng(7);
    executor.load(initialState(network, () => rng.uniform()));
    const x = normals(rows * WIDTH);
    const y = x.filter((_, i) => i % WIDTH === 0);
    const order = rng.shuffle(Int32Array.from({ length: rows }, (_, i) => i));
    let seed = 0;
    const seconds = await fastest(() => executor.trainEpoch({ x, y, order, learningRate: 1e-3, seed: (seed += 1) }));
    cases.push(measured(name, rows, seconds, Number(/(\d+) thread/.exec(executor.backend)?.[1] ?? 1)));
    await executor.release();
  }
  return cases;
}
