import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = path.join(root, 'services/cli/dist/main.js');
const data = process.env.CLOVE_DATA ?? path.join(root, '../shared/data');

const homes: string[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const home of homes.splice(0)) await rm(home, { recursive: true, force: true, maxRetries: 20 });
});

/** Starts `clove` with a data folder of its own and no servers given. */
const clove = async (args: string[]) => {
  const home = await mkdtemp(path.join(tmpdir(), 'clove-demo-'));
  homes.push(home);
  const { DATABASE_URL: _database, REDIS_URL: _redis, ...env } = process.env;
  const child = spawn(process.execPath, [cli, ...args], {
    env: { ...env, CLOVE_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, out, err }));
  });
  const printed = async (pattern: RegExp) => {
    while (!pattern.test(out + err)) {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}\n${out}\n${err}`);
      await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), once(child, 'exit')]);
    }
  };
  return { child, home, ended, printed };
};
const read = (file: string) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // it ended meanwhile
  }
};
/** Processes whose command line or environment names the data folder: launcher, servers, services. */
const processesOf = (home: string): string[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => `${read(`/proc/${pid}/cmdline`)}${read(`/proc/${pid}/environ`)}`.includes(home));

type DemoReport = {
  dataset: { id: string; kind: string; rows: number; customers: number; rejectedRows: number };
  run: { id: string; model: string; version: number; backend: string };
  evaluation: {
    protocol: string;
    testCustomers: number;
    metrics: Record<string, number>;
    baselines: Record<string, Record<string, number>>;
  };
  prediction: { id: string; rows: number; file: string };
  seconds: Record<'setup' | 'ingest' | 'train' | 'predict', number>;
};
const METRICS = ['rmse', 'mae', 'r2', 'mape', 'totalBias', 'spearman', 'normalizedGini', 'decileMape'];
const demo = async (args: string[]): Promise<DemoReport> => {
  const { ended, home } = await clove(['demo', '--once', '--json', ...args]);
  const { code, out, err } = await ended;
  expect(code, err).toBe(0);
  const report = JSON.parse(out.trimEnd().split('\n').at(-1)!) as DemoReport;
  expect(report.prediction.rows).toBe(report.dataset.customers);
  expect(readFileSync(report.prediction.file, 'utf8').trimEnd().split('\n')).toHaveLength(report.prediction.rows + 1);
  for (const metrics of [report.evaluation.metrics, ...Object.values(report.evaluation.baselines)]) {
    expect(Object.keys(metrics)).toEqual(expect.arrayContaining(METRICS));
  }
  for (const seconds of Object.values(report.seconds)) expect(seconds).toBeGreaterThan(0);
  if (existsSync('/proc')) expect(processesOf(home)).toEqual([]);
  return report;
};

describe('clove demo', () => {
  test('takes generated orders to scored customers, prints one JSON line and leaves nothing running', async () => {
    const report = await demo(['--customers', '1500', '--epochs', '3']);
    expect(report.dataset.kind).toBe('transactions');
    expect(report.evaluation.protocol).toBe('forward');
    expect(Object.keys(report.evaluation.baselines).toSorted()).toEqual(['heuristic', 'mean', 'naive-rate']);
  });

  test.skipIf(!existsSync(path.join(data, 'cdnow')))('reads CDNOW in full (needs the data folder)', async () => {
    const report = await demo([
      '--data',
      path.join(data, 'cdnow/CDNOW_master.txt'),
      '--preset',
      'cdnow',
      '--epochs',
      '3',
      '--batch-size',
      '512',
    ]);
    expect(report.dataset).toMatchObject({ kind: 'transactions', rows: 69_659, customers: 23_570, rejectedRows: 0 });
  });

  test.skipIf(!existsSync('/proc'))('is stopped by Ctrl-C, in order and completely', async () => {
    const { child, home, ended, printed } = await clove(['start']);
    await printed(/http:\/\/127\.0\.0\.1:\d+/);
    expect(processesOf(home).length).toBeGreaterThanOrEqual(6);
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
    expect(processesOf(home)).toEqual([]);
  });

  test.skipIf(!existsSync('/proc'))('leaves nothing running when its launcher is killed', async () => {
    const { child, home, ended, printed } = await clove(['start']);
    await printed(/http:\/\/127\.0\.0\.1:\d+/);
    child.kill('SIGKILL');
    await ended;
    await expect.poll(() => processesOf(home), { timeout: 20_000, interval: 100 }).toEqual([]);
  });
});
