/** Scoring: rows a second through an exported graph. */
import { availableParallelism } from 'node:os';
import { Rng } from '@clove/clv';
import { createScorer, exportOnnx, initialState } from '@clove/engine';
import { type Case, fastest, measured, normals, resetPeakRss } from './case.js';
import { NETWORKS, WIDTH, networkOf } from './train.js';

export async function score(): Promise<Case[]> {
  const network = networkOf(NETWORKS[0].hidden);
  const rng = new Rng(7);
  const { params, stats } = initialState(network, () => rng.uniform());
  const onnx = exportOnnx({ network, params, stats, inputWidth: WIDTH, before: (raw) => raw, after: (out) => out });
  const rows = 200_000;
  const x = normals(rows * WIDTH);
  const cases: Case[] = [];
  for (const threads of new Set([1, availableParallelism()])) {
    resetPeakRss();
    const scorer = await createScorer(onnx, { threads });
    cases.push(measured('W', rows, await fastest(() => scorer.predict(x, rows)), threads));
    await scorer.release();
  }
  return cases;
}
