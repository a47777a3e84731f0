import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { forecast, historiesOf, noCounts, openPredictor } from '@clove/clv';
import {
  CloveError,
  type DatasetProfile,
  IngestOptions,
  LeaderboardOptions,
  ModelManifest,
  TrainingOptions,
} from '@clove/contracts';
import { generateDataset, generateFile, ingestFiles, snapshot } from '@clove/data';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runLeaderboard } from './leaderboard.js';
import { trainModel } from './train-model.js';

let folder: string;
let purchases: { parquet: string; profile: DatasetProfile };
let features: { parquet: string; profile: DatasetProfile };
const signal = new AbortController().signal;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-families-'));
  const made = async (generator: DatasetProfile['kind'], customers: number) => {
    const outDir = await mkdtemp(join(folder, 'data-'));
    const profile = await generateDataset({ options: { generator, customers, seed: 42 }, outDir, scratchDir: folder });
    return { profile, parquet: join(outDir, 'data.parquet') };
  };
  purchases = await made('transactions', 500);
  features = await made('features', 300);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SMALL = {
  hidden: [8],
  epochs: 3,
  horizonDays: 90,
  origins: 2,
  sequenceLength: 6,
  sequenceUnits: 4,
  treeCount: 20,
};

const train = async (options: object, data = purchases) => {
  const outDir = await mkdtemp(join(folder, 'model-'));
  const made = await trainModel(
    { ...data, datasetId: null, options: TrainingOptions.parse({ ...SMALL, ...options }), outDir, scratchDir: folder },
    { signal, post: () => {} },
  );
  return { ...made, outDir };
};

/** What the folder predicts for everybody known at the test origin. */
const scored = async (outDir: string, asOf: string, length?: number) => {
  const manifest = ModelManifest.parse(JSON.parse(await readFile(join(outDir, 'model.json'), 'utf8')));
  const sequence = length === undefined ? {} : { sequence: { length } };
  const table = await snapshot({ parquet: purchases.parquet, asOf, scratchDir: folder, ...sequence });
  const model = await openPredictor(manifest, (name) => readFile(join(outDir, name)));
  const scores = await model.score(table, noCounts());
  await model.release();
  return { manifest, table, scores };
};

const total = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, value) => sum + value, 0);

describe('a probabilistic model', () => {
  test('is parameters in model.json, and predicts what they forecast', async () => {
    const { evaluation, outDir } = await train({ model: 'bg-nbd' });
    expect((await readdir(outDir)).toSorted()).toEqual(['evaluation.json', 'model.json']);
    const { manifest, table, scores } = await scored(outDir, evaluation.protocol.testOrigin!);
    const [fitted] = manifest.predictor!.forecasters;
    const { value } = forecast(fitted!, historiesOf(table), 90);
    scores.predicted.forEach((predicted, row) => expect(predicted).toBeCloseTo(value[row]!, 2));
    expect(manifest).toMatchObject({ type: 'bg-nbd', head: null });
    expect(evaluation.metrics.coverage80).toBeGreaterThan(0.6);
    expect(total(scores.pBuy!) / table.rows).toBeGreaterThan(0.05);
    const { tracking, trackingStart } = evaluation.detail!;
    const origin = (Date.parse(evaluation.protocol.testOrigin!) - Date.parse(trackingStart!)) / (7 * 86_400_000);
    expect(tracking!.length).toBe(Math.floor(origin + 90 / 7));
    // Of the history that it was fitted to, the forecaster expects about what came; those are the repeat days of the snapshot.
    const known = tracking![Math.floor(origin) - 1]!;
    expect(known.cumulativeExpected / known.cumulativeActual).toBeCloseTo(1, 0);
    const { x } = historiesOf(table);
    expect(known.cumulativeActual).toBeLessThanOrEqual(total(x));
    expect(tracking![Math.floor(origin)]!.cumulativeActual).toBeGreaterThanOrEqual(total(x));
  });
});

