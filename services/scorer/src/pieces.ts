import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EncodingCounts } from '@clove/clv';
import type { Warning } from '@clove/contracts';
import type { DuckOptions, InputColumn, ScoringRows, Stretch } from '@clove/data';

/**
 * A prediction is made piece by piece. Words:
 * - **rows**: what is scored, a Parquet file: the dataset itself, or a snapshot of it.
 * - **piece**: some rows next to each other. It is scored, which gives predictions, sorted too; then, once all pieces are
 *   scored, ranked among all and written, which gives its part of the two files. How rows are cut into pieces follows from
 *   their number alone, so the bytes of a prediction do not depend on how many threads or scorers made it.
 * - **shard**: pieces that one scorer does at once, in a prediction that several share.
 */
export type PredictionPlan = {
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

/** Rows of a piece at most. Small enough that two threads share a large upload, and that a piece and what DuckDB holds of it stay far below 100 MB. */
export const PIECE_ROWS = 250_000;

/** Pieces of the same size, give or take a row. @param most rows of a piece */
export const piecesOf = (rows: number, most: number): Stretch[] => {
  const count = Math.max(1, Math.ceil(rows / most));
  const at = (i: number): number => Math.floor((i * rows) / count);
  return Array.from({ length: count }, (_, i) => ({ from: at(i), rows: at(i + 1) - at(i) }));
};

/** What work on one piece needs. */
export type PieceInput = DuckOptions & { source: ScoringRows; plan: PredictionPlan; piece: number };

/** What the scoring of a piece writes. */
export type ScoreFiles = {
  /** 32-bit floats: all predictions, all lower, all upper bounds, then all probabilities where there are any */
  scores: string;
  /** 32-bit floats: the predictions, ascending */
  sorted: string;
};
/** What the writing of a piece writes: its part of the prediction's files. */
export type WrittenFiles = { parquet: string; csv: string };

/** Files of a piece in a folder. */
export const pieceFiles = (dir: string, piece: number): ScoreFiles & WrittenFiles => ({
  scores: join(dir, `${piece}.scores`),
  sorted: join(dir, `${piece}.sorted`),
  parquet: join(dir, `${piece}.parquet`),
  csv: join(dir, `${piece}.csv`),
});

/** Numbers as they were written by this program: 32-bit floats of this machine's byte order. */
export const readFloats = async (file: string): Promise<Float32Array<ArrayBuffer>> => {
  const bytes = await readFile(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
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
