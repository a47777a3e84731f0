import { randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import {
  Accepted,
  AuditEntry,
  Me,
  type ModelVersion,
  NewApiKey,
  Problem,
  Tenant,
  User,
  pageOf,
} from '@clove/contracts';
import { artifactKeys } from '@clove/store';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { NOTHING, type TestGateway, type Things, form, openTestGateway, operationsOf, urlOf } from './test-support.js';

/** Two tenants: ours, the default one, has one of everything; theirs asks for it. */
const OURS = 'our-administrator';
const THEIRS = 'their-administrator';
const PASSWORD = 'long enough';
const MODEL = 'our-shop';

type Headers = Record<string, string>;
type Named = Things & { versions: string };
type Ask = { url?: string; payload?: InjectOptions['payload']; headers?: Headers };
type Asked = { name: string; method: 'GET'; url: string; payload: InjectOptions['payload']; headers: Headers };

let t: TestGateway;
let scorer: ReturnType<TestGateway['answer']>;
let us: Headers;
let them: Headers;
let ours: Named;
const nothing: Named = { ...NOTHING, versions: `ver_${'0'.repeat(22)}` };

const ask = (
  headers: Headers,
  method: NonNullable<InjectOptions['method']>,
  url: string,
  payload?: InjectOptions['payload'],
  more: Headers = {},
): Promise<LightMyRequestResponse> =>
  t.app.inject({ method, url, headers: { ...more, ...headers }, ...(payload === undefined ? {} : { payload }) });

const signIn = async (username: string): Promise<Headers> => {
  const response = await t.app.inject({ method: 'POST', url: '/v1/login', payload: { username, password: PASSWORD } });
  return { cookie: `clove_session=${response.cookies[0]?.value}` };
};

/** A dataset of five rows that is ready, one row of it rejected. */
async function dataset(headers: Headers): Promise<string> {
  const { payload, headers: type } = form({ name: 'orders' }, { 'a.csv': 'a\n1\n' });
  const { id, job } = Accepted.parse((await ask(headers, 'POST', '/v1/datasets', payload, type)).json());
  await t.work.ingest(job.id, id);
  await t.gateway.artifacts.put(artifactKeys.rejected({ id, revision: null }, 'rejected.csv'), 'file,row\na.csv,3\n');
  return id;
}

async function trained(headers: Headers, datasetId: string, modelName: string): Promise<[string, ModelVersion]> {
  const { id, job } = Accepted.parse((await ask(headers, 'POST', '/v1/runs', { datasetId, modelName })).json());
  return [id, await t.work.train(job.id, id)];
}

async function everything(headers: Headers): Promise<Named> {
  const start = async (path: string, body: object) => Accepted.parse((await ask(headers, 'POST', path, body)).json());
  const datasetId = await dataset(headers);
  const [run, version] = await trained(headers, datasetId, MODEL);
  const board = await start('/v1/leaderboards', { datasetId, modelName: MODEL });
  await t.work.leaderboard(board.job.id, board.id);
  await ask(headers, 'PUT', `/v1/models/${MODEL}/aliases/champion`, { version: 2, force: true });
  const prediction = await start('/v1/predictions', { datasetId, model: `${MODEL}@1` });
  await t.work.predict(prediction.job.id, prediction.id);
  const evaluation = await start('/v1/evaluations', { datasetId, model: `${MODEL}@1` });
  await t.work.evaluate(evaluation.job.id, evaluation.id);
  const { payload, headers: type } = form({}, { 'model.onnx': 'onnx' });
  const brought = Accepted.parse((await ask(headers, 'POST', `/v1/models/${MODEL}/versions`, payload, type)).json());
  await t.work.import(brought.job.id, brought.id);
  const cancelled = await start('/v1/runs', { datasetId, modelName: MODEL });
  await ask(headers, 'POST', `/v1/jobs/${cancelled.job.id}/cancel`);
  const erasure = await start('/v1/erasures', { customers: ['who-asked-us'] });
  const user = { username: 'our-analyst', password: PASSWORD, role: 'analyst' };
  const users = User.parse((await ask(headers, 'POST', '/v1/users', user)).json()).id;
  const key = NewApiKey.parse((await ask(headers, 'POST', '/v1/api-keys', { name: 'ours' })).json()).id;
  return {
    datasets: datasetId,
    runs: run,
    leaderboards: board.id,
    jobs: cancelled.job.id,
    predictions: prediction.id,
    evaluations: evaluation.id,
    imports: brought.id,
    erasures: erasure.id,
    users,
    'api-keys': key,
    models: MODEL,
    versions: version.id,
  };
}

beforeAll(async () => {
  t = await openTestGateway({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
  scorer = t.answer((question) => ({
    ok: true,
    value:
      question.type === 'rows'
        ? { columns: ['a'], rows: [[question.source.id]], offset: 0, total: 1 }
        : { model: 'm', version: 1, predictions: [], warnings: [] },
  }));
  const environment = { authorization: `Bearer ${t.gateway.env.CLOVE_API_KEY}` };
  await ask(environment, 'POST', '/v1/users', { username: OURS, password: PASSWORD, role: 'admin' });
  us = await signIn(OURS);
  ours = await everything(us);
  const admin = { username: THEIRS, password: PASSWORD };
  await ask(us, 'POST', '/v1/tenants', { name: 'theirs', admin });
  them = await signIn(THEIRS);
});
afterAll(async () => {
  await scorer.close();
  await t.close();
});

// A new operation must be among these, or name things in its path that the tests have: else the first test fails.

/** What needs more than its path to be asked for one of the things that it names. */
const WITH: Record<string, { query?: string; body?: object }> = {
  previewAlias: { query: '?version=1' },
  setAlias: { body: { version: 1, force: true } },
  rollBackAlias: { body: {} },
  updateUser: { body: { disabled: true } },
};
/** Lists, with the filters that name things. */
const LISTS: Record<string, (of: Named) => string[]> = {
  listDatasets: () => [''],
  listRuns: (of) => ['', `?datasetId=${of.datasets}`, `?modelName=${of.models}`],
  listLeaderboards: (of) => ['', `?datasetId=${of.datasets}`],
  listModels: () => [''],
  listPredictions: (of) => ['', `?datasetId=${of.datasets}`, `?versionId=${of.versions}`],
  listEvaluations: (of) => ['', `?versionId=${of.versions}`],
  listJobs: () => ['', '?status=succeeded', '?kind=train'],
  listErasures: () => [''],
  listApiKeys: () => [''],
};
/** What takes references to things. `own` are things of the one who asks. */
const REFERS: Record<string, (of: Named, own: Named) => Ask[]> = {
  compareRuns: (of) => [{ url: `?ids=${of.runs}` }],
  startRun: (of) => [{ payload: { datasetId: of.datasets, modelName: 'x' } }],
  startLeaderboard: (of) => [{ payload: { datasetId: of.datasets } }],
  startEvaluation: (of, own) => [
    { payload: { datasetId: of.datasets, model: own.versions } },
    { payload: { datasetId: own.datasets, model: of.versions } },
    { payload: { datasetId: own.datasets, model: of.models } },
  ],
  startPrediction: (of, own) => [
    { payload: { datasetId: of.datasets, model: own.versions } },
    { payload: { datasetId: own.datasets, model: of.versions } },
    { payload: { datasetId: own.datasets, model: `${of.models}@1` } },
    form({ model: of.versions }, { 'a.csv': 'a\n1\n' }),
  ],
  score: (of) => [
    { payload: { model: of.versions, rows: [{ age: 1 }] } },
    { payload: { model: of.models, rows: [{ age: 1 }] } },
  ],
};
/** Of the operator alone. */
const OPERATOR: Record<string, object | undefined> = {
  listTenants: undefined,
  createTenant: { name: 'fourth', admin: { username: 'fourth', password: PASSWORD } },
};
/** What makes something new, under names that may be those of another tenant. */
const MAKES = new Set([
  'startErasure',
  'uploadDataset',
  'generateDataset',
  'importVersion',
  'createUser',
  'createApiKey',
]);
/** The account of who asks, or nothing of anybody. Lists of who did what and of users have tests of their own. */
const OWN = new Set([
  'login',
  'logout',
  'getMe',
  'changePassword',
  'signOutEverywhere',
  'getSample',
  'listAudit',
  'listUsers',
]);

const isNamed = ({ name, path }: { name: string; path: string }): boolean => path.includes('{') && !MAKES.has(name);

/** All that asks for things by their names: operations of the document with what they take. */
async function asked(of: Named, own: Named): Promise<Asked[]> {
  return (await operationsOf(t.app)).flatMap(({ name, method, path }): Asked[] => {
    if (isNamed({ name, path })) {
      const { query = '', body } = WITH[name] ?? {};
      return [{ name, method, url: urlOf(path, of) + query, payload: body, headers: {} }];
    }
    return (REFERS[name]?.(of, own) ?? []).map(({ url = '', payload, headers = {} }) => ({
      name,
      method,
      url: path + url,
      payload,
      headers,
    }));
  });
}

/** What somebody can read of the things that have these names. */
async function readAll(headers: Headers, of: Named): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  const keep = async (url: string) => {
    const { statusCode, body } = await ask(headers, 'GET', url);
    answers[url] = `${statusCode} ${body}`;
  };
  for (const { method, url } of await asked(of, of)) if (method === 'GET') await keep(url);
  for (const { name, path } of await operationsOf(t.app)) {
    for (const query of LISTS[name]?.(of) ?? []) await keep(path + query);
  }
  for (const url of ['/v1/audit', '/v1/users']) await keep(url);
  return answers;
}

/** Every file of the store, as it is. */
async function files(): Promise<Record<string, string>> {
  const entries = await readdir(t.dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`);
  return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, await readFile(path, 'latin1')])));
}

/** An answer as it would be if what was asked for were not there. */
const asIfNothing = (body: string, of: Named): string => {
  const { requestId: _requestId, ...problem } = Problem.parse(JSON.parse(body));
  const text = JSON.stringify(problem);
  return Object.entries(of).reduce((said, [kind, name]) => said.replaceAll(name, nothing[kind as keyof Named]), text);
};

describe('a tenant', () => {
  test('every operation of the document is held to it here', async () => {
    const operations = await operationsOf(t.app);
    const held = operations.filter(({ name, path }) => {
      const kinds = [
        isNamed({ name, path }),
        name in LISTS,
        name in REFERS,
        name in OPERATOR,
        MAKES.has(name),
        OWN.has(name),
      ];
      return kinds.filter(Boolean).length === 1;
    });
    expect(held.map(({ name }) => name)).toEqual(operations.map(({ name }) => name));
    for (const operation of operations.filter(isNamed)) expect(() => urlOf(operation.path, ours)).not.toThrow();
  });

  test('has nothing, as long as it has made nothing', async () => {
    for (const { name, path } of await operationsOf(t.app)) {
      for (const query of LISTS[name]?.(ours) ?? []) {
        const response = await ask(them, 'GET', path + query);
        expect([name, query, response.statusCode]).toEqual([name, query, 200]);
        expect([name, query, response.json<{ items: unknown[] }>().items]).toEqual([name, query, []]);
      }
    }
    const page = (await ask(us, 'GET', '/v1/jobs?limit=1')).json<{ next: string }>();
    const beyond = await ask(them, 'GET', `/v1/jobs?cursor=${page.next}`);
    expect(beyond.json()).toEqual({ items: [], next: null });
  });

  test('is told of what another one has as of what is not there, and changes nothing of it', async () => {
    const own = { ...ours, datasets: await dataset(them) };
    own.versions = (await trained(them, own.datasets, 'their-shop'))[1].id;
    const [before, stored] = [await readAll(us, ours), await files()];
    const unread = Object.entries(before).filter(([, answer]) => !answer.startsWith('200 '));
    expect(unread).toEqual([]);
    const etags = new Map<string, string>();
    for (const url of Object.keys(before)) {
      const { etag } = (await ask(us, 'GET', url)).headers;
      if (typeof etag === 'string') etags.set(url, etag);
    }
    expect(etags.size).toBeGreaterThan(2);

    const none = await asked(nothing, own);
    for (const [n, { name, method, url, payload, headers }] of (await asked(ours, own)).entries()) {
      // who knows the name of the contents gets them no sooner
      const known = { ...headers, 'if-none-match': etags.get(url) ?? '"x"' };
      const theirs = await ask(them, method, url, payload, known);
      expect([name, url, theirs.statusCode, theirs.body]).toEqual([name, url, 404, theirs.body]);
      const missing = none[n]!;
      const other = await ask(them, method, missing.url, missing.payload, missing.headers);
      expect([name, asIfNothing(theirs.body, ours)]).toEqual([name, asIfNothing(other.body, nothing)]);
    }
    for (const [name, body] of Object.entries(OPERATOR)) {
      const { method, path } = (await operationsOf(t.app)).find((one) => one.name === name)!;
      const response = await ask(them, method, path, body);
      expect([name, response.statusCode]).toEqual([name, 403]);
    }

    expect(await readAll(us, ours)).toEqual(before);
    expect(await files()).toEqual(stored);
    // some 200 requests, each as it comes on a busy machine
  }, 200_000);

  test('may take every name that another one has, but that of a user, and gets nothing of theirs by it', async () => {
    const [before, stored] = [await readAll(us, ours), await files()];
    const datasetId = await dataset(them);
    const [, version] = await trained(them, datasetId, MODEL);
    expect([version.model, version.version]).toEqual([MODEL, 1]);
    const { payload, headers } = form({}, { 'model.onnx': 'onnx' });
    const brought = Accepted.parse((await ask(them, 'POST', `/v1/models/${MODEL}/versions`, payload, headers)).json());
    await t.work.import(brought.job.id, brought.id);
    expect((await ask(them, 'GET', `/v1/models/${MODEL}`)).json()).toMatchObject({ latestVersion: 2, versions: 2 });

    const key = { 'idempotency-key': randomUUID() };
    const body = { generator: 'features', customers: 5 };
    const first = await ask(us, 'POST', '/v1/datasets/generate', body, key);
    const second = await ask(them, 'POST', '/v1/datasets/generate', body, key);
    expect([first.statusCode, second.statusCode, second.headers['idempotency-replayed']]).toEqual([
      202,
      202,
      undefined,
    ]);
    expect(second.json<Accepted>().id).not.toBe(first.json<Accepted>().id);
    expect((await ask(us, 'DELETE', `/v1/datasets/${first.json<Accepted>().id}`)).statusCode).toBe(409);
    await ask(us, 'POST', `/v1/jobs/${first.json<Accepted>().job.id}/cancel`);
    expect((await ask(us, 'DELETE', `/v1/datasets/${first.json<Accepted>().id}`)).statusCode).toBe(204);

    const taken = await ask(them, 'POST', '/v1/users', { username: 'our-analyst', password: PASSWORD });
    expect(Problem.parse(taken.json())).toMatchObject({ code: 'conflict', errors: [{ pointer: '/username' }] });
    expect(taken.body).not.toContain(ours.users);

    // of what they can read, we see the one dataset of ours that came and went
    const changing = /^\/v1\/(audit|jobs)/;
    const still = (all: Record<string, string>) => Object.entries(all).filter(([url]) => !changing.test(url));
    expect(still(await readAll(us, ours))).toEqual(still(before));
    const now = await files();
    for (const [path, content] of Object.entries(stored)) expect([path, now[path] === content]).toEqual([path, true]);
  });

  test('has users, a history and a name of its own', async () => {
    const analyst = { username: 'their-analyst', password: PASSWORD, role: 'analyst' };
    expect((await ask(them, 'POST', '/v1/users', analyst)).statusCode).toBe(201);
    const me = Me.parse((await ask(await signIn('their-analyst'), 'GET', '/v1/me')).json());
    expect(me).toMatchObject({ role: 'analyst', tenant: { name: 'theirs' } });
    expect(Me.parse((await ask(us, 'GET', '/v1/me')).json()).tenant.name).toBe('default');
    const names = async (by: Headers) =>
      pageOf(User)
        .parse((await ask(by, 'GET', '/v1/users')).json())
        .items.map(({ username }) => username);
    expect(await names(them)).toEqual(['their-analyst', THEIRS]);
    expect(await names(us)).toEqual(['our-analyst', OURS, 'admin']);

    const actors = async (by: Headers, query = '') => {
      const { items } = pageOf(AuditEntry).parse((await ask(by, 'GET', `/v1/audit?limit=200${query}`)).json());
      return new Set(items.map(({ actor }) => actor));
    };
    expect(await actors(them)).toEqual(new Set(['their-analyst', THEIRS]));
    expect(await actors(them, `&resourceId=${ours.datasets}`)).toEqual(new Set());
    expect((await actors(us)).has(THEIRS)).toBe(false);

    const tenants = pageOf(Tenant).parse((await ask(us, 'GET', '/v1/tenants')).json()).items;
    expect(tenants.map(({ name }) => name)).toEqual(['theirs', 'default']);
    const again = { name: 'theirs', admin: { username: 'fifth', password: PASSWORD } };
    expect((await ask(us, 'POST', '/v1/tenants', again)).statusCode).toBe(409);
    // an analyst of the operator's is no operator
    expect((await ask(await signIn('our-analyst'), 'GET', '/v1/tenants')).statusCode).toBe(403);
  });

  test('the figures of the installation name nothing that somebody has', async () => {
    const { body } = await t.app.inject('/metrics');
    expect(body).toMatch(/^clove_jobs\{.*status="succeeded"\} [1-9]/m);
    for (const name of [...Object.values(ours), 'theirs', OURS, THEIRS]) expect(body).not.toContain(name);
  });

  // last, for it changes what the others ask for
  test('the same requests are not 404 for those whose things they name', async () => {
    const all = await asked(ours, ours);
    const last = (method: string) => (method === 'DELETE' ? 1 : 0);
    for (const { name, method, url, payload, headers } of all.toSorted((a, b) => last(a.method) - last(b.method))) {
      const { statusCode } = await ask(us, method, url, payload, headers);
      expect([name, url, statusCode !== 404 && statusCode < 500]).toEqual([name, url, true]);
    }
  });
});

test('routes have no other way to the store than the registry of the request and what it has found', async () => {
  const folder = new URL('./routes/', import.meta.url);
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.ts')) continue;
    const source = await readFile(new URL(name, folder), 'utf8');
    expect([name, /artifactKeys|openRegistry|Installation|forTenant/.test(source)]).toEqual([
      name,
      name === 'system.ts',
    ]);
  }
});
