/**
 * `pnpm bench [train|score|ingest] [--json]`: times the native paths in this process, one after the other.
 * Rows a second are the best of several runs: what the machine can do when left alone. Compare only on one machine.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Rng, feedforward, mse } from '@clove/clv';
import { IngestOptions } from '@clove/contracts';
import { generateFile, ingestFiles } from '@clove/data';
import { compileTraining, createScorer, exportOnnx, initialState } from '@clove/engine';

type Case = { name: string; rowsPerSecond: number; threads: number; peakRssBytes: number };

/** The networks of the comparison with PyTorch: 16 inputs, batch norm, ReLU, dropout .3 after each hidden layer. */
const NETWORKS = [
  { name: 'W', hidden: [128, 256, 128, 64], batchSize: 64, rows: 7200 },
  { name: 'W2', hidden: [256, 512, 256, 128], batchSize: 128, rows: 72_000 },
] as const;
const WIDTH = 16;

const normals = (n: number): Float32Array => {
  const rng = new Rng(1);
  return Float32Array.from({ length: n }, () => rng.normal());
};
const networkOf = (hidden: readonly number[]) =>
  feedforward({ inputWidth: WIDTH, hidden: [...hidden], batchNorm: true, dropout: 0.3 });

/** Runs `work` until two seconds and three runs have passed and returns the seconds of the fastest. */
const fastest = async (work: () => Promise<unknown>): Promise<number> => {
  let best = Infinity;
  const end = performance.now() + 2000;
  for (let run = 0; run < 3 || performance.now() < end; run += 1) {
    const start = performance.now();
    await work();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best;
};
const measured = (name: string, rows: number, seconds: number, threads: number): Case => ({
  name,
  rowsPerSecond: Math.round(rows / seconds),
  threads,
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
});

const train = async (): Promise<Case[]> => {
  const cases: Case[] = [];
  for (const { name, hidden, batchSize, rows } of NETWORKS) {
    const network = networkOf(hidden);
    const executor = await compileTraining({
      network,
      loss: mse,
      weightDecay: 1e-5,
      batchSize,
      rows,
      backend: 'onnx-cpu',
    });
    const rng = new Rng(7);
    executor.load(initialState(network, () => rng.uniform()));
    const x = normals(rows * WIDTH);
    const y = x.filter((_, i) => i % WIDTH === 0);
    const order = rng.shuffle(Int32Array.from({ length: rows }, (_, i) => i));
    let seed = 0;
    const seconds = await fastest(() => executor.trainEpoch({ x, y, order, learningRate: 1e-3, seed: (seed += 1) }));
    cases.push(measured(name, rows, seconds, Number(/(\d+) thread/.exec(executor.backend)?.[1] ?? 1)));
    await executor.release();
  }
  return cases;
};

const score = async (): Promise<Case[]> => {
  const network = networkOf(NETWORKS[0].hidden);
  const rng = new Rng(7);
  const { params, stats } = initialState(network, () => rng.uniform());
  const onnx = exportOnnx({ network, params, stats, inputWidth: WIDTH, before: (raw) => raw, after: (out) => out });
  const rows = 200_000;
  const x = normals(rows * WIDTH);
  const cases: Case[] = [];
  for (const threads of new Set([1, availableParallelism()])) {
    const scorer = await createScorer(onnx, { threads });
    cases.push(measured('W', rows, await fastest(() => scorer.predict(x, rows)), threads));
    await scorer.release();
  }
  return cases;
};

const ingest = async (): Promise<Case[]> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'clove-bench-'));
  try {
    const file = path.join(folder, 'orders.csv');
    const { rows } = await generateFile({
      options: { generator: 'transactions', customers: 100_000, seed: 42 },
      file,
      scratchDir: folder,
    });
    const options = IngestOptions.parse({});
    const seconds = await fastest(() =>
      ingestFiles({
        files: [{ name: 'orders.csv', path: file }],
        options,
        outDir: path.join(folder, 'out'),
        scratchDir: folder,
      }),
    );
    const { size } = await stat(file);
    return [measured(`orders CSV, ${Math.round(size / 1e6)} MB`, rows, seconds, availableParallelism())];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const BENCHES: Record<string, () => Promise<Case[]>> = { train, score, ingest };
const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
});
for (const bench of positionals.length > 0 ? positionals : Object.keys(BENCHES)) {
  const run = BENCHES[bench];
  if (!run) throw new Error(`There is no bench "${bench}": take ${Object.keys(BENCHES).join(', ')}.`);
  const cases = await run();
  if (values.json) console.log(JSON.stringify({ bench, cases }));
  else
    for (const { name, rowsPerSecond, threads, peakRssBytes } of cases)
      console.log(
        `${bench.padEnd(7)}${name.padEnd(24)}${rowsPerSecond.toLocaleString('en').padStart(12)} rows/s  ${threads} threads  ${Math.round(peakRssBytes / 1e6)} MB`,
      );
}
