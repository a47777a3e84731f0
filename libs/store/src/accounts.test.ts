import type { AuditEntry, AuditQuery, AuditResource } from '@clove/contracts';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { newId } from './ids.js';
import { migrate } from './migrate.js';
import { openRegistry } from './open-registry.js';
import type { Registry } from './registry.js';
import { DEFAULT_TENANT } from './tenancy.js';
import { freshUrl } from './test-support.js';

const url = freshUrl(inject('databaseUrl'));
let registry: Registry;
let psql: Client;
let userId: string;

beforeAll(async () => {
  await migrate(url);
  registry = openRegistry(url).forTenant(DEFAULT_TENANT);
  psql = new Client({ connectionString: url });
  await psql.connect();
  userId = (await registry.users.ensure({ username: 'admin', passwordHash: 'first' })).id;
});
afterAll(async () => {
  await Promise.all([registry.close(), psql.end()]);
});

describe('users', () => {
  test('ensuring a user twice keeps the user and changes the password', async () => {
    const again = await registry.users.ensure({ username: 'admin', passwordHash: 'second' });
    expect(again.id).toBe(userId);
    expect(await registry.users.find('admin')).toEqual({ ...again, passwordHash: 'second' });
    expect(again).toMatchObject({ role: 'admin', disabledAt: null });
    expect(await registry.users.get(userId)).toEqual(again);
    expect(await registry.users.find('nobody')).toBeNull();
    await expect(registry.users.get(newId('user'))).rejects.toMatchObject({ code: 'not-found' });
  });

  test('several gateways that ensure one user at once make one', async () => {
    const users = await Promise.all(
      Array.from({ length: 8 }, () => registry.users.ensure({ username: 'raced', passwordHash: 'x' })),
    );
    expect(new Set(users.map(({ id }) => id)).size).toBe(1);
  });
});

describe('users who may not', () => {
  const made = (username: string, role: 'admin' | 'analyst' | 'viewer') =>
    registry.users.create({ username, passwordHash: 'x', role });

  test('a name is given once, and is one that can be read', async () => {
    const user = await made('ada', 'viewer');
    expect(user).toMatchObject({ username: 'ada', role: 'viewer', disabledAt: null });
    await expect(made('ada', 'admin')).rejects.toMatchObject({ code: 'conflict' });
    await expect(made('a b', 'admin')).rejects.toMatchObject({ code: 'invalid-input' });
    const { items } = await registry.users.list({ limit: 1 });
    expect(items).toEqual([user]);
  });

  test('a disabled user has no session and no key; enabled again the keys work, the sessions are gone', async () => {
    const user = await made('grace', 'analyst');
    const later = new Date(Date.now() + 60_000);
    await registry.sessions.create(user.id, 'grace-session', later);
    await registry.apiKeys.create(user.id, { name: 'k', prefix: 'p', hash: 'grace-key', scope: 'read' });
    const off = await registry.users.update(user.id, { disabled: true });
    expect(off.disabledAt).not.toBeNull();
    expect(await registry.sessions.find('grace-session')).toBeNull();
    expect(await registry.apiKeys.find('grace-key')).toBeNull();
    expect((await registry.users.update(user.id, { disabled: false })).disabledAt).toBeNull();
    expect(await registry.sessions.find('grace-session')).toBeNull();
    expect(await registry.apiKeys.find('grace-key')).toMatchObject({
      user: { role: 'analyst' },
      key: { scope: 'read' },
    });
  });

  test('a new password ends the sessions', async () => {
    const user = await made('kay', 'analyst');
    const later = new Date(Date.now() + 60_000);
    for (const hash of ['kay-1', 'kay-2']) await registry.sessions.create(user.id, hash, later);
    await registry.users.update(user.id, { passwordHash: 'new' });
    expect(await registry.sessions.find('kay-1')).toBeNull();
    expect(await registry.sessions.find('kay-2')).toBeNull();
  });

  test('of two administrators who demote each other at once one stays', async () => {
    const other = freshUrl(inject('databaseUrl'));
    await migrate(other);
    const alone = openRegistry(other).forTenant(DEFAULT_TENANT);
    const [a, b] = await Promise.all(
      ['a', 'b'].map((username) => alone.users.create({ username, passwordHash: 'x', role: 'admin' })),
    );
    const outcomes = await Promise.allSettled([
      alone.users.update(a!.id, { role: 'viewer' }),
      alone.users.update(b!.id, { disabled: true }),
    ]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'conflict' } });
    await alone.close();
  });
});

