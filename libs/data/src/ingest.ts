import type { DatasetProfile, IngestOptions } from '@clove/contracts';
import { CloveError } from '@clove/contracts';
import type { DuckOptions } from './duck.js';

/** Uploaded files: what each is called for people, and where it lies. */
export type IngestFile = { name: string; path: string };

export type IngestRequest = DuckOptions & {
  files: IngestFile[];
  options: IngestOptions;
  outDir: string;
  signal?: AbortSignal;
  onProgress?: (fraction: number, stage: string) => void;
};

/** Reads uploaded files into `outDir/data.parquet` and `outDir/profile.json`. */
export const ingestFiles = async (request: IngestRequest): Promise<DatasetProfile> => {
  throw new CloveError('internal', `not there yet: ${request.files.length} files`);
};
