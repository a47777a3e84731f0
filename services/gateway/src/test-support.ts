/** What the tests of the gateway share: an app on a database and a queue of its own, and a hand that plays the workers. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type ArtifactName,
  type DatasetProfile,
  type EvaluationReport,
  GatewayEnv,
  type LeaderboardReport,
  type Metrics,
  type ModelManifest,
  type ModelVersion,
  type PredictionReport,
  type PredictionSummary,
  type Question,
  TrainingOptions,
} from '@clove/contracts';
import { type Answer, createLogger, createProducer, startAnswering } from '@clove/runtime';
import { artifactKeys, migrate, newId, openArtifacts, openRegistry } from '@clove/store';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { buildApp } from './app.js';
import { ensureAdmin } from './credentials.js';
import type { Installation } from './gateway.js';

/** Address of a database on the server of the test run that is this test file's alone; `migrate` makes it. */
export function freshDatabaseUrl(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.pathname = `/gateway_${randomBytes(6).toString('hex')}`;
  return url.href;
}

export const API_KEY = 'clv_an-api-key-of-the-tests-1234567890';
export const bearer = { authorization: `Bearer ${API_KEY}` };

export const metrics: Metrics = {
  rmse: 10,
  mae: 5,
  r2: 0.8,
  mape: 0.2,
  mapeShare: 0.9,
  totalBias: 0.01,
  spearman: 0.7,
  normalizedGini: 0.8,
  decileMape: 0.1,
};

export const report: EvaluationReport = {
  protocol: {
    name: 'random',
    horizonDays: null,
    testOrigin: null,
    trainingOrigins: [],
    trainRows: 72,
    validationRows: 8,
    testRows: 20,
    seed: 42,
  },
  testCustomers: 20,
  metrics,
  baselines: { mean: metrics },
  skippedBaselines: { heuristic: 'needs orders' },
  lint: [],
  warnings: [],
};

export const profile: DatasetProfile = {
  kind: 'features',
  rows: 100,
  customers: 100,
  orders: null,
  rejectedRows: 1,
  rejectedByReason: [{ reason: 'not a number', count: 1 }],
  rejectedSample: [{ file: 'a.csv', row: 3, column: 'age', value: 'old', reason: 'not a number' }],
  duplicateRows: 0,
  firstTime: null,
  lastTime: null,
  totalAmount: null,
  targetColumn: 'clv',
  idColumn: null,
  columns: [],
  warnings: [{ code: 'rows-rejected', message: 'one row was not taken', count: 1 }],
  reading: null,
};

export const ranking: LeaderboardReport = {
  protocol: report.protocol,
  horizonDays: null,
  winner: 'feedforward',
  rule: 'the lowest error on the validation rows',
  selection: [],
  rows: [{ model: 'feedforward', family: 'neural', metrics, sd: { rmse: 0.1 } }],
  skipped: [],
  claims: [],
  lint: [],
  warnings: [],
  seconds: 1,
};

/** As a scorer that found no actual spend leaves it. */
export const predictionReport: PredictionReport = {
  histogram: [{ from: 10, to: 20, count: 2 }],
  deciles: [
    { customers: 1, highest: 20, lowest: 20, mean: 20, total: 20 },
    { customers: 1, highest: 10, lowest: 10, mean: 10, total: 10 },
  ],
  tiers: [{ tier: 'silver', customers: 2, mean: 15, total: 30 }],
  actual: null,
};

const summary: PredictionSummary = { customers: 2, total: 30, mean: 15, median: 15, sd: 5, min: 10, max: 20 };

const options = TrainingOptions.parse({});
export const manifest: ModelManifest = {
  format: 1,
  type: 'feedforward',
  head: 'mse',
  kind: 'features',
  target: 'clv',
  horizonDays: null,
  idColumn: null,
  schema: {
    features: [
      { kind: 'numeric', name: 'age', transform: 'none', median: 40, mean: 40, sd: 10, missingIndicator: false },
    ],
    width: 1,
  },
  parameters: 10,
  interval: { level: 0.8, below: 1, above: 1 },
  options,
  training: {
    datasetId: null,
    rows: 72,
    targetMean: 15,
    asOf: [],
    epochs: [],
    bestEpoch: 1,
    seconds: 1,
    backend: 'onnx-cpu, 1 thread',
    versions: {},
  },
  warnings: [],
};

