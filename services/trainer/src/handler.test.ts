import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloveError, type GeneratorOptions, LeaderboardOptions, TrainingOptions } from '@clove/contracts';
import { generateDataset } from '@clove/data';
import { createLogger } from '@clove/runtime';
import {
  DEFAULT_TENANT,
  type ArtifactStore,
  type Registry,
  artifactKeys,
  migrate,
  newId,
  openArtifacts,
  openRegistry,
} from '@clove/store';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type * as handlerModule from './handler.js';
import type * as leaderboardHandlerModule from './leaderboard-handler.js';

// The compiled handler: it starts the compiled thread script beside it.
const { trainHandler } = (await import(new URL('../dist/handler.js', import.meta.url).href)) as typeof handlerModule;
const { leaderboardHandler } = (await import(
  new URL('../dist/leaderboard-handler.js', import.meta.url).href
)) as typeof leaderboardHandlerModule;

let folder: string;
let scratchDir: string;
let registry: Registry;
let artifacts: ArtifactStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-train-handler-'));
  scratchDir = join(folder, 'scratch');
  await mkdir(scratchDir);
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/t_${randomUUID().replaceAll('-', '')}`;
  await migrate(url.href);
  registry = openRegistry(url.href).forTenant(DEFAULT_TENANT);
  artifacts = openArtifacts(join(folder, 'artifacts'));
});
afterAll(async () => {
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

const readyDataset = async (options: GeneratorOptions): Promise<string> => {
  const id = newId('dataset');
  const { job } = await registry.datasets.create({
    id,
    name: id,
    source: { type: 'generator', options },
    requestId: 'r',
  });
  const outDir = await mkdtemp(join(folder, 'data-'));
  const profile = await generateDataset({ options, outDir, scratchDir: folder });
  await artifacts.putFile(artifactKeys.data({ id: id, revision: null }), join(outDir, 'data.parquet'));
  await artifacts.putFile(artifactKeys.profile({ id: id, revision: null }), join(outDir, 'profile.json'));
  await registry.jobs.start(job.id, 'ingester');
  await registry.datasets.complete(id, profile);
  await registry.jobs.succeed(job.id, 1);
  return id;
};

const startedRun = async (datasetId: string, options: object) => {
  const { run, job } = await registry.runs.create({
    datasetId,
    modelName: 'clv',
    options: TrainingOptions.parse({ hidden: [8], epochs: 4, ...options }),
    requestId: 'r',
  });
  await registry.jobs.start(job.id, 'trainer');
  return { runId: run.id, jobId: job.id };
};

const handle = (
  run: { runId: string; jobId: string },
  signal = new AbortController().signal,
  onStage: (stage: string) => void = () => undefined,
) => {
  const stages: string[] = [];
  const train = trainHandler({
    registry,
    artifacts,
    scratchDir,
    backend: 'auto',
    memoryLimitBytes: 256 * 1024 ** 2,
    threads: 1,
  });
  const done = train({ ...run, requestId: 'r' } as Parameters<typeof train>[0], {
    signal,
    logger: createLogger('trainer', 'silent'),
    progress: (_, stage) => {
      stages.push(stage);
      onStage(stage);
    },
    attempt: 1,
    requestId: 'r',
  });
  return done.then(() => stages);
};

const versionsStored = async (): Promise<string[]> => {
  const names = await readdir(join(folder, 'artifacts'), { recursive: true });
  return names.filter((name) => name.endsWith('model.onnx'));
};

describe('a train job', () => {
  test('ends in a registered version with its files, its epochs and its evaluation; done again, it changes nothing', async () => {
    const run = await startedRun(await readyDataset({ generator: 'features', customers: 200, seed: 1 }), {});
    // What an attempt that was cut short has left.
    await registry.runs.putEpoch(run.runId, {
      epoch: 99,
      trainLoss: 1,
      validationLoss: 1,
      learningRate: 1,
      seconds: 1,
    });
    const stages = await handle(run);
    expect(stages).toContain('epoch 4 of at most 4');

    const done = await registry.runs.get(run.runId);
    expect(done.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
    expect(done.evaluation).not.toBeNull();
    const version = await registry.models.versionById((await registry.models.resolve('clv')).id);
    expect([version.id, version.version]).toEqual([done.versionId, 1]);
    expect(version.artifacts.map(({ name }) => name).toSorted()).toEqual([
      'checkpoint.safetensors',
      'evaluation.json',
      'model.json',
      'model.onnx',
      'report.html',
    ]);
    const page = await readFile(
      await artifacts.local(artifactKeys.version(version.id, 'report.html'), scratchDir),
      'utf8',
    );
    expect(page).toContain('<h1>clv</h1>');
    for (const { name, sha256, bytes } of version.artifacts) {
      const file = await readFile(await artifacts.local(artifactKeys.version(version.id, name), scratchDir));
      expect([file.length, createHash('sha256').update(file).digest('hex')]).toEqual([bytes, sha256]);
    }
    expect(await readdir(scratchDir)).toEqual([]);

    expect(await handle(run)).toEqual([]);
    expect((await registry.models.get('clv')).versions).toBe(1);
    expect(await versionsStored()).toHaveLength(1);
  });

  test('that is stopped goes on from its checkpoint on another worker, to the bytes of one that was not', async () => {
    const datasetId = await readyDataset({ generator: 'features', customers: 300, seed: 3 });
    const options = { epochs: 30, patience: 30 };
    const bytesOf = async (versionId: string | null): Promise<Buffer> =>
      readFile(await artifacts.local(artifactKeys.version(versionId!, 'checkpoint.safetensors'), scratchDir));
    const whole = await startedRun(datasetId, options);
    await handle(whole);

    const run = await startedRun(datasetId, options);
    const stop = new AbortController();
    const stopped = new CloveError('unavailable', 'The worker is being stopped.');
    const halted = handle(run, stop.signal, (stage) => {
      if (stage.startsWith('epoch 5 ')) stop.abort(stopped);
    });
    await expect(halted).rejects.toMatchObject({ code: 'unavailable' });
    expect(await artifacts.stat(artifactKeys.checkpoint(run.runId))).not.toBeNull();
    const before = (await registry.runs.get(run.runId)).epochs;
    expect(before.length).toBeGreaterThanOrEqual(5);
    expect(before.length).toBeLessThan(30);

    await handle(run);
    const done = await registry.runs.get(run.runId);
    expect(done.epochs.slice(0, before.length)).toEqual(before);
    expect(await bytesOf(done.versionId)).toEqual(await bytesOf((await registry.runs.get(whole.runId)).versionId));
    expect(await artifacts.stat(artifactKeys.checkpoint(run.runId))).toBeNull();
    expect(await readdir(scratchDir)).toEqual([]);
  });

  test('that is stopped after its last epoch ends with the bytes of one that was not', async () => {
    const datasetId = await readyDataset({ generator: 'features', customers: 300, seed: 3 });
    const options = { epochs: 6, patience: 6 };
    const bytesOf = async (versionId: string | null): Promise<Buffer> =>
      readFile(await artifacts.local(artifactKeys.version(versionId!, 'checkpoint.safetensors'), scratchDir));
    const whole = await startedRun(datasetId, options);
    await handle(whole);
    const run = await startedRun(datasetId, options);
    const stop = new AbortController();
    let trained = false;
    const halted = handle(run, stop.signal, (stage) => {
      if (trained && !stage.startsWith('epoch'))
        stop.abort(new CloveError('unavailable', 'The worker is being stopped.'));
      trained ||= stage.startsWith('epoch 6 ');
    });
    await expect(halted).rejects.toMatchObject({ code: 'unavailable' });
    await handle(run);
    const done = await registry.runs.get(run.runId);
    expect(done.epochs).toHaveLength(6);
    expect(await bytesOf(done.versionId)).toEqual(await bytesOf((await registry.runs.get(whole.runId)).versionId));
  });

  test.each([
    ['is cancelled leaves no checkpoint', 'cancelled', false],
    ['is given to another worker leaves it its checkpoint', 'conflict', true],
  ] as const)('that %s', async (_, code, left) => {
    const run = await startedRun(await readyDataset({ generator: 'features', customers: 100, seed: 4 }), {
      epochs: 500,
    });
    const stop = new AbortController();
    const halted = handle(run, stop.signal, (stage) => {
      if (stage.startsWith('epoch 3 ')) stop.abort(new CloveError(code, 'Aborted.'));
    });
    await expect(halted).rejects.toMatchObject({ code });
    expect((await artifacts.stat(artifactKeys.checkpoint(run.runId))) !== null).toBe(left);
  });

  test('that fails throws what the core threw across the thread, and leaves nothing', async () => {
    const before = await versionsStored();
    const run = await startedRun(await readyDataset({ generator: 'transactions', customers: 60, seed: 1 }), {
      horizonDays: 3000,
    });
    const error: unknown = await handle(run).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CloveError);
    expect(error).toMatchObject({ code: 'not-enough-data', retryable: false });
    expect([await versionsStored(), await readdir(scratchDir)]).toEqual([before, []]);
  });

  test('whose version is refused at the end, for it was cancelled, leaves no files', async () => {
    const before = await versionsStored();
    const run = await startedRun(await readyDataset({ generator: 'features', customers: 100, seed: 2 }), {});
    await registry.jobs.cancelled(run.jobId, 1);
    await expect(handle(run)).rejects.toMatchObject({ code: 'conflict' });
    expect([await versionsStored(), await readdir(scratchDir)]).toEqual([before, []]);
  });
});

describe('a leaderboard job', () => {
  const started = async (modelName: string | undefined, options: object = {}) => {
    const { leaderboard, job } = await registry.leaderboards.create({
      datasetId: await readyDataset({ generator: 'features', customers: 150, seed: 5 }),
      modelName,
      options: LeaderboardOptions.parse({ seeds: 1, ...options }),
      requestId: 'r',
    });
    await registry.jobs.start(job.id, 'trainer');
    return { leaderboardId: leaderboard.id, jobId: job.id };
  };
  const rank = (payload: { leaderboardId: string; jobId: string }) => {
    const handler = leaderboardHandler({
      registry,
      artifacts,
      scratchDir,
      backend: 'auto',
      memoryLimitBytes: 256 * 1024 ** 2,
      threads: 1,
    });
    return handler({ ...payload, requestId: 'r' } as Parameters<typeof handler>[0], {
      signal: new AbortController().signal,
      logger: createLogger('trainer', 'silent'),
      progress: () => undefined,
      attempt: 1,
      requestId: 'r',
    });
  };

  test('ends in its report and, by name, in the winner as a version with its model card; done again, it changes nothing', async () => {
    const payload = await started('ranked');
    await rank(payload);
    const done = await registry.leaderboards.get(payload.leaderboardId);
    const { rows, winner } = done.report!;
    expect(rows.map(({ model }) => model)).toContain(winner);
    expect(rows.map(({ family }) => family)).toContain('baseline');
    const version = await registry.models.versionById((await registry.models.resolve('ranked')).id);
    expect([version.id, version.leaderboardId]).toEqual([done.versionId, payload.leaderboardId]);
    expect(version.evaluation!.protocol).toEqual(done.report!.protocol);
    expect(version.artifacts.map(({ name }) => name)).toContain('model.json');
    const page = await readFile(
      await artifacts.local(artifactKeys.version(version.id, 'report.html'), scratchDir),
      'utf8',
    );
    expect(page).toContain(`Winner: ${winner}`);
    expect(await readdir(scratchDir)).toEqual([]);

    await rank(payload);
    expect((await registry.models.get('ranked')).versions).toBe(1);
  });

  test('without a name keeps its report alone; cancelled meanwhile it leaves nothing', async () => {
    const before = await versionsStored();
    const nameless = await started(undefined);
    await rank(nameless);
    expect(await registry.leaderboards.get(nameless.leaderboardId)).toMatchObject({ versionId: null, report: {} });
    const cancelled = await started('never');
    await registry.jobs.cancelled(cancelled.jobId, 1);
    await expect(rank(cancelled)).rejects.toMatchObject({ code: 'conflict' });
    expect([await versionsStored(), await readdir(scratchDir)]).toEqual([before, []]);
  });
});
