/** Hostile and broken data files: each gets its documented end, and the system goes on as if nothing had been. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Accepted, Dataset, RowPage } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { client, ended, expectNothingInside, parquetOf, seenOf, bearer, stackUrl } from './support.js';

const scratch = mkdtempSync(path.join(tmpdir(), 'clove-hostile-files-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

type Bytes = string | Uint8Array<ArrayBuffer>;
type File = {
  /** what is hostile about it */
  what: string;
  /** its name, and its bytes */
  name?: string;
  bytes: () => Bytes | Promise<Bytes>;
  options?: object;
  /** `ready`, else the code that refuses it: at once as the answer, or as the end of its job */
  end: 'ready' | { at: 'upload' | 'job'; code: string };
  /** of a ready one: rows taken and rejected */
  rows?: number;
  rejected?: number;
};

const job = (code: string) => ({ at: 'job', code }) as const;
const refused = (code: string) => ({ at: 'upload', code }) as const;

const HEADER = 'customer_id,order_date,amount\n';
/** Twelve good orders of four customers. */
const GOOD = Array.from({ length: 12 }, (_, n) => `c${n % 4},2024-0${1 + (n % 9)}-1${n % 10},${10 + n}.5\n`).join('');
const orders = (...rows: string[]): string => HEADER + GOOD + rows.map((row) => `${row}\n`).join('');
const bytesOf = (text: string, encoding: BufferEncoding): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(text, encoding));
const joined = (...parts: (string | Uint8Array)[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));
const parquet = async (query: string): Promise<Uint8Array<ArrayBuffer>> => {
  const file = path.join(scratch, `${Math.abs(hashOf(query))}.parquet`);
  await parquetOf(query, file);
  return new Uint8Array(readFileSync(file));
};
const hashOf = (text: string): number => [...text].reduce((hash, c) => (Math.imul(hash, 31) + c.charCodeAt(0)) | 0, 7);
const goodParquet = () =>
  parquet(
    "SELECT 'c' || (range % 9) AS customer_id, DATE '2024-01-01' + range::INT AS order_date, range * 1.5 AS amount FROM range(90)",
  );

const SQL_NAMES = [
  `x"; DROP TABLE rejects; --`,
  `'; COPY (SELECT 1) TO '/hostile'; --`,
  'select',
  "1; ATTACH '/etc/passwd'",
  '"; INSTALL httpfs; --',
];
const table = (names: string[], rows: number, cell: (row: number, column: number) => string): string =>
  [names.map((name) => `"${name.replaceAll('"', '""')}"`).join(',')]
    .concat(Array.from({ length: rows }, (_, row) => names.map((_name, column) => cell(row, column)).join(',')))
    .join('\n');

