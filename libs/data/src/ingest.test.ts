import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DatasetProfile, IngestOptions } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { ingestFiles, type IngestFile } from './ingest.js';

type Options = Partial<IngestOptions>;
type Row = Record<string, unknown>;

let home: string;
let place = 0;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clove-ingest-test-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const fresh = async (): Promise<string> => {
  place += 1;
  const folder = join(home, String(place));
  await mkdir(folder, { recursive: true });
  return folder;
};

/** Ingests files that are stored as the gateway does, under a number without an ending. */
const ingestAll = async (contents: Record<string, string | Uint8Array>, options: Options = {}, threads = 2) => {
  const folder = await fresh();
  const files: IngestFile[] = [];
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, String(files.length));
    await writeFile(path, content);
    files.push({ name, path });
  }
  return ingestPaths(files, options, threads);
};

const ingestPaths = async (files: IngestFile[], options: Options, threads = 2) => {
  const folder = await fresh();
  const scratchDir = await fresh();
  const outDir = join(folder, 'out');
  const profile = await ingestFiles({ files, options: IngestOptions.parse(options), outDir, scratchDir, threads });
  expect(await readdir(scratchDir)).toEqual([]);
  const lists = profile.rejectedRows > 0 ? ['rejected.csv', 'rejected.parquet'] : [];
  expect((await readdir(outDir)).toSorted()).toEqual(['data.parquet', 'profile.json', ...lists]);
  expect(DatasetProfile.parse(JSON.parse(await readFile(join(outDir, 'profile.json'), 'utf8')))).toEqual(profile);
  const parquet = join(outDir, 'data.parquet');
  const rows = (limit = 1000) =>
    withDuck({ scratchDir, files: [parquet] }, (db) =>
      db.rows<Row>(`SELECT * FROM read_parquet(${literal(parquet)}) LIMIT ${limit}`),
    );
  return { profile, parquet, rows };
};

const ingest = (csv: string | Uint8Array, options: Options = {}) => ingestAll({ 'data.csv': csv }, options);

/** What the ingest of bad files throws. */
const failure = async (contents: Record<string, string | Uint8Array>, options: Options = {}) => {
  try {
    await ingestAll(contents, options);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('the ingest should have failed');
};

const lines = (...rows: string[]): string => `${rows.join('\n')}\n`;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
const warned = (profile: DatasetProfile, code: string) => profile.warnings.find((warning) => warning.code === code);
const column = (profile: DatasetProfile, name: string) => profile.columns.find((found) => found.name === name);

const ORDERS = lines(
  'customer_id,order_date,amount,product',
  'a,2024-01-01,10.5,tea',
  'b,2024-01-02,-3,"milk, whole"',
  'a,2024-02-03 10:30:00,7,',
);
const ORDER_ROWS = [
  {
    customer_id: 'a',
    time: new Date('2024-01-01T00:00:00Z'),
    amount: 10.5,
    order_id: '2024-01-01 00:00:00',
    product: 'tea',
  },
  {
    customer_id: 'b',
    time: new Date('2024-01-02T00:00:00Z'),
    amount: -3,
    order_id: '2024-01-02 00:00:00',
    product: 'milk, whole',
  },
  {
    customer_id: 'a',
    time: new Date('2024-02-03T10:30:00Z'),
    amount: 7,
    order_id: '2024-02-03 10:30:00',
    product: null,
  },
];

describe('files of any kind', () => {
  const forms: Record<string, string | Uint8Array> = {
    'plain CSV': ORDERS,
    'CRLF line ends': ORDERS.replaceAll('\n', '\r\n'),
    'CR line ends': ORDERS.replaceAll('\n', '\r'),
    'mixed line ends': ORDERS.replace('\n', '\r\n'),
    'no end of the last line': ORDERS.slice(0, -1),
    'blank lines anywhere': `\n${ORDERS.replaceAll('\n', '\n\n')}\n`,
    'a byte order mark': `\uFEFF${ORDERS}`,
    'UTF-16': Buffer.from(`\uFEFF${ORDERS}`, 'utf16le'),
    gzip: gzipSync(ORDERS),
    'every field quoted': lines(
      '"customer_id","order_date","amount","product"',
      '"a","2024-01-01","10.5","tea"',
      '"b","2024-01-02","-3","milk, whole"',
      '"a","2024-02-03 10:30:00","7",""',
    ),
    semicolons: ORDERS.replaceAll('"milk, whole"', 'milk@ whole').replaceAll(',', ';').replace('@', ','),
    tabs: ORDERS.replaceAll('"milk, whole"', 'milk@ whole').replaceAll(',', '\t').replace('@', ','),
    bars: ORDERS.replaceAll('"milk, whole"', 'milk@ whole').replaceAll(',', '|').replace('@', ','),
    'a trailing delimiter on every row': lines(
      'customer_id,order_date,amount,product',
      'a,2024-01-01,10.5,tea,',
      'b,2024-01-02,-3,"milk, whole",',
      'a,2024-02-03 10:30:00,7,,',
    ),
  };
  for (const [form, content] of Object.entries(forms))
    test(`${form} gives the same rows`, async () => {
      const { profile, rows } = await ingest(content);
      expect(await rows()).toMatchObject(ORDER_ROWS);
      expect(profile).toMatchObject({
        kind: 'transactions',
        rows: 3,
        customers: 2,
        orders: 3,
        rejectedRows: 0,
        totalAmount: 14.5,
      });
    });

  test('Parquet goes through with its own types, and its own output is readable again', async () => {
    const first = await ingest(ORDERS);
    const again = await ingestAll({ 'orders.parquet': await readFile(first.parquet) });
    expect(await again.rows()).toEqual(await first.rows());
    expect(again.profile.reading?.files[0]).toMatchObject({ format: 'parquet', delimiter: null, rows: 3 });
  });

  test('line breaks and doubled quotes inside quotes belong to the field', async () => {
    const { rows } = await ingest(
      lines('customer_id,date,amount,product', 'a,2024-01-01,1,"two\nlines, ""quoted"""', 'b,2024-01-02,2,x'),
    );
    expect(await rows()).toMatchObject([{ product: 'two\nlines, "quoted"' }, { product: 'x' }]);
  });

  test('text that is not UTF-8 is read as windows-1252, and said so', async () => {
    const { profile, rows } = await ingest(Buffer.from(ORDERS.replace('tea', 'thé'), 'latin1'));
    expect((await rows())[0]).toMatchObject({ product: 'thé' });
    expect(warned(profile, 'encoding')?.message).toContain('windows-1252');
  });

  test('several files of one layout are one dataset, whatever the order of their columns', async () => {
    const { profile, rows } = await ingestAll({
      'one.csv': ORDERS,
      'two.csv': lines('Amount;Customer_ID;product;order_date', '5;c;nuts;2024-03-01'),
    });
    expect(await rows()).toMatchObject([...ORDER_ROWS, { customer_id: 'c', amount: 5, product: 'nuts' }]);
    expect(profile.reading?.files.map((file) => [file.name, file.rows, file.delimiter])).toEqual([
      ['one.csv', 3, ','],
      ['two.csv', 1, ';'],
    ]);
  });

  test('files of different layouts are refused, with the columns of both', async () => {
    const error = await failure({ 'one.csv': ORDERS, 'two.csv': lines('x,y', '1,2') });
    expect(error).toMatchObject({ code: 'column-missing' });
    expect(error.message).toMatch(/two\.csv: x, y/);
  });

  test.each([
    ['nothing at all', '', 'data-empty'],
    ['blank lines only', '\n\n \n', 'data-empty'],
    ['a header only', 'customer_id,date,amount\n', 'data-empty'],
    ['an empty gzip', gzipSync(''), 'data-empty'],
    ['binary data', Buffer.from(range(5000).map((i) => (i * 7919) % 256)), 'data-unreadable'],
    ['an Excel workbook', Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(200)]), 'data-unreadable'],
    ['a web page', '<!DOCTYPE html><html></html>', 'data-unreadable'],
    ['JSON', '[{"customer_id": 1}]', 'data-unreadable'],
    ['a truncated gzip', gzipSync(ORDERS.repeat(5000)).subarray(0, 400), 'data-unreadable'],
    ['a truncated Parquet', Buffer.from('PAR1 and then nothing of use'), 'data-unreadable'],
    [
      'a quote that is never closed',
      lines('customer_id,date,amount', 'a,2024-01-01,1', 'b,"2024-01-02,2', 'c,2024-01-03,3'),
      'data-unreadable',
    ],
    [
      'a header shorter than its rows',
      lines('customer_id,date', 'a,2024-01-01,1', 'b,2024-01-02,2'),
      'data-unreadable',
    ],
  ])('%s is refused by name', async (_, content, code) => {
    const error = await failure({ 'shop data.csv': content });
    expect(error).toMatchObject({ code });
    expect(error.message).toContain('shop data.csv');
  });

  test('a delimiter that is not in the file is refused with the one that is', async () => {
    const error = await failure({ 'a.csv': ORDERS }, { delimiter: ';' });
    expect(error).toMatchObject({ code: 'data-unreadable' });
    expect(error.message).toContain('separated by ","');
  });

  test('an unclosed quote is found by row', async () => {
    const error = await failure({
      'a.csv': lines('customer_id,date,amount', 'a,2024-01-01,1', 'b,"2024-01-02,2', 'c,2024-01-03,3'),
    });
    expect(error.message).toContain('row 2');
  });

  test('a cancelled ingest leaves nothing behind', async () => {
    const folder = await fresh();
    const scratchDir = await fresh();
    const abort = new AbortController();
    const path = join(folder, 'in');
    await writeFile(path, ORDERS);
    const outDir = join(folder, 'out');
    const work = ingestFiles({
      files: [{ name: 'x', path }],
      options: IngestOptions.parse({}),
      outDir,
      scratchDir,
      signal: abort.signal,
      onProgress: (_, stage) => stage === 'writing' && abort.abort(),
    });
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
    expect([await readdir(outDir), await readdir(scratchDir)]).toEqual([[], []]);
  });
});

