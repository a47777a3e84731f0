/** The gateway under load: polls of a job, lists, and scorings of a few customers, by clients that each wait for an answer. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch } from '@clove/cli';
import type { RowPage } from '@clove/contracts';
import { api } from '../support/api.js';
import { type Case, peakRssBytes } from './case.js';

const CLIENTS = 16;
const SECONDS = 5;
const ROWS = 10;

/** `rowsPerSecond` are requests a second. */
export async function gateway(): Promise<Case[]> {
  const home = await mkdtemp(path.join(tmpdir(), 'clove-bench-gateway-'));
  const stack = await launch({ home, port: 0 });
  try {
    const client = api(stack.url, stack.apiKey);
    const generated = await client.accepted('/v1/datasets/generate', {
      generator: 'features',
      customers: 2000,
      seed: 1,
    });
    await client.settled(generated.job.id);
    const training = await client.accepted('/v1/runs', { datasetId: generated.id, modelName: 'w', epochs: 2 });
    await client.settled(training.job.id);
    const page = await client.get<RowPage>(`/v1/datasets/${generated.id}/rows?limit=${ROWS}`);
    const rows = page.rows.map((row) => Object.fromEntries(page.columns.map((name, i) => [name, row[i]])));
    const headers = { authorization: `Bearer ${stack.apiKey}`, 'content-type': 'application/json' };
    const get = (at: string) => () => fetch(`${stack.url}${at}`, { headers });
    const body = JSON.stringify({ model: 'w', rows });
    const requests: Record<string, () => Promise<Response>> = {
      polls: get(`/v1/jobs/${training.job.id}`),
      lists: get('/v1/jobs?limit=50'),
      [`scores-of-${ROWS}`]: () => fetch(`${stack.url}/v1/score`, { method: 'POST', headers, body }),
    };
    const { pid } = stack.processes.find(({ name }) => name === 'gateway')!;
    const cases: Case[] = [];
    for (const [name, request] of Object.entries(requests)) {
      const first = await request();
      if (!first.ok) throw new Error(`${name}: ${first.status} ${await first.text()}`);
      await loaded(request, 1);
      const { times, errors } = await loaded(request, SECONDS);
      cases.push({
        name,
        rowsPerSecond: Math.round(times.length / SECONDS),
        threads: CLIENTS,
        peakRssBytes: peakRssBytes(pid),
        p99Ms: Math.round(10 * (times[Math.floor(0.99 * times.length)] ?? Number.NaN)) / 10,
        errors,
      });
    }
    return cases;
  } finally {
    await stack.stop();
    await rm(home, { recursive: true, force: true });
  }
}

/** Sends requests for some seconds, one after the other in each client. @returns times of the answers, ascending, in ms */
const loaded = async (
  request: () => Promise<Response>,
  seconds: number,
): Promise<{ times: number[]; errors: number }> => {
  const times: number[] = [];
  let errors = 0;
  const end = performance.now() + 1000 * seconds;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const start = performance.now();
      const answer = await request();
      await answer.arrayBuffer();
      if (answer.ok) times.push(performance.now() - start);
      else errors += 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return { times: times.toSorted((a, b) => a - b), errors };
};
