/** Hostile and broken requests: each gets its documented answer, and the requests after it work. */
import type { ApiKey, NewApiKey } from '@clove/contracts';
import { describe, expect, inject, test } from 'vitest';
import {
  apiKey,
  bearer,
  client,
  expectNothingInside,
  flood,
  host,
  raw,
  send,
  sendJson,
  seenOf,
  stackUrl,
} from './support.js';

const head = (line: string, ...more: string[]): string =>
  [line, `host: ${host}`, `authorization: Bearer ${apiKey}`, 'connection: close', ...more, '', ''].join('\r\n');
const BOUNDARY = '----clove';
const MULTIPART = `content-type: multipart/form-data; boundary=${BOUNDARY}`;
const part = (disposition: string, body: string): string =>
  `--${BOUNDARY}\r\ncontent-disposition: form-data; ${disposition}\r\n\r\n${body}\r\n`;
const CLOSE = `--${BOUNDARY}--\r\n`;
const form = (body: string) =>
  send('POST', '/v1/datasets', body, { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` });
const login = (body: string) => sendJson('/v1/login', body);
const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth);
const json = { 'content-type': 'application/json' };

type Case = [
  what: string,
  ask: () => Promise<{ status: number; code: string | null }>,
  status: number,
  code: string | null,
];

const REQUESTS: Case[] = [
  // bodies
  ['no JSON', () => login('{"username":'), 400, 'bad-request'],
  ['an empty body', () => login(''), 400, 'bad-request'],
  ['NaN in JSON', () => sendJson('/v1/score', '{"rows":[{"a":NaN}]}'), 400, 'bad-request'],
  ['Infinity in JSON', () => sendJson('/v1/score', '{"rows":[{"a":Infinity}]}'), 400, 'bad-request'],
  ['a number beyond all bounds', () => sendJson('/v1/score', '{"rows":[{"a":1e999}]}'), 422, 'invalid-input'],
  ['100,000 nested arrays', () => sendJson('/v1/score', nested(100_000, '[', ']')), 422, 'invalid-input'],
  [
    '100,000 nested objects',
    () => sendJson('/v1/score', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`),
    422,
    'invalid-input',
  ],
  [
    'nesting within a field',
    () => sendJson('/v1/score', `{"rows":${nested(100_000, '[', ']')}}`),
    422,
    'invalid-input',
  ],
  [
    'a body that would change the prototype',
    () => login('{"__proto__":{"admin":true},"username":"a","password":"b"}'),
    400,
    'bad-request',
  ],
  [
    'a body that would change the constructor',
    () => login('{"constructor":{"prototype":{"admin":true}}}'),
    400,
    'bad-request',
  ],
  ['a body that is null', () => login('null'), 422, 'invalid-input'],
  ['a body that is a number', () => login('1'), 422, 'invalid-input'],
  ['fields twice', () => login('{"username":"a","username":1,"password":"b"}'), 422, 'invalid-input'],
  ['fields that nobody reads', () => login('{"username":"a","password":"b","admin":true}'), 422, 'invalid-input'],
  [
    '100,000 fields that nobody reads',
    () => login(`{${Array.from({ length: 100_000 }, (_, n) => `"f${n}":1`).join(',')}}`),
    422,
    'invalid-input',
  ],
  [
    'a NUL in a user name',
    () => sendJson('/v1/users', { username: 'a\u0000b', password: 'long enough' }),
    422,
    'invalid-input',
  ],
  [
    'a NUL in a user name that signs in',
    () => sendJson('/v1/login', { username: 'a\u0000b', password: 'x' }),
    422,
    'invalid-input',
  ],
  [
    'a NUL in a reason',
    () => sendJson('/v1/models/none/aliases/champion/rollback', { reason: 'a\u0000' }),
    422,
    'invalid-input',
  ],
  [
    'a NUL in a mapping',
    () =>
      form(
        part('name="options"', '{"mapping":{"customer":"a\\u0000"}}') +
          part('name="file"; filename="a.csv"', 'x') +
          CLOSE,
      ),
    422,
    'invalid-input',
  ],
  [
    'half a surrogate pair in a name',
    () => sendJson('/v1/datasets/generate', '{"generator":"features","customers":5,"name":"\\ud800"}'),
    422,
    'invalid-input',
  ],
  [
    'letters that are no UTF-8',
    () => send('POST', '/v1/login', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), json),
    400,
    'bad-request',
  ],
  [
    'UTF-16',
    () => send('POST', '/v1/login', new Uint8Array(Buffer.from('{"username":"a"}', 'utf16le')), json),
    400,
    'bad-request',
  ],
  [
    '1,001 rows',
    () => sendJson('/v1/score', { rows: Array.from({ length: 1001 }, () => ({ a: 1 })) }),
    422,
    'invalid-input',
  ],
  [
    'a text of 10,001 letters',
    () => sendJson('/v1/score', { rows: [{ a: 'x'.repeat(10_001) }] }),
    422,
    'invalid-input',
  ],
  [
    'fifty million and one customers',
    () => sendJson('/v1/datasets/generate', { generator: 'features', customers: 50_000_001 }),
    422,
    'invalid-input',
  ],
  [
    'minus one customers',
    () => sendJson('/v1/datasets/generate', { generator: 'features', customers: -1 }),
    422,
    'invalid-input',
  ],
  [
    'networks of a million units',
    () => sendJson('/v1/runs', { datasetId: `ds_${'0'.repeat(22)}`, modelName: 'm', options: { hidden: [1_000_000] } }),
    422,
    'invalid-input',
  ],
  [
    'a password of 1,001 letters',
    () => sendJson('/v1/login', { username: 'a', password: 'x'.repeat(1001) }),
    422,
    'invalid-input',
  ],
  // kinds of content
  [
    'XML',
    () => send('POST', '/v1/login', '<a/>', { 'content-type': 'application/xml' }),
    415,
    'unsupported-media-type',
  ],
  [
    'a form of the web',
    () => send('POST', '/v1/login', 'username=a&password=b', { 'content-type': 'application/x-www-form-urlencoded' }),
    415,
    'unsupported-media-type',
  ],
  [
    'plain text',
    () => send('POST', '/v1/login', '{}', { 'content-type': 'text/plain' }),
    415,
    'unsupported-media-type',
  ],
  [
    'a kind of content of 8 KB',
    () => send('POST', '/v1/login', '{}', { 'content-type': `a/${'b'.repeat(8000)}` }),
    415,
    'unsupported-media-type',
  ],
  ['JSON where files belong', () => sendJson('/v1/datasets', {}), 415, 'unsupported-media-type'],
  [
    'gzip that nobody asked for',
    () => send('POST', '/v1/login', new Uint8Array([0x1f, 0x8b, 8, 0]), { ...json, 'content-encoding': 'gzip' }),
    400,
    'bad-request',
  ],
  // paths and queries
  ['a path that climbs', () => send('GET', '/v1/datasets/..%2f..%2fetc%2fpasswd'), 404, 'not-found'],
  ['assets that climb', () => send('GET', '/assets/..%2f..%2f..%2fpackage.json'), 403, 'forbidden'],
  ['assets that climb twice encoded', () => send('GET', '/assets/%252e%252e%252fpackage.json'), 404, 'not-found'],
  [
    'a file of a version that climbs',
    () => send('GET', '/v1/models/m/versions/1/artifacts/..%2fmodel.json'),
    404,
    'not-found',
  ],
  ['a NUL in a path', () => send('GET', '/v1/models/a%00b'), 404, 'not-found'],
  ['a path that is not encoded', () => send('GET', '/v1/models/%zz'), 400, 'bad-request'],
  ['an id that is SQL', () => send('GET', "/v1/datasets/ds_1'%20OR%20'1'='1"), 404, 'not-found'],
  ['an id of 10,000 letters', () => send('GET', `/v1/datasets/${'x'.repeat(10_000)}`), 404, 'not-found'],
  ['version 1e308', () => send('GET', '/v1/models/m/versions/1e308'), 404, 'not-found'],
  ['version beyond 32 bits', () => send('GET', '/v1/models/m/versions/9007199254740991'), 404, 'not-found'],
  ['version NaN', () => send('GET', '/v1/models/m/versions/NaN'), 404, 'not-found'],
  ['a cursor that is noise', () => send('GET', '/v1/datasets?cursor=AAAA%00'), 422, 'invalid-input'],
  [
    'a cursor that is JSON',
    () => send('GET', `/v1/jobs?cursor=${Buffer.from('{"id":{"$ne":1}}').toString('base64url')}`),
    400,
    'bad-request',
  ],
  ['a limit of minus one', () => send('GET', '/v1/jobs?limit=-1'), 422, 'invalid-input'],
  ['a limit of 1e308', () => send('GET', '/v1/jobs?limit=1e308'), 422, 'invalid-input'],
  ['a limit twice', () => send('GET', '/v1/jobs?limit=1&limit=2'), 422, 'invalid-input'],
  ['a parameter that nobody reads', () => send('GET', '/v1/jobs?admin=1'), 422, 'invalid-input'],
  ['a parameter of the prototype', () => send('GET', '/v1/jobs?__proto__=1'), 422, 'invalid-input'],
  ['a NUL in a filter', () => send('GET', '/v1/audit?actor=a%00b'), 422, 'invalid-input'],
  [
    'a day that is none',
    () => sendJson('/v1/predictions', { datasetId: `ds_${'0'.repeat(22)}`, asOf: '2024-02-30' }),
    422,
    'invalid-input',
  ],
  [
    'year 9999 of a dataset that is not there',
    () => sendJson('/v1/evaluations', { datasetId: `ds_${'0'.repeat(22)}`, model: 'm', testOrigin: '9999-12-31' }),
    404,
    'not-found',
  ],
  [
    'a reference that is a path',
    () => sendJson('/v1/score', { model: '../../x', rows: [{ a: 1 }] }),
    422,
    'invalid-input',
  ],
  // methods and headers
  ['a method that is not for the address', () => send('PATCH', '/v1/datasets'), 405, 'method-not-allowed'],
  ['a method to write files', () => send('PUT', '/index.html', 'x'), 404, 'not-found'],
  [
    'an Idempotency-Key of 300 letters',
    () =>
      send('POST', '/v1/datasets/generate', '{"generator":"features","customers":5}', {
        ...json,
        'idempotency-key': 'x'.repeat(300),
      }),
    422,
    'invalid-input',
  ],
  [
    'a key of 100 KB',
    async () =>
      seenOf(await fetch(`${stackUrl}/v1/me`, { headers: { authorization: `Bearer ${'x'.repeat(10_000)}` } })),
    401,
    'unauthenticated',
  ],
  [
    'cookies of another world',
    async () =>
      seenOf(await fetch(`${stackUrl}/v1/me`, { headers: { cookie: 'clove_session=%00%ff; clove_session=; =;;' } })),
    401,
    'unauthenticated',
  ],
  // forms
  ['a form without parts', () => form(CLOSE), 422, 'data-empty'],
  [
    'a form that ends in the middle',
    () => form(part('name="file"; filename="a.csv"', 'x').slice(0, -10)),
    400,
    'bad-request',
  ],
  [
    'a form without a boundary',
    () => send('POST', '/v1/datasets', 'x', { 'content-type': 'multipart/form-data' }),
    400,
    'bad-request',
  ],
  ['an empty part', () => form(part('name="file"; filename="a.csv"', '') + CLOSE), 422, 'data-empty'],
  ['a part without a name', () => form(part('filename="a.csv"', '') + CLOSE), 422, 'data-empty'],
  [
    '51 files',
    () => form(Array.from({ length: 51 }, (_, n) => part(`name="f${n}"; filename="${n}.csv"`, 'x')).join('') + CLOSE),
    413,
    'upload-too-large',
  ],
  [
    '100 fields',
    () => form(Array.from({ length: 100 }, (_, n) => part(`name="f${n}"`, 'x')).join('') + CLOSE),
    422,
    'invalid-input',
  ],
  ['a field of 300 KB', () => form(part('name="name"', 'x'.repeat(300_000)) + CLOSE), 422, 'invalid-input'],
  ['a field twice', () => form(part('name="name"', 'a') + part('name="name"', 'b') + CLOSE), 422, 'invalid-input'],
  [
    'a field of the prototype',
    () => form(part('name="__proto__"', 'a') + part('name="file"; filename="a.csv"', 'x') + CLOSE),
    400,
    'bad-request',
  ],
  ['options that are no JSON', () => form(part('name="options"', '{') + CLOSE), 422, 'invalid-input'],
  [
    'options that are deep JSON',
    () => form(part('name="options"', nested(50_000, '[', ']')) + CLOSE),
    422,
    'invalid-input',
  ],
  [
    'a part of 200 headers',
    () =>
      form(
        `--${BOUNDARY}\r\n${'x-a: b\r\n'.repeat(200)}content-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n\r\n${CLOSE}`,
      ),
    422,
    'data-empty',
  ],
];