describe('rows that cannot be used', () => {
  test('ragged rows and bad values are listed by the row number that a person counts', async () => {
    const { profile, rows } = await ingest(
      lines(
        'customer_id,date,amount',
        'a,2024-01-01,1',
        'b,2024-01-02', // 2: too few
        '',
        'c,2024-01-03,"3',
        '"', // row 3 goes over two lines, and its amount is no number
        'd,2024-01-04,4,x,y', // 4: too many
        'e,2024-01-05,five', // 5
        ',2024-01-06,6', // 6
        'g,,7', // 7
        'h,soon,8', // 8
        'i,2024-01-09,', // 9
        ',,', // 10
        ...range(15).map((i) => `z,2024-02-${String(i).padStart(2, '0')},1`), // 11 to 25
        'k,2024-01-12,NaN', // 26
        'l,2024-01-12,inf', // 27
      ).replace('"3\n"', '"x\n3"'),
    );
    expect(profile.rejectedSample.map(({ row, reason, value }) => [row, reason, value])).toEqual([
      [2, 'too few fields', 'b,2024-01-02'],
      [3, 'amount is not a number', 'x\n3'],
      [4, 'too many fields', 'd,2024-01-04,4,x,y'],
      [5, 'amount is not a number', 'five'],
      [6, 'customer is missing', null],
      [7, 'time is missing', ''],
      [8, 'time does not fit the format iso', 'soon'],
      [9, 'amount is missing', ''],
      [10, 'empty row', null],
      [26, 'amount is missing', 'NaN'],
      [27, 'amount is not a number', 'inf'],
    ]);
    expect(profile.rejectedByReason).toContainEqual({ reason: 'amount is not a number', count: 3 });
    expect(profile).toMatchObject({ rows: 16, rejectedRows: 11 });
    expect(await rows()).toHaveLength(16);
    expect(warned(profile, 'rows-rejected')).toMatchObject({ count: 11 });
  });

  test('row numbers stay exact over many buffers and threads, and accepted rows keep their order', async () => {
    const bad = new Set(range(300_000).filter((i) => i % 997 === 0 || i % 1009 === 1));
    const rows = range(300_000).map((i) => {
      if (bad.has(i)) return i % 997 === 0 ? `c${i},2024-01-01` : `c${i},2024-01-01,1,2,3`;
      if (i % 5000 === 7) return `c${i},2024-01-01,text`;
      return i % 50 === 0 ? `c${i},2024-01-01,"${i}"\n` : `c${i},2024-01-01,${i}`;
    });
    const result = await ingest(['customer_id,date,amount', ...rows].join('\n'));
    expect(result.profile.rows + result.profile.rejectedRows).toBe(300_000);
    const expected = range(300_000).filter((i) => bad.has(i) || i % 5000 === 7);
    expect(result.profile.rejectedRows).toBe(expected.length);
    const listed = result.profile.rejectedSample.map(({ row }) => row);
    expect(listed.every((row) => bad.has(row) || row % 5000 === 7)).toBe(true);
    const { wrong } = await withDuck({ scratchDir: home }, (db) =>
      db.row<{ wrong: number }>(`SELECT count(*) AS wrong FROM (
        SELECT amount, lag(amount) OVER (ORDER BY file_row_number) AS before, customer_id
        FROM read_parquet(${literal(result.parquet)}, file_row_number = true))
        WHERE amount <= before OR customer_id <> 'c' || amount::BIGINT`),
    );
    expect(wrong).toBe(0);
  });

  test('where half of the rows cannot be used the file is refused, with the reasons', async () => {
    const error = await failure({
      'a.csv': lines('customer_id,date,amount', 'a,2024-01-01,x', 'b,2024-01-02,y', 'c,2024-01-03,3'),
    });
    expect(error).toMatchObject({ code: 'value-invalid' });
    expect(error.message).toMatch(/2 of 3 rows.*amount is not a number \(a\.csv row 1: "x"\)/);
  });
});

