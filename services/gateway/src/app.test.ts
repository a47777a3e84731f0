import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { CloveError, PROBLEMS, Problem, type ProblemCode } from '@clove/contracts';
import { DEFAULT_TENANT, type UnboundRegistry } from '@clove/store';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { buildApp } from './app.js';
import { type TestGateway, bearer, call, openTestGateway } from './test-support.js';

const gone = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.1'));

const servers = () => ({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway(servers());
});
afterAll(() => gateway.close());

type Operation = {
  operationId: string;
  summary: string;
  tags: string[];
  security?: object[];
  parameters?: { name: string; in: string }[];
  responses: Record<string, { description: string; content?: Record<string, unknown> }>;
};
type Document = {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown> };
};
const readDocument = async (): Promise<Document> => (await gateway.app.inject('/openapi.json')).json<Document>();
const operationsOf = (document: Document) =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
const refsOf = (value: unknown): string[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => (key === '$ref' ? [String(child)] : refsOf(child)));
};
/** The registry, but for the list of jobs, which fails. */
const withoutJobs = (why: () => Error): UnboundRegistry => {
  const { registry } = gateway.gateway;
  const { jobs, ...tenants } = registry.forTenant(DEFAULT_TENANT);
  const bound = { ...tenants, jobs: { ...jobs, list: () => Promise.reject(why()) } };
  return { ...registry, forTenant: () => bound };
};
const problemOf = (response: { statusCode: number; headers: Record<string, unknown>; body: string }): Problem => {
  expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
  const problem = Problem.parse(JSON.parse(response.body));
  expect(problem.status).toBe(response.statusCode);
  return problem;
};

