import { writePredictions } from '@clove/data';
import { type PieceInput, type WrittenFiles, readFloats } from './pieces.js';
import type { ScoreIo } from './predict-dataset.js';
import { atPlace, countLower, percentiles } from './ranking.js';

/** What a piece knows of the two predictions in the middle of all, see `atPlace`. */
export type WrittenPiece = { middle: [number | null, number | null] };

/**
 * Ranks the scored rows of a piece among all and writes its `parquet` and `csv`; done again, it writes the same bytes.
 * @param i.scores its own `scores` @param i.sorted the `sorted` files of all pieces
 * @param i.modelVersion what the column `model_version` says
 */
export const writePiece = async (
  i: PieceInput & { scores: string; sorted: readonly string[]; out: WrittenFiles; modelVersion: string },
  { signal }: ScoreIo,
): Promise<WrittenPiece> => {
  const { rows, pieces, inputs, asOf } = i.plan;
  const stretch = pieces[i.piece]!;
  const scores = await readFloats(i.scores);
  const column = (k: number): Float32Array<ArrayBuffer> => scores.subarray(k * stretch.rows, (k + 1) * stretch.rows);
  const predicted = column(0);
  const own = predicted.toSorted();
  const lower = await countLower(own, allOf(i.sorted));
  signal.throwIfAborted();
  const { scratchDir, memoryLimitBytes, threads } = i;
  await writePredictions({
    scratchDir,
    ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
    ...(threads === undefined ? {} : { threads }),
    modelVersion: i.modelVersion,
    parquet: i.source.parquet,
    stretch,
    scores: {
      predicted,
      low: column(1),
      high: column(2),
      pBuy: scores.length > 3 * stretch.rows ? column(3) : null,
      percentile: percentiles(predicted, own, lower, rows),
    },
    inputs,
    asOf,
    out: i.out,
    signal,
  });
  return {
    middle: [atPlace(own, lower, Math.floor((rows - 1) / 2)), atPlace(own, lower, Math.floor(rows / 2))],
  };
};

async function* allOf(files: readonly string[]): AsyncGenerator<Float32Array, void, undefined> {
  for (const file of files) yield await readFloats(file);
}
