import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Rng } from '@clove/clv';
import { IngestOptions } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ingestFiles } from './ingest.js';
import { KeySet, type PlainRows, openPlainCsv, scanLines } from './plain-csv.js';
import { loadFeatures } from './scan.js';

let scratchDir: string;
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-plain-'));
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

const ROWS = 9000;
const NAMES = ['age', 'total_orders', 'avg_order_value', 'balance', 'score', 'clv'];
/** Values of a customer as text: whole, decimal, negative, tiny, long, missing. */
const valuesOf = (rng: Rng, i: number): string[] => [
  String(20 + rng.integer(60)),
  String(rng.integer(2)),
  (1000 * rng.uniform()).toFixed(2),
  i % 7 === 0 ? '' : (100 * rng.normal()).toFixed(3),
  i % 5 === 0 ? `${(rng.uniform() * 1e-9).toExponential(3)}` : String(rng.uniform()),
  (500 * rng.uniform()).toFixed(1),
];
/** Lines of a plain file, the header first. */
const linesOf = (o: { delimiter?: string; id?: (i: number) => string } = {}): string[] => {
  const { delimiter = ',', id = (i) => `cust-${i}` } = o;
  const rng = new Rng(9);
  const rows = Array.from({ length: ROWS }, (_, i) => [id(i), ...valuesOf(rng, i)].join(delimiter));
  return [['customer_id', ...NAMES].join(delimiter), ...rows];
};

let files = 0;
const fileOf = async (text: string) => {
  const name = `f${(files += 1)}.csv`;
  const file = path.join(scratchDir, name);
  await writeFile(file, text);
  return { name, path: file };
};
const options = IngestOptions.parse({ kind: 'features' });
const opened = async (text: string, reading = options) =>
  openPlainCsv({ scratchDir, file: await fileOf(text), options: reading });

/** What a scan of all stretches gives, or null where the ingest is needed. */
const scanned = async (source: PlainRows, columns: readonly string[], chunkRows: number) => {
  const values = new Map(columns.map((name) => [name, [] as number[]]));
  let cells = '';
  const keys: Uint32Array[] = [];
  for (const stretch of source.stretches.keys()) {
    const out = { cells: path.join(scratchDir, 'cells'), keys: path.join(scratchDir, 'keys') };
    const tables = scanLines({ source, stretch, columns, chunkRows, ...out });
    for (;;) {
      const next = await tables.next();
      if (next.done === true) {
        if (!next.value) return null;
        break;
      }
      for (const [name, column] of next.value.columns) {
        expect(column.values).toHaveLength(next.value.rows);
        values.get(name)!.push(...(column.values as Float64Array));
      }
    }
    cells += await readFile(out.cells, 'utf8');
    const bytes = await readFile(out.keys);
    keys.push(new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)));
  }
  return { values, cells, keys };
};

describe('a plain CSV gives what its ingest gives', () => {
  test.each([
    ['lines that end in LF', linesOf().join('\n') + '\n'],
    ['no line end behind the last line', linesOf().join('\n')],
    ['lines that end in CR LF', linesOf().join('\r\n') + '\r\n'],
    ['tabs', linesOf({ delimiter: '\t' }).join('\n')],
    ['semicolons', linesOf({ delimiter: ';' }).join('\n')],
    ['a byte order mark', `\ufeff${linesOf().join('\n')}`],
    ['ids beyond ASCII', linesOf({ id: (i) => `c-é${i}` }).join('\n')],
    ['whole numbers as ids', linesOf({ id: (i) => String(1000 + i) }).join('\n')],
  ])('%s', async (_, text) => {
    const file = await fileOf(text);
    const outDir = path.join(scratchDir, `${file.name}-data`);
    const profile = await ingestFiles({ files: [file], options, outDir, scratchDir });
    const whole = await loadFeatures({ parquet: path.join(outDir, 'data.parquet'), profile, scratchDir });
    const plain = await openPlainCsv({ scratchDir, file, options });
    expect(plain).not.toBeNull();
    const { source, columns, warnings, rows } = plain!;
    expect(columns).toEqual(profile.columns.map(({ name, role }) => ({ name, role })));
    expect(warnings).toEqual(profile.warnings);
    expect(Math.abs(rows - ROWS)).toBeLessThan(ROWS / 20);
    const [{ from }] = source.stretches as [{ from: number; to: number }];
    const { to } = source.stretches.at(-1)!;
    // Cut at every kind of place: within a line, behind a line end, in front of one.
    for (const cuts of [[], [from + 1, from + 40_000, from + 40_001], [1, 2, 3, 4].map((k) => to - k)]) {
      const bounds = [from, ...cuts, to];
      const stretches = bounds.slice(1).map((end, i) => ({ from: bounds[i]!, to: end }));
      const found = await scanned({ ...source, stretches }, NAMES, cuts.length === 0 ? 4096 : 777);
      for (const name of NAMES) expect(found!.values.get(name)).toEqual([...whole.columns.get(name)!.values]);
      expect(found!.cells).toBe(whole.ids.map((id) => `${id}\n`).join(''));
      const set = new KeySet(ROWS);
      expect(found!.keys.every((keys) => set.add(keys))).toBe(true);
    }
  });

  test('ids that a spreadsheet would run, and those with a comma, have the cells of a prediction', async () => {
    const ids = ['=1+1', '+4', '-5', '@x1', '#a1', 'a1,b', '=c1,d'];
    const text = linesOf({ delimiter: ';', id: (i) => ids[i] ?? `c${i}` }).join('\n');
    const plain = await opened(text);
    const found = await scanned(plain!.source, ['age'], 4096);
    expect(found!.cells.split('\n').slice(0, 7)).toEqual([
      "'=1+1",
      "'+4",
      "'-5",
      "'@x1",
      '"#a1"',
      '"a1,b"',
      `"'=c1,d"`,
    ]);
  });
});

