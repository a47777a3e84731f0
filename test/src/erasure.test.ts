import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { launch, type Stack } from '@clove/cli';
import type {
  AuditEntry,
  Dataset,
  Erasure,
  Evaluation,
  Leaderboard,
  ModelVersion,
  Page,
  Prediction,
  Run,
} from '@clove/contracts';
import { connectRedis } from '@clove/runtime';
import { backUp, openArtifacts } from '@clove/store';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api, type Api } from './support/api.js';

// Who is erased: nothing else in the system holds a text like these.
const GONE = 'erase-me-7714';
const ALSO = 'Zoë "the" 2nd; erase-too-9926';
const STAYS = 'erase-me-77141';

let home: string;
let stack: Stack;
let client: Api;
beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', '');
  vi.stubEnv('REDIS_URL', '');
  home = await mkdtemp(path.join(tmpdir(), 'clove-erasure-system-'));
  // shards of few rows: one prediction is shared
  stack = await launch({ home, port: 0, trainers: 1, scorers: 2, ingesters: 1, env: { SHARD_ROWS: '200' } });
  client = api(stack.url, stack.apiKey);
});
afterAll(async () => {
  await stack?.stop();
  await rm(home, { recursive: true, force: true });
});

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const ids = [...Array.from({ length: 398 }, (_, n) => `cust-${n}`), STAYS, GONE, ALSO];
const features = [
  'customer,spend,visits,clv',
  ...ids.map((id, n) => `${quoted(id)},${n % 97},${n % 13},${3 * (n % 97) + (n % 7)}`),
].join('\n');
const orders = [
  'customer_id,order_date,amount',
  ...ids.flatMap((id, n) =>
    Array.from({ length: 1 + (n % 6) }, (_, k) => {
      const day = new Date(Date.UTC(2024, 0, 1 + ((n * 13 + k * 37) % 400))).toISOString().slice(0, 10);
      return `${quoted(id)},${day},${1 + ((n * 7 + k) % 50)}`;
    }),
  ),
  `${quoted(`${GONE} was here`)},not a day,5`,
  `cust-1,"so says ${GONE}",5`,
].join('\n');

/** Asks for something and waits for the end of its job. @returns its id */
const settled = async (resource: string, body: unknown): Promise<string> => {
  const { id, job } = await client.accepted(resource, body);
  const end = await client.settled(job.id);
  if (end.status !== 'succeeded') throw new Error(`${resource}: ${JSON.stringify(end.error)}`);
  return id;
};

/** Every file of the artifact store and of scratch folders as text: Parquet through DuckDB, for it is compressed. */
async function files(): Promise<Map<string, string>> {
  const instance = await DuckDBInstance.create(':memory:');
  const db = await instance.connect();
  const texts = new Map<string, string>();
  const root = path.join(home, 'artifacts');
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(root, file);
    if (!file.endsWith('.parquet')) texts.set(name, await readFile(file, 'utf8'));
    else {
      const rows = await db.runAndReadAll(`SELECT * FROM read_parquet('${file}')`);
      texts.set(
        name,
        rows
          .getRowsJson()
          .map((row) => row.join('\t'))
          .join('\n'),
      );
    }
  }
  db.closeSync();
  instance.closeSync();
  return texts;
}

/** Every row of Postgres as text, as a backup has it. */
async function rows(): Promise<Map<string, string>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'clove-erasure-rows-'));
  const backup = openArtifacts(folder);
  await backUp({ databaseUrl: stack.databaseUrl, artifacts: openArtifacts(path.join(home, 'artifacts')), backup });
  const texts = new Map<string, string>();
  for await (const { key } of backup.keys()) {
    if (key.startsWith('database/')) texts.set(key, await readFile(path.join(folder, key), 'utf8'));
  }
  await rm(folder, { recursive: true });
  return texts;
}

/** Every key of Redis with what it holds. */
async function queue(): Promise<Map<string, string>> {
  const redis = connectRedis(stack.redisUrl);
  const texts = new Map<string, string>();
  for (const key of await redis.keys('*')) {
    texts.set(key, (await redis.dumpBuffer(key))?.toString('utf8') ?? '');
    const type = await redis.type(key);
    if (type === 'hash') texts.set(key, JSON.stringify(await redis.hgetall(key)));
    if (type === 'stream') texts.set(key, JSON.stringify(await redis.xrange(key, '-', '+')));
    if (type === 'list') texts.set(key, JSON.stringify(await redis.lrange(key, 0, -1)));
    if (type === 'zset') texts.set(key, JSON.stringify(await redis.zrange(key, '0', '-1')));
  }
  redis.disconnect();
  return texts;
}

