import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { type Column, Rng } from '@clove/clv';
import { PREDICTION_COLUMNS } from '@clove/contracts';
import { DOUBLE, VARCHAR } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { appendColumns } from './columns.js';
import { ident, literal, withDuck } from './duck.js';
import { joinedParquet } from './parquet-join.js';
import {
  type ScoredRows,
  customerCells,
  inputColumns,
  joinedCsv,
  writePredictionCsv,
  writePredictionParquet,
} from './prediction-files.js';
import { openRows } from './scan.js';

let scratchDir: string;
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-writer-'));
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

type Chunk = { ids: string[]; scores: ScoredRows; inputs: ReadonlyMap<string, Column> };
const chunkOf = (ids: string[], predicted: number[], inputs: Chunk['inputs'] = new Map()): Chunk => ({
  ids,
  scores: {
    predicted: Float32Array.from(predicted),
    pBuy: null,
    low: Float32Array.from(predicted, (x) => x - 1),
    high: Float32Array.from(predicted, (x) => x + 1),
    percentile: Float64Array.from(predicted, () => 50),
  },
  inputs,
});
const numeric = (...values: number[]): Column => ({ kind: 'numeric', values: Float64Array.from(values) });
const categorical = (...values: (string | null)[]): Column => ({ kind: 'categorical', values });

type Row = Record<string, unknown>;
/** Writes the chunks, each as a stretch of its own, puts them together and reads both files back. */
const write = async (
  chunks: Chunk[],
  o: { modelVersion?: string; asOf?: string | null; memoryLimitBytes?: number } = {},
): Promise<{ rows: Row[]; csv: string; outDir: string }> => {
  const { modelVersion = 'clv@3', asOf = null, memoryLimitBytes = 256 * 1024 ** 2 } = o;
  const outDir = await mkdtemp(path.join(scratchDir, 'out-'));
  const source = { parquet: path.join(outDir, 'source.parquet'), steps: null };
  const names = [...(chunks[0]?.inputs.keys() ?? [])];
  const kinds = new Map([...(chunks[0]?.inputs ?? [])].map(([name, { kind }]) => [name, kind]));
  await withDuck({ scratchDir }, async (db) => {
    const columns = names.map((name) => `${ident(name)} ${kinds.get(name) === 'numeric' ? 'DOUBLE' : 'VARCHAR'}`);
    await db.run(`CREATE TABLE source (${['customer_id VARCHAR', ...columns].join(', ')})`);
    const types = [VARCHAR, ...names.map((name) => (kinds.get(name) === 'numeric' ? DOUBLE : VARCHAR))];
    const appender = await db.connection.createAppender('source');
    for (const { ids, inputs } of chunks)
      appendColumns(appender, types, ids.length, [ids, ...[...inputs.values()].map(({ values }) => values)]);
    appender.closeSync();
    await db.run(`COPY source TO ${literal(source.parquet)} (FORMAT parquet)`);
  });
  const shape = { rows: 0, columns: names.map((name) => ({ name, kind: kinds.get(name)! })) };
  const inputs = await inputColumns({ scratchDir, source: { ...source, ...shape }, names });
  const parts: { parquet: string; csv: string }[] = [];
  let from = 0;
  const duck = await openRows({ scratchDir, memoryLimitBytes, ...source, folders: [outDir] });
  for (const [i, { ids, scores }] of chunks.entries()) {
    const out = { parquet: path.join(outDir, `${i}.parquet`), csv: path.join(outDir, `${i}.csv`) };
    const stretch = { from, rows: ids.length };
    const rowsOf = { parquet: source.parquet, stretch, inputs };
    const told = { scores, modelVersion, asOf };
    await writePredictionParquet(duck, { ...told, ...rowsOf, out: out.parquet });
    await writePredictionCsv({ ...told, cells: await customerCells(duck, rowsOf), out: out.csv });
    parts.push(out);
    from += ids.length;
  }
  await duck.close();
  const file = path.join(outDir, 'predictions.parquet');
  await writeFile(file, joinedParquet(parts.map(({ parquet }) => parquet)));
  const rows = await withDuck({ scratchDir }, (db) => db.rows<Row>(`SELECT * FROM ${literal(file)}`));
  return { rows, csv: await text(joinedCsv({ inputs, files: parts.map(({ csv }) => csv) })), outDir };
};

test('percentiles are rounded, tiers follow from what they were before', async () => {
  const percentile = [0, 39.99999, 40, 69.99999, 70, 89.99999, 90, 12.345_678];
  const chunk = chunkOf(
    percentile.map(String),
    percentile.map(() => 1),
  );
  chunk.scores.percentile.set(percentile);
  const { rows } = await write([chunk]);
  expect(rows.map((row) => row['percentile'])).toEqual([0, 40, 40, 70, 70, 90, 90, 12.3457]);
  expect(rows.map((row) => (row['tier'] as string)[0]).join('')).toBe('bbssggpb');
});

