import {
  CloveError,
  type DatasetProfile,
  type EvaluationReport,
  type LeaderboardOptions,
  type LeaderboardReport,
  type ModelManifest,
} from '@clove/contracts';

export type LeaderboardInput = {
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** null outside a registry */
  datasetId: string | null;
  options: LeaderboardOptions;
  /** receives the winner's model folder */
  outDir: string;
  scratchDir: string;
  memoryLimitBytes?: number;
  /** native threads that a training may use at most */
  threads?: number;
};

/** What a leaderboard tells while it runs. */
export type LeaderboardMessage = { type: 'progress'; fraction: number; stage: string };

export type LeaderboardResult = {
  report: LeaderboardReport;
  /** null where a plain baseline wins, which makes no version */
  winner: { manifest: ModelManifest; evaluation: EvaluationReport } | null;
};

/**
 * Trains and ranks every model and baseline on the same test rows; the winner is chosen by a stated rule on data before them.
 * Writes the winner's model folder. Blocks its thread while it computes.
 */
export const runLeaderboard = async (
  _i: LeaderboardInput,
  _io: { signal: AbortSignal; post(message: LeaderboardMessage): void },
): Promise<LeaderboardResult> => {
  throw new CloveError('unavailable', 'This version has no leaderboard yet.', { retryable: false });
};