describe('a large file is read in one pass where its first rows tell how, and looked at as a whole where not', () => {
  // More rows than the plan is made from, then the one line that matters, then some more.
  const before = range(24_000).map(
    (i) => `c${i % 900},2024-01-${String((i % 28) + 1).padStart(2, '0')},${i}.5,o${i},2`,
  );
  const after = range(500).map((i) => `d${i},2024-03-01,1,p${i},1`);
  const file = (...between: string[]) =>
    lines('customer_id,date,amount,order_id,quantity', ...before, ...between, ...after);
  const ambiguous = (...days: string[]) =>
    lines(
      'customer_id,date,amount',
      ...before.map((_, i) => `c${i},05/05/2024 10:00,1`),
      ...days.map((day) => `x,${day},1`),
    );
  const cases: Record<string, string> = {
    'nothing amiss': file(),
    'rows of every fault': file(
      ',2024-01-01,1,x,1',
      'a,,1,x,1',
      'a,soon,1,x,1',
      ',31.12.2023,1,x,1',
      'a,2024-01-01,,x,1',
      'a,2024-01-01,many,x,1',
      'a,2024-01-01',
      'a,2024-01-01,"1',
      '",x,1',
      ',,,,',
      'a,2024-01-01,1,x,1,more',
      '" a ",2024-01-01 10:11:12.5,1e3, , 3 ',
    ),
    'dates of another form': file('a,31.12.2023,1,x,1', 'a,30.12.2023,1,x,1', 'b,12/30/2023,1,x,1'),
    'times with an offset': file(
      'a,2024-01-01T10:00:00+02:00,1,x,1',
      'a,2024-01-01 10:00-02,1,x,1',
      'a,2024-01-01T10:00:00Z,1,x,1',
    ),
    'amounts with a currency': file('a,2024-01-01,$5,x,1', 'a,2024-01-01,"1,234.50",x,1'),
    'quantities with a separator': file('a,2024-01-01,1,x,"1,234"'),
    'quantities that are text': file('a,2024-01-01,1,x,few'),
    'blank lines beside broken rows': file('', '', 'a,2024-01-01', '', 'a,soon,1,x,1'),
    'a quote inside a field': file('a,2024-01-01,1,"x"y,1'),
    'ids that become floats': lines(
      'customer_id,date,amount',
      ...range(24_000).map((i) => `${i},2024-01-01,1`),
      '7.0,2024-01-01,1',
    ),
    'days that are told at the end': ambiguous('05/13/2024 10:00'),
    'clocks that change': ambiguous('13/05/2024 10:00', '13/05/2024', '14/05/2024 10:00:00'),
  };
  for (const [name, csv] of Object.entries(cases))
    test(`${name}: the rows, the rejects and the profile are those of a file that is staged`, async () => {
      expect(csv.length).toBeGreaterThan(300_000);
      const direct = await ingest(csv);
      const staged = await ingest(Buffer.from(`\uFEFF${csv}`, 'utf16le'));
      const { warnings, ...profile } = staged.profile;
      expect(direct.profile).toEqual({ ...profile, warnings: warnings.filter(({ code }) => code !== 'encoding') });
      const bytes = async (path: string) => (await readFile(path)).toString('base64');
      expect((await bytes(direct.parquet)) === (await bytes(staged.parquet))).toBe(true);
    });

  test('text that is not UTF-8 further on, and an unclosed quote, end as they do in a small file', async () => {
    const { profile } = await ingest(Buffer.from(file('thé,2024-01-01,1,x,1'), 'latin1'));
    expect(warned(profile, 'encoding')?.message).toContain('windows-1252');
    const error = await failure({ 'a.csv': file('a,2024-01-01,1,"x,1') });
    expect(error).toMatchObject({ code: 'data-unreadable' });
    expect(error.message).toContain('row 24,001');
  });
});

describe('a large table of features is read in one pass where its columns stay what its first rows say', () => {
  const before = range(12_000).map((i) => `c${i},${(i % 997) + 0.25},${i % 90},seg${i % 4},${i * 3}.5`);
  const after = range(500).map((i) => `d${i},${i}.75,${i % 90},seg1,1.5`);
  const file = (...between: string[]) => lines('customer_id,spend,orders,segment,clv', ...before, ...between, ...after);
  const cases: Record<string, string> = {
    'nothing amiss': file(),
    'empty cells, quotes and blanks': file('a,,,,', 'b,"","1","",2', ' c , 1.5 ,+2, seg1 ,"1e3"', 'é,.5,3.,"x, y",-1'),
    'decimals among whole numbers': file('a,1,2.5,seg1,1'),
    'numbers beyond doubles, infinite ones, and none': file('a,1e400,1,x,1', 'b,inf,1,x,2', 'c,NaN,1,x,3'),
    'texts among numbers': file('a,many,1,seg1,1', 'b,n/a,none,seg1,2'),
    'targets that are none': file('a,1.5,1,seg1,much', 'b,1.5,1,seg1,n/a'),
    'numbers of another style': file('a,"1,234.5",1,seg1,$5'),
    'codes among whole numbers': file('a,1.5,007,seg1,1'),
    'rows that repeat an id, lack one, or are empty': file('c7,1.5,1,seg1,1', ',1.5,1,seg1,1', ',,,,'),
    'rows of too few or too many fields': file('a,1.5,1', 'b,1.5,1,seg1,1,more'),
    'blank lines': file('', 'a,1.5,1,seg1,1', ''),
    'codes alone': lines(
      'customer_id,shop,spend',
      ...range(12_000).map((i) => `customer-${i},${10_000 + (i % 80_000)},${i}.5`),
      'x,00501,1.5',
    ),
    'whole numbers that are the only id': lines(
      'number,spend,visits',
      ...range(24_000).map((i) => `${(i * 7919) % 24_001},${i % 50}.5,${i % 7}`),
    ),
    'no id at all': lines('spend,visits,clv', ...range(30_000).map((i) => `${i % 50}.5,${i % 7},${i % 90}.25`)),
    'ids that are whole floats': lines(
      'customer_id,spend,visits',
      ...range(30_000).map((i) => `${i},${i % 50}.5,${i % 7}`),
      '40000.0,1.5,1',
      '7.0,1.5,1',
    ),
    'true and false': lines('customer_id,spend,vip', ...range(20_000).map((i) => `k${i},${i % 50}.5,${i % 3 === 0}`)),
  };
  for (const [name, csv] of Object.entries(cases))
    test(`${name}: the rows, the rejects and the profile are those of a file that is staged`, async () => {
      expect(csv.length).toBeGreaterThan(280_000);
      for (const kind of [undefined, 'features'] as const) {
        const direct = await ingest(csv, kind === undefined ? {} : { kind });
        const staged = await ingest(Buffer.from(`\uFEFF${csv}`, 'utf16le'), kind === undefined ? {} : { kind });
        const { warnings, ...profile } = staged.profile;
        expect(profile.kind).toBe('features');
        expect(direct.profile).toEqual({ ...profile, warnings: warnings.filter(({ code }) => code !== 'encoding') });
        const rows = async (made: typeof direct) => JSON.stringify(await made.rows(100_000));
        expect((await rows(direct)) === (await rows(staged))).toBe(true);
      }
    });
});

