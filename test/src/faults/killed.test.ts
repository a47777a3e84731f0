import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Rng } from '@clove/clv';
import type { Dataset, Job, Page, Prediction, Run } from '@clove/contracts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { age, customers, faultStack, filesBelow, modelHash, type FaultStack } from './stack.js';

/** `FAULT_ROUNDS=20 pnpm exec vitest run --project system test/src/faults/killed.test.ts`; `FAULT_SEED` repeats a run. */
const VICTIMS = ['gateway', 'ingester', 'trainer', 'scorer', 'Redis', 'Postgres'];
const ROUNDS = Number(process.env['FAULT_ROUNDS'] ?? VICTIMS.length);
const SEED = Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000);

const csv = customers(400);
let faults: FaultStack;
beforeAll(async () => {
  faults = await faultStack();
});
afterAll(() => faults?.close());

/** Ingest, training and prediction, one after the other, as an impatient user does them. */
const round = async (): Promise<{ dataset: string; run: string; prediction: string }> => {
  const { submit, settled, client } = faults;
  const form = () => client.upload({ 'customers.csv': csv }, { options: JSON.stringify({ kind: 'features' }) });
  const dataset = await submit('/v1/datasets', form);
  expect(await settled(dataset.job.id)).toMatchObject({ status: 'succeeded' });
  const training = { datasetId: dataset.id, modelName: 'killed', epochs: 12, patience: 12, seed: 7 };
  const run = await submit('/v1/runs', () => training);
  expect(await settled(run.job.id)).toMatchObject({ status: 'succeeded' });
  const { versionId } = await client.get<Run>(`/v1/runs/${run.id}`);
  const prediction = await submit('/v1/predictions', () => ({ datasetId: dataset.id, model: versionId }));
  expect(await settled(prediction.job.id)).toMatchObject({ status: 'succeeded' });
  return { dataset: dataset.id, run: run.id, prediction: prediction.id };
};

const all = async <T>(route: string): Promise<T[]> => {
  const items: T[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page<T> = await faults.client.get(`${route}?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`);
    items.push(...page.items);
    cursor = page.next;
  }
  return items;
};

test(
  `${ROUNDS} rounds in which something is killed end as an undisturbed one (seed ${SEED})`,
  { timeout: 120_000 + ROUNDS * 90_000 },
  async () => {
    const rng = new Rng(SEED);
    const store = path.join(faults.home, 'artifacts');
    const begun = performance.now();
    const calm = await round();
    const roundMs = performance.now() - begun;
    const calmRun = await faults.client.get<Run>(`/v1/runs/${calm.run}`);
    let files = await filesBelow(store);
    const wanted = {
      data: files.get(`datasets/${calm.dataset}/data.parquet`),
      model: modelHash(path.join(store, `versions/${calmRun.versionId}/model.onnx`)),
    };

    // Dealt like cards, so that each kind of process is killed as often as any other, in an order that nobody chose.
    let dealt: number[] = [];
    for (let n = 1; n <= ROUNDS; n += 1) {
      if (dealt.length === 0) dealt = rng.shuffle([...VICTIMS.keys()]);
      const victim = VICTIMS[dealt.pop()!]!;
      const afterMs = Math.round(rng.uniform() * roundMs);
      const told = `round ${n}: ${victim} is killed after ${afterMs} ms (seed ${SEED})`;
      process.stdout.write(`${told}\n`);
      const [made] = await Promise.all([round(), delay(afterMs).then(() => faults.kill(victim))]);
      const run = await faults.client.get<Run>(`/v1/runs/${made.run}`);
      // the same prediction once more, undisturbed
      const again = await faults.submit('/v1/predictions', () => ({ datasetId: made.dataset, model: run.versionId }));
      expect((await faults.settled(again.job.id)).status, told).toBe('succeeded');
      files = await filesBelow(store);
      expect(files.get(`datasets/${made.dataset}/data.parquet`), told).toBe(wanted.data);
      expect(modelHash(path.join(store, `versions/${run.versionId}/model.onnx`)), told).toBe(wanted.model);
      for (const name of ['predictions.csv', 'predictions.parquet']) {
        const undisturbed = files.get(`predictions/${again.id}/${name}`);
        expect(undisturbed, told).toBeDefined();
        expect(files.get(`predictions/${made.prediction}/${name}`), told).toBe(undisturbed);
      }
    }

    // Also what was accepted without the client hearing of it has come to its right end, and to one.
    const jobs = await all<Job>('/v1/jobs');
    for (const job of jobs) {
      const { status, attempts } = await faults.settled(job.id);
      expect({ id: job.id, status }).toEqual({ id: job.id, status: 'succeeded' });
      expect(attempts.filter((attempt) => attempt.status === 'succeeded')).toHaveLength(1);
      expect(attempts.filter((attempt) => attempt.status === 'running')).toEqual([]);
    }
    const datasets = await all<Dataset>('/v1/datasets');
    const runs = await Promise.all(
      (await all<Run>('/v1/runs')).map(({ id }) => faults.client.get<Run>(`/v1/runs/${id}`)),
    );
    const predictions = await all<Prediction>('/v1/predictions');
    expect(datasets.length + runs.length + predictions.length).toBe(jobs.length);
    const versions = await all<{ id: string }>('/v1/models/killed/versions');
    expect(versions.map(({ id }) => id).toSorted()).toEqual(runs.map(({ versionId }) => versionId).toSorted());

    // What the killed left behind goes once it is a day old: at the start of a gateway, and with the first file stored.
    await age(store);
    await faults.kill('gateway');
    const last = await round();
    const known = {
      uploads: [...datasets.map(({ id }) => id), last.dataset],
      datasets: [...datasets.map(({ id }) => id), last.dataset],
      versions: [...versions.map(({ id }) => id), (await faults.client.get<Run>(`/v1/runs/${last.run}`)).versionId!],
      predictions: [...predictions.map(({ id }) => id), last.prediction],
    };
    await vi.waitFor(
      async () => {
        const found: Record<string, Set<string>> = {};
        for (const file of (await filesBelow(store)).keys()) {
          const [folder = '', name = ''] = file.split('/');
          (found[folder] ??= new Set()).add(name);
        }
        const shown = Object.fromEntries(
          Object.entries(found).map(([folder, names]) => [folder, [...names].toSorted()]),
        );
        expect(shown).toEqual(
          Object.fromEntries(Object.entries(known).map(([folder, names]) => [folder, names.toSorted()])),
        );
      },
      { timeout: 30_000, interval: 100 },
    );
    // Of scratch folders there are those of the processes that run, and nothing is in them.
    const scratch = path.join(faults.home, 'scratch');
    const owners = (await readdir(scratch)).map((name) => Number(name.split('-').at(-2)));
    const running = faults.stack.processes.map(({ pid }) => pid);
    expect(owners.filter((pid) => !running.includes(pid))).toEqual([]);
    expect([...(await filesBelow(scratch)).keys()]).toEqual([]);
  },
);