describe('the audit list', () => {
  const add = (actor: string, resource: AuditEntry['resource']) =>
    registry.audit.add({ actor, via: 'session', action: 'test', resource, details: { a: 1 }, requestId: 'r' });

  test('is filtered by actor and resource, newest first; a model finds its versions and aliases, not its neighbours', async () => {
    await add('ada', { type: 'model', id: 'shop' });
    await add('ada', { type: 'model', id: 'shop@champion' });
    await add('bob', { type: 'model', id: 'shop2@1' });
    await add('bob', { type: 'user', id: 'usr_x' });
    const list = async (query: Partial<AuditQuery>, hidden: AuditResource[] = []) =>
      (await registry.audit.list({ limit: 50, ...query }, hidden)).items.map(({ resource }) => resource?.id);
    expect(await list({})).toEqual(['usr_x', 'shop2@1', 'shop@champion', 'shop']);
    expect(await list({}, ['user'])).toEqual(['shop2@1', 'shop@champion', 'shop']);
    expect(await list({ resourceType: 'model', resourceId: 'shop' })).toEqual(['shop@champion', 'shop']);
    expect(await list({ actor: 'bob' })).toEqual(['usr_x', 'shop2@1']);
    expect(await list({ action: 'nothing' })).toEqual([]);
  });
});

describe('sessions', () => {
  test('a session is found until it expires or is removed', async () => {
    const soon = new Date(Date.now() + 60_000);
    await registry.sessions.create(userId, 'live', soon);
    await registry.sessions.create(userId, 'over', new Date(Date.now() - 1));
    expect(await registry.sessions.find('live')).toMatchObject({
      user: { id: userId, username: 'admin' },
      expiresAt: soon.toISOString(),
    });
    expect(await registry.sessions.find('over')).toBeNull();
    await registry.sessions.create(userId, 'next', soon);
    const { rows } = await psql.query("SELECT 1 FROM sessions WHERE token_hash = 'over'");
    expect(rows).toEqual([]); // swept away with the next login
    await registry.sessions.remove('live');
    await registry.sessions.remove('live');
    expect(await registry.sessions.find('live')).toBeNull();
  });
});

describe('API keys', () => {
  test('a key is found by its hash until it is revoked, and never shows it', async () => {
    const key = await registry.apiKeys.create(userId, { name: 'ci', prefix: 'clv_ab', hash: 'hash', scope: 'write' });
    expect(key).toEqual({
      id: key.id,
      name: 'ci',
      prefix: 'clv_ab',
      scope: 'write',
      expiresAt: null,
      createdAt: key.createdAt,
      lastUsedAt: null,
      revokedAt: null,
    });
    expect(await registry.apiKeys.find('hash')).toMatchObject({ user: { id: userId }, key: { id: key.id } });
    await expect(
      registry.apiKeys.create(userId, { name: 'b', prefix: 'p', hash: 'hash', scope: 'write' }),
    ).rejects.toMatchObject({
      code: 'conflict',
    });
    const stranger = await registry.users.ensure({ username: 'stranger', passwordHash: 'x' });
    await expect(registry.apiKeys.revoke(stranger.id, key.id)).rejects.toMatchObject({ code: 'not-found' });
    await registry.apiKeys.revoke(userId, key.id);
    const [revoked] = await registry.apiKeys.list(userId);
    await registry.apiKeys.revoke(userId, key.id);
    expect(await registry.apiKeys.list(userId)).toEqual([revoked]);
    expect(await registry.apiKeys.find('hash')).toBeNull();
  });

  test('a key that has run out opens nothing', async () => {
    const make = (hash: string, expiresAt: string) =>
      registry.apiKeys.create(userId, { name: 'short', prefix: 'p', hash, scope: 'write', expiresAt });
    const later = new Date(Date.now() + 60_000).toISOString();
    expect(await make('runs-on', later)).toMatchObject({ expiresAt: later });
    await make('ran-out', new Date(Date.now() - 1).toISOString());
    expect(await registry.apiKeys.find('runs-on')).not.toBeNull();
    expect(await registry.apiKeys.find('ran-out')).toBeNull();
  });

  test('the use of a key is noted at most once a minute', async () => {
    const { id } = await registry.apiKeys.create(userId, { name: 'used', prefix: 'p', hash: 'used', scope: 'read' });
    const lastUsed = async () => (await registry.apiKeys.list(userId)).find((key) => key.id === id)?.lastUsedAt;
    await registry.apiKeys.find('used');
    const first = await lastUsed();
    expect(first).not.toBeNull();
    await registry.apiKeys.find('used');
    expect(await lastUsed()).toBe(first);
    await psql.query("UPDATE api_keys SET last_used_at = now() - interval '61 s' WHERE id = $1", [id]);
    const old = await lastUsed();
    await registry.apiKeys.find('used');
    expect(Date.parse((await lastUsed()) ?? '')).toBeGreaterThan(Date.parse(old ?? ''));
  });
});