const FILES: File[] = [
  // encodings
  {
    what: 'UTF-16 LE with its mark',
    bytes: () =>
      joined(
        '\xff\xfe'.split('').map((c) => c.charCodeAt(0)) as unknown as Uint8Array,
        Buffer.from(orders(), 'utf16le'),
      ),
    end: 'ready',
    rows: 12,
  },
  {
    what: 'UTF-16 BE with its mark',
    bytes: () => new Uint8Array(Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(orders(), 'utf16le')]).swap16()),
    end: 'ready',
    rows: 12,
  },
  { what: 'UTF-8 with its mark', bytes: () => `\ufeff${orders()}`, end: 'ready', rows: 12 },
  {
    what: 'Windows-1252 letters',
    bytes: () => bytesOf(orders('Müller,2024-03-03,5'), 'latin1'),
    end: 'ready',
    rows: 13,
  },
  { what: 'UTF-16 without a mark', bytes: () => bytesOf(orders(), 'utf16le'), end: job('data-unreadable') },
  {
    what: 'half a UTF-8 character at the end',
    bytes: () => joined(orders(), Buffer.from([0x63, 0xe2, 0x82])),
    end: 'ready',
    rows: 12,
    rejected: 1,
  },
  {
    what: 'overlong UTF-8',
    bytes: () => joined(orders(), Buffer.from([0xc0, 0xaf, 0x2c]), '2024-01-01,5\n'),
    end: 'ready',
    rows: 13,
  },
  {
    what: 'right-to-left overrides and zero-width letters',
    bytes: () => orders('\u202ec\u200b9,2024-03-03,5'),
    end: 'ready',
    rows: 13,
  },
  {
    what: 'emoji and combining marks as ids',
    bytes: () => orders('👩‍👩‍👧‍👦,2024-03-03,5', 'e\u0301,2024-03-03,5'),
    end: 'ready',
    rows: 14,
  },
  // NUL and other bytes
  { what: 'a NUL in a cell', bytes: () => orders('c\u0000x,2024-03-03,5'), end: job('data-unreadable') },
  { what: 'nothing but NULs', bytes: () => new Uint8Array(4096), end: job('data-unreadable') },
  {
    what: 'random bytes',
    bytes: () => Uint8Array.from({ length: 50_000 }, (_, n) => Math.imul(n + 1, 2_654_435_761) >>> 24),
    end: job('data-unreadable'),
  },
  { what: 'terminal escapes in a cell', bytes: () => orders('\u001b[2Jc9,2024-03-03,5'), end: 'ready', rows: 13 },
  {
    what: 'a NUL far behind the beginning',
    bytes: () => joined(HEADER, GOOD.repeat(4000), 'c\u0000x,2024-03-03,5\n'),
    end: 'ready',
    rows: 48_001,
  },
  // shapes
  {
    what: 'ragged rows',
    bytes: () => orders('c1', 'c1,2024-01-01,5,6,7', ',', 'c2,2024-01-01,5'),
    end: 'ready',
    rows: 13,
    rejected: 3,
  },
  { what: 'only ragged rows', bytes: () => `${HEADER}a\nb,c,d,e\nf,g\nh,i,j,k,l\n`, end: job('data-unreadable') },
  {
    what: '10,000 columns',
    bytes: () =>
      table(['customer_id', ...Array.from({ length: 9999 }, (_, n) => `f${n}`)], 30, (row, column) =>
        column === 0 ? `c${row}` : String((row * column) % 97),
      ),
    options: { kind: 'features' },
    end: job('data-unreadable'),
  },
  {
    what: '10,000 columns of Parquet',
    bytes: () =>
      parquet(`SELECT ${Array.from({ length: 10_000 }, (_, n) => `range + ${n} AS f${n}`).join(', ')} FROM range(3)`),
    options: { kind: 'features' },
    end: job('data-unreadable'),
  },
  {
    what: 'duplicate headers',
    bytes: () =>
      `customer_id,f,f,F\n${Array.from({ length: 30 }, (_, n) => `c${n},${n},${n * 2},${n * 3}`).join('\n')}`,
    options: { kind: 'features' },
    end: 'ready',
    rows: 30,
  },
  {
    what: 'duplicate headers of meaning',
    bytes: () => `customer_id,order_date,order_date,amount\nc1,2024-01-01,2024-02-01,5\nc2,2024-01-02,2024-02-02,6\n`,
    end: 'ready',
    rows: 2,
  },
  { what: 'a header and no rows', bytes: () => HEADER, end: job('data-empty') },
  { what: 'nothing but line ends', bytes: () => '\n\r\n\n\r\n', end: job('data-empty') },
  { what: 'one byte', bytes: () => 'x', end: job('data-empty') },
  {
    what: 'a single quote that never closes',
    bytes: () => orders('"c9,2024-03-03,5', ...Array.from({ length: 50 }, () => 'c1,2024-01-01,5')),
    end: job('data-unreadable'),
  },
  {
    what: 'a line of 9 MB',
    bytes: () => orders(`"${'x'.repeat(9_000_000)}",2024-03-03,5`),
    end: 'ready',
    rows: 12,
    rejected: 1,
  },
  {
    what: 'a header name of 1 MB',
    bytes: () => `customer_id,order_date,amount,${'x'.repeat(1_000_000)}\n${'c1,2024-01-01,5,6\n'.repeat(5)}`,
    end: job('data-unreadable'),
  },
  {
    what: 'mixed line ends',
    bytes: () => `${HEADER}c1,2024-01-01,5\r\nc2,2024-01-02,6\rc3,2024-01-03,7\n`,
    end: 'ready',
    rows: 3,
  },
  {
    what: 'a delimiter that is nowhere',
    bytes: () => orders(),
    options: { delimiter: '|' },
    end: job('data-unreadable'),
  },
  {
    what: 'a delimiter that is a quote',
    bytes: () => orders(),
    options: { delimiter: '"' },
    end: refused('invalid-input'),
  },
  {
    what: 'a delimiter that is a NUL',
    bytes: () => orders(),
    options: { delimiter: '\u0000' },
    end: refused('invalid-input'),
  },
  {
    what: 'a delimiter that is a line end',
    bytes: () => orders(),
    options: { delimiter: '\n' },
    end: refused('invalid-input'),
  },
  // names
  {
    what: 'column names that are SQL',
    bytes: () =>
      table(['customer_id', ...SQL_NAMES], 30, (row, column) =>
        column === 0 ? `c${row}` : String((row * 7 + column) % 13),
      ),
    options: { kind: 'features' },
    end: 'ready',
    rows: 30,
  },
  {
    what: 'column names that are SQL, in Parquet',
    bytes: () =>
      parquet(
        `SELECT 'c' || range AS customer_id, ${SQL_NAMES.map((name, n) => `(range * ${n + 3}) % 11 AS "${name.replaceAll('"', '""')}"`).join(', ')} FROM range(40)`,
      ),
    options: { kind: 'features' },
    end: 'ready',
    rows: 40,
  },
  {
    what: 'an id column whose name is SQL',
    bytes: () =>
      table([SQL_NAMES[0]!, 'clv', 'f'], 30, (row, column) => (column === 0 ? `c${row}` : String(row * column))),
    options: { kind: 'features', idColumn: SQL_NAMES[0], targetColumn: 'clv' },
    end: 'ready',
    rows: 30,
  },
  {
    what: 'a mapping that is SQL',
    bytes: () => orders(),
    options: { mapping: { customer: '"; DROP TABLE datasets; --', time: 'order_date', amount: 'amount' } },
    end: job('column-missing'),
  },
  {
    what: 'column names of the prototype',
    bytes: () =>
      table(['customer_id', '__proto__', 'constructor', 'toString'], 30, (row, column) =>
        column === 0 ? `c${row}` : String((row * 3 + column) % 17),
      ),
    options: { kind: 'features' },
    end: 'ready',
    rows: 30,
  },
  {
    what: 'columns with the names that the reader uses itself',
    bytes: () =>
      table(['customer_id', 'file', 'row', 'c0', 'file_row_number', 'filename'], 30, (row, column) =>
        column === 0 ? `k${row}` : String((row * 5 + column) % 19),
      ),
    options: { kind: 'features' },
    end: 'ready',
    rows: 30,
  },
  {
    what: 'Parquet with a column file_row_number',
    bytes: () =>
      parquet("SELECT 'c' || range AS customer_id, range % 7 AS file_row_number, range % 5 AS f FROM range(40)"),
    options: { kind: 'features' },
    end: job('data-unreadable'),
  },
  {
    what: 'cells that are formulas',
    bytes: () => orders("=cmd|' /C calc'!A0,2024-03-03,5", '@SUM(1),2024-03-04,6', '+1+1,2024-03-04,6'),
    end: 'ready',
    rows: 15,
  },
  {
    what: 'cells that are SQL',
    bytes: () => orders(`"'; DROP TABLE customers; --",2024-03-03,5`),
    end: 'ready',
    rows: 13,
  },
  // file names
  { what: 'a file name that climbs', name: '../../../../etc/passwd', bytes: () => orders(), end: 'ready', rows: 12 },
  {
    what: 'a file name of Windows',
    name: 'C:\\Windows\\System32\\orders.csv',
    bytes: () => orders(),
    end: 'ready',
    rows: 12,
  },
  { what: 'a file name with patterns', name: 'orders*[a-z]?{1,2}.csv', bytes: () => orders(), end: 'ready', rows: 12 },
  {
    what: 'a file name of 2,000 letters',
    name: `${'n'.repeat(2000)}.csv`,
    bytes: () => orders(),
    end: 'ready',
    rows: 12,
  },
  {
    what: 'a file name that is an address',
    name: 'http://169.254.169.254/latest/meta-data',
    bytes: () => orders(),
    end: 'ready',
    rows: 12,
  },
  {
    what: 'a file name that is SQL',
    name: "x'); DROP TABLE rejects; --.csv",
    bytes: () => orders(),
    end: 'ready',
    rows: 12,
  },
  { what: 'a file name of dots', name: '..', bytes: () => orders(), end: 'ready', rows: 12 },
  {
    what: 'a file name that is HTML',
    name: '<img src=x onerror=alert(1)>.csv',
    bytes: () => orders(),
    end: 'ready',
    rows: 12,
  },
  // values
  {
    what: 'dates in year 0 and 9999',
    bytes: () => orders('c9,0000-01-01,5', 'c9,9999-12-31,5', 'c9,2024-02-30,5'),
    end: 'ready',
    rows: 12,
    rejected: 3,
  },
  {
    what: 'only dates in year 9999',
    bytes: () => `${HEADER}c1,9999-01-01,5\nc2,9999-01-02,6\n`,
    options: { kind: 'transactions' },
    end: job('value-invalid'),
  },
  {
    what: 'dates of 294,276 and before Christ',
    bytes: () => orders('c9,294276-12-31,5', 'c9,4713-01-01 (BC),5', 'c9,infinity,5'),
    end: 'ready',
    rows: 12,
    rejected: 3,
  },
  {
    what: 'Parquet with the last timestamps that there are',
    bytes: () =>
      parquet(
        "SELECT 'c' || range AS customer_id, CASE WHEN range % 9 = 0 THEN TIMESTAMP '290309-12-22 (BC) 00:00:00' WHEN range % 9 = 1 THEN 'infinity'::TIMESTAMP ELSE TIMESTAMP '2024-01-01' END AS order_date, 5.0 AS amount FROM range(9)",
      ),
    end: 'ready',
    rows: 7,
    rejected: 2,
  },
  {
    what: 'NaN and Infinity',
    bytes: () => orders('c9,2024-03-03,NaN', 'c9,2024-03-03,Infinity', 'c9,2024-03-03,-inf'),
    end: 'ready',
    rows: 12,
    rejected: 3,
  },
  {
    what: 'NaN and Infinity as features',
    bytes: () =>
      `customer_id,f,g\n${Array.from({ length: 30 }, (_, n) => `c${n},${['NaN', 'Infinity', '-Infinity', n][n % 4]},${n}`).join('\n')}`,
    options: { kind: 'features' },
    end: 'ready',
    rows: 30,
  },
  {
    what: 'NaN and Infinity in Parquet',
    bytes: () =>
      parquet(
        "SELECT 'c' || range AS customer_id, CASE range % 3 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN 'Infinity'::DOUBLE ELSE range END AS f, range AS g FROM range(30)",
      ),
    options: { kind: 'features' },
    end: 'ready',
    rows: 30,
  },
  {
    what: 'amounts of 1e308',
    bytes: () => orders('c9,2024-03-03,1e308', 'c9,2024-03-04,1e308', 'c9,2024-03-05,-1e308'),
    end: 'ready',
    rows: 12,
    rejected: 3,
  },
  {
    what: 'features of 1e308',
    bytes: () =>
      `customer_id,f,clv\n${Array.from({ length: 30 }, (_, n) => `c${n},${n % 2 ? '1e308' : '-1e308'},${n}`).join('\n')}`,
    options: { kind: 'features' },
    end: 'ready',
    rows: 30,
  },
  {
    what: 'numbers of 400 digits',
    bytes: () => orders(`c9,2024-03-03,${'9'.repeat(400)}`),
    end: 'ready',
    rows: 12,
    rejected: 1,
  },
  {
    what: 'denormal numbers and minus zero',
    bytes: () => orders('c9,2024-03-03,5e-324', 'c9,2024-03-03,-0'),
    end: 'ready',
    rows: 14,
  },
  {
    what: 'numbers in other scripts',
    bytes: () => orders('c9,2024-03-03,٣٤', 'c9,2024-03-03,１２'),
    end: 'ready',
    rows: 12,
    rejected: 2,
  },
  {
    what: 'an id of 100,000 letters',
    bytes: () => orders(`${'i'.repeat(100_000)},2024-03-03,5`),
    end: 'ready',
    rows: 13,
  },
  {
    what: 'a date format that reads anything',
    bytes: () => orders(),
    options: { dateFormat: '%%%n%Q' },
    end: job('invalid-input'),
  },
  {
    what: 'a date format that is SQL',
    bytes: () => orders(),
    options: { dateFormat: "%Y'); DROP TABLE rejects; --" },
    end: job('value-invalid'),
  },
  // compression and containers
  {
    what: 'a gzip bomb of 300 MB',
    name: 'bomb.csv.gz',
    bytes: () => new Uint8Array(gzipSync(Buffer.alloc(300 * 1024 ** 2, 'a'), { level: 9 })),
    end: job('data-unreadable'),
  },
  {
    what: 'a gzip bomb of rows',
    name: 'rows.csv.gz',
    bytes: () => new Uint8Array(gzipSync(HEADER + 'c1,2024-01-01,5\n'.repeat(3_000_000), { level: 9 })),
    end: job('data-unreadable'),
  },
  {
    what: 'gzip within gzip',
    name: 'x.csv.gz',
    bytes: () => new Uint8Array(gzipSync(gzipSync(orders()))),
    end: job('data-unreadable'),
  },
  {
    what: 'a truncated gzip file',
    name: 'x.csv.gz',
    bytes: () => new Uint8Array(gzipSync(orders()).subarray(0, 60)),
    end: job('data-unreadable'),
  },
  {
    what: 'gzip with a wrong checksum',
    name: 'x.csv.gz',
    bytes: () => {
      const bytes = new Uint8Array(gzipSync(orders()));
      bytes[bytes.length - 8]! ^= 0xff;
      return bytes;
    },
    end: job('data-unreadable'),
  },
  { what: 'gzip of nothing', name: 'x.csv.gz', bytes: () => new Uint8Array(gzipSync('')), end: job('data-empty') },
  {
    what: 'truncated Parquet',
    name: 'x.parquet',
    bytes: async () => (await goodParquet()).slice(0, 400),
    end: job('data-unreadable'),
  },
  {
    what: 'Parquet without its beginning',
    name: 'x.parquet',
    bytes: async () => (await goodParquet()).slice(4),
    end: job('data-unreadable'),
  },
  {
    what: 'Parquet whose footer is noise',
    name: 'x.parquet',
    bytes: async () => {
      const bytes = await goodParquet();
      bytes.fill(0xaa, bytes.length - 200, bytes.length - 8);
      return bytes;
    },
    end: job('data-unreadable'),
  },
  {
    what: 'Parquet whose pages are noise',
    name: 'x.parquet',
    bytes: async () => {
      const bytes = await goodParquet();
      bytes.fill(0xaa, 8, 200);
      return bytes;
    },
    end: job('data-unreadable'),
  },
  {
    what: 'Parquet with a footer longer than the file',
    name: 'x.parquet',
    bytes: async () => {
      const bytes = await goodParquet();
      new DataView(bytes.buffer).setUint32(bytes.length - 8, 0x7fffffff, true);
      return bytes;
    },
    end: job('data-unreadable'),
  },
  { what: 'Parquet posing as CSV', name: 'orders.csv', bytes: goodParquet, end: 'ready', rows: 90 },
  { what: 'CSV posing as Parquet', name: 'orders.parquet', bytes: () => orders(), end: 'ready', rows: 12 },
  {
    what: 'the magic of Parquet and nothing else',
    name: 'x.parquet',
    bytes: () => 'PAR1',
    end: job('data-unreadable'),
  },
  {
    what: 'Parquet with nested columns',
    bytes: () =>
      parquet(
        "SELECT 'c' || range AS customer_id, {'a': range, 'b': [range, range]} AS s, range % 7 AS f FROM range(40)",
      ),
    options: { kind: 'features' },
    end: 'ready',
    rows: 40,
  },
  {
    what: 'Parquet without rows',
    bytes: () => parquet('SELECT 1 AS customer_id, 2 AS f WHERE false'),
    end: job('data-empty'),
  },
  {
    what: 'Parquet whose texts are broken UTF-8',
    bytes: async () =>
      joined(
        (await parquet("SELECT 'c' || range AS customer_id, 'zzzzzzzz' AS name, range % 7 AS f FROM range(40)")).map(
          (byte) => (byte === 0x7a ? 0xff : byte),
        ),
      ),
    options: { kind: 'features' },
    end: job('data-unreadable'),
  },
  { what: 'a ZIP archive', bytes: () => 'PK\u0003\u0004 whatever follows', end: job('data-unreadable') },
  { what: 'a PDF', bytes: () => '%PDF-1.7\n1 0 obj', end: job('data-unreadable') },
  { what: 'a web page', bytes: () => '<!doctype html><title>404</title>', end: job('data-unreadable') },
  {
    what: 'XML that asks for a file',
    bytes: () => '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
    end: job('data-unreadable'),
  },
  { what: 'JSON', bytes: () => '[{"customer_id": 1}]', end: job('data-unreadable') },
  { what: 'SQLite', bytes: () => 'SQLite format 3\u0000', end: job('data-unreadable') },
  {
    what: 'a pickle',
    bytes: () => joined(Buffer.from([0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0]), "cos\nsystem\n(S'id'\ntR."),
    end: job('data-unreadable'),
  },
  {
    what: 'a program',
    bytes: () => joined(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]), new Uint8Array(500)),
    end: job('data-unreadable'),
  },
  // sizes
  { what: 'an empty file', bytes: () => '', end: refused('data-empty') },
  {
    what: 'more bytes than the limit',
    bytes: () => new Uint8Array(17 * 1024 ** 2).fill(65),
    end: refused('upload-too-large'),
  },
];

