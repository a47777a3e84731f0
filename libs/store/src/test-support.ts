import { randomUUID } from 'node:crypto';
import {
  DatasetProfile,
  EvaluationReport,
  ModelManifest,
  TrainingOptions,
  type Job,
  type JobError,
  type JobStatus,
} from '@clove/contracts';
import { newId } from './ids.js';
import type { Registry } from './registry.js';

/** The URL of a database of that server which is not there yet: `migrate` makes it. */
export function freshUrl(serverUrl: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/t_${randomUUID().replaceAll('-', '')}`;
  return url.href;
}

export const failure: JobError = { code: 'data-empty', message: 'There are no rows.', retryable: false };

const metrics = {
  rmse: 1,
  mae: 1,
  r2: 0.5,
  mape: null,
  mapeShare: 0,
  totalBias: 0,
  spearman: 0.4,
  normalizedGini: 0.3,
  decileMape: 0.1,
};

export const report = EvaluationReport.parse({
  protocol: {
    name: 'forward',
    horizonDays: 90,
    testOrigin: '2018-05-01',
    trainingOrigins: ['2018-01-01'],
    trainRows: 10,
    validationRows: 2,
    testRows: 3,
    seed: 42,
  },
  testCustomers: 3,
  metrics,
  baselines: { mean: metrics },
  skippedBaselines: {},
  lint: [],
  warnings: [],
});

export const options = TrainingOptions.parse({});

export const manifest = ModelManifest.parse({
  format: 1,
  type: 'feedforward',
  head: 'mse',
  kind: 'transactions',
  target: 'clv',
  horizonDays: 90,
  idColumn: null,
  schema: { features: [{ kind: 'categorical', name: 'segment', categories: ['A', 'B'] }], width: 3 },
  parameters: 100,
  interval: { level: 0.8, below: 1, above: 2 },
  options,
  training: {
    datasetId: null,
    rows: 10,
    targetMean: 1,
    asOf: ['2018-01-01'],
    epochs: [],
    bestEpoch: 7,
    seconds: 1,
    backend: 'onnx-cpu, 2 threads',
    versions: {},
  },
  warnings: [],
});

export const artifacts = [{ name: 'model.onnx' as const, bytes: 12, sha256: 'ab' }];

export const profile = DatasetProfile.parse({
  kind: 'transactions',
  rows: 100,
  customers: 10,
  orders: 90,
  rejectedRows: 2,
  rejectedByReason: [{ reason: 'no date', count: 2 }],
  rejectedSample: [],
  duplicateRows: 0,
  firstTime: null,
  lastTime: null,
  totalAmount: 5,
  targetColumn: null,
  idColumn: null,
  columns: [],
  warnings: [{ code: 'rejected-rows', message: '2 rows were left out.', count: 2 }],
  reading: null,
});

export const newDataset = (registry: Registry, name = 'orders') =>
  registry.datasets.create({
    id: newId('dataset'),
    name,
    source: { type: 'generator', options: { generator: 'transactions', customers: 10, seed: 42 } },
    requestId: 'request',
  });

export async function readyDataset(registry: Registry): Promise<string> {
  const { dataset, job } = await newDataset(registry);
  await registry.jobs.start(job.id, 'worker');
  await registry.datasets.complete(dataset.id, profile);
  await registry.jobs.succeed(job.id, 1);
  return dataset.id;
}

/** A version of `modelName`, made the way a trainer makes it. */
export async function trained(registry: Registry, datasetId: string, modelName: string) {
  const { run, job } = await registry.runs.create({ datasetId, modelName, options, requestId: 'request' });
  await registry.jobs.start(job.id, 'worker');
  const versionId = newId('version');
  const version = await registry.runs.complete(run.id, { versionId, manifest, evaluation: report, artifacts });
  await registry.jobs.succeed(job.id, 1);
  return { run, job, version };
}

/** A job in the given status, brought there by legal moves. */
export async function jobIn(registry: Registry, status: JobStatus): Promise<Job> {
  const { job } = await newDataset(registry);
  if (status === 'cancelled') await registry.jobs.requestCancel(job.id);
  else if (status !== 'queued') await registry.jobs.start(job.id, 'worker');
  if (status === 'succeeded') await registry.jobs.succeed(job.id, 1);
  if (status === 'failed') await registry.jobs.fail(job.id, 1, failure, { final: true });
  return registry.jobs.get(job.id);
}
