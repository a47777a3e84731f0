import { availableParallelism } from 'node:os';
import { openThreadPool } from '@clove/runtime';
import { evaluateModel } from './evaluate-model.js';
import { importModel } from './import-model.js';
import { planCsvPrediction, planPrediction } from './plan-prediction.js';
import type { ScoreIo, ScoreMessage } from './predict-dataset.js';
import { compareWithActual } from './compare-with-actual.js';
import { scorePieces } from './score-piece.js';
import { writePieces } from './write-piece.js';

/** Work that blocks the thread in which it is done, by name. */
export const laneTasks = {
  plan: planPrediction,
  planCsv: planCsvPrediction,
  score: scorePieces,
  write: writePieces,
  compare: compareWithActual,
  evaluate: evaluateModel,
  import: importModel,
  /** What a thread loads when it starts is all that this takes. */
  start: async (_input: null, _io: ScoreIo): Promise<void> => {},
};
export type LaneTasks = typeof laneTasks;

/** Where such work is done: several pieces of it at once. */
export type Lanes = {
  /** pieces at once */
  readonly size: number;
  run<K extends keyof LaneTasks>(task: K, input: Parameters<LaneTasks[K]>[0], io: ScoreIo): ReturnType<LaneTasks[K]>;
  /** Starts all threads, so that the first work does not wait for that. */
  start(): Promise<void>;
  close(): Promise<void>;
};

/** Native threads to use: as many as were asked for, else the cores of the machine, up to 8. */
export const threadsOf = (asked: number | undefined): number => asked ?? Math.min(8, availableParallelism());

/** Threads that stay open from one task to the next; each is started when it is first needed. */
export const openLanes = (size: number): Lanes => {
  const pool = openThreadPool<{ task: keyof LaneTasks; input: never }, ScoreMessage, never>(
    new URL('./lane.js', import.meta.url),
    size,
  );
  const never = new AbortController().signal;
  const lanes: Lanes = {
    size,
    start: async () => {
      await Promise.all(
        Array.from({ length: size }, () => lanes.run('start', null, { signal: never, post: () => {} })),
      );
    },
    run: (task, input, { signal, post }) =>
      // The script runs the task of that name, so what comes back is its result.
      pool.run({ task, input: input as never }, { signal, onMessage: post }) as ReturnType<LaneTasks[typeof task]>,
    close: () => pool.close(),
  };
  return lanes;
};

/** The calling thread itself, for what is too small to be shared. */
export const thisThread: Lanes = {
  size: 1,
  run: (task, input, io) => laneTasks[task](input as never, io) as ReturnType<LaneTasks[typeof task]>,
  start: async () => {},
  close: async () => {},
};
