import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstRows } from './first-rows.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-first-rows-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the first rows of a prediction: quotes, commas and lines in texts, ids that look like numbers, empty cells', async () => {
  const csv = join(folder, 'predictions.csv');
  await writeFile(
    csv,
    'customer_id,predicted_clv,p_buy,tier,city\n007,1.5,,gold,"a ""b"", c\nd"\n"x,y",2e-05,0.5,bronze,\nz,3.0,,bronze,Oslo\n',
  );
  expect(await firstRows(csv, 2)).toEqual({
    columns: ['customer_id', 'predicted_clv', 'p_buy', 'tier', 'city'],
    rows: [
      ['007', 1.5, null, 'gold', 'a "b", c\nd'],
      ['x,y', 2e-5, 0.5, 'bronze', null],
    ],
    offset: 0,
    total: 2,
  });
});
