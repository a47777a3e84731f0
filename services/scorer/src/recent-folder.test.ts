import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { recentFolder } from './recent-folder.js';

const MINUTE_MS = 60_000;
afterEach(() => {
  vi.useRealTimers();
});

test('a folder of copies is another one after a quarter of an hour, and gone after half an hour', async () => {
  const home = await mkdtemp(join(tmpdir(), 'clove-recent-'));
  vi.useFakeTimers();
  const folder = recentFolder(home);
  const first = folder();
  await mkdir(first);
  await writeFile(join(first, 'copy'), 'somebody');
  vi.advanceTimersByTime(14 * MINUTE_MS);
  expect(folder()).toBe(first);
  vi.advanceTimersByTime(2 * MINUTE_MS);
  expect(folder()).not.toBe(first);
  expect(existsSync(join(first, 'copy'))).toBe(true); // a question that was given it is still reading
  vi.advanceTimersByTime(15 * MINUTE_MS);
  vi.useRealTimers();
  await vi.waitFor(() => expect(existsSync(first)).toBe(false));
  await rm(home, { recursive: true });
});
