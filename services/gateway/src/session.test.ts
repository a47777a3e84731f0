import { randomUUID } from 'node:crypto';
import { ApiKey, GatewayEnv, NewApiKey, Problem, User } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { buildApp } from './app.js';
import { ensureAdmin, isLoopback, refuseOpenDoor, tokenHash, usesLocalPassword } from './credentials.js';
import { Throttle } from './throttle.js';
import { API_KEY, type TestGateway, bearer, call, openTestGateway } from './test-support.js';

const servers = () => ({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway(servers());
});
afterAll(() => gateway.close());

const login = (username: string, password: string, headers: Record<string, string> = {}, remoteAddress = '127.0.0.1') =>
  gateway.app.inject({ method: 'POST', url: '/v1/login', payload: { username, password }, headers, remoteAddress });
const sessionOf = async () => {
  const [cookie] = (await login('admin', 'admin')).cookies;
  return { cookie: `${cookie?.name}=${cookie?.value}` };
};

describe('signing in', () => {
  test('sets a cookie that scripts and other sites do not get, and keeps no token', async () => {
    const response = await login('admin', 'admin');
    expect(response.statusCode).toBe(200);
    expect(User.parse(response.json()).username).toBe('admin');
    const [cookie] = response.cookies;
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/', maxAge: 12 * 3600 });
    expect(cookie?.value).toMatch(/^[\w-]{43}$/);
    // the registry knows the hash, not the token
    expect(await gateway.gateway.registry.sessions.find(cookie?.value ?? '')).toBeNull();
  });

  test('the session opens the API until the sign-out ends it', async () => {
    const headers = await sessionOf();
    const me = () => gateway.app.inject({ url: '/v1/me', headers });
    expect(User.parse((await me()).json()).username).toBe('admin');
    const out = await gateway.app.inject({ method: 'POST', url: '/v1/logout', headers });
    expect(out.statusCode).toBe(204);
    expect(out.body).toBe('');
    expect((await me()).statusCode).toBe(401);
  });

  test('an expired session opens nothing', async () => {
    const token = randomUUID();
    const { registry } = gateway.gateway;
    const user = await registry.users.find('admin');
    await registry.sessions.create(user?.id ?? '', tokenHash(token), new Date(Date.now() - 1000));
    const response = await gateway.app.inject({ url: '/v1/me', headers: { cookie: `clove_session=${token}` } });
    expect(response.statusCode).toBe(401);
  });

  test('a wrong password and an unknown user get the same answer', async () => {
    const [wrong, unknown] = await Promise.all([
      login('admin', 'nope', {}, '10.0.0.1'),
      login('eve', 'nope', {}, '10.0.0.1'),
    ]);
    expect(wrong.statusCode).toBe(401);
    const problem = Problem.parse(wrong.json());
    expect({ ...Problem.parse(unknown.json()), requestId: problem.requestId }).toEqual(problem);
  });

  test('ten tries a minute, then 429 with the time to wait; others are not kept out', async () => {
    const codes = [];
    for (let i = 0; i < 11; i += 1) codes.push((await login('admin', 'guess', {}, '10.0.0.2')).statusCode);
    expect(codes).toEqual([...Array<number>(10).fill(401), 429]);
    const blocked = await login('admin', 'admin', {}, '10.0.0.2');
    expect(Number(blocked.headers['retry-after'])).toBeGreaterThan(0);
    expect(Problem.parse(blocked.json()).code).toBe('too-many-requests');
    expect((await login('admin', 'admin', {}, '10.0.0.3')).statusCode).toBe(200);
  });

  test('the count of tries ends with its minute, and with a good password', () => {
    let nowMs = 0;
    const throttle = new Throttle(10, 60_000, () => nowMs);
    for (let i = 0; i < 10; i += 1) expect(throttle.note('a u')).toBe(0);
    nowMs = 20_000;
    expect(throttle.note('a u')).toBe(40);
    expect(throttle.note('a other')).toBe(0);
    nowMs = 60_000;
    expect(throttle.note('a u')).toBe(0);
    for (let i = 0; i < 9; i += 1) throttle.note('a u');
    throttle.clear('a u');
    expect(throttle.note('a u')).toBe(0);
  });
});

