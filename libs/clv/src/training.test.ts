import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type TrainState, compileTraining, initialState } from '@clove/engine';
import { describe, expect, test } from 'vitest';
import { feedforward } from './feedforward.js';
import { Rng } from './rng.js';
import {
  type LoopOptions,
  PlateauSchedule,
  type TrainingChunk,
  type TrainingSource,
  inMemory,
  mse,
  trainNetwork,
} from './training.js';

const WIDTH = 4;
const ROWS = 600;
const train = Int32Array.from({ length: 500 }, (_, i) => i);
const network = feedforward({ inputWidth: WIDTH, hidden: [16, 8], batchNorm: true, dropout: 0.1 });
const options: LoopOptions = {
  batchSize: 32,
  epochs: 8,
  patience: 8,
  optimizer: 'adam',
  learningRate: 0.01,
  weightDecay: 1e-5,
  lrFactor: 0.5,
  lrPatience: 2,
  seed: 42,
  backend: 'auto',
};

/** The last 100 rows. */
const heldOf = (inputs: Float32Array, target: Float32Array) => ({
  x: inputs.subarray(500 * WIDTH),
  y: target.subarray(500),
});

/** y is a sum with a kink, of unit variance, and a little noise. */
function problem(): { x: Float32Array; y: Float32Array } {
  const rng = new Rng(7);
  const x = Float32Array.from({ length: ROWS * WIDTH }, () => rng.normal());
  const y = Float32Array.from({ length: ROWS }, (_, r) => {
    const [a, b] = [x[r * WIDTH]!, x[r * WIDTH + 1]!];
    return 0.7 * a + Math.abs(b) - 0.8 + 0.1 * rng.normal();
  });
  return { x, y };
}
const { x, y } = problem();
const job = { network, loss: mse, source: inMemory(x, y, train), held: heldOf(x, y), options };

/** Trains in a process of its own. @returns the hash of the state that came out */
const trainedElsewhere = async (seed: number): Promise<string> => {
  const script = `
    import { createHash } from 'node:crypto';
    import { Rng, feedforward, inMemory, mse, trainNetwork } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url))};
    const rng = new Rng(1);
    const x = Float32Array.from({ length: 800 }, () => rng.normal());
    const y = Float32Array.from({ length: 200 }, () => rng.normal());
    const rows = Int32Array.from({ length: 200 }, (_, i) => i);
    const { state } = await trainNetwork({
      network: feedforward({ inputWidth: 4, hidden: [16, 8], batchNorm: true, dropout: 0.3 }), loss: mse,
      source: inMemory(x, y, rows.subarray(0, 150)), held: { x: x.subarray(600), y: y.subarray(150) },
      options: ${JSON.stringify({ ...options, epochs: 3 })},
    });
    const hash = createHash('sha256');
    for (const part of [state.params, state.m, state.v, state.stats]) hash.update(part);
    process.stdout.write(hash.digest('hex'));`.replace(`"seed":${options.seed}`, `"seed":${seed}`);
  const args = ['--input-type=module', '--eval', script];
  return (await promisify(execFile)(process.execPath, args, { cwd: fileURLToPath(new URL('.', import.meta.url)) }))
    .stdout;
};

/**
 * Trains in a process of its own, with dropout, a falling learning rate and a best epoch before the last.
 * @returns the hash of all that came out and the number of epochs, or after which epoch it was stopped
 */
