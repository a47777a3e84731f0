import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchFolders } from './watch-folders.js';

let folder: string;
let changes: number;
let stop: () => void;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'clove-watch-'));
  mkdirSync(path.join(folder, 'deep/er'), { recursive: true });
  changes = 0;
  stop = watchFolders([folder], () => (changes += 1));
});
afterEach(() => {
  stop();
  rmSync(folder, { recursive: true });
});

/** Waits for what `act` changes; how often that was told. */
const seen = async (act: () => void) => {
  const before = changes;
  act();
  await vi.waitFor(() => expect(changes).toBeGreaterThan(before), { timeout: 5000, interval: 10 });
  return changes - before;
};
/** Writes a file as many editors and git do: another one, moved over it. */
const replace = (name: string) => {
  writeFileSync(path.join(folder, '.aside'), String(changes));
  renameSync(path.join(folder, '.aside'), path.join(folder, name));
};

test('a file is followed by its name, however often it is replaced', async () => {
  for (let n = 0; n < 3; n += 1) await seen(() => replace('deep/er/a.ts'));
  await seen(() => writeFileSync(path.join(folder, 'deep/er/a.ts'), 'in place'));
  expect(await seen(() => rmSync(path.join(folder, 'deep/er/a.ts')))).toBeGreaterThan(0);
});

test('folders that are made later are watched, and those that are removed do not end the watch', async () => {
  await seen(() => mkdirSync(path.join(folder, 'new')));
  await seen(() => writeFileSync(path.join(folder, 'new/b.ts'), ''));
  rmSync(path.join(folder, 'new'), { recursive: true });
  expect(await seen(() => writeFileSync(path.join(folder, 'c.ts'), ''))).toBeGreaterThan(0);
});

test('what is no source counts as no change', async () => {
  writeFileSync(path.join(folder, 'notes.md'), '');
  await seen(() => writeFileSync(path.join(folder, 'd.ts'), ''));
  writeFileSync(path.join(folder, 'deep/readme.md'), '');
  // made, and written
  expect(await seen(() => writeFileSync(path.join(folder, 'deep/e.ts'), ''))).toBeLessThanOrEqual(2);
});