type Sent = { code: string | null; status: number; accepted: Accepted | null };
const sent = new Map<File, Promise<Sent>>();

const upload = async ({ name, bytes, options }: File): Promise<Sent> => {
  const form = new FormData();
  if (options !== undefined) form.append('options', JSON.stringify(options));
  form.append('file', new Blob([await bytes()]), name ?? 'orders.csv');
  const seen = await seenOf(await fetch(`${stackUrl}/v1/datasets`, { method: 'POST', headers: bearer, body: form }));
  return { ...seen, accepted: seen.status === 202 ? (JSON.parse(seen.text) as Accepted) : null };
};

// The ingester works while the tests look at what is done already.
beforeAll(() => {
  let before: Promise<unknown> = Promise.resolve();
  for (const file of FILES) {
    const mine = before.then(() => upload(file));
    before = mine.catch(() => undefined);
    sent.set(file, mine);
  }
});

/** What became of a file: where it was refused and why, or what its dataset holds. */
const becameOf = async ({ status, code, accepted }: Sent): Promise<object> => {
  if (accepted === null) return { at: 'upload', code, refused: status < 500 };
  const end = await ended(accepted.job.id);
  const dataset = await client.get<Dataset>(`/v1/datasets/${accepted.id}`);
  expectNothingInside(JSON.stringify(dataset));
  if (end.status !== 'succeeded') return { at: 'job', code: end.code, dataset: dataset.status };
  const rows = await client.get<RowPage>(`/v1/datasets/${accepted.id}/rows?limit=1000`);
  expectNothingInside(JSON.stringify(await client.get(`/v1/datasets/${accepted.id}/profile`)));
  return { rows: dataset.rows, shown: rows.total, rejected: dataset.rejectedRows };
};

const wantedOf = ({ end, rows, rejected = 0 }: File): object => {
  if (end === 'ready') return { rows, shown: rows, rejected };
  return end.at === 'upload' ? { ...end, refused: true } : { ...end, dataset: 'failed' };
};

describe('a data file', () => {
  test.each(FILES)('$what', async (file) => {
    expect(await becameOf(await sent.get(file)!)).toEqual(wantedOf(file));
  });

  test('after all of them the same processes are there, and a good file is read as ever', async () => {
    for (const { pid } of inject('stackProcesses')) expect(() => process.kill(pid, 0)).not.toThrow();
    const { accepted } = await upload({ what: '', bytes: () => orders(), end: 'ready' });
    expect(await ended(accepted!.job.id)).toMatchObject({ status: 'succeeded' });
  });
});
