/** The backends of tfjs that Clove can train on, loaded only when they are asked for. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { cpuName, gpuName } from './devices.js';
import { EngineError } from './errors.js';

export const TFJS_BACKENDS = ['tfjs-node-gpu', 'tfjs-node', 'tfjs-wasm', 'tfjs-cpu'] as const;
export type TfjsName = (typeof TFJS_BACKENDS)[number];

/** A backend of tfjs that is ready. */
export type TfjsBackend = {
  name: TfjsName;
  /** name under which tfjs knows it */
  registered: string;
  device: string;
  /** of the processor; null where a library chooses */
  threads: number | null;
  versions: Record<string, string>;
};

const PACKAGES = {
  'tfjs-node-gpu': { name: '@tensorflow/tfjs-node-gpu', registered: 'tensorflow' },
  'tfjs-node': { name: '@tensorflow/tfjs-node', registered: 'tensorflow' },
  'tfjs-wasm': { name: '@tensorflow/tfjs-backend-wasm', registered: 'wasm' },
  'tfjs-cpu': { name: '@tensorflow/tfjs-backend-cpu', registered: 'cpu' },
} as const;

/** Where `pnpm setup:gpu` puts the packages with a native library. */
const OPT_IN = new URL('../gpu/package.json', import.meta.url);

const loaded = new Map<TfjsName, Promise<TfjsBackend>>();

/**
 * Loads a backend of tfjs, once a process.
 * @throws EngineError `backend-missing` that says what is lacking and how to get it
 */
export function loadTfjs(name: TfjsName): Promise<TfjsBackend> {
  let loading = loaded.get(name);
  if (loading === undefined) {
    loading = load(name);
    loaded.set(name, loading);
  }
  return loading;
}

async function load(name: TfjsName): Promise<TfjsBackend> {
  const { name: packageName, registered } = PACKAGES[name];
  const native = name === 'tfjs-node-gpu' || name === 'tfjs-node';
  if (native && tf.findBackendFactory(registered) !== null) {
    throw new EngineError('backend-missing', `${name} and its sibling cannot be loaded in one process.`);
  }
  const require = createRequire(native ? OPT_IN : import.meta.url);
  let version: string;
  try {
    version = (require(`${packageName}/package.json`) as { version: string }).version;
  } catch (error) {
    throw missing(`${packageName} is not installed`, name, error);
  }
  // Both print an advertisement for tfjs-node when they start under Node, unless told that this is production.
  tf.env().set('PROD', true);
  try {
    if (native) {
      const folder = fileURLToPath(new URL(`../gpu/node_modules/${packageName}/`, import.meta.url));
      if (!existsSync(`${folder}lib`)) throw new Error('its native library was not fetched');
    }
    await import(pathToFileURL(require.resolve(packageName)).href);
    if (!(await tf.setBackend(registered))) throw new Error('tfjs could not start it');
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw missing(`${packageName} does not start: ${reason!.trim().replace(/\.$/, '')}`, name, error);
  }
  return {
    name,
    registered,
    device: deviceOf(name),
    // In Node, tfjs-wasm starts no threads of its own.
    threads: native ? null : 1,
    versions: { '@tensorflow/tfjs-core': tf.version_core, [packageName]: version },
  };
}

const missing = (what: string, name: TfjsName, cause: unknown): EngineError =>
  new EngineError(
    'backend-missing',
    `${what}.${name === 'tfjs-node-gpu' ? ' "pnpm setup:gpu" fetches it.' : name === 'tfjs-node' ? ' "pnpm setup:gpu --cpu" fetches it.' : ''}`,
    cause,
  );

const deviceOf = (name: TfjsName): string => (name === 'tfjs-node-gpu' ? (gpuName() ?? 'GPU') : cpuName());
