import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { access, constants, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CloveError } from '@clove/contracts';
import type { BackendReport } from '@clove/engine';
import { dataHome, freePort } from '@clove/runtime';
import { type Context, number } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { withScratch } from '../files.js';
import { connect } from '../remote/connect.js';
import { bytes } from '../screen/format.js';

/** What a check found: `fail` means that Clove does not work here, `warn` that it works worse than it could. */
type Finding = { status: 'ok' | 'warn' | 'fail'; message: string };
type Check = { name: string; run(ctx: Context): Promise<Finding> };

const ok = (message: string): Finding => ({ status: 'ok', message });
const warn = (message: string): Finding => ({ status: 'warn', message });
const fail = (message: string): Finding => ({ status: 'fail', message });

const GIB = 1024 ** 3;
const DEFAULT_PORT = 3000;

const checkNode = async (): Promise<Finding> => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  return fits
    ? ok(`Node ${process.versions.node}`)
    : fail(`Node ${process.versions.node} is too old: install 20.19 or later.`);
};

const checkMachine = async (): Promise<Finding> => {
  const cores = availableParallelism();
  const text = `${process.platform}-${process.arch}, ${cores} cores, ${bytes(totalmem())} memory, ${bytes(freemem())} of it free`;
  if (totalmem() < 2 * GIB) return warn(`${text}: large data may not fit; 2 GiB is the least that is comfortable.`);
  if (cores < 2) return warn(`${text}: with one core, training and serving wait for each other.`);
  return ok(text);
};

const checkHome = async (): Promise<Finding> => {
  const home = dataHome();
  await access(home, constants.W_OK);
  const { bavail, bsize } = await statfs(home);
  const free = bavail * bsize;
  const text = `${home} can be written, ${bytes(free)} free`;
  return free < 2 * GIB ? warn(`${text}: uploads and models need room; CLOVE_HOME names another folder.`) : ok(text);
};

/** Starts the server in a folder that is removed again: the one check that proves that it starts. */
const tryServer = (kind: 'Postgres' | 'Redis') => async (): Promise<Finding> => {
  const { startPostgres, startRedis, connectRedis } = await import('@clove/runtime');
  return withScratch(async (home) => {
    // The server may have to run under another account than root's.
    await chmod(home, 0o755);
    const server = await (kind === 'Postgres' ? startPostgres : startRedis)({ home, port: 0 });
    try {
      if (kind === 'Redis') {
        const redis = connectRedis(server.url);
        try {
          await redis.ping();
        } finally {
          redis.disconnect();
        }
      } else {
        const { migrate, openRegistry } = await import('@clove/store');
        if (process.env['DATABASE_URL'] === undefined) await migrate(server.url);
        const registry = openRegistry(server.url);
        try {
          await registry.ping();
        } finally {
          await registry.close();
        }
      }
      return ok(`${server.source} starts and answers`);
    } finally {
      await server.stop();
    }
  });
};

const checkDuck = async (): Promise<Finding> =>
  withScratch(async (scratchDir) => {
    const { generateFile } = await import('@clove/data');
    await generateFile({
      scratchDir,
      options: { generator: 'features', customers: 10, seed: 1 },
      file: join(scratchDir, 'doctor.parquet'),
    });
    return ok('DuckDB loads and writes Parquet');
  });

const checkOnnx = async (): Promise<Finding> => {
  const [{ createScorer, exportOnnx, initialState }, { feedforward }] = await Promise.all([
    import('@clove/engine'),
    import('@clove/clv'),
  ]);
  const network = feedforward({ inputWidth: 2, hidden: [2], batchNorm: false, dropout: 0 });
  const { params, stats } = initialState(network, () => 0.5);
  const onnx = exportOnnx({ network, params, stats, inputWidth: 2, before: (raw) => raw, after: (out) => out });
  const scorer = await createScorer(onnx);
  try {
    const [first] = await scorer.predict(new Float32Array([1, 2]), 1);
    return first !== undefined && Number.isFinite(first)
      ? ok('onnxruntime loads and runs a network')
      : fail('onnxruntime runs but computes nonsense: reinstall with "npx -y pnpm@12.21.0 install --force".');
  } finally {
    await scorer.release();
  }
};

const checkPort = async (ctx: Context): Promise<Finding> => {
  const wanted = number(ctx, 'port') ?? DEFAULT_PORT;
  const free = await freePort(wanted);
  return free === wanted
    ? ok(`port ${wanted} is free`)
    : warn(`port ${wanted} is in use: the gateway would take ${free}, or the one that --port names.`);
};

const checkStack = async (ctx: Context): Promise<Finding> => {
  const client = connect(ctx);
  try {
    await client.ready();
    return ok(`a gateway answers at ${client.url}`);
  } catch (error) {
    if (!(error instanceof CloveError)) throw error;
    return ok(`no gateway runs at ${client.url}; "clove start" starts one`);
  }
};

const CHECKS: readonly Check[] = [
  { name: 'node', run: checkNode },
  { name: 'machine', run: checkMachine },
  { name: 'folder', run: checkHome },
  { name: 'duckdb', run: checkDuck },
  { name: 'onnx', run: checkOnnx },
  { name: 'postgres', run: tryServer('Postgres') },
  { name: 'redis', run: tryServer('Redis') },
  { name: 'port', run: checkPort },
  { name: 'gateway', run: checkStack },
];

/** Asks each backend of the training in a process of its own: a driver that crashes takes only that with it. */
const probeBackends = async (signal: AbortSignal): Promise<BackendReport[]> => {
  const script = fileURLToPath(new URL('../backend-probe.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], { signal, timeout: PROBE_LIMIT_MS });
  return JSON.parse(stdout) as BackendReport[];
};
const PROBE_LIMIT_MS = 60_000;

/** The backends of the training, for people: what each computes with, or why it is not there. */
const printBackends = (ctx: Context, backends: readonly BackendReport[]): void => {
  ctx.screen.print('', 'Training backends (--backend, TRAINER_BACKEND):');
  for (const { name, present, device, versions, reason } of backends) {
    const libraries = Object.entries(versions).map(([library, version]) => `${library} ${version}`);
    const said = present ? `${device}; ${libraries.join(', ')}` : `not present: ${reason}`;
    ctx.screen.print(`  ${present ? ctx.screen.mark('ok') : '-'} ${name.padEnd(13)} ${said}`);
  }
};

/** `clove doctor`: does what Clove needs, once and small, and says what to do where it fails. Exit code 1 if anything does. */
export const doctor = async (ctx: Context): Promise<number> => {
  const findings: (Finding & { name: string })[] = [];
  for (const check of CHECKS) {
    ctx.signal.throwIfAborted();
    const finding = await check
      .run(ctx)
      .catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
    findings.push({ name: check.name, ...finding });
    ctx.screen.print(`  ${ctx.screen.mark(finding.status)} ${check.name.padEnd(9)} ${finding.message}`);
  }
  const backends = await probeBackends(ctx.signal).catch((error: unknown) => {
    findings.push({ name: 'backends', ...fail(error instanceof Error ? error.message : String(error)) });
    return [];
  });
  printBackends(ctx, backends);
  const failed = findings.filter((finding) => finding.status === 'fail').length;
  ctx.screen.print('', failed === 0 ? 'Clove can run here.' : `${failed} of ${findings.length} checks failed.`);
  ctx.screen.result({ ok: failed === 0, checks: findings, backends });
  return failed === 0 ? EXIT.ok : EXIT.failed;
};
