import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CloveError, DatasetProfile } from '@clove/contracts';
import { type Handlers, runInThread } from '@clove/runtime';
import { artifactKeys } from '@clove/store';
import type { TrainerContext } from './handler.js';
import type { LeaderboardInput, LeaderboardMessage, LeaderboardResult } from './leaderboard.js';
import { storeVersion } from './model-files.js';

/**
 * Does one `leaderboard` job: dataset from the store, every model trained and ranked in a thread, the report to the registry
 * and, where a model name was given, the winner with it as a version. One that has its report is left alone; one that was
 * interrupted starts over.
 */
export const leaderboardHandler =
  (context: TrainerContext): Handlers<'train'>['leaderboard'] =>
  async ({ leaderboardId }, { signal, progress, logger }) => {
    const { registry, artifacts } = context;
    const { datasetId, modelName, options, report: done } = await registry.leaderboards.get(leaderboardId);
    if (done !== null) return;
    if (datasetId === null) {
      throw new CloveError('conflict', 'The dataset of this leaderboard was deleted. Start one on another dataset.');
    }
    // its files stay until this job has ended, whatever is erased meanwhile
    const dataset = await registry.datasets.get(datasetId);
    const scratch = await mkdtemp(join(context.scratchDir, 'leaderboard-'));
    try {
      const outDir = join(scratch, 'model');
      await mkdir(outDir);
      const input: LeaderboardInput & { modelName: string | null } = {
        modelName,
        parquet: await artifacts.local(artifactKeys.data(dataset), scratch),
        profile: DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile(dataset))),
        datasetId,
        options: { ...options, backend: options.backend === 'auto' ? context.backend : options.backend },
        outDir,
        scratchDir: scratch,
        memoryLimitBytes: context.memoryLimitBytes,
        ...(context.threads === undefined ? {} : { threads: context.threads }),
      };
      const { report, winner, cardError } = await runInThread<
        typeof input,
        LeaderboardMessage,
        LeaderboardResult & { cardError: string | null }
      >(new URL('./leaderboard-thread.js', import.meta.url), input, {
        signal,
        onMessage: ({ fraction, stage }) => progress(fraction, stage),
      });
      if (cardError !== null) logger.error({ reason: cardError }, 'the report of the winner could not be drawn');
      signal.throwIfAborted();
      if (modelName === null || winner === null) {
        await registry.leaderboards.complete(leaderboardId, { report, winner: null });
      } else {
        await storeVersion(artifacts, outDir, async (files) => {
          const made = await registry.leaderboards.complete(leaderboardId, { report, winner: { ...winner, ...files } });
          logger.info({ model: modelName, version: made.version }, 'winner registered');
          return made.versionId;
        });
      }
      logger.info({ winner: report.winner, models: report.rows.length }, 'leaderboard done');
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };
