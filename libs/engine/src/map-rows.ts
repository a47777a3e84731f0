import type * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { openSession } from './session.js';
import { traceAnyRows } from './trace.js';
import { floats, rename } from './training-graph.js';

/** Rows that are mapped at once. */
const BATCH_ROWS = 4096;

/**
 * Runs a function of tfjs ops natively over rows: the same function, traced into a scoring graph, gives the same numbers.
 * @param f pure and row by row, [N, width] to [N, k]
 * @param x [rows, width] row-major
 * @returns [rows, k] row-major
 * @throws EngineError `unsupported-op`, `invalid-network`, or `size-mismatch` where x does not hold that many numbers
 */
export async function mapRows(
  f: (x: tf.Tensor2D) => tf.Tensor2D,
  x: Float32Array,
  rows: number,
  width: number,
): Promise<Float32Array> {
  if (x.length !== rows * width) {
    throw new EngineError('size-mismatch', `x holds ${x.length} numbers, not ${rows} rows of ${width}.`);
  }
  let k = 0;
  const graph = traceAnyRows('x', (b, standIn) => {
    const y = f(b.tensor('x', [standIn, width]));
    k = y.shape[1];
    return b.graph({
      name: 'map-rows',
      inputs: [floats('x', 'N', width)],
      outputs: [floats(rename(b, y, 'y'), 'N', k)],
    });
  });
  const session = await openSession(graph, 1);
  try {
    const mapped = new Float32Array(rows * k);
    for (let from = 0; from < rows; from += BATCH_ROWS) {
      const count = Math.min(BATCH_ROWS, rows - from);
      const values = x.subarray(from * width, (from + count) * width);
      const { y } = await session.run({ x: { values, shape: [count, width] } });
      mapped.set(y!, from * k);
    }
    return mapped;
  } finally {
    await session.release();
  }
}