describe('what the columns mean', () => {
  test('is guessed from the usual names', async () => {
    const { profile, rows } = await ingest(
      lines(
        'Invoice No;Client ID;Created At;Unit Price;Qty;Payment Method;Country;Product Category',
        'i1;17850.0;05.12.2023 08:26;1,50;2;card;PT;tea',
        'i1;17850.0;05.12.2023 08:26;0,25;-4;card;PT;milk',
        'i2;13047.0;31.12.2023;1.234,00;1;;ES;tea',
      ),
    );
    expect(profile.reading?.mapping).toEqual({
      customer: 'Client ID',
      time: 'Created At',
      quantity: 'Qty',
      price: 'Unit Price',
      order: 'Invoice No',
      category: 'Product Category',
      paymentType: 'Payment Method',
      place: 'Country',
    });
    expect(await rows()).toMatchObject([
      {
        customer_id: '17850',
        amount: 3,
        order_id: 'i1',
        quantity: 2,
        category: 'tea',
        payment_type: 'card',
        place: 'PT',
      },
      { customer_id: '17850', amount: -1, order_id: 'i1', quantity: -4 },
      {
        customer_id: '13047',
        amount: 1234,
        order_id: 'i2',
        payment_type: null,
        time: new Date('2023-12-31T00:00:00Z'),
      },
    ]);
    expect(profile.orders).toBe(2);
  });

  test('is said by the mapping, in any case', async () => {
    const { rows } = await ingest(lines('Kto,Wann,Wieviel', 'a,2024-01-01,5', 'a,2024-01-02,6'), {
      mapping: { customer: 'kto', time: 'wann', amount: 'wieviel' },
    });
    expect(await rows()).toMatchObject([{ amount: 5 }, { amount: 6 }]);
  });

  test.each([
    [
      'two amounts',
      'customer_id,date,amount,revenue\na,2024-01-01,1,2\n',
      {},
      'column-ambiguous',
      /"amount" or "revenue".*--amount/,
    ],
    [
      'no amount',
      'customer_id,date,colour\na,2024-01-01,red\na,2024-01-02,red\na,2024-01-03,red\n',
      {},
      'column-missing',
      /amount.*customer_id, date, colour.*--amount/,
    ],
    ['no date', 'customer_id,amount,colour\na,1,red\na,2,red\na,3,red\n', {}, 'column-missing', /time.*--time/],
    [
      'a column that is not there',
      ORDERS,
      { mapping: { amount: 'price' } },
      'column-missing',
      /"price".*customer_id, order_date, amount, product/,
    ],
    ['no header', 'a,2024-01-01,1\nb,2024-01-02,2\n', {}, 'column-missing', /no header/],
    ['a preset and a mapping', ORDERS, { preset: 'cdnow', mapping: { amount: 'amount' } }, 'invalid-input', /either/],
    [
      'a mapping for features',
      ORDERS,
      { kind: 'features', mapping: { amount: 'amount' } },
      'invalid-input',
      /transactions/,
    ],
  ] satisfies [string, string, Options, string, RegExp][])(
    '%s is an error that says what to do',
    async (_, csv, options, code, message) => {
      const error = await failure({ 'orders.csv': csv }, options);
      expect(error).toMatchObject({ code });
      expect(error.message).toMatch(message);
    },
  );

  test('a file without a header is read by column1, column2, …', async () => {
    const { rows } = await ingest('a,2024-01-01,1\nb,2024-01-02,2\n', {
      mapping: { customer: 'column1', time: 'column2', amount: 'column3' },
    });
    expect(await rows()).toMatchObject([{ customer_id: 'a' }, { customer_id: 'b' }]);
  });

  test('between two columns that are called like times the one with dates is taken', async () => {
    const { profile } = await ingest(lines('customer,date,time,total', 'a,2024-01-01,08:15,1', 'b,2024-01-02,09:20,2'));
    expect(profile.reading?.mapping).toMatchObject({ time: 'date' });
  });

  test('an optional column that cannot be told is left out with a warning', async () => {
    const { profile } = await ingest(
      lines('customer,date,amount,country,city', 'a,2024-01-01,1,PT,Faro', 'b,2024-01-02,2,PT,Braga'),
    );
    expect(profile.reading?.mapping).not.toHaveProperty('place');
    expect(warned(profile, 'column-ambiguous')?.message).toMatch(/"country" or "city".*--place/);
  });
});

const dated = (...dates: string[]) =>
  lines('customer_id;date;amount', ...dates.map((date, i) => `c${i % 2};${date};1`));

describe('dates', () => {
  test.each([
    [
      'iso',
      ['2024-03-01', '2024-03-02T10:00:00Z', '2024-03-02T12:00:00+02:00'],
      ['2024-03-01T00', '2024-03-02T10', '2024-03-02T10'],
    ],
    ['%Y%m%d', ['20240301', '20240302'], ['2024-03-01T00', '2024-03-02T00']],
    ['%d/%m/%Y', ['01/03/2024', '31/03/2024'], ['2024-03-01T00', '2024-03-31T00']],
    ['%m/%d/%Y %H:%M', ['3/1/2024 7:05', '3/31/2024 17:05'], ['2024-03-01T07', '2024-03-31T17']],
    ['%d.%m.%y', ['01.03.24', '31.03.24'], ['2024-03-01T00', '2024-03-31T00']],
    ['%d-%b-%Y', ['01-Mar-2024', '02-Mar-2024'], ['2024-03-01T00', '2024-03-02T00']],
    ['%B %d, %Y', ['March 1, 2024', 'April 2, 2024'], ['2024-03-01T00', '2024-04-02T00']],
    ['epoch-s', ['1709251200', '1709287200'], ['2024-03-01T00', '2024-03-01T10']],
    ['epoch-ms', ['1709251200000', '1709287200000'], ['2024-03-01T00', '2024-03-01T10']],
  ])('%s is detected', async (format, dates, expected) => {
    const { profile, rows } = await ingest(dated(...dates));
    expect(profile.reading?.dateFormat).toBe(format);
    expect((await rows()).map((row) => (row['time'] as Date).toISOString().slice(0, 13))).toEqual(expected);
  });

  test('days and months that could be swapped are refused with an example, until the format is said', async () => {
    const csv = dated('01/02/2024', '03/04/2024');
    const error = await failure({ 'a.csv': csv });
    expect(error).toMatchObject({ code: 'date-ambiguous' });
    expect(error.message).toMatch(/%d\/%m\/%Y.*%m\/%d\/%Y.*01\/02\/2024 would be 2024-02-01 or 2024-01-02.*dateFormat/);
    const { rows } = await ingest(csv, { dateFormat: '%m/%d/%Y' });
    expect(await rows()).toMatchObject([
      { time: new Date('2024-01-02T00:00:00Z') },
      { time: new Date('2024-03-04T00:00:00Z') },
    ]);
  });

  test('of two formats in one column the one of most rows is read, the other rows are rejected and explained', async () => {
    const { profile } = await ingest(dated('2024-01-01', '2024-01-02', '2024-01-03', '31/01/2024'));
    expect(profile).toMatchObject({ rows: 3, rejectedRows: 1 });
    expect(profile.rejectedSample).toMatchObject([
      { row: 4, column: 'date', value: '31/01/2024', reason: 'time does not fit the format iso' },
    ]);
    expect(warned(profile, 'dates-mixed')).toMatchObject({ count: 1 });
    expect(warned(profile, 'dates-mixed')?.message).toContain('%d/%m/%Y');
  });

  test('half of the dates in another format are refused, with both formats', async () => {
    const error = await failure({ 'a.csv': dated('2024-01-01', '31/01/2024') });
    expect(error).toMatchObject({ code: 'value-invalid' });
    expect(error.message).toMatch(/1 of 2 values are iso.*%d\/%m\/%Y/);
  });

  test('a format that nothing fits, and one that is none, are errors with an example', async () => {
    expect(await failure({ 'a.csv': dated('2024-01-01') }, { dateFormat: '%d/%m/%Y' })).toMatchObject({
      code: 'value-invalid',
    });
    expect((await failure({ 'a.csv': dated('2024-01-01') }, { dateFormat: 'DD/MM/YYYY' })).message).toContain(
      'strptime',
    );
  });
});

