import { readFile } from 'node:fs/promises';
import { type OpenDuck, customerCells, openRows, writePredictionCsv, writePredictionParquet } from '@clove/data';
import { type Format, type PieceInput, pieceFiles, readFloats, takenPieces } from './pieces.js';
import type { ScoreIo } from './predict-dataset.js';
import { ascending, countLower, percentiles } from './ranking.js';

/**
 * Ranks the pieces that fall to this lane among all and writes what `WrittenFiles` says, of it what `formats` names; done
 * again, it writes the same bytes.
 * @param i.scores the `scores` of the pieces by place @param i.sorted the `sorted` files of all pieces
 * @param i.modelVersion what the column `model_version` says @param i.dir receives the files, and has `cells` of a CSV
 */
export const writePieces = async (
  i: PieceInput & {
    scores: readonly string[];
    sorted: readonly string[];
    dir: string;
    formats: readonly Format[];
    modelVersion: string;
  },
  { signal, post }: ScoreIo,
): Promise<void> => {
  const { source, plan, modelVersion, formats } = i;
  const { asOf, inputs } = plan;
  let duck: OpenDuck | null = null;
  let done = 0;
  try {
    if (!('csv' in source)) duck = await openRows({ ...i, ...source, folders: [i.dir], signal });
    const runs = plan.rows <= KEPT_ROWS ? await Promise.all(i.sorted.map(readFloats)) : null;
    for (const { place, piece } of takenPieces(i.share)) {
      signal.throwIfAborted();
      const stretch = plan.pieces[piece]!;
      const { rows } = stretch;
      const all = await readFloats(i.scores[place]!);
      const column = (k: number): Float32Array<ArrayBuffer> => all.subarray(k * rows, (k + 1) * rows);
      const { order, sorted } = ascending(column(0));
      const scores = {
        predicted: column(0),
        low: column(1),
        high: column(2),
        pBuy: all.length > 3 * rows ? column(3) : null,
        percentile: percentiles(order, await countLower(sorted, runs ?? allOf(i.sorted)), plan.rows),
      };
      const out = pieceFiles(i.dir, piece);
      const told = { scores, modelVersion, asOf };
      const rowsOf = 'csv' in source ? null : { parquet: source.parquet, stretch, inputs };
      if (formats.includes('csv')) {
        const cells = rowsOf === null ? await readFile(out.cells) : await customerCells(duck!, rowsOf);
        await writePredictionCsv({ ...told, cells, out: out.csv });
      }
      if (formats.includes('parquet') && rowsOf !== null)
        await writePredictionParquet(duck!, { ...told, ...rowsOf, out: out.parquet });
      post({ fraction: (done += rows / plan.rows), stage: 'writing' });
    }
  } finally {
    await duck?.close();
  }
};

/** Predictions of all pieces that a lane keeps in memory, 4 bytes each; more are read anew for each piece, a piece at a time. */
const KEPT_ROWS = 16_000_000;

async function* allOf(files: readonly string[]): AsyncGenerator<Float32Array, void, undefined> {
  for (const file of files) yield await readFloats(file);
}
