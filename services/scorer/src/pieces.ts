import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { EncodingCounts } from '@clove/clv';
import { CloveError, type Warning } from '@clove/contracts';
import type { DuckOptions, InputColumn, PlainRows, ScoringRows, Stretch } from '@clove/data';

/**
 * A prediction is made piece by piece. Words:
 * - **rows**: what is scored, a Parquet file: the dataset itself, or a snapshot of it. Or a plain CSV, of which nothing else is made.
 * - **piece**: some rows next to each other. It is scored, which gives predictions, sorted too; then, once all pieces are
 *   scored, ranked among all and written, which gives its part of the two files. How rows are cut into pieces follows from
 *   their number alone, so the bytes of a prediction do not depend on how many threads or scorers made it.
 * - **shard**: pieces that one scorer does at once, in a prediction that several share.
 */
export type PredictionPlan = {
  /** of a CSV, here and in the pieces, about as many until all is scored, see `counted` */
  rows: number;
  pieces: Stretch[];
  /** columns that the model takes */
  columns: string[];
  /** order days of each customer that it reads */
  sequence: { length: number } | null;
  /** whether scoring needs the ids of the customers, to name one whose number is a text */
  ids: boolean;
  /** columns that are appended to each row */
  inputs: InputColumn[];
  /** null for a features dataset */
  asOf: string | null;
  warnings: Warning[];
};

/** What is scored. */
export type Source = ScoringRows | PlainRows;

/** Rows that DuckDB writes as one group of a Parquet file, and reads as one: a piece should not begin within it. */
const GROUP_ROWS = 122_880;
/** Rows of a piece at most. Small enough that two threads share a large upload, and that a piece and what DuckDB holds of it stay far below 100 MB. */
export const PIECE_ROWS = 2 * GROUP_ROWS;
/** Fewer rows are not worth a second thread. */
const SHARED_ROWS = 32_768;

/**
 * Pieces of a whole number of groups, the last one of what is left; within a group, and where less is asked for, of the same
 * size, give or take a row. @param most rows of a piece
 */
export const piecesOf = (rows: number, most: number): Stretch[] => {
  const cut = (count: number, at: (i: number) => number): Stretch[] =>
    Array.from({ length: count }, (_, i) => ({ from: at(i), rows: at(i + 1) - at(i) }));
  if (rows <= GROUP_ROWS || most < GROUP_ROWS) {
    const count = Math.max(Math.ceil(rows / most), rows < SHARED_ROWS ? 1 : 2);
    return cut(count, (i) => Math.floor((i * rows) / count));
  }
  const size = rows <= 2 * PIECE_ROWS ? GROUP_ROWS : GROUP_ROWS * Math.floor(most / GROUP_ROWS);
  return cut(Math.ceil(rows / size), (i) => Math.min(rows, i * size));
};

/** Pieces that several lanes take, one after the other: `taken` counts them, in memory that the lanes share. */
export type Share = { pieces: readonly number[]; taken: Int32Array<SharedArrayBuffer> };

/** The pieces that fall to this lane, with their places in the share. */
export function* takenPieces({ pieces, taken }: Share): Generator<{ place: number; piece: number }> {
  for (let place = Atomics.add(taken, 0, 1); place < pieces.length; place = Atomics.add(taken, 0, 1))
    yield { place, piece: pieces[place]! };
}

/** Leaves the pieces that are not taken yet to nobody. */
export const leaveRest = ({ pieces, taken }: Share): void => void Atomics.store(taken, 0, pieces.length);

/** What work on pieces needs. */
export type PieceInput = DuckOptions & { source: Source; plan: PredictionPlan; share: Share };

/** What the scoring of a piece writes. */
export type ScoreFiles = {
  /** 32-bit floats: all predictions, all lower, all upper bounds, then all probabilities where there are any */
  scores: string;
  /** 32-bit floats: the predictions, ascending */
  sorted: string;
  /** of a CSV: the ids, see `scanLines` */
  cells: string;
  keys: string;
};
/** What the writing of a piece writes: its part of the prediction's files. */
export type WrittenFiles = { parquet: string; csv: string };

/** The files that a prediction is asked for as. */
export type Format = keyof WrittenFiles;

/** Files of a piece in a folder. */
export const pieceFiles = (dir: string, piece: number): ScoreFiles & WrittenFiles => ({
  scores: join(dir, `${piece}.scores`),
  sorted: join(dir, `${piece}.sorted`),
  parquet: join(dir, `${piece}.parquet`),
  csv: join(dir, `${piece}.csv`),
  cells: join(dir, `${piece}.cells`),
  keys: join(dir, `${piece}.keys`),
});

/** Numbers as they were written by this program: 32-bit floats of this machine's byte order. */
export const readFloats = async (file: string): Promise<Float32Array<ArrayBuffer>> =>
  new Float32Array(await readBytes(file));

/** The same of whole numbers. */
export const readWholes = async (file: string): Promise<Uint32Array<ArrayBuffer>> =>
  new Uint32Array(await readBytes(file));

const readBytes = async (file: string): Promise<ArrayBuffer> => {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size;) {
      const { bytesRead } = await handle.read(bytes, at, size - at, at);
      if (bytesRead === 0) throw new CloveError('internal', `${file} became shorter while it was read.`);
      at += bytesRead;
    }
    return bytes.buffer;
  } finally {
    await handle.close();
  }
};

/** A plan by what the scoring of its pieces found. */
export const counted = (plan: PredictionPlan, reports: readonly PieceReport[]): PredictionPlan => {
  let rows = 0;
  const pieces = reports.map((report): Stretch => {
    const from = rows;
    rows += report.rows;
    return { from, rows: report.rows };
  });
  return { ...plan, rows, pieces };
};

/** What the scoring of a piece found, as JSON carries it. */
export type PieceReport = {
  rows: number;
  lowest: number;
  highest: number;
  total: number;
  /** sum of squared deviations from the piece's own mean */
  squares: number;
  unknown: [string, number][];
  missing: [string, number][];
  unreadable: [string, { count: number; example: string; customer: string }][];
};

/** What was met in all pieces; of texts that are no number, the first. */
export const allCounts = (reports: readonly PieceReport[]): EncodingCounts => {
  const unreadable: EncodingCounts['unreadable'] = new Map();
  for (const [name, met] of reports.flatMap((report) => report.unreadable)) {
    const first = unreadable.get(name);
    unreadable.set(name, first === undefined ? met : { ...first, count: first.count + met.count });
  }
  return {
    unknown: added(reports.flatMap((report) => report.unknown)),
    missing: added(reports.flatMap((report) => report.missing)),
    unreadable,
  };
};

const added = (counts: [string, number][]): Map<string, number> => {
  const sums = new Map<string, number>();
  for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
  return sums;
};