const priced = (...amounts: string[]) =>
  lines('customer_id\tdate\tamount', ...amounts.map((amount, i) => `c${i}\t2024-01-01\t${amount}`));

const amounts = async (...written: string[]) =>
  (await (await ingest(priced(...written))).rows()).map((row) => row['amount']);

describe('numbers', () => {
  test('thousands separators, decimal commas and currency signs are read where the column tells which', async () => {
    expect(await amounts('1,234.50', '7', '1,000,000')).toEqual([1234.5, 7, 1_000_000]);
    expect(await amounts('1.234,50', '7', '0,5')).toEqual([1234.5, 7, 0.5]);
    expect(await amounts('$1,234.50', '-$7', '$ 3')).toEqual([1234.5, -7, 3]);
    expect(await amounts('€ 12,50', '7 €', '3,1')).toEqual([12.5, 7, 3.1]);
  });

  test('where it does not tell, the values are rejected and the warning says why', async () => {
    const { profile } = await ingest(priced('1,234', '5', '6', '7'));
    expect(profile).toMatchObject({ rows: 3, rejectedRows: 1 });
    expect(warned(profile, 'number-ambiguous')?.message).toContain('1,234');
  });
});

const table = (n: number, header: string, row: (i: number) => string) => lines(header, ...range(n).map(row));