/** A plain file of which one line is another. */
const withLine = (line: string, at = ROWS - 10): string => {
  const lines = linesOf();
  lines[at] = line;
  return lines.join('\n');
};

describe('what is a matter for the ingest', () => {
  test.each([
    ['too few fields', withLine('c,1,2,3,4,5')],
    ['too many fields', withLine('c,1,2,3,4,5,6,7')],
    ['a blank line', withLine('')],
    ['a quote', withLine('"c",1,2,3,4,5,6')],
    ['a text in a number', withLine('c,1,2,x,4,5,6')],
    ['a number with a comma for thousands', withLine('c,1,2,"1,000",4,5,6')],
    ['infinity', withLine('c,1,2,inf,4,5,6')],
    ['a number beyond all reason', withLine('c,1,2,1e200,4,5,6')],
    ['a code with a zero in front', withLine('c,1,2,0051,4,5,6')],
    ['a number with a plus', withLine('c,1,2,+3,4,5,6')],
    ['a minus alone', withLine('c,1,2,-,4,5,6')],
    ['a number with a blank', withLine('c,1, 2,3,4,5,6')],
    ['a missing target', withLine('c,1,2,3,4,5,')],
    ['a missing id', withLine(',1,2,3,4,5,6')],
    ['an id that says that there is none', withLine('N/A,1,2,3,4,5,6')],
    ['an id with a blank behind it', withLine('c ,1,2,3,4,5,6')],
    ['an id that may be a whole number', withLine('17.0,1,2,3,4,5,6')],
    ['a carriage return within a line', withLine('c\rd,1,2,3,4,5,6')],
    [
      'bytes that are no UTF-8',
      Buffer.concat([Buffer.from(linesOf().join('\n')), Buffer.of(10, 99, 0xe9, 100), Buffer.from(',1,2,3,4,5,6')]),
    ],
  ])('%s, far behind the first rows', async (_, text) => {
    const file = await fileOf('');
    await writeFile(file.path, text);
    const plain = await openPlainCsv({ scratchDir, file, options });
    expect(plain).not.toBeNull();
    expect(await scanned(plain!.source, NAMES, 4096)).toBeNull();
  });

  test('an id that comes twice', async () => {
    const plain = await opened(withLine('cust-17,1,2,3,4,5,6'));
    const { keys } = (await scanned(plain!.source, NAMES, 4096))!;
    const set = new KeySet(ROWS);
    expect(keys.every((part) => set.add(part))).toBe(false);
  });

  test.each([
    ['a small file', linesOf().slice(0, 100).join('\n')],
    [
      'a column of texts',
      linesOf()
        .map((line, i) => `${line},${i === 0 ? 'city' : 'Oslo'}`)
        .join('\n'),
    ],
    [
      'a column of dates',
      linesOf()
        .map((line, i) => `${line},${i === 0 ? 'since' : '2024-01-05'}`)
        .join('\n'),
    ],
    [
      'a column of whole numbers that all differ',
      linesOf()
        .map((line, i) => `${line},${i === 0 ? 'meter' : 7919 * i}`)
        .join('\n'),
    ],
    [
      'another column that is called like an id',
      linesOf()
        .map((line, i) => `${line},${i === 0 ? 'customer' : i % 3}`)
        .join('\n'),
    ],
    ['an id that no name tells', linesOf().join('\n').replace('customer_id', 'number')],
    [
      'no id',
      linesOf()
        .map((line) => line.split(',').slice(1).join(','))
        .join('\n'),
    ],
    [
      'a target that is the same throughout',
      linesOf()
        .map((line, i) => (i === 0 ? line : line.replace(/,[^,]*$/, ',5')))
        .join('\n'),
    ],
    ['quotes in the header', linesOf().join('\n').replace('age', '"age"')],
  ])('by the first rows: %s', async (_, text) => {
    expect(await opened(text)).toBeNull();
  });

  test.each([
    ['ids that shall be hashed', { kind: 'features', hashCustomers: true }],
    ['no kind', {}],
    ['the other kind', { kind: 'transactions' }],
    ['options that are for orders', { kind: 'features', mapping: { customer: 'customer_id' } }],
  ])('by the options: %s', async (_, given) => {
    expect(await opened(linesOf().join('\n'), IngestOptions.parse(given))).toBeNull();
  });
});
