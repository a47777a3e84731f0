/** The artifact store has no room, or cannot be written, while the system runs. */
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Accepted, Job, Problem, RowPage, Run } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Answer } from '../support/api.js';
import { customers, faultStack, filesBelow, modelHash, type FaultStack } from './stack.js';

const folder = mkdtempSync(path.join(tmpdir(), 'clove-store-'));
const mount = (...args: string[]): boolean => spawnSync('mount', [...args, folder]).status === 0;
/** A file system of its own takes a user who may mount one; without it the store can be made read-only, but not full. */
const mounted = mount('-t', 'tmpfs', '-o', 'size=24m', 'clove-store');
/** Root may write where nobody may. */
const obeysModes = process.getuid?.() !== 0;

const store = path.join(folder, 'artifacts');
const filler = path.join(folder, 'filler');
/** Writes until nothing more fits, not a single page. */
const fill = (): void => {
  const file = openSync(filler, 'w');
  try {
    for (const bytes of [1024 ** 2, 4096]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(bytes));
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
      }
    }
  } finally {
    closeSync(file);
  }
};
const foldersBelow = (): string[] =>
  readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(entry.parentPath, entry.name));
const setModes = (mode: number): void => {
  for (const name of [store, ...foldersBelow()]) chmodSync(name, mode);
};

type Fault = { what: string; skipped: boolean; begin(): void; end(): void; says: string };
const FAULTS: Fault[] = [
  {
    what: mounted ? 'full' : 'full (skipped: needs a user who may mount a file system)',
    skipped: !mounted,
    begin: fill,
    end: () => rmSync(filler, { force: true }),
    says: 'The artifact store is full. Free some space',
  },
  {
    what: mounted || obeysModes ? 'read-only' : 'read-only (skipped: root needs the right to mount)',
    skipped: !mounted && !obeysModes,
    begin: () => (mounted ? expect(mount('-o', 'remount,ro')).toBe(true) : setModes(0o555)),
    end: () => (mounted ? expect(mount('-o', 'remount,rw')).toBe(true) : setModes(0o755)),
    says: 'The artifact store cannot be written. Mount it writable',
  },
];

let faults: FaultStack;
let datasetId: string;
const TRAINING = { epochs: 5, patience: 5, seed: 7, modelName: 'store' };
const upload = () =>
  faults.client.upload({ 'customers.csv': customers(400) }, { options: JSON.stringify({ kind: 'features' }) });
const modelOf = async (id: string): Promise<string> => {
  const { versionId } = await faults.client.get<Run>(`/v1/runs/${id}`);
  return modelHash(path.join(store, `versions/${versionId}/model.onnx`));
};
let calmModel: string;

beforeAll(async () => {
  faults = await faultStack({ env: { ARTIFACTS_DIR: store } });
  const made = await faults.client.accepted('/v1/datasets', upload());
  await faults.settled(made.job.id);
  datasetId = made.id;
  const run = await faults.client.accepted('/v1/runs', { datasetId, ...TRAINING });
  await faults.settled(run.job.id);
  calmModel = await modelOf(run.id);
});
afterAll(async () => {
  await faults?.close();
  if (mounted) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
});

/** The files of the store, those in the making among them. */
const stored = async (): Promise<Map<string, string>> => {
  const files = await filesBelow(store);
  expect([...files.keys()].filter((name) => name.startsWith('.aside'))).toEqual([]);
  return files;
};

describe.each(FAULTS)('the store is $what', ({ skipped, begin, end, says }) => {
  test.skipIf(skipped)(
    'jobs and uploads end with `no-space` and leave nothing; reading goes on; a retry does them once it can be written',
    async () => {
      const { client, settled } = faults;
      const spare = await client.accepted('/v1/datasets', upload());
      await settled(spare.job.id);
      const before = await stored();
      begin();
      try {
        const refused: Answer<Problem> = await client.call('POST', '/v1/datasets', upload());
        expect(refused).toMatchObject({ status: 507, body: { code: 'no-space' } });
        expect(refused.body.detail).toContain(says);
        expect(JSON.stringify(refused.body)).not.toContain(folder);
        const asked = {
          ingest: await client.accepted('/v1/datasets/generate', { generator: 'features', customers: 400, seed: 3 }),
          train: await client.accepted('/v1/runs', { datasetId, ...TRAINING }),
          predict: await client.accepted('/v1/predictions', { datasetId, model: 'store@1' }),
        };
        for (const { job } of Object.values(asked)) {
          const { status, error, attempts } = await settled(job.id);
          expect({ kind: job.kind, status, code: error?.code }).toEqual({
            kind: job.kind,
            status: 'failed',
            code: 'no-space',
          });
          expect(error?.message).toContain(says);
          // what has no room has none a second later
          expect(attempts).toHaveLength(1);
        }
        // What needs only to be read is answered, and so is the probe that would take the gateway away.
        expect((await client.get<RowPage>(`/v1/datasets/${datasetId}/rows?limit=5`)).total).toBe(400);
        const score = { model: 'store', rows: [{ spend: 5, visits: 3, segment: 'A' }] };
        expect((await client.call('POST', '/v1/score', score)).status).toBe(200);
        expect((await fetch(`${faults.stack.url}/readyz`)).status).toBe(200);
        expect(await stored()).toEqual(before);
        // What has no room for more can lose something. What is read-only cannot: the files of what is deleted are orphans then.
        const removal = await client.call('DELETE', `/v1/datasets/${spare.id}`);
        expect(removal.status).toBe(says.includes('full') ? 204 : 507);
        expect((await client.call('GET', `/v1/datasets/${spare.id}`)).status).toBe(404);
        const left = [...(await stored()).keys()].filter((name) => name.includes(spare.id));
        expect(left.length > 0).toBe(removal.status === 507);

        end();
        for (const { job } of Object.values(asked)) {
          expect((await client.call<Job>('POST', `/v1/jobs/${job.id}/retry`)).status).toBe(202);
          expect(await settled(job.id)).toMatchObject({ status: 'succeeded' });
        }
        expect(await modelOf(asked.train.id)).toBe(calmModel);
        const again: Answer<Accepted> = await client.call('POST', '/v1/datasets', upload());
        expect(again.status).toBe(202);
        expect(await settled(again.body.job.id)).toMatchObject({ status: 'succeeded' });
        const files = await stored();
        expect(files.get(`datasets/${again.body.id}/data.parquet`)).toBe(
          files.get(`datasets/${datasetId}/data.parquet`),
        );
        expect(await scratchFiles()).toEqual([]);
      } catch (error) {
        end();
        throw error;
      }
    },
  );
});

/** Names of the files in the scratch folders of the workers. */
async function scratchFiles(): Promise<string[]> {
  const entries = await readdir(path.join(faults.home, 'scratch'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}
