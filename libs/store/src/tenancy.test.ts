import { CloveError, LeaderboardOptions } from '@clove/contracts';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connect } from './database.js';
import { Prisma, type PrismaClient } from './generated/client.js';
import { newId } from './ids.js';
import { migrate, migrationsIn } from './migrate.js';
import { openRegistry } from './open-registry.js';
import type { Registry, UnboundRegistry } from './registry.js';
import { DEFAULT_TENANT, forTenant, heldTo } from './tenancy.js';
import { artifacts, freshUrl, manifest, newDataset, options, readyDataset, report, trained } from './test-support.js';

const url = freshUrl(inject('databaseUrl'));
let unbound: UnboundRegistry;
let client: PrismaClient;
let psql: Client;
let ours: Registry;
let theirs: Registry;
let theirId: string;

beforeAll(async () => {
  await migrate(url);
  unbound = openRegistry(url);
  client = connect(url, 3);
  psql = new Client({ connectionString: url });
  await psql.connect();
  ours = unbound.forTenant(DEFAULT_TENANT);
  theirId = (await unbound.tenants.create({ name: 'other', admin: { username: 'theirs', passwordHash: 'x' } })).id;
  theirs = unbound.forTenant(theirId);
});
afterAll(async () => {
  await Promise.all([unbound.close(), client.$disconnect(), psql.end()]);
});

const LEADERBOARD = LeaderboardOptions.parse({});
const refused = (why: RegExp) => expect.objectContaining({ code: 'internal', message: expect.stringMatching(why) });

describe('a client that is bound to a tenant', () => {
  test('knows of every table whose its rows are, and refuses one that it does not know', () => {
    for (const model of Object.keys(Prisma.ModelName))
      expect(() => heldTo('tnt_x', model, 'findMany', {})).not.toThrow();
    expect(() => heldTo('tnt_x', 'Invoice', 'findMany', {})).toThrow(refused(/Whose Invoice is whose is not known/));
    expect(() => heldTo('tnt_x', 'Dataset', 'findRaw', {})).toThrow(refused(/findRaw/));
  });

  test('adds its tenant to every condition, beside what the condition says itself', () => {
    const where = { id: 'ds_1', AND: { name: 'a' } };
    expect(heldTo('tnt_x', 'Dataset', 'findUnique', { where, take: 1 })).toEqual({
      where: { id: 'ds_1', AND: [{ name: 'a' }, { tenantId: 'tnt_x' }] },
      take: 1,
    });
    expect(heldTo('tnt_x', 'ModelVersion', 'count', undefined)).toEqual({
      where: { AND: [{ model: { tenantId: 'tnt_x' } }] },
    });
    expect(heldTo('tnt_x', 'Tenant', 'findMany', {})).toEqual({ where: { AND: [{ id: 'tnt_x' }] } });
  });

  test('makes rows of its own, and no others; moves none elsewhere', () => {
    expect(heldTo('tnt_x', 'Run', 'createMany', { data: [{ id: 'run_1' }] })).toEqual({
      data: [{ id: 'run_1', tenantId: 'tnt_x' }],
    });
    const foreign = { data: { id: 'run_1', tenantId: 'tnt_y' } };
    expect(() => heldTo('tnt_x', 'Run', 'create', foreign)).toThrow(refused(/writes no Run of another one/));
    expect(() => heldTo('tnt_x', 'Tenant', 'create', { data: { id: 'tnt_x' } })).toThrow(refused(/writes no Tenant/));
    expect(() => heldTo('tnt_x', 'Run', 'update', { data: { tenantId: 'tnt_y' } })).toThrow(refused(/moves/));
    expect(() => heldTo(null, 'Run', 'create', { data: { id: 'run_1' } })).toThrow(refused(/whose Run/));
  });

  test('runs no SQL that does not say whose rows it means', async () => {
    const db = forTenant(client, theirId);
    await expect(db.$queryRaw`SELECT id FROM datasets`).rejects.toEqual(refused(/must say ofTenant/));
    await expect(db.$executeRaw`DELETE FROM datasets`).rejects.toEqual(refused(/must say ofTenant/));
    await expect(db.$queryRawUnsafe('SELECT 1')).rejects.toEqual(refused(/tagged template/));
    await expect(db.$transaction((tx) => tx.$queryRaw`SELECT id FROM datasets`)).rejects.toEqual(refused(/ofTenant/));
    await expect(db.$transaction([db.$queryRaw`SELECT id FROM datasets`])).rejects.toEqual(refused(/ofTenant/));
  });
});

