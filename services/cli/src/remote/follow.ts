import { setTimeout as wait } from 'node:timers/promises';
import { CloveError, type Job, PROBLEMS, type ProblemCode, isTerminal } from '@clove/contracts';
import type { GatewayClient } from './client.js';

const POLL_MS = 500;
const LONGEST_POLL_MS = 5000;

/** The error that a job ended with, under the code that the worker gave it. */
const jobFailure = (job: Job): CloveError => {
  const code = job.error?.code ?? 'internal';
  const known = (Object.keys(PROBLEMS) as ProblemCode[]).find((problem) => problem === code) ?? 'internal';
  if (job.status === 'cancelled') return new CloveError('cancelled', `Job ${job.id} was cancelled.`);
  return new CloveError(known, job.error?.message ?? `Job ${job.id} failed without saying why.`);
};

/**
 * Waits until a job has ended, over server-sent events; where the stream breaks off, by polling.
 * @returns the job, succeeded
 * @throws CloveError with the job's own code where it failed, 'cancelled' where it was cancelled or `signal` was aborted
 */
export const followJob = async (
  client: GatewayClient,
  first: Job,
  o: { signal: AbortSignal; onChange: (job: Job) => void },
): Promise<Job> => {
  let job = first;
  const take = (next: Job) => {
    // Both ways may bring an older state late; a job only moves forward.
    if (next.revision < job.revision) return;
    job = next;
    o.onChange(job);
  };
  const interrupted = () => new CloveError('cancelled', 'No longer waiting.', { cause: o.signal.reason });
  try {
    for await (const next of client.jobEvents(job.id, o.signal)) {
      take(next);
      if (isTerminal(job.status)) break;
    }
  } catch (error) {
    if (o.signal.aborted) throw interrupted();
    if (error instanceof CloveError && error.code !== 'unavailable') throw error;
  }
  for (let pause = POLL_MS; !isTerminal(job.status); pause = Math.min(LONGEST_POLL_MS, pause * 1.5)) {
    try {
      take(await client.job(job.id));
    } catch (error) {
      // A gateway that restarts comes back; one that stays away ends the wait.
      if (!(error instanceof CloveError) || error.code !== 'unavailable' || pause >= LONGEST_POLL_MS) throw error;
    }
    if (isTerminal(job.status)) break;
    await wait(pause, undefined, { signal: o.signal }).catch(() => {
      throw interrupted();
    });
  }
  if (job.status !== 'succeeded') throw jobFailure(job);
  return job;
};
