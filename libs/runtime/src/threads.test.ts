import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CloveError } from '@clove/contracts';
import { afterAll, expect, test } from 'vitest';
import { runInThread } from './threads.js';

const folder = mkdtempSync(path.join(tmpdir(), 'clove-threads-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A thread script: `body` is the work, of (input, io). */
function script(name: string, body: string): URL {
  const file = path.join(folder, `${name}.mjs`);
  const runtime = new URL('../dist/index.js', import.meta.url).href;
  const contracts = new URL('../../contracts/dist/index.js', import.meta.url).href;
  writeFileSync(
    file,
    `import { serveThread } from ${JSON.stringify(runtime)};
     import { CloveError } from ${JSON.stringify(contracts)};
     serveThread(async (input, io) => { ${body} });`,
  );
  return pathToFileURL(file);
}

const internal = (message: string) => expect.objectContaining({ code: 'internal', retryable: true, message });

test('the work gets the input, its messages arrive in order, and its value comes back', async () => {
  const work = script(
    'sum',
    'for (const n of input.numbers) io.post(n); return input.numbers.reduce((a, b) => a + b);',
  );
  const messages: number[] = [];
  const sum = await runInThread<{ numbers: Float32Array }, number, number>(
    work,
    { numbers: Float32Array.of(1, 2, 3.5) },
    { onMessage: (n) => messages.push(n) },
  );
  expect(sum).toBe(6.5);
  expect(messages).toEqual([1, 2, 3.5]);
});

test('a CloveError crosses intact: class, code, message, retryable and field errors', async () => {
  const work = script(
    'refuse',
    `throw new CloveError('column-missing', 'no "amount"', { pointer: '/columns/amount', retryable: true });`,
  );
  const error = await runInThread(work, null).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CloveError);
  expect(error).toMatchObject({
    code: 'column-missing',
    message: 'no "amount"',
    retryable: true,
    errors: [{ pointer: '/columns/amount', detail: 'no "amount"' }],
  });
});

test('any other error, a crash and an early exit arrive as internal and retryable, with what was said', async () => {
  const thrown = script('thrown', `throw new TypeError('x is not a tensor');`);
  const crash = script('crash', `setImmediate(() => { throw new Error('boom'); }); await new Promise(() => {});`);
  const quit = script('quit', 'process.exit(7);');
  await expect(runInThread(thrown, null)).rejects.toEqual(internal('x is not a tensor'));
  await expect(runInThread(crash, null)).rejects.toEqual(internal('A worker thread crashed: boom'));
  await expect(runInThread(quit, null)).rejects.toEqual(
    internal('A worker thread ended with exit code 7 before its work did.'),
  );
});

test('a value that cannot be copied between threads is an error, not a wait without end', async () => {
  await expect(runInThread(script('clone', 'return () => 1;'), null)).rejects.toMatchObject({ code: 'internal' });
});

test('an abort reaches the work with its reason', async () => {
  const work = script(
    'abort',
    `io.post('ready');
     await new Promise((_, reject) => io.signal.addEventListener('abort', () => reject(io.signal.reason)));`,
  );
  const abort = new AbortController();
  const running = runInThread<null, string, void>(work, null, {
    signal: abort.signal,
    onMessage: () => abort.abort(new CloveError('cancelled', 'by the user')),
  });
  await expect(running).rejects.toMatchObject({ code: 'cancelled', message: 'by the user' });
});

test('an abort before the start runs nothing', async () => {
  const signal = AbortSignal.abort(new CloveError('cancelled', 'too late'));
  await expect(runInThread(script('never', ''), null, { signal })).rejects.toMatchObject({ message: 'too late' });
});

test.concurrent('a thread that does not heed an abort is terminated ten seconds later, and the reason thrown', async () => {
  const work = script('deaf', `io.post('ready'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`);
  const abort = new AbortController();
  const running = runInThread<null, string, void>(work, null, {
    signal: abort.signal,
    onMessage: () => abort.abort(new CloveError('cancelled', 'by the user')),
  });
  await expect(running).rejects.toMatchObject({ code: 'cancelled' });
});

test.concurrent('a thread with forgotten handles ends all the same', async () => {
  const work = script('handles', `setInterval(() => {}, 1000); return 'done';`);
  await expect(runInThread(work, null)).resolves.toBe('done');
});
