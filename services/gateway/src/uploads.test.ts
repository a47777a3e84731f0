import { createReadStream } from 'node:fs';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Accepted, Dataset, Problem } from '@clove/contracts';
import { artifactKeys, sweepArtifacts } from '@clove/store';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { type TestGateway, bearer, call, form, openTestGateway } from './test-support.js';
import { isArriving, labelOf } from './uploads.js';

const LIMIT = 1_000_000;
const servers = () => ({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
let gateway: TestGateway;
let url: string;
beforeAll(async () => {
  gateway = await openTestGateway(servers(), { UPLOAD_LIMIT_BYTES: String(LIMIT) });
  url = await gateway.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => gateway.close());

/** Every file that the store holds or was about to hold. */
const stored = async () => {
  const entries = await readdir(gateway.dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
};
const post = (fields: Record<string, string>, files: Record<string, string>, route = '/v1/datasets') => {
  const { payload, headers } = form(fields, files);
  return call(gateway.app, 'POST', route, payload, headers);
};
const refusedAndGone = async (...upload: Parameters<typeof post>): Promise<Problem> => {
  const before = await stored();
  const response = await post(...upload);
  const problem = Problem.parse(response.json());
  expect(response.statusCode).toBe(problem.status);
  expect(await stored()).toEqual(before);
  return problem;
};

describe('an upload', () => {
  test('of several files is stored byte for byte, over a real connection', async () => {
    const body = new FormData();
    const orders = `id;amount\r\n${'1;2,5\r\n'.repeat(60_000)}`;
    body.append('name', 'shop of Zoë');
    body.append('options', new Blob([JSON.stringify({ delimiter: ';' })], { type: 'application/json' }));
    body.append('file', new Blob([orders]), 'orders.csv');
    body.append('file', new Blob(['id\n1\n']), '../../käufer x.csv');
    const response = await fetch(`${url}/v1/datasets`, { method: 'POST', headers: bearer, body });
    expect(response.status).toBe(202);
    const { id } = Accepted.parse(await response.json());
    const dataset = Dataset.parse((await call(gateway.app, 'GET', `/v1/datasets/${id}`)).json());
    expect(dataset.name).toBe('shop of Zoë');
    expect(dataset.source.files).toEqual([
      { name: 'orders.csv', bytes: orders.length },
      { name: 'käufer x.csv', bytes: 5 },
    ]);
    const source = await gateway.gateway.registry.datasets.source(id);
    expect(source).toMatchObject({
      options: { delimiter: ';', mapping: {}, ignoreColumns: [] },
      files: [{ key: `uploads/${id}/0` }, { key: `uploads/${id}/1` }],
    });
    expect(await readFile(path.join(gateway.dir, 'uploads', id, '0'), 'utf8')).toBe(orders);
  });

  test('takes the name of its first file where none is given', async () => {
    const { id } = Accepted.parse((await post({}, { 'may.csv': 'a\n1\n' })).json());
    expect(Dataset.parse((await call(gateway.app, 'GET', `/v1/datasets/${id}`)).json()).name).toBe('may.csv');
  });

  test('at the limit is taken, above it is refused with the limit in the message', async () => {
    expect((await post({}, { 'a.csv': 'x'.repeat(LIMIT) })).statusCode).toBe(202);
    const over = await refusedAndGone({}, { 'a.csv': 'x'.repeat(LIMIT + 1) });
    expect(over).toMatchObject({ code: 'upload-too-large', status: 413 });
    expect(over.detail).toContain(String(LIMIT));
    const together = await refusedAndGone({}, { 'a.csv': 'x'.repeat(LIMIT - 5), 'b.csv': 'x'.repeat(6) });
    expect(together.code).toBe('upload-too-large');
  });

  test('far above the limit is refused over a real connection, too, and the connection stays usable', async () => {
    const before = await stored();
    const body = new FormData();
    body.append('file', new Blob(['x'.repeat(30 * LIMIT)]), 'a.csv');
    const response = await fetch(`${url}/v1/datasets`, { method: 'POST', headers: bearer, body });
    expect(Problem.parse(await response.json()).code).toBe('upload-too-large');
    expect(await stored()).toEqual(before);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test('without a file, with an empty one, or not as a form is refused', async () => {
    expect(await refusedAndGone({ name: 'x' }, {})).toMatchObject({ code: 'data-empty' });
    expect(await refusedAndGone({}, { 'ok.csv': 'a\n', 'none.csv': '' })).toMatchObject({ code: 'data-empty' });
    const json = await call(gateway.app, 'POST', '/v1/datasets', { name: 'x' });
    expect(Problem.parse(json.json())).toMatchObject({ code: 'unsupported-media-type', status: 415 });
    const cut = await call(gateway.app, 'POST', '/v1/datasets', '--b\r\nContent-Disp', {
      'content-type': 'multipart/form-data; boundary=b',
    });
    expect(cut.statusCode).toBeGreaterThanOrEqual(400);
    expect(cut.statusCode).toBeLessThan(500);
  });

  test('with a bad field is refused with a pointer to it', async () => {
    const file = { 'a.csv': 'a\n1\n' };
    expect(await refusedAndGone({ options: '{' }, file)).toMatchObject({ errors: [{ pointer: '/options' }] });
    expect(await refusedAndGone({ options: '{"mapping":{"costumer":"id"}}' }, file)).toMatchObject({
      code: 'invalid-input',
      errors: [{ pointer: '/options/mapping/costumer' }],
    });
    expect(await refusedAndGone({ colour: 'red' }, file)).toMatchObject({ errors: [{ pointer: '/colour' }] });
    expect(await refusedAndGone({ includeInputs: 'perhaps' }, file, '/v1/predictions')).toMatchObject({
      errors: [{ pointer: '/includeInputs' }],
    });
  });

  test('of too many files is refused', async () => {
    const files = Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`${n}.csv`, 'a\n']));
    const problem = await refusedAndGone({}, files);
    expect(problem).toMatchObject({ code: 'upload-too-large', status: 413 });
  });

  test('of a client that leaves in the middle leaves nothing behind', async () => {
    const before = await stored();
    const left = new Promise<void>((resolve) => {
      gateway.app.server.once('request', (_message, response) => response.once('close', resolve));
    });
    const client: ClientRequest = request(`${url}/v1/datasets`, {
      method: 'POST',
      headers: { ...bearer, 'content-type': 'multipart/form-data; boundary=b' },
    });
    client.on('error', () => undefined);
    client.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nid\n1\n2\n');
    // the first bytes have come as far as the store
    await expect.poll(async () => (await stored()).length).toBeGreaterThan(before.length);
    client.destroy();
    await left;
    await expect.poll(stored).toEqual(before);
  });
});

const held = () => process.memoryUsage().arrayBuffers;

test('a slow client and a large file cost no memory: the body is never held', async () => {
  const large = await openTestGateway(servers(), { UPLOAD_LIMIT_BYTES: String(200e6) });
  const address = await large.app.listen({ host: '127.0.0.1', port: 0 });
  const file = path.join(large.dir, 'source.bin');
  await writeFile(file, Buffer.alloc(150e6));
  const client = request(`${address}/v1/datasets`, {
    method: 'POST',
    headers: { ...bearer, 'content-type': 'multipart/form-data; boundary=b' },
  });
  const answered = new Promise<number | undefined>((resolve) => {
    client.once('response', (response) => resolve(response.resume().statusCode));
  });
  client.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n');
  let peak = 0;
  const start = held();
  await pipeline(
    createReadStream(file),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        peak = Math.max(peak, held() - start);
        yield chunk;
      }
    },
    client,
    { end: false },
  );
  client.end('\r\n--b--\r\n');
  expect(await answered).toBe(202);
  expect(peak).toBeLessThan(100e6);
  await large.close();
});

test('a name is only a label: no folders, no control characters, not too long', () => {
  expect(labelOf('../../etc/passwd', 0)).toBe('passwd');
  expect(labelOf('C:\\data\\orders.csv', 0)).toBe('orders.csv');
  expect(labelOf('a\u0000b\u202Ec\n.csv', 0)).toBe('abc.csv');
  expect(labelOf('', 1)).toBe('file 2');
  expect(labelOf(undefined, 0)).toBe('file 1');
  expect(labelOf('/', 0)).toBe('file 1');
  expect(labelOf('😀'.repeat(300), 0)).toBe('😀'.repeat(255));
});

describe('uploads of one user', () => {
  const openWith = (env: Record<string, string>) => openTestGateway(servers(), env);

  test('beyond the bytes of a day get 429 and when to come back', async () => {
    const strict = await openWith({ UPLOAD_DAILY_BYTES: '10' });
    const { payload, headers } = form({}, { 'a.csv': 'a\n1234567890\n' });
    const upload = () => call(strict.app, 'POST', '/v1/datasets', payload, headers);
    expect((await upload()).statusCode).toBe(202);
    const refused = await upload();
    expect(Problem.parse(refused.json())).toMatchObject({ code: 'too-many-requests', status: 429 });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3600);
    expect((await call(strict.app, 'GET', '/v1/datasets')).statusCode).toBe(200);
    await strict.close();
  });

  test('take as long as they take: only bodies without files have to arrive in time', async () => {
    const strict = await openWith({ BODY_SECONDS: '0.2' });
    const address = await strict.app.listen({ host: '127.0.0.1', port: 0 });
    const { payload, headers } = form({}, { 'a.csv': 'a\n1\n' });
    const slow = request(`${address}/v1/datasets`, { method: 'POST', headers: { ...bearer, ...headers } });
    const answered = new Promise<number | undefined>((resolve, reject) => {
      slow.on('response', (response) => resolve(response.statusCode)).on('error', reject);
    });
    const json = { ...bearer, 'content-type': 'application/json', 'content-length': '100' };
    const dawdling = request(`${address}/v1/runs`, { method: 'POST', headers: json });
    const refused = new Promise<number | undefined>((resolve, reject) => {
      dawdling.on('response', (response) => resolve(response.statusCode)).on('error', reject);
    });
    const sent = Buffer.from(payload);
    slow.write(sent.subarray(0, 20));
    dawdling.write('{');
    expect(await refused).toBe(408);
    dawdling.destroy();
    slow.end(sent.subarray(20));
    expect(await answered).toBe(202);
    await strict.close();
  });

  test('are so many at once; when one has ended, by whatever end, the next may begin', async () => {
    const strict = await openWith({ UPLOADS_AT_ONCE: '1' });
    const address = await strict.app.listen({ host: '127.0.0.1', port: 0 });
    const { payload, headers } = form({}, { 'a.csv': 'a\n1\n', 'b.csv': 'b\n2\n' });
    const first = request(`${address}/v1/datasets`, { method: 'POST', headers: { ...bearer, ...headers } });
    first.on('error', () => {});
    const sent = Buffer.from(payload);
    first.write(sent.subarray(0, sent.length - 10));
    // Its first file lies in the store: it counts.
    await vi.waitFor(async () => expect(await readdir(path.join(strict.dir, 'uploads'))).toHaveLength(1), {
      interval: 20,
      timeout: 20_000,
    });
    const upload = () => call(strict.app, 'POST', '/v1/datasets', payload, headers);
    expect((await upload()).statusCode).toBe(429);
    first.destroy();
    await vi.waitFor(async () => expect((await upload()).statusCode).toBe(202), { interval: 20, timeout: 20_000 });
    // Also who leaves at once, before it is known who they are, or who says all and does not wait for the answer.
    for (const part of [sent.subarray(0, 10), sent, sent.subarray(0, 40), sent]) {
      const leaving = request(`${address}/v1/datasets`, { method: 'POST', headers: { ...bearer, ...headers } });
      leaving.on('error', () => {});
      await new Promise<void>((resolve) => leaving.write(part, () => resolve()));
      leaving.destroy();
    }
    await vi.waitFor(async () => expect((await upload()).statusCode).toBe(202), { interval: 20, timeout: 20_000 });
    await strict.close();
  });
});