const elsewhere = async (o: { backend: string; file?: string; stopAfter?: number }): Promise<string> => {
  const script = `
    import { createHash } from 'node:crypto';
    import { existsSync, readFileSync, writeFileSync } from 'node:fs';
    import { TrainingOptions } from '@clove/contracts';
    import { Rng, decodeCheckpoint, encodeCheckpoint, feedforward, inMemory, mse, trainNetwork }
      from ${JSON.stringify(new URL('../dist/index.js', import.meta.url))};
    const { backend, file, stopAfter } = ${JSON.stringify(o)};
    const rng = new Rng(1);
    const x = Float32Array.from({ length: 800 }, () => rng.normal());
    const y = Float32Array.from({ length: 200 }, () => rng.normal());
    const rows = Int32Array.from({ length: 150 }, (_, i) => i);
    const stop = new AbortController();
    const run = TrainingOptions.parse({});
    const save = (state) => file && writeFileSync(file, encodeCheckpoint(run, new Map([['it', { ...state, fingerprint: 'f' }]])));
    const from = file && existsSync(file) ? decodeCheckpoint(readFileSync(file)).trainings.get('it') : null;
    let last = 0;
    try {
      const { state, epochs, bestEpoch } = await trainNetwork({
        network: feedforward({ inputWidth: 4, hidden: [16, 8], batchNorm: true, dropout: 0.3 }), loss: mse,
        source: inMemory(x, y, rows), held: { x: x.subarray(600), y: y.subarray(150) },
        options: { ...${JSON.stringify(options)}, epochs: 9, patience: 9, lrPatience: 1, backend },
        checkpoint: { from, everySeconds: 1e9, save },
        signal: stop.signal,
        onEpoch: ({ epoch }) => { last = epoch; if (epoch === stopAfter) setImmediate(() => stop.abort(new Error('stop'))); },
      });
      const hash = createHash('sha256').update(JSON.stringify([bestEpoch, state.step, epochs.map(({ seconds, ...e }) => e)]));
      for (const part of [state.params, state.m, state.v, state.stats]) hash.update(part);
      process.stdout.write(hash.digest('hex') + ' ' + epochs.length);
    } catch (error) {
      process.stdout.write(error.message === 'stop' ? 'stopped ' + last : error.stack);
    }`;
  const args = ['--input-type=module', '--eval', script];
  return (await promisify(execFile)(process.execPath, args, { cwd: fileURLToPath(new URL('.', import.meta.url)) }))
    .stdout;
};

/** The rows of `train` in chunks of these sizes, in the order that they have in memory; each chunk in the same arrays. */
const inChunks = (sizes: readonly number[]): TrainingSource => ({
  rows: train.length,
  async *chunks(seed) {
    const [{ order }] = [...(inMemory(x, y, train).chunks(seed) as Iterable<TrainingChunk>)] as [TrainingChunk];
    const filled = { x: new Float32Array(500 * WIDTH), y: new Float32Array(500) };
    let at = 0;
    for (const size of sizes) {
      for (let i = 0; i < size; i += 1) {
        const row = order[at + i]!;
        filled.x.set(x.subarray(row * WIDTH, (row + 1) * WIDTH), i * WIDTH);
        filled.y[i] = y[row]!;
      }
      at += size;
      yield { ...filled, order: Int32Array.from({ length: size }, (_, i) => i) };
    }
  },
});

