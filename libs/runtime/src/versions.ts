import { JobVersion } from '@clove/contracts';
import type { Job } from 'bullmq';

/** What only newer workers understand is theirs to take after this long. */
const TOO_NEW_MS = 500;

/**
 * Puts what is of a newer version than `version` back into its queue, without using up a try. Whoever calls throws a
 * `DelayedError` where it does.
 * @returns the newer version; undefined for what this worker understands, which is left as it is
 */
export async function leaveToNewer(
  job: Job<unknown, void>,
  token: string | undefined,
  version: number,
): Promise<number | undefined> {
  const newer = JobVersion.safeParse(job.data).data?.version ?? 1;
  if (newer <= version) return undefined;
  await job.moveToDelayed(Date.now() + TOO_NEW_MS, token);
  return newer;
}
