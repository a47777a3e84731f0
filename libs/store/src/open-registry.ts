import { openApiKeys, openSessions, openUsers } from './accounts.js';
import { openAudit } from './audit.js';
import { connect, guarded, place, translate } from './database.js';
import { openDatasets } from './datasets.js';
import { openEvaluations } from './evaluations.js';
import { openIdempotency } from './idempotency.js';
import { openImports } from './imports.js';
import { openJobs } from './jobs.js';
import { openLeaderboards } from './leaderboards.js';
import { openModels } from './models.js';
import { openOwned } from './orphans.js';
import { openPredictions } from './predictions.js';
import type { Registry } from './registry.js';
import { openRuns } from './runs.js';
import { shardMoves } from './shards.js';

/** Opens the registry. Connections are made when first needed, at most `maxConnections` (default 10) at once. */
export function openRegistry(databaseUrl: string, options: { maxConnections?: number } = {}): Registry {
  const db = connect(databaseUrl, options.maxConnections ?? 10);
  const where = place(databaseUrl);
  return {
    jobs: {
      ...guarded(openJobs(db), where),
      shard: (number, step) => guarded(shardMoves(db, number, step), where),
    },
    datasets: guarded(openDatasets(db), where),
    runs: guarded(openRuns(db), where),
    leaderboards: guarded(openLeaderboards(db), where),
    models: guarded(openModels(db), where),
    evaluations: guarded(openEvaluations(db), where),
    predictions: guarded(openPredictions(db), where),
    imports: guarded(openImports(db), where),
    users: guarded(openUsers(db), where),
    sessions: guarded(openSessions(db), where),
    apiKeys: guarded(openApiKeys(db), where),
    audit: guarded(openAudit(db), where),
    idempotency: guarded(openIdempotency(db), where),
    owned: async (folder, names) => {
      try {
        return await openOwned(db)(folder, names);
      } catch (error) {
        throw translate(error, where);
      }
    },
    ping: async () => {
      try {
        await db.$queryRaw`SELECT 1`;
      } catch (error) {
        throw translate(error, where);
      }
    },
    close: () => db.$disconnect(),
  };
}