describe('trainNetwork', () => {
  test('learns, reports every epoch as it ends, and returns the epoch with the lowest validation loss', async () => {
    const seen: number[] = [];
    const { epochs, bestEpoch, state, backend } = await trainNetwork({
      ...job,
      onEpoch: (epoch) => void seen.push(epoch.validationLoss),
    });
    expect(epochs.map((epoch) => epoch.epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(epochs.map((epoch) => epoch.validationLoss)).toEqual(seen);
    expect(Math.min(...seen)).toBe(seen[bestEpoch - 1]);
    expect(seen[bestEpoch - 1]).toBeLessThan(0.2);
    expect(epochs.at(-1)!.trainLoss).toBeLessThan(epochs[0]!.trainLoss);
    expect(backend).toMatch(/^onnx-cpu, \d threads?, /);

    const executor = await compileTraining({ ...job, weightDecay: 0, batchSize: 32, rows: 500, backend: 'auto' });
    executor.load(state);
    const held = { x: x.subarray(500 * WIDTH), y: y.subarray(500) };
    expect(await executor.loss(held.x, held.y, 100)).toBeCloseTo(seen[bestEpoch - 1]!, 6);
    await executor.release();
  });

  test('stops after `patience` epochs without a better validation loss', async () => {
    // Noise cannot be learnt: the best epoch comes early.
    const rng = new Rng(3);
    const noise = Float32Array.from({ length: ROWS }, () => rng.normal());
    const { epochs, bestEpoch } = await trainNetwork({
      ...job,
      source: inMemory(x, noise, train),
      held: heldOf(x, noise),
      options: { ...options, epochs: 200, patience: 3 },
    });
    expect(epochs.length).toBe(bestEpoch + 3);
    expect(epochs.length).toBeLessThan(200);
  });

  test('lowers the learning rate as reported', async () => {
    const { epochs } = await trainNetwork({ ...job, options: { ...options, epochs: 25, patience: 25, lrPatience: 0 } });
    const rates = epochs.map((epoch) => epoch.learningRate);
    const expected = new PlateauSchedule(0.01, 0.5, 0);
    for (const [i, { validationLoss }] of epochs.entries()) {
      expect(rates[i]).toBe(expected.current);
      expected.step(validationLoss);
    }
    expect(rates.at(-1)).toBeLessThan(0.01);
  });

  test('ends the same in two processes with one seed, byte for byte, and differently with another', async () => {
    const [first, second, other] = await Promise.all([
      trainedElsewhere(42),
      trainedElsewhere(42),
      trainedElsewhere(43),
    ]);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).toBe(first);
    expect(other).not.toBe(first);
  });

  test('ends the same twice on two threads, with layers that both work on', async () => {
    const wide = feedforward({ inputWidth: WIDTH, hidden: [256, 256], batchNorm: true, dropout: 0.1 });
    const shared = { ...job, network: wide, options: { ...options, batchSize: 128, epochs: 1, threads: 2 } };
    const [first, second] = [await trainNetwork(shared), await trainNetwork(shared)];
    expect(first.backend).toContain('2 threads');
    expect(second.state).toEqual(first.state);
  });

  test.each(['onnx-cpu', 'tfjs-cpu'])(
    'stopped after an epoch and gone on with in another process, it ends with the bytes of an uninterrupted one on %s',
    async (backend) => {
      const folder = await mkdtemp(join(tmpdir(), 'clove-resume-'));
      try {
        const file = join(folder, 'checkpoint');
        const whole = await elsewhere({ backend });
        expect(whole).toMatch(/^[0-9a-f]{64} 9$/);
        expect(await elsewhere({ backend, file, stopAfter: 4 })).toBe('stopped 4');
        expect(await elsewhere({ backend, file })).toBe(whole);
        // What has ended is not trained again.
        expect(await elsewhere({ backend, file, stopAfter: 1 })).toBe(whole);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );

  test('trains the same in chunks of any size as with all rows at once, where the order is the same', async () => {
    const plain = feedforward({ inputWidth: WIDTH, hidden: [16], batchNorm: true, dropout: 0 });
    const whole = await trainNetwork({ ...job, network: plain });
    for (const sizes of [[500], [32, 64, 404], [7, 1, 300, 192], Array<number>(100).fill(5)]) {
      const { state, epochs } = await trainNetwork({ ...job, network: plain, source: inChunks(sizes) });
      expect(state).toEqual(whole.state);
      expect(epochs.map((epoch) => epoch.trainLoss)).toEqual(
        whole.epochs.map((epoch) => expect.closeTo(epoch.trainLoss, 5)),
      );
    }
  });

  test('tells a source that gives fewer rows than it said', async () => {
    const source = { rows: 600, chunks: inMemory(x, y, train).chunks };
    await expect(trainNetwork({ ...job, source })).rejects.toThrow('600 rows, but its chunks held 500');
  });

  test('stops between two epochs when told to', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let epochs = 0;
    const training = trainNetwork({
      ...job,
      options: { ...options, epochs: 1000, patience: 1000 },
      signal: controller.signal,
      onEpoch: () => {
        epochs += 1;
        // From the event loop, as a cancel arrives.
        if (epochs === 2) setImmediate(() => controller.abort(reason));
      },
    });
    await expect(training).rejects.toBe(reason);
    expect(epochs).toBeLessThan(5);
  });

  test('says what to try where the loss is not a number', async () => {
    const huge = y.map((value) => value * 1e30);
    await expect(trainNetwork({ ...job, source: inMemory(x, huge, train), held: heldOf(x, huge) })).rejects.toThrow(
      expect.objectContaining({
        code: 'not-converged',
        message: expect.stringContaining('lower learning rate (0.001)'),
      }),
    );
  });

  test('refuses too few customers', async () => {
    await expect(trainNetwork({ ...job, source: inMemory(x, y, train.subarray(0, 1)) })).rejects.toThrow(
      expect.objectContaining({ code: 'not-enough-data' }),
    );
  });
});

test('the learning rate falls where torch.optim.lr_scheduler.ReduceLROnPlateau lets it fall', () => {
  // factor 0.5, patience 2, threshold 1e-4 relative: worked through by torch's rule (best, num_bad_epochs).
  const schedule = new PlateauSchedule(1, 0.5, 2);
  const losses = [1, 0.9, 0.90001, 0.89995, 0.9, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.7];
  const rates = losses.map((loss) => {
    schedule.step(loss);
    return schedule.current;
  });
  expect(rates).toEqual([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125]);
});

describe('the optimizer of the options', () => {
  // All rows in one step, from parameters that the seed gives: nothing here but the gradient is the engine's.
  const plain = feedforward({ inputWidth: WIDTH, hidden: [8], batchNorm: false, dropout: 0 });
  const rng = new Rng(options.seed, 1);
  const before = initialState(plain, () => rng.uniform()).params;
  const afterOneStep = async (o: Partial<LoopOptions>): Promise<TrainState> => {
    const one = { ...options, batchSize: 500, epochs: 1, weightDecay: 0, ...o };
    return (await trainNetwork({ ...job, network: plain, options: one })).state;
  };
  const normOf = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  const farthest = (actual: Float32Array, expected: readonly number[]): number =>
    Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value)));

  test('adamw: weights shrink by rate · decay, and move by Adam on the bare gradient', async () => {
    const { m: gradient } = await afterOneStep({});
    const { params, m } = await afterOneStep({ optimizer: 'adamw', weightDecay: 0.4 });
    expect(m).toEqual(gradient);
    // At the first step Adam's corrected moments are g and g².
    expect(
      farthest(
        params,
        Array.from(before, (p, i) => p * (1 - 0.01 * 0.4) - (0.01 * gradient[i]!) / (Math.abs(gradient[i]!) + 1e-8)),
      ),
    ).toBeLessThan(2e-6);
  });
  test('adam: the decay is part of the gradient', async () => {
    const { m: gradient } = await afterOneStep({});
    const { m } = await afterOneStep({ weightDecay: 0.4 });
    expect(
      farthest(
        m,
        Array.from(before, (p, i) => gradient[i]! + 0.4 * p),
      ),
    ).toBeLessThan(2e-6);
  });
  test('clipNorm: a longer gradient has this norm and its direction, a shorter one is left alone', async () => {
    const { m: gradient } = await afterOneStep({});
    const norm = normOf(gradient);
    const { m: clipped } = await afterOneStep({ clipNorm: norm / 3 });
    expect(normOf(clipped) / norm).toBeCloseTo(1 / 3, 5);
    expect(
      farthest(
        clipped,
        Array.from(gradient, (g) => g / 3),
      ),
    ).toBeLessThan(2e-6);
    expect((await afterOneStep({ clipNorm: norm * 3 })).m).toEqual(gradient);
  });
});