describe('features', () => {
  test('types, target and missing values are found out', async () => {
    const { profile, rows } = await ingest(
      table(
        100,
        'customer_id,age,gender,vip,zip,clv',
        (i) =>
          `k${i},${i % 7 === 0 ? '' : 20 + (i % 50)},${i % 3 ? 'M' : 'F'},${i % 2 === 0},0${1000 + (i % 9)},${i * 1.5}`,
      ),
    );
    expect(profile).toMatchObject({
      kind: 'features',
      rows: 100,
      customers: 100,
      orders: null,
      idColumn: 'customer_id',
      targetColumn: 'clv',
      warnings: [],
    });
    expect(profile.columns.map(({ name, type, role, missing }) => [name, type, role, missing])).toEqual([
      ['customer_id', 'text', 'customer', 0],
      ['age', 'integer', 'feature', 14],
      ['gender', 'text', 'feature', 0],
      ['vip', 'boolean', 'feature', 0],
      ['zip', 'text', 'feature', 0],
      ['clv', 'number', 'target', 0],
    ]);
    expect((await rows(7)).at(-1)).toEqual({
      customer_id: 'k7',
      age: null,
      gender: 'M',
      vip: false,
      zip: '01007',
      clv: 10.5,
    });
  });

  test('without an id the row number is the customer', async () => {
    const { profile, rows } = await ingest(table(30, 'age,spend', (i) => `${20 + (i % 5)},${(i % 4) + 0.5}`));
    expect(profile).toMatchObject({ idColumn: null, customers: 30, duplicateRows: 10 });
    expect((await rows()).map((row) => row['customer_id'])).toEqual(range(30).map(String));
  });

  test.each([
    ['consecutive numbers', (i: number) => String(i), 'kunde'],
    ['hashes', (i: number) => `${(i * 2654435761) % 4294967296}ab`, 'wer'],
    ['codes of one length in any order', (i: number) => String(100_000 + ((i * 7919) % 899_999)), 'wer'],
    ['e-mail addresses', (i: number) => `p${i}@example.org`, 'wer'],
    ['whole numbers that came as floats', (i: number) => `${10_000 + i}.0`, 'wer'],
  ])('an id is found by its content: %s', async (_, id, name) => {
    const { profile, rows } = await ingest(
      table(200, `paid_share,${name},visits`, (i) => `${Math.sin(i)},${id(i)},${i % 9}`),
    );
    expect(profile.idColumn).toBe(name);
    expect((await rows(1))[0]).toEqual({ customer_id: id(1).replace('.0', ''), paid_share: Math.sin(1), visits: 1 });
  });

  test('a measure that happens to differ in every row is no id, whatever its name holds', async () => {
    const { profile } = await ingest(
      table(
        200,
        'bid_value,paid,income,clv',
        (i) => `${Math.sin(i) * 1000},${(i * i * 37) % 1_000_003},${20_000 + ((i * 7919) % 60_013)},${i}`,
      ),
    );
    expect(profile.idColumn).toBeNull();
    expect(profile.columns.filter(({ role }) => role === 'feature').map(({ name }) => name)).toEqual([
      'bid_value',
      'paid',
      'income',
    ]);
  });

  test('of several ids the one that is called the customer is taken; the others are no features', async () => {
    const { profile } = await ingest(
      table(50, 'row_key,email,customer_id,visits', (i) => `${i},p${i}@x.org,${9000 + i},${i % 9}`),
    );
    expect(profile.idColumn).toBe('customer_id');
    expect(profile.columns.map(({ name, role }) => [name, role])).toEqual([
      ['customer_id', 'customer'],
      ['row_key', 'id'],
      ['email', 'id'],
      ['visits', 'feature'],
    ]);
    expect(warned(profile, 'id-like-columns')?.message).toMatch(/"row_key", "email"/);
  });

  test('the id can be said, and another column called customer_id keeps its values under another name', async () => {
    const { profile } = await ingest(
      table(50, 'member,customer_id,visits', (i) => `m${i},${i % 3},${i % 9}`),
      { idColumn: 'MEMBER' },
    );
    expect(profile.idColumn).toBe('member');
    expect(profile.columns.map(({ name }) => name)).toEqual(['customer_id', 'customer_id_2', 'visits']);
  });

  test('of duplicate ids the first row is taken and the others are rejected, counted', async () => {
    const { profile, rows } = await ingest(
      lines('customer_id,age,clv', 'a,1,10', 'b,2,20', 'a,3,30', 'c,4,40', 'b,5,50', 'd,6,60'),
    );
    expect(await rows()).toMatchObject([
      { customer_id: 'a', age: 1 },
      { customer_id: 'b', age: 2 },
      { customer_id: 'c' },
      { customer_id: 'd' },
    ]);
    expect(profile.rejectedSample).toMatchObject([
      { row: 3, column: 'customer_id', value: 'a', reason: 'duplicate id' },
      { row: 5, value: 'b', reason: 'duplicate id' },
    ]);
    expect(warned(profile, 'duplicate-ids')).toMatchObject({ count: 2 });
  });

  test('stray text in a number column counts as missing, with a warning', async () => {
    const { profile } = await ingest(
      table(100, 'customer_id,age,clv', (i) => `k${i},${i === 40 ? 'forty' : i % 60},${i}`),
    );
    expect(column(profile, 'age')).toMatchObject({ type: 'integer', missing: 1 });
    expect(warned(profile, 'values-unreadable')).toMatchObject({ count: 1 });
    expect(warned(profile, 'values-unreadable')?.message).toMatch(/"age".*1 of its 100 values.*"forty"/);
  });

  test('a column that is text in many rows is text, with a warning', async () => {
    const { profile } = await ingest(
      table(100, 'customer_id,size,clv', (i) => `k${i},${i % 3 === 0 ? 'XL' : 40 + (i % 4)},${i}`),
    );
    expect(column(profile, 'size')).toMatchObject({ type: 'text' });
    expect(warned(profile, 'column-mixed')).toMatchObject({ count: 33 });
  });

  test.each([
    [4, 75],
    [2, 50],
    [5, undefined],
  ])('text with a number in every %dth row is text; from a quarter on there is a warning', async (every, stray) => {
    const { profile } = await ingest(
      table(100, 'customer_id,age,clv', (i) => `k${i},${i % every === 0 ? 20 + (i % 7) : 'old'},${i}`),
    );
    expect(column(profile, 'age')).toMatchObject({ type: 'text', role: 'feature' });
    expect(warned(profile, 'column-mixed')?.count).toBe(stray);
  });

  test('text in the target rejects the row; a missing target stays missing', async () => {
    const { profile } = await ingest(
      table(50, 'customer_id,age,clv', (i) => `k${i},${i % 7},${i === 3 ? 'much' : i === 4 ? '' : i}`),
    );
    expect(profile.rejectedSample).toMatchObject([
      { row: 3, column: 'clv', value: 'much', reason: 'target clv is not a number' },
    ]);
    expect(column(profile, 'clv')).toMatchObject({ role: 'target', missing: 1 });
    expect(warned(profile, 'target-partly-missing')).toMatchObject({ count: 1 });
  });

  test('a constant target is warned of', async () => {
    const { profile } = await ingest(table(50, 'customer_id,age,clv', (i) => `k${i},${i % 7},5`));
    expect(warned(profile, 'target-constant')?.message).toContain('5');
  });

  test('another target can be said; one that is not there is an error', async () => {
    const csv = table(50, 'customer_id,age,value', (i) => `k${i},${i % 7},${i}`);
    expect((await ingest(csv, { targetColumn: 'Value' })).profile.targetColumn).toBe('value');
    expect(await failure({ 'a.csv': csv }, { targetColumn: 'clv' })).toMatchObject({ code: 'column-missing' });
  });

  test('empty columns, dates, free text and columns to ignore are kept but not learned from', async () => {
    const { profile } = await ingest(
      table(
        100,
        'customer_id,nothing,signup,note,age,skip,clv',
        (i) => `k${i},,2024-01-${String((i % 28) + 1).padStart(2, '0')},says ${i % 80},${i % 7},${i % 5},${i}`,
      ),
      { ignoreColumns: ['skip'] },
    );
    expect(profile.columns.filter(({ role }) => role === 'ignored').map(({ name }) => name)).toEqual([
      'nothing',
      'signup',
      'note',
      'skip',
    ]);
    for (const code of ['column-empty', 'column-dates', 'column-free-text'])
      expect(warned(profile, code)).toBeDefined();
  });

  test('headers that are doubled or empty get names of their own', async () => {
    const { profile } = await ingest(
      table(30, 'customer_id,age,Age,,clv', (i) => `k${i},${i % 7},${i % 5},${i % 3},${i}`),
    );
    expect(profile.columns.map(({ name }) => name)).toEqual(['customer_id', 'age', 'Age_2', 'column4', 'clv']);
    expect(profile.warnings.filter(({ code }) => code === 'column-renamed')).toHaveLength(2);
  });

  test('columns may be called anything, SQL words and quotes among it', async () => {
    const header = 'c1,c0,row,file,broken,repeated,customer_id,"say ""x"", y\'",select';
    const { profile, rows } = await ingest(
      table(40, header, (i) => `${i % 3},${i % 5},${41 - i},${i % 2},${i % 7},${i % 11},k${i},"it's",${i % 13}`),
    );
    expect(profile.columns.map(({ name }) => name)).toEqual([
      'customer_id',
      'c1',
      'c0',
      'row',
      'file',
      'broken',
      'repeated',
      `say "x", y'`,
      'select',
    ]);
    expect(await rows()).toEqual(
      range(40).map((i) => ({
        customer_id: `k${i}`,
        c1: i % 3,
        c0: i % 5,
        row: 41 - i,
        file: i % 2,
        broken: i % 7,
        repeated: i % 11,
        [`say "x", y'`]: "it's",
        select: i % 13,
      })),
    );
  });

  test('a repeated customer id in most rows is refused with the way out', async () => {
    const error = await failure({ 'a.csv': table(50, 'customer_id,age,visits', (i) => `k${i % 5},${i % 7},${i % 3}`) });
    expect(error).toMatchObject({ code: 'value-invalid' });
    expect(error.message).toMatch(/45 of 50 rows.*duplicate id.*transactions/);
  });
});

describe('the profile', () => {
  test('figures agree with a computation by hand', async () => {
    const values = range(1000).map((i) => ((i * 7919) % 1000) / 4);
    const { profile } = await ingest(
      lines('customer_id,x,g,clv', ...values.map((x, i) => `k${i},${x},${'abc'[i % 3]},1`)),
    );
    const sorted = values.toSorted((a, b) => a - b);
    const at = (p: number) => {
      const h = (sorted.length - 1) * p;
      const low = Math.floor(h);
      return sorted[low]! + (h - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
    };
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const sd = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1));
    const x = column(profile, 'x')!;
    expect(x).toMatchObject({ type: 'number', distinct: 1000, min: sorted[0], max: sorted.at(-1) });
    expect(x.mean).toBeCloseTo(mean, 9);
    expect(x.sd).toBeCloseTo(sd, 9);
    for (const [name, p] of [
      ['p01', 0.01],
      ['p25', 0.25],
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const)
      expect(x.quantiles?.[name]).toBeCloseTo(at(p), 9);
    expect(x.histogram).toHaveLength(20);
    for (const [i, bin] of x.histogram!.entries()) {
      const inside = values.filter((v) => v >= bin.from && (i === 19 ? v <= bin.to : v < bin.to));
      expect(Math.abs(bin.count - inside.length)).toBeLessThanOrEqual(1); // bounds are rounded
    }
    expect(x.histogram!.reduce((sum, bin) => sum + bin.count, 0)).toBe(1000);
    expect(column(profile, 'g')?.categories).toEqual([
      { value: 'a', count: 334 },
      { value: 'b', count: 333 },
      { value: 'c', count: 333 },
    ]);
  });

  test('the same files give the same bytes, on one thread and on several', async () => {
    const rows = range(250_000).map((i) => `c${i % 977},2024-01-01,${(i % 313) / 7},${i % 40}`);
    const csv = ['customer_id,date,amount,product', ...rows].join('\n');
    const outputs = await Promise.all(
      [1, 2, 4].map(async (threads) => {
        const { parquet, profile } = await ingestAll({ 'a.csv': csv }, {}, threads);
        return { bytes: (await readFile(parquet)).toString('base64'), profile };
      }),
    );
    expect(outputs[1]!.bytes === outputs[0]!.bytes && outputs[2]!.bytes === outputs[0]!.bytes).toBe(true);
    expect(outputs[1]!.profile).toEqual(outputs[0]!.profile);
  });
});

