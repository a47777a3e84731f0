/** The whole way through the API: a CSV is uploaded and ingested, a network trained on it, and every customer scored. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch } from '@clove/cli';
import { generateFile } from '@clove/data';
import { api } from '../support/api.js';
import { type BenchOptions, type Case, peakRssBytes } from './case.js';
import { compare, startPeer } from './peer.js';

const CUSTOMERS = 100_000;
const EPOCHS = 5;
const THREADS = 2;
const PAIRS = 3;

const newFolder = (): Promise<string> => mkdtemp(path.join(tmpdir(), 'clove-bench-pipeline-'));

/** Customers a second from the first byte of the upload to the last of the predictions, by 100,000 customers and 5 epochs. */
export async function pipeline({ python }: BenchOptions): Promise<Case[]> {
  // Two folders: that of Postgres must be one that its user may enter.
  const [home, folder] = [await newFolder(), await newFolder()];
  const file = path.join(folder, 'customers.csv');
  const options = { generator: 'features', customers: CUSTOMERS, seed: 42 } as const;
  await generateFile({ options, file, scratchDir: folder });
  const stack = await launch({ home, port: 0 });
  try {
    const client = api(stack.url, stack.apiKey);
    const done = async (jobId: string): Promise<void> => {
      const job = await client.settled(jobId);
      if (job.status !== 'succeeded') throw new Error(`a job of the bench ${job.status}: ${job.error?.message}`);
    };
    let steps: Record<string, number> = {};
    const ours = async (): Promise<void> => {
      const start = performance.now();
      const since = (): number => (performance.now() - start) / 1000;
      const form = client.upload(
        { 'customers.csv': new Blob([await readFile(file)]) },
        { options: JSON.stringify({ kind: 'features' }) },
      );
      const dataset = await client.accepted('/v1/datasets', form);
      await done(dataset.job.id);
      const ingested = since();
      const training = { datasetId: dataset.id, modelName: 'w', epochs: EPOCHS, hidden: [128, 256, 128, 64] };
      await done((await client.accepted('/v1/runs', training)).job.id);
      const trained = since();
      const prediction = await client.accepted('/v1/predictions', { datasetId: dataset.id, model: 'w' });
      await done(prediction.job.id);
      await client.call('GET', `/v1/predictions/${prediction.id}/download?format=csv`);
      steps = { ingest: ingested, train: trained - ingested, predict: since() - trained };
    };
    const peakOf = (): number => Math.max(...stack.processes.map(({ pid }) => peakRssBytes(pid)));
    if (python === undefined) {
      await ours();
    } else {
      const peer = await startPeer(python, 'pipeline.py', [folder, String(THREADS), String(EPOCHS)]);
      try {
        const { seconds, peerSeconds, ratio } = await compare(ours, peer, PAIRS);
        const rate = (time: number): number => Math.round(CUSTOMERS / time);
        const figures = { rowsPerSecond: rate(seconds), peerRowsPerSecond: rate(peerSeconds), ratio };
        return [{ name: 'upload-to-csv', ...figures, threads: THREADS, peakRssBytes: peakOf() }];
      } finally {
        await peer.close();
      }
    }
    const all = Object.values(steps).reduce((sum, step) => sum + step, 0);
    return Object.entries({ 'upload-to-csv': all, ...steps }).map(([name, seconds]) => ({
      name,
      rowsPerSecond: Math.round(CUSTOMERS / seconds),
      threads: THREADS,
      peakRssBytes: peakOf(),
    }));
  } finally {
    await stack.stop();
    for (const made of [home, folder]) await rm(made, { recursive: true, force: true });
  }
}
