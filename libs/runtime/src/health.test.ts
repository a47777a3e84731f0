import { expect, inject, test } from 'vitest';
import { serveHealth, serveWorkerHealth } from './health.js';
import { createLogger } from './logger.js';

test('a worker is alive while its event loop turns, and ready while its parts answer', async () => {
  let broken: Error | undefined;
  const checks = { postgres: async () => (broken ? Promise.reject(broken) : 1), redis: async () => 'PONG' };
  const health = await serveHealth({ port: 0, host: '127.0.0.1', checks, logger: createLogger('test', 'silent') });
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${health.port}${path}`, { method });
    return [response.status, await response.json()];
  };
  try {
    expect(await get('/healthz')).toEqual([200, { status: 'ok' }]);
    expect(await get('/readyz')).toEqual([200, { status: 'ok' }]);
    broken = new Error('connect ECONNREFUSED 10.1.2.3:5432');
    expect(await get('/readyz')).toEqual([503, { status: 'not ready', parts: ['postgres'] }]);
    expect((await get('/healthz'))[0]).toBe(200);
    expect((await get('/elsewhere'))[0]).toBe(404);
    const metrics = await fetch(`http://127.0.0.1:${health.port}/metrics`);
    expect(await metrics.text()).toMatch(/^process_resident_memory_bytes [1-9]/m);
    expect((await get('/readyz', 'POST'))[0]).toBe(405);
  } finally {
    await health.close();
  }
  await expect(fetch(`http://127.0.0.1:${health.port}/healthz`)).rejects.toThrow('fetch failed');
});

test('a part that does not answer within the limit of a probe is not ready', async () => {
  const checks = { redis: () => new Promise<never>(() => {}) };
  const health = await serveHealth({ port: 0, host: '127.0.0.1', checks, logger: createLogger('test', 'silent') });
  try {
    const response = await fetch(`http://127.0.0.1:${health.port}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: 'not ready', parts: ['redis'] });
  } finally {
    await health.close();
  }
});

test('a worker looks after its Redis, and opens no port that nobody asked for', async () => {
  const logger = createLogger('test', 'silent');
  expect(await serveWorkerHealth({ REDIS_URL: inject('redisUrl') }, logger, {})).toBeUndefined();
  const statusWith = async (redisUrl: string) => {
    const health = await serveWorkerHealth({ REDIS_URL: redisUrl, HEALTH_PORT: 0 }, logger, {});
    if (health === undefined) throw new Error('no health endpoint');
    try {
      return (await fetch(`http://127.0.0.1:${health.port}/readyz`)).status;
    } finally {
      await health.close();
    }
  };
  expect(await statusWith(inject('redisUrl'))).toBe(200);
  expect(await statusWith('redis://127.0.0.1:1')).toBe(503);
});
