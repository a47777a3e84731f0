import { IngestOptions, LeaderboardOptions } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { newId } from './ids.js';
import { migrate } from './migrate.js';
import { openRegistry } from './open-registry.js';
import type { Registry } from './registry.js';
import { DEFAULT_TENANT } from './tenancy.js';
import { freshUrl, options, profile, readyDataset, trained } from './test-support.js';

const url = freshUrl(inject('databaseUrl'));
let registry: Registry;

beforeAll(async () => {
  await migrate(url);
  registry = openRegistry(url).forTenant(DEFAULT_TENANT);
});
afterAll(() => registry.close());

describe('a job is short', () => {
  const jobOn = async (bytes: readonly number[], customers = 0) => {
    const id = newId('dataset');
    const files = bytes.map((size, n) => ({ name: `${n}.csv`, key: `uploads/${id}/${n}`, bytes: size }));
    const { job } = await registry.datasets.create({
      id,
      name: 'of some size',
      source:
        customers > 0
          ? { type: 'generator', options: { generator: 'features', customers, seed: 1 } }
          : { type: 'upload', files, options: IngestOptions.parse({}) },
      requestId: 'r',
    });
    return { id, job };
  };
  const MiB = 1024 ** 2;

  test('where all files of the upload together are small, or few customers are generated', async () => {
    expect(await registry.jobs.isShort((await jobOn([32 * MiB, 32 * MiB])).job.id)).toBe(true);
    expect(await registry.jobs.isShort((await jobOn([32 * MiB, 32 * MiB, 1])).job.id)).toBe(false);
    expect(await registry.jobs.isShort((await jobOn([], 200_000)).job.id)).toBe(true);
    expect(await registry.jobs.isShort((await jobOn([], 1_000_000)).job.id)).toBe(false);
  });

  test('by the dataset that it reads; a training and a leaderboard only where that is smaller still', async () => {
    const { version } = await trained(registry, await readyDataset(registry), 'sized');
    const versionId = version.id;
    const kindsOf = async (bytes: number) => {
      const { id: datasetId, job } = await jobOn([bytes]);
      const predicting = { datasetId, versionId, includeInputs: false, requestId: 'r' };
      const waiting = [job, (await registry.predictions.create(predicting)).job];
      await registry.datasets.complete(datasetId, profile);
      const on = { datasetId, requestId: 'r' };
      waiting.push(
        (await registry.evaluations.create({ ...on, versionId })).job,
        (await registry.runs.create({ ...on, modelName: 'short', options })).job,
        (await registry.leaderboards.create({ ...on, options: LeaderboardOptions.parse({}) })).job,
      );
      const short = [];
      for (const { id, kind } of waiting) if (await registry.jobs.isShort(id)) short.push(kind);
      const listed = (await registry.jobs.waiting()).filter(({ payload }) =>
        waiting.some(({ id }) => id === payload.jobId),
      );
      expect(listed.flatMap(({ kind, short: said }) => (said ? [kind] : []))).toEqual(short);
      return short;
    };
    expect(await kindsOf(64 * MiB + 1)).toEqual([]);
    expect(await kindsOf(4 * MiB)).toEqual(['ingest', 'predict', 'evaluate']);
    expect(await kindsOf(3 * MiB)).toEqual(['ingest', 'predict', 'evaluate', 'train']);
    expect(await kindsOf(0.25 * MiB)).toEqual(['ingest', 'predict', 'evaluate', 'train', 'leaderboard']);
  });

  test('where it imports a model', async () => {
    const { job } = await registry.imports.create({
      id: newId('modelImport'),
      modelName: 'brought',
      files: [{ name: 'model.onnx', key: 'uploads/x/0', bytes: 1 }],
      requestId: 'r',
    });
    expect(await registry.jobs.isShort(job.id)).toBe(true);
  });
});
