import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openScratch } from './scratch.js';

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'clove-scratch-test-'));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

test('what killed processes have left is removed; what others work in, or own, stays', async () => {
  const killed = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const alive = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  try {
    const own = await openScratch(parent);
    const named = (pid: number | undefined, host = hostname()): string =>
      basename(own.folder).replace(hostname(), host).replace(`-${process.pid}-`, `-${pid}-`);
    const kept = [named(alive.pid), named(killed.pid, 'elsewhere'), 'clove-notes', 'other'];
    for (const name of [...kept, named(killed.pid)]) {
      await mkdir(join(parent, name), { recursive: true });
      await writeFile(join(parent, name, 'file'), 'x');
    }
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    const another = await openScratch(parent);
    expect((await readdir(parent)).toSorted()).toEqual(
      [...kept, basename(own.folder), basename(another.folder)].toSorted(),
    );
    await another.close();
    await expect(access(another.folder)).rejects.toThrow('ENOENT');
    await access(own.folder);
  } finally {
    alive.kill('SIGKILL');
    killed.kill('SIGKILL');
  }
});

test('the parent is made where it is not there', async () => {
  const { folder, close } = await openScratch(join(parent, 'a', 'b'));
  await access(folder);
  await close();
  expect(await readdir(join(parent, 'a', 'b'))).toEqual([]);
});
