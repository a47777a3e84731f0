import { AuditEntry, type Me, NewApiKey, Problem, Role, User, pageOf } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { NOTHING, type TestGateway, call, openTestGateway, operationsOf, urlOf } from './test-support.js';

const servers = () => ({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
let gateway: TestGateway;
const keys = {} as Record<Role | 'reader', string>;

const createUser = async (username: string, role: Role): Promise<User> =>
  User.parse((await call(gateway.app, 'POST', '/v1/users', { username, password: 'long enough', role })).json());
const signIn = async (username: string, password: string) => {
  const response = await gateway.app.inject({ method: 'POST', url: '/v1/login', payload: { username, password } });
  const [cookie] = response.cookies;
  return { status: response.statusCode, headers: { cookie: `${cookie?.name}=${cookie?.value}` } };
};
const keyOf = async (username: string, body: object): Promise<string> => {
  const { headers } = await signIn(username, 'long enough');
  const made = await gateway.app.inject({ method: 'POST', url: '/v1/api-keys', payload: body, headers });
  return NewApiKey.parse(made.json()).secret;
};
const as = (secret: string) => ({ authorization: `Bearer ${secret}` });

beforeAll(async () => {
  gateway = await openTestGateway(servers());
  for (const role of Role.options) {
    await createUser(`the-${role}`, role);
    keys[role] = await keyOf(`the-${role}`, { name: 'walk' });
  }
  keys.reader = await keyOf('the-admin', { name: 'read only', scope: 'read' });
});
afterAll(() => gateway.close());

/** Every operation of the document, with a path that fits it. */
const operations = async () =>
  (await operationsOf(gateway.app)).map(({ path, ...operation }) => ({ ...operation, url: urlOf(path, NOTHING) }));

/** Said once more, by name and not by rule: what takes an administrator, and what everybody may although it is no GET. */
const ADMIN = new Set([
  'listUsers',
  'createUser',
  'getUser',
  'updateUser',
  'endUserSessions',
  'listTenants',
  'createTenant',
  'startErasure',
  'listErasures',
  'getErasure',
]);
const EVERYBODY = new Set(['logout', 'changePassword', 'signOutEverywhere', 'createApiKey', 'revokeApiKey', 'score']);

describe('who may do what', () => {
  test('every route asks for a credential, but the sign-in', async () => {
    const open = [];
    for (const { name, method, url } of await operations()) {
      const response = await gateway.app.inject({ method, url });
      if (response.statusCode !== 401) open.push([name, response.statusCode]);
    }
    expect(open).toEqual([['login', 422]]);
  });

  test('every route lets in every role that it should, and no other', async () => {
    const all = await operations();
    expect(all.length).toBeGreaterThan(50);
    for (const role of Role.options) {
      for (const { name, method, url, role: stated } of all) {
        if (name === 'login') continue;
        const needed = ADMIN.has(name) ? 'admin' : method === 'GET' || EVERYBODY.has(name) ? 'viewer' : 'analyst';
        expect([name, stated]).toEqual([name, needed]);
        const { statusCode, body } = await gateway.app.inject({ method, url, headers: as(keys[role]) });
        const may = Role.options.indexOf(role) <= Role.options.indexOf(needed);
        expect([name, role, statusCode !== 403]).toEqual([name, role, may]);
        expect([name, role, body.includes(`this takes the role ${needed}`)]).toEqual([name, role, !may]);
      }
    }
  });

  test('a key that may only read changes nothing, whoever has it', async () => {
    for (const { name, method, url } of await operations()) {
      if (name === 'login') continue;
      const { statusCode } = await gateway.app.inject({ method, url, headers: as(keys.reader) });
      expect([name, statusCode === 403]).toEqual([name, method !== 'GET' && name !== 'score']);
    }
  });

  test('a key does not make one that outlives it', async () => {
    const soon = new Date(Date.now() + 3600_000).toISOString();
    const later = new Date(Date.now() + 7200_000).toISOString();
    const short = await keyOf('the-analyst', { name: 'short', expiresAt: soon });
    const make = (body: object) =>
      gateway.app.inject({ method: 'POST', url: '/v1/api-keys', payload: body, headers: as(short) });
    expect(Problem.parse((await make({ name: 'x', expiresAt: later })).json()).errors?.[0]?.pointer).toBe('/expiresAt');
    expect(NewApiKey.parse((await make({ name: 'x' })).json()).expiresAt).toBe(soon);
    expect((await make({ name: 'x', expiresAt: '2020-01-01T00:00:00.000Z' })).statusCode).toBe(422);
  });
});

describe('users', () => {
  test('are told who they are, in which role, by what, and until when', async () => {
    const { headers } = await signIn('the-viewer', 'long enough');
    const me = async (by: Record<string, string>) =>
      (await gateway.app.inject({ url: '/v1/me', headers: by })).json<Me>();
    const session = await me(headers);
    expect(session).toMatchObject({ username: 'the-viewer', role: 'viewer', via: 'session', scope: 'write' });
    expect(Date.parse(session.expiresAt ?? '')).toBeGreaterThan(Date.now() + 11 * 3600_000);
    expect(await me(as(keys.reader))).toMatchObject({ via: 'api-key', scope: 'read', expiresAt: null });
  });

  test('a disabled user is out at once, and cannot come back in', async () => {
    const user = await createUser('leaver', 'analyst');
    const { headers } = await signIn('leaver', 'long enough');
    const key = await keyOf('leaver', { name: 'k' });
    const off = await call(gateway.app, 'PATCH', `/v1/users/${user.id}`, { disabled: true });
    expect(User.parse(off.json()).disabledAt).not.toBeNull();
    expect((await gateway.app.inject({ url: '/v1/me', headers })).statusCode).toBe(401);
    expect((await gateway.app.inject({ url: '/v1/me', headers: as(key) })).statusCode).toBe(401);
    expect((await signIn('leaver', 'long enough')).status).toBe(401);
  });

  test('change their password with the present one; other sessions end, and all of them on wish', async () => {
    await createUser('changer', 'viewer');
    const first = await signIn('changer', 'long enough');
    const second = await signIn('changer', 'long enough');
    const put = (payload: object) =>
      gateway.app.inject({ method: 'PUT', url: '/v1/me/password', payload, headers: first.headers });
    const wrong = Problem.parse((await put({ current: 'no', password: 'another one' })).json());
    expect(wrong.errors?.map(({ pointer }) => pointer)).toEqual(['/current']);
    expect((await put({ current: 'long enough', password: 'short' })).statusCode).toBe(422);
    const changed = await put({ current: 'long enough', password: 'another one' });
    expect(changed.statusCode).toBe(204);
    const rotated = { headers: { cookie: `clove_session=${changed.cookies[0]?.value}` } };
    const opens = async ({ headers }: Pick<typeof first, 'headers'>) =>
      (await gateway.app.inject({ url: '/v1/me', headers })).statusCode === 200;
    expect([await opens(rotated), await opens(first), await opens(second)]).toEqual([true, false, false]);
    expect((await signIn('changer', 'long enough')).status).toBe(401);
    const third = await signIn('changer', 'another one');
    const out = await gateway.app.inject({ method: 'DELETE', url: '/v1/me/sessions', headers: third.headers });
    expect(out.statusCode).toBe(204);
    expect([await opens(rotated), await opens(third)]).toEqual([false, false]);
  });

  test('nobody demotes or disables themselves, and the password of the environment stays in the environment', async () => {
    const me = (await call(gateway.app, 'GET', '/v1/me')).json<Me>();
    const patch = (change: object) => call(gateway.app, 'PATCH', `/v1/users/${me.id}`, change);
    expect((await patch({ role: 'viewer' })).statusCode).toBe(409);
    expect((await patch({ disabled: true })).statusCode).toBe(409);
    const fixed = await openTestGateway(servers(), { CLOVE_ADMIN_PASSWORD: 'of the environment' });
    const { id } = (await call(fixed.app, 'GET', '/v1/me')).json<Me>();
    const refused = await call(fixed.app, 'PATCH', `/v1/users/${id}`, { password: 'something else' });
    expect(Problem.parse(refused.json())).toMatchObject({ code: 'conflict' });
    await fixed.close();
  });
});

describe('the audit list', () => {
  const list = async (query: string, secret = keys.admin) => {
    const response = await gateway.app.inject({ url: `/v1/audit?limit=200${query}`, headers: as(secret) });
    return pageOf(AuditEntry).parse(response.json()).items;
  };

  test('says who changed what, on which resource, without secrets; reading, refusals and repetitions are not in it', async () => {
    await createUser('audited', 'analyst');
    const key = await keyOf('audited', { name: 'a' });
    const body = { generator: 'features', customers: 5, name: 'mine' };
    const headers = { ...as(key), 'idempotency-key': 'one', 'x-request-id': 'trace-audit' };
    const post = () => gateway.app.inject({ method: 'POST', url: '/v1/datasets/generate', payload: body, headers });
    const { id, job } = (await post()).json<{ id: string; job: { id: string } }>();
    expect((await post()).headers['idempotency-replayed']).toBe('true');
    await gateway.app.inject({ url: '/v1/datasets', headers: as(key) });
    await gateway.app.inject({ method: 'POST', url: '/v1/runs', payload: { datasetId: id }, headers: as(key) });
    await gateway.app.inject({ method: 'POST', url: `/v1/jobs/${job.id}/cancel`, headers: as(key) });

    const entries = await list('&actor=audited');
    expect(entries.map(({ action, resource }) => [action, resource?.type, resource?.id])).toEqual([
      ['cancelJob', 'job', job.id],
      ['generateDataset', 'dataset', id],
      ['createApiKey', 'api-key', entries[2]?.resource?.id],
      ['login', 'session', entries[3]?.resource?.id],
    ]);
    expect(entries[1]).toMatchObject({
      via: 'api-key',
      requestId: 'trace-audit',
      details: { generator: 'features', customers: 5, name: 'mine', jobId: job.id },
    });
    const made = await list('&action=createUser');
    expect(made.find(({ details }) => details['username'] === 'audited')).toMatchObject({
      resource: { type: 'user' },
      details: { role: 'analyst', password: 'changed' },
    });
    expect(JSON.stringify(await list(''))).not.toMatch(/long enough|clv_/);
  });

  test('shows users, sessions and keys to administrators only', async () => {
    const kinds = async (secret: string) => new Set((await list('', secret)).map(({ resource }) => resource?.type));
    expect((await kinds(keys.admin)).has('user')).toBe(true);
    const others = await kinds(keys.viewer);
    expect([others.has('user'), others.has('session'), others.has('api-key'), others.has('dataset')]).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });
});
