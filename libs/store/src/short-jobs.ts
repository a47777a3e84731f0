import { Prisma } from './generated/client.js';

/** What a worker reads, prepares or scores in some seconds. */
const SHORT_BYTES = 64 * 1024 ** 2;
/** A row of generated data, about. */
const GENERATED_BYTES = 300;

/**
 * Whether a job is short, as SQL over a row `j` of jobs: little data, as it was uploaded or is to be generated, and less of it for
 * what goes over it many times. A job stays what it is: the source of a dataset never changes. Imports are always short.
 */
export const isShort = Prisma.sql`coalesce(
  (
    SELECT CASE j.kind WHEN 'train' THEN 20 WHEN 'leaderboard' THEN 200 ELSE 1 END
      * CASE data.source ->> 'type'
          WHEN 'upload' THEN (SELECT sum((file ->> 'bytes')::numeric) FROM jsonb_array_elements(data.source -> 'files') file)
          ELSE (data.source -> 'options' ->> 'customers')::numeric * ${GENERATED_BYTES}
        END <= ${SHORT_BYTES}
    FROM datasets data
    WHERE data.id = coalesce(
      (SELECT dataset_id FROM runs WHERE job_id = j.id),
      (SELECT dataset_id FROM leaderboards WHERE job_id = j.id),
      (SELECT dataset_id FROM evaluations WHERE job_id = j.id),
      (SELECT dataset_id FROM predictions WHERE job_id = j.id),
      j.resource_id
    )
  ),
  j.kind = 'import'
)`;
