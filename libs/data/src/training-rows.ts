import { closeSync, openSync, readSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeptRows, Rng, type Table, type TrainingChunk } from '@clove/clv';
import { columnsOf, readTable, readTables } from './columns.js';
import { type DuckOptions, ident, literal, openDuck, withDuck } from './duck.js';

/** Rows at most in each part of a table that is held in memory: enough for figures of three digits. */
const HELD_ROWS = 200_000;
const CHUNK_ROWS = 65_536;
/** Rows that are read in one go, and bytes of a chunk of them: a chunk is made of so many places of the table that it is mixed well. */
const BLOCK_ROWS = 256;
const CHUNK_BYTES = 16 * 1024 ** 2;
const DRAWS = 2 ** 32;

type Labelled = DuckOptions & {
  /** canonical Parquet of a features dataset */
  parquet: string;
  /** its numeric target column; rows without a finite number in it are left out */
  target: string;
  seed: number;
  signal?: AbortSignal | undefined;
};

/** How many rows there are, how many of them have a target, and its smallest and largest value (0 where there is none). */
export const targetOf = (o: Labelled): Promise<{ all: number; usable: number; min: number; max: number }> =>
  withDuck({ ...o, files: [o.parquet] }, (db) =>
    db.row(`SELECT count(*) AS "all", count(y) AS usable, coalesce(min(y), 0) AS min, coalesce(max(y), 0) AS max
      FROM (SELECT ${labelOf(o)} AS y FROM ${fileOf(o)})`),
  );

/** A features table that is shared out into training, validation and test without being held in memory. */
export type TrainingRows = {
  /** how many rows each part has */
  rows: { train: number; validation: number; test: number };
  /** an even sample of the training rows, and the held out rows; all columns and ids, the target among the columns */
  sample: Table;
  validation: Table;
  test: Table;
  /** the columns given of all training rows, in file order, without ids */
  scan(columns: readonly string[]): AsyncGenerator<Table, void, undefined>;
};

/**
 * Shares the rows of a features dataset out by the seed and their place in the file; each part but the training rows has about
 * 200,000 rows at most, and what is over goes to training. Memory does not grow with the rows.
 * @param o.usable rows with a target, as `targetOf` gives them
 */
export const openTrainingRows = (
  o: Labelled & { testFraction: number; validationFraction: number; usable: number },
): Promise<TrainingRows> =>
  withDuck({ ...o, files: [o.parquet] }, async (db) => {
    const columns = (await columnsOf(db, fileOf(o))).filter(({ name }) => name !== 'customer_id');
    const atMost = HELD_ROWS / o.usable;
    const testEnd = Math.round(DRAWS * Math.min(o.testFraction, atMost));
    const heldShare = Math.min((1 - testEnd / DRAWS) * o.validationFraction, atMost);
    const validationEnd = testEnd + Math.round(DRAWS * heldShare);
    const sampleEnd = Math.min(DRAWS, validationEnd + Math.round(DRAWS * atMost));
    const part = (from: number, to: number): Promise<Table> =>
      readTable(db, { relation: partOf(o, from, to), id: 'customer_id', columns, signal: o.signal });
    const [test, validation] = [await part(0, testEnd), await part(testEnd, validationEnd)];
    const held = { validation: validation.rows, test: test.rows };
    return {
      rows: { ...held, train: o.usable - held.validation - held.test },
      sample: await part(validationEnd, sampleEnd),
      validation,
      test,
      scan: (names) => scanPart(o, names, validationEnd),
    };
  });

const fileOf = ({ parquet }: Labelled): string => `read_parquet(${literal(parquet)})`;

const labelOf = ({ target }: Labelled): string => {
  const value = `${ident(target)}::DOUBLE`;
  return `CASE WHEN isfinite(${value}) THEN ${value} END`;
};

/**
 * The rows with a target whose draw lies in [from, to) of 2^32, in file order. The draw is murmur3's finaliser over the
 * row's number, seeded: the same on every machine and in every version of DuckDB, unlike its hash().
 */
