import type { Page } from '@clove/contracts';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { newId } from './ids.js';
import { migrate } from './migrate.js';
import { openRegistry } from './open-registry.js';
import type { Registry } from './registry.js';
import { DEFAULT_TENANT } from './tenancy.js';
import {
  artifacts,
  freshUrl,
  manifest,
  newDataset,
  options,
  profile,
  readyDataset,
  report,
  trained,
} from './test-support.js';

const url = freshUrl(inject('databaseUrl'));
let registry: Registry;
let psql: Client;

beforeAll(async () => {
  await migrate(url);
  registry = openRegistry(url).forTenant(DEFAULT_TENANT);
  psql = new Client({ connectionString: url });
  await psql.connect();
});
afterAll(async () => {
  await Promise.all([registry.close(), psql.end()]);
});

const summary = { customers: 3, total: 6, mean: 2, median: 2, sd: 1, min: 1, max: 3 };
const predictionReport = { histogram: [], deciles: [], tiers: [], actual: null };
const result = { rows: 3, summary, report: predictionReport, warnings: [], asOf: '2018-05-01' };

describe('datasets', () => {
  test('an upload shows its files and preset, and keeps their keys to itself', async () => {
    const id = newId('dataset');
    const source = {
      type: 'upload' as const,
      files: [{ name: 'orders "é\ud800".csv', key: `uploads/${id}/0`, bytes: 3_000_000_000 }],
      options: { mapping: {}, ignoreColumns: [], preset: 'olist' as const },
    };
    const { dataset, job, attempt } = await registry.datasets.create({ id, name: 'Olist', source, requestId: 'req' });
    expect(dataset).toMatchObject({ id, name: 'Olist', status: 'pending', kind: null, jobId: job.id });
    expect(dataset.source).toEqual({
      type: 'upload',
      files: [{ name: 'orders "é\ufffd".csv', bytes: 3_000_000_000 }],
      preset: 'olist',
    });
    expect({ job, attempt }).toMatchObject({
      job: { kind: 'ingest', status: 'queued', resource: { type: 'dataset', id }, requestId: 'req', revision: 1 },
      attempt: 1,
    });
    expect(await registry.datasets.get(id)).toEqual(dataset);
    expect(await registry.datasets.source(id)).toMatchObject({ files: [{ key: `uploads/${id}/0` }] });
  });

  test('completing takes over the figures of the profile, and twice is once', async () => {
    const { dataset } = await newDataset(registry);
    await registry.datasets.complete(dataset.id, profile);
    await registry.datasets.complete(dataset.id, { ...profile, rows: 1 });
    expect(await registry.datasets.get(dataset.id)).toMatchObject({
      status: 'ready',
      kind: 'transactions',
      rows: 100,
      customers: 10,
      rejectedRows: 2,
      warnings: profile.warnings,
    });
  });

  test('a dataset goes, and what was made of it stays without it', async () => {
    const id = await readyDataset(registry);
    const { run, version } = await trained(registry, id, 'outlives');
    const { prediction, job } = await registry.predictions.create({
      datasetId: id,
      versionId: version.id,
      includeInputs: true,
      requestId: 'r',
    });
    await expect(registry.datasets.remove(id)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`predict job ${job.id}, which is queued`),
    });
    await registry.jobs.requestCancel(job.id);
    await registry.datasets.remove(id);
    await expect(registry.datasets.get(id)).rejects.toMatchObject({ code: 'not-found' });
    await expect(registry.datasets.remove(id)).rejects.toMatchObject({ code: 'not-found' });
    expect(await registry.runs.get(run.id)).toMatchObject({ datasetId: null, versionId: version.id });
    expect(await registry.predictions.get(prediction.id)).toMatchObject({ datasetId: null });
    expect(await registry.models.versionById(version.id)).toMatchObject({ evaluation: report });
    await expect(registry.jobs.retry(job.id, 'r')).rejects.toMatchObject({ code: 'conflict' });
  });

  test('removing a dataset while runs are started on it never leaves a run without one', async () => {
    const id = await readyDataset(registry);
    const starts = Array.from({ length: 5 }, () =>
      registry.runs.create({ datasetId: id, modelName: 'race', options, requestId: 'r' }),
    );
    const [removal, ...made] = await Promise.allSettled([registry.datasets.remove(id), ...starts]);
    const runs = made.filter(({ status }) => status === 'fulfilled').length;
    expect(runs).toBe(removal?.status === 'fulfilled' ? 0 : 5);
  });

  test('a name beyond its contract is refused', async () => {
    await expect(newDataset(registry, 'x'.repeat(101))).rejects.toMatchObject({ code: 'invalid-input' });
    await expect(newDataset(registry, 'a\nb')).rejects.toMatchObject({ code: 'invalid-input' });
  });
});