describe('pages of other sites', () => {
  test('change nothing with a session', async () => {
    const headers = await sessionOf();
    const post = (more: Record<string, string>) =>
      gateway.app.inject({
        method: 'POST',
        url: '/v1/api-keys',
        payload: { name: 'k' },
        headers: { ...headers, ...more },
      });
    expect((await post({ 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403);
    expect((await post({ 'sec-fetch-site': 'same-site' })).statusCode).toBe(403);
    expect((await post({ origin: 'https://evil.example' })).statusCode).toBe(403);
    expect((await post({ origin: 'null' })).statusCode).toBe(403);
    expect((await post({ 'sec-fetch-site': 'same-origin' })).statusCode).toBe(201);
    expect((await post({ origin: 'http://localhost:80' })).statusCode).toBe(403);
    expect((await post({ origin: 'http://localhost:3000', host: 'localhost:3000' })).statusCode).toBe(201);
    expect((await post({})).statusCode).toBe(201);
  });

  test('do not sign anybody in; an API key works wherever it comes from', async () => {
    expect((await login('admin', 'admin', { 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403);
    const response = await call(gateway.app, 'POST', '/v1/api-keys', { name: 'k' }, { 'sec-fetch-site': 'cross-site' });
    expect(response.statusCode).toBe(201);
  });
});

describe('API keys', () => {
  test('a key shows its secret once, works until it is revoked, and is listed without it', async () => {
    const made = await call(gateway.app, 'POST', '/v1/api-keys', { name: 'nightly job' });
    expect(made.statusCode).toBe(201);
    const key = NewApiKey.parse(made.json());
    expect(key.secret).toMatch(/^clv_[\w-]{43}$/);
    expect(key.secret.startsWith(key.prefix)).toBe(true);
    const me = () => gateway.app.inject({ url: '/v1/me', headers: { authorization: `Bearer ${key.secret}` } });
    expect((await me()).statusCode).toBe(200);

    const listed = await call(gateway.app, 'GET', '/v1/api-keys');
    const items = ApiKey.array().parse(listed.json<{ items: unknown }>().items);
    expect(items.find((item) => item.id === key.id)).toMatchObject({ name: 'nightly job', revokedAt: null });
    expect(listed.body).not.toContain(key.secret);

    expect((await call(gateway.app, 'DELETE', `/v1/api-keys/${key.id}`)).statusCode).toBe(204);
    expect((await me()).statusCode).toBe(401);
  });

  test('a repeated creation does not make a second key, and does not show the secret again', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const first = await call(gateway.app, 'POST', '/v1/api-keys', { name: 'once' }, headers);
    expect(first.statusCode).toBe(201);
    const second = await call(gateway.app, 'POST', '/v1/api-keys', { name: 'once' }, headers);
    expect(Problem.parse(second.json()).code).toBe('conflict');
    const { items } = (await call(gateway.app, 'GET', '/v1/api-keys')).json<{ items: ApiKey[] }>();
    expect(items.filter((item) => item.name === 'once')).toHaveLength(1);
  });

  test('the key of the environment is there, and again after a second start', async () => {
    expect((await gateway.app.inject({ url: '/v1/me', headers: bearer })).statusCode).toBe(200);
    await ensureAdmin(gateway.gateway.env, gateway.gateway.registry);
    const { items } = (await call(gateway.app, 'GET', '/v1/api-keys')).json<{ items: ApiKey[] }>();
    expect(items.filter((item) => API_KEY.startsWith(item.prefix))).toHaveLength(1);
  });
});

const envOf = (over: Partial<Record<keyof GatewayEnv, string>>) =>
  GatewayEnv.parse({ DATABASE_URL: 'postgresql://h/d', REDIS_URL: 'redis://h', ARTIFACTS_DIR: 'a', ...over });

describe('the administrator', () => {
  test('has the password admin on loopback only', () => {
    for (const HOST of ['127.0.0.1', '127.8.8.8', '::1', '[::1]', 'localhost', 'LOCALHOST']) {
      expect(isLoopback(HOST)).toBe(true);
      expect(() => refuseOpenDoor(envOf({ HOST }))).not.toThrow();
      expect(usesLocalPassword(envOf({ HOST }))).toBe(true);
    }
    for (const HOST of ['0.0.0.0', '::', '192.168.1.5', '127.evil.example', 'localhost.evil.example']) {
      expect(isLoopback(HOST)).toBe(false);
      expect(() => refuseOpenDoor(envOf({ HOST }))).toThrow(/set CLOVE_ADMIN_PASSWORD/);
      expect(() => refuseOpenDoor(envOf({ HOST, CLOVE_ADMIN_PASSWORD: 'admin' }))).toThrow(/set CLOVE_ADMIN_PASSWORD/);
      expect(() => refuseOpenDoor(envOf({ HOST, CLOVE_ADMIN_PASSWORD: 'long and own' }))).not.toThrow();
    }
  });

  test('gets the password that is set at the next start; the one before no longer works', async () => {
    const { registry } = gateway.gateway;
    await ensureAdmin({ ...gateway.gateway.env, CLOVE_ADMIN_PASSWORD: 'another one' }, registry);
    expect((await login('admin', 'admin', {}, '10.0.0.9')).statusCode).toBe(401);
    expect((await login('admin', 'another one', {}, '10.0.0.9')).statusCode).toBe(200);
    // without a password in the environment the one that was chosen stays
    await ensureAdmin(gateway.gateway.env, registry);
    expect((await login('admin', 'another one', {}, '10.0.0.9')).statusCode).toBe(200);
    await ensureAdmin({ ...gateway.gateway.env, CLOVE_ADMIN_PASSWORD: 'admin' }, registry);
    expect((await login('admin', 'admin', {}, '10.0.0.9')).statusCode).toBe(200);
  });

  test('does not leave admin/admin behind under an earlier name once others can reach the gateway', async () => {
    const opened = {
      ...gateway.gateway.env,
      HOST: '0.0.0.0',
      CLOVE_ADMIN_USERNAME: 'root',
      CLOVE_ADMIN_PASSWORD: 'own',
    };
    await ensureAdmin(opened, gateway.gateway.registry);
    const app = await buildApp({ ...gateway.gateway, env: opened });
    const tryIn = (username: string, password: string) =>
      app.inject({
        method: 'POST',
        url: '/v1/login',
        payload: { username, password },
        headers: { host: 'clove.example' },
      });
    expect((await tryIn('admin', 'admin')).statusCode).toBe(401);
    expect((await tryIn('root', 'own')).statusCode).toBe(200);
    await app.close();
  });
});

describe('limits', () => {
  const as = (secret: string) => ({ authorization: `Bearer ${secret}` });

  test('a user who asks too much gets 429 and when to come back; others do not notice, nor does whoever has no credential', async () => {
    const strict = await buildApp({ ...gateway.gateway, env: { ...gateway.gateway.env, RATE_LIMIT: 5 } });
    const me = (headers: Record<string, string>, remoteAddress = '10.1.0.1') =>
      strict.inject({ url: '/v1/me', headers, remoteAddress });
    const codes = [];
    for (let i = 0; i < 6; i += 1) codes.push((await me(bearer)).statusCode);
    expect(codes).toEqual([200, 200, 200, 200, 200, 429]);
    const blocked = await me(bearer);
    expect(Problem.parse(blocked.json()).code).toBe('too-many-requests');
    expect(Number(blocked.headers['retry-after'])).toBeGreaterThan(0);
    const strangers = [];
    for (let i = 0; i < 6; i += 1) strangers.push((await me(as('clv_wrong'))).statusCode);
    expect(strangers).toEqual([401, 401, 401, 401, 401, 429]);
    expect((await me(as('clv_wrong'), '10.1.0.2')).statusCode).toBe(401);
    await strict.close();
  });

  test('one address that tries many names is slowed down; another one signs in as ever', async () => {
    for (let i = 0; i < 100; i += 1) expect((await login(`nobody-${i}`, 'guess', {}, '10.2.0.1')).statusCode).toBe(401);
    expect((await login('nobody-100', 'guess', {}, '10.2.0.1')).statusCode).toBe(429);
    expect((await login('admin', 'admin', {}, '10.2.0.2')).statusCode).toBe(200);
  });

  test('addresses are those that a proxy in front names, where it is one of ours, and of nobody else', async () => {
    const proxied = await buildApp({
      ...gateway.gateway,
      env: { ...gateway.gateway.env, TRUST_PROXY: '10.3.0.1', RATE_LIMIT: 1 },
    });
    const stranger = async (from: string, remoteAddress: string) =>
      (await proxied.inject({ url: '/v1/me', headers: { 'x-forwarded-for': from }, remoteAddress })).statusCode;
    expect([await stranger('1.1.1.1', '10.3.0.1'), await stranger('1.1.1.1', '10.3.0.1')]).toEqual([401, 429]);
    expect(await stranger('2.2.2.2', '10.3.0.1')).toBe(401);
    expect([await stranger('3.3.3.3', '10.3.0.9'), await stranger('4.4.4.4', '10.3.0.9')]).toEqual([401, 429]);
    await proxied.close();
  });

  test('a second sign-in ends the session before it, and gives another token', async () => {
    const first = await sessionOf();
    const second = await login('admin', 'admin', first);
    expect(second.cookies[0]?.value).not.toBe(first.cookie.split('=')[1]);
    expect((await gateway.app.inject({ url: '/v1/me', headers: first })).statusCode).toBe(401);
  });

  test('the cookie is for https alone, and pages are told to stay there, where browsers come by https', async () => {
    const secure = await buildApp({ ...gateway.gateway, env: { ...gateway.gateway.env, COOKIE_SECURE: true } });
    const answer = await secure.inject({
      method: 'POST',
      url: '/v1/login',
      payload: { username: 'admin', password: 'admin' },
    });
    expect(answer.cookies[0]).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Strict' });
    expect(answer.headers['strict-transport-security']).toMatch(/max-age=\d{7,}/);
    expect((await gateway.app.inject({ url: '/v1/me' })).headers['strict-transport-security']).toBeUndefined();
    await secure.close();
  });
});