test('a sweep leaves the files of an upload that is under way, though the clock of the store jumps two days ahead', async () => {
  const { payload, headers } = form({}, { 'a.csv': 'a\n1\n', 'b.csv': 'b\n2\n' });
  const upload = request(`${url}/v1/datasets`, { method: 'POST', headers: { ...bearer, ...headers } });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    upload.on('response', (response) => resolve(response.statusCode)).on('error', reject);
  });
  const folder = path.join(gateway.dir, 'uploads');
  const before = new Set(await readdir(folder).catch(() => []));
  const sent = Buffer.from(payload);
  upload.write(sent.subarray(0, sent.length - 20));
  const first = await vi.waitFor(async () => {
    const [id] = (await readdir(folder)).filter((name) => !before.has(name));
    if (id === undefined) throw new Error('the first file has not arrived');
    return id;
  });
  const then = new Date(Date.now() - 2 * 24 * 3600 * 1000);
  for (const id of [first, ...before]) {
    for (const name of await readdir(path.join(folder, id))) await utimes(path.join(folder, id, name), then, then);
  }
  const { registry, artifacts } = gateway.gateway;
  const left = artifactKeys.upload('ds_0000000000000000000000', 0);
  await artifacts.put(left, 'x');
  await utimes(path.join(gateway.dir, left), then, then);
  expect(await sweepArtifacts(registry, artifacts, isArriving)).toEqual(['uploads/ds_0000000000000000000000']);
  upload.end(sent.subarray(sent.length - 20));
  expect(await answered).toBe(202);
  expect((await readdir(path.join(folder, first))).toSorted()).toEqual(['0', '1']);
  await vi.waitFor(() => expect(isArriving(first)).toBe(false));
});
