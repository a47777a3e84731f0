/**
 * Ingest: rows a second from CSV files to canonical Parquet and profile, and how they grow; snapshots of two million customers;
 * training on a table from chunks.
 *
 * The peers do the same with the same files. A case by its plain name, `olist` or `orders-1e7`, is measured against SQL in Python's
 * DuckDB, which lists rejected rows as the ingest does but makes no profile; `…-sql-with-profile` against such SQL with a profile, and
 * `…-pandas` against pandas with a profile. `perRow` tells the growth. `CLOVE_DATA` is the folder of the public data sets; where it
 * is not there Olist is left out.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { type DatasetProfile, IngestOptions, TrainingOptions } from '@clove/contracts';
import { generateDataset, generateFile, ingestFiles, scoringRows } from '@clove/data';
import { trainModel } from '@clove/trainer';
import { type BenchOptions, type Case, measured, resetPeakRss, secondsOf } from './case.js';
import { compare, startPeer } from './peer.js';

/** Customers whose orders are about 10^5, 10^6 and 10^7 rows. */
const SIZES = [
  { name: 'orders-1e5', customers: 20_000, pairs: 5 },
  { name: 'orders-1e6', customers: 200_000, pairs: 5 },
  { name: 'orders-1e7', customers: 1_950_000, pairs: 3 },
] as const;
/** What follows the name of a case, and the engine of the peer that it is measured against. */
const PEERS = [
  ['', 'duckdb'],
  ['-sql-with-profile', 'duckdb-profile'],
  ['-pandas', 'pandas'],
] as const;
/** The case that the growth is told by. */
const MIDDLE = 'orders-1e6';
const THREADS = availableParallelism();
/** Memory that DuckDB may use on either side. */
const MEMORY_BYTES = 1024 ** 3;

type Work = { name: string; layout: 'orders' | 'olist'; files: readonly string[]; options: object; pairs: number };

export async function ingest({ python }: BenchOptions): Promise<Case[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'clove-bench-'));
  try {
    const cases: Case[] = [];
    const olist = path.join(
      process.env['CLOVE_DATA'] ?? path.join(import.meta.dirname, '../../../../shared/data'),
      'olist',
    );
    if (existsSync(olist)) {
      const files = (await readdir(olist))
        .filter((file) => file.endsWith('.csv'))
        .map((file) => path.join(olist, file));
      const work: Work = { name: 'olist', layout: 'olist', files, options: { preset: 'olist' }, pairs: 5 };
      cases.push(...(await ingestCases(work, folder, python)).cases);
    }
    for (const { name, customers, pairs } of SIZES) {
      const file = path.join(folder, 'orders.csv');
      await generateFile({ options: { generator: 'transactions', customers, seed: 42 }, file, scratchDir: folder });
      const work: Work = { name, layout: 'orders', files: [file], options: {}, pairs };
      const { cases: found, profile } = await ingestCases(work, folder, python);
      cases.push(...found);
      await rm(file);
      if (name === 'orders-1e7') cases.push(...(await snapshots(profile, folder)));
    }
    return [...withGrowth(cases), await chunks(folder)];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Adds to the cases of orders what a row costs there, where a row costs 1 in the middle one. */
const withGrowth = (cases: readonly Case[]): Case[] => {
  const middle = cases.find(({ name }) => name === MIDDLE)!.rowsPerSecond;
  return cases.map((c) =>
    SIZES.some(({ name }) => name === c.name)
      ? { ...c, perRow: Math.round((100 * middle) / c.rowsPerSecond) / 100 }
      : c,
  );
};

const ingestCases = async (
  { name, layout, files, options, pairs }: Work,
  folder: string,
  python: string | undefined,
): Promise<{ cases: Case[]; profile: DatasetProfile }> => {
  let profile: DatasetProfile | undefined;
  const ours = async (): Promise<void> => {
    profile = await ingestFiles({
      files: files.map((file) => ({ name: path.basename(file), path: file })),
      options: IngestOptions.parse(options),
      outDir: path.join(folder, 'out'),
      scratchDir: folder,
      memoryLimitBytes: MEMORY_BYTES,
      threads: THREADS,
    });
  };
  await ours();
  const rows = profile!.rows + profile!.rejectedRows;
  resetPeakRss();
  if (python === undefined) return { cases: [measured(name, rows, await secondsOf(ours), THREADS)], profile: profile! };
  const cases: Case[] = [];
  for (const [suffix, engine] of PEERS) {
    const out = path.join(folder, 'peer');
    await mkdir(out, { recursive: true });
    const peer = await startPeer(python, 'ingest.py', [engine, layout, String(THREADS), out, ...files]);
    try {
      resetPeakRss();
      const { seconds, peerSeconds, ratio, peerRuns } = await compare(ours, peer, pairs);
      const taken = peerRuns[0]!['rows'];
      if (taken !== profile!.rows)
        throw new Error(`${name}: ${engine} took ${taken} rows, the ingest ${profile!.rows}.`);
      cases.push({
        ...measured(`${name}${suffix}`, rows, seconds, THREADS),
        peerRowsPerSecond: Math.round(rows / peerSeconds),
        ratio: Math.round(ratio * 100) / 100,
      });
    } finally {
      await peer.close();
      await rm(out, { recursive: true, force: true });
    }
  }
  return { cases, profile: profile! };
};

/** Features of every customer of the last ingest as of three days, and with sequences; rows are those of the history. */
const snapshots = async (profile: DatasetProfile, folder: string): Promise<Case[]> => {
  const parquet = path.join(folder, 'out', 'data.parquet');
  const last = Date.parse(profile.lastTime!);
  const cases: Case[] = [];
  for (const [name, daysBack, length] of [
    ['snapshot', 0, undefined],
    ['snapshot-90-days-back', 90, undefined],
    ['snapshot-360-days-back', 360, undefined],
    ['snapshot-sequences-12', 0, 12],
  ] as const) {
    const asOf = new Date(last - daysBack * 86_400_000).toISOString().slice(0, 10);
    resetPeakRss();
    let customers = 0;
    const seconds = await secondsOf(async () => {
      const made = await scoringRows({
        parquet,
        profile,
        asOf,
        ...(length === undefined ? {} : { sequence: { length } }),
        outDir: path.join(folder, 'snapshot'),
        scratchDir: folder,
        memoryLimitBytes: MEMORY_BYTES,
        threads: THREADS,
      });
      customers = made.rows;
    });
    cases.push(measured(`${name}-${customers}-customers`, profile.rows, seconds, THREADS));
  }
  return cases;
};

/** Two epochs on a features table that is read in chunks; evaluation and everything else included. */
const chunks = async (folder: string): Promise<Case> => {
  const outDir = path.join(folder, 'features');
  const profile = await generateDataset({
    options: { generator: 'features', customers: 5_000_000, seed: 42 },
    outDir,
    scratchDir: folder,
  });
  const options = TrainingOptions.parse({ hidden: [32, 16], epochs: 2, batchSize: 1024, seed: 1 });
  resetPeakRss();
  const seconds = await secondsOf(() =>
    trainModel(
      {
        parquet: path.join(outDir, 'data.parquet'),
        profile,
        datasetId: null,
        options,
        outDir: path.join(folder, 'model'),
        scratchDir: folder,
        memoryLimitBytes: MEMORY_BYTES,
        threads: THREADS,
      },
      { signal: new AbortController().signal, post: () => {} },
    ),
  );
  return measured('train-chunks-5e6x16-2-epochs', profile.rows, seconds, THREADS);
};