/** Ends a job's way through the registry as its worker would. */
const workers = ({ registry, artifacts }: Installation) => {
  const work = async (jobId: string, make: () => Promise<unknown>) => {
    const started = await registry.jobs.start(jobId, 'a test');
    if (started.outcome === 'skip') throw new Error(`job ${jobId} is ${started.status}`);
    await make();
    await registry.jobs.succeed(jobId, started.attempt);
  };
  return {
    ingest: (jobId: string, datasetId: string) =>
      work(jobId, async () => {
        await artifacts.put(artifactKeys.data({ id: datasetId, revision: null }), 'parquet');
        await artifacts.put(artifactKeys.profile({ id: datasetId, revision: null }), JSON.stringify(profile));
        await registry.datasets.complete(datasetId, profile);
      }),
    train: async (jobId: string, runId: string, evaluation: EvaluationReport = report): Promise<ModelVersion> => {
      const versionId = newId('version');
      const files = {
        'model.onnx': 'onnx',
        'model.json': JSON.stringify(manifest),
        'report.html': '<!doctype html><title>Report</title>',
      };
      let version: ModelVersion | undefined;
      await work(jobId, async () => {
        const stored = [];
        for (const [name, content] of Object.entries(files) as [ArtifactName, string][]) {
          stored.push({ name, ...(await artifacts.put(artifactKeys.version(versionId, name), content)) });
        }
        version = await registry.runs.complete(runId, { versionId, manifest, evaluation, artifacts: stored });
      });
      return version!;
    },
    leaderboard: (jobId: string, leaderboardId: string) =>
      work(jobId, async () => {
        const versionId = newId('version');
        const onnx = await artifacts.put(artifactKeys.version(versionId, 'model.onnx'), 'onnx');
        await registry.leaderboards.complete(leaderboardId, {
          report: ranking,
          winner: { versionId, manifest, evaluation: report, artifacts: [{ name: 'model.onnx', ...onnx }] },
        });
      }),
    import: (jobId: string, importId: string) =>
      work(jobId, async () => {
        const versionId = newId('version');
        const onnx = await artifacts.put(artifactKeys.version(versionId, 'model.onnx'), 'onnx');
        await registry.imports.complete(importId, {
          versionId,
          manifest,
          artifacts: [{ name: 'model.onnx', ...onnx }],
        });
      }),
    predict: (jobId: string, predictionId: string) =>
      work(jobId, async () => {
        await artifacts.put(
          artifactKeys.prediction({ id: predictionId, revision: null }, 'predictions.csv'),
          'customer_id,predicted_clv\n1,10\n',
        );
        await artifacts.put(
          artifactKeys.prediction({ id: predictionId, revision: null }, 'predictions.parquet'),
          'PAR1',
        );
        await registry.predictions.complete(predictionId, {
          rows: 2,
          summary,
          report: predictionReport,
          warnings: [],
          asOf: null,
        });
      }),
    evaluate: (jobId: string, evaluationId: string) =>
      work(jobId, async () => registry.evaluations.complete(evaluationId, report)),
  };
};

export type TestGateway = Awaited<ReturnType<typeof openTestGateway>>;

