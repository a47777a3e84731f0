import type { Table } from '@clove/clv';
import type { PredictionSummary } from '@clove/contracts';
import type { DuckOptions } from './duck.js';

/** Scored customers, in the order in which they shall appear. */
export type PredictionChunk = {
  ids: readonly string[];
  predicted: Float32Array;
  pBuy: Float32Array | null;
  low: Float32Array;
  high: Float32Array;
  /** with `includeInputs`: the columns to append; the same names and kinds in every chunk */
  inputs?: Table['columns'] | undefined;
};

export type PredictionWriter = {
  append(chunk: PredictionChunk): Promise<void>;
  finish(o: { modelVersion: string; asOf: string | null }): Promise<{ rows: number; summary: PredictionSummary }>;
  abort(): Promise<void>;
};

export const createPredictionWriter = async (
  o: DuckOptions & { outDir: string; includeInputs?: boolean | undefined; signal?: AbortSignal | undefined },
): Promise<PredictionWriter> => {
  throw new Error(`not yet: ${o.outDir}`);
};
