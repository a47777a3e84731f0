import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { artifactKeys } from './artifact-keys.js';
import { openArtifacts, type ArtifactStore } from './artifacts.js';
import { newId } from './ids.js';
import { migrate } from './migrate.js';
import { openRegistry } from './open-registry.js';
import { sweepArtifacts } from './orphans.js';
import type { Registry } from './registry.js';
import { DEFAULT_TENANT } from './tenancy.js';
import { freshUrl, newDataset, options, readyDataset, trained } from './test-support.js';

const url = freshUrl(inject('databaseUrl'));
let registry: Registry;
let dir: string;
let artifacts: ArtifactStore;

beforeAll(async () => {
  await migrate(url);
  registry = openRegistry(url).forTenant(DEFAULT_TENANT);
  dir = await mkdtemp(path.join(tmpdir(), 'clove-orphans-'));
  artifacts = openArtifacts(dir);
});
afterAll(async () => {
  await registry.close();
  await rm(dir, { recursive: true });
});

afterEach(() => vi.useRealTimers());

/** Makes every file of the store look as if it had been written two days ago. */
const age = async (): Promise<void> => {
  const then = new Date(Date.now() - 2 * 24 * 3600 * 1000);
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    await utimes(path.join(entry.parentPath, entry.name), then, then);
  }
};

test('what belongs to nothing goes once nobody has written to it for a day; all else stays', async () => {
  const { dataset } = await newDataset(registry);
  const ready = await readyDataset(registry);
  const { run, version } = await trained(registry, ready, 'swept');
  const { run: waiting } = await registry.runs.create({
    datasetId: ready,
    modelName: 'swept',
    options,
    requestId: 'r',
  });
  const kept = [
    artifactKeys.upload(dataset.id, 0),
    artifactKeys.data({ id: ready, revision: null }),
    artifactKeys.checkpoint(waiting.id),
    artifactKeys.version(version.id, 'model.onnx'),
  ];
  const orphans = [
    artifactKeys.upload(newId('dataset'), 0),
    artifactKeys.upload(newId('modelImport'), 0),
    artifactKeys.data({ id: newId('dataset'), revision: null }),
    artifactKeys.checkpoint(run.id),
    artifactKeys.version(newId('version'), 'model.onnx'),
    artifactKeys.prediction({ id: newId('prediction'), revision: null }, 'predictions.csv'),
    artifactKeys.probe('q'),
  ];
  for (const key of [...kept, ...orphans]) await artifacts.put(key, 'x');
  expect(await sweepArtifacts(registry, artifacts)).toEqual([]);
  await age();
  const fresh = artifactKeys.upload(newId('dataset'), 1);
  await artifacts.put(fresh, 'x');
  const removed = await sweepArtifacts(registry, artifacts);
  expect(removed.toSorted()).toEqual(orphans.map((key) => key.split('/').slice(0, 2).join('/')).toSorted());
  for (const key of [...kept, fresh]) expect(await artifacts.stat(key)).toEqual({ bytes: 1 });
  for (const key of orphans) expect(await artifacts.stat(key)).toBeNull();
});

test.each([
  ['ahead', 3 * 24 * 3600 * 1000],
  ['back', -3 * 24 * 3600 * 1000],
])(
  'the clock of the process that sweeps moved three days %s changes nothing: files are aged by the clock of the store',
  async (_, movedMs) => {
    const [left, arriving] = [artifactKeys.upload(newId('dataset'), 0), artifactKeys.upload(newId('dataset'), 0)];
    await artifacts.put(left, 'x');
    await age();
    await artifacts.put(arriving, 'x');
    await writeFile(path.join(dir, '.aside', 'under-way'), 'x');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + movedMs });
    await openArtifacts(dir).put(artifactKeys.probe('q'), 'x');
    await sweepArtifacts(registry, artifacts);
    expect(await artifacts.stat(left)).toBeNull();
    expect(await artifacts.stat(arriving)).toEqual({ bytes: 1 });
    expect(await readdir(path.join(dir, '.aside'))).toContain('under-way');
  },
);

test('what is known to be arriving stays even where the clock of the store itself has moved', async () => {
  const id = newId('dataset');
  await artifacts.put(artifactKeys.upload(id, 0), 'x');
  await age();
  expect(await sweepArtifacts(registry, artifacts, (name) => name === id)).not.toContain(artifactKeys.uploads(id));
  expect(await artifacts.stat(artifactKeys.upload(id, 0))).toEqual({ bytes: 1 });
  expect(await sweepArtifacts(registry, artifacts)).toContain(artifactKeys.uploads(id));
});
