import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { DatasetProfile, PredictionSummary, Warning } from '@clove/contracts';
import { type DuckOptions, type ScoringRows, joinedPredictions } from '@clove/data';
import { checkReports, summaryOf, warningsOf } from './finish-prediction.js';
import { type Lanes, openLanes, thisThread, threadsOf } from './lanes.js';
import { readManifest } from './model.js';
import {
  PIECE_ROWS,
  type PieceInput,
  type PieceReport,
  type PredictionPlan,
  type WrittenFiles,
  pieceFiles,
} from './pieces.js';
import type { WrittenPiece } from './write-piece.js';

/** What the scorer's work tells while it runs. */
export type ScoreMessage = { fraction: number; stage: string };
export type ScoreIo = { signal: AbortSignal; post(message: ScoreMessage): void };

export type PredictInput = {
  /** folder with model.onnx and model.json */
  modelDir: string;
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** transactions: the last day of the data when left out */
  asOf?: string;
  /** append the model's input columns (of a features dataset, all columns) to each row */
  includeInputs: boolean;
  /** what the column `model_version` says */
  modelVersion: string;
  /** receives predictions.parquet and predictions.csv, whole or not at all */
  outDir: string;
  scratchDir: string;
  memoryLimitBytes?: number;
  /** native threads; all cores, up to 8, when left out */
  threads?: number;
  /** threads that stay open for further predictions; opened and closed for this one when left out, which costs half a second of each */
  lanes?: Lanes;
};

export type PredictionResult = {
  rows: number;
  summary: PredictionSummary;
  warnings: Warning[];
  /** null for a features dataset */
  asOf: string | null;
};

/**
 * Scores every customer of a dataset, one row each, and writes the prediction files. Memory stays bounded whatever the row
 * count. What was filled, unknown or left unused is counted in the warnings. Blocks its thread while it computes where the
 * rows are one piece; more are shared among threads.
 * @throws CloveError `kind-mismatch`; `columns-mismatch` where more than half of the model's features are missing;
 * `value-invalid` where most of a numeric column is text; `data-empty`; `invalid-input` for an as-of date that cannot be
 */
export const predictDataset = async ({ lanes: kept, ...i }: PredictInput, io: ScoreIo): Promise<PredictionResult> => {
  const { scratchDir, memoryLimitBytes, modelDir, modelVersion } = i;
  const dir = await mkdtemp(join(scratchDir, 'pieces-'));
  const threads = threadsOf(i.threads);
  const lanes = kept ?? (i.profile.customers > PIECE_ROWS && threads > 1 ? openLanes(threads) : thisThread);
  try {
    const budget = { scratchDir, memoryLimitBytes, threads };
    const planned = await lanes.run('plan', { ...i, ...duckOptions(budget, 1), dir }, part(io, 'plan'));
    const { parts, ...result } = await predictPieces({ lanes, budget, modelDir, modelVersion, dir, ...planned }, io);
    await writeFiles(i.outDir, joinedPredictions({ inputs: planned.plan.inputs, parts }), io.signal);
    return result;
  } finally {
    if (kept === undefined) await lanes.close();
    await rm(dir, { recursive: true, force: true });
  }
};

/** Scores, ranks and writes all pieces of a plan. @returns the files of the pieces, in order, and what they hold */
export const predictPieces = async (
  w: Omit<Work, 'pieces'> & { modelDir: string; modelVersion: string },
  io: ScoreIo,
): Promise<PredictionResult & { parts: WrittenFiles[] }> => {
  const pieces = [...w.plan.pieces.keys()];
  const parts = pieces.map((piece) => pieceFiles(w.dir, piece));
  const reports = await scorePieces({ ...w, pieces }, part(io, 'score'));
  checkReports(reports, w.plan.rows);
  const scored = { scores: parts.map(({ scores }) => scores), sorted: parts.map(({ sorted }) => sorted) };
  const written = await writePieces({ ...w, ...scored, pieces }, part(io, 'write'));
  io.post({ fraction: PROGRESS.join.start, stage: 'writing the files' });
  return { parts, ...resultOf(await readManifest(w.modelDir), w.plan, reports, written) };
};

/** What is told of a prediction once all pieces are written. */
export const resultOf = (
  manifest: Parameters<typeof warningsOf>[0],
  plan: PredictionPlan,
  reports: readonly PieceReport[],
  written: readonly WrittenPiece[],
): PredictionResult => ({
  rows: plan.rows,
  summary: summaryOf(reports, written),
  warnings: warningsOf(manifest, plan, reports),
  asOf: plan.asOf,
});

