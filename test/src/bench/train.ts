/**
 * Training: rows a second through `trainEpoch`. With a Python peer the same networks from the same parameters on the same
 * rows in PyTorch eager, with Adam as written by default, with `fused=True`, and with a DataLoader over a row-by-row
 * Dataset; without one, how time grows with rows.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { Rng, feedforward, lstm, mse } from '@clove/clv';
import { type Executor, type Network, compileTraining, initialState } from '@clove/engine';
import { type BenchOptions, type Case, fastest, measured, normals, resetPeakRss, secondsOf } from './case.js';
import { type Peer, compare, median, startPeer } from './peer.js';

/** 16 inputs, batch norm, ReLU, dropout .3 after each hidden layer. */
export const NETWORKS = [
  { name: 'W', hidden: [128, 256, 128, 64], batchSize: 64, rows: 7200 },
  { name: 'W2', hidden: [256, 512, 256, 128], batchSize: 128, rows: 14_400 },
] as const;
export const WIDTH = 16;
const DROPOUT = 0.3;
/** An LSTM over 12 steps of 8 features, nothing dropped, a linear layer behind its last state. */
const LSTM = { units: 128, layers: 2, steps: 12, channels: 8 };

export const networkOf = (hidden: readonly number[], dropout: number = DROPOUT): Network =>
  feedforward({ inputWidth: WIDTH, hidden: [...hidden], batchNorm: true, dropout });

/** A network, what it is trained on, and how the peer's script is told about it. */
export type Work = {
  name: string;
  network: Network;
  batchSize: number;
  rows: number;
  /** of the peer's script, see peer/train.py */
  described: Record<string, unknown>;
  /** inputs as the peer has them, without a mask of steps */
  plain: Float32Array;
  x: Float32Array;
  y: Float32Array;
};

export const feedforwardWork = (
  name: string,
  o: { hidden: readonly number[]; batchSize: number; rows: number; dropout?: number },
): Work => {
  const x = normals(o.rows * WIDTH);
  const described = { work: 'feedforward', hidden: o.hidden, dropout: o.dropout ?? DROPOUT };
  return { name, ...o, network: networkOf(o.hidden, o.dropout), described, plain: x, x, y: targetOf(x, WIDTH) };
};

export const lstmWork = (o: { batchSize: number; rows: number }): Work => {
  const width = LSTM.steps * LSTM.channels;
  const plain = normals(o.rows * width);
  const network = lstm({
    staticWidth: 0,
    sequence: { length: LSTM.steps, channels: LSTM.channels },
    units: LSTM.units,
    layers: LSTM.layers,
    hidden: [],
    batchNorm: false,
    dropout: 0,
  });
  // Behind its steps a row has their mask: all of them count.
  const x = new Float32Array(o.rows * network.inputWidth).fill(1);
  for (let row = 0; row < o.rows; row += 1)
    x.set(plain.subarray(row * width, (row + 1) * width), row * network.inputWidth);
  return {
    name: 'W3',
    ...o,
    network,
    described: { work: 'lstm', ...LSTM, dropout: 0 },
    plain,
    x,
    y: targetOf(plain, width),
  };
};

/** Something to learn, and noise. */
const targetOf = (x: Float32Array, width: number): Float32Array => {
  const noise = normals(x.length / width, 2);
  return noise.map((e, row) => x[row * width]! + x[row * width + 1]! * x[row * width + 2]! + 0.5 * e);
};

