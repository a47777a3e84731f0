import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import path from 'node:path';
import { Accepted, Problem } from '@clove/contracts';
import type { Answer } from '@clove/runtime';
import type { LightMyRequestResponse } from 'fastify';
import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { type TestGateway, bearer, call, form, openTestGateway } from './test-support.js';

const servers = () => ({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});
const openWith = async (env: Parameters<typeof openTestGateway>[1]): Promise<TestGateway> => {
  const gateway = await openTestGateway(servers(), env);
  open.push(gateway);
  return gateway;
};

const until = (check: () => Promise<void>) => vi.waitFor(check, { interval: 20, timeout: 20_000 });
const generate = ({ app }: TestGateway) =>
  call(app, 'POST', '/v1/datasets/generate', { generator: 'features', customers: 10 });
const refusalOf = (response: LightMyRequestResponse) => {
  const { status, code, detail } = Problem.parse(response.json());
  expect(response.statusCode).toBe(status);
  return { status, code, detail, retryAfter: response.headers['retry-after'] };
};

/** A model to score with, and a scorer that answers only once it is let go. */
async function withHeldScorer(gateway: TestGateway) {
  const dataset = Accepted.parse((await generate(gateway)).json());
  await gateway.work.ingest(dataset.job.id, dataset.id);
  const run = Accepted.parse(
    (await call(gateway.app, 'POST', '/v1/runs', { datasetId: dataset.id, modelName: 'm' })).json(),
  );
  await gateway.work.train(run.job.id, run.id);
  let letGo: () => void = () => {};
  const held = new Promise<void>((resolve) => (letGo = resolve));
  let asked = 0;
  const scorer = gateway.answer(async (): Promise<Answer> => {
    asked += 1;
    await held;
    return {
      ok: true,
      value: { predictions: [{ customer_id: '1', predicted_clv: 1, p_buy: null, low: 0, high: 2 }], warnings: [] },
    };
  });
  open.push(scorer);
  const body = { model: 'm', rows: [{ age: 1 }] };
  return {
    letGo,
    asked: () => asked,
    body,
    score: () => call(gateway.app, 'POST', '/v1/score', body),
  };
}