describe('files', () => {
  test('both hold the stated columns in order, with the version, the as-of date and P(buy)', async () => {
    const chunk = chunkOf(['x', 'y'], [1.1, -2.5]);
    const scores = { ...chunk.scores, pBuy: Float32Array.of(0.25, 1), percentile: Float64Array.of(50, 0) };
    const { rows, csv } = await write([{ ...chunk, scores }], { modelVersion: 'shop@12', asOf: '2024-12-31' });
    expect(Object.keys(rows[0]!)).toEqual([...PREDICTION_COLUMNS]);
    expect(csv).toBe(
      `${PREDICTION_COLUMNS.join(',')}\nx,1.1,0.25,0.1,2.1,50.0,silver,shop@12,2024-12-31\ny,-2.5,1.0,-3.5,-1.5,0.0,bronze,shop@12,2024-12-31\n`,
    );
  });

  test('what is not known is empty in the CSV and null in the Parquet', async () => {
    const { rows, csv } = await write([chunkOf(['x'], [1])]);
    expect(rows[0]).toMatchObject({ p_buy: null, as_of: null });
    expect(csv.split('\n')[1]).toBe('x,1.0,,0.0,2.0,50.0,silver,clv@3,');
  });

  test('inputs follow in their order: whole numbers without a point, missing ones empty', async () => {
    const first = new Map([
      ['orders', numeric(3, Number.NaN)],
      ['rate', numeric(0.5, 2)],
      ['city', categorical('Lyon', null)],
    ]);
    const second = new Map([
      ['orders', numeric(7)],
      ['rate', numeric(1)],
      ['city', categorical('a,"b"')],
    ]);
    const { rows, csv } = await write([chunkOf(['x', 'y'], [1, 2], first), chunkOf(['z'], [3], second)]);
    expect(rows.map(({ orders, rate, city }) => [orders, rate, city])).toEqual([
      [3, 0.5, 'Lyon'],
      [null, 2, null],
      [7, 1, 'a,"b"'],
    ]);
    expect(csv.split('\n').map((line) => line.split(',').slice(9).join(','))).toEqual([
      'orders,rate,city',
      '3,0.5,Lyon',
      ',2.0,',
      '7,1.0,"a,""b"""',
      '',
    ]);
  });

  test('an input with the name of a prediction column is told apart from it', async () => {
    const inputs = new Map([
      ['tier', categorical('old')],
      ['LOW', numeric(4)],
      ['input_tier', numeric(9)],
    ]);
    const { rows } = await write([chunkOf(['x'], [1], inputs)]);
    expect(rows[0]).toMatchObject({ tier: 'silver', input_input_tier: 'old', input_LOW: 4, input_tier: 9 });
  });

  test('text that a spreadsheet would run as a formula is defused in the CSV alone, numbers are untouched', async () => {
    const ids = ['=1+1', '+33 1', '-5', '@SUM(A1)', '\tx', '\rx', 'a=b', ''];
    const inputs = new Map([
      ['=cmd', categorical(...ids.map(() => '=HYPERLINK("http://x")'))],
      ['change', numeric(...ids.map(() => -1.5))],
    ]);
    const { rows, csv, outDir } = await write(
      [
        chunkOf(
          ids,
          ids.map(() => -3),
          inputs,
        ),
      ],
      {
        modelVersion: '@x',
      },
    );
    expect(rows.map(({ customer_id: id }) => id)).toEqual(ids);
    expect(rows[0]).toMatchObject({ '=cmd': '=HYPERLINK("http://x")', change: -1.5, model_version: '@x' });
    const outFile = path.join(outDir, 'predictions.csv');
    await writeFile(outFile, csv);
    const read = await withDuck({ scratchDir }, (db) =>
      db.rows<Row>(
        `SELECT * FROM read_csv(${literal(outFile)}, all_varchar = true, quote = '"', delim = ',', header = true)`,
      ),
    );
    expect(read.map((row) => row['customer_id'] ?? '')).toEqual([
      "'=1+1",
      "'+33 1",
      "'-5",
      "'@SUM(A1)",
      "'\tx",
      "'\rx",
      'a=b',
      '',
    ]);
    expect(read[0]).toMatchObject({
      "'=cmd": `'=HYPERLINK("http://x")`,
      change: '-1.5',
      predicted_clv: '-3.0',
      model_version: "'@x",
    });
    expect(csv.split('\n')[0]).toBe(`${PREDICTION_COLUMNS.join(',')},'=cmd,change`);
  });
});

