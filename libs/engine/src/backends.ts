/** The backends that can train: which there are, which this machine has, and which of those is fastest. */
import { cpuName, gpuName, mayHaveGpu } from './devices.js';
import { EagerStepper } from './eager.js';
import { EngineError } from './errors.js';
import { type Backend, type Executor, type TrainingSpec, batchSizesOf, compileLoop, waves } from './executor.js';
import { initialState } from './network.js';
import { floats } from './training-graph.js';
import { openOnnxStepper } from './onnx-stepper.js';
import { encodeModel } from './onnx.js';
import { type Device, libraryVersions, openSession } from './session.js';
import { StepwiseExecutor } from './stepwise.js';
import { type TfjsName, loadTfjs } from './tfjs.js';

/** Every backend, the usual one first. */
export const BACKENDS = [
  'onnx-cpu',
  'onnx-webgpu',
  'onnx-cuda',
  'tfjs-node-gpu',
  'tfjs-node',
  'tfjs-wasm',
  'tfjs-cpu',
] as const satisfies readonly Backend[];

/** A backend by its own name. */
type BackendName = (typeof BACKENDS)[number];

/** What this machine says to a backend. */
export type BackendReport = {
  name: BackendName;
  present: boolean;
  /** what it computes with; null where it is not present */
  device: string | null;
  versions: Record<string, string>;
  /** why it is not present, and what would change that */
  reason: string | null;
};

/** Starts each backend, with a graph of one node where it is onnxruntime's, and tells which do. */
export async function probeBackends(): Promise<BackendReport[]> {
  const reports: BackendReport[] = [];
  for (const name of BACKENDS) {
    try {
      reports.push({ name, present: true, reason: null, ...(await start(name)) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      reports.push({ name, present: false, device: null, versions: {}, reason });
    }
  }
  return reports;
}

/** @throws EngineError `backend-missing`, `runtime` */
async function start(name: BackendName): Promise<{ device: string; versions: Record<string, string> }> {
  if (isEager(name)) {
    const { device, versions } = await loadTfjs(name);
    return { device, versions };
  }
  const device = deviceOf(name, false);
  const one = { op: 'Add', inputs: ['x', 'x'], outputs: ['y'], attributes: {} };
  const graph = { name: 'probe', inputs: [floats('x', 1)], outputs: [floats('y', 1)], nodes: [one], initializers: [] };
  const session = await openSession(encodeModel(graph), 1, device);
  try {
    const { y } = await session.run({ x: { values: Float32Array.of(21), shape: [1] } });
    if (y?.[0] !== 42) throw new EngineError('runtime', `${name} computes 21 + 21 = ${y?.[0]}.`);
  } finally {
    await session.release();
  }
  return { device: device.name, versions: libraryVersions() };
}

/** Where no driver tells. */
const GPU_NAMES = {
  webgpu: () => (mayHaveGpu() ? 'GPU' : 'GPU done in software'),
  cuda: () => 'CUDA device',
};

const isEager = (name: BackendName): name is TfjsName => name.startsWith('tfjs-');

function deviceOf(name: Exclude<BackendName, TfjsName>, cpuFallback: boolean): Device {
  if (name === 'onnx-cpu') return { provider: 'cpu', name: cpuName(), cpuFallback: true };
  const provider = name === 'onnx-webgpu' ? 'webgpu' : 'cuda';
  return { provider, name: gpuName() ?? GPU_NAMES[provider](), cpuFallback };
}

/**
 * Compiles a network for training on the backend that is asked for; `auto` is settled first (see `chooseBackend`).
 * @throws EngineError `unsupported-op` or `invalid-network` where it cannot be traced, `backend-missing` or `runtime` where
 * the backend does not start, `unsupported-op` where it cannot run an operation and `cpuFallback` is not set
 */
export async function compileTraining(spec: TrainingSpec): Promise<Executor> {
  const name = spec.backend === 'auto' ? await chooseBackend(spec) : spec.backend;
  if (name === 'onnx-cpu') return compileLoop(spec);
  const sizes = batchSizesOf(spec);
  if (isEager(name)) return new StepwiseExecutor(spec, new EagerStepper(spec, await loadTfjs(name)));
  const device = deviceOf(name, spec.cpuFallback === true);
  const label = `${name}, ${device.name}${device.cpuFallback ? ', with the CPU for what it lacks' : ''}`;
  return new StepwiseExecutor(spec, await openOnnxStepper({ ...spec, sizes }, device, label));
}

/** What `auto` chose, by network and batch size: measured once a process. */
const chosen = new Map<string, BackendName>();

/**
 * What `auto` means for a network: the fastest of onnx-cpu and the GPU backends that are present. What runs op by op on the
 * processor is not tried: onnx-cpu does the same arithmetic there without its overhead. So where there is no GPU, nothing
 * is measured and the answer is always onnx-cpu.
 */
async function chooseBackend(spec: TrainingSpec): Promise<BackendName> {
  const candidates: BackendName[] = ['onnx-cpu'];
  if (mayHaveGpu()) {
    const rivals: BackendName[] = ['onnx-webgpu', 'onnx-cuda', 'tfjs-node-gpu'];
    for (const name of rivals) if (await present(name)) candidates.push(name);
  }
  return candidates.length === 1 ? 'onnx-cpu' : fastestOf(spec, candidates);
}

/**
 * The backend of the shortest step for a network, by a few steps on each; one that cannot run it is out. Measured once a
 * process for the same network and batches.
 * @throws what the first candidate throws, for one there must be
 */
export async function fastestOf(spec: TrainingSpec, candidates: readonly BackendName[]): Promise<BackendName> {
  const key = JSON.stringify([spec.network.name, spec.network.params, spec.batchSize, spec.threads, candidates]);
  let fastest = chosen.get(key);
  if (fastest === undefined) {
    const times = new Map<BackendName, number>();
    for (const name of candidates) {
      try {
        times.set(name, await stepMilliseconds({ ...spec, backend: name }));
      } catch (error) {
        if (name === candidates[0]) throw error;
      }
    }
    fastest = [...times].reduce((best, entry) => (entry[1] < best[1] ? entry : best))[0];
    chosen.set(key, fastest);
  }
  return fastest;
}

const present = (name: BackendName): Promise<boolean> =>
  start(name).then(
    () => true,
    () => false,
  );

const TIMED_STEPS = 8;

/** Milliseconds of a step, after a first one that compiles what a device compiles. */
async function stepMilliseconds(spec: TrainingSpec): Promise<number> {
  const batchSize = Math.min(spec.batchSize, spec.rows);
  const rows = batchSize * TIMED_STEPS;
  const executor = await compileTraining({ ...spec, batchSize, rows });
  try {
    executor.load(initialState(spec.network, () => 0.6));
    const epoch = { ...waves(spec.network, rows), learningRate: 1e-4, seed: 1 };
    await executor.trainEpoch({ ...epoch, order: epoch.order.subarray(0, batchSize) });
    const started = performance.now();
    await executor.trainEpoch(epoch);
    return (performance.now() - started) / TIMED_STEPS;
  } finally {
    await executor.release();
  }
}
