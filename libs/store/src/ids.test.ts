import { ID_PREFIX, idOf, type IdKind } from '@clove/contracts';
import { expect, test } from 'vitest';
import { newId } from './ids.js';

test.each(Object.entries(ID_PREFIX))('an id of a %s fits its contract', (kind, prefix) => {
  for (let i = 0; i < 200; i += 1) expect(idOf(prefix).safeParse(newId(kind as IdKind)).success).toBe(true);
});

test('ids are unique, use every digit, and sort by the time of their making', async () => {
  const ids = Array.from({ length: 20_000 }, () => newId('job'));
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(ids.flatMap((id) => id.slice(13).split(''))).size).toBe(36);
  const times = ids.map((id) => id.slice(0, 13));
  expect(times).toEqual(times.toSorted());
  const [, time = ''] = /^job_(.{9})/.exec(newId('job')) ?? [];
  expect(Math.abs(Number.parseInt(time, 36) - Date.now())).toBeLessThan(60_000);
});
