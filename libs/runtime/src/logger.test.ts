import { expect, test } from 'vitest';
import { redact } from './logger.js';

const line = (entry: object) => redact(JSON.stringify(entry));

test('values under names that mean a secret are redacted at any depth, whatever their type', () => {
  const hidden = line({
    password: 'hush',
    newPassword: 'hush "quoted" \\ hush',
    req: { headers: { authorization: 'Basic hush', cookie: 'sid=hush', 'set-cookie': ['a=hush', 'b=hush'] } },
    list: [{ apiKey: 'hush', token: 12_345, passwordHash: { salt: 'hush' } }],
    after: 'kept',
  });
  expect(hidden).not.toContain('hush');
  expect(hidden).not.toContain('12345');
  expect(JSON.parse(hidden)).toMatchObject({ password: '[redacted]', after: 'kept' });
});

test('passwords inside URLs are redacted wherever the URL stands, and the rest of it is kept', () => {
  const hidden = line({
    msg: 'connect to postgresql://clove:hush@127.0.0.1:5432/clove failed',
    url: 'redis://:hush@h:1',
  });
  expect(JSON.parse(hidden)).toEqual({
    msg: 'connect to postgresql://clove:[redacted]@127.0.0.1:5432/clove failed',
    url: 'redis://:[redacted]@h:1',
  });
});

test('bearer tokens inside texts are redacted', () => {
  expect(line({ msg: 'sent Bearer abc.def-ghi_jkl to it' })).toBe('{"msg":"sent Bearer [redacted] to it"}');
});

test('a line without secrets comes through as it is', () => {
  const entry = {
    level: 'info',
    msg: 'trained in 3 s: http://127.0.0.1:3000/v1, a@b.example',
    progress: 0.5,
    jobId: 'job_1',
  };
  expect(line(entry)).toBe(JSON.stringify(entry));
});
