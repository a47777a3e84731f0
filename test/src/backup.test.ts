import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { launch, type Stack } from '@clove/cli';
import type { Dataset, Job, Model, Page, Prediction, Run } from '@clove/contracts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api, type Api } from './support/api.js';

const cli = fileURLToPath(new URL('../../services/cli/dist/main.js', import.meta.url));
const made = (name: string) => mkdtempSync(path.join(tmpdir(), `clove-${name}-`));
const home = made('backed-up');
const other = made('restored');
const place = path.join(made('backup'), 'of-today');
let stack: Stack | undefined;
let client: Api;

const start = async (at: string, ingesters: number): Promise<void> => {
  stack = await launch({ home: at, port: 0, ingesters, env: { THREADS: '1' } });
  client = api(stack.url, stack.apiKey);
};
const trainer = (): number => stack!.processes.find(({ name }) => name === 'trainer')!.pid;
const stop = async (): Promise<void> => {
  await stack?.stop();
  stack = undefined;
};

/** Runs `clove` on a data folder as a user does. */
const clove = async (at: string, ...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
  const child = spawn(process.execPath, [cli, ...args], {
    env: { PATH: process.env['PATH'], CLOVE_HOME: at },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, out, err };
};

const settled = async (route: string, body: unknown): Promise<string> => {
  const { id, job } = await client.accepted(route, body);
  expect(await client.settled(job.id)).toMatchObject({ status: 'succeeded' });
  return id;
};
const csvOf = async (predictionId: string): Promise<string> =>
  (await client.call<string>('GET', `/v1/predictions/${predictionId}/download?format=csv`)).body;

const csv = [
  'customer,spend,visits,clv',
  ...Array.from({ length: 400 }, (_, i) => `c${i},${i % 97},${i % 13},${3 * (i % 97) + (i % 7)}`),
];
const training = { modelName: 'kept', epochs: 4, seed: 7 };
let datasetId: string;
let predictionId: string;
let scored: string;
let queued: { id: string; job: Job };

beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', '');
  vi.stubEnv('REDIS_URL', '');
  await start(home, 1);
  datasetId = await settled(
    '/v1/datasets',
    client.upload({ 'customers.csv': `${csv.join('\n')}\n` }, { options: JSON.stringify({ kind: 'features' }) }),
  );
  await settled('/v1/runs', { datasetId, ...training });
  predictionId = await settled('/v1/predictions', { datasetId, model: 'kept' });
  scored = await csvOf(predictionId);
  const user = { username: 'ann', password: 'a long password of ann', role: 'analyst' };
  await client.call('POST', '/v1/users', user);
  // nobody trains any more: what is submitted now waits
  process.kill(trainer(), 'SIGSTOP');
  queued = (await client.accepted('/v1/runs', { datasetId, ...training, modelName: 'waiting' })) as typeof queued;
}, 300_000);
afterAll(async () => {
  await stop();
  vi.unstubAllEnvs();
  for (const at of [home, other, path.dirname(place)]) rmSync(at, { recursive: true, force: true });
});

test('an installation comes back elsewhere from a backup that was made while it ran', async () => {
  const told = await clove(home, 'backup', '--out', place, '--json');
  expect([told.code, told.err]).toEqual([0, expect.stringContaining('customer-id-secret.secret')]);
  expect(JSON.parse(told.out)).toMatchObject({ place, missing: [] });
  expect(statSync(path.join(place, 'database/users.copy')).mode & 0o777).toBe(0o600);
  expect((await clove(home, 'restore', place)).err).toContain('already running');
  expect((await client.get<Job>(`/v1/jobs/${queued.job.id}`)).status).toBe('queued');
  process.kill(trainer(), 'SIGCONT');
  await stop();
  rmSync(home, { recursive: true });

  const manifest = JSON.parse(await readFile(path.join(place, 'backup.json'), 'utf8')) as {
    files: { key: string }[];
  };
  const model = path.join('artifacts', manifest.files.find(({ key }) => key.endsWith('model.onnx'))!.key);
  const bytes = await readFile(path.join(place, model));
  await writeFile(
    path.join(place, model),
    bytes.map((byte, i) => (i === 100 ? byte ^ 1 : byte)),
  );
  const refused = await clove(other, 'restore', place);
  expect([refused.code, refused.err]).toEqual([3, expect.stringContaining(`${model} is not as it was written`)]);
  await writeFile(path.join(place, model), bytes);

  const restored = await clove(other, 'restore', place, '--json');
  expect([restored.code, restored.err]).toEqual([0, expect.anything()]);

  await start(other, 0);
  const login = { username: 'ann', password: 'a long password of ann' };
  const signedIn = await fetch(`${stack!.url}/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: stack!.url },
    body: JSON.stringify(login),
  });
  expect(signedIn.status).toBe(200);
  const ids = async (route: string) => (await client.get<Page<{ id: string }>>(route)).items.map(({ id }) => id);
  expect(await ids('/v1/datasets')).toEqual([datasetId]);
  expect(await ids('/v1/predictions')).toEqual([predictionId]);
  expect((await client.get<Page<Model>>('/v1/models')).items.map(({ name }) => name)).toContain('kept');
  expect(await client.get<Dataset>(`/v1/datasets/${datasetId}`)).toMatchObject({ status: 'ready', rows: 400 });
  expect(await client.get<Prediction>(`/v1/predictions/${predictionId}`)).toMatchObject({ rows: 400 });
  expect(await csvOf(predictionId)).toBe(scored);
  expect(await csvOf(await settled('/v1/predictions', { datasetId, model: 'kept@1' }))).toBe(scored);
  // Redis was not backed up: what waited is queued again
  expect(await client.settled(queued.job.id)).toMatchObject({ status: 'succeeded' });
  expect((await client.get<Run>(`/v1/runs/${queued.id}`)).versionId).not.toBeNull();
});