const DATA = process.env['CLOVE_DATA'] ?? new URL('../../../../shared/data', import.meta.url).pathname;
const at = (...names: string[]): IngestFile[] =>
  names.map((name) => ({ name: name.split('/').at(-1)!, path: join(DATA, name) }));
/** Rows of a CSV without line breaks in quotes, by a parser of three lines. */
const parse = async (name: string): Promise<string[][]> =>
  (await readFile(join(DATA, name), 'utf8'))
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) =>
      [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].slice(0, -1).map((m) => m[1]!.replaceAll('"', '')),
    );

const without = (name: string) => !existsSync(join(DATA, name));
const words = async (name: string) =>
  (await readFile(join(DATA, name), 'utf8'))
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((line) => line.length > 1);

describe('real files', () => {
  describe.skipIf(without('cdnow'))('CDNOW (skipped where shared/data/cdnow is absent)', () => {
    test('the whole folder: the master alone is read, and what is left out is named', async () => {
      const whole = await ingestPaths(
        at(
          'cdnow/CDNOW_master.txt',
          'cdnow/CDNOW_sample.txt',
          'cdnow/cdnow_customers_summary.csv',
          'cdnow/cdnow_customers_summary_with_transactions.csv',
        ),
        { preset: 'cdnow' },
      );
      expect(whole.profile).toMatchObject({ rows: 69_659, customers: 23_570 });
      expect(whole.profile.warnings).toContainEqual(
        expect.objectContaining({
          code: 'file-unused',
          count: 3,
          message: expect.stringContaining('CDNOW_sample.txt'),
        }),
      );
    });

    test('master: every line is a purchase, equal ones too', async () => {
      const lined = (await words('cdnow/CDNOW_master.txt')).slice(1);
      const { profile } = await ingestPaths(at('cdnow/CDNOW_master.txt'), { preset: 'cdnow' });
      expect(profile).toMatchObject({
        rows: lined.length,
        customers: new Set(lined.map((line) => line[0])).size,
        orders: new Set(lined.map((line) => `${line[0]} ${line[1]}`)).size,
        rejectedRows: 0,
        duplicateRows: lined.length - new Set(lined.map((line) => line.join(' '))).size,
        firstTime: '1997-01-01T00:00:00.000Z',
        lastTime: '1998-06-30T00:00:00.000Z',
      });
      expect(profile).toMatchObject({ rows: 69_659, customers: 23_570, duplicateRows: 255 });
      expect(profile.totalAmount).toBeCloseTo(
        lined.reduce((sum, line) => sum + Number(line[3]), 0),
        4,
      );
    });

    test('sample: no header, and the second column is the customer', async () => {
      const lined = await words('cdnow/CDNOW_sample.txt');
      const { profile, rows } = await ingestPaths(at('cdnow/CDNOW_sample.txt'), { preset: 'cdnow' });
      expect(profile).toMatchObject({ rows: lined.length, customers: 2357, rejectedRows: 0 });
      expect((await rows(1))[0]).toMatchObject({ customer_id: '0001', amount: 29.33, quantity: 2 });
    });

    test('another preset is refused, with what was expected and found', async () => {
      for (const preset of ['olist', 'online-retail'] as const) {
        const work = ingestPaths(at('cdnow/CDNOW_master.txt'), { preset });
        await expect(work).rejects.toMatchObject({ code: 'preset-mismatch' });
        await expect(work).rejects.toThrow(/Expected: .*Found: CDNOW_master\.txt: customer_id, date/);
      }
      const table = ingestPaths(at('cdnow/cdnow_customers_summary_with_transactions.csv'), { preset: 'cdnow' });
      await expect(table).rejects.toMatchObject({ code: 'preset-mismatch' });
    });
  });

  test.skipIf(without('online-retail'))(
    'Online Retail (skipped where shared/data/online-retail is absent): lines, returns, rejected rows',
    async () => {
      const { profile } = await ingestPaths(at('online-retail/online_retail.csv'), { preset: 'online-retail' });
      const [, ...all] = await parse('online-retail/online_retail.csv');
      const known = all.filter((line) => line[6] !== '');
      expect(all).toHaveLength(541_909);
      expect(profile).toMatchObject({
        rows: known.length,
        customers: new Set(known.map((line) => line[6])).size,
        orders: new Set(known.map((line) => `${line[6]} ${line[0]}`)).size,
        rejectedRows: 135_080,
        rejectedByReason: [{ reason: 'customer is missing', count: 135_080 }],
      });
      expect(profile.totalAmount).toBeCloseTo(
        known.reduce((sum, line) => sum + Number(line[3]) * Number(line[5]), 0),
        3,
      );
      const firstMissing = all.findIndex((line) => line[6] === '') + 1;
      expect(profile.rejectedSample[0]).toMatchObject({ file: 'online_retail.csv', row: firstMissing });
      expect(warned(profile, 'price-zero')).toMatchObject({
        count: known.filter((line) => Number(line[5]) === 0).length,
      });
    },
  );

  test.skipIf(without('olist'))(
    'Olist (skipped where shared/data/olist is absent): delivered orders, persons, payments; every order accounted for',
    async () => {
      const files = (await readdir(join(DATA, 'olist'))).map((name) => `olist/${name}`);
      const { profile, rows } = await ingestPaths(at(...files), { preset: 'olist' });
      const [[, ...customers], [, ...orders], [, ...payments], [, ...items]] = (await Promise.all(
        ['customers', 'orders', 'order_payments', 'order_items'].map((name) =>
          parse(`olist/olist_${name}_dataset.csv`),
        ),
      )) as [string[][], string[][], string[][], string[][]];
      const person = new Map(customers.map((line) => [line[0], line[1]]));
      const paid = new Map<string, number>();
      for (const line of payments) paid.set(line[0]!, (paid.get(line[0]!) ?? 0) + Number(line[4]));
      const priced = new Map<string, number>();
      for (const line of items) priced.set(line[0]!, (priced.get(line[0]!) ?? 0) + Number(line[5]) + Number(line[6]));
      const amount = (id: string) => paid.get(id) ?? priced.get(id);
      const taken = orders.filter((line) => line[2] === 'delivered' && amount(line[0]!) !== undefined);
      expect(profile).toMatchObject({
        rows: taken.length,
        customers: new Set(taken.map((line) => person.get(line[1]!))).size,
        orders: taken.length,
        rejectedRows: orders.length - taken.length,
      });
      expect(profile.totalAmount).toBeCloseTo(
        taken.reduce((sum, line) => sum + amount(line[0]!)!, 0),
        3,
      );
      expect(warned(profile, 'orders-left-out')).toMatchObject({
        count: orders.filter((line) => line[2] !== 'delivered').length,
      });
      expect((await rows(20)).map((row) => [row['order_id'], row['customer_id']])).toEqual(
        taken.slice(0, 20).map((line) => [line[0], person.get(line[1]!)]),
      );
      const shipped = await ingestPaths(at(...files), { preset: 'olist', orderStatuses: ['shipped', 'Delivered'] });
      expect(shipped.profile.rows).toBe(
        orders.filter((line) => ['shipped', 'delivered'].includes(line[2]!) && amount(line[0]!) !== undefined).length,
      );
      await expect(ingestPaths(at(...files), { preset: 'olist', orderStatuses: ['lost'] })).rejects.toMatchObject({
        code: 'data-empty',
      });
      await expect(ingestPaths(at(...files.slice(0, 2)), { preset: 'olist' })).rejects.toThrow(
        /Missing: .*orders .*order_payments/,
      );
    },
  );
});

