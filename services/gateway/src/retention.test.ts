import { Accepted, type Dataset, type Page, type Prediction } from '@clove/contracts';
import { artifactKeys } from '@clove/store';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { removeByAge } from './retention.js';
import { type TestGateway, call, form, openTestGateway } from './test-support.js';

const DAY_MS = 24 * 3600 * 1000;

let t: TestGateway;
let used: string;
let idle: string;
let done: string;
let underWay: string;
beforeAll(async () => {
  t = await openTestGateway({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
  const upload = async (): Promise<string> => {
    const { payload, headers } = form({}, { 'a.csv': 'a\n1\n' });
    const { id, job } = Accepted.parse((await call(t.app, 'POST', '/v1/datasets', payload, headers)).json());
    await t.work.ingest(job.id, id);
    return id;
  };
  const start = async (path: string, body: object): Promise<Accepted> =>
    Accepted.parse((await call(t.app, 'POST', path, body)).json());
  used = await upload();
  idle = await upload();
  const run = await start('/v1/runs', { datasetId: idle, modelName: 'm', model: 'feedforward' });
  await t.work.train(run.job.id, run.id);
  const first = await start('/v1/predictions', { datasetId: idle, model: 'm' });
  await t.work.predict(first.job.id, first.id);
  done = first.id;
  underWay = (await start('/v1/predictions', { datasetId: used, model: 'm' })).id;
});
afterAll(() => t.close());

const idsOf = async (path: string): Promise<string[]> =>
  (await call(t.app, 'GET', path)).json<Page<Dataset | Prediction>>().items.map(({ id }) => id);
const isThere = async (key: string): Promise<boolean> => (await t.gateway.artifacts.stat(key)) !== null;
const later = (days: number): number => Date.now() + days * DAY_MS;
const sweep = (env: Partial<TestGateway['gateway']['env']>, days: number): Promise<string[]> =>
  removeByAge({ ...t.gateway, env: { ...t.gateway.env, ...env } }, later(days));

test('nothing goes where no age is said, nor before it', async () => {
  expect(await sweep({}, 10_000)).toEqual([]);
  const days = { RETENTION_UPLOAD_DAYS: 30, RETENTION_DATASET_DAYS: 30, RETENTION_PREDICTION_DAYS: 30 };
  expect(await sweep(days, 29)).toEqual([]);
  expect(await isThere(artifactKeys.upload(idle, 0))).toBe(true);
});

test('uploads go alone; then datasets and predictions with their files, but what a job uses stays, and the model', async () => {
  await sweep({ RETENTION_UPLOAD_DAYS: 30 }, 31);
  expect(await isThere(artifactKeys.upload(idle, 0))).toBe(false);
  expect(await isThere(artifactKeys.data({ id: idle, revision: null }))).toBe(true);

  expect(await sweep({ RETENTION_PREDICTION_DAYS: 30 }, 31)).toEqual([done]);
  expect(await isThere(artifactKeys.prediction({ id: done, revision: null }, 'predictions.csv'))).toBe(false);
  expect(await idsOf('/v1/predictions')).toEqual([underWay]);

  expect(await sweep({ RETENTION_DATASET_DAYS: 30 }, 31)).toEqual([idle]);
  expect(await isThere(artifactKeys.data({ id: idle, revision: null }))).toBe(false);
  expect(await isThere(artifactKeys.data({ id: used, revision: null }))).toBe(true);
  expect(await idsOf('/v1/datasets')).toEqual([used]);
  expect((await call(t.app, 'GET', '/v1/models/m/versions/1')).statusCode).toBe(200);
});
