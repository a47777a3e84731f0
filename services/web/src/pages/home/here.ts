import type { Dataset, Job, Model, Prediction, RunSummary } from '../../api/generated/clove-api.js';

/** The latest of everything, newest first. */
export type Here = {
  datasets: readonly Dataset[];
  runs: readonly RunSummary[];
  models: readonly Model[];
  predictions: readonly Prediction[];
  jobs: readonly Job[];
};
