import { Accepted, Erasure, Problem } from '@clove/contracts';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type TestGateway, call, openTestGateway } from './test-support.js';

let t: TestGateway;
beforeAll(async () => {
  t = await openTestGateway({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
});
afterAll(() => t.close());

const analyst = async () => {
  const user = { username: 'analyst', password: 'long enough', role: 'analyst' };
  await call(t.app, 'POST', '/v1/users', user);
  const { cookies } = await t.app.inject({
    method: 'POST',
    url: '/v1/login',
    payload: { username: user.username, password: user.password },
  });
  return { cookie: `clove_session=${cookies[0]?.value}` };
};

test('an erasure is accepted with trimmed ids, each once, shown without them, and cancelled by administrators only', async () => {
  const body = { customers: [' who-asks ', 'who-asks', 'other'] };
  const answer = await call(t.app, 'POST', '/v1/erasures', body, { 'idempotency-key': 'k' });
  const { id, job } = Accepted.parse(answer.json());
  expect([answer.statusCode, job.kind]).toEqual([202, 'erasure']);
  const shown = await call(t.app, 'GET', `/v1/erasures/${id}`);
  expect(Erasure.parse(shown.json())).toMatchObject({ customers: 2, status: 'queued', result: { found: 0 } });
  for (const text of [answer.body, shown.body, (await call(t.app, 'GET', '/v1/audit')).body]) {
    expect(text).not.toContain('who-asks');
  }
  const again = await call(t.app, 'POST', '/v1/erasures', body, { 'idempotency-key': 'k' });
  expect([Accepted.parse(again.json()).id, again.headers['idempotency-replayed']]).toEqual([id, 'true']);

  const headers = await analyst();
  const cancel = await t.app.inject({ method: 'POST', url: `/v1/jobs/${job.id}/cancel`, headers });
  expect(Problem.parse(cancel.json())).toMatchObject({ status: 403, code: 'forbidden' });
  expect((await call(t.app, 'POST', `/v1/jobs/${job.id}/cancel`)).statusCode).toBe(202);
  const retried = await call(t.app, 'POST', `/v1/jobs/${job.id}/retry`);
  expect(Problem.parse(retried.json()).detail).toContain('Ask for the erasure again');
});

test.each([{}, { customers: [] }, { customers: [' '] }, { customers: Array.from({ length: 1001 }, String) }])(
  'what names nobody, or too many at once, is refused',
  async (body) => {
    expect((await call(t.app, 'POST', '/v1/erasures', body)).statusCode).toBe(422);
  },
);