const logs = async (): Promise<Map<string, string>> => {
  const folder = path.join(home, 'logs');
  const names = await readdir(folder);
  return new Map(await Promise.all(names.map(async (n) => [n, await readFile(path.join(folder, n), 'utf8')] as const)));
};

/** Where somebody is named: an id may stand escaped as JSON or CSV has it, so its plain part is looked for. */
const naming = async (id: RegExp): Promise<string[]> =>
  [...(await files()), ...(await rows()), ...(await queue())]
    .filter(([, text]) => id.test(text))
    .map(([name]) => name)
    .toSorted();

const csvOf = async (id: string): Promise<string> =>
  (await client.call<string>('GET', `/v1/predictions/${id}/download?format=csv`)).body;

test('a customer is in no file, no row and no key of the queue once erased; all others are as they were, byte by byte', async () => {
  const upload = (name: string, text: string, options: object) =>
    settled('/v1/datasets', client.upload({ [name]: `${text}\n` }, { options: JSON.stringify(options) }));
  const table = await upload('table.csv', features, { kind: 'features', idColumn: 'customer' });
  const shop = await upload('shop.csv', orders, { kind: 'transactions' });
  const hashed = await upload('hashed.csv', features, { kind: 'features', idColumn: 'customer', hashCustomers: true });
  const failed = await client.accepted(
    '/v1/datasets',
    client.upload(
      { 'bad.csv': `${orders}\n` },
      { options: JSON.stringify({ kind: 'transactions', dateFormat: '%H' }) },
    ),
  );
  expect((await client.settled(failed.job.id)).status).toBe('failed');
  await settled('/v1/runs', { datasetId: table, modelName: 'table', epochs: 3 });
  await settled('/v1/runs', { datasetId: shop, modelName: 'shop', model: 'bg-nbd', horizonDays: 60 });
  const board = await settled('/v1/leaderboards', {
    datasetId: shop,
    horizonDays: 60,
    models: ['bg-nbd', 'mbg-nbd'],
    seeds: 1,
  });
  await settled('/v1/evaluations', { datasetId: table, model: 'table' });
  const predictions = [
    await settled('/v1/predictions', { datasetId: table, model: 'table', includeInputs: true }),
    await settled('/v1/predictions', { datasetId: shop, model: 'shop' }),
    await settled('/v1/predictions', { datasetId: hashed, model: 'table' }),
  ];
  // a column of numbers that is none: what is said of it names the first customer
  const wrong = features.replace(/^(.*erase-me-7714",)\d+/m, '$1many');
  const texts = await upload(
    'texts.csv',
    wrong
      .split('\n')
      .filter((line) => !/cust-[1-9]/.test(line))
      .join('\n'),
    {
      kind: 'features',
      idColumn: 'customer',
    },
  );
  await client
    .accepted('/v1/predictions', { datasetId: texts, model: 'table' })
    .then(({ job }) => client.settled(job.id));
  const scoring = { model: 'table', rows: [{ customer_id: GONE, spend: 1, visits: 2 }] };
  await client.call('POST', '/v1/score', scoring, { 'idempotency-key': 'kept' });
  await client.get(`/v1/predictions/${predictions[0]}/rows?search=${GONE}`);

  const plain = new RegExp(`${GONE}(?!1)|erase-too-9926`);
  expect((await naming(plain)).length).toBeGreaterThan(10);
  const before = await Promise.all(predictions.map(csvOf));
  const versionsBefore = [...(await files())].filter(([name]) => name.startsWith('versions/'));

  const body = { customers: [GONE, ALSO, 'nobody-at-all'] };
  const headers = { 'idempotency-key': 'one-erasure' };
  const answer = await client.call<{ id: string; job: { id: string } }>('POST', '/v1/erasures', body, headers);
  expect(answer.status).toBe(202);
  expect((await client.settled(answer.body.job.id)).status).toBe('succeeded');

  const erasure = await client.get<Erasure>(`/v1/erasures/${answer.body.id}`);
  expect(erasure).toMatchObject({ status: 'succeeded', customers: 3, result: { found: 2, warnings: [] } });
  expect(erasure.result.datasets).toBe(4);
  expect(erasure.result.predictions).toBeGreaterThanOrEqual(3);
  expect(await naming(plain)).toEqual([]);
  // the hashed ones are found by what the others have in common
  expect(await naming(new RegExp(STAYS))).not.toEqual([]);
  const asked = [...(await rows())].filter(([, text]) => text.includes('nobody-at-all')).map(([name]) => name);
  expect(asked).toEqual([]);
  expect(
    [...(await logs())].filter(([name, text]) => /ingester|gateway/.test(name) && text.includes('nobody-at-all')),
  ).toEqual([]);

  const lines = (csv: string) => csv.split('\n');
  const after = await Promise.all(predictions.map(csvOf));
  for (const [n, csv] of after.entries()) {
    const was = lines(before[n]!);
    const is = new Set(lines(csv));
    expect(was.filter((line) => !is.has(line))).toHaveLength(2);
    const left = was.filter((line) => is.has(line));
    expect(lines(csv)).toEqual(left);
    const prediction = await client.get<Prediction>(`/v1/predictions/${predictions[n]}`);
    expect(prediction).toMatchObject({ rows: 399, summary: { customers: 399 }, revision: erasure.id });
  }
  for (const id of [table, shop, hashed]) {
    const dataset = await client.get<Dataset>(`/v1/datasets/${id}`);
    expect(dataset).toMatchObject({ customers: 399, erasedCustomers: 2, revision: erasure.id });
    const page = await client.get<{ total: number }>(`/v1/datasets/${id}/rows?search=erase-me`);
    expect(page.total).toBe(id === hashed ? 0 : id === table ? 1 : 1 + (398 % 6));
  }
  // models hold no rows: every byte of theirs is what it was
  expect([...(await files())].filter(([name]) => name.startsWith('versions/'))).toEqual(versionsBefore);
  const evaluations = await client.get<Page<Evaluation>>('/v1/evaluations');
  expect(evaluations.items.length).toBeGreaterThan(0);
  expect((await client.get<Leaderboard>(`/v1/leaderboards/${board}`)).report).not.toBeNull();

  // repeated, the request gets its first answer; nothing that is kept of it tells who it was about
  const again = await client.call<{ id: string }>('POST', '/v1/erasures', body, headers);
  expect([again.body.id, again.headers.get('idempotency-replayed')]).toEqual([erasure.id, 'true']);
  const other = await client.call('POST', '/v1/erasures', { customers: ['someone-else'] }, headers);
  expect(other.status).toBe(409);
  const audit = await client.get<Page<AuditEntry>>('/v1/audit?action=startErasure');
  expect(audit.items).toHaveLength(1);
  expect(audit.items[0]).toMatchObject({
    resource: { type: 'erasure', id: erasure.id },
    details: { customers: 3, jobId: answer.body.job.id },
  });

  // what was made of the data is made again, without them
  const run = await client.get<Run>(
    `/v1/runs/${await settled('/v1/runs', { datasetId: table, modelName: 'anew', epochs: 2 })}`,
  );
  expect(run.evaluation).not.toBeNull();
  const version = await client.get<ModelVersion>('/v1/models/table/versions/1');
  expect(version.manifest.training.datasetId).toBe(table);
  expect((await client.call('POST', `/v1/jobs/${failed.job.id}/retry`)).status).toBe(202);
  expect((await client.settled(failed.job.id)).status).toBe('failed');
  expect(await naming(plain)).toEqual([]);
});

test('the command line erases who is in a file, says what was done, and lists it', async () => {
  const clove = async <T>(...args: string[]): Promise<T> => {
    const env = { PATH: process.env['PATH'], CLOVE_URL: stack.url, CLOVE_API_KEY: stack.apiKey };
    const main = fileURLToPath(new URL('../../services/cli/dist/main.js', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...args, '--json'], { env });
    return JSON.parse(stdout) as T;
  };
  const dataset = await settled(
    '/v1/datasets',
    client.upload({ 'few.csv': 'customer,spend,clv\nann,1,2\nbob,2,3\ncy,3,4\n' }, { options: '{"kind":"features"}' }),
  );
  const list = path.join(home, 'to-erase.txt');
  await writeFile(list, 'ann\r\n\r\n  bob  \r\n');
  const { items } = await clove<{ items: Erasure[] }>('erase', '--from', list, '--customer', 'ann');
  expect(items).toHaveLength(1);
  expect(items[0]).toMatchObject({ status: 'succeeded', customers: 2, result: { found: 2, datasetRows: 2 } });
  const rest = await client.get<Dataset>(`/v1/datasets/${dataset}`);
  expect(rest).toMatchObject({ customers: 1, erasedCustomers: 2, revision: items[0]!.id });
  const listed = await clove<Page<Erasure>>('erase', '--list');
  expect(listed.items[0]).toEqual(items[0]);
  await expect(clove('erase')).rejects.toThrow(/--customer ID, or --from FILE/);
});