const ref = (key: string) => ({ key, userId, route: 'POST /v1/runs' });
const claim = (key: string, bodyHash = 'body') => registry.idempotency.claim({ ...ref(key), bodyHash });
const age = (key: string, hours: number) =>
  psql.query("UPDATE idempotency_keys SET created_at = now() - $2::float * interval '1 hour' WHERE key = $1", [
    key,
    hours,
  ]);

describe('idempotency keys', () => {
  test('of twenty claims at once one is new, the others conflict until it is settled and replay then', async () => {
    const outcomes = (await Promise.all(Array.from({ length: 20 }, () => claim('raced')))).map(
      ({ outcome }) => outcome,
    );
    expect(outcomes.toSorted()).toEqual([...Array.from({ length: 19 }, () => 'conflict'), 'new']);
    await registry.idempotency.settle(ref('raced'), 202, { id: 'x', note: '\0' });
    expect(await claim('raced')).toEqual({ outcome: 'replay', status: 202, response: { id: 'x', note: '\ufffd' } });
    expect(await claim('raced', 'other body')).toEqual({ outcome: 'conflict' });
    await registry.idempotency.release(ref('raced'));
    expect(await claim('raced')).toMatchObject({ outcome: 'replay' });
  });

  test('a key is a user’s and a route’s own, and a released one is new again', async () => {
    expect(await claim('own')).toEqual({ outcome: 'new' });
    expect(await registry.idempotency.claim({ ...ref('own'), route: 'POST /v1/x', bodyHash: 'b' })).toEqual({
      outcome: 'new',
    });
    await registry.idempotency.release(ref('own'));
    expect(await claim('own', 'corrected body')).toEqual({ outcome: 'new' });
  });

  test('an empty answer is replayed too', async () => {
    await claim('empty');
    await registry.idempotency.settle(ref('empty'), 204, null);
    expect(await claim('empty')).toEqual({ outcome: 'replay', status: 204, response: null });
  });

  test('an answer runs out after a day, a claim that was never settled after an hour', async () => {
    await claim('settled');
    await registry.idempotency.settle(ref('settled'), 200, 1);
    await claim('stuck');
    await age('settled', 23);
    await age('stuck', 0.9);
    expect(await claim('settled')).toMatchObject({ outcome: 'replay' });
    expect(await claim('stuck')).toMatchObject({ outcome: 'conflict' });
    await age('settled', 25);
    await age('stuck', 1.1);
    const again = await Promise.all([claim('settled', 'new body'), claim('stuck'), claim('stuck')]);
    expect(again.map(({ outcome }) => outcome).toSorted()).toEqual(['conflict', 'new', 'new']);
  });

  test('answers that have run out are removed by later claims', async () => {
    await claim('forgotten');
    await age('forgotten', 30);
    await claim('sweeper');
    const { rows } = await psql.query("SELECT 1 FROM idempotency_keys WHERE key = 'forgotten'");
    expect(rows).toEqual([]);
  });

  test.each(['', 'x'.repeat(256)])('a key of the wrong length is refused', async (key) => {
    await expect(claim(key)).rejects.toMatchObject({ code: 'bad-request' });
  });
});
