import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { GatewayEnv, ServiceEnv } from '@clove/contracts';
import { afterAll, expect, test } from 'vitest';
import { parseEnv } from './env.js';

const folder = mkdtempSync(path.join(tmpdir(), 'clove-env-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const good = {
  DATABASE_URL: 'postgresql://clove:hush-hush@127.0.0.1:5432/clove',
  REDIS_URL: 'redis://:hush-hush@127.0.0.1:6379',
  ARTIFACTS_DIR: '/srv/clove',
};

test('a complete environment is read, with defaults for the rest', () => {
  expect(parseEnv(GatewayEnv, { ...good, PORT: '4000' })).toMatchObject({ ...good, PORT: 4000, HOST: '127.0.0.1' });
});

test('every bad variable is named in one error, and no value is repeated', () => {
  const bad = { ...good, DATABASE_URL: 'mysql://hush-hush', REDIS_URL: '', PORT: 'many-hush-hush' };
  const attempt = () => parseEnv(GatewayEnv, bad);
  expect(attempt).toThrow(/DATABASE_URL: [^\n]+\n[^]*REDIS_URL: is not set[^]*PORT: /);
  expect(attempt).not.toThrow(/hush/);
});

test('an empty variable counts as unset, so that its default holds', () => {
  expect(parseEnv(GatewayEnv, { ...good, PORT: '' }).PORT).toBe(3000);
});

test('NAME_FILE gives the content of a file to NAME, and NAME itself wins over it', () => {
  const file = path.join(folder, 'redis-url');
  writeFileSync(file, 'redis://:from-file@127.0.0.1:6379\n');
  const { REDIS_URL: _, ...rest } = good;
  expect(parseEnv(ServiceEnv, { ...rest, REDIS_URL_FILE: file }).REDIS_URL).toBe('redis://:from-file@127.0.0.1:6379');
  expect(parseEnv(ServiceEnv, { ...good, REDIS_URL_FILE: file }).REDIS_URL).toBe(good.REDIS_URL);
});

test('a NAME_FILE that cannot be read is an error that names it; files of unknown names are not opened', () => {
  const { REDIS_URL: _, ...rest } = good;
  expect(() => parseEnv(ServiceEnv, { ...rest, REDIS_URL_FILE: '/no/such/file' })).toThrow(
    /REDIS_URL_FILE: \/no\/such/,
  );
  expect(parseEnv(ServiceEnv, { ...good, SSL_CERT_FILE: '/no/such/file' })).toMatchObject(good);
});
