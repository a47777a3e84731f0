import type * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import type { Network } from './network.js';

/** Exports the scoring graph: input `features` [N, inputWidth], output `prediction` [N, 1]. */
export function exportOnnx(_spec: {
  network: Network;
  params: Float32Array;
  stats: Float32Array;
  /** Columns of the raw input, before `before`. */
  inputWidth: number;
  before: (raw: tf.Tensor2D) => tf.Tensor2D;
  after: (output: tf.Tensor2D) => tf.Tensor2D;
  metadata?: Record<string, string>;
}): Uint8Array {
  throw new EngineError('not-ready', 'not written yet');
}
