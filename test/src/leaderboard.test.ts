import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch, type Stack } from '@clove/cli';
import {
  type Dataset,
  type Job,
  type Leaderboard,
  type LeaderboardSummary,
  type Model,
  type ModelVersion,
  type Page,
  type Problem,
  LeaderboardReport,
} from '@clove/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, type Api } from './support/api.js';

let home: string;
let stack: Stack;
let client: Api;
let dataset: Dataset;

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'clove-leaderboard-'));
  stack = await launch({ home });
  client = api(stack.url, stack.apiKey);
  const { id, job } = await client.accepted('/v1/datasets/generate', { generator: 'transactions', customers: 300 });
  await client.settled(job.id);
  dataset = await client.get<Dataset>(`/v1/datasets/${id}`);
});
afterAll(async () => {
  await stack?.stop();
  await rm(home, { recursive: true, force: true });
});

const MODELS = ['bg-nbd', 'pareto-nbd', 'trees-tweedie', 'ensemble-mean'];
const asked = () => ({ datasetId: dataset.id, horizonDays: 60, seeds: 1, models: MODELS });

test('a leaderboard ranks on the same rows, tells its progress, and its winner is a version with a report', async () => {
  const { id, job } = await client.accepted('/v1/leaderboards', { ...asked(), modelName: 'shop' });
  const told = (await client.events(job.id)).filter(({ event }) => event === 'job').map(({ data }) => data as Job);
  const end = await client.settled(job.id);
  expect(end).toMatchObject({ status: 'succeeded', progress: 1, resource: { type: 'leaderboard', id } });
  const progress = told.map((state) => state.progress);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(told.some((state) => state.progress > 0 && state.progress < 1 && state.stage !== '')).toBe(true);

  const board = await client.get<Leaderboard>(`/v1/leaderboards/${id}`);
  const report = LeaderboardReport.parse(board.report);
  expect(report.rows.filter(({ family }) => family !== 'baseline')).toHaveLength(MODELS.length);
  expect(
    report.rows
      .filter(({ family }) => family === 'baseline')
      .map(({ model }) => model)
      .toSorted(),
  ).toEqual(['heuristic', 'mean', 'naive-rate']);
  const gini = report.rows.map(({ metrics }) => metrics.normalizedGini ?? -1);
  expect(gini).toEqual(gini.toSorted((a, b) => b - a));
  const won = report.rows.find(({ model }) => model === report.winner)!;
  expect(report.selection.map(({ model }) => model)).toContain(report.winner);
  expect(report.rule.length).toBeGreaterThan(100);

  expect(board).toMatchObject({ status: 'succeeded', modelName: 'shop', version: 1 });
  const version = await client.get<ModelVersion>('/v1/models/shop/versions/1');
  expect(version).toMatchObject({ id: board.versionId, leaderboardId: id, runId: null, aliases: ['champion'] });
  expect(version.evaluation!.protocol).toEqual(report.protocol);
  for (const figure of ['rmse', 'normalizedGini', 'totalBias'] as const)
    expect(version.evaluation!.metrics[figure]).toBeCloseTo(won.metrics[figure]!, 3);

  const page = await client.call<string>('GET', '/v1/models/shop/versions/1/artifacts/report.html');
  expect(page.headers.get('content-type')).toContain('text/html');
  for (const { model } of report.rows) expect(page.body).toContain(model);
  expect(page.body).toContain(`Winner: ${report.winner}`);
  expect(page.body).toMatch(/Judged on \d{4}-\d\d-\d\d/);

  const { items } = await client.get<Page<LeaderboardSummary>>(`/v1/leaderboards?datasetId=${dataset.id}`);
  expect(items).toMatchObject([{ id, winner: report.winner }]);
});

test('models that are none are refused with those that there are', async () => {
  const answer = await client.call<Problem>('POST', '/v1/leaderboards', { ...asked(), models: ['bg-nbd', 'lightgbm'] });
  expect(answer.status).toBe(422);
  expect(answer.body.errors).toMatchObject([{ pointer: '/models/1' }]);
  expect(JSON.stringify(answer.body)).toContain('trees-tweedie');
  const { job } = await client.accepted('/v1/leaderboards', { ...asked(), models: ['trees-mse'] });
  const end = await client.settled(job.id);
  expect(end).toMatchObject({ status: 'failed', error: { code: 'invalid-input' } });
  expect(end.error!.message).toContain('bg-nbd');
});

test('a running leaderboard can be cancelled: no report, no version', async () => {
  const all = { datasetId: dataset.id, horizonDays: 60, seeds: 20, modelName: 'never' };
  const { id, job } = await client.accepted('/v1/leaderboards', all);
  for (let state = job; state.status === 'queued' || state.progress < 0.1;)
    state = await client.get<Job>(`/v1/jobs/${job.id}`);
  expect((await client.call<Job>('POST', `/v1/jobs/${job.id}/cancel`)).status).toBeLessThan(300);
  expect((await client.settled(job.id)).status).toBe('cancelled');
  expect(await client.get<Leaderboard>(`/v1/leaderboards/${id}`)).toMatchObject({ report: null, versionId: null });
  const { items } = await client.get<Page<Model>>('/v1/models');
  expect(items.map(({ name }) => name)).not.toContain('never');
});
