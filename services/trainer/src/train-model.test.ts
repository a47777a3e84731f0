import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { computeMetrics, encode, noCounts, pickRows, randomSplit } from '@clove/clv';
import {
  CloveError,
  type DatasetProfile,
  type Epoch,
  EvaluationReport,
  IngestOptions,
  ModelManifest,
  TrainingOptions,
} from '@clove/contracts';
import { generateDataset, ingestFiles, loadFeatures } from '@clove/data';
import { createScorer, decodeSafetensors } from '@clove/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TrainInput, type TrainMessage, trainModel } from './train-model.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clove-trainer-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Dataset = { parquet: string; profile: DatasetProfile };

const generated = async (generator: DatasetProfile['kind'], customers: number): Promise<Dataset> => {
  const outDir = await mkdtemp(join(folder, 'data-'));
  const options = { generator, customers, seed: 42 };
  return {
    profile: await generateDataset({ options, outDir, scratchDir: folder }),
    parquet: join(outDir, 'data.parquet'),
  };
};

/** A features dataset of the columns given, from a CSV. */
const ingested = async (header: string, rows: readonly string[]): Promise<Dataset> => {
  const outDir = await mkdtemp(join(folder, 'data-'));
  const path = join(outDir, 'customers.csv');
  await writeFile(path, `${[header, ...rows].join('\n')}\n`);
  const options = IngestOptions.parse({ kind: 'features' });
  const profile = await ingestFiles({
    files: [{ name: 'customers.csv', path }],
    options,
    outDir,
    scratchDir: folder,
  });
  return { profile, parquet: join(outDir, 'data.parquet') };
};

const SMALL = { hidden: [16, 8], epochs: 6, dropout: 0.1 };

const train = async (data: Dataset, options: object = SMALL, signal = new AbortController().signal) => {
  const messages: TrainMessage[] = [];
  const outDir = await mkdtemp(join(folder, 'model-'));
  const made = await trainModel(
    { ...data, datasetId: null, options: TrainingOptions.parse(options), outDir, scratchDir: folder },
    { signal, post: (message) => messages.push(message) },
  );
  return { ...made, outDir, messages };
};

const refusal = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof CloveError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'no error';
};

/** What a training with this seed writes, but for model.json, which tells the seconds. */
const bytesOf = async (data: Dataset, seed: number): Promise<Buffer[]> => {
  const { outDir } = await train(data, { ...SMALL, seed });
  return Promise.all(
    ['model.onnx', 'checkpoint.safetensors', 'evaluation.json'].map((name) => readFile(join(outDir, name))),
  );
};

const rows = (make: (i: number) => string, count = 120): string[] => Array.from({ length: count }, (_, i) => make(i));
const noise = (i: number, n: number): number => ((i * 7919) % n) + ((i * 104_729) % 13) / 13;

