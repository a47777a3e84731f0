import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { DatasetProfile, IngestOptions } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { eraseFromDataset, eraseFromPrediction, namesAny } from './erase.js';
import { ingestFiles } from './ingest.js';
import {
  customerCells,
  inputColumns,
  joinedCsv,
  writePredictionCsv,
  writePredictionParquet,
} from './prediction-files.js';
import { openRows } from './scan.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clove-erase-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

let count = 0;
const folder = async (): Promise<string> => {
  const dir = join(home, String((count += 1)));
  await mkdir(dir);
  return dir;
};
const signal = new AbortController().signal;
const rowsOf = (dir: string, parquet: string) =>
  withDuck({ scratchDir: dir, files: [parquet] }, (db) =>
    db.rows<Record<string, unknown>>(`SELECT * FROM read_parquet(${literal(parquet)})`),
  );

const ingest = async (csv: string, options: object = {}) => {
  const dir = await folder();
  await writeFile(join(dir, 'in.csv'), csv);
  const outDir = join(dir, 'dataset');
  const profile = await ingestFiles({
    files: [{ name: 'in.csv', path: join(dir, 'in.csv') }],
    options: IngestOptions.parse(options),
    scratchDir: dir,
    outDir,
    threads: 2,
  });
  return { dir, profile, parquet: join(outDir, 'data.parquet'), rejected: join(outDir, 'rejected.parquet') };
};
const erase = async (from: Awaited<ReturnType<typeof ingest>>, ids: string[]) => {
  const outDir = await folder();
  const hasRejected = from.profile.rejectedRows > 0;
  const erased = await eraseFromDataset({
    parquet: from.parquet,
    profile: from.profile,
    rejected: hasRejected ? from.rejected : null,
    ids,
    outDir,
    scratchDir: outDir,
    threads: 2,
    signal,
  });
  return { erased, outDir };
};

const orders = (customers: readonly string[]): string => {
  const rows = Array.from({ length: 60 }, (_, n) => {
    const id = customers[n % customers.length]!;
    return `${id},2024-01-${String((n % 28) + 1).padStart(2, '0')},${n + 1}.5,${['tea', 'jam', 'rye'][n % 3]}`;
  });
  return `customer_id,order_date,amount,category\n${rows.join('\n')}\n`;
};

