import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IngestOptions } from '@clove/contracts';
import { afterAll, expect, test } from 'vitest';
import { fingerprintOf } from './fingerprint.js';
import { ingestFiles } from './ingest.js';

const folder = mkdtempSync(join(tmpdir(), 'clove-fingerprint-'));
afterAll(() => rmSync(folder, { recursive: true }));

let made = 0;
const fingerprint = async (lines: readonly string[], delimiter = ',') => {
  const [path, outDir] = [join(folder, `${(made += 1)}.csv`), join(folder, String(made))];
  writeFileSync(path, ['visits', 'clv'].join(delimiter) + '\n' + lines.join('\n') + '\n');
  const profile = await ingestFiles({
    files: [{ name: `${made}.csv`, path }],
    options: IngestOptions.parse({}),
    outDir,
    scratchDir: folder,
  });
  return fingerprintOf({ parquet: join(outDir, 'data.parquet'), profile, scratchDir: folder });
};
const rows = Array.from({ length: 60 }, (_, i) => `${(i * 7) % 13},${(i * 31) % 101}.5`);

test('equal rows have equal fingerprints, whatever the name, the order and the delimiter of the file', async () => {
  const first = await fingerprint(rows);
  expect(first).toMatch(/^60-[0-9a-f]{32}$/);
  expect(await fingerprint(rows)).toBe(first);
  expect(await fingerprint(rows.toReversed())).toBe(first);
  expect(
    await fingerprint(
      rows.map((row) => row.replaceAll(',', ';')),
      ';',
    ),
  ).toBe(first);
});

test('one other value, one row more or less, and a row twice make another one', async () => {
  const others = await Promise.all([
    fingerprint(rows),
    fingerprint(rows.with(3, '1,2.5')),
    fingerprint(rows.slice(1)),
    fingerprint([...rows, '1,1.5']),
  ]);
  expect(new Set(others).size).toBe(4);
});
