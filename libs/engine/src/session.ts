/** onnxruntime-node behind one door: how sessions are opened, fed and freed. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
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

const CUDA_BUILT = process.platform === 'linux' && process.arch === 'x64';
const CUDA_LIBRARY = join(
  dirname(require.resolve('onnxruntime-node/package.json')),
  'bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so',
);

/** Versions of the libraries that trace and compute. */
export const libraryVersions = (): Record<string, string> => ({
  'onnxruntime-node': versionOf('onnxruntime-node'),
  '@tensorflow/tfjs-core': versionOf('@tensorflow/tfjs-core'),
});

/** What onnxruntime computes with. */
export type Device = {
  provider: 'cpu' | 'webgpu' | 'cuda';
  /** shown to people */
  name: string;
  /** whether the CPU may run what the provider cannot; otherwise a graph that needs it is refused when it is opened */
  cpuFallback: boolean;
};

/**
 * Opens a graph, on the processor where no device is named.
 * @throws EngineError `backend-missing` where the device does not start, `unsupported-op` where it cannot run all of the
 * graph, `runtime` where onnxruntime refuses the graph
 */
export async function openSession(onnx: Uint8Array, threads: number, device?: Device): Promise<Session> {
  const elsewhere = device === undefined || device.provider === 'cpu' ? undefined : device;
  if (elsewhere?.provider === 'cuda' && !existsSync(CUDA_LIBRARY)) {
    throw new EngineError(
      'backend-missing',
      `onnxruntime's CUDA provider is not installed. ${CUDA_BUILT ? '"pnpm setup:gpu" fetches it.' : 'There is one for Linux on x64 only.'}`,
    );
  }
  const session = await guarded('refused the graph', elsewhere, () =>
    ort.InferenceSession.create(onnx, {
      ...(elsewhere === undefined
        ? {}
        : {
            executionProviders: [elsewhere.provider],
            extra: { session: { disable_cpu_ep_fallback: elsewhere.cpuFallback ? '0' : '1' } },
          }),
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // What a device refuses is thrown; said once is enough.
      logSeverityLevel: elsewhere === undefined ? 3 : 4,
    }),
  );
  return {
    inputs: shapesOf(session.inputMetadata),
    outputs: shapesOf(session.outputMetadata),
    async run(feeds) {
      const tensors = Object.fromEntries(
        Object.entries(feeds).map(([name, { values, shape }]) => [name, tensorOf(values, shape)]),
      );
      const outputs = await guarded('failed', elsewhere, () => session.run(tensors));
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

/** What onnxruntime says where it has no such device, or cannot run a graph on it whole. */
const NO_DEVICE = /WebGPU adapter|ExecutionProvider_Cuda|CUDA failure/i;
const NOT_WHOLE = /fallback to CPU EP has been explicitly disabled/;

async function guarded<T>(what: string, device: Device | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (device !== undefined && NO_DEVICE.test(message)) {
      const reason = /was false\. (.+)/.exec(message)?.[1] ?? message.trim();
      throw new EngineError('backend-missing', `onnxruntime starts no ${device.provider} device: ${reason}.`, error);
    }
    if (device !== undefined && NOT_WHOLE.test(message)) {
      throw new EngineError(
        'unsupported-op',
        `${device.name} cannot run every operation of this network. Set cpuFallback to let the processor run the rest, or ` +
          `choose another backend. onnxruntime: ${message}`,
        error,
      );
    }
    throw new EngineError('runtime', `onnxruntime ${what}: ${message}`, error);
  }
}
