import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { literal, withDuck } from './duck.js';
import { keepRows, openTrainingRows, targetOf } from './training-rows.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clove-training-rows-test-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** A features table of n rows: `place` is the row from 0, every hundredth `clv` is missing. */
const table = async (n: number): Promise<string> => {
  const parquet = join(home, `${n}.parquet`);
  await withDuck({ scratchDir: home }, (db) =>
    db.run(`COPY (SELECT 'c' || i AS customer_id, i::DOUBLE AS place, CASE WHEN i % 2 = 0 THEN 'even' END AS side,
      CASE WHEN i % 100 <> 99 THEN (i % 7)::DOUBLE END AS clv FROM range(${n}) AS r(i)) TO ${literal(parquet)} (FORMAT parquet)`),
  );
  return parquet;
};
const numbers = (found: { columns: ReadonlyMap<string, { values: ArrayLike<unknown> }> }, name: string): number[] =>
  Array.from(found.columns.get(name)!.values as ArrayLike<number>);

describe('a table shared out without being held', () => {
  test('every row with a target is in exactly one part, by the seed; the sample is of the training rows', async () => {
    const o = { parquet: await table(20_000), target: 'clv', seed: 5, scratchDir: home };
    expect(await targetOf(o)).toEqual({ all: 20_000, usable: 19_800, min: 0, max: 6 });
    const split = { ...o, testFraction: 0.2, validationFraction: 0.25, usable: 19_800 };
    const parts = await openTrainingRows(split);
    const train: number[] = [];
    for await (const piece of parts.scan(['place', 'clv'])) {
      expect(piece.ids).toEqual([]);
      train.push(...numbers(piece, 'place'));
    }
    const held = [...numbers(parts.test, 'place'), ...numbers(parts.validation, 'place')];
    expect(parts.rows).toEqual({ train: train.length, validation: parts.validation.rows, test: parts.test.rows });
    expect([...train, ...held].toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20_000 }, (_, i) => i).filter((i) => i % 100 !== 99),
    );
    expect(train).toEqual(train.toSorted((a, b) => a - b));
    expect(numbers(parts.sample, 'place')).toEqual(train);
    expect(parts.test.ids[0]).toBe(`c${numbers(parts.test, 'place')[0]}`);
    // Shares as asked for, within four standard deviations of a draw.
    expect(Math.abs(parts.test.rows - 3960)).toBeLessThan(4 * Math.sqrt(19_800 * 0.2 * 0.8));
    expect(Math.abs(parts.validation.rows - 3960)).toBeLessThan(4 * Math.sqrt(19_800 * 0.2 * 0.8));
    const [again, other] = [await openTrainingRows(split), await openTrainingRows({ ...split, seed: 6 })];
    expect(numbers(again.test, 'place')).toEqual(numbers(parts.test, 'place'));
    const shared = new Set(numbers(parts.test, 'place'));
    const common = numbers(other.test, 'place').filter((place) => shared.has(place)).length;
    expect(Math.abs(common / parts.test.rows - 0.2)).toBeLessThan(0.05);
  });

  test('parts that are held have 200,000 rows at most; the rest teaches', async () => {
    const o = { parquet: await table(1_500_000), target: 'clv', seed: 1, scratchDir: home };
    const parts = await openTrainingRows({ ...o, testFraction: 0.5, validationFraction: 0.5, usable: 1_485_000 });
    for (const part of [parts.test, parts.validation, parts.sample]) {
      expect(part.rows).toBeGreaterThan(197_000);
      expect(part.rows).toBeLessThan(203_000);
    }
    expect(parts.rows.train).toBe(1_485_000 - parts.test.rows - parts.validation.rows);
  });
});

describe('rows kept for the epochs', () => {
  const width = 3;
  /** Row i is (i, 2i, 0), its target -i. */
  async function* pieces(n: number): AsyncGenerator<{ x: Float32Array; y: Float32Array }> {
    for (let from = 0; from < n; from += 1000) {
      const count = Math.min(1000, n - from);
      const x = Float32Array.from(
        { length: count * width },
        (_, k) => (from + Math.floor(k / width)) * [1, 2, 0][k % width]!,
      );
      yield { x, y: Float32Array.from({ length: count }, (_, k) => -(from + k)) };
    }
  }
  const epoch = async (kept: Awaited<ReturnType<typeof keepRows>>, seed: number) => {
    const rows: number[] = [];
    let largest = 0;
    for await (const { x, y, order } of kept.chunks(seed)) {
      largest = Math.max(largest, x.byteLength + y.byteLength);
      for (const row of order) {
        expect([x[row * width + 1], x[row * width + 2], y[row]]).toEqual([2 * x[row * width]!, 0, -x[row * width]!]);
        rows.push(x[row * width]!);
      }
    }
    return { rows, largest };
  };

  test('every epoch has every row once, in an order of its seed, mixed over the whole table', async () => {
    const n = 30_001;
    const kept = await keepRows({ scratchDir: home, width, rows: pieces(n) });
    expect(kept.rows).toBe(n);
    expect(kept.used).toEqual([true, true, false]);
    const [one, again, two] = [await epoch(kept, 1), await epoch(kept, 1), await epoch(kept, 2)];
    expect(one.rows.toSorted((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    expect(again.rows).toEqual(one.rows);
    expect(two.rows).not.toEqual(one.rows);
    // A batch is drawn from all of the table: its mean is that of the table, within four standard errors.
    const batch = one.rows.slice(0, 1024);
    expect(Math.abs(batch.reduce((sum, row) => sum + row, 0) / 1024 - n / 2)).toBeLessThan(
      (4 * n) / Math.sqrt(12 * 1024),
    );
    await kept.close();
  });

  test('a chunk stays within its bytes however many rows there are, and nothing is left behind', async () => {
    const folder = await mkdtemp(join(home, 'kept-'));
    const n = 1_100_000;
    const rows = (async function* wide() {
      for (let from = 0; from < n; from += 100_000)
        yield { x: new Float32Array(300_000).fill(from), y: new Float32Array(100_000) };
    })();
    const kept = await keepRows({ scratchDir: folder, width, rows });
    let [seen, chunks] = [0, 0];
    for await (const { x, y } of kept.chunks(3)) {
      expect(x.byteLength + y.byteLength).toBeLessThanOrEqual(16 * 1024 ** 2);
      seen += y.length;
      chunks += 1;
    }
    expect([seen, chunks]).toEqual([n, 2]);
    await kept.close();
    expect(await readdir(folder)).toEqual([]);
  });

  test('rows that cannot be had leave nothing behind', async () => {
    const folder = await mkdtemp(join(home, 'kept-'));
    const failing = (async function* fails() {
      yield { x: new Float32Array(3), y: new Float32Array(1) };
      throw new Error('the disk went away');
    })();
    await expect(keepRows({ scratchDir: folder, width, rows: failing })).rejects.toThrow('the disk went away');
    expect(await readdir(folder)).toEqual([]);
  });
});
