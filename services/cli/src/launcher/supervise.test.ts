import { CloveError } from '@clove/contracts';
import { expect, test } from 'vitest';
import { inWords, superviseServer } from './supervise.js';

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

test('a server that cannot be started again five times within a minute is given up, with the reason of the last time', async () => {
  const said: string[] = [];
  let starts = 0;
  const kept = superviseServer({
    name: 'Postgres',
    server: { url: 'postgresql://x', source: 'a test', died: Promise.resolve('SIGKILL'), stop: async () => {} },
    start: async () => {
      starts += 1;
      throw new CloveError('unavailable', `no room, ${starts}`);
    },
    say: (text) => said.push(text),
  });
  expect(await kept.gaveUp).toEqual({ name: 'Postgres', code: null, lastWords: 'no room, 4' });
  expect(kept.isUp()).toBe(false);
  expect(said).toEqual([
    'Postgres has ended unexpectedly (SIGKILL) and is started again',
    ...[1, 2, 3].map((n) => `Postgres has ended unexpectedly (no room, ${n}) and is started again`),
    'Postgres cannot be kept running (no room, 4)',
  ]);
  await kept.stop();
});