describe('two tenants', () => {
  const gone = (work: Promise<unknown>) => expect(work).rejects.toMatchObject({ code: 'not-found' });
  const page = { limit: 50 };

  test('see nothing of each other, by no way of asking', async () => {
    const datasetId = await readyDataset(ours);
    const { run, job, version } = await trained(ours, datasetId, 'shop');
    const board = await ours.leaderboards.create({ datasetId, options: LEADERBOARD, requestId: 'r' });
    const scored = await ours.predictions.create({
      datasetId,
      versionId: version.id,
      includeInputs: false,
      requestId: 'r',
    });
    const judged = await ours.evaluations.create({ datasetId, versionId: version.id, requestId: 'r' });
    const brought = await ours.imports.create({
      id: newId('modelImport'),
      modelName: 'shop',
      files: [],
      requestId: 'r',
    });
    const user = await ours.users.create({ username: 'ada', passwordHash: 'x', role: 'analyst' });
    await ours.audit.add({ actor: 'ada', via: 'session', action: 'x', resource: null, details: {}, requestId: 'r' });

    const alike = [
      theirs.datasets.get(datasetId),
      theirs.datasets.source(datasetId),
      theirs.datasets.dependents(datasetId),
      theirs.datasets.remove(datasetId),
      theirs.runs.get(run.id),
      theirs.runs.getAll([run.id]),
      theirs.leaderboards.get(board.leaderboard.id),
      theirs.predictions.get(scored.prediction.id),
      theirs.predictions.report(scored.prediction.id),
      theirs.predictions.remove(scored.prediction.id),
      theirs.evaluations.get(judged.evaluation.id),
      theirs.evaluations.input(judged.evaluation.id),
      theirs.imports.get(brought.modelImport.id),
      theirs.imports.input(brought.modelImport.id),
      theirs.models.get('shop'),
      theirs.models.versions('shop', page),
      theirs.models.version('shop', 1),
      theirs.models.versionById(version.id),
      theirs.models.resolve(version.id),
      theirs.models.resolve('shop@champion'),
      theirs.models.setAlias('shop', 'mine', 1),
      theirs.models.previewAlias('shop', 'mine', 1),
      theirs.models.rollBack('shop', 'champion'),
      theirs.models.removeAlias('shop', 'champion'),
      theirs.models.moves('shop', page),
      theirs.jobs.get(job.id),
      theirs.jobs.log(job.id, 0),
      theirs.jobs.requestCancel(scored.job.id),
      theirs.jobs.retry(job.id, 'r'),
      theirs.users.get(user.id),
      theirs.users.update(user.id, { disabled: true }),
    ];
    await Promise.all(alike.map(gone));
    expect(await theirs.users.find('ada')).toBeNull();

    const lists = [
      theirs.datasets,
      theirs.runs,
      theirs.leaderboards,
      theirs.models,
      theirs.evaluations,
      theirs.predictions,
    ];
    for (const { list } of [...lists, theirs.jobs, theirs.audit]) expect((await list(page)).items).toEqual([]);
    expect((await theirs.users.list(page)).items.map(({ username }) => username)).toEqual(['theirs']);
    const { counts, attemptCounts, oldestQueued } = theirs.jobs;
    for (const figures of [await counts(), await attemptCounts()]) {
      expect(figures.every(({ count }) => count === 0)).toBe(true);
    }
    expect((await oldestQueued()).every(({ seconds }) => seconds === 0)).toBe(true);
    expect([await theirs.jobs.queued(9), (await ours.jobs.queued(9)) > 0]).toEqual([0, true]);
    expect(await theirs.jobs.waiting()).toEqual([]);
    expect(await theirs.owned('datasets', [datasetId])).toEqual(new Set());

    // what is asked for by somebody else is as it was
    expect(await ours.jobs.get(scored.job.id)).toEqual(scored.job);
    expect((await ours.models.get('shop')).aliases).toEqual({ champion: 1 });
    expect((await ours.users.get(user.id)).disabledAt).toBeNull();
    // a worker sees both
    expect((await unbound.jobs.waiting()).some(({ payload }) => payload.jobId === scored.job.id)).toBe(true);
  });

  test('cannot use what is of the other; the database refuses it too', async () => {
    const [mine, foreign] = [await readyDataset(theirs), await readyDataset(ours)];
    const { version, run } = await trained(ours, foreign, 'foreign');
    const requestId = 'r';
    await gone(theirs.runs.create({ datasetId: foreign, modelName: 'x', options, requestId }));
    await gone(theirs.leaderboards.create({ datasetId: foreign, options: LEADERBOARD, requestId }));
    await gone(theirs.evaluations.create({ datasetId: mine, versionId: version.id, requestId }));
    await gone(theirs.predictions.create({ datasetId: mine, versionId: version.id, includeInputs: false, requestId }));
    await gone(
      theirs.predictions.create({ datasetId: foreign, versionId: version.id, includeInputs: false, requestId }),
    );
    const own = await trained(theirs, mine, 'own');
    const { prediction } = await theirs.predictions.create({
      datasetId: mine,
      versionId: own.version.id,
      includeInputs: false,
      requestId,
    });
    for (const sql of [
      `UPDATE runs SET dataset_id = '${mine}' WHERE id = '${run.id}'`,
      `UPDATE runs SET tenant_id = '${theirId}' WHERE id = '${run.id}'`,
      `UPDATE predictions SET version_id = '${version.id}' WHERE id = '${prediction.id}'`,
      `UPDATE evaluations SET version_id = '${version.id}' WHERE version_id = '${own.version.id}'`,
      `UPDATE datasets SET tenant_id = '${theirId}' WHERE id = '${foreign}'`,
    ]) {
      await expect(psql.query(sql)).rejects.toThrow(/is of another tenant/);
    }
  });

  test('give the same names, each with versions and a champion of its own', async () => {
    const registries = [ours, theirs];
    const made = await Promise.all(
      registries.map(async (registry) => trained(registry, await readyDataset(registry), 'twin')),
    );
    expect(made.map(({ version }) => [version.model, version.version])).toEqual([
      ['twin', 1],
      ['twin', 1],
    ]);
    await trained(ours, await readyDataset(ours), 'twin');
    expect((await ours.models.get('twin')).latestVersion).toBe(2);
    expect((await theirs.models.get('twin')).latestVersion).toBe(1);
    expect((await theirs.models.resolve('twin')).id).toBe(made[1]!.version.id);
  });

  test('a worker, which is bound to none, completes a job for whom it is', async () => {
    const datasetId = await readyDataset(theirs);
    const { run, job } = await theirs.runs.create({ datasetId, modelName: 'made', options, requestId: 'r' });
    await unbound.jobs.start(job.id, 'worker');
    const versionId = newId('version');
    await unbound.runs.complete(run.id, { versionId, manifest, evaluation: report, artifacts });
    await unbound.jobs.succeed(job.id, 1);
    expect((await theirs.models.version('made', 1)).id).toBe(versionId);
    expect((await theirs.evaluations.list({ ...page, versionId })).items).toHaveLength(1);
    await gone(ours.models.get('made'));
    expect((await ours.evaluations.list({ ...page, versionId })).items).toEqual([]);
    await expect(unbound.models.get('made')).rejects.toEqual(refused(/Bind the registry/));
    await expect(newDataset(unbound)).rejects.toEqual(refused(/whose Job/));
  });

  test('names of users are given once; a tenant whose administrator cannot be made is not made', async () => {
    const taken = { code: 'conflict', message: expect.stringContaining('ada is taken') };
    const asked = { username: 'ada', passwordHash: 'x' };
    await expect(theirs.users.create({ ...asked, role: 'viewer' })).rejects.toMatchObject(taken);
    await expect(unbound.tenants.create({ name: 'third', admin: asked })).rejects.toMatchObject(taken);
    await expect(unbound.tenants.create({ name: 'other', admin: { ...asked, username: 'new' } })).rejects.toMatchObject(
      {
        code: 'conflict',
        errors: [{ pointer: '/name' }],
      },
    );
    const names = (await unbound.tenants.list(page)).items.map(({ name }) => name);
    expect(names).toEqual(['other', 'default']);
    // the administrator of the environment is one of the default tenant, or none
    await expect(unbound.users.ensure({ username: 'theirs', passwordHash: 'y' })).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await unbound.users.find('theirs')).toMatchObject({ tenant: { id: theirId }, passwordHash: 'x' });
  });

  test('the last administrator of each stays, whatever administrators the others have', async () => {
    const only = await unbound.users.find('theirs');
    await expect(theirs.users.update(only!.id, { role: 'viewer' })).rejects.toBeInstanceOf(CloveError);
  });
});

test('rows of before go to the default tenant, and services of the version before go on writing theirs', async () => {
  const old = freshUrl(inject('databaseUrl'));
  const names = (await migrationsIn()).map(({ name }) => name);
  await migrate(
    old,
    undefined,
    names.filter((name) => name < '20261124032000_tenants'),
  );
  const own = new Client({ connectionString: old });
  await own.connect();
  const version = `INSERT INTO models (id, name, last_version) VALUES ($1, $2, 1)
    ON CONFLICT (name) DO UPDATE SET last_version = models.last_version + 1 RETURNING last_version AS number`;
  await own.query(version, [newId('model'), 'shop']);
  await migrate(old);
  // as the worker of before does it
  expect((await own.query(version, [newId('model'), 'shop'])).rows).toEqual([{ number: 2 }]);
  expect((await own.query(version, [newId('model'), 'new'])).rows).toEqual([{ number: 1 }]);
  const registry = openRegistry(old);
  const models = (await registry.forTenant(DEFAULT_TENANT).models.list({ limit: 50 })).items;
  expect(models.map(({ name, latestVersion }) => [name, latestVersion])).toEqual([
    ['new', 1],
    ['shop', 2],
  ]);
  await Promise.all([own.end(), registry.close()]);
});
