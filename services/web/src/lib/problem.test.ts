import { expect, test } from 'vitest';
import { failureOf, fieldError } from './problem.js';

const problem = {
  type: 'urn:clove:problem:invalid-input',
  title: 'The input does not fit its contract',
  status: 422,
  detail: 'the request body, /horizonDays: must be at least 1',
  code: 'invalid-input',
  requestId: 'r-1',
  errors: [{ pointer: '/horizonDays', detail: 'must be at least 1' }],
};

test('a problem of the gateway keeps its words, its code, the request id and what is wrong with each field', () => {
  const failure = failureOf({ status: 422, data: problem });
  expect(failure).toMatchObject({
    title: problem.title,
    detail: problem.detail,
    code: 'invalid-input',
    requestId: 'r-1',
    status: 422,
  });
  expect(fieldError(failure, 'horizonDays')).toBe('must be at least 1');
  expect(fieldError(failure, 'seed')).toBeUndefined();
});

test('no answer, an answer that is no problem, and a thrown error are told in words too', () => {
  expect(failureOf({ status: 'FETCH_ERROR', error: 'TypeError: Failed to fetch' }).title).toBe('Clove does not answer');
  expect(failureOf({ status: 502, data: '<html>' })).toMatchObject({ status: 502, code: null });
  expect(failureOf(new Error('out of cheese')).detail).toBe('out of cheese');
});