describe('a features dataset', () => {
  let data: Dataset;
  beforeAll(async () => {
    data = await generated('features', 800);
  });

  test('becomes a model folder whose report says what the exported file predicts for the held-out customers', async () => {
    const { manifest, evaluation, outDir, messages } = await train(data);
    const json = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(outDir, name), 'utf8'));
    expect(ModelManifest.parse(await json('model.json'))).toEqual(manifest);
    expect(EvaluationReport.parse(await json('evaluation.json'))).toEqual(evaluation);
    expect(evaluation.protocol).toMatchObject({ name: 'random', trainRows: 576, validationRows: 64, testRows: 160 });
    expect(Object.keys(evaluation.baselines).toSorted()).toEqual(['heuristic', 'mean', 'naive-rate']);

    // The test rows again, from the file and the seed alone.
    const table = await loadFeatures({ ...data, scratchDir: folder });
    const target = table.columns.get('clv')!.values as Float64Array;
    const split = randomSplit(Int32Array.from(target.keys()), { testFraction: 0.2, validationFraction: 0.1, seed: 42 });
    const held = pickRows(table, split.test);
    const scorer = await createScorer(await readFile(join(outDir, 'model.onnx')));
    const predicted = await scorer.predict(encode(manifest.schema, held, noCounts()), held.rows);
    await scorer.release();
    expect(evaluation.metrics).toMatchObject(
      computeMetrics(held.columns.get('clv')!.values as Float64Array, predicted),
    );
    expect(predicted.every((value) => value >= 0)).toBe(true);

    // Scales of the training rows and of no others.
    const ages = split.train.reduce((sum, row) => sum + (table.columns.get('age')!.values[row] as number), 0) / 576;
    expect(manifest.schema.features.find(({ name }) => name === 'age')).toMatchObject({
      mean: expect.closeTo(ages, 9),
    });
    expect(manifest.training.targetMean).toBeCloseTo(split.train.reduce((sum, row) => sum + target[row]!, 0) / 576, 6);

    const epochs = messages.flatMap((message): Epoch[] => (message.type === 'epoch' ? [message.epoch] : []));
    expect(epochs).toEqual(manifest.training.epochs);
    const fractions = messages.flatMap((message) => (message.type === 'progress' ? [message.fraction] : []));
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  });

  test('gives the same bytes for the same seed and others for another', async () => {
    const first = await bytesOf(data, 7);
    const second = await bytesOf(data, 7);
    expect(first.map((file, i) => file.equals(second[i]!))).toEqual([true, true, true]);
    const other = await bytesOf(data, 8);
    expect(first.map((file, i) => file.equals(other[i]!))).toEqual([false, false, false]);
  });

  test('is trained by the optimizer asked for, which its manifest tells', async () => {
    const after = async (o: object) => {
      const one = { ...SMALL, epochs: 1, batchSize: 1024, dropout: 0, batchNorm: false };
      const { manifest, outDir } = await train(data, { ...one, ...o });
      expect(manifest.options).toMatchObject(o);
      const { tensors } = decodeSafetensors(await readFile(join(outDir, 'checkpoint.safetensors')));
      return { params: tensors['params']!.values, m: tensors['m']!.values };
    };
    const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));
    const free = await after({ optimizer: 'adamw', weightDecay: 0 });
    // One step: twice the decay takes twice as much off every weight, whatever the gradient.
    const [once, twice] = [
      await after({ optimizer: 'adamw', weightDecay: 0.5 }),
      await after({ optimizer: 'adamw', weightDecay: 1 }),
    ];
    const taken = [once, twice].map(({ params }) => Array.from(params, (p, i) => free.params[i]! - p));
    expect(norm(taken[0]!)).toBeGreaterThan(1e-3);
    expect(norm(taken[1]!.map((value, i) => value - 2 * taken[0]![i]!)) / norm(taken[1]!)).toBeLessThan(1e-3);
    const limit = norm(free.m) / 2;
    expect(norm((await after({ optimizer: 'adamw', weightDecay: 0, clipNorm: limit })).m)).toBeCloseTo(limit, 4);
  });

  test('runs on as many threads as are asked for, within the limit of the process', async () => {
    const threadsOf = async (o: { asked?: number; limit?: number }) => {
      const outDir = await mkdtemp(join(folder, 'model-'));
      const options = TrainingOptions.parse({ ...SMALL, epochs: 1, threads: o.asked });
      const input = { ...data, datasetId: null, options, outDir, scratchDir: folder };
      const io = { signal: new AbortController().signal, post: () => {} };
      const { manifest } = await trainModel({ ...input, ...(o.limit === undefined ? {} : { threads: o.limit }) }, io);
      return Number(/^onnx-cpu, (\d+) /.exec(manifest.training.backend)![1]);
    };
    expect(await threadsOf({ asked: 3 })).toBe(3);
    expect(await threadsOf({ asked: 3, limit: 4 })).toBe(3);
    expect(await threadsOf({ asked: 3, limit: 1 })).toBe(1);
    // Small steps keep one thread busy, whatever the limit.
    expect(await threadsOf({ limit: 4 })).toBe(1);
  });

  test('leaves a checkpoint of the state and of all that it belongs to', async () => {
    const { manifest, outDir } = await train(data);
    const { tensors, metadata } = decodeSafetensors(await readFile(join(outDir, 'checkpoint.safetensors')));
    for (const name of ['params', 'm', 'v']) expect(tensors[name]!.shape).toEqual([manifest.parameters]);
    expect(Number(metadata['step'])).toBe(Math.ceil(576 / 64) * manifest.training.bestEpoch);
    const config = JSON.parse(metadata['config']!) as { options: unknown; schema: unknown };
    expect(TrainingOptions.parse(config.options)).toEqual(manifest.options);
    expect(config.schema).toEqual(manifest.schema);
  });

  test('holds about 80 % of new customers inside its interval', async () => {
    const { manifest, outDir } = await train(data, { hidden: [32], epochs: 20 });
    const fresh = await generated('features', 2000);
    const table = await loadFeatures({ ...fresh, scratchDir: folder });
    const scorer = await createScorer(await readFile(join(outDir, 'model.onnx')));
    const predicted = await scorer.predict(encode(manifest.schema, table, noCounts()), table.rows);
    await scorer.release();
    const actual = table.columns.get('clv')!.values as Float64Array;
    const { below, above } = manifest.interval;
    const inside = predicted.filter((p, i) => actual[i]! >= p - below && actual[i]! <= p + above).length / table.rows;
    expect(inside).toBeGreaterThan(0.68);
    expect(inside).toBeLessThan(0.92);
  });

  test('stops when told to', async () => {
    const abort = new AbortController();
    abort.abort(new CloveError('cancelled', 'The job was cancelled.'));
    expect(await refusal(train(data, SMALL, abort.signal))).toContain('cancelled');
  });

  test('learns from the columns that are left when some are ignored', async () => {
    const { manifest } = await train(data, { ...SMALL, ignoreColumns: ['age', 'gender'] });
    const names = manifest.schema.features.map(({ name }) => name);
    expect(names).toHaveLength(14);
    expect(names).not.toContain('age');
  });
});

