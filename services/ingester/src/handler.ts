import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckOptions, generateDataset, ingestFiles } from '@clove/data';
import type { Handlers } from '@clove/runtime';
import { type ArtifactStore, type Registry, artifactKeys } from '@clove/store';

/** What the handlers of the ingester work with. */
export type IngesterContext = {
  registry: Registry;
  artifacts: ArtifactStore;
  /** folder for files in the making */
  scratchDir: string;
  memoryLimitBytes: number;
  threads: number | undefined;
  /** the key that customer ids are hashed by, where a dataset wants that */
  customerSecret: string | undefined;
};

/** Share of a job's progress that the data takes; the rest is storing it. */
const DATA_SHARE = 0.95;

/**
 * Does one `ingest` job: the uploaded files, or a generator's options, become `data.parquet` and `profile.json` in the
 * store, then the dataset is made ready. A dataset that is ready is left alone; an interrupted job is done anew and
 * writes the same bytes. DuckDB works on threads of its own, so the process stays able to answer the queue.
 */
export const ingestHandler =
  (context: IngesterContext): Handlers<'ingest'>['ingest'] =>
  async ({ datasetId }, { signal, progress, logger }) => {
    const { registry, artifacts } = context;
    const dataset = await registry.datasets.get(datasetId);
    const source = await registry.datasets.source(datasetId);
    // the files as they were sent hold the ids that are not to be kept
    const forgetIds = async () => {
      if (source.type !== 'upload' || source.options.hashCustomers !== true) return;
      await artifacts.remove(artifactKeys.uploads(datasetId));
    };
    if (dataset.status === 'ready') return forgetIds();
    const scratchDir = await mkdtemp(join(context.scratchDir, 'ingest-'));
    try {
      const outDir = join(scratchDir, 'dataset');
      const duck: DuckOptions = {
        scratchDir,
        memoryLimitBytes: context.memoryLimitBytes,
        ...(context.threads === undefined ? {} : { threads: context.threads }),
      };
      const onProgress = (fraction: number, stage: string) => progress(fraction * DATA_SHARE, stage);
      const profile =
        source.type === 'generator'
          ? await generateDataset({ ...duck, options: source.options, outDir, signal, onProgress })
          : await ingestFiles({
              ...duck,
              files: await Promise.all(
                source.files.map(async ({ name, key }) => ({ name, path: await artifacts.local(key, scratchDir) })),
              ),
              options: source.options,
              customerSecret: context.customerSecret,
              outDir,
              signal,
              onProgress,
            });
      progress(DATA_SHARE, 'storing');
      await artifacts.putFile(artifactKeys.data(dataset), join(outDir, 'data.parquet'));
      await artifacts.putFile(artifactKeys.profile(dataset), join(outDir, 'profile.json'));
      if (profile.rejectedRows > 0) {
        for (const name of ['rejected.parquet', 'rejected.csv'] as const) {
          await artifacts.putFile(artifactKeys.rejected(dataset, name), join(outDir, name));
        }
      }
      signal.throwIfAborted();
      await registry.datasets.complete(datasetId, profile);
      await forgetIds();
      const { kind, rows, customers, rejectedRows } = profile;
      logger.info({ datasetId, kind, rows, customers, rejectedRows }, 'dataset ready');
    } finally {
      await rm(scratchDir, { recursive: true, force: true });
    }
  };