describe('requests', () => {
  test('beyond so many at once get 503 and when to come back; those under way are answered, and later ones too', async () => {
    const gateway = await openWith({ REQUESTS_AT_ONCE: '2' });
    const { letGo, asked, score } = await withHeldScorer(gateway);
    const underWay = [score(), score()];
    await until(async () => expect(asked()).toBe(1));
    const refused = await Promise.all([score(), call(gateway.app, 'GET', '/v1/jobs'), generate(gateway)]);
    for (const response of refused) {
      expect(refusalOf(response)).toEqual({
        status: 503,
        code: 'overloaded',
        retryAfter: '1',
        detail: expect.stringContaining('REQUESTS_AT_ONCE') as unknown,
      });
    }
    expect((await gateway.app.inject('/healthz')).statusCode).toBe(200);
    letGo();
    expect((await Promise.all(underWay)).map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect((await score()).statusCode).toBe(200);
    expect((await call(gateway.app, 'GET', '/v1/jobs')).statusCode).toBe(200);
  });

  test('with large bodies count for several, but one alone is always let in', async () => {
    const gateway = await openWith({ REQUESTS_AT_ONCE: '3' });
    const { letGo, asked, score, body } = await withHeldScorer(gateway);
    const large = { ...body, rows: Array.from({ length: 40 }, () => ({ note: 'x'.repeat(9000) })) };
    const scoreLarge = () => call(gateway.app, 'POST', '/v1/score', large);
    const underWay = score();
    await until(async () => expect(asked()).toBe(1));
    expect(refusalOf(await scoreLarge())).toMatchObject({ code: 'overloaded', retryAfter: '1' });
    expect((await call(gateway.app, 'GET', '/v1/jobs')).statusCode).toBe(200);
    letGo();
    await underWay;
    expect((await scoreLarge()).statusCode).toBe(200);
  });

  test('whose client has left count until what was begun for them has ended', async () => {
    const gateway = await openWith({ REQUESTS_AT_ONCE: '1' });
    const { letGo, asked, body } = await withHeldScorer(gateway);
    const address = await gateway.app.listen({ host: '127.0.0.1', port: 0 });
    const headers = { ...bearer, 'content-type': 'application/json' };
    const leaving = request(`${address}/v1/score`, { method: 'POST', headers }).on('error', () => {});
    leaving.end(JSON.stringify(body));
    await until(async () => expect(asked()).toBe(1));
    const gone = new Promise((resolve) => leaving.once('close', resolve));
    leaving.destroy();
    await gone;
    expect(refusalOf(await call(gateway.app, 'GET', '/v1/jobs'))).toMatchObject({ code: 'overloaded' });
    letGo();
    await until(async () => expect((await call(gateway.app, 'GET', '/v1/jobs')).statusCode).toBe(200));
  });
});

test('event streams and downloads beyond so many at once get 503; other requests do not wait for them', async () => {
  const gateway = await openWith({ STREAMS_AT_ONCE: '1', REQUESTS_AT_ONCE: '1' });
  const { job } = Accepted.parse((await generate(gateway)).json());
  const address = await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  const events = `/v1/jobs/${job.id}/events`;
  const reader = request(`${address}${events}`, { headers: bearer }).on('error', () => {});
  const begun = new Promise((resolve) => reader.once('response', (response) => resolve(response.statusCode)));
  reader.end();
  expect(await begun).toBe(200);
  expect(refusalOf(await call(gateway.app, 'GET', events))).toMatchObject({ code: 'overloaded', retryAfter: '1' });
  expect((await call(gateway.app, 'GET', `/v1/jobs/${job.id}`)).statusCode).toBe(200);
  reader.destroy();
  // of a job that has ended they end too
  expect((await call(gateway.app, 'POST', `/v1/jobs/${job.id}/cancel`)).statusCode).toBe(202);
  await until(async () => expect((await call(gateway.app, 'GET', events)).statusCode).toBe(200));
});

test('uploads beyond so many by all users get 503 before they are sent; when one has ended, the next may begin', async () => {
  const gateway = await openWith({ UPLOADS_IN_ALL: '1' });
  const address = await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  const { payload, headers } = form({}, { 'a.csv': `a\n${'1\n'.repeat(50_000)}` });
  const sent = Buffer.from(payload);
  const upload = () => call(gateway.app, 'POST', '/v1/datasets', payload, headers);
  const first = request(`${address}/v1/datasets`, { method: 'POST', headers: { ...bearer, ...headers } });
  const answered = new Promise((resolve) => first.once('response', (response) => resolve(response.statusCode)));
  first.write(sent.subarray(0, sent.length - 10));
  await until(async () => expect(await readdir(path.join(gateway.dir, '.aside'))).toHaveLength(1));
  expect(refusalOf(await upload())).toMatchObject({ status: 503, code: 'overloaded', retryAfter: '10' });
  expect((await call(gateway.app, 'GET', '/v1/datasets')).statusCode).toBe(200);
  first.end(sent.subarray(sent.length - 10));
  expect(await answered).toBe(202);
  await until(async () => expect((await upload()).statusCode).toBe(202));
});

describe('jobs', () => {
  test('beyond so many in the queue get 429, whatever would make them; once some have begun there is room', async () => {
    const gateway = await openWith({ QUEUED_JOBS: '2' });
    const [first] = [
      Accepted.parse((await generate(gateway)).json()),
      Accepted.parse((await generate(gateway)).json()),
    ];
    const full = { status: 429, code: 'too-many-requests', retryAfter: '30' };
    const { paths } = (await gateway.app.inject('/openapi.json')).json<{
      paths: Record<string, { post?: { operationId: string; responses: object } }>;
    }>();
    const makers = Object.entries(paths).filter(
      ([, { post }]) => post !== undefined && '202' in post.responses && !post.operationId.startsWith('cancel'),
    );
    expect(makers.length).toBeGreaterThanOrEqual(8);
    for (const [path] of makers) {
      const url = path.replace('{id}', first!.job.id).replace('{name}', 'x');
      expect([path, refusalOf(await call(gateway.app, 'POST', url))]).toMatchObject([path, full]);
    }
    const { payload, headers } = form({}, { 'a.csv': 'a\n1\n' });
    expect(refusalOf(await call(gateway.app, 'POST', '/v1/datasets', payload, headers))).toMatchObject(full);
    await gateway.work.ingest(first!.job.id, first!.id);
    expect((await generate(gateway)).statusCode).toBe(202);
    expect(refusalOf(await generate(gateway))).toMatchObject(full);
  });
});

test('every route under /v1 says that it may answer 429 and 503, and when to come back', async () => {
  const gateway = await openWith({});
  const { paths } = (await gateway.app.inject('/openapi.json')).json<{
    paths: Record<string, Record<string, { responses: Record<string, { headers?: object }> }>>;
  }>();
  const routes = Object.entries(paths).filter(([path]) => path.startsWith('/v1/'));
  const silent = routes.flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { responses }]) =>
      ['429', '503'].every((status) => 'Retry-After' in (responses[status]?.headers ?? {}))
        ? []
        : [`${method} ${path}`],
    ),
  );
  expect(routes.length).toBeGreaterThan(30);
  expect(silent).toEqual([]);
});
