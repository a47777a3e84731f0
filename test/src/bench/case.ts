/** What every bench reports, and how the machine is measured. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Rng } from '@clove/clv';

/** One line of a report. `ratio` is above 1 where Clove is faster than the peer. */
export type Case = {
  name: string;
  rowsPerSecond: number;
  peerRowsPerSecond?: number;
  ratio?: number;
  threads: number;
  peakRssBytes: number;
  /** of cases that differ in their rows: the time of a row, where it is 1 in one of them */
  perRow?: number;
  /** of requests: the time that 99 of 100 stay below, and how many were not answered well */
  p99Ms?: number;
  errors?: number;
};

/** @param python of an environment that has the peer's packages; without it no peer is run */
export type BenchOptions = { python?: string };
export type Bench = (options: BenchOptions) => Promise<Case[]>;

/** Runs `work` until two seconds and three runs have passed. @returns the seconds of the fastest */
export async function fastest(work: () => Promise<unknown>): Promise<number> {
  let best = Infinity;
  const end = performance.now() + 2000;
  for (let run = 0; run < 3 || performance.now() < end; run += 1) best = Math.min(best, await secondsOf(work));
  return best;
}

/** Wall time of one run of `work`. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Starts a new measurement of `peakRssBytes`, of this process or another, where the system can (Linux: proc(5), clear_refs). */
export function resetPeakRss(pid?: number): void {
  if (process.platform === 'linux') writeFileSync(`/proc/${pid ?? 'self'}/clear_refs`, '5');
}

/**
 * Most memory that this process held at once since `resetPeakRss`, or another since its start. On other systems than Linux
 * this process since its start, and 0 for another.
 */
export function peakRssBytes(pid?: number): number {
  if (process.platform !== 'linux') return pid === undefined ? process.resourceUsage().maxRSS * 1024 : 0;
  return Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid ?? 'self'}/status`, 'utf8'))![1]) * 1024;
}

/** A report's line of a run without a peer. */
export const measured = (name: string, rows: number, seconds: number, threads: number): Case => ({
  name,
  rowsPerSecond: Math.round(rows / seconds),
  threads,
  peakRssBytes: peakRssBytes(),
});

/** Standard normal numbers; the same ones each time. */
export function normals(n: number, seed = 1): Float32Array {
  const rng = new Rng(seed);
  return Float32Array.from({ length: n }, () => rng.normal());
}