/** A gateway with its own database, queue prefix and artifact folder; close it after the tests. */
export async function openTestGateway(
  servers: { databaseUrl: string; redisUrl: string },
  overrides: Partial<Record<keyof GatewayEnv, string>> = {},
) {
  const dir = await mkdtemp(path.join(tmpdir(), 'clove-gateway-'));
  const env = GatewayEnv.parse({
    DATABASE_URL: freshDatabaseUrl(servers.databaseUrl),
    REDIS_URL: servers.redisUrl,
    ARTIFACTS_DIR: dir,
    CLOVE_API_KEY: API_KEY,
    ...overrides,
  });
  await migrate(env.DATABASE_URL);
  const registry = openRegistry(env.DATABASE_URL, { maxConnections: 5 });
  const queue = { redisUrl: env.REDIS_URL, prefix: `test-${randomBytes(6).toString('hex')}` };
  const producer = createProducer(queue);
  const logger = createLogger('gateway', 'silent');
  const gateway: Installation = { env, registry, artifacts: openArtifacts(dir), producer, logger };
  await ensureAdmin(env, registry);
  const app = await buildApp(gateway);
  await app.ready();
  return {
    app,
    gateway,
    dir,
    work: workers(gateway),
    /** Plays the scorers: answers every question until it is closed. */
    answer: (reply: (question: Question) => Answer | Promise<Answer>) =>
      startAnswering({
        ...queue,
        logger,
        concurrency: 1,
        answer: async ({ question }) => reply(question),
      }),
    close: async () => {
      await app.close();
      await producer.close();
      await registry.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** A request with the API key of the tests. */
export const call = (
  app: FastifyInstance,
  method: NonNullable<InjectOptions['method']>,
  url: string,
  payload?: InjectOptions['payload'],
  headers: Record<string, string> = {},
): Promise<LightMyRequestResponse> =>
  app.inject({ method, url, headers: { ...bearer, ...headers }, ...(payload === undefined ? {} : { payload }) });

/** A multipart form as bytes, for `inject`. */
export function form(fields: Record<string, string>, files: Record<string, string>) {
  const boundary = 'clove-test-boundary';
  const parts = [
    ...Object.entries(fields).map(([name, value]) => `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`),
    ...Object.entries(files).map(
      ([name, value]) =>
        `Content-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: text/csv\r\n\r\n${value}`,
    ),
  ];
  return {
    payload: `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  };
}

/** Things that paths name: by the first segment of the path, an id; and the name of a model. */
export type Things = Record<
  | 'datasets'
  | 'runs'
  | 'leaderboards'
  | 'jobs'
  | 'predictions'
  | 'evaluations'
  | 'imports'
  | 'erasures'
  | 'users'
  | 'api-keys'
  | 'models',
  string
>;
const none = '0'.repeat(22);
/** Of the right form, but not there. */
export const NOTHING: Things = {
  datasets: `ds_${none}`,
  runs: `run_${none}`,
  leaderboards: `lbd_${none}`,
  jobs: `job_${none}`,
  predictions: `prd_${none}`,
  evaluations: `evl_${none}`,
  imports: `imp_${none}`,
  erasures: `ers_${none}`,
  users: `usr_${none}`,
  'api-keys': `key_${none}`,
  models: 'nothing',
};

/** A path of the document with what it names. @throws where it names something that `things` has not */
export function urlOf(path: string, things: Things): string {
  const thing = new Map(Object.entries(things)).get(path.split('/')[2] ?? '');
  const url = path
    .replace(/\{(id|name)\}/, () => {
      if (thing === undefined) throw new Error(`what ${path} names is not among the things of the tests`);
      return thing;
    })
    .replace('{version}', '1')
    .replace('{alias}', 'champion')
    .replace('{artifact}', 'model.onnx');
  if (url.includes('{')) throw new Error(`what ${path} names is not among the things of the tests`);
  return url;
}

/** Every operation under /v1 of the document. */
export async function operationsOf(app: FastifyInstance) {
  const document = (await app.inject('/openapi.json')).json<{
    paths: Record<string, Record<string, { operationId: string; 'x-role'?: string }>>;
  }>();
  return Object.entries(document.paths)
    .filter(([path]) => path.startsWith('/v1/'))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        name: operation.operationId,
        method: method.toUpperCase() as 'GET',
        path,
        role: operation['x-role'],
      })),
    );
}
