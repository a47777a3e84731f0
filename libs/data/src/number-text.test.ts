import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Rng } from '@clove/clv';
import { FLOAT } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withDuck } from './duck.js';
import { NUMBER_BYTES, putDecimal, putFloat } from './number-text.js';
import { appendArrays } from './vectors.js';

let scratchDir: string;
beforeAll(async () => {
  scratchDir = await mkdtemp(path.join(tmpdir(), 'clove-numbers-'));
});
afterAll(() => rm(scratchDir, { recursive: true, force: true }));

const textOf = (put: (out: Uint8Array, at: number) => number): string => {
  const out = new Uint8Array(NUMBER_BYTES);
  return Buffer.from(out.subarray(0, put(out, 0))).toString('latin1');
};

const rng = new Rng(5);
const drawn = (draw: () => number): Float32Array<ArrayBuffer> => Float32Array.from({ length: 50_000 }, draw);
/** Any bits but those of NaN and the infinities. */
const anyFloat = (): number => {
  const float = new Float32Array(1);
  do new Uint32Array(float.buffer)[0] = rng.integer(2 ** 32);
  while (!Number.isFinite(float[0]!));
  return float[0]!;
};

test.each([
  ['any bits', drawn(anyFloat)],
  ['amounts', drawn(() => 10_000 * rng.uniform())],
  ['probabilities', drawn(() => rng.uniform())],
  ['eighths, of which many lie between two texts of a length', drawn(() => rng.integer(32_000_000) / 8)],
  ['whole numbers', drawn(() => rng.integer(40_000_000) - 20_000_000)],
  ['rounded', drawn(() => Math.round(1e6 * rng.uniform()) / 10 ** rng.integer(9))],
  [
    'powers',
    Float32Array.from([
      ...Array.from({ length: 250 }, (_, i) => 2 ** (i - 125)),
      ...Array.from({ length: 70 }, (_, i) => 10 ** (i - 35)),
    ]),
  ],
  ['special', Float32Array.of(0, -0, 1e-4, 9.999e-5, 16_777_215, 16_777_216, 3.4e38, 1e-45, 123_456_789_012)],
])('floats have the text that DuckDB gives them: %s', async (_, values) => {
  const texts = await withDuck({ scratchDir }, async (db) => {
    await db.run('CREATE TABLE floats (x FLOAT)');
    const appender = await db.connection.createAppender('floats');
    appendArrays(appender, [FLOAT], values.length, [values]);
    appender.closeSync();
    return (await db.connection.runAndReadAll('SELECT x::VARCHAR FROM floats')).getColumns()[0];
  });
  expect([...values].map((value) => textOf((out, at) => putFloat(out, at, value)))).toEqual(texts);
});

test.each([
  [0, 4, '0.0'],
  [1_000_000, 4, '100.0'],
  [123_456, 4, '12.3456'],
  [1200, 4, '0.12'],
  [7, 0, '7.0'],
])('%i with %i decimals is %s', (whole, decimals, text) => {
  expect(textOf((out, at) => putDecimal(out, at, whole, decimals))).toBe(text);
});