/** Where in the progress of a prediction each step lies; the shares are measured. */
export const PROGRESS = {
  plan: { start: 0, share: 0.02 },
  score: { start: 0.02, share: 0.6 },
  write: { start: 0.62, share: 0.3 },
  join: { start: 0.92, share: 0.08 },
};

/** The progress of one step as that of the whole. */
const part = ({ signal, post }: ScoreIo, step: keyof typeof PROGRESS): ScoreIo => ({
  signal,
  post: ({ fraction, stage }) => post({ fraction: PROGRESS[step].start + PROGRESS[step].share * fraction, stage }),
});

/** Memory and threads of a piece of work as a whole. */
export type Budget = { scratchDir: string; memoryLimitBytes: number | undefined; threads: number };

/** What each of `parts` that run at once may use. */
export const duckOptions = ({ scratchDir, memoryLimitBytes, threads }: Budget, parts: number): DuckOptions => ({
  scratchDir,
  threads: Math.max(1, Math.floor(threads / parts)),
  ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes: Math.floor(memoryLimitBytes / parts) }),
});

/** Pieces to work on, and with what. */
export type Work = {
  lanes: Lanes;
  budget: Budget;
  source: ScoringRows;
  plan: PredictionPlan;
  /** where the files of the pieces are written */
  dir: string;
  pieces: readonly number[];
};

/** Scores some pieces, several at once. @returns what was found, in their order */
export const scorePieces = (w: Work & { modelDir: string }, io: ScoreIo): Promise<PieceReport[]> =>
  eachPiece(w, io, 'scored', (input, own) =>
    w.lanes.run('score', { ...input, modelDir: w.modelDir, out: pieceFiles(w.dir, input.piece) }, own),
  );

/**
 * Ranks and writes some pieces, several at once.
 * @param w.scores files of the pieces, in the order of `w.pieces` @param w.sorted files of all pieces of the plan
 */
export const writePieces = (
  w: Work & { scores: readonly string[]; sorted: readonly string[]; modelVersion: string },
  io: ScoreIo,
): Promise<WrittenPiece[]> =>
  eachPiece(w, io, 'written', (input, own, place) => {
    const { sorted, modelVersion } = w;
    const files = { scores: w.scores[place]!, sorted, out: pieceFiles(w.dir, input.piece) };
    return w.lanes.run('write', { ...input, ...files, modelVersion }, own);
  });

const eachPiece = async <T>(
  { lanes, budget, source, plan, pieces }: Work,
  io: ScoreIo,
  done: string,
  run: (input: PieceInput, io: ScoreIo, place: number) => Promise<T>,
): Promise<T[]> => {
  const rowsOf = (piece: number): number => plan.pieces[piece]!.rows;
  const all = pieces.reduce((sum, piece) => sum + rowsOf(piece), 0);
  const rows = new Map<number, number>();
  const told = (piece: number, fraction: number): void => {
    rows.set(piece, fraction * rowsOf(piece));
    const sum = Math.round([...rows.values()].reduce((a, b) => a + b, 0));
    io.post({ fraction: sum / all, stage: `${sum} customers ${done}` });
  };
  const atOnce = Math.min(lanes.size, pieces.length);
  // The first failure stops the other pieces.
  const stop = new AbortController();
  const signal = AbortSignal.any([io.signal, stop.signal]);
  const results: T[] = [];
  const queue = [...pieces.entries()];
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [place, piece] = next;
      const input = { ...duckOptions(budget, atOnce), source, plan, piece };
      results[place] = await run(input, { signal, post: ({ fraction }) => told(piece, fraction) }, place);
      told(piece, 1);
    }
  };
  const lanesDone = await Promise.allSettled(
    Array.from({ length: atOnce }, () =>
      lane().catch((error: unknown) => {
        queue.length = 0;
        stop.abort(error);
        throw error;
      }),
    ),
  );
  io.signal.throwIfAborted();
  const failed = lanesDone.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw stop.signal.reason ?? failed.reason;
  return results;
};

const writeFiles = async (
  outDir: string,
  { csv, parquet }: ReturnType<typeof joinedPredictions>,
  signal: AbortSignal,
): Promise<void> => {
  await mkdir(outDir, { recursive: true });
  const files = [
    { stream: parquet, file: join(outDir, 'predictions.parquet') },
    { stream: csv, file: join(outDir, 'predictions.csv') },
  ];
  try {
    for (const { stream, file } of files) await pipeline(stream, createWriteStream(`${file}.part`), { signal });
    for (const { file } of files) await rename(`${file}.part`, file);
  } finally {
    for (const { file } of files) await rm(`${file}.part`, { force: true });
  }
};
