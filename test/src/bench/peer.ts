/**
 * The paired mode: Clove and a Python peer measured in turn.
 *
 * A peer is a script of ./peer/. Started with its arguments it loads its data, then prints a line of JSON (its versions);
 * for each line on its standard input it does its work once and prints `{"seconds": …, "cpuSeconds": …}` and whatever else
 * the case wants to compare. Both sides stay open and warm, one waits while the other runs.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { secondsOf } from './case.js';

/** The scripts stay where they are written: the compiler copies no Python. */
const FOLDER = path.join(import.meta.dirname, '../../src/bench/peer');

/** What a peer prints after each run; a script may add fields. */
type PeerRun = { seconds: number; cpuSeconds: number } & Record<string, unknown>;

/** A running peer. */
export interface Peer {
  /** What it printed at its start. */
  readonly about: Record<string, unknown>;
  /** Does the work once. */
  run(): Promise<PeerRun>;
  close(): Promise<void>;
}

/**
 * Starts a script of ./peer/ and waits until it is ready.
 * @throws Error with what the script wrote to its standard error, where it ends early
 */
export async function startPeer(python: string, script: string, args: readonly string[]): Promise<Peer> {
  const child = spawn(python, ['-B', path.join(FOLDER, script), ...args], { stdio: 'pipe' });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (): Promise<Record<string, unknown>> => {
    const { value, done } = (await lines.next()) as IteratorResult<string>;
    if (done) throw new Error(`The peer ${script} ended early: ${errors.trim().slice(-2000)}`);
    return JSON.parse(value) as Record<string, unknown>;
  };
  const about = await read().catch(async (error: unknown) => {
    await stop(child, ended);
    throw error;
  });
  return {
    about,
    async run() {
      child.stdin.write('run\n');
      return (await read()) as PeerRun;
    },
    close: () => stop(child, ended),
  };
}

async function stop(child: ChildProcessWithoutNullStreams, ended: Promise<unknown>): Promise<void> {
  child.stdin.end();
  await ended;
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};

/** Seconds of each side (medians), and the median of the ratios peer : ours of neighbouring runs. */
export type Comparison = { seconds: number; peerSeconds: number; ratio: number; peerRuns: PeerRun[] };

/** Runs both sides once to warm them, then `pairs` times in turn, the side that goes first changing each time. */
export async function compare(ours: () => Promise<unknown>, peer: Peer, pairs: number): Promise<Comparison> {
  await ours();
  await peer.run();
  const own: number[] = [];
  const peerRuns: PeerRun[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    if (pair % 2 === 0) own.push(await secondsOf(ours));
    peerRuns.push(await peer.run());
    if (pair % 2 === 1) own.push(await secondsOf(ours));
  }
  const theirs = peerRuns.map((run) => run.seconds);
  return {
    seconds: median(own),
    peerSeconds: median(theirs),
    ratio: median(theirs.map((seconds, i) => seconds / own[i]!)),
    peerRuns,
  };
}