const partOf = (o: Labelled, from: number, to: number): string => {
  const mixed = (h: string, shift: number, factor: number): string =>
    `(xor(${h}, ${h} >> ${shift}) * ${factor}) % ${DRAWS}`;
  const start = Math.imul(o.seed + 1, 0x9e3779b1) >>> 0;
  return `(
    SELECT * FROM (
      SELECT *, xor(clove_c, clove_c >> 16) AS clove_draw FROM (
        SELECT *, ${mixed('clove_b', 13, 3_266_489_909)} AS clove_c FROM (
          SELECT *, ${mixed('clove_a', 16, 2_246_822_507)} AS clove_b FROM (
            SELECT *, ((file_row_number + 1)::UBIGINT * 2654435761 + ${start}) % ${DRAWS} AS clove_a
            FROM read_parquet(${literal(o.parquet)}, file_row_number = true)))))
    WHERE clove_draw >= ${from} AND clove_draw < ${to} AND (${labelOf(o)}) IS NOT NULL)`;
};

async function* scanPart(o: Labelled, names: readonly string[], from: number): AsyncGenerator<Table, void, undefined> {
  const { db, explain, close } = await openDuck({ ...o, files: [o.parquet] });
  try {
    const kinds = new Map((await columnsOf(db, fileOf(o))).map((column) => [column.name, column]));
    yield* readTables(db, {
      relation: partOf(o, from, DRAWS),
      id: null,
      columns: names.flatMap((name) => kinds.get(name) ?? []),
      chunkRows: CHUNK_ROWS,
      signal: o.signal,
    });
  } catch (error) {
    throw explain(error);
  } finally {
    await close();
  }
}

/**
 * Writes prepared rows to a folder of their own in `scratchDir`, once, and gives them epoch by epoch: blocks of rows that lie
 * next to each other in an order drawn from the seed, many of them to a chunk, whose rows are then shuffled. One chunk is
 * in memory, about 16 MB. `close` removes the folder.
 * @param o.width numbers of a row @param o.rows row-major inputs and targets, in pieces
 */
export const keepRows = async (o: {
  scratchDir: string;
  width: number;
  rows: AsyncIterable<{ x: Float32Array; y: Float32Array }>;
}): Promise<KeptRows & { close(): Promise<void> }> => {
  const { width } = o;
  const folder = await mkdtemp(join(o.scratchDir, 'rows-'));
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const files = { x: join(folder, 'x.f32'), y: join(folder, 'y.f32') };
  const used = Array.from({ length: width }, () => false);
  let rows = 0;
  try {
    const [xs, ys] = [await open(files.x, 'w'), await open(files.y, 'w')];
    try {
      for await (const { x, y } of o.rows) {
        for (let i = 0; i < x.length; i += 1) if (x[i] !== 0) used[i % width] = true;
        await xs.writeFile(bytesOf(x));
        await ys.writeFile(bytesOf(y));
        rows += y.length;
      }
    } finally {
      await xs.close();
      await ys.close();
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { rows, used, close, chunks: (seed) => chunksOf(files, { rows, width, seed }) };
};

function* chunksOf(
  files: { x: string; y: string },
  { rows, width, seed }: { rows: number; width: number; seed: number },
): Generator<TrainingChunk, void, undefined> {
  const rng = new Rng(seed);
  const blocks = rng.shuffle(Int32Array.from({ length: Math.ceil(rows / BLOCK_ROWS) }, (_, block) => block));
  const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / (4 * (width + 1) * BLOCK_ROWS)));
  const size = Math.min(rows, perChunk * BLOCK_ROWS);
  const x = new Float32Array(size * width);
  const y = new Float32Array(size);
  const [xs, ys] = [openSync(files.x, 'r'), openSync(files.y, 'r')];
  try {
    for (let from = 0; from < blocks.length; from += perChunk) {
      let filled = 0;
      for (const block of blocks.subarray(from, from + perChunk)) {
        const first = block * BLOCK_ROWS;
        const count = Math.min(BLOCK_ROWS, rows - first);
        readSync(xs, bytesOf(x.subarray(filled * width, (filled + count) * width)), { position: 4 * first * width });
        readSync(ys, bytesOf(y.subarray(filled, filled + count)), { position: 4 * first });
        filled += count;
      }
      const order = rng.shuffle(Int32Array.from({ length: filled }, (_, row) => row));
      yield { x: x.subarray(0, filled * width), y: y.subarray(0, filled), order };
    }
  } finally {
    closeSync(xs);
    closeSync(ys);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
