import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startServer, type Progress } from './server.js';

const folder = mkdtempSync(path.join(tmpdir(), 'clove-server-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a process that lives until it is stopped and comes as far as `progress` says, asked again and again. */
const begin = (o: { script?: string; limitMs: number; signal?: AbortSignal; progress: () => Progress }) =>
  startServer({
    name: 'It',
    source: 'a test',
    port: 0,
    logFile: path.join(folder, 'it.log'),
    command: process.execPath,
    args: () => ['-e', o.script ?? 'setInterval(() => {}, 1000)'],
    signals: { first: 'SIGTERM', last: 'SIGKILL' },
    url: (port) => `http://127.0.0.1:${port}`,
    limitMs: o.limitMs,
    signal: o.signal,
    progress: async () => o.progress(),
  });

test('a server that says that it is starting is given longer than one may say nothing', async () => {
  const begun = performance.now();
  const server = await begin({
    limitMs: 50,
    progress: () => (performance.now() - begun < 250 ? 'starting' : 'ready'),
  });
  await server.stop();
  await expect(begin({ limitMs: 50, progress: () => 'silent' })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('not ready after 0.05 s') as unknown,
  });
});

test('a start that is given up stops what has begun, however long it would have taken', async () => {
  const abort = new AbortController();
  let asked = 0;
  const start = begin({
    limitMs: 60_000,
    signal: abort.signal,
    progress: () => {
      asked += 1;
      if (asked === 3) abort.abort();
      return 'starting';
    },
  });
  await expect(start).rejects.toMatchObject({ code: 'cancelled' });
});

test('what is left of a killed server is waited for, and in the end is the reason given', async () => {
  const script =
    'console.error("FATAL: pre-existing shared memory block (key 1, ID 2) is still in use"); process.exit(1)';
  await expect(begin({ script, limitMs: 600, progress: () => 'silent' })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('pre-existing shared memory block') as unknown,
  });
});