test('the CSV holds byte for byte what DuckDB would write of the Parquet', async () => {
  const rng = new Rng(2);
  const ids = [...'#,"\n\r\t =+-@é', '', ' a', 'b ', 'NULL'].flatMap((sign, i) => [`${sign}x${i}`, `y${i}${sign}z`]);
  const predicted = ids.map(() => 10 ** (8 * rng.uniform() - 3));
  const chunk = chunkOf(ids, predicted, new Map([['note', categorical(...ids.map((id) => `${id}!`))]]));
  const scores = { ...chunk.scores, percentile: Float64Array.from(ids, () => 100 * rng.uniform()) };
  const { csv, outDir } = await write([{ ...chunk, scores }]);
  const file = path.join(outDir, 'by-duckdb.csv');
  const guarded = (name: string): string =>
    `CASE WHEN regexp_matches(${name}, '^[=+\\-@\\t\\r]') THEN '''' || ${name} ELSE ${name} END AS ${name}`;
  await withDuck({ scratchDir }, (db) =>
    db.run(`COPY (SELECT * REPLACE (${guarded('customer_id')}, ${guarded('note')})
      FROM ${literal(path.join(outDir, 'predictions.parquet'))}) TO ${literal(file)} (FORMAT csv, HEADER)`),
  );
  expect(csv).toBe(await readFile(file, 'utf8'));
});

test('parts put together are one Parquet file: its row groups, statistics and filters are found where the footer says', async () => {
  const rng = new Rng(1);
  const words = ['Lyon', 'Oslo', 'Bern'];
  const chunks = [130_000, 1, 40_000].map((size, part) =>
    chunkOf(
      Array.from({ length: size }, (_, i) => `${part}-${i}`),
      Array.from({ length: size }, () => rng.normal()),
      new Map([['city', { kind: 'categorical', values: Array.from({ length: size }, () => words[rng.integer(3)]!) }]]),
    ),
  );
  const { rows, csv, outDir } = await write(chunks, { memoryLimitBytes: 64 * 1024 ** 2 });
  const ids = chunks.flatMap((chunk) => chunk.ids);
  expect(rows.map(({ customer_id: id }) => id)).toEqual(ids);
  expect(rows.map((row) => row['predicted_clv'])).toEqual(chunks.flatMap((chunk) => [...chunk.scores.predicted]));
  expect(
    csv
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')[0]),
  ).toEqual(ids);
  const file = literal(path.join(outDir, 'predictions.parquet'));
  await withDuck({ scratchDir }, async (db) => {
    // A value that only filters and statistics can exclude, one that is there, and one row group of several.
    const count = (where: string) => db.row<{ n: number }>(`SELECT count(*) AS n FROM ${file} WHERE ${where}`);
    expect(await count(`city = 'Rome'`)).toEqual({ n: 0 });
    expect(await count(`city = 'Oslo'`)).toEqual({ n: rows.filter(({ city }) => city === 'Oslo').length });
    expect(await count(`customer_id = '2-39999'`)).toEqual({ n: 1 });
    const groups = await db.rows<{ rows: number }>(
      `SELECT DISTINCT row_group_id, row_group_num_rows AS rows FROM parquet_metadata(${file}) ORDER BY row_group_id`,
    );
    expect(groups.map((group) => group.rows)).toEqual([122_880, 7120, 1, 40_000]);
    const plain = await db.rows(`SELECT * FROM parquet_schema(${literal(path.join(outDir, '0.parquet'))})`);
    const joined = await db.rows(`SELECT * FROM parquet_schema(${file})`);
    const bare = (list: unknown[]) => list.map((row) => ({ ...(row as Row), file_name: '' }));
    expect(bare(joined)).toEqual(bare(plain));
  });
});

describe('faults', () => {
  test('a cancelled job is cancelled here too, and nothing is left behind', async () => {
    const stop = new AbortController();
    stop.abort();
    const { scores } = chunkOf(['a'], [1]);
    const out = path.join(scratchDir, 'never.parquet');
    const work = openRows({ scratchDir, parquet: 'nowhere.parquet', steps: null, signal: stop.signal }).then((duck) =>
      writePredictionParquet(duck, {
        parquet: 'nowhere.parquet',
        stretch: { from: 0, rows: 1 },
        scores,
        inputs: [],
        modelVersion: 'm@1',
        asOf: null,
        out,
      }),
    );
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
    expect((await readdir(scratchDir)).filter((name) => /^(duck-|never)/.test(name))).toEqual([]);
  });

  test('what is no Parquet file is said to be none', async () => {
    const file = path.join(scratchDir, 'text.parquet');
    await writeFile(file, 'customer_id,predicted_clv\n');
    const read = async () => {
      for await (const _ of joinedParquet([file]));
    };
    await expect(read()).rejects.toThrow(/text\.parquet is no Parquet file/);
    expect(await readFile(file, 'utf8')).toContain('customer_id');
  });
});
