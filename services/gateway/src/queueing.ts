import type { Job } from '@clove/contracts';
import type { QueuedJob } from '@clove/store';
import type { FastifyRequest } from 'fastify';
import type { Gateway } from './gateway.js';
import type { Answer } from './idempotency.js';

/**
 * Puts a job whose row is committed into the queue. A queue that is away is no reason to refuse what the registry has
 * accepted: the job stays `queued` there and the reconciler brings it to the queue later. Adding it twice does nothing.
 */
export async function enqueue(
  { producer }: Gateway,
  request: FastifyRequest,
  { kind, payload, attempt }: QueuedJob,
  after?: QueuedJob,
): Promise<void> {
  const isShort = (job: { jobId: string }) => request.registry.jobs.isShort(job.jobId);
  try {
    const first = after === undefined ? {} : { after: { ...after, short: await isShort(after.payload) } };
    await producer.enqueue(kind, payload, { attempt, short: await isShort(payload), ...first });
  } catch (error) {
    request.log.error(
      { err: error, jobId: payload.jobId },
      'the job is not in the queue yet; it will be put there later',
    );
  }
}

/**
 * Takes the delivery before a retry out of the queue, where it was cancelled before a worker came to it. The worker would
 * skip it as long as the job is cancelled, but not once it is queued again.
 */
export async function removePrevious(
  { producer }: Gateway,
  request: FastifyRequest,
  { kind, payload, attempt }: QueuedJob,
): Promise<void> {
  try {
    await producer.remove(kind, payload.jobId, attempt - 1);
  } catch (error) {
    request.log.warn({ err: error, jobId: payload.jobId }, 'an earlier delivery of the job could not be removed');
  }
}

/** `202 Accepted`: the resource is being made by a job; `Location` is where to watch it. */
export const accepted = (job: Job, id: string): Answer<{ job: Job; id: string }> => ({
  status: 202,
  body: { job, id },
  location: `/v1/jobs/${job.id}`,
});
