import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  CloveError,
  type DatasetProfile,
  type IngestOptions,
  type PredictionReport,
  type PredictionSummary,
  type Warning,
} from '@clove/contracts';
import {
  type DuckOptions,
  type IngestFile,
  type InputColumn,
  KeySet,
  type ScoringRows,
  joinedCsv,
  joinedParquet,
} from '@clove/data';
import { checkReports, summaryOf, warningsOf } from './finish-prediction.js';
import { type Lanes, openLanes, thisThread, threadsOf } from './lanes.js';
import { readManifest } from './model.js';
import {
  type Format,
  PIECE_ROWS,
  type PieceInput,
  type PieceReport,
  type PredictionPlan,
  type Source,
  type WrittenFiles,
  counted,
  pieceFiles,
  readFloats,
  readWholes,
} from './pieces.js';
import { predictionFigures } from './prediction-figures.js';

/** What the scorer's work tells while it runs. */
export type ScoreMessage = { fraction: number; stage: string };
export type ScoreIo = { signal: AbortSignal; post(message: ScoreMessage): void };

/** What a prediction is made with, whatever it is of. */
type Given = {
  /** folder with model.onnx and model.json */
  modelDir: string;
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

export type PredictInput = Given & {
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** transactions: the last day of the data when left out */
  asOf?: string;
  /** append the model's input columns (of a features dataset, all columns) to each row */
  includeInputs: boolean;
  /** both when left out */
  formats?: readonly Format[];
};

export type PredictCsvInput = Given & { file: IngestFile; reading: IngestOptions };

export type PredictionResult = {
  rows: number;
  summary: PredictionSummary;
  warnings: Warning[];
  /** null for a features dataset */
  asOf: string | null;
};

/** A prediction and how its values are spread. */
export type Made = PredictionResult & { figures: Omit<PredictionReport, 'actual'> };

/**
 * Scores every customer of a dataset, one row each, and writes the prediction files. Memory stays bounded whatever the row
 * count. What was filled, unknown or left unused is counted in the warnings. Blocks its thread while it computes where the
 * rows are one piece; more are shared among threads.
 * @throws CloveError `kind-mismatch`; `columns-mismatch` where more than half of the model's features are missing;
 * `value-invalid` where most of a numeric column is text; `data-empty`; `invalid-input` for an as-of date that cannot be
 */
export const predictDataset = (i: PredictInput, io: ScoreIo): Promise<PredictionResult> =>
  inPieces(i, i.profile.customers > PIECE_ROWS, async (work) => {
    const { lanes, budget, dir } = work;
    const formats = i.formats ?? ['csv', 'parquet'];
    const { lanes: _, ...given } = i;
    const planned = await lanes.run('plan', { ...given, ...duckOptions(budget, 1), dir }, part(io, 'plan'));
    const { parts, made } = await predictPieces({ ...work, ...planned, formats }, io);
    await writeFiles(i.outDir, joinedFiles(planned.plan.inputs, formats, parts), io.signal);
    return made;
  });

/**
 * The same of a CSV of features that can be scored as it lies, see `openPlainCsv`; writes predictions.csv alone, with the bytes
 * that it has where the file is ingested first.
 * @returns null where the file has to be ingested first; nothing is written then
 */
export const predictCsv = async (i: PredictCsvInput, io: ScoreIo): Promise<PredictionResult | null> => {
  const { size } = await stat(i.file.path);
  return inPieces(i, size > LARGE_BYTES, async (work) => {
    const { lanes, budget, dir } = work;
    const { lanes: _, ...given } = i;
    const planned = await lanes.run('planCsv', { ...given, ...duckOptions(budget, 1) }, part(io, 'plan'));
    if (planned === null) return null;
    const { plan, source, warnings } = planned;
    const formats = ['csv'] as const;
    const reports = await scorePieces({ ...work, pieces: [...plan.pieces.keys()], plan, source }, part(io, 'score'));
    if (!reports.every((report) => report !== null)) return null;
    const all = counted(plan, reports);
    const keys = plan.pieces.map((_piece, piece) => pieceFiles(dir, piece).keys);
    const stop = new AbortController();
    const own = { ...io, signal: AbortSignal.any([io.signal, stop.signal]) };
    // What is written in vain where an id comes twice is rare.
    const [differ, ranked] = await Promise.all([
      idsDiffer(keys, all.rows).then((found) => {
        if (!found) stop.abort(new CloveError('cancelled', 'An id comes twice.'));
        return found;
      }),
      rankPieces({ ...work, plan: all, source, formats }, reports, own).catch((error: unknown) => {
        if (stop.signal.aborted && !io.signal.aborted) return null;
        throw error;
      }),
    ]);
    if (!differ || ranked === null) return null;
    const { parts, made } = ranked;
    await writeFiles(i.outDir, joinedFiles([], formats, parts), io.signal);
    return { ...made, warnings: [...warnings, ...made.warnings] };
  });
};

/** Bytes of a CSV from which threads are worth their start. */
const LARGE_BYTES = 32 * 2 ** 20;

const idsDiffer = async (files: readonly string[], rows: number): Promise<boolean> => {
  const keys = new KeySet(rows);
  for (const file of files) if (!keys.add(await readWholes(file))) return false;
  return true;
};

/** Where a prediction is made and with what. */
type Place = { lanes: Lanes; budget: Budget; modelDir: string; modelVersion: string; dir: string };

/** Does work in a folder that is gone afterwards. @param large whether it is worth threads of its own where none are open */
const inPieces = async <T>(
  { lanes: kept, scratchDir, memoryLimitBytes, modelDir, modelVersion, ...i }: Given,
  large: boolean,
  work: (place: Place) => Promise<T>,
): Promise<T> => {
  const dir = await mkdtemp(join(scratchDir, 'pieces-'));
  const threads = threadsOf(i.threads);
  const lanes = kept ?? (large && threads > 1 ? openLanes(threads) : thisThread);
  try {
    const [made] = await Promise.all([
      work({ lanes, budget: { scratchDir, memoryLimitBytes, threads }, modelDir, modelVersion, dir }),
      // The second thread loads what it needs while the first one makes the plan.
      kept === undefined ? lanes.start() : undefined,
    ]);
    return made;
  } finally {
    if (kept === undefined) await lanes.close();
    await rm(dir, { recursive: true, force: true });
  }
};

/** Scores, ranks and writes all pieces of a plan. @returns the files of the pieces, in order, and what they hold */
export const predictPieces = async (
  w: Place & { plan: PredictionPlan; source: ScoringRows; formats: readonly Format[] },
  io: ScoreIo,
): Promise<{ parts: WrittenFiles[]; made: Made }> => {
  const reports = await scorePieces({ ...w, pieces: [...w.plan.pieces.keys()] }, part(io, 'score'));
  return rankPieces(
    w,
    reports.filter((report) => report !== null),
    io,
  );
};

/** Ranks and writes all pieces once they are scored. */
const rankPieces = async (
  w: Place & { plan: PredictionPlan; source: Source; formats: readonly Format[] },
  reports: readonly PieceReport[],
  io: ScoreIo,
): Promise<{ parts: WrittenFiles[]; made: Made }> => {
  checkReports(reports, w.plan.rows);
  const pieces = [...w.plan.pieces.keys()];
  const parts = pieces.map((piece) => pieceFiles(w.dir, piece));
  const sorted = parts.map((files) => files.sorted);
  const scores = parts.map((files) => files.scores);
  const manifest = await readManifest(w.modelDir);
  const [made] = await Promise.all([
    madeOf(manifest, w.plan, reports, sorted),
    writePieces({ ...w, scores, sorted, pieces }, part(io, 'write')),
  ]);
  io.post({ fraction: PROGRESS.join.start, stage: 'writing the files' });
  return { parts, made };
};

/** What is told of a prediction once all pieces are scored. @param sorted their `sorted` files */
export const madeOf = async (
  manifest: Parameters<typeof warningsOf>[0],
  plan: PredictionPlan,
  reports: readonly PieceReport[],
  sorted: readonly string[],
): Promise<Made> => {
  const runs = await Promise.all(sorted.map(readFloats));
  return {
    rows: plan.rows,
    summary: summaryOf(reports, runs),
    warnings: warningsOf(manifest, plan, reports),
    asOf: plan.asOf,
    figures: predictionFigures(runs),
  };
};

/** The files of a prediction as streams of bytes, made of those of its pieces. */
export const joinedFiles = (
  inputs: readonly InputColumn[],
  formats: readonly Format[],
  parts: readonly WrittenFiles[],
): { format: Format; stream: Readable }[] =>
  formats.map((format) => {
    const files = parts.map((part) => part[format]);
    const bytes = format === 'csv' ? joinedCsv({ inputs, files }) : joinedParquet(files);
    return { format, stream: Readable.from(bytes, { objectMode: false }) };
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
  source: Source;
  plan: PredictionPlan;
  /** where the files of the pieces are written */
  dir: string;
  pieces: readonly number[];
};

/** Scores some pieces, several at once. @returns what was found, in their order, see `scorePieces` of the lanes */
export const scorePieces = async (w: Work & { modelDir: string }, io: ScoreIo): Promise<(PieceReport | null)[]> => {
  const { modelDir, dir } = w;
  const found = await inLanes(w, io, 'scored', (input, own) => w.lanes.run('score', { ...input, modelDir, dir }, own));
  const reports: (PieceReport | null)[] = w.pieces.map(() => null);
  for (const { place, report } of found.flat()) reports[place] = report;
  return reports;
};

/**
 * Ranks and writes some pieces, several at once.
 * @param w.scores files of the pieces, in the order of `w.pieces` @param w.sorted files of all pieces of the plan
 */
export const writePieces = async (
  w: Work & { scores: readonly string[]; sorted: readonly string[]; formats: readonly Format[]; modelVersion: string },
  io: ScoreIo,
): Promise<void> => {
  const { scores, sorted, formats, modelVersion, dir } = w;
  const files = { scores, sorted, formats, modelVersion, dir };
  await inLanes(w, io, 'written', (input, own) => w.lanes.run('write', { ...input, ...files }, own));
};

/** Work of the same kind in several lanes, which take the pieces one after the other. */
const inLanes = async <T>(
  { lanes, budget, source, plan, pieces }: Work,
  io: ScoreIo,
  done: string,
  run: (input: PieceInput, io: ScoreIo) => Promise<T>,
): Promise<T[]> => {
  const all = pieces.reduce((sum, piece) => sum + plan.pieces[piece]!.rows, 0);
  const atOnce = Math.min(lanes.size, pieces.length);
  const parts = Array.from({ length: atOnce }, () => 0);
  const told = (lane: number, fraction: number): void => {
    // of the plan's rows, of which these pieces may be a part
    parts[lane] = fraction * plan.rows;
    const sum = Math.min(all, Math.round(parts.reduce((a, b) => a + b, 0)));
    io.post({ fraction: sum / all, stage: `${sum} customers ${done}` });
  };
  // The first failure stops the other lanes.
  const stop = new AbortController();
  const signal = AbortSignal.any([io.signal, stop.signal]);
  const share = { pieces, taken: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) };
  const input = { ...duckOptions(budget, atOnce), source, plan, share };
  const ends = await Promise.allSettled(
    parts.map((_, lane) =>
      run(input, { signal, post: ({ fraction }) => told(lane, fraction) }).catch((error: unknown) => {
        stop.abort(error);
        throw error;
      }),
    ),
  );
  io.signal.throwIfAborted();
  return ends.map((end) => {
    if (end.status === 'fulfilled') return end.value;
    throw stop.signal.reason ?? end.reason;
  });
};

const writeFiles = async (
  outDir: string,
  files: ReturnType<typeof joinedFiles>,
  signal: AbortSignal,
): Promise<void> => {
  await mkdir(outDir, { recursive: true });
  const fileOf = (format: Format): string => join(outDir, `predictions.${format}`);
  try {
    await Promise.all(
      files.map(({ format, stream }) => pipeline(stream, createWriteStream(`${fileOf(format)}.part`), { signal })),
    );
    for (const { format } of files) await rename(`${fileOf(format)}.part`, fileOf(format));
  } finally {
    for (const { format } of files) await rm(`${fileOf(format)}.part`, { force: true });
  }
};
