/** The backends of tfjs that Clove can train on, loaded only when they are asked for. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { cpuName, gpuName } from './devices.js';
import { EngineError } from './errors.js';

export type TfjsName = 'tfjs-node-gpu' | 'tfjs-node' | 'tfjs-wasm' | 'tfjs-cpu';

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

/** Where `pnpm setup:gpu` puts the packages with a native library. */
const OPT_IN = createRequire(new URL('../gpu/package.json', import.meta.url));
const INSTALLED = createRequire(import.meta.url);

/** Imports a package that is not there unless it was asked for. */
const optIn = (name: string) => (): Promise<unknown> => import(pathToFileURL(OPT_IN.resolve(name)).href);

const PACKAGES = {
  'tfjs-node-gpu': {
    name: '@tensorflow/tfjs-node-gpu',
    registered: 'tensorflow',
    start: optIn('@tensorflow/tfjs-node-gpu'),
    require: OPT_IN,
  },
  'tfjs-node': {
    name: '@tensorflow/tfjs-node',
    registered: 'tensorflow',
    start: optIn('@tensorflow/tfjs-node'),
    require: OPT_IN,
  },
  'tfjs-wasm': {
    name: '@tensorflow/tfjs-backend-wasm',
    registered: 'wasm',
    start: () => import('@tensorflow/tfjs-backend-wasm'),
    require: INSTALLED,
  },
  'tfjs-cpu': {
    name: '@tensorflow/tfjs-backend-cpu',
    registered: 'cpu',
    start: () => import('@tensorflow/tfjs-backend-cpu'),
    require: INSTALLED,
  },
} as const;

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
  const { name: packageName, registered, require, start } = PACKAGES[name];
  const native = require === OPT_IN;
  if (native && tf.findBackendFactory(registered) !== null) {
    throw new EngineError('backend-missing', `${name} and its sibling cannot be loaded in one process.`);
  }
  let version: string;
  try {
    version = (require(`${packageName}/package.json`) as { version: string }).version;
  } catch (error) {
    throw missing(`${packageName} is not installed`, name, error);
  }
  // Both print an advertisement for tfjs-node when they start under Node, unless told that this is production.
  tf.env().set('PROD', true);
  try {
    if (native && !existsSync(join(dirname(require.resolve(`${packageName}/package.json`)), 'lib'))) {
      throw new Error('its native library was not fetched');
    }
    await start();
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