const known = (hidden: number[], batchNorm: boolean): { net: ReturnType<typeof feedforward>; length: number } => {
  const net = feedforward({ inputWidth: 16, hidden, batchNorm, dropout: 0.3 });
  return { net, length: net.params.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0) };
};

describe('feedforward', () => {
  test('has the parameters that the known network has', () => {
    const { net, length } = known([128, 256, 128, 64], true);
    expect(length).toBe(77_569);
    expect(net.stats.length).toBe(8);
    expect(known([128, 256, 128, 64], false).length).toBe(77_569 - 2 * (128 + 256 + 128 + 64));
  });
  test('starts weights and biases within one over the root of the inputs, as torch.nn.Linear', () => {
    const { net } = known([64, 8], true);
    const bounds = net.params.flatMap(({ name, init }) => (init.type === 'uniform' ? [[name, init.bound]] : []));
    expect(bounds).toEqual([
      ['hidden0.weight', 1 / 4],
      ['hidden0.bias', 1 / 4],
      ['hidden1.weight', 1 / 8],
      ['hidden1.bias', 1 / 8],
      ['output.weight', 1 / Math.sqrt(8)],
      ['output.bias', 1 / Math.sqrt(8)],
    ]);
  });
  test('trains without batch norm, on a single left-over row too', async () => {
    const plain = feedforward({ inputWidth: WIDTH, hidden: [8], batchNorm: false, dropout: 0 });
    const rows = train.subarray(0, 33);
    const result: { state: TrainState } = await trainNetwork({
      ...job,
      network: plain,
      source: inMemory(x, y, rows),
      options: { ...options, epochs: 1 },
    });
    expect(result.state.step).toBe(2);
    expect(result.state.stats.length).toBe(0);
  });
});
