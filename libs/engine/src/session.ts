/** onnxruntime-node behind one door: how sessions are opened, fed and freed. */
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import { EngineError } from './errors.js';

/** Arrays that a graph may be fed. The kind of array is the element type. */
export type Feed = { values: Float32Array | Int32Array | BigInt64Array; shape: readonly number[] };

/** An open graph. `run` blocks the calling thread while it computes. */
export interface Session {
  /** Shapes by name; a text stands for a length known only when the graph runs. */
  readonly inputs: ReadonlyMap<string, readonly (number | string)[]>;
  readonly outputs: ReadonlyMap<string, readonly (number | string)[]>;
  /** @returns every output's values, by name */
  run(feeds: Record<string, Feed>): Promise<Record<string, Float32Array>>;
  release(): Promise<void>;
}

const require = createRequire(import.meta.url);
const versionOf = (name: string): string => (require(`${name}/package.json`) as { version: string }).version;

/** Versions of the libraries that trace and compute. */
export const libraryVersions = (): Record<string, string> => ({
  'onnxruntime-node': versionOf('onnxruntime-node'),
  '@tensorflow/tfjs-core': versionOf('@tensorflow/tfjs-core'),
});

/** Opens a graph. @throws EngineError `runtime` where onnxruntime refuses it */
export async function openSession(onnx: Uint8Array, threads: number): Promise<Session> {
  const session = await guarded('refused the graph', () =>
    ort.InferenceSession.create(onnx, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
    }),
  );
  return {
    inputs: shapesOf(session.inputMetadata),
    outputs: shapesOf(session.outputMetadata),
    async run(feeds) {
      const tensors = Object.fromEntries(
        Object.entries(feeds).map(([name, { values, shape }]) => [name, tensorOf(values, shape)]),
      );
      const outputs = await guarded('failed', () => session.run(tensors));
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data as Float32Array]));
    },
    release: () => session.release(),
  };
}

const shapesOf = (metadata: readonly ort.InferenceSession.ValueMetadata[]) =>
  new Map(metadata.map((value) => [value.name, value.isTensor ? value.shape : []]));

const tensorOf = (values: Feed['values'], shape: readonly number[]): ort.Tensor =>
  values instanceof Float32Array
    ? new ort.Tensor('float32', values, shape)
    : values instanceof Int32Array
      ? new ort.Tensor('int32', values, shape)
      : new ort.Tensor('int64', values, shape);

async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new EngineError('runtime', `onnxruntime ${what}: ${message}`, error);
  }
}
