import { writeFile } from 'node:fs/promises';
import { type OpenPredictor, type Scores, type Table, noCounts } from '@clove/clv';
import { CloveError } from '@clove/contracts';
import { type OpenDuck, customerAt, openRows, scan, scanLines } from '@clove/data';
import { openModelFolder } from './model.js';
import { type PieceInput, type PieceReport, leaveRest, pieceFiles, takenPieces } from './pieces.js';
import type { ScoreIo } from './predict-dataset.js';
import { ascending } from './ranking.js';

/**
 * Scores the pieces that fall to this lane and writes what `ScoreFiles` says; done again, it writes the same bytes. Blocks its
 * thread while it computes.
 * @param i.modelDir folder with model.onnx and model.json @param i.dir receives the files
 * @returns what was found, by place; null for a piece of a CSV that is a matter for the ingest, which ends the work
 * @throws CloveError `internal` where a prediction is not a finite number
 */
export const scorePieces = async (
  i: PieceInput & { modelDir: string; dir: string },
  { signal, post }: ScoreIo,
): Promise<{ place: number; report: PieceReport | null }[]> => {
  const { source, plan } = i;
  const model = await openModelFolder(i.modelDir, i.threads === undefined ? {} : { threads: i.threads });
  let duck: OpenDuck | null = null;
  const found: { place: number; report: PieceReport | null }[] = [];
  let done = 0;
  try {
    if (!('csv' in source)) duck = await openRows({ ...i, ...source, signal });
    for (const { place, piece } of takenPieces(i.share)) {
      signal.throwIfAborted();
      const out = pieceFiles(i.dir, piece);
      let untold = 0;
      const told = (rows: number): void => {
        done += rows / plan.rows;
        untold += rows;
        if (untold < TOLD_ROWS) return;
        untold = 0;
        post({ fraction: done, stage: 'scoring' });
      };
      const stretch = plan.pieces[piece]!;
      const { columns, ids, sequence } = plan;
      const tables =
        'csv' in source
          ? scanLines({ source, stretch: piece, columns, ...out, signal })
          : scan({ ...source, duck: duck!, stretch, columns, ids, ...(sequence === null ? {} : { sequence }), signal });
      const scored = await scoreTables(model, tables, {
        told,
        name:
          'csv' in source
            ? null
            : (row) => customerAt({ duck: duck!, parquet: source.parquet, row: stretch.from + row }),
      });
      const report = scored === null ? null : await writeScores(scored, out);
      post({ fraction: done, stage: 'scoring' });
      found.push({ place, report });
      if (report === null) {
        leaveRest(i.share);
        return found;
      }
    }
    return found;
  } finally {
    await model.release();
    await duck?.close();
  }
};

/** Rows after which it is told how far the work is. */
const TOLD_ROWS = 16_384;

type Scored = { parts: Scores[]; rows: number; counts: ReturnType<typeof noCounts> };

/** @param o.name of the customer in a row; null where nobody can tell @returns null where the ingest is needed to tell what is wrong */
const scoreTables = async (
  model: OpenPredictor,
  tables: AsyncGenerator<Table, boolean | void, undefined>,
  o: { told: (rows: number) => void; name: ((row: number) => Promise<string>) | null },
): Promise<Scored | null> => {
  const counts = noCounts();
  const parts: Scores[] = [];
  let rows = 0;
  for (;;) {
    const next = await tables.next();
    if (next.done === true) return next.value === false ? null : { parts, rows, counts };
    const scores = await model.score(next.value, counts);
    const wild = notFinite(scores);
    if (wild !== null) {
      if (o.name === null) return null;
      throw new CloveError(
        'internal',
        `The model gave ${wild.value} as the ${wild.what} for customer "${await o.name(rows + wild.row)}": train it anew, or look for extreme values in that row.`,
      );
    }
    parts.push(scores);
    rows += next.value.rows;
    o.told(next.value.rows);
  }
};

const writeScores = async (
  { parts, rows, counts }: Scored,
  out: { scores: string; sorted: string },
): Promise<PieceReport> => {
  const joined = (pick: (scores: Scores) => Float32Array | null): Float32Array<ArrayBuffer> => {
    const whole = new Float32Array(rows);
    let at = 0;
    for (const part of parts) {
      const values = pick(part);
      if (values === null) return new Float32Array(0);
      whole.set(values, at);
      at += values.length;
    }
    return whole;
  };
  const predicted = joined((part) => part.predicted);
  const others = [joined((part) => part.low), joined((part) => part.high), joined((part) => part.pBuy)];
  await writeFile(out.scores, bytesOf([predicted, ...others]));
  const { sorted } = ascending(predicted);
  await writeFile(out.sorted, bytesOf([sorted]));
  return {
    rows,
    lowest: sorted[0] ?? Infinity,
    highest: sorted.at(-1) ?? -Infinity,
    ...momentsOf(predicted),
    unknown: [...counts.unknown],
    missing: [...counts.missing],
    unreadable: [...counts.unreadable],
  };
};

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

const notFinite = (scores: Scores): { what: string; row: number; value: number } | null => {
  for (const [what, values] of [
    ['prediction', scores.predicted],
    ['lower bound', scores.low],
    ['upper bound', scores.high],
  ] as const) {
    let row = 0;
    while (row < values.length && Number.isFinite(values[row]!)) row += 1;
    if (row < values.length) return { what, row, value: values[row]! };
  }
  return null;
};
