import { resultHref } from '../../lib/links.js';
import type { Here } from './here.js';

/** Something worth doing: why, what the button says, where it leads. */
export type NextStep = { why: string; action: string; to: string };

const MOST = 4;

/** What is worth doing, most urgent first: what failed, what lies unused, what would make the figures better. */
export const nextSteps = ({ datasets, runs, models, predictions, jobs }: Here): NextStep[] => {
  const steps: NextStep[] = [];
  const failed = jobs.find(({ status }) => status === 'failed');
  if (failed !== undefined) {
    steps.push({
      why: `A job has failed: ${failed.error?.message ?? failed.stage}`,
      action: 'See the job',
      to: `/jobs/${failed.id}`,
    });
  }
  const unused = datasets.find(
    ({ id, status }) =>
      status === 'ready' &&
      !runs.some(({ datasetId }) => datasetId === id) &&
      !predictions.some(({ datasetId }) => datasetId === id),
  );
  if (unused !== undefined) {
    steps.push({
      why: `Nothing has been made of ${unused.name} yet.`,
      action: 'Train on it',
      to: `/training/new?dataset=${unused.id}`,
    });
  }
  const nameless = models.find(
    ({ latestVersion, aliases }) => latestVersion !== null && aliases['champion'] === undefined,
  );
  if (nameless !== undefined) {
    steps.push({
      why: `No version of ${nameless.name} is its champion: until then the latest one scores.`,
      action: 'Choose a champion',
      to: `/models/${nameless.name}`,
    });
  }
  const compared = jobs.some(({ kind }) => kind === 'leaderboard');
  const dataset = datasets.find(({ status, kind }) => status === 'ready' && kind === 'transactions');
  if (!compared && dataset !== undefined) {
    steps.push({
      why: 'A leaderboard tries every kind of model on the same customers and says which one to trust.',
      action: 'Compare models',
      to: `/leaderboards?dataset=${dataset.id}`,
    });
  }
  const latest = predictions.find(({ status }) => status === 'succeeded');
  if (steps.length === 0 && latest !== undefined) {
    steps.push({
      why: 'All is well. Score customers anew when there are new orders.',
      action: 'Open the latest prediction',
      to: resultHref({ id: latest.jobId, resource: { type: 'prediction', id: latest.id } }),
    });
  }
  return steps.slice(0, MOST);
};
