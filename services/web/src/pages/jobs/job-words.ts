import type { Job, JobKind } from '../../api/generated/clove-api.js';

/** What a job does, for people. */
export const KINDS: Record<JobKind, string> = {
  ingest: 'Reading a dataset',
  train: 'Training',
  leaderboard: 'Leaderboard',
  evaluate: 'Evaluation',
  predict: 'Prediction',
  import: 'Model import',
  erasure: 'Erasure of customers',
};

/** What a job's result is called on a button. */
export const RESULTS: Record<Job['resource']['type'], string> = {
  dataset: 'dataset',
  run: 'training',
  leaderboard: 'leaderboard',
  evaluation: 'evaluation',
  prediction: 'prediction',
  import: 'import',
  erasure: 'erasures',
};

/** Seconds that a job has been at work, up to now where it still is; null where it has not begun. */
export const workedSeconds = ({ startedAt, finishedAt }: Job, nowMs = Date.now()): number | null =>
  startedAt === null
    ? null
    : Math.max(0, ((finishedAt === null ? nowMs : Date.parse(finishedAt)) - Date.parse(startedAt)) / 1000);
