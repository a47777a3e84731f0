import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type RequestListener, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../scripts/setup-gpu.mjs', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-setup-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the script against a mirror; into a folder that does not exist before. */
const setup = (base: string, ...args: string[]) =>
  new Promise<{ code: number | null; output: string; into: string }>((resolve) => {
    const into = join(folder, randomUUID());
    const env = { ...process.env, TFJS_NODE_BASE_URI: base };
    const child = execFile(process.execPath, [SCRIPT, '--cpu', '--dir', into, ...args], { env }, (_, out, err) =>
      resolve({ code: child.exitCode, output: out + err, into }),
    );
  });

const serving = async <T>(listener: RequestListener, use: (base: string) => Promise<T>): Promise<T> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/libtensorflow-`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
};

const built = process.arch === 'x64';
describe.skipIf(!built)(`setup:gpu${built ? '' : ' (skipped: libtensorflow is built for x64)'}`, () => {
  test('says that the library cannot be reached, installs nothing and exits 1', async () => {
    const gone = await serving(
      () => undefined,
      (base) => Promise.resolve(base),
    );
    const { code, output, into } = await setup(gone);
    expect(output).toMatch(/^tfjs-node: not set up: http:\S+ cannot be reached: ECONNREFUSED$/m);
    expect(output).toContain('1 of 1 could not be set up');
    expect([code, existsSync(into)]).toEqual([1, false]);
  });

  test('does not take a server for the library: it must have the file', async () => {
    const asked: string[] = [];
    const { code, output, into } = await serving(
      (request, response) => {
        asked.push(`${request.method} ${request.url}`);
        response.writeHead(404).end();
      },
      (base) => setup(base),
    );
    expect(asked).toEqual([expect.stringMatching(/^HEAD \/libtensorflow-cpu-\S+-x86_64-2\.9\.1\.(tar\.gz|zip)$/)]);
    expect(output).toContain('it answers 404');
    expect([code, existsSync(into)]).toEqual([1, false]);
  });

  test('waits no longer than its limit for a server that does not answer', async () => {
    const { code, output } = await serving(
      () => undefined,
      (base) => setup(base, '--limit', '0.2'),
    );
    expect(output).toContain('no answer within 0.2 s');
    expect(code).toBe(1);
  });
});

test('setup:gpu refuses a limit that is none', async () => {
  const { code, output } = await setup('http://127.0.0.1:1/', '--limit', 'soon');
  expect([code, output]).toEqual([2, expect.stringContaining('--limit takes a number of seconds above 0')]);
});
