import { LeaderboardOptions, type EvaluationReport, type LeaderboardReport, type Metrics } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { newId } from './ids.js';
import { migrate } from './migrate.js';
import { openRegistry } from './open-registry.js';
import type { Registry } from './registry.js';
import { DEFAULT_TENANT } from './tenancy.js';
import { artifacts, freshUrl, manifest, options, readyDataset, report } from './test-support.js';

const url = freshUrl(inject('databaseUrl'));
let registry: Registry;
beforeAll(async () => {
  await migrate(url);
  registry = openRegistry(url).forTenant(DEFAULT_TENANT);
});
afterAll(() => registry.close());

const asked = LeaderboardOptions.parse({ horizonDays: 90 });
const ranking = (probabilistic: Partial<Metrics> = {}): LeaderboardReport => ({
  protocol: report.protocol,
  horizonDays: 90,
  winner: 'trees',
  rule: 'the lowest deviance on the validation origin',
  selection: [],
  rows: [
    { model: 'trees', family: 'trees', metrics: report.metrics, sd: { rmse: 0.1 } },
    { model: 'bg-nbd', family: 'probabilistic', metrics: { ...report.metrics, ...probabilistic }, sd: {} },
  ],
  skipped: [],
  claims: [],
  lint: [],
  warnings: [],
  seconds: 1,
});
const winner = () => ({ versionId: newId('version'), manifest, evaluation: report, artifacts });
const started = async (modelName?: string, datasetId?: string) =>
  registry.leaderboards.create({
    datasetId: datasetId ?? (await readyDataset(registry)),
    modelName,
    options: asked,
    requestId: 'r',
  });

