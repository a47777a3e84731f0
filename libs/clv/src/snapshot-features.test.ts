import { expect, test } from 'vitest';
import { SNAPSHOT_FEATURES, SNAPSHOT_FEATURE_NAMES, SNAPSHOT_TARGET, WINDOW_DAYS } from './snapshot-features.js';

test('names are unique, safe to quote, and never the target', () => {
  expect(new Set(SNAPSHOT_FEATURE_NAMES).size).toBe(SNAPSHOT_FEATURES.length);
  expect(SNAPSHOT_FEATURE_NAMES.every((name) => /^[a-z][a-z0-9_]*$/.test(name))).toBe(true);
  expect(SNAPSHOT_FEATURE_NAMES).not.toContain(SNAPSHOT_TARGET);
});

test('every group has a feature, and every window its four', () => {
  expect(new Set(SNAPSHOT_FEATURES.map(({ group }) => group)).size).toBe(10);
  for (const days of WINDOW_DAYS)
    expect(SNAPSHOT_FEATURE_NAMES.filter((name) => name.endsWith(`_${days}d`))).toHaveLength(4);
});
