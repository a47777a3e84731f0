import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IngestOptions } from '@clove/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { literal, withDuck } from '../duck.js';
import { ingestFiles } from '../ingest.js';
import { hashedId } from './hashed-ids.js';

const SECRET = 'a key of this installation';
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clove-hashed-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

let count = 0;
const ingest = async (csv: string, secret: string | undefined, options: object = {}) => {
  const dir = join(home, String((count += 1)));
  await mkdir(dir);
  await writeFile(join(dir, 'in.csv'), csv);
  const profile = await ingestFiles({
    files: [{ name: 'in.csv', path: join(dir, 'in.csv') }],
    options: IngestOptions.parse({ hashCustomers: true, ...options }),
    customerSecret: secret,
    scratchDir: dir,
    outDir: join(dir, 'out'),
    threads: 2,
  });
  const parquet = join(dir, 'out/data.parquet');
  const rows = await withDuck({ scratchDir: dir }, (db) =>
    db.rows<{ customer_id: string; amount: number }>(`SELECT * FROM read_parquet(${literal(parquet)})`),
  );
  return { profile, rows, dir: join(dir, 'out') };
};
const ORDERS_ARE = { kind: 'transactions' };
const ids = ['c1', 'Zoë', 'x'.repeat(300), "'; --", '0017', 'a b'];
const ORDERS = ids.map((id, n) => `"${id}",2024-01-0${n + 1},${n + 1}`).join('\n');
const CSV = `customer_id,order_date,amount\n${ORDERS}\n"c1",2024-02-01,9\nsecret-one,never,9\n`;

test('ids are kept as HMAC-SHA256 by the key of the installation, row by row, and the same id is the same', async () => {
  const { rows, profile } = await ingest(CSV, SECRET, ORDERS_ARE);
  const hmac = (id: string) => createHmac('sha256', SECRET).update(id).digest('hex');
  expect(rows.map((row) => row.customer_id)).toEqual([...ids, 'c1'].map(hmac));
  expect(rows.map((row) => row.amount)).toEqual([1, 2, 3, 4, 5, 6, 9]);
  expect(profile).toMatchObject({ customers: 6, rows: 7, rejectedRows: 1 });
  expect(hashedId(SECRET, 'Zoë')).toBe(hmac('Zoë'));
});

test('no id is left in any file: not in the profile, not among the rejected rows', async () => {
  const { dir } = await ingest(CSV, SECRET, ORDERS_ARE);
  for (const name of ['profile.json', 'rejected.csv', 'data.parquet', 'rejected.parquet']) {
    const text = await readFile(join(dir, name), 'latin1');
    for (const id of ['secret-one', 'x'.repeat(300), SECRET]) expect(text.includes(id), `${name}: ${id}`).toBe(false);
  }
});

test('another key gives other ids, features have them too, and without a key it is refused', async () => {
  const [one] = (await ingest(CSV, SECRET, ORDERS_ARE)).rows;
  const [other] = (await ingest(CSV, 'a key of another one', ORDERS_ARE)).rows;
  expect(other?.customer_id).not.toBe(one?.customer_id);
  const table = `customer_id,f,clv\n${Array.from({ length: 30 }, (_, n) => `c${n},${n % 5},${n}`).join('\n')}`;
  const features = await ingest(table, SECRET, { kind: 'features', targetColumn: 'clv' });
  expect(features.rows[3]?.customer_id).toBe(hashedId(SECRET, 'c3'));
  await expect(ingest(CSV, undefined)).rejects.toMatchObject({ code: 'invalid-input' });
  await expect(ingest(CSV, 'k'.repeat(65))).rejects.toMatchObject({ code: 'invalid-input' });
});
