import { z } from 'zod';

/** `queued → running → succeeded | failed | cancelled`; a failed or cancelled job may be queued again by a retry. */
export const JobStatus = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);
export type JobStatus = z.infer<typeof JobStatus>;

/**
 * The legal moves of a job. `running → queued` is an attempt that ended for a passing reason and will be made again;
 * `running → running` is a redelivery after a worker was lost.
 */
export const JOB_TRANSITIONS: Record<JobStatus, readonly JobStatus[]> = {
  queued: ['running', 'cancelled', 'failed'],
  running: ['running', 'queued', 'succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: ['queued'],
  cancelled: ['queued'],
};

/** True where no further work will happen without a user's retry. */
export const isTerminal = (status: JobStatus): boolean =>
  status === 'succeeded' || status === 'failed' || status === 'cancelled';
