import { expect, test } from 'vitest';
import type { Here } from './here.js';
import { nextSteps } from './next-steps.js';

const EMPTY: Here = { datasets: [], runs: [], models: [], predictions: [], jobs: [] };
const here = (parts: { [Part in keyof Here]?: Partial<Here[Part][number]>[] }): Here =>
  ({ ...EMPTY, ...parts }) as Here;
const actions = (parts: Parameters<typeof here>[0]) => nextSteps(here(parts)).map(({ action, to }) => [action, to]);

test('a failed job comes first, with its reason', () => {
  const steps = nextSteps(
    here({
      jobs: [
        {
          id: 'job_1',
          status: 'failed',
          kind: 'train',
          error: { code: 'x', message: 'too little data', retryable: false },
        },
      ],
      datasets: [{ id: 'ds_1', status: 'ready', kind: 'transactions', name: 'shop' }],
    }),
  );
  expect(steps[0]).toMatchObject({ to: '/jobs/job_1', why: expect.stringContaining('too little data') as string });
  expect(steps.map(({ action }) => action)).toContain('Train on it');
});

test('a dataset that nothing was made of, a model without a champion and a comparison not yet made are named', () => {
  expect(
    actions({
      datasets: [{ id: 'ds_1', status: 'ready', kind: 'transactions', name: 'shop' }],
      models: [{ name: 'clv', latestVersion: 2, aliases: {} }],
    }),
  ).toEqual([
    ['Train on it', '/training/new?dataset=ds_1'],
    ['Choose a champion', '/models/clv'],
    ['Compare models', '/leaderboards?dataset=ds_1'],
  ]);
});

test('where all is done it leads to the latest result', () => {
  expect(
    actions({
      datasets: [{ id: 'ds_1', status: 'ready', kind: 'transactions' }],
      runs: [{ datasetId: 'ds_1' }],
      models: [{ name: 'clv', latestVersion: 2, aliases: { champion: 2 } }],
      jobs: [{ kind: 'leaderboard', status: 'succeeded' }],
      predictions: [{ id: 'prd_1', jobId: 'job_1', status: 'succeeded', datasetId: 'ds_1' }],
    }),
  ).toEqual([['Open the latest prediction', '/predict/prd_1']]);
});
