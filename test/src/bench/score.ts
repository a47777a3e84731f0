/**
 * Scoring: rows a second through the exported network W; from a CSV to the CSV of predictions; how time and memory grow with
 * the number of rows; and how much two scorer processes gain on one.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch } from '@clove/cli';
import { Rng, type Table, fitSchema, predictionTensor, prepareTensor } from '@clove/clv';
import { IngestOptions, type Job, type ModelManifest, TrainingOptions } from '@clove/contracts';
import { ingestFiles } from '@clove/data';
import { createScorer, exportOnnx, initialState } from '@clove/engine';
import { type Lanes, openLanes, predictCsv, predictDataset } from '@clove/scorer';
import { DuckDBInstance } from '@duckdb/node-api';
import { api } from '../support/api.js';
import {
  type BenchOptions,
  type Case,
  fastest,
  measured,
  normals,
  peakRssBytes,
  resetPeakRss,
  secondsOf,
} from './case.js';
import { compare, median, startPeer } from './peer.js';
import { NETWORKS, WIDTH, networkOf } from './train.js';

const THREADS = 2;
const ROWS = 1_000_000;
/** Alternating runs of each side. */
const PAIRS = 5;
const NAMES = Array.from({ length: WIDTH }, (_, i) => `f${i}`);
const INGEST = { kind: 'features' };
const TARGET = { mean: 100, sd: 500 };

