import { CloveError, Json } from '@clove/contracts';
import { jsonText, shown, type Database } from './database.js';
import type { Idempotency, IdempotencyRef } from './registry.js';

const MAX_KEY_LENGTH = 255;
/** How long an answer is kept, and how long a claim that nobody settled. */
const KEEP_HOURS = 24;
const UNSETTLED_HOURS = 1;

export function openIdempotency(db: Database): Idempotency {
  const find = ({ userId, route, key }: IdempotencyRef) =>
    db.idempotencyKey.findUnique({ where: { userId_route_key: { userId, route, key } } });

  return {
    claim: async (ref) => {
      const { userId, route, key, bodyHash } = ref;
      if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
        throw new CloveError('bad-request', `An Idempotency-Key has 1 to ${MAX_KEY_LENGTH} characters.`);
      }
      for (;;) {
        // one statement: of several claims at once exactly one gets a row back
        const claimed = await db.$queryRaw<object[]>`
          INSERT INTO idempotency_keys AS k (user_id, route, key, body_hash)
          VALUES (${userId}, ${route}, ${key}, ${bodyHash})
          ON CONFLICT (user_id, route, key) DO UPDATE
            SET body_hash = EXCLUDED.body_hash, status = NULL, response = NULL, created_at = now()
            WHERE k.created_at < now() - (CASE WHEN k.status IS NULL THEN ${UNSETTLED_HOURS}::int ELSE ${KEEP_HOURS}::int END) * interval '1 hour'
          RETURNING key`;
        if (claimed.length > 0) {
          // what has run out goes a few rows at a time; skipping locked rows keeps two cleaners from waiting on each other
          await db.$executeRaw`
            DELETE FROM idempotency_keys WHERE (user_id, route, key) IN (
              SELECT user_id, route, key FROM idempotency_keys
              WHERE created_at < now() - ${KEEP_HOURS}::int * interval '1 hour' LIMIT 100 FOR UPDATE SKIP LOCKED)`;
          return { outcome: 'new' };
        }
        const row = await find(ref);
        if (row === null) continue; // released between the two statements
        if (row.bodyHash !== bodyHash || row.status === null) return { outcome: 'conflict' };
        return { outcome: 'replay', status: row.status, response: shown(Json, row.response, `answer (${key})`) };
      }
    },

    settle: async ({ userId, route, key }, status, response) => {
      await db.$executeRaw`
        UPDATE idempotency_keys SET status = ${status}, response = ${jsonText(response)}::jsonb
        WHERE user_id = ${userId} AND route = ${route} AND key = ${key}`;
    },

    release: async ({ userId, route, key }) => {
      await db.idempotencyKey.deleteMany({ where: { userId, route, key, status: null } });
    },
  };
}
