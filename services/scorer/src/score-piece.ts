import { writeFile } from 'node:fs/promises';
import { type Scores, noCounts } from '@clove/clv';
import { CloveError } from '@clove/contracts';
import { customerAt, scan } from '@clove/data';
import { openModelFolder } from './model.js';
import type { PieceInput, PieceReport, ScoreFiles } from './pieces.js';
import type { ScoreIo } from './predict-dataset.js';

/**
 * Scores the rows of a piece and writes its `scores` and `sorted`; done again, it writes the same bytes. Blocks its thread
 * while it computes.
 * @param i.modelDir folder with model.onnx and model.json
 * @throws CloveError `internal` where a prediction is not a finite number
 */
export const scorePiece = async (
  i: PieceInput & { modelDir: string; out: ScoreFiles },
  io: ScoreIo,
): Promise<PieceReport> => {
  const { plan } = i;
  const stretch = plan.pieces[i.piece]!;
  const scored = { predicted: floats(stretch.rows), low: floats(stretch.rows), high: floats(stretch.rows) };
  let pBuy: Float32Array<ArrayBuffer> | null = null;
  const counts = noCounts();
  const model = await openModelFolder(i.modelDir, i.threads === undefined ? {} : { threads: i.threads });
  try {
    let done = 0;
    const tables = scan({
      ...i,
      ...i.source,
      stretch,
      columns: plan.columns,
      ids: plan.ids,
      ...(plan.sequence === null ? {} : { sequence: plan.sequence }),
      signal: io.signal,
    });
    for await (const table of tables) {
      const scores = await model.score(table, counts);
      await requireFinite(i, scores, stretch.from + done);
      for (const name of ['predicted', 'low', 'high'] as const) scored[name].set(scores[name], done);
      if (scores.pBuy !== null) (pBuy ??= floats(stretch.rows)).set(scores.pBuy, done);
      done += table.rows;
      io.post({ fraction: done / stretch.rows, stage: 'scoring' });
    }
  } finally {
    await model.release();
  }
  const { predicted, low, high } = scored;
  await writeFile(i.out.scores, bytesOf([predicted, low, high, ...(pBuy === null ? [] : [pBuy])]));
  const sorted = predicted.toSorted();
  await writeFile(i.out.sorted, bytesOf([sorted]));
  return {
    rows: stretch.rows,
    lowest: sorted[0]!,
    highest: sorted.at(-1)!,
    ...momentsOf(predicted),
    unknown: [...counts.unknown],
    missing: [...counts.missing],
    unreadable: [...counts.unreadable],
  };
};

const floats = (length: number): Float32Array<ArrayBuffer> => new Float32Array(length);

const bytesOf = (parts: readonly Float32Array<ArrayBuffer>[]): Uint8Array[] =>
  parts.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));

const momentsOf = (values: Float32Array): Pick<PieceReport, 'total' | 'squares'> => {
  let total = 0;
  for (const value of values) total += value;
  const mean = total / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { total, squares };
};

const requireFinite = async (i: PieceInput, scores: Scores, firstRow: number): Promise<void> => {
  for (const [name, values] of [
    ['prediction', scores.predicted],
    ['lower bound', scores.low],
    ['upper bound', scores.high],
  ] as const) {
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad < 0) continue;
    const customer = await customerAt({ ...i, parquet: i.source.parquet, row: firstRow + bad });
    throw new CloveError(
      'internal',
      `The model gave ${values[bad]} as the ${name} for customer "${customer}": train it anew, or look for extreme values in that row.`,
    );
  }
};