describe('a dataset without some customers', () => {
  test('is what an ingest of the other rows gives: rows, order and profile', async () => {
    const ids = ['anna-17', 'bob', 'Zoë', 'd"q', '=sum'];
    const csv = orders(ids.map((id) => (id.includes('"') ? `"${id.replaceAll('"', '""')}"` : id)));
    const gone = ['bob', 'd"q'];
    const whole = await ingest(csv, { kind: 'transactions' });
    const { erased, outDir } = await erase(whole, [...gone, 'nobody']);
    const kept = csv.split('\n').filter((line) => !line.startsWith('bob,') && !line.startsWith('"d""q"'));
    const other = await ingest(kept.join('\n'), { kind: 'transactions' });
    expect(erased).toMatchObject({ found: gone.toSorted(), removedRows: 24, rejectedValues: 0 });
    expect(await rowsOf(outDir, join(outDir, 'data.parquet'))).toEqual(await rowsOf(other.dir, other.parquet));
    const { reading: _was, ...profile } = DatasetProfile.parse(
      JSON.parse(await readFile(join(outDir, 'profile.json'), 'utf8')),
    );
    const { reading: _is, ...expected } = other.profile;
    expect(profile).toEqual(expected);
    expect(erased?.profile.reading).toEqual(whole.profile.reading);
  });

  test('nobody found: nothing is written', async () => {
    const whole = await ingest(orders(['a1', 'b2']), { kind: 'transactions' });
    const { erased } = await erase(whole, ['a', 'A1', 'a11', '']);
    expect(erased).toBeNull();
  });

  test('of features keeps roles and target; all of them gone leaves an empty dataset', async () => {
    const csv = `customer_id,code,f,g,clv\n${Array.from({ length: 40 }, (_, n) => `c${n},x${n}x,${n % 7},${n % 3},${n}`).join('\n')}\n`;
    const whole = await ingest(csv, { kind: 'features', ignoreColumns: ['f'] });
    const { erased } = await erase(whole, ['c3']);
    expect(erased?.profile).toMatchObject({ rows: 39, customers: 39, targetColumn: 'clv', idColumn: 'customer_id' });
    const roles = ({ columns }: DatasetProfile) => columns.map(({ name, role }) => [name, role]);
    expect(roles(erased!.profile)).toEqual(roles(whole.profile));
    const none = await erase(
      whole,
      Array.from({ length: 40 }, (_, n) => `c${n}`),
    );
    expect(none.erased?.profile).toMatchObject({ rows: 0, customers: 0 });
  });

  test('a row number names nobody', async () => {
    const csv = `f,g,clv\n${Array.from({ length: 40 }, (_, n) => `${n % 7},${(n * 3) % 5},${n % 11}`).join('\n')}\n`;
    const whole = await ingest(csv, { kind: 'features' });
    expect(whole.profile.idColumn).toBeNull();
    expect((await erase(whole, ['3'])).erased).toBeNull();
  });

  test('rejected rows lose what names one of them, in both lists, in the profile and in its warnings, and stay counted', async () => {
    const csv = `${orders(['a1', 'b2', 'gone-9'])}a1,of gone-9,1,tea\na1,of gone-91,1,tea\n,2024-01-01,1,tea\n`;
    const whole = await ingest(csv, { kind: 'transactions' });
    expect(JSON.stringify(whole.profile)).toMatch(/gone-9\b/);
    const { erased, outDir } = await erase(whole, ['gone-9']);
    expect(erased?.profile.rejectedRows).toBe(whole.profile.rejectedRows);
    expect(erased?.rejectedValues).toBeGreaterThan(0);
    const texts = [
      JSON.stringify(await rowsOf(outDir, join(outDir, 'rejected.parquet'))),
      await readFile(join(outDir, 'rejected.csv'), 'utf8'),
      await readFile(join(outDir, 'profile.json'), 'utf8'),
    ];
    for (const text of texts) expect(text).not.toMatch(/gone-9(?!1)/);
    const before = await rowsOf(whole.dir, whole.rejected);
    const after = await rowsOf(outDir, join(outDir, 'rejected.parquet'));
    expect(after.map(({ value: _value, ...row }) => row)).toEqual(before.map(({ value: _value, ...row }) => row));
  });
});

