// `pnpm setup:gpu`: fetches what the GPU backends of the training need and no install brings, says what it did, and exits
// 0 where everything that was asked for works, 1 where something does not.
//
//   (nothing)   @tensorflow/tfjs-node-gpu with libtensorflow, and onnxruntime's CUDA provider
//   --cpu       @tensorflow/tfjs-node with libtensorflow for processors
//   --limit N   seconds for each download (default 900)
//   --dir DIR   folder to install tfjs-node and tfjs-node-gpu into (default: libs/engine/gpu)
//
// A mirror of libtensorflow: TFJS_NODE_BASE_URI, what stands before "gpu-linux-x86_64-2.9.1.tar.gz", as tfjs-node reads it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PROBE_LIMIT_SECONDS = 10;
/** What tfjs-node 4.22.0 is built against. */
const LIBTENSORFLOW = '2.9.1';
const SYSTEMS = { 'linux x64': 'linux-x86_64', 'win32 x64': 'windows-x86_64', 'darwin x64': 'darwin-x86_64' };

const engine = fileURLToPath(new URL('..', import.meta.url));
const say = (text) => process.stdout.write(`${text}\n`);

/** Whether a server has the file, asked with a limit: a host behind a firewall may never answer. */
const reach = async (url, limitSeconds) => {
  const seconds = Math.min(limitSeconds, PROBE_LIMIT_SECONDS);
  try {
    const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(seconds * 1000) });
    if (answer.ok) return;
    throw new Error(`it answers ${answer.status}`);
  } catch (error) {
    const cause = error.cause?.code ?? error.cause?.message ?? error.message;
    const why = error.name === 'TimeoutError' ? `no answer within ${seconds} s` : cause;
    throw new Error(`${url} cannot be reached: ${why}`, { cause: error });
  }
};

/** Runs a program, its output shown; ends it, with all that it started, after the limit. */
const run = (command, args, { cwd, env = {}, limitSeconds }) =>
  new Promise((resolve, reject) => {
    const windows = process.platform === 'win32';
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: windows,
      detached: !windows,
    });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      if (windows) child.kill();
      else process.kill(-child.pid, 'SIGKILL');
    }, limitSeconds * 1000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0) return resolve();
      const name = `${path.basename(command)} ${args[0] ?? ''}`.trim();
      reject(
        new Error(late ? `${name} took longer than ${limitSeconds} s (--limit)` : `${name} failed (exit code ${code})`),
      );
    });
  });

/** tfjs-node or tfjs-node-gpu: the packages from the npm registry, the library and the addon from where tfjs keeps them. */
const setupTfjs = async (name, { folder, limitSeconds }) => {
  const gpu = name === 'tfjs-node-gpu';
  const system = SYSTEMS[`${process.platform} ${process.arch}`];
  if (system === undefined || (gpu && process.platform === 'darwin')) {
    throw new Error(`there is no build for ${process.platform} on ${process.arch}`);
  }
  const base =
    process.env.TFJS_NODE_BASE_URI ?? 'https://storage.googleapis.com/tensorflow/libtensorflow/libtensorflow-';
  const extension = process.platform === 'win32' ? 'zip' : 'tar.gz';
  const url = `${base}${gpu ? 'gpu' : 'cpu'}-${system}-${LIBTENSORFLOW}.${extension}`;
  say(`${name}: asking for ${url}`);
  await reach(url, limitSeconds);

  await mkdir(folder, { recursive: true });
  const manifest = path.join(engine, 'gpu/package.json');
  if (path.resolve(folder, 'package.json') !== manifest) await copyFile(manifest, path.join(folder, 'package.json'));
  say(`${name}: installing the packages into ${folder}`);
  const quiet = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...quiet], { cwd: folder, limitSeconds });

  const packaged = path.join(folder, 'node_modules/@tensorflow', name);
  const bin = path.join(folder, 'node_modules/.bin');
  say(`${name}: fetching libtensorflow ${LIBTENSORFLOW} and the addon`);
  const env = { PATH: `${bin}${path.delimiter}${process.env.PATH}` };
  await run(process.execPath, ['scripts/install.js', gpu ? 'gpu' : 'cpu', 'download'], {
    cwd: packaged,
    env,
    limitSeconds,
  });

  say(`${name}: starting it`);
  const start = `require('@tensorflow/${name}').tensor([1, 2]).square().print()`;
  await run(process.execPath, ['--eval', start], { cwd: folder, limitSeconds });
};

/** onnxruntime's CUDA provider, by the script that its package brings and no install runs. */
const setupOnnxCuda = async ({ limitSeconds }) => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('there is one for Linux on x64 only');
  }
  const url = 'https://api.nuget.org/v3/index.json';
  say(`onnx-cuda: asking for ${url}`);
  await reach(url, limitSeconds);
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  say('onnx-cuda: fetching the CUDA 12 provider');
  const folder = path.dirname(manifest);
  // What the platform has, which is CUDA 12. In the environment: it comes before flags, and may say "skip".
  const env = { ONNXRUNTIME_NODE_INSTALL: 'true' };
  await run(process.execPath, ['script/install'], {
    cwd: folder,
    env,
    limitSeconds,
  });
  const library = path.join(folder, 'bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so');
  if (!existsSync(library)) throw new Error(`${library} is not there after the installation`);
};

const { values } = parseArgs({
  options: {
    cpu: { type: 'boolean', default: false },
    limit: { type: 'string', default: '900' },
    dir: { type: 'string', default: path.join(engine, 'gpu') },
  },
});
const limitSeconds = Number(values.limit);
if (!(limitSeconds > 0)) {
  process.stderr.write(`--limit takes a number of seconds above 0; it is "${values.limit}".\n`);
  process.exit(2);
}
const o = { folder: path.resolve(values.dir), limitSeconds };
const wanted = values.cpu
  ? [['tfjs-node', () => setupTfjs('tfjs-node', o)]]
  : [
      ['tfjs-node-gpu', () => setupTfjs('tfjs-node-gpu', o)],
      ['onnx-cuda', () => setupOnnxCuda(o)],
    ];
const outcomes = [];
for (const [name, setup] of wanted) {
  const outcome = await setup().then(
    () => 'ready',
    (error) => `not set up: ${error.message}`,
  );
  outcomes.push(outcome);
  say(`${name}: ${outcome}`);
}
const missing = outcomes.filter((outcome) => outcome !== 'ready').length;
say(
  missing === 0
    ? 'Done; "pnpm clove doctor" lists every backend.'
    : `${missing} of ${wanted.length} could not be set up; training goes on with what "pnpm clove doctor" lists.`,
);
process.exitCode = missing === 0 ? 0 : 1;
