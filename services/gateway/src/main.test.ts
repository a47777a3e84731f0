import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { NewApiKey } from '@clove/contracts';
import { form, freshDatabaseUrl } from './test-support.js';

/** The process as it is shipped: built, its log on standard output. */
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const PASSWORD = 'a-password-that-no-log-may-show';
const API_KEY = 'clv_a-key-that-no-log-may-show-0123456789';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'clove-gateway-main-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

type Running = {
  child: ChildProcessByStdio<null, Readable, Readable>;
  log: () => string;
  exit: Promise<number | null>;
};
const start = (env: Record<string, string>): Running => {
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  return { child, log: () => log, exit: new Promise((resolve) => child.once('close', resolve)) };
};
const baseEnv = () => ({
  DATABASE_URL: freshDatabaseUrl(inject('databaseUrl')),
  REDIS_URL: inject('redisUrl'),
  ARTIFACTS_DIR: path.join(dir, 'artifacts'),
  PORT: '0',
});

describe('the process', () => {
  test('refuses to start where others could sign in as admin/admin, and says what to do', async () => {
    for (const env of [{ HOST: '0.0.0.0' }, { HOST: '::', CLOVE_ADMIN_PASSWORD: 'admin' }]) {
      const { exit, log } = start({ ...baseEnv(), ...env });
      expect(await exit).toBe(1);
      expect(log()).toContain('set CLOVE_ADMIN_PASSWORD');
    }
  });

  test('names every variable that is missing', async () => {
    const { exit, log } = start({});
    expect(await exit).toBe(1);
    expect(log()).toMatch(/DATABASE_URL/);
    expect(log()).toMatch(/REDIS_URL/);
    expect(log()).toMatch(/ARTIFACTS_DIR/);
  });

  test('says so where its port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { exit, log } = start({ ...baseEnv(), PORT: String(port) });
    expect(await exit).toBe(1);
    expect(log()).toContain(`port ${port} of 127.0.0.1 is in use`);
    taken.close();
  });

  test('starts on an empty database, serves, logs no secret, and stops in order', async () => {
    const running = start({ ...baseEnv(), CLOVE_ADMIN_PASSWORD: PASSWORD, CLOVE_API_KEY: API_KEY, LOG_LEVEL: 'trace' });
    const address = () => /"url":"(http:[^"]+)"/.exec(running.log())?.[1];
    await expect.poll(address, { timeout: 30_000 }).toBeDefined();
    const url = address()!;
    const json = { 'content-type': 'application/json' };
    const post = (route: string, body: object, headers: Record<string, string>) =>
      fetch(url + route, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) });

    const signIn = await post('/v1/login', { username: 'admin', password: PASSWORD }, {});
    expect(signIn.status).toBe(200);
    const cookie = signIn.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    await post('/v1/login', { username: 'admin', password: `${PASSWORD}-mistyped` }, {});
    await post('/v1/login', { username: 'admin', secret: PASSWORD, password: 7 }, {});
    const made = await post('/v1/api-keys', { name: 'x' }, { cookie });
    const { secret } = NewApiKey.parse(await made.json());
    const authorization = `Bearer ${secret}`;
    expect((await fetch(`${url}/v1/me`, { headers: { authorization } })).status).toBe(200);
    expect((await fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${API_KEY}` } })).status).toBe(200);
    expect(
      (await fetch(`${url}/v1/me?token=${secret}`, { headers: { authorization: 'Bearer wrong-key' } })).status,
    ).toBe(401);
    const { payload, headers } = form({}, { 'a.csv': 'customer_id\nzoe@example.org\n' });
    const requestId = { 'x-request-id': 'trace-this-one' };
    const upload = await fetch(`${url}/v1/datasets`, {
      method: 'POST',
      headers: { ...headers, ...requestId, authorization },
      body: payload,
    });
    expect(upload.status).toBe(202);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);

    running.child.kill('SIGTERM');
    expect(await running.exit).toBe(0);
    const log = running.log();
    expect(log).toContain('"requestId":"trace-this-one"');
    const token = cookie.slice(cookie.indexOf('=') + 1);
    const { password: databasePassword } = new URL(inject('databaseUrl'));
    const secrets = { PASSWORD, API_KEY, secret, token, data: 'zoe@example.org', databasePassword };
    const shown = Object.entries(secrets).filter(([, value]) => value.length > 3 && log.includes(value));
    expect(shown).toEqual([]);
  });
});
