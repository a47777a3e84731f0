import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Table } from '@clove/clv';
import { MANIFEST_KEY, type ModelManifest } from '@clove/contracts';
import { withMetadata } from '@clove/engine';
import { createLogger } from '@clove/runtime';
import { DEFAULT_TENANT, type Registry, artifactKeys, migrate, newId, openArtifacts, openRegistry } from '@clove/store';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { importHandler } from './import-handler.js';
import { importModel } from './import-model.js';
import { thisThread } from './lanes.js';
import { writeLinearModel } from './linear-model.test-support.js';

let home: string;
let made: { modelDir: string; manifest: ModelManifest };
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clove-import-'));
  const table: Table = {
    rows: 3,
    ids: ['1', '2', '3'],
    columns: new Map([
      ['age', { kind: 'numeric' as const, values: Float64Array.from([20, 40, Number.NaN]) }],
      ['segment', { kind: 'categorical' as const, values: ['a', 'b', null] }],
    ]),
  };
  made = await writeLinearModel(home, {
    kind: 'features',
    table,
    columns: ['age', 'segment'],
    weights: (width) => Array.from({ length: width }, () => 1),
    intercept: 5,
  });
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** A folder with these files, or copies of the good model's where only a name is given. */
const folder = async (files: Record<string, Uint8Array | string | null>): Promise<string> => {
  const dir = await mkdtemp(join(home, 'brought-'));
  for (const [name, content] of Object.entries(files)) {
    if (content === null) await copyFile(join(made.modelDir, name), join(dir, name));
    else await writeFile(join(dir, name), content);
  }
  return dir;
};
const onnx = () => readFile(join(made.modelDir, 'model.onnx'));
const edited = (change: Partial<ModelManifest>) => JSON.stringify({ ...made.manifest, ...change });
const refusal = async (files: Parameters<typeof folder>[0]) => importModel({ modelDir: await folder(files) });

describe('a model that somebody brings', () => {
  test('is taken with its model.json, or alone where it carries that', async () => {
    expect(await importModel({ modelDir: await folder({ 'model.onnx': null, 'model.json': null }) })).toEqual(
      made.manifest,
    );
    const described = withMetadata(await onnx(), MANIFEST_KEY, JSON.stringify(made.manifest));
    expect(await importModel({ modelDir: await folder({ 'model.onnx': described }) })).toEqual(made.manifest);
  });

  test('is refused where it does not say what it is, says it wrongly, or lacks a file', async () => {
    const bad = async (files: Parameters<typeof folder>[0], code: string, text: string) =>
      expect(refusal(files)).rejects.toMatchObject({ code, message: expect.stringContaining(text) as string });
    await bad({ 'model.onnx': null }, 'invalid-input', 'There is no model.json');
    await bad({ 'model.onnx': null, 'model.json': '{' }, 'data-unreadable', 'no JSON');
    await bad({ 'model.onnx': null, 'model.json': '{"format":2}' }, 'data-unreadable', 'at format');
    await bad({ 'model.onnx': 'not a model', 'model.json': null }, 'data-unreadable', 'no ONNX file');
    await bad({ 'model.json': null }, 'invalid-input', 'also needs model.onnx');
    await bad({ 'model.onnx': null, 'model-2.onnx': await onnx(), 'model.json': null }, 'invalid-input', 'not use');
  });

  test('is refused where graph and description do not fit, or the predictions are no numbers', async () => {
    const [age] = made.manifest.schema.features;
    const wide = edited({ schema: { features: [age!, { ...age!, name: 'age too' }], width: 2 } });
    await expect(refusal({ 'model.onnx': null, 'model.json': wide })).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringContaining('does not run') as string,
    });
    const broken = edited({ interval: { level: 0.8, below: 1e308, above: 1e308 } });
    await expect(refusal({ 'model.onnx': null, 'model.json': broken })).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringContaining('no number') as string,
    });
  });
});

describe('an import job', () => {
  let registry: Registry;
  const artifacts = () => openArtifacts(join(home, 'store'));
  beforeAll(async () => {
    const url = new URL(inject('databaseUrl'));
    url.pathname = `/import_${newId('job')}`;
    await migrate(url.href);
    registry = openRegistry(url.href).forTenant(DEFAULT_TENANT);
  });
  afterAll(() => registry.close());

  const start = async (content: Uint8Array | string) => {
    const id = newId('modelImport');
    const key = artifactKeys.upload(id, 0);
    const { bytes } = await artifacts().put(key, content);
    const files = [{ name: 'model.onnx' as const, key, bytes }];
    const { job } = await registry.imports.create({ id, modelName: 'brought', files, requestId: 'r' });
    await registry.jobs.start(job.id, 'scorer');
    const scratchDir = join(home, 'scratch');
    await mkdir(scratchDir, { recursive: true });
    const work = () =>
      importHandler({ registry, artifacts: artifacts(), scratchDir, lanes: thisThread })(
        { jobId: job.id, requestId: 'r', importId: id },
        {
          signal: new AbortController().signal,
          logger: createLogger('scorer', 'silent'),
          progress: () => {},
          attempt: 1,
          requestId: 'r',
        },
      );
    return { id, work, scratchDir };
  };

  test('ends in a version with the files that scoring needs; done again, it changes nothing', async () => {
    const described = withMetadata(await onnx(), MANIFEST_KEY, JSON.stringify(made.manifest));
    const { id, work, scratchDir } = await start(described);
    await work();
    await work();
    const { versionId } = await registry.imports.get(id);
    const version = await registry.models.versionById(versionId!);
    expect(version).toMatchObject({ model: 'brought', version: 1, source: 'imported', manifest: made.manifest });
    expect(version.artifacts.map(({ name }) => name)).toEqual(['model.onnx', 'model.json']);
    expect(await artifacts().readJson(artifactKeys.version(version.id, 'model.json'))).toEqual(made.manifest);
    expect(await artifacts().stat(artifactKeys.upload(id, 0))).toBeNull();
    expect(await readdir(scratchDir)).toEqual([]);
  });

  test('that refuses its file leaves nothing', async () => {
    const { id, work } = await start('no model');
    await expect(work()).rejects.toMatchObject({ code: 'data-unreadable', retryable: false });
    expect((await registry.imports.get(id)).versionId).toBeNull();
    expect(await artifacts().stat(artifactKeys.upload(id, 0))).toBeNull();
  });
});
