/** Ingest: rows a second from a CSV file of orders to canonical Parquet. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { IngestOptions } from '@clove/contracts';
import { generateFile, ingestFiles } from '@clove/data';
import { type Case, fastest, measured, resetPeakRss } from './case.js';

export async function ingest(): Promise<Case[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'clove-bench-'));
  try {
    const file = path.join(folder, 'orders.csv');
    const { rows } = await generateFile({
      options: { generator: 'transactions', customers: 100_000, seed: 42 },
      file,
      scratchDir: folder,
    });
    const options = IngestOptions.parse({});
    resetPeakRss();
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
}