export async function score(o: BenchOptions): Promise<Case[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'clove-bench-'));
  // As a scorer keeps them, and the peer its modules.
  const lanes = openLanes(THREADS);
  try {
    return [
      ...(await modelAlone(o, folder)),
      ...(await csvToCsv(o, folder, lanes)),
      ...(await growth(folder, lanes)),
      await scorers(),
    ];
  } finally {
    await lanes.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const rates = (
  rows: number,
  { seconds, peerSeconds, ratio }: { seconds: number; peerSeconds: number; ratio: number },
) => ({
  rowsPerSecond: Math.round(rows / seconds),
  peerRowsPerSecond: Math.round(rows / peerSeconds),
  ratio: Math.round(ratio * 100) / 100,
});

/** Network W with weights that a peer can read. */
const networkFiles = async (folder: string) => {
  const network = networkOf(NETWORKS[0].hidden);
  const rng = new Rng(7);
  const { params, stats } = initialState(network, () => rng.uniform());
  await writeFile(path.join(folder, 'params.f32'), new Uint8Array(params.buffer));
  await writeFile(path.join(folder, 'stats.f32'), new Uint8Array(stats.buffer));
  return { network, params, stats };
};

/** The fused graph against PyTorch eager at its best batch, inputs in memory, standardised. */
const modelAlone = async ({ python }: BenchOptions, folder: string): Promise<Case[]> => {
  const onnx = exportOnnx({
    ...(await networkFiles(folder)),
    inputWidth: WIDTH,
    before: (raw) => raw,
    after: (out) => out,
  });
  const x = normals(ROWS * WIDTH);
  await writeFile(path.join(folder, 'x.f32'), new Uint8Array(x.buffer));
  const cases: Case[] = [];
  for (const threads of [1, THREADS]) {
    resetPeakRss();
    const scorer = await createScorer(onnx, { threads });
    const name = threads === 1 ? 'W-1-thread' : 'W';
    if (python === undefined) {
      cases.push(measured(name, ROWS, await fastest(() => scorer.predict(x, ROWS)), threads));
    } else {
      const peer = await startPeer(python, 'score.py', [folder, String(WIDTH), String(threads)]);
      let sum = 0;
      const ours = async (): Promise<void> => {
        sum = (await scorer.predict(x, ROWS)).reduce((a, b) => a + b, 0);
      };
      const compared = await compare(ours, peer, PAIRS);
      requireSame(name, sum, compared.peerRuns[0]!['sum']);
      cases.push({ name, ...rates(ROWS, compared), threads, peakRssBytes: peakRssBytes() });
      await peer.close();
    }
    await scorer.release();
  }
  return cases;
};

/** Equal work gives equal predictions, up to rounding. */
const requireSame = (name: string, own: number, peer: unknown): void => {
  if (typeof peer !== 'number' || Math.abs(own - peer) > 1e-3 * Math.abs(peer))
    throw new Error(`${name}: the predictions add up to ${own} here and to ${String(peer)} at the peer.`);
};

/** A model folder of network W on numeric columns f0 … f15, uniform in 0 to 10,000. */
const modelFolder = async (folder: string): Promise<string> => {
  const { network, params, stats } = await networkFiles(folder);
  const rng = new Rng(3);
  const table: Table = {
    rows: 2000,
    ids: [],
    columns: new Map(
      NAMES.map((name) => [
        name,
        { kind: 'numeric', values: Float64Array.from({ length: 2000 }, () => 10_000 * rng.uniform()) },
      ]),
    ),
  };
  const { schema } = fitSchema(table, NAMES);
  const graph = { network, params, stats, inputWidth: WIDTH };
  const onnx = exportOnnx({ ...graph, before: prepareTensor(schema), after: predictionTensor(TARGET) });
  const manifest: ModelManifest = {
    format: 1,
    type: 'feedforward',
    head: 'mse',
    kind: 'features',
    target: 'clv',
    horizonDays: null,
    idColumn: null,
    schema,
    parameters: params.length,
    interval: { level: 0.8, below: 10, above: 20 },
    options: TrainingOptions.parse({}),
    training: {
      datasetId: null,
      rows: table.rows,
      targetMean: TARGET.mean,
      asOf: [],
      epochs: [],
      bestEpoch: 1,
      seconds: 1,
      backend: 'none',
      versions: {},
    },
    warnings: [],
  };
  const modelDir = path.join(folder, 'model');
  await mkdir(modelDir, { recursive: true });
  await writeFile(path.join(modelDir, 'model.onnx'), onnx);
  await writeFile(path.join(modelDir, 'model.json'), JSON.stringify(manifest));
  const numeric = schema.features.flatMap((feature) => (feature.kind === 'numeric' ? [feature] : []));
  const scale = {
    names: NAMES,
    median: numeric.map((feature) => feature.median),
    mean: numeric.map((feature) => feature.mean),
    sd: numeric.map((feature) => feature.sd),
    target_mean: TARGET.mean,
    target_sd: TARGET.sd,
  };
  await writeFile(path.join(folder, 'scale.json'), JSON.stringify(scale));
  return modelDir;
};

/** A table of customers as CSV or Parquet. */
const writeRows = async (file: string, rows: number): Promise<void> => {
  const columns = NAMES.map((name, i) => `round(((hash(i, ${i}) % 1000000)::DOUBLE / 100), 2) AS ${name}`);
  const format = file.endsWith('.csv') ? '(FORMAT csv, HEADER)' : '(FORMAT parquet, COMPRESSION zstd)';
  const instance = await DuckDBInstance.create(':memory:', { threads: String(THREADS) });
  const connection = await instance.connect();
  await connection.run(
    `COPY (SELECT 'c' || lpad(i::VARCHAR, 9, '0') AS customer_id, ${columns.join(', ')} FROM range(${rows}) t(i)) TO '${file}' ${format}`,
  );
  connection.closeSync();
  instance.closeSync();
};

const io = { signal: new AbortController().signal, post: () => {} };

/** The whole way of a file, as `clove predict --local` goes it: checks, predictions, ranks, CSV. */
const csvToCsv = async ({ python }: BenchOptions, folder: string, lanes: Lanes): Promise<Case[]> => {
  const modelDir = await modelFolder(folder);
  const input = path.join(folder, 'input.csv');
  await writeRows(input, ROWS);
  let total = 0;
  const ours = async (): Promise<void> => {
    const made = await predictCsv(
      {
        modelDir,
        file: { name: 'input.csv', path: input },
        reading: IngestOptions.parse(INGEST),
        modelVersion: 'w@1',
        outDir: path.join(folder, 'out'),
        scratchDir: folder,
        threads: THREADS,
        lanes,
      },
      io,
    );
    if (made === null) throw new Error('The CSV of the bench is not scored as it lies.');
    ({ total } = made.summary);
  };
  resetPeakRss();
  if (python === undefined) return [measured('csv-to-csv', ROWS, await fastest(ours), THREADS)];
  const peer = await startPeer(python, 'csv_to_csv.py', [folder, String(THREADS)]);
  const compared = await compare(ours, peer, PAIRS).finally(() => peer.close());
  requireSame('csv-to-csv', total, compared.peerRuns[0]!['sum']);
  return [{ name: 'csv-to-csv', ...rates(ROWS, compared), threads: THREADS, peakRssBytes: peakRssBytes() }];
};

/** A hundred times the rows: time a row should stay as it is, and memory below 1 GB. */
const growth = async (folder: string, lanes: Lanes): Promise<Case[]> => {
  const modelDir = await modelFolder(folder);
  const sample = path.join(folder, 'sample.csv');
  await writeRows(sample, 1000);
  const profile = await ingestFiles({
    files: [{ name: 'sample.csv', path: sample }],
    options: IngestOptions.parse(INGEST),
    outDir: path.join(folder, 'sample'),
    scratchDir: folder,
  });
  const cases: Case[] = [];
  for (const rows of [100_000, 1_000_000, 10_000_000]) {
    const parquet = path.join(folder, 'rows.parquet');
    await writeRows(parquet, rows);
    const outDir = path.join(folder, 'out');
    resetPeakRss();
    const work = () =>
      predictDataset(
        {
          modelDir,
          parquet,
          profile: { ...profile, rows, customers: rows },
          includeInputs: false,
          modelVersion: 'w@1',
          outDir,
          scratchDir: folder,
          threads: THREADS,
          lanes,
        },
        io,
      );
    const seconds = rows < 10_000_000 ? await fastest(work) : await secondsOf(work);
    cases.push(measured(`predict-${rows}`, rows, seconds, THREADS));
  }
  return cases;
};

const SHARED_ROWS = 4_000_000;
const SHARED_PAIRS = 3;

/** A prediction of 4,000,000 rows through the whole system, by two scorers with a thread each and by one, in turn. */
const scorers = async (): Promise<Case> => {
  const home = await mkdtemp(path.join(tmpdir(), 'clove-bench-home-'));
  const seconds: Record<1 | 2, number[]> = { 1: [], 2: [] };
  let datasetId: string | undefined;
  let peak = 0;
  try {
    for (let run = 0; run < 2 * SHARED_PAIRS; run += 1) {
      const count = run % 2 === 0 ? 1 : 2;
      const stack = await launch({ home, port: 0, scorers: count, env: { THREADS: '1' } });
      try {
        const client = api(stack.url, stack.apiKey);
        const done = async (jobId: string): Promise<Job> => {
          const job = await client.settled(jobId);
          if (job.status !== 'succeeded') throw new Error(`a job of the bench ${job.status}: ${job.error?.message}`);
          return job;
        };
        const generate = async (customers: number): Promise<string> => {
          const made = await client.accepted('/v1/datasets/generate', { generator: 'features', customers, seed: 1 });
          await done(made.job.id);
          return made.id;
        };
        if (datasetId === undefined) {
          datasetId = await generate(SHARED_ROWS);
          const training = { datasetId: await generate(20_000), modelName: 'w', epochs: 1, hidden: NETWORKS[0].hidden };
          await done((await client.accepted('/v1/runs', training)).job.id);
        }
        const made = await client.accepted('/v1/predictions', { datasetId, model: 'w' });
        const job = await done(made.job.id);
        for (const { name, pid } of stack.processes)
          if (name.startsWith('scorer')) peak = Math.max(peak, peakRssBytes(pid));
        seconds[count].push((Date.parse(job.finishedAt!) - Date.parse(job.startedAt!)) / 1000);
      } finally {
        await stack.stop();
      }
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  const [one, two] = [median(seconds[1]), median(seconds[2])];
  const ratio = median(seconds[1].map((alone, i) => alone / seconds[2][i]!));
  return {
    name: 'two-scorers',
    ...rates(SHARED_ROWS, { seconds: two, peerSeconds: one, ratio }),
    threads: 2,
    peakRssBytes: peak,
  };
};