describe('an anchored model', () => {
  test('held to its anchor has the total of the forecast, for networks, trees and sequences', async () => {
    for (const model of ['feedforward', 'trees', 'gru']) {
      const { evaluation, outDir } = await train({ model, head: 'tweedie', anchor: 'bg-nbd', level: 'held', seeds: 2 });
      const { manifest, table, scores } = await scored(outDir, evaluation.protocol.testOrigin!, SMALL.sequenceLength);
      const { value } = forecast(manifest.predictor!.forecasters[0]!, historiesOf(table), 90);
      expect(total(scores.predicted) / total(value)).toBeCloseTo(1, 3);
      expect(evaluation.detail!.total.predicted).toBeCloseTo(total(scores.predicted), 0);
      expect(manifest.predictor!.level).toMatchObject({ held: true, reason: 'held, as asked' });
    }
  });

  test('that has hardly learned is the forecast, up to a level', async () => {
    const { evaluation, outDir } = await train({
      head: 'poisson',
      anchor: 'bg-nbd',
      level: 'free',
      epochs: 1,
      learningRate: 1e-7,
    });
    const { manifest, table, scores } = await scored(outDir, evaluation.protocol.testOrigin!);
    const { value } = forecast(manifest.predictor!.forecasters[0]!, historiesOf(table), 90);
    value.forEach((expected, row) => expect(scores.predicted[row]! / Math.max(expected, 1e-3)).toBeCloseTo(1, 1));
  });
});

describe('a learned model without an anchor', () => {
  test('has the forecast among its features, fitted anew at each origin and carried for scoring', async () => {
    const { evaluation, outDir, manifest } = await train({ seeds: 2 });
    const { columns } = await scored(outDir, evaluation.protocol.testOrigin!).then(({ manifest: { predictor } }) => ({
      columns: predictor!.members[0]!.schema!.features.map(({ name }) => name),
    }));
    expect(columns.slice(-3)).toEqual(['p_alive', 'expected_orders', 'expected_spend']);
    const { predictor } = manifest;
    expect(predictor!.members[0]).toMatchObject({ anchored: false, forecaster: 0 });
    expect(predictor!.forecasters[0]!.model).toBe('bg-nbd');
    // The table that is scored holds the snapshot's own columns; what the forecaster needs is among those that are asked for.
    const asked = manifest.schema.features.map(({ name }) => name);
    expect(asked).not.toContain('p_alive');
    expect(asked).toEqual(expect.arrayContaining(['recency_days', 'revenue']));
    const { total: held, segments } = evaluation.detail!;
    expect(held.low!).toBeLessThan(held.predicted);
    expect(held.high!).toBeGreaterThan(held.predicted);
    expect(evaluation.sd!.normalizedGini).toBeGreaterThan(0);
    expect(segments.map(({ column }) => column)).toEqual(expect.arrayContaining(['cohort', 'place']));
    for (const { rows, metrics, sd } of segments) {
      expect(metrics!.mae).toBeGreaterThanOrEqual(0);
      expect(sd!.mae, `a segment of ${rows}`).toBeGreaterThanOrEqual(0);
    }
  });

  test('does without it where it is not wanted, or cannot be fitted, and says so', async () => {
    const plain = await train({ forecastFeatures: 'none' });
    expect(plain.manifest.predictor!.forecasters).toEqual([]);
    const ignored = await train({ ignoreColumns: ['p_alive', 'expected_orders', 'expected_spend'] });
    expect(ignored.manifest.predictor!.forecasters).toEqual([]);
    const once = await train({}, await onceEach());
    expect(once.manifest.predictor!.forecasters).toEqual([]);
    expect(once.manifest.warnings.map(({ code }) => code)).toContain('no-forecast-features');
  });
});

/** Customers who order once, some of them again in July: the training origins, 1 April and 1 May, see no repeat order. */
const onceEach = async (): Promise<typeof purchases> => {
  const outDir = await mkdtemp(join(folder, 'once-'));
  const path = join(outDir, 'once.csv');
  const lines = Array.from({ length: 400 }, (_, k) => {
    const first = new Date(Date.UTC(2023, 0, 1 + (k % 60))).toISOString().slice(0, 10);
    const again = new Date(Date.UTC(2023, 6, 1 + (k % 25))).toISOString().slice(0, 10);
    return `c${k},${first},${10 + (k % 7)}${k % 3 === 0 ? `\nc${k},${again},${20 + (k % 5)}` : ''}`;
  });
  await writeFile(path, `customer,date,amount\n${lines.join('\n')}\nlate,2023-10-28,10\n`);
  const files = [{ name: 'once.csv', path }];
  const options = IngestOptions.parse({ kind: 'transactions' });
  const profile = await ingestFiles({ files, options, outDir, scratchDir: folder });
  return { profile, parquet: join(outDir, 'data.parquet') };
};