describe('leaderboards', () => {
  test('start queued, take their report once, and register the winner as a version that links back', async () => {
    const { leaderboard, job } = await started('ranked');
    expect(job).toMatchObject({ kind: 'leaderboard', resource: { type: 'leaderboard', id: leaderboard.id } });
    expect(leaderboard).toMatchObject({ status: 'queued', report: null, options: asked, versionId: null });
    expect((await registry.jobs.waiting()).map(({ payload }) => payload)).toContainEqual({
      jobId: job.id,
      leaderboardId: leaderboard.id,
      requestId: 'r',
    });

    const made = winner();
    const [one, two] = await Promise.all([
      registry.leaderboards.complete(leaderboard.id, { report: ranking(), winner: made }),
      registry.leaderboards.complete(leaderboard.id, { report: ranking(), winner: winner() }),
    ]);
    expect(two.versionId).toBe(one.versionId);
    expect(one).toMatchObject({ version: 1, report: ranking() });
    const version = await registry.models.versionById((await registry.models.resolve('ranked')).id);
    expect(version).toMatchObject({ leaderboardId: leaderboard.id, runId: null, evaluation: report });
    expect(version.gates.map(({ gate, passed }) => [gate, passed])).toEqual([
      ['total-bias', true],
      ['calibration', true],
      ['probabilistic-baseline', true],
    ]);
    const { items } = await registry.leaderboards.list({ limit: 10, datasetId: leaderboard.datasetId! });
    expect(items).toMatchObject([{ id: leaderboard.id, winner: 'trees', version: 1 }]);
  });

  test('without a model name, or where a baseline wins, make no version', async () => {
    const nameless = (await started()).leaderboard;
    await registry.leaderboards.complete(nameless.id, { report: ranking(), winner: winner() });
    expect(await registry.leaderboards.get(nameless.id)).toMatchObject({ versionId: null, report: ranking() });
    const { leaderboard } = await started('beaten');
    await registry.leaderboards.complete(leaderboard.id, { report: ranking(), winner: null });
    await expect(registry.models.get('beaten')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('that were cancelled take no result; a deleted dataset leaves them without it and cannot be retried', async () => {
    const { leaderboard, job } = await started('cancelled');
    await expect(registry.datasets.remove(leaderboard.datasetId!)).rejects.toMatchObject({ code: 'conflict' });
    await registry.jobs.requestCancel(job.id);
    await expect(
      registry.leaderboards.complete(leaderboard.id, { report: ranking(), winner: winner() }),
    ).rejects.toMatchObject({ code: 'conflict' });
    await registry.datasets.remove(leaderboard.datasetId!);
    expect((await registry.leaderboards.get(leaderboard.id)).datasetId).toBeNull();
    await expect(registry.jobs.retry(job.id, 'r')).rejects.toMatchObject({ code: 'conflict' });
    await expect(registry.leaderboards.get(newId('leaderboard'))).rejects.toMatchObject({ code: 'not-found' });
  });
});

/** A version of `name` by a run on `datasetId` whose evaluation has these figures. */
const version = async (
  name: string,
  datasetId: string,
  metrics: Partial<Metrics> = {},
  protocol: Partial<EvaluationReport['protocol']> = {},
) => {
  const { run } = await registry.runs.create({ datasetId, modelName: name, options, requestId: 'r' });
  return registry.runs.complete(run.id, {
    versionId: newId('version'),
    manifest,
    evaluation: {
      ...report,
      protocol: { ...report.protocol, ...protocol },
      metrics: { ...report.metrics, ...metrics },
    },
    artifacts,
  });
};

describe('the champion', () => {
  test('moves to a version that passes, and not to one that fails: the error has every gate', async () => {
    const datasetId = await readyDataset(registry);
    const move = (number: number, by = {}) => registry.models.setAlias('gated', 'champion', number, by);
    await version('gated', datasetId);
    expect((await version('gated', datasetId, { totalBias: 0.04 })).gates.every(({ passed }) => passed)).toBe(true);
    const bad = await version('gated', datasetId, { totalBias: -0.4 });
    expect(bad.gates.filter(({ passed }) => !passed).map(({ gate }) => gate)).toEqual([
      'total-bias',
      'champion',
      'probabilistic-baseline',
    ]);
    expect(await move(2, { movedBy: 'ann' })).toMatchObject({ aliases: { champion: 2 } });
    await expect(move(3, { movedBy: 'ann' })).rejects.toMatchObject({ code: 'gate-failed', gates: expect.any(Array) });
    const refused = await move(3).catch((error: { gates: unknown[]; errors: unknown[] }) => error);
    expect(refused).toMatchObject({ gates: { length: 4 }, errors: { length: 3 } });
    expect((await registry.models.get('gated')).aliases).toEqual({ champion: 2 });

    expect(await move(3, { force: true, movedBy: 'eve' })).toMatchObject({ aliases: { champion: 3 } });
    expect(await move(3, { movedBy: 'eve' })).toMatchObject({ aliases: { champion: 3 } });
    const { items } = await registry.models.moves('gated', { limit: 10 });
    expect(items).toMatchObject([
      { alias: 'champion', version: 3, former: 2, forced: true, movedBy: 'eve', gates: { length: 4 } },
      { alias: 'champion', version: 2, former: 1, forced: false, movedBy: 'ann' },
    ]);
  });

  test('alone is guarded: other aliases go anywhere, and their moves are kept too', async () => {
    const datasetId = await readyDataset(registry);
    await version('free', datasetId);
    await version('free', datasetId, { totalBias: 3 });
    await registry.models.setAlias('free', 'challenger', 2);
    await registry.models.removeAlias('free', 'challenger', 'ann');
    const { items } = await registry.models.moves('free', { limit: 10 });
    expect(items.map(({ version: to, former }) => [to, former])).toEqual([
      [null, 2],
      [2, null],
    ]);
  });

  test('is held against on the same test rows where it was evaluated there', async () => {
    const datasetId = await readyDataset(registry);
    await version('later', datasetId, { normalizedGini: 0.9 }, { testOrigin: '2018-01-01' });
    const second = await version('later', datasetId, { normalizedGini: 0.5 });
    expect(second.gates.find(({ gate }) => gate === 'champion')).toMatchObject({ passed: false });

    const first = await registry.models.version('later', 1);
    const { evaluation } = await registry.evaluations.create({ datasetId, versionId: first.id, requestId: 'r' });
    await registry.evaluations.complete(evaluation.id, {
      ...report,
      metrics: { ...report.metrics, normalizedGini: 0.45 },
    });
    const again = await registry.models.version('later', 2);
    const gate = again.gates.find((result) => result.gate === 'champion')!;
    expect(gate.passed).toBe(true);
    expect(gate.message).not.toContain('differ');
  });

  test('must not be worse than the probabilistic models of a leaderboard on the same test rows', async () => {
    const datasetId = await readyDataset(registry);
    const { leaderboard } = await started(undefined, datasetId);
    await registry.leaderboards.complete(leaderboard.id, { report: ranking({ normalizedGini: 0.8 }), winner: null });
    const judged = (await version('beaten-by-bg', datasetId)).gates.at(-1)!;
    expect(judged).toMatchObject({ gate: 'probabilistic-baseline', passed: false, measure: 'normalizedGini' });
    expect(judged.message).toContain('bg-nbd');
    const elsewhere = (await version('other-rows', datasetId, {}, { testOrigin: '2018-02-02' })).gates.at(-1)!;
    expect(elsewhere.message).not.toContain('bg-nbd');
  });
});