describe('the OpenAPI document', () => {
  test('is 3.1 and every reference in it resolves', async () => {
    const document = await readDocument();
    expect(document.openapi).toBe('3.1.0');
    const refs = refsOf(document);
    expect(refs.length).toBeGreaterThan(100);
    for (const ref of refs) {
      expect(ref).toMatch(/^#\/components\/schemas\/[A-Za-z]+$/);
      expect(document.components.schemas).toHaveProperty(ref.slice('#/components/schemas/'.length));
    }
    const used = new Set(refs.map((ref) => ref.slice('#/components/schemas/'.length)));
    expect(Object.keys(document.components.schemas).filter((name) => !used.has(name))).toEqual([]);
  });

  test('describes every route: id, summary, tags, parameters, good answers and problems', async () => {
    const operations = operationsOf(await readDocument());
    expect(operations.length).toBeGreaterThan(35);
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    const faults = operations.flatMap(({ path, method, operation }) => {
      const statuses = Object.keys(operation.responses);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      const checks = {
        'has a summary': /\S/.test(operation.summary),
        'has one tag': operation.tags.length === 1,
        'has a good answer': statuses.some((status) => status.startsWith('2')),
        'names 401 and the rest':
          !path.startsWith('/v1/') || (statuses.includes('401') && statuses.includes('default')),
        'describes its answers': Object.values(operation.responses).every(({ description }) => /\S/.test(description)),
        'answers problems as such': Object.entries(operation.responses)
          .filter(([status]) => /^[45]|default/.test(status))
          .every(([, { content }]) => Object.keys(content ?? {}).join() === 'application/problem+json'),
        'declares its path': declared.map(({ name }) => name).join() === inPath.join(),
      };
      return Object.entries(checks).flatMap(([check, holds]) => (holds ? [] : [`${method} ${path}: not ${check}`]));
    });
    expect(faults).toEqual([]);
  });

  test('describes uploads as forms with files', async () => {
    const document = await readDocument();
    expect(document.paths['/v1/datasets']?.post).toMatchObject({
      requestBody: { content: { 'multipart/form-data': { schema: { $ref: '#/components/schemas/DatasetForm' } } } },
    });
    expect(document.paths['/v1/predictions']?.post).toMatchObject({
      requestBody: { content: { 'application/json': {}, 'multipart/form-data': {} } },
    });
    expect(document.components.schemas.PredictionForm).toMatchObject({ required: ['file'] });
  });

  test('is the one that is committed, from which clients are generated', async () => {
    const committed = await readFile(new URL('../openapi.json', import.meta.url), 'utf8');
    const { body } = await gateway.app.inject('/openapi.json');
    expect(body === committed, 'services/gateway/openapi.json is old: run `pnpm openapi` and commit it').toBe(true);
  });

  test('is the same for another app', async () => {
    const other = await buildApp(gateway.gateway);
    expect((await other.inject('/openapi.json')).body).toBe((await gateway.app.inject('/openapi.json')).body);
    await other.close();
  });

  test('has a section for every tag, in an order of its own', async () => {
    const { tags, paths } = (await gateway.app.inject('/openapi.json')).json<{
      tags: { name: string }[];
      paths: Record<string, Record<string, { tags: string[] }>>;
    }>();
    const used = Object.values(paths).flatMap((path) => Object.values(path).flatMap((operation) => operation.tags));
    expect(tags.map(({ name }) => name).toSorted()).toEqual([...new Set(used)].toSorted());
  });

  test('has a page that loads nothing from elsewhere', async () => {
    const page = await gateway.app.inject('/docs');
    expect(page.statusCode).toBe(200);
    expect(page.body).toContain('<title>Clove API</title>');
    expect(page.body).not.toMatch(/(src|href)="https?:/);
    expect(page.headers['content-security-policy']).toContain("default-src 'self'");
  });
});

describe('authentication', () => {
  test('takes no unknown API key, and asks for one in the answer', async () => {
    const response = await gateway.app.inject({ url: '/v1/me', headers: { authorization: 'Bearer clv_wrong' } });
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  test('while admin/admin is in force, takes requests for loopback names only', async () => {
    const response = await gateway.app.inject({ url: '/v1/me', headers: { ...bearer, host: 'rebound.example:3000' } });
    expect(problemOf(response).code).toBe('forbidden');
    const local = await gateway.app.inject({ url: '/v1/me', headers: { ...bearer, host: '[::1]:3000' } });
    expect(local.statusCode).toBe(200);
  });
});

describe('problems', () => {
  test('a route that is not there is a 404, whatever the method', async () => {
    for (const [method, url] of [
      ['GET', '/v1/nothing'],
      ['PATCH', '/v1/runs/'],
      ['GET', '/etc/passwd?x=secret'],
    ] as const) {
      const response = await gateway.app.inject({ method, url });
      const problem = problemOf(response);
      expect(problem).toMatchObject({ code: 'not-found', status: 404, type: 'urn:clove:problem:not-found' });
      expect(problem.instance).toBe(url.split('?')[0]);
      expect(response.body).not.toContain('secret');
    }
  });

  test('a method that a path does not take is a 405 that names those that it does', async () => {
    const id = `job_${'0'.repeat(22)}`;
    for (const [method, url, allow] of [
      ['PATCH', '/v1/runs?x=1', 'GET, POST'],
      ['POST', `/v1/jobs/${id}`, 'GET'],
      ['PUT', `/v1/datasets/${id}`, 'DELETE, GET'],
      ['DELETE', '/healthz', 'GET'],
    ] as const) {
      const response = await gateway.app.inject({ method, url });
      expect(problemOf(response)).toMatchObject({ code: 'method-not-allowed', status: 405 });
      expect(response.headers.allow).toBe(allow);
    }
  });

  test('a misspelt filter is refused by name, and does not list everything', async () => {
    const problem = problemOf(await call(gateway.app, 'GET', '/v1/jobs?statsu=failed'));
    expect(problem).toMatchObject({ code: 'invalid-input', status: 422 });
    expect(problem.errors?.map((error) => error.pointer)).toEqual(['/statsu']);
  });

  test('each bad field has a JSON pointer', async () => {
    const response = await call(gateway.app, 'POST', '/v1/runs', {
      datasetId: 'ds_1',
      hidden: [128, 0],
      dropout: 2,
      learningrate: 0.1,
      'a/b~c': 1,
    });
    const problem = problemOf(response);
    expect(problem).toMatchObject({ code: 'invalid-input', status: 422 });
    const pointers = problem.errors?.map((error) => error.pointer);
    expect(pointers?.toSorted()).toEqual(
      ['/datasetId', '/hidden/1', '/dropout', '/learningrate', '/a~1b~0c'].toSorted(),
    );
  });

  test('a bad query is told with its field', async () => {
    const problem = problemOf(await call(gateway.app, 'GET', '/v1/jobs?limit=1000&status=lost'));
    expect(problem.errors?.map((error) => error.pointer).toSorted()).toEqual(['/limit', '/status']);
    expect(problem.detail).toContain('the query');
  });

  test('a path that can name nothing is a 404', async () => {
    expect(problemOf(await call(gateway.app, 'GET', '/v1/datasets/../../etc/passwd')).status).toBe(404);
    const none = problemOf(await call(gateway.app, 'GET', '/v1/datasets/ds_none'));
    expect(none.code).toBe('not-found');
    expect(none.detail).toContain('must be an id: "ds_" and 22 letters and digits');
    expect(problemOf(await call(gateway.app, 'GET', `/v1/datasets/ds_${'0'.repeat(22)}`)).code).toBe('not-found');
    expect(problemOf(await call(gateway.app, 'GET', '/v1/models/clv/versions/one')).code).toBe('not-found');
  });

  test("fastify's own refusals are ours too", async () => {
    const json = { 'content-type': 'application/json' };
    const broken = await call(gateway.app, 'POST', '/v1/runs', '{"datasetId":', json);
    expect(problemOf(broken)).toMatchObject({ code: 'bad-request', status: 400 });
    const empty = await call(gateway.app, 'POST', '/v1/runs', '', json);
    expect(problemOf(empty).code).toBe('bad-request');
    const poison = await call(gateway.app, 'POST', '/v1/runs', '{"__proto__":{"x":1}}', json);
    expect(problemOf(poison).code).toBe('bad-request');
    const text = await call(gateway.app, 'POST', '/v1/runs', 'datasetId=1', { 'content-type': 'text/plain' });
    expect(problemOf(text)).toMatchObject({ code: 'unsupported-media-type', status: 415 });
    const large = await call(
      gateway.app,
      'POST',
      '/v1/score',
      JSON.stringify({ rows: [{ a: 'x'.repeat(9e6) }] }),
      json,
    );
    expect(problemOf(large)).toMatchObject({ code: 'upload-too-large', status: 413 });
    expect(problemOf(large).detail).toContain(String(8 * 1024 * 1024));
    const url = await gateway.app.inject('/v1/%E0%A4%A');
    expect(url.statusCode).toBe(400);
    expect(problemOf(url).code).toBe('bad-request');
  });

  test('an unknown error says nothing of itself but its request id', async () => {
    const broken = await buildApp({
      ...gateway.gateway,
      registry: withoutJobs(() => new Error('secret at /home/clove/x.ts')),
    });
    const response = await call(broken, 'GET', '/v1/jobs', undefined, { 'x-request-id': 'trace-1' });
    expect(problemOf(response)).toMatchObject({ code: 'internal', status: 500, requestId: 'trace-1' });
    expect(response.body).not.toMatch(/secret|\/home|stack/);
    await broken.close();
  });

  test('every code has the status that its problem bears', async () => {
    let code: ProblemCode = 'internal';
    const registry = withoutJobs(() => new CloveError(code, 'what to do'));
    const broken = await buildApp({ ...gateway.gateway, registry });
    for (code of Object.keys(PROBLEMS) as ProblemCode[]) {
      const response = await call(broken, 'GET', '/v1/jobs');
      expect(problemOf(response)).toMatchObject({ code, status: PROBLEMS[code].status, detail: 'what to do' });
    }
    await broken.close();
  });

  test('what is no HTTP is a problem too', async () => {
    const other = await buildApp(gateway.gateway);
    const { port } = new URL(await other.listen({ host: '127.0.0.1', port: 0 }));
    const socket = connect(Number(port), '127.0.0.1');
    socket.end('NONSENSE\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\ncontent-type: application\/problem\+json/);
    expect(Problem.parse(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))))).toMatchObject({ code: 'bad-request' });
    await other.close();
  });
});

describe('request ids', () => {
  test('a sane one is kept, another is replaced', async () => {
    const kept = await gateway.app.inject({ url: '/healthz', headers: { 'x-request-id': 'abc-123' } });
    expect(kept.headers['x-request-id']).toBe('abc-123');
    for (const id of ['has space', 'x'.repeat(101), 'evil"}', '']) {
      const { headers } = await gateway.app.inject({ url: '/healthz', headers: { 'x-request-id': id } });
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  test('one is in the job that the request makes', async () => {
    const response = await call(
      gateway.app,
      'POST',
      '/v1/datasets/generate',
      { generator: 'features', customers: 10 },
      { 'x-request-id': 'trace-42' },
    );
    expect(response.statusCode).toBe(202);
    expect(response.json<{ job: { requestId: string } }>().job.requestId).toBe('trace-42');
  });
});

describe('probes', () => {
  test('alive and ready', async () => {
    expect((await gateway.app.inject('/healthz')).json()).toEqual({ status: 'ok' });
    const ready = await gateway.app.inject('/readyz');
    expect(ready.json()).toEqual({ status: 'ok' });
  });

  test('names the part that is not ready', async () => {
    const { registry, producer, artifacts } = gateway.gateway;
    const broken = await buildApp({
      ...gateway.gateway,
      registry: { ...registry, ping: gone },
      producer: { ...producer, ping: () => new Promise(() => {}) },
      artifacts: { ...artifacts, put: gone },
    });
    const response = await broken.inject('/readyz');
    const problem = problemOf(response);
    expect(problem).toMatchObject({ code: 'unavailable', status: 503 });
    expect(problem.errors?.map((error) => error.pointer)).toEqual(['/postgres', '/redis', '/artifacts']);
    expect(response.body).not.toContain('10.0.0.1');
    expect((await broken.inject('/healthz')).statusCode).toBe(200);
    await broken.close();
  });

  test('metrics count requests by route, queues and jobs by status', async () => {
    await call(gateway.app, 'GET', '/v1/jobs?limit=1');
    await call(gateway.app, 'POST', '/v1/datasets/generate', { generator: 'features', customers: 10 });
    const response = await gateway.app.inject('/metrics');
    expect(response.statusCode).toBe(200);
    expect(response.body).toMatch(
      /clove_http_request_duration_seconds_count\{method="GET",route="\/v1\/jobs",status="200"\} \d/,
    );
    expect(response.body).toMatch(/clove_queue_jobs\{queue="ingest",state="waiting"\} [1-9]/);
    expect(response.body).toMatch(/clove_jobs\{kind="ingest",status="queued"\} [1-9]/);
    expect(response.body).toMatch(/clove_job_oldest_queued_seconds\{kind="ingest"\} \d/);
    expect(response.body).toMatch(/clove_job_attempts\{status="lost"\} 0/);
    expect(response.body).toMatch(/clove_workers\{queue="train"\} 0/);
    expect(response.body).toContain('process_cpu_user_seconds_total');
  });
});

describe('what is accepted is not lost', () => {
  test('a job that the queue refused is queued by the reconciler', async () => {
    const { producer, registry } = gateway.gateway;
    const broken = await buildApp({
      ...gateway.gateway,
      producer: { ...producer, enqueue: () => Promise.reject(new CloveError('unavailable', 'Redis is away')) },
    });
    const response = await call(broken, 'POST', '/v1/datasets/generate', { generator: 'features', customers: 10 });
    expect(response.statusCode).toBe(202);
    await broken.close();
    const { id } = response.json<{ job: { id: string } }>().job;
    expect((await registry.jobs.get(id)).status).toBe('queued');
    expect(await producer.has('ingest', id, 1)).toBe(false);
    // its first round is over when it is closed
    const next = await buildApp(gateway.gateway);
    await next.ready();
    await next.close();
    expect(await producer.has('ingest', id, 1)).toBe(true);
  });
});
