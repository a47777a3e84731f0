import { openApiKeys, openSessions, openTenants, openUsers } from './accounts.js';
import { openAudit } from './audit.js';
import { connect, guarded, place, translate, type Database } from './database.js';
import { openDatasets } from './datasets.js';
import { openErasures } from './erasures.js';
import { openEvaluations } from './evaluations.js';
import { openIdempotency } from './idempotency.js';
import { openImports } from './imports.js';
import { openJobs } from './jobs.js';
import { openLeaderboards } from './leaderboards.js';
import { openModels } from './models.js';
import { openOwned } from './orphans.js';
import { openPredictions } from './predictions.js';
import type { Registry, UnboundRegistry } from './registry.js';
import { openRuns } from './runs.js';
import { shardMoves } from './shards.js';
import { forTenant } from './tenancy.js';

/** Opens the registry. Connections are made when first needed, at most `maxConnections` (default 10) at once. */
export function openRegistry(databaseUrl: string, options: { maxConnections?: number } = {}): UnboundRegistry {
  const client = connect(databaseUrl, options.maxConnections ?? 10);
  const where = place(databaseUrl);
  const unbound = forTenant(client, null);
  const shared: Shared = {
    // keys are of a user, who is of a tenant
    idempotency: guarded(openIdempotency(unbound), where),
    ping: async () => {
      try {
        await unbound.$queryRaw`SELECT 1`;
      } catch (error) {
        throw translate(error, where);
      }
    },
    close: () => client.$disconnect(),
  };
  const bound = new Map<string, Registry>();
  return {
    ...registryOn(unbound, where, shared),
    tenants: guarded(openTenants(unbound), where),
    forTenant: (tenantId) => {
      const registry = bound.get(tenantId) ?? registryOn(forTenant(client, tenantId), where, shared);
      bound.set(tenantId, registry);
      return registry;
    },
  };
}

/** What is the same for all tenants. */
type Shared = Pick<Registry, 'idempotency' | 'ping' | 'close'>;

function registryOn(db: Database, where: string, shared: Shared): Registry {
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
    erasures: guarded(openErasures(db), where),
    users: guarded(openUsers(db), where),
    sessions: guarded(openSessions(db), where),
    apiKeys: guarded(openApiKeys(db), where),
    audit: guarded(openAudit(db), where),
    ...shared,
    owned: async (folder, names) => {
      try {
        return await openOwned(db)(folder, names);
      } catch (error) {
        throw translate(error, where);
      }
    },
  };
}