describe('what does not fit is refused with an explanation', () => {
  test.each([
    [{ model: 'lstm' }, 'orders one after the other'],
    [{ model: 'pareto-nbd' }, 'when each customer bought'],
    [{ head: 'poisson', anchor: 'bg-nbd' }, 'when each customer bought'],
  ])('%j on a features dataset', async (options, why) => {
    const work = train(options, features);
    await expect(work).rejects.toBeInstanceOf(CloveError);
    await expect(work).rejects.toThrow(why);
  });

  test('an anchor under a head that learns no logarithm', async () => {
    await expect(train({ anchor: 'bg-nbd' })).rejects.toThrow('heads poisson and tweedie');
  });
});

describe('a leaderboard', () => {
  const TEST_ORIGIN = '2024-06-30';

  /** Purchases from a CSV, those after the test origin passed through `later`. */
  const ingested = async (later: (amount: number) => number) => {
    const outDir = await mkdtemp(join(folder, 'csv-'));
    const [made, path] = [join(outDir, 'made.csv'), join(outDir, 'orders.csv')];
    const options = { generator: 'transactions' as const, customers: 300, seed: 7 };
    await generateFile({ options, file: made, scratchDir: folder });
    const [header, ...lines] = (await readFile(made, 'utf8')).trim().split('\n');
    const names = header!.split(',');
    const amount = names.indexOf('amount');
    const time = names.findIndex((name) => lines[0]!.split(',')[names.indexOf(name)]!.startsWith('20'));
    const changed = lines.map((line) => {
      const values = line.split(',');
      if (values[time]!.slice(0, 10) > TEST_ORIGIN) values[amount] = String(later(Number(values[amount])));
      return values.join(',');
    });
    await writeFile(path, `${[header, ...changed].join('\n')}\n`);
    const files = [{ name: 'orders.csv', path }];
    const profile = await ingestFiles({
      files,
      options: IngestOptions.parse({ kind: 'transactions' }),
      outDir,
      scratchDir: folder,
    });
    return { profile, parquet: join(outDir, 'data.parquet') };
  };

  const board = async (data: { profile: DatasetProfile; parquet: string }) => {
    const outDir = await mkdtemp(join(folder, 'winner-'));
    const options = LeaderboardOptions.parse({ horizonDays: 60, origins: 1, seeds: 1, testOrigin: TEST_ORIGIN });
    const made = await runLeaderboard(
      { ...data, datasetId: null, options, outDir, scratchDir: folder, threads: 1 },
      { signal, post: () => {} },
    );
    return { ...made, outDir };
  };

  test('ranks every family on the same rows, and leaves the folder of its winner; what happened after the test origin moves no choice', async () => {
    const { report, winner, outDir } = await board(await ingested((amount) => amount));
    expect(new Set(report.rows.map(({ family }) => family))).toEqual(
      new Set(['probabilistic', 'neural', 'trees', 'ensemble', 'baseline']),
    );
    const row = report.rows.find(({ model }) => model === report.winner)!;
    expect(winner!.evaluation.metrics.normalizedGini).toBeCloseTo(row.metrics.normalizedGini!, 5);
    expect(winner!.evaluation.metrics.totalBias).toBeCloseTo(row.metrics.totalBias!, 4);
    expect(ModelManifest.parse(JSON.parse(await readFile(join(outDir, 'model.json'), 'utf8')))).toEqual(
      winner!.manifest,
    );

    const other = await board(await ingested((amount) => 1000 / (1 + amount)));
    expect(other.report.selection).toEqual(report.selection);
    expect([other.report.winner, other.report.rule]).toEqual([report.winner, report.rule]);
    expect(other.winner!.manifest.predictor).toEqual(winner!.manifest.predictor);
    expect(other.report.rows.find(({ model }) => model === report.winner)!.metrics).not.toEqual(row.metrics);
  });
});