/** The peer of a work, from the parameters of `start`. @param order of the rows in every epoch; shuffled when left out */
export async function trainingPeer(
  python: string,
  work: Work,
  o: { params: Float32Array; threads: number; fused?: boolean; loader?: boolean; order?: Int32Array },
): Promise<Peer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'clove-bench-'));
  try {
    const file = async (name: string, values: Float32Array | Int32Array | undefined): Promise<string | null> => {
      if (values === undefined) return null;
      const at = path.join(folder, name);
      await writeFile(at, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      return at;
    };
    const described = {
      ...work.described,
      batchSize: work.batchSize,
      rows: work.rows,
      threads: o.threads,
      fused: o.fused === true,
      loader: o.loader === true,
      x: await file('x.f32', work.plain),
      y: await file('y.f32', work.y),
      params: await file('params.f32', o.params),
      order: await file('order.i32', o.order),
    };
    // It has read its files when it is ready.
    return await startPeer(python, 'train.py', [JSON.stringify(described)]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An executor of a work at its start, and a function that trains one epoch. */
export async function ours(work: Work, threads?: number) {
  const { network, batchSize, rows, x, y } = work;
  const executor = await compileTraining({
    network,
    loss: mse,
    weightDecay: 1e-5,
    batchSize,
    rows,
    backend: 'onnx-cpu',
    ...(threads === undefined ? {} : { threads }),
  });
  const rng = new Rng(7);
  const state = initialState(network, () => rng.uniform());
  executor.load(state);
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  const epoch = () => executor.trainEpoch({ x, y, order: rng.shuffle(order), learningRate: 1e-3, seed: rng.uint32() });
  return { executor, params: state.params, epoch };
}

const threadsOf = (executor: Executor): number => Number(/(\d+) thread/.exec(executor.backend)![1]);

/** The forms that a PyTorch script has. */
const FORMS = [
  { suffix: '', fused: false, loader: false },
  { suffix: '-fused', fused: true, loader: false },
  { suffix: '-dataloader', fused: false, loader: true },
];
/** Epochs of each side that count. */
const PAIRS = 7;

async function paired(work: Work, python: string): Promise<Case[]> {
  const cases: Case[] = [];
  for (const { suffix, ...form } of FORMS) {
    if (form.loader && work.name !== 'W') continue;
    resetPeakRss();
    const own = await quickest(async (threads) => {
      const { executor, params, epoch } = await ours(work, threads);
      return { executor, params, run: epoch, seconds: () => secondsOf(epoch), close: () => executor.release() };
    });
    try {
      const peer = await quickest(async (threads) => {
        const one = await trainingPeer(python, work, { ...form, params: own.params, threads });
        return { ...one, seconds: async () => (await one.run()).seconds };
      });
      try {
        const { seconds, peerSeconds, ratio } = await compare(own.run, peer, PAIRS);
        cases.push({
          ...measured(`${work.name}${suffix}`, work.rows, seconds, threadsOf(own.executor)),
          peerRowsPerSecond: Math.round(work.rows / peerSeconds),
          ratio: Number(ratio.toFixed(3)),
        });
      } finally {
        await peer.close();
      }
    } finally {
      await own.close();
    }
  }
  return cases;
}

/**
 * One side at the number of threads at which it is the faster, one or all cores: by the median of three epochs each, taken in
 * turn after two that warm it. The other is closed.
 */
async function quickest<T extends { seconds(): Promise<number>; close(): Promise<void> }>(
  open: (threads: number) => Promise<T>,
): Promise<T> {
  const rivals: { side: T; seconds: number[] }[] = [];
  for (const threads of new Set([1, availableParallelism()])) rivals.push({ side: await open(threads), seconds: [] });
  for (let epoch = 0; epoch < 5; epoch += 1) {
    for (const { side, seconds } of rivals) {
      const taken = await side.seconds();
      if (epoch >= 2) seconds.push(taken);
    }
  }
  const [best, ...others] = rivals.toSorted((a, b) => median(a.seconds) - median(b.seconds));
  await Promise.all(others.map(({ side }) => side.close()));
  return best!.side;
}

/** W on 10⁴, 10⁵ and 10⁶ rows: the time of a row should not depend on how many there are. */
async function growth(): Promise<Case[]> {
  const cases: Case[] = [];
  for (const rows of [10_000, 100_000, 1_000_000]) {
    resetPeakRss();
    const { executor, epoch } = await ours(feedforwardWork('W', { ...NETWORKS[0], rows }));
    try {
      await epoch();
      const seconds = await fastest(epoch);
      cases.push(measured(`growth-${rows}`, rows, seconds, threadsOf(executor)));
    } finally {
      await executor.release();
    }
  }
  return cases;
}

export async function train({ python }: BenchOptions = {}): Promise<Case[]> {
  const works = [
    ...NETWORKS.map(({ name, ...o }) => feedforwardWork(name, o)),
    lstmWork({ batchSize: 64, rows: 3200 }),
  ];
  const cases: Case[] = [];
  for (const work of works) {
    if (python !== undefined) {
      cases.push(...(await paired(work, python)));
      continue;
    }
    resetPeakRss();
    const { executor, epoch } = await ours(work);
    await epoch();
    cases.push(measured(work.name, work.rows, await fastest(epoch), threadsOf(executor)));
    await executor.release();
  }
  return [...cases, ...(await growth())];
}