/** The answer to bytes on a bare connection; without one the status is 0. */
const answerOf = (text: string): { status: number; code: string | null } => {
  expectNothingInside(text);
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0),
    code: /"code":"([^"]+)"/.exec(text)?.[1] ?? null,
  };
};

const CONNECTIONS: [what: string, ask: () => Promise<string>, status: number, code: string | null][] = [
  ['no HTTP', () => raw(['\u0016\u0003\u0001 this is TLS\r\n\r\n']), 400, 'bad-request'],
  ['a head of 100 KB', () => raw([head('GET /v1/me HTTP/1.1', `x-a: ${'a'.repeat(100_000)}`)]), 431, 'bad-request'],
  [
    'two lengths',
    () => raw([head('POST /v1/login HTTP/1.1', 'content-length: 2', 'content-length: 20'), '{}']),
    400,
    'bad-request',
  ],
  [
    'a length and chunks',
    () => raw([head('POST /v1/login HTTP/1.1', 'content-length: 2', 'transfer-encoding: chunked'), '0\r\n\r\n']),
    400,
    'bad-request',
  ],
  [
    '100 MB of JSON, refused by its length before it is sent',
    () => raw([head('POST /v1/score HTTP/1.1', 'content-type: application/json', 'content-length: 104857600'), '"x']),
    413,
    'upload-too-large',
  ],
  [
    'JSON without end, of no length',
    () =>
      raw([
        head('POST /v1/score HTTP/1.1', 'content-type: application/json', 'transfer-encoding: chunked'),
        `800001\r\n${'x'.repeat(0x800001)}\r\n`,
      ]),
    413,
    'upload-too-large',
  ],
  [
    '100 MB of JSON that are sent all the same',
    () =>
      flood(
        head('POST /v1/score HTTP/1.1', 'content-type: application/json', 'transfer-encoding: chunked'),
        `100000\r\n${'x'.repeat(0x100000)}\r\n`,
        100,
      ),
    413,
    'upload-too-large',
  ],
  [
    'a length that is negative',
    () => raw([head('POST /v1/login HTTP/1.1', 'content-length: -1'), '{}']),
    400,
    'bad-request',
  ],
  [
    'chunks that are none',
    () =>
      raw([head('POST /v1/login HTTP/1.1', 'content-type: application/json', 'transfer-encoding: chunked'), 'zz\r\n']),
    400,
    'bad-request',
  ],
  ['no host', () => raw(['GET /v1/me HTTP/1.1\r\nconnection: close\r\n\r\n']), 400, null],
  [
    'another host, as a page that was pointed here has it',
    () =>
      raw([
        `GET /v1/me HTTP/1.1\r\nhost: evil.example\r\nauthorization: Bearer ${apiKey}\r\nconnection: close\r\n\r\n`,
      ]),
    403,
    'forbidden',
  ],
  [
    'a body that comes too slowly',
    () => raw([head('POST /v1/login HTTP/1.1', 'content-type: application/json', 'content-length: 100'), '{"user']),
    408,
    'request-timeout',
  ],
  [
    'an upload that is half closed',
    () =>
      raw(
        [
          head('POST /v1/datasets HTTP/1.1', MULTIPART, 'content-length: 100000'),
          part('name="file"; filename="a.csv"', 'x').slice(0, -4),
        ],
        'half',
      ),
    400,
    'bad-request',
  ],
  [
    'an upload that is cut off',
    () =>
      raw(
        [
          head('POST /v1/datasets HTTP/1.1', MULTIPART, 'content-length: 100000'),
          part('name="file"; filename="a.csv"', 'x'.repeat(5000)).slice(0, -4),
        ],
        'cut',
      ),
    0,
    null,
  ],
  [
    'a request that is cut off',
    () => raw([head('POST /v1/login HTTP/1.1', 'content-length: 10').slice(0, 30)], 'cut'),
    0,
    null,
  ],
  ['a proxy asked for another site', () => raw([head('GET http://169.254.169.254/latest HTTP/1.1')]), 404, 'not-found'],
  ['a tunnel', () => raw([head('CONNECT 127.0.0.1:22 HTTP/1.1')]), 0, null],
  [
    'a protocol change',
    () =>
      raw([
        head('GET /v1/me HTTP/1.1', 'upgrade: websocket').replace('connection: close', 'connection: upgrade, close'),
      ]),
    200,
    null,
  ],
];