describe('a prediction without some customers', () => {
  const IDS = ['a1', '=cmd', 'b "2"', 'c,3', 'd4', 'Zoë'];
  const predicted = async () => {
    const csv = `customer_id,note,n,clv\n${IDS.map((id, n) => `"${id.replaceAll('"', '""')}",${n % 2 ? '' : `"-x, ${n}"`},${n},${n}`).join('\n')}\n`;
    const whole = await ingest(csv, { kind: 'features', idColumn: 'customer_id' });
    const rows = IDS.length;
    const columns = [
      { name: 'note', kind: 'categorical' as const },
      { name: 'n', kind: 'numeric' as const },
    ];
    const source = { parquet: whole.parquet, steps: null, rows, columns };
    const inputs = await inputColumns({ source, names: ['note', 'n'], scratchDir: whole.dir });
    const out = { parquet: join(whole.dir, '0.parquet'), csv: join(whole.dir, '0.csv') };
    const floats = (at: (n: number) => number) => Float32Array.from(IDS, (_, n) => at(n));
    const scores = {
      predicted: floats((n) => n * 1.1),
      pBuy: floats((n) => n / 10),
      low: floats((n) => n),
      high: floats((n) => n * 2),
      percentile: Float64Array.from(IDS, (_, n) => (100 * n) / rows),
    };
    const duck = await openRows({ ...source, scratchDir: whole.dir });
    const rowsOf = { parquet: whole.parquet, stretch: { from: 0, rows }, inputs };
    const told = { scores, modelVersion: 'm@1', asOf: null };
    await writePredictionParquet(duck, { ...told, ...rowsOf, out: out.parquet });
    await writePredictionCsv({ ...told, cells: await customerCells(duck, rowsOf), out: out.csv });
    await duck.close();
    const { parquet } = out;
    await writeFile(join(whole.dir, 'predictions.csv'), Readable.from(joinedCsv({ inputs, files: [out.csv] })));
    return { dir: whole.dir, parquet, csv: await readFile(join(whole.dir, 'predictions.csv'), 'utf8') };
  };

  test('the others keep every byte of their lines, and every value', async () => {
    const whole = await predicted();
    const outDir = await folder();
    const gone = ['b "2"', 'd4', 'nobody'];
    const erased = await eraseFromPrediction({ parquet: whole.parquet, ids: gone, outDir, scratchDir: outDir, signal });
    expect(erased).toMatchObject({ found: ['b "2"', 'd4'], rows: 4, summary: { customers: 4, min: 0 } });
    expect(erased?.summary.total).toBeCloseTo(1.1 * (0 + 1 + 3 + 5), 5);
    expect(erased?.report.deciles.reduce((sum, { customers }) => sum + customers, 0)).toBe(4);
    const lines = whole.csv.split('\n').filter((line) => !line.startsWith('"b ""2"""') && !line.startsWith('d4,'));
    expect(await readFile(join(outDir, 'predictions.csv'), 'utf8')).toBe(lines.join('\n'));
    const before = await rowsOf(whole.dir, whole.parquet);
    expect(await rowsOf(outDir, join(outDir, 'predictions.parquet'))).toEqual(
      before.filter(({ customer_id: id }) => !gone.includes(String(id))),
    );
  });

  test('of nobody else has figures of nobody; nobody found: nothing is written', async () => {
    const whole = await predicted();
    const outDir = await folder();
    const options = { parquet: whole.parquet, outDir, scratchDir: outDir, signal };
    expect(await eraseFromPrediction({ ...options, ids: ['a', 'A1'] })).toBeNull();
    const erased = await eraseFromPrediction({ ...options, ids: IDS });
    expect(erased).toMatchObject({ rows: 0, summary: { customers: 0, total: 0 }, report: { deciles: [] } });
  });
});

describe('a file as it was uploaded', () => {
  const names = async (content: string | Buffer, ids: string[]) => {
    const dir = await folder();
    await writeFile(join(dir, 'f'), content);
    return namesAny({ path: join(dir, 'f'), ids, scratchDir: dir, signal });
  };

  test.each([
    ['text', (text: string) => text],
    ['gzip', (text: string) => gzipSync(text)],
    ['UTF-16', (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-16 of the other order', (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16()],
    ['windows-1252', (text: string) => Buffer.from(text, 'latin1')],
  ])('in %s names a customer by a word', async (_form, write) => {
    const text = `id,x\nZoë 7;17850.0\n${'filling,1\n'.repeat(200_000)}c17,2\n`;
    expect(await names(write(text), ['c17'])).toBe('yes');
    expect(await names(write(text), ['nobody', 'Zoë 7'])).toBe('yes');
    expect(await names(write(text), ['17850'])).toBe('yes');
    expect(await names(write(text), ['c1', '17', '1785', 'nobody'])).toBe('no');
  });

  test('in Parquet by a value of any column; broken ones cannot be told', async () => {
    const { parquet } = await ingest(orders(['a1', 'b2']), { kind: 'transactions' });
    const bytes = await readFile(parquet);
    expect(await names(bytes, ['b2'])).toBe('yes');
    expect(await names(bytes, ['b'])).toBe('no');
    expect(await names(bytes.subarray(0, bytes.length / 2), ['b2'])).toBe('unreadable');
    expect(await names(gzipSync('c17\n'.repeat(9)).subarray(0, 20), ['b2'])).toBe('unreadable');
  });
});
