import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type TestGateway, openTestGateway } from '../test-support.js';

const servers = { databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') };
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway(servers);
});
afterAll(() => gateway.close());
const get = (url: string, accept = 'text/html,*/*') => gateway.app.inject({ url, headers: { accept } });

describe('the web app', () => {
  test('answers at / and at every address that is not the API, so that links into it work', async () => {
    for (const url of ['/', '/datasets', '/models/shop/3', '/v2/nothing?x=1']) {
      const response = await get(url);
      expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
      expect(response.body).toContain('<div id="root">');
      expect(response.headers['cache-control']).toBe('no-cache');
      expect(response.headers['content-security-policy']).toMatch(/script-src 'self';/);
      expect(response.headers['content-security-policy']).not.toMatch(/unsafe-eval/);
    }
  });

  test('leaves the API and what is no page alone: an unknown address there is a problem in JSON', async () => {
    for (const [url, accept] of [
      ['/v1/nothing', 'text/html'],
      ['/docs/nothing', 'text/html'],
      ['/assets/nothing.js', 'text/html'],
      ['/nothing', 'application/json'],
    ] as const) {
      const response = await get(url, accept);
      expect(response.statusCode, url).toBe(404);
      expect(response.headers['content-type'], url).toMatch(/json/);
    }
  });

  test('has files that browsers keep for good, compressed where they take it', async () => {
    const script = /src="(\/assets\/[^"]+\.js)"/.exec((await get('/')).body)?.[1] ?? '';
    const plain = await gateway.app.inject(script);
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(plain.headers['content-type']).toMatch(/javascript/);
    const packed = await gateway.app.inject({ url: script, headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(packed.rawPayload.length).toBeLessThan(plain.rawPayload.length / 2);
  });

  test('says how to sign in only while admin/admin works', async () => {
    expect((await get('/')).body).toContain('<meta name="clove-local-password"');
    const guarded = await openTestGateway(servers, { CLOVE_ADMIN_PASSWORD: 'something of my own' });
    try {
      expect((await guarded.app.inject('/')).body).not.toContain('clove-local-password');
    } finally {
      await guarded.close();
    }
  });
});