describe('a hostile request', () => {
  test.each(REQUESTS)('%s', async (_what, ask, status, code) => {
    const seen = await ask();
    expect({ status: seen.status, code: seen.code }).toEqual({ status, code });
  });

  test.each(CONNECTIONS)('%s', async (_what, ask, status, code) => {
    expect(answerOf(await ask())).toEqual({ status, code });
  });

  test('leaves nothing of an upload that was broken off, and the processes as they were', async () => {
    for (const { pid } of inject('stackProcesses')) expect(() => process.kill(pid, 0)).not.toThrow();
    const { items } = await client.get<{ items: ApiKey[] }>('/v1/api-keys');
    expect(items.length).toBeGreaterThan(0);
    expect((await send('GET', '/readyz')).status).toBe(200);
    expect(await send('GET', '/v1/me')).toMatchObject({ status: 200 });
  });
});

describe('what answers say to browsers', () => {
  test('every answer forbids scripts, frames and other sites, errors and files among them', async () => {
    for (const path of [
      '/v1/me',
      '/v1/none',
      '/healthz',
      '/openapi.json',
      '/',
      '/docs',
      '/assets/none.js',
      '/v1/datasets',
    ]) {
      const { headers } = await fetch(`${stackUrl}${path}`, { headers: { ...bearer, accept: 'text/html' } });
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy, path).toMatch(/default-src '(?:none|self)'/);
      expect(policy, path).not.toMatch(/script-src[^;]*unsafe-(?:inline|eval)/);
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(headers.get('x-frame-options'), path).toBe('SAMEORIGIN');
      expect(headers.get('cross-origin-resource-policy'), path).toBe('same-origin');
      expect(headers.get('referrer-policy'), path).toBe('same-origin');
      expect(headers.get('x-powered-by'), path).toBeNull();
      expect(headers.get('server'), path).toBeNull();
    }
  });

  test('pages of other sites read nothing: no answer bears a CORS header, asked beforehand or not', async () => {
    const headers = { ...bearer, origin: 'https://evil.example', 'access-control-request-method': 'POST' };
    for (const method of ['GET', 'OPTIONS', 'POST']) {
      const answer = await fetch(`${stackUrl}/v1/datasets`, { method, headers });
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });

  test('a key that is revoked opens nothing from then on', async () => {
    const made = await sendJson('/v1/api-keys', { name: 'hostile' });
    const { id, secret } = JSON.parse(made.text) as NewApiKey;
    const me = async () =>
      (await fetch(`${stackUrl}/v1/me`, { headers: { authorization: `Bearer ${secret}` } })).status;
    expect(await me()).toBe(200);
    expect((await send('DELETE', `/v1/api-keys/${id}`)).status).toBe(204);
    expect(await me()).toBe(401);
  });
});