test('10,000 generated customers with the default options: test R² of at least .71, not above the oracle .74', async () => {
  const { evaluation } = await train(await generated('features', 10_000), {});
  expect(evaluation.metrics.r2).toBeGreaterThan(0.71);
  expect(evaluation.metrics.r2).toBeLessThan(0.76);
  expect(evaluation.lint).toEqual([]);
  expect(evaluation.metrics.rmse).toBeLessThan(evaluation.baselines.mean!.rmse);
});

describe('a transactions dataset', () => {
  let data: Dataset;
  beforeAll(async () => {
    data = await generated('transactions', 1200);
  });

  test('is split in time: labels of training end by the test origin, and nobody is in training and validation', async () => {
    const { manifest, evaluation } = await train(data, { ...SMALL, horizonDays: 60 });
    const { protocol } = evaluation;
    expect(protocol).toMatchObject({ name: 'forward', horizonDays: 60, testOrigin: '2024-11-01' });
    expect(protocol.trainingOrigins).toEqual(['2024-07-04', '2024-08-03', '2024-09-02']);
    expect(manifest.training.asOf).toEqual(protocol.trainingOrigins);
    expect(manifest).toMatchObject({ kind: 'transactions', target: 'clv', horizonDays: 60 });
    expect(evaluation.testCustomers).toBe(protocol.testRows);
    expect(Object.keys(evaluation.baselines).toSorted()).toEqual(['heuristic', 'mean', 'naive-rate']);
    expect(evaluation.lint.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(evaluation.metrics.normalizedGini).toBeGreaterThan(0.3);
  });

  test('that is too short for the horizon is refused with the figures', async () => {
    expect(await refusal(train(data, { ...SMALL, horizonDays: 400 }))).toMatch(
      /^not-enough-data: No training origin fits.*at most \d+ days/s,
    );
    const message = await refusal(train(data, { ...SMALL, horizonDays: 364 }));
    expect(message).toMatch(/^not-enough-data: .*customers/s);
  });

  test('says how many origins there is room for', async () => {
    const { evaluation } = await train(data, { ...SMALL, horizonDays: 200, origins: 52 });
    expect(evaluation.warnings.map(({ code }) => code)).toContain('fewer-origins');
  });
});

describe('mistakes in a features dataset', () => {
  test('a leaked target is called out', async () => {
    const data = await ingested(
      'visits,refunds,next_year_total,clv',
      rows((i) => `${noise(i, 17)},${noise(i, 5)},${(noise(i, 97) * 1.2).toFixed(3)},${noise(i, 97).toFixed(3)}`, 200),
    );
    const { evaluation } = await train(data);
    expect(evaluation.lint).toMatchObject([
      { code: 'feature-predicts-target', severity: 'error', columns: ['next_year_total'] },
    ]);
  });

  test('no target: the columns that could be one are named', async () => {
    const data = await ingested(
      'visits,spend,city',
      rows((i) => `${noise(i, 17)},${noise(i, 97)},${i % 3 === 0 ? 'X' : 'Y'}`),
    );
    const message = await refusal(train(data));
    expect(message).toContain('target-missing: There is no target column "clv"');
    expect(message).toContain('visits, spend');
    expect(await refusal(train(data, { ...SMALL, target: 'city' }))).toContain('holds text');
    const { manifest } = await train(data, { ...SMALL, target: 'spend' });
    expect(manifest.target).toBe('spend');
    expect(manifest.schema.features.map(({ name }) => name)).toEqual(['visits', 'city']);
  });

  test('a constant target is refused', async () => {
    const data = await ingested(
      'visits,clv',
      rows((i) => `${noise(i, 17)},12.5`),
    );
    expect(await refusal(train(data))).toMatch(/^target-constant: .*12\.5 for every customer/);
  });

  test('customers without a target are left out and counted; too few with one are refused', async () => {
    const some = await ingested(
      'visits,clv',
      rows((i) => `${noise(i, 17)},${i % 4 === 0 ? '' : noise(i, 97)}`),
    );
    const { evaluation } = await train(some);
    expect(evaluation.warnings).toMatchObject([{ code: 'rows-without-target', count: 30 }]);
    const { trainRows, validationRows, testRows } = evaluation.protocol;
    expect(trainRows + validationRows + testRows).toBe(90);
    const few = await ingested(
      'visits,clv',
      rows((i) => `${noise(i, 17)},${noise(i, 97)}`, 40),
    );
    expect(await refusal(train(few))).toContain('not-enough-data: 40 customers');
  });

  test('an ignored column that is not there is refused', async () => {
    const data = await ingested(
      'visits,clv',
      rows((i) => `${noise(i, 17)},${noise(i, 97)}`),
    );
    expect(await refusal(train(data, { ...SMALL, ignoreColumns: ['visit'] }))).toContain('column-missing');
  });

  test('a value that training never saw moves no prediction', async () => {
    const data = await ingested(
      'visits,city,clv',
      rows((i) => `${noise(i, 17)},${i % 3 === 0 ? 'X' : 'Y'},${noise(i, 97) + (i % 3 === 0 ? 300 : 0)}`, 300),
    );
    const { manifest, outDir } = await train(data, { ...SMALL, hidden: [8], epochs: 20 });
    const { tensors } = decodeSafetensors(await readFile(join(outDir, 'checkpoint.safetensors')));
    // visits, X or Y, Y or X, unknown: the fourth of the first layer's four rows.
    expect(manifest.schema.width).toBe(4);
    expect(tensors['params']!.values.slice(3 * 8, 4 * 8)).toEqual(new Float32Array(8));
    expect(tensors['params']!.values.slice(0, 3 * 8).every((value) => value !== 0)).toBe(true);
  });
});

test('a training that was aborted goes on from its checkpoint to the bytes of an uninterrupted one, all its networks', async () => {
  const data = await generated('transactions', 400);
  // Two seeds and the rehearsal's network: aborted in each of them once.
  const options = TrainingOptions.parse({ hidden: [8], epochs: 6, seeds: 2, anchor: 'bg-nbd', head: 'poisson' });
  const names = ['model.onnx', 'checkpoint.safetensors', 'evaluation.json'];
  const attempt = async (checkpoint?: NonNullable<TrainInput['checkpoint']>, abortAt = Number.POSITIVE_INFINITY) => {
    const stop = new AbortController();
    const outDir = await mkdtemp(join(folder, 'model-'));
    let saves = 0;
    const epochs: Epoch[] = [];
    const post = (message: TrainMessage): void => {
      if (message.type === 'epoch') {
        epochs.push(message.epoch);
        if (epochs.length === abortAt) stop.abort(new CloveError('unavailable', 'stopped'));
      }
      if (message.type === 'checkpoint' && (saves += 1) === -abortAt)
        stop.abort(new CloveError('unavailable', 'stopped'));
    };
    const work = { ...data, datasetId: null, options, outDir, scratchDir: folder };
    try {
      await trainModel(checkpoint === undefined ? work : { ...work, checkpoint }, { signal: stop.signal, post });
    } catch (error) {
      if (!(error instanceof CloveError) || error.code !== 'unavailable') throw error;
      return { epochs, files: null };
    }
    return { epochs, files: await Promise.all(names.map((name) => readFile(join(outDir, name)))) };
  };
  const whole = await attempt();
  const path = join(folder, 'resumed.safetensors');
  const first = await attempt({ path }, 3);
  expect(first).toMatchObject({ files: null, epochs: { length: 3 } });
  // The first network ends, the second is aborted before its first epoch.
  expect((await attempt({ path, from: path }, -1)).files).toBeNull();
  const last = await attempt({ path, from: path, required: true });
  // The first three were not trained again: they took the very same time.
  expect(last.epochs.slice(0, 3)).toEqual(first.epochs);
  expect(last.files).toEqual(whole.files);

  const other = await generated('transactions', 300);
  const elsewhere = { ...other, datasetId: null, options, outDir: folder, scratchDir: folder };
  const io = { signal: new AbortController().signal, post: () => undefined };
  expect(await refusal(trainModel({ ...elsewhere, checkpoint: { path, from: path, required: true } }, io))).toMatch(
    /^conflict: .*other data/,
  );
  expect(
    await refusal(trainModel({ ...elsewhere, checkpoint: { path, from: `${path}-not`, required: true } }, io)),
  ).toMatch(/^not-found: /);
});

test('leaves nothing in the scratch folder', async () => {
  const scratchDir = join(folder, 'scratch-alone');
  await mkdir(scratchDir);
  const data = await generated('features', 200);
  await trainModel(
    {
      ...data,
      datasetId: null,
      options: TrainingOptions.parse(SMALL),
      outDir: await mkdtemp(join(folder, 'model-')),
      scratchDir,
    },
    { signal: new AbortController().signal, post: () => {} },
  );
  expect(await readdir(scratchDir)).toEqual([]);
});

describe('a features table that is larger than the memory of a training', () => {
  const options = { hidden: [32, 16], epochs: 25, dropout: 0, learningRate: 0.003 };
  const inChunks = async (data: Dataset) => {
    const messages: TrainMessage[] = [];
    const outDir = await mkdtemp(join(folder, 'model-'));
    const scratchDir = await mkdtemp(join(folder, 'scratch-'));
    const input = { ...data, datasetId: null, outDir, scratchDir, memoryLimitBytes: 1024 ** 2 };
    const made = await trainModel(
      { ...input, options: TrainingOptions.parse(options) },
      { signal: new AbortController().signal, post: (message) => messages.push(message) },
    );
    expect(await readdir(scratchDir)).toEqual([]);
    return { ...made, outDir };
  };

  test('is trained on from chunks: the same bytes each time, as good as in memory, and said so', async () => {
    const data = await generated('features', 6000);
    const memory = await train(data, options);
    const chunks = await inChunks(data);
    const again = await inChunks(data);
    expect(memory.manifest.warnings).not.toContainEqual(expect.objectContaining({ code: 'trained-from-chunks' }));
    expect(chunks.manifest.warnings).toContainEqual(expect.objectContaining({ code: 'trained-from-chunks' }));
    const { protocol } = chunks.evaluation;
    expect(protocol.trainRows + protocol.validationRows + protocol.testRows).toBe(6000);
    expect(chunks.manifest.training.rows).toBe(protocol.trainRows + protocol.validationRows);
    const [a, b] = [
      await readFile(join(chunks.outDir, 'model.onnx')),
      await readFile(join(again.outDir, 'model.onnx')),
    ];
    expect(a.equals(b)).toBe(true);
    // Of the same table, but with other customers in the test: equal within what chance does to such a figure.
    expect(chunks.evaluation.metrics.r2!).toBeGreaterThan(0.3);
    expect(Math.abs(chunks.evaluation.metrics.r2! - memory.evaluation.metrics.r2!)).toBeLessThan(0.1);
  });

  test('is refused for what a small one is refused for', async () => {
    const constant = await ingested(
      'customer_id,a,clv',
      Array.from({ length: 60 }, (_, i) => `c${i},${i % 9},5`),
    );
    const empty = await ingested(
      'customer_id,a,clv',
      Array.from({ length: 60 }, (_, i) => `c${i},${i % 9},`),
    );
    for (const [data, code] of [
      [constant, 'target-constant'],
      [empty, 'target-missing'],
    ] as const) {
      const input = { ...data, datasetId: null, outDir: folder, scratchDir: folder, memoryLimitBytes: 1024 };
      const work = trainModel(
        { ...input, options: TrainingOptions.parse(options) },
        { signal: new AbortController().signal, post: () => {} },
      );
      await expect(work).rejects.toMatchObject({ code });
    }
  });
});
