import { availableParallelism } from 'node:os';
import { EngineError } from './errors.js';
import { FEATURES, PREDICTION } from './export.js';
import { openSession } from './session.js';

/** An exported graph, open for scoring. Use it from the thread that made it, one call at a time. */
export interface Scorer {
  /** Columns of a row. */
  readonly inputWidth: number;
  /** Predictions a row. */
  readonly outputWidth: number;
  /**
   * The predictions of any number of rows, [rows, outputWidth] row-major.
   * @param x [rows, inputWidth] row-major
   * @throws EngineError `size-mismatch` where x does not hold that many numbers
   */
  predict(x: Float32Array, rows: number): Promise<Float32Array>;
  /** Frees native memory. The scorer cannot be used afterwards. */
  release(): Promise<void>;
}

/** Rows that are scored at once. Their activations stay in the processor's cache; measured best between 500 and 2,000. */
const BATCH_ROWS = 1024;

/**
 * Opens a graph that `exportOnnx` wrote.
 * @param options.threads native threads, up to 4 of the machine's cores when left out; predictions do not depend on it
 * @throws EngineError `runtime` where onnxruntime cannot read it, `invalid-file` where it is no scoring graph
 */
export async function createScorer(onnx: Uint8Array, options: { threads?: number } = {}): Promise<Scorer> {
  const session = await openSession(onnx, options.threads ?? Math.min(4, availableParallelism()));
  const inputWidth = session.inputs.get(FEATURES)?.at(-1);
  const outputWidth = session.outputs.get(PREDICTION)?.at(-1);
  if (typeof inputWidth !== 'number' || session.inputs.size !== 1 || typeof outputWidth !== 'number') {
    await session.release();
    throw new EngineError(
      'invalid-file',
      `Not a scoring graph: it must have the input "${FEATURES}" [N, width] and the output "${PREDICTION}" [N, k].`,
    );
  }
  return {
    inputWidth,
    outputWidth,
    async predict(x, rows) {
      if (x.length !== rows * inputWidth) {
        throw new EngineError('size-mismatch', `x holds ${x.length} numbers, not ${rows} rows of ${inputWidth}.`);
      }
      const predictions = new Float32Array(rows * outputWidth);
      for (let from = 0; from < rows; from += BATCH_ROWS) {
        const count = Math.min(BATCH_ROWS, rows - from);
        const values = x.subarray(from * inputWidth, (from + count) * inputWidth);
        const outputs = await session.run({ [FEATURES]: { values, shape: [count, inputWidth] } });
        predictions.set(outputs[PREDICTION]!, from * outputWidth);
      }
      return predictions;
    },
    release: () => session.release(),
  };
}
