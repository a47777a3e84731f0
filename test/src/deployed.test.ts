import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Job, Prediction, Run } from '@clove/contracts';
import { type Child, freePort, spawnService } from '@clove/runtime';
import { backUp, openArtifacts, restoreBackup } from '@clove/store';
import { SWIFT_PACKAGES, hasSwift, startS3 } from '@clove/store/s3-server';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { api, type Api } from './support/api.js';
import { expressions, metricsOf } from './support/monitoring.js';

/** Services as an orchestrator runs them: nothing in common but Postgres, Redis and the artifact store. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const apiKey = 'clv_a-key-of-the-deployed-services-123';
const ROWS = 600;
const SHARD_ROWS = 100;
const csv = [
  'customer,spend,visits,clv',
  ...Array.from(
    { length: ROWS },
    (_, i) => `c${i},${(i * 37) % 101},${(i * 17) % 23},${3 * ((i * 37) % 101) + ((i * 7919) % 13)}`,
  ),
];

type Deployed = {
  client: Api;
  databaseUrl: string;
  healthOf: Record<string, string>;
  folders: string[];
  stop(): Promise<void>;
};

/** @param redisDatabase one of the sixteen of the test run's server, for queues of one's own */
async function deploy(artifactsDir: string, redisDatabase: number): Promise<Deployed> {
  const home = mkdtempSync(path.join(tmpdir(), 'clove-deployed-'));
  const databaseUrl = new URL(inject('databaseUrl'));
  databaseUrl.pathname = `/deployed_${redisDatabase}_${process.pid}`;
  const aws = Object.entries(process.env).filter(([name]) => name.startsWith('AWS_'));
  const common = {
    ...Object.fromEntries(aws),
    PATH: process.env['PATH'],
    DATABASE_URL: databaseUrl.href,
    REDIS_URL: `${inject('redisUrl')}/${redisDatabase}`,
    ARTIFACTS_DIR: artifactsDir,
    THREADS: '1',
    SHARD_ROWS: String(SHARD_ROWS),
  };
  const healthOf: Record<string, string> = {};
  const folders: string[] = [];
  const children: Child[] = [];
  const start = async (name: string, service: string, env: NodeJS.ProcessEnv): Promise<void> => {
    const port = await freePort(0);
    const scratch = mkdtempSync(path.join(tmpdir(), `clove-${name}-`));
    folders.push(scratch);
    healthOf[name] = `http://127.0.0.1:${port}`;
    const own = service === 'gateway' ? { PORT: String(port) } : { HEALTH_PORT: String(port), SCRATCH_DIR: scratch };
    const script = path.join(root, 'services', service, 'dist/main.js');
    children.push(spawnService({ name, script, env: { ...common, ...own, ...env }, home, onExit: () => {} }));
    await vi.waitFor(
      async () => {
        const answer = await fetch(`${healthOf[name]}/readyz`);
        if (!answer.ok) throw new Error(`${name}: ${await answer.text()}\n${children.at(-1)!.lastWords()}`);
      },
      { timeout: 60_000, interval: 50 },
    );
  };
  // the gateway makes the database
  await start('gateway', 'gateway', { CLOVE_API_KEY: apiKey, CLOVE_ADMIN_PASSWORD: 'a long password' });
  await Promise.all([
    start('ingester', 'ingester', {}),
    start('trainer', 'trainer', {}),
    start('scorer-1', 'scorer', {}),
    start('scorer-2', 'scorer', {}),
  ]);
  return {
    client: api(healthOf['gateway']!, apiKey),
    databaseUrl: databaseUrl.href,
    healthOf,
    folders,
    stop: async () => {
      await Promise.all(children.map((child) => child.stop()));
      for (const folder of [home, ...folders]) rmSync(folder, { recursive: true, force: true });
    },
  };
}

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** From a file of customers to files of predictions; what a user can compare of it. */
async function throughAll({
  client,
  healthOf: { gateway: url },
}: Deployed): Promise<{ shards: number; predictions: string[]; model: Run['evaluation']; profile: unknown }> {
  const settled = async (route: string, body: unknown): Promise<{ id: string; job: Job }> => {
    const { id, job } = await client.accepted(route, body);
    const ended = await client.settled(job.id);
    expect(ended).toMatchObject({ status: 'succeeded', error: null });
    return { id, job: ended };
  };
  const form = client.upload(
    { 'customers.csv': `${csv.join('\n')}\n` },
    { options: JSON.stringify({ kind: 'features' }) },
  );
  const dataset = await settled('/v1/datasets', form);
  const run = await settled('/v1/runs', { datasetId: dataset.id, modelName: 'shop', epochs: 4, seed: 7 });
  const prediction = await settled('/v1/predictions', { datasetId: dataset.id, model: 'shop', includeInputs: true });
  expect((await client.get<Prediction>(`/v1/predictions/${prediction.id}`)).rows).toBe(ROWS);
  const download = async (format: string) => {
    const answer = await fetch(`${url}/v1/predictions/${prediction.id}/download?format=${format}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    expect(answer.status).toBe(200);
    return sha256(new Uint8Array(await answer.arrayBuffer()));
  };
  const scored = await client.call<{ predictions: unknown[] }>('POST', '/v1/score', {
    model: 'shop',
    rows: [{ customer: 'new', spend: 40, visits: 3 }],
  });
  expect(scored.status).toBe(200);
  return {
    shards: ROWS / SHARD_ROWS,
    predictions: [await download('csv'), await download('parquet')],
    model: (await client.get<Run>(`/v1/runs/${run.id}`)).evaluation,
    profile: await client.get(`/v1/datasets/${dataset.id}/profile`),
  };
}

const textOf = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text();
const shardsOf = (metrics: string): number =>
  Number(/^clove_worker_jobs_total\{kind="shard",outcome="succeeded"\} (\d+)/m.exec(metrics)?.[1] ?? 0);

const store = mkdtempSync(path.join(tmpdir(), 'clove-store-'));
let deployed: Deployed;
let byFolder: Awaited<ReturnType<typeof throughAll>>;
beforeAll(async () => {
  deployed = await deploy(store, 5);
  byFolder = await throughAll(deployed);
}, 300_000);
afterAll(async () => {
  await deployed?.stop();
  rmSync(store, { recursive: true, force: true });
});

test('a prediction in shards is made by both scorers', async () => {
  const made = await Promise.all(
    ['scorer-1', 'scorer-2'].map(async (name) => shardsOf(await textOf(deployed.healthOf[name]!))),
  );
  expect(Math.min(...made)).toBeGreaterThan(0);
  // each is scored, then written
  expect(made[0]! + made[1]!).toBe(2 * byFolder.shards);
});

describe('what dashboard, alerts and autoscaling read', () => {
  let shown: Map<string, Set<string>>;
  beforeAll(async () => {
    shown = new Map([['up', new Set(['job'])]]); // Prometheus's own
    for (const url of Object.values(deployed.healthOf)) {
      for (const line of (await textOf(url)).split('\n')) {
        const [, name = '', labels = ''] = /^([a-z_:][\w:]*)(?:\{(.*)\})? /i.exec(line) ?? [];
        const known = shown.get(name) ?? new Set(['job', 'instance']);
        for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
        shown.set(name, known);
      }
    }
  });

  test.each(expressions.map((expression) => [expression.replaceAll(/\s+/g, ' ').trim()]))('%s', (expression) => {
    const read = metricsOf(expression);
    expect(read.length).toBeGreaterThan(0);
    for (const { name, labels } of read) {
      // a counter that nothing has happened to shows no sample, but says what it is
      const known = shown.get(name);
      if (name === 'clove_artifact_failures_total') continue;
      expect([name, known !== undefined]).toEqual([name, true]);
      for (const label of labels) expect([name, label, known!.has(label)]).toEqual([name, label, true]);
    }
  });

  test('failures of the store are shown once there are some', async () => {
    for (const url of Object.values(deployed.healthOf)) {
      expect(await textOf(url)).toContain('# TYPE clove_artifact_failures_total counter');
    }
  });

  test('each worker is counted for its queue', async () => {
    const metrics = await textOf(deployed.healthOf['gateway']!);
    const counted = Object.fromEntries(
      [...metrics.matchAll(/^clove_workers\{queue="(\w+)"\} (\d+)/gm)].map(([, queue, n]) => [queue, Number(n)]),
    );
    expect(counted).toEqual({ ingest: 1, train: 1, score: 2, questions: 2 });
  });
});

describe.skipIf(!hasSwift)(`sharing a bucket alone${hasSwift ? '' : ` (needs Debian's ${SWIFT_PACKAGES})`}`, () => {
  let server: Awaited<ReturnType<typeof startS3>>;
  let inBucket: Deployed;
  const place = 's3://clove/deployed';
  beforeAll(async () => {
    server = await startS3();
    inBucket = await deploy(place, 6);
  }, 300_000);
  afterAll(async () => {
    await inBucket?.stop();
    await server?.stop();
  });

  test('the services take a file to predictions in shards, which equal those of a shared folder', async () => {
    expect(await throughAll(inBucket)).toEqual(byFolder);
    const made = await Promise.all(
      ['scorer-1', 'scorer-2'].map(async (name) => shardsOf(await textOf(inBucket.healthOf[name]!))),
    );
    expect(Math.min(...made)).toBeGreaterThan(0);
  });

  test('what it holds is backed up, and comes back in a folder', async () => {
    const [to, other] = ['backup', 'store'].map((name) => path.join(store, name));
    const databaseUrl = new URL(inBucket.databaseUrl);
    databaseUrl.pathname += '_restored';
    const backup = openArtifacts(to!);
    const manifest = await backUp({ databaseUrl: inBucket.databaseUrl, artifacts: openArtifacts(place), backup });
    expect(manifest.missing).toEqual([]);
    await restoreBackup({ databaseUrl: databaseUrl.href, artifacts: openArtifacts(other!), backup, overwrite: false });
    const csvs = manifest.files.filter(({ key }) => key.endsWith('predictions.csv'));
    expect(csvs).toHaveLength(1);
    const files = readdirSync(other!, { recursive: true, encoding: 'utf8' });
    expect(files).toEqual(expect.arrayContaining(manifest.files.map(({ key }) => key)));
  });
});