describe('the tables of Olist', () => {
  const random = (seed: number) => () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const draw = random(7);
  const pick = (n: number) => Math.floor(draw() * n);
  const orders = range(400);
  const payments = range(900).map(() => ({
    order: pick(420) + 1,
    kind: 'abc'[pick(3)]!,
    value: pick(9) / 10 + pick(3),
  }));
  const items = range(700).map((row) => ({ order: pick(420) + 1, product: `p${row % 50}`, price: pick(4) + 0.1 }));
  const tables: Record<string, string> = {
    'customers.csv': lines(
      'customer_city,customer_id,customer_unique_id,customer_state',
      // Later rows of a customer say something else, and do not count.
      ...orders.flatMap((n) => [`x,c${n},u${n % 90},S${n % 7}`, `x,c${n},other,other`]),
    ),
    'orders.csv': lines(
      'order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at',
      ...orders.map((n) => `o${n},c${n},delivered,2024-01-${String((n % 28) + 1).padStart(2, '0')} 10:00:00,never`),
    ),
    'items.csv': lines(
      'order_id,order_item_id,product_id,seller_id,price,freight_value',
      ...items.map(({ order, product, price }) => `o${order},1,${product},s,${price},0.2`),
    ),
    'payments.csv': lines(
      'order_id,payment_sequential,payment_type,payment_value',
      ...payments.map(({ order, kind, value }) => `o${order},1,${kind},${value}`),
    ),
  };

  test('are one order a row: sums in the order of the rows to the last bit, the first of equals, the first row of a customer', async () => {
    const { profile, rows } = await ingestAll(tables, { preset: 'olist' });
    const expected = orders.flatMap((n) => {
      const paid = payments.filter(({ order }) => order === n);
      const bought = items.filter(({ order }) => order === n);
      if (paid.length + bought.length === 0) return [];
      const dearest = bought.reduce<(typeof items)[number] | null>(
        (best, item) => (best !== null && best.price >= item.price ? best : item),
        null,
      );
      const largest = paid.reduce<(typeof payments)[number] | null>(
        (best, payment) => (best !== null && best.value >= payment.value ? best : payment),
        null,
      );
      const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
      return [
        {
          order_id: `o${n}`,
          customer_id: `u${n % 90}`,
          place: `S${n % 7}`,
          amount: paid.length > 0 ? sum(paid.map(({ value }) => value)) : sum(bought.map(({ price }) => price + 0.2)),
          payment_type: largest?.kind ?? null,
          product: dearest?.product ?? null,
          quantity: bought.length === 0 ? null : bought.length,
        },
      ];
    });
    expect(expected.length).toBeLessThan(orders.length);
    const found = await rows();
    expect(found.map(({ time: _time, category: _category, ...row }) => row)).toEqual(expected);
    expect(profile.rejectedByReason).toEqual([
      { reason: 'order has neither payments nor items', count: orders.length - expected.length },
    ]);
  });

  test('are read alone: a file that is none of them is named and not looked at beyond its beginning', async () => {
    const plain = await ingestAll(tables, { preset: 'olist' });
    const geolocation = `geolocation_zip_code_prefix,geolocation_lat\n1,2\n3,"never closed\n`;
    const { profile, rows } = await ingestAll({ 'geolocation.csv': geolocation, ...tables }, { preset: 'olist' });
    expect(await rows()).toEqual(await plain.rows());
    expect(warned(profile, 'file-unused')?.message).toContain('geolocation.csv');
    expect(profile.reading?.files.map(({ name }) => name)).toEqual(Object.keys(tables));
  });

  test('are read whole where a column that is not used is no UTF-8, and its encoding is told', async () => {
    const { 'customers.csv': customers, ...others } = tables;
    const latin = Buffer.from(customers!.replace('x,c7,', 'S\u00e3o,c7,'), 'latin1');
    const { profile, rows } = await ingestAll({ 'customers.csv': latin, ...others }, { preset: 'olist' });
    expect(await rows()).toEqual(await (await ingestAll(tables, { preset: 'olist' })).rows());
    expect(warned(profile, 'encoding')?.message).toContain('customers.csv');
  });
});

test('how many texts differ is told exactly, of many as of few', async () => {
  const rows = range(40_000).map(
    (n) => `k${n % 5000},2024-01-${String((n % 28) + 1).padStart(2, '0')},${n % 7},product ${n % 21_001}`,
  );
  const { profile } = await ingest(lines('customer_id,order_date,amount,product', ...rows));
  expect(column(profile, 'product')).toMatchObject({ distinct: 21_001 });
  expect(column(profile, 'product')?.categories?.[0]).toEqual({ value: 'product 1', count: 2 });
});

describe('rows that are not taken', () => {
  test('are all listed in a file, more of them than the profile names, with a guard against formulas', async () => {
    const bad = Array.from({ length: 1500 }, (_, i) => `b${i},2024-01-01,${i === 0 ? '=1+1' : 'x'}`);
    const good = Array.from({ length: 2000 }, (_, i) => `g${i},2024-01-01,${i}`);
    const lines = [...bad, ...good];
    const { profile, parquet } = await ingest(`customer_id,date,amount\n${lines.join('\n')}\n`, { currency: 'EUR' });
    expect(profile).toMatchObject({ rejectedRows: 1500, currency: 'EUR' });
    expect(profile.rejectedSample.length).toBeLessThan(1500);
    const folder = join(parquet, '..');
    const csv = (await readFile(join(folder, 'rejected.csv'), 'utf8')).trim().split('\n');
    expect(csv[0]).toBe('file,row,column,value,reason');
    expect(csv).toHaveLength(1501);
    expect(csv[1]).toMatch(/^data\.csv,1,amount,'=1\+1,/);
    const rows = await withDuck({ scratchDir: folder }, (db) =>
      db.rows<Row>(`SELECT * FROM read_parquet(${literal(join(folder, 'rejected.parquet'))})`),
    );
    expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: 1500 }, (_, i) => i + 1));
    expect(rows[0]).toMatchObject({ file: 'data.csv', column: 'amount', value: '=1+1' });
  });
});
