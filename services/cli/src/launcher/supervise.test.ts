import { expect, test } from 'vitest';
import { inWords } from './supervise.js';

const line = (entry: object) => JSON.stringify({ level: 'fatal', time: '2024-01-01T00:00:00.000Z', ...entry });

test('a log is told in words: messages and their errors, each once, without stacks', () => {
  const log = [
    line({ msg: 'ready' }),
    line({ msg: 'a part is not ready', err: { message: 'no answer', stack: 'Error: no answer\n    at f (a.js:1:1)' } }),
    line({ msg: 'PORT is taken', err: { message: 'PORT is taken' } }),
    'PORT is taken',
    "Error [ERR_MODULE_NOT_FOUND]: Cannot find module 'x'",
    '    at resolve (node:internal/modules/esm/resolve:952:10)',
    '{ not JSON',
    '',
    'Node.js v20.19.0',
  ].join('\n');
  expect(inWords(log).split('\n')).toEqual([
    'ready',
    'a part is not ready: no answer',
    'PORT is taken',
    "Error [ERR_MODULE_NOT_FOUND]: Cannot find module 'x'",
    '{ not JSON',
  ]);
});

test('of a long log the last twelve sentences are told', () => {
  const log = Array.from({ length: 30 }, (_, n) => line({ msg: `sentence ${n}` })).join('\n');
  expect(inWords(log).split('\n')).toEqual(Array.from({ length: 12 }, (_, n) => `sentence ${n + 18}`));
});
