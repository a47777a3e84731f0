import type { DatasetProfile, GeneratorOptions } from '@clove/contracts';
import type { DuckOptions } from './duck.js';

export type GenerateIo = {
  signal?: AbortSignal | undefined;
  onProgress?: ((fraction: number, stage: string) => void) | undefined;
};

/** Writes canonical `data.parquet` and `profile.json` into `outDir`. */
export const generateDataset = async (
  o: DuckOptions & GenerateIo & { options: GeneratorOptions; outDir: string },
): Promise<DatasetProfile> => {
  throw new Error(`not yet: ${o.outDir}`);
};

/** Writes the generated rows as a user would have them; CSV, gzipped CSV or Parquet by the name's ending. */
export const generateFile = async (
  o: DuckOptions & GenerateIo & { options: GeneratorOptions; file: string },
): Promise<{ rows: number }> => {
  throw new Error(`not yet: ${o.file}`);
};
