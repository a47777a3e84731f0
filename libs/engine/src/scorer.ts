import { EngineError } from './errors.js';

/** Runs an exported graph. */
export interface Scorer {
  predict(x: Float32Array, rows: number): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Opens an exported graph for scoring. */
export function createScorer(_onnx: Uint8Array, _options?: { threads?: number }): Promise<Scorer> {
  return Promise.reject(new EngineError('not-ready', 'not written yet'));
}
