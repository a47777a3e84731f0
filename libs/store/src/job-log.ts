import { storable, type Queryable } from './database.js';
import { ofTenant } from './tenancy.js';

const FIGURES = /\d+/g;

/** True where two stages tell of the same thing and only its figures have moved on, as "300 customers scored". */
export const sameButFigures = (one: string, other: string): boolean =>
  one.replaceAll(FIGURES, '#') === other.replaceAll(FIGURES, '#');

/** Adds a line to the log of a job, under the number of its last attempt. */
export async function logJob(db: Queryable, jobId: string, message: string): Promise<void> {
  await db.$executeRaw`
    INSERT INTO job_log (job_id, number, attempt, message)
    SELECT ${jobId},
      coalesce((SELECT max(number) FROM job_log WHERE job_id = ${jobId}), 0) + 1,
      coalesce((SELECT max(number) FROM job_attempts WHERE job_id = ${jobId}), 0),
      ${storable(message)}
    FROM jobs WHERE id = ${jobId} AND ${ofTenant(db, 'jobs')}
    ON CONFLICT DO NOTHING`;
}
