import { Prisma } from './generated/client.js';

/**
 * SQL: the jobs that an erasure `e` has to wait for, for they may bring back what it has erased, or still read it: ingests that were
 * asked for before it, and whatever began to read before all datasets were clean.
 */
export const HOLDS_UP = Prisma.sql`
  SELECT h.id, h.kind FROM jobs h
  WHERE h.tenant_id = e.tenant_id AND h.status IN ('queued', 'running') AND (
    (h.kind = 'ingest' AND h.created_at <= e.created_at)
    OR (h.kind IN ('train', 'leaderboard', 'evaluate', 'predict') AND h.started_at IS NOT NULL
      AND h.created_at <= coalesce(e.clean_since, now())))`;