describe('runs and models', () => {
  test('a run shows its epochs in order, each written over on a second try', async () => {
    const { run } = await registry.runs.create({
      datasetId: await readyDataset(registry),
      modelName: 'epochs',
      options,
      requestId: 'r',
    });
    expect(run).toMatchObject({ status: 'queued', modelName: 'epochs', options, version: null, epochs: [] });
    const figures = { trainLoss: 1, validationLoss: 0.5, learningRate: 0.001, seconds: 0.1 };
    await registry.runs.putEpoch(run.id, { epoch: 2, ...figures });
    await registry.runs.putEpoch(run.id, { epoch: 1, ...figures });
    await registry.runs.putEpoch(run.id, { epoch: 2, ...figures, trainLoss: 0.25 });
    expect((await registry.runs.get(run.id)).epochs).toEqual([
      { epoch: 1, ...figures },
      { epoch: 2, ...figures, trainLoss: 0.25 },
    ]);
    await registry.runs.clearEpochs(run.id);
    expect((await registry.runs.get(run.id)).epochs).toEqual([]);
    await expect(registry.runs.putEpoch(run.id, { epoch: 1, ...figures, trainLoss: Number.NaN })).rejects.toMatchObject(
      {
        code: 'invalid-input',
      },
    );
    await expect(registry.runs.putEpoch(newId('run'), { epoch: 1, ...figures })).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  test.each(['pending', 'failed'])('a run on a %s dataset is a conflict', async (status) => {
    const { dataset, job } = await newDataset(registry);
    if (status === 'failed') await registry.jobs.requestCancel(job.id);
    const start = { datasetId: dataset.id, modelName: 'clv', options, requestId: 'r' };
    await expect(registry.runs.create(start)).rejects.toMatchObject({ code: 'conflict' });
    await expect(registry.runs.create({ ...start, datasetId: newId('dataset') })).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  test('the first version becomes champion, later ones do not', async () => {
    const datasetId = await readyDataset(registry);
    const first = await trained(registry, datasetId, 'shop');
    const second = await trained(registry, datasetId, 'shop');
    expect(first.version).toMatchObject({ model: 'shop', version: 1, aliases: ['champion'], runId: first.run.id });
    expect(second.version).toMatchObject({
      model: 'shop',
      version: 2,
      aliases: [],
      manifest,
      evaluation: report,
      artifacts,
    });
    expect(await registry.models.get('shop')).toMatchObject({
      versions: 2,
      latestVersion: 2,
      aliases: { champion: 1 },
    });
    expect(await registry.runs.get(second.run.id)).toMatchObject({
      status: 'succeeded',
      version: 2,
      versionId: second.version.id,
      backend: 'onnx-cpu, 2 threads',
      bestEpoch: 7,
      evaluation: report,
    });
    const evaluations = await registry.evaluations.list({ limit: 10, versionId: second.version.id });
    expect(evaluations.items).toEqual([
      expect.objectContaining({ runId: second.run.id, jobId: null, status: 'succeeded', report, datasetId }),
    ]);
    const versions = await registry.models.versions('shop', { limit: 10 });
    expect(versions.items.map(({ version, type, kind, metrics }) => ({ version, type, kind, metrics }))).toEqual(
      [2, 1].map((version) => ({ version, type: 'feedforward', kind: 'transactions', metrics: report.metrics })),
    );
  });

  test('two completions of one run at once make one version', async () => {
    const { run } = await registry.runs.create({
      datasetId: await readyDataset(registry),
      modelName: 'twice',
      options,
      requestId: 'r',
    });
    const ids = [newId('version'), newId('version')];
    const versions = await Promise.all(
      ids.map((versionId) => registry.runs.complete(run.id, { versionId, manifest, evaluation: report, artifacts })),
    );
    expect(versions[0]).toEqual(versions[1]);
    expect(await registry.models.get('twice')).toMatchObject({ versions: 1, latestVersion: 1 });
  });

  test('ten runs that end at once get the numbers 1 to 10', async () => {
    const datasetId = await readyDataset(registry);
    const runs = await Promise.all(
      Array.from({ length: 10 }, () => registry.runs.create({ datasetId, modelName: 'ten', options, requestId: 'r' })),
    );
    const versions = await Promise.all(
      runs.map(({ run }) =>
        registry.runs.complete(run.id, { versionId: newId('version'), manifest, evaluation: report, artifacts }),
      ),
    );
    expect(versions.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect((await registry.models.get('ten')).aliases).toEqual({ champion: 1 });
  });

  test('the result of a cancelled run is not taken', async () => {
    const { run, job } = await registry.runs.create({
      datasetId: await readyDataset(registry),
      modelName: 'cancelled',
      options,
      requestId: 'r',
    });
    await registry.jobs.requestCancel(job.id);
    await expect(
      registry.runs.complete(run.id, { versionId: newId('version'), manifest, evaluation: report, artifacts }),
    ).rejects.toMatchObject({ code: 'conflict' });
    await expect(registry.models.get('cancelled')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('references name versions by id, name, alias and number', async () => {
    const datasetId = await readyDataset(registry);
    const one = (await trained(registry, datasetId, 'refs')).version;
    const two = (await trained(registry, datasetId, 'refs')).version;
    const resolve = async (ref: string) => (await registry.models.resolve(ref)).id;
    expect(await resolve('refs')).toBe(one.id);
    expect(await resolve(two.id)).toBe(two.id);
    expect(await resolve('refs@2')).toBe(two.id);
    expect(await registry.models.setAlias('refs', 'champion', 2)).toMatchObject({ aliases: { champion: 2 } });
    await registry.models.setAlias('refs', 'challenger', 1);
    expect(await resolve('refs')).toBe(two.id);
    expect(await resolve('refs@challenger')).toBe(one.id);
    await registry.models.removeAlias('refs', 'champion');
    expect(await resolve('refs')).toBe(two.id); // the latest
    for (const ref of ['refs@champion', 'refs@3', 'refs@99999999999999999999', 'nobody', newId('version'), 'refs@']) {
      await expect(registry.models.resolve(ref)).rejects.toMatchObject({ code: 'not-found' });
    }
    await expect(registry.models.setAlias('refs', 'x', 3)).rejects.toMatchObject({ code: 'not-found' });
    await expect(registry.models.setAlias('refs', 'x', 2 ** 40)).rejects.toMatchObject({ code: 'not-found' });
    await expect(registry.models.setAlias('refs', '12', 1)).rejects.toMatchObject({ code: 'invalid-input' });
    await expect(registry.models.removeAlias('refs', 'champion')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('a manifest that a later version wrote is an error that names it, not a wrong answer', async () => {
    const { version } = await trained(registry, await readyDataset(registry), 'newer');
    await psql.query(`UPDATE model_versions SET manifest = jsonb_set(manifest, '{format}', '2') WHERE id = $1`, [
      version.id,
    ]);
    await expect(registry.models.versionById(version.id)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('manifest/format'),
    });
  });
});

describe('evaluations and predictions', () => {
  test('an evaluation of its own gives its input and takes its report once', async () => {
    const datasetId = await readyDataset(registry);
    const { version } = await trained(registry, datasetId, 'evaluated');
    const { evaluation, job } = await registry.evaluations.create({
      datasetId,
      versionId: version.id,
      testOrigin: '2018-05-01',
      requestId: 'r',
    });
    expect(evaluation).toMatchObject({ jobId: job.id, runId: null, status: 'queued', report: null });
    expect(await registry.evaluations.input(evaluation.id)).toEqual({
      datasetId,
      versionId: version.id,
      testOrigin: '2018-05-01',
    });
    await registry.evaluations.complete(evaluation.id, report);
    await registry.evaluations.complete(evaluation.id, { ...report, testCustomers: 0 });
    expect((await registry.evaluations.get(evaluation.id)).report).toEqual(report);
    // a run's own evaluation stays beside it
    expect((await registry.evaluations.list({ limit: 10, versionId: version.id })).items).toHaveLength(2);
  });

  test('a prediction takes its result once, and none after a cancel', async () => {
    const datasetId = await readyDataset(registry);
    const { version } = await trained(registry, datasetId, 'predicted');
    const start = { datasetId, versionId: version.id, asOf: '2018-04-30', includeInputs: false, requestId: 'r' };
    const { prediction } = await registry.predictions.create(start);
    expect(prediction).toMatchObject({ model: 'predicted', version: 1, asOf: '2018-04-30', rows: null, summary: null });
    expect(await registry.predictions.report(prediction.id)).toBeNull();
    await registry.predictions.complete(prediction.id, result);
    await registry.predictions.complete(prediction.id, { ...result, rows: 9 });
    const { report: _report, ...shown } = result;
    expect(await registry.predictions.get(prediction.id)).toMatchObject(shown);
    expect(await registry.predictions.report(prediction.id)).toEqual(predictionReport);

    const cancelled = await registry.predictions.create(start);
    await registry.jobs.requestCancel(cancelled.job.id);
    await expect(registry.predictions.complete(cancelled.prediction.id, result)).rejects.toMatchObject({
      code: 'conflict',
    });
    await expect(registry.predictions.create({ ...start, versionId: newId('version') })).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(registry.predictions.create({ ...start, asOf: '30.04.2018' })).rejects.toMatchObject({
      code: 'invalid-input',
    });
  });
});

/** Every item of a list, page by page. */
const all = async <T>(list: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> => {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    items.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return items;
};

describe('lists', () => {
  test('pages join to the whole, newest first, also where many rows are of one instant and more come meanwhile', async () => {
    const made = await Promise.all(Array.from({ length: 7 }, async () => (await newDataset(registry)).dataset.id));
    await psql.query("UPDATE datasets SET created_at = '2100-01-01T00:00:00.123Z' WHERE id = ANY ($1)", [made]);
    const before = await registry.datasets.list({ limit: 200 });
    expect(before.items.slice(0, 7).map(({ id }) => id)).toEqual(made.toSorted().toReversed());
    const seen = await all(async (cursor) => {
      const page = await registry.datasets.list({ limit: 3, cursor });
      const { dataset } = await newDataset(registry);
      await psql.query("UPDATE datasets SET created_at = '2100-01-02' WHERE id = $1", [dataset.id]);
      return page;
    });
    expect(seen).toEqual(before.items);
    await psql.query("UPDATE datasets SET created_at = now() WHERE created_at > '2099-01-01'");
  });

  test('an exactly full last page has no next', async () => {
    const datasetId = await readyDataset(registry);
    for (const modelName of ['a', 'b']) await registry.runs.create({ datasetId, modelName, options, requestId: 'r' });
    const page = await registry.runs.list({ limit: 2, datasetId });
    expect(page.items.map(({ modelName }) => modelName)).toEqual(['b', 'a']);
    expect(page.next).toBeNull();
  });

  test.each(['', 'x', 'bm90IGEgY3Vyc29y', Buffer.from(`2018-01-01T00:00:00.000Z ds_' OR 1=1`).toString('base64url')])(
    'the cursor %j is refused',
    async (cursor) => {
      for (const list of [registry.datasets.list, registry.jobs.list, registry.runs.list, registry.predictions.list]) {
        await expect(list({ limit: 1, cursor })).rejects.toMatchObject({ code: 'bad-request' });
      }
    },
  );
});

describe('without Postgres', () => {
  test('an error says where and what to do, never the password, and may be tried again', async () => {
    const away = openRegistry('postgresql://clove:sekret@127.0.0.1:1/clove');
    const calls = [
      () => away.ping(),
      () => away.jobs.get('job'),
      () => away.jobs.waiting(),
      () => away.jobs.start('job', 'w'),
      () => away.idempotency.claim({ key: 'k', userId: 'u', route: 'r', bodyHash: 'h' }),
    ];
    for (const call of calls) {
      const error = await call().then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(error).toMatchObject({ code: 'unavailable', retryable: true });
      expect(error?.message).toContain('127.0.0.1:1/clove');
      expect(error?.message).not.toContain('sekret');
    }
    await away.close();
  });

  test('a database without tables is not worth another try', async () => {
    const server = new URL(url);
    server.pathname = '/postgres';
    const empty = openRegistry(server.href);
    for (const call of [() => empty.jobs.get('job'), () => empty.jobs.waiting()]) {
      await expect(call()).rejects.toMatchObject({ code: 'unavailable', retryable: false });
    }
    await empty.close();
  });

  test.each(['not a url:sekret', 'http://u:sekret@host/db', 'postgresql://u:sekret@host'])(
    'the URL %s is refused without being quoted',
    (bad) => {
      expect(() => openRegistry(bad)).toThrow(expect.objectContaining({ code: 'bad-request' }));
      expect(() => openRegistry(bad)).not.toThrow(/sekret/);
    },
  );

  test('a connection that the server closes is replaced', async () => {
    const one = openRegistry(url, { maxConnections: 1 }).forTenant(DEFAULT_TENANT);
    await one.ping();
    await psql.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await expect
      .poll(() =>
        one.ping().then(
          () => 'up',
          (error: unknown) => error,
        ),
      )
      .toBe('up');
    await one.close();
  });
});
