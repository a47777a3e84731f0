import type { FastifyInstance } from 'fastify';
import type { Installation } from './gateway.js';
import { installAudit } from './plugins/audit.js';
import { requireAuthentication } from './plugins/authentication.js';
import { limitQueued, limitRequests } from './plugins/overload.js';
import { auditRoutes } from './routes/audit.js';
import { datasetRoutes } from './routes/datasets.js';
import { erasureRoutes } from './routes/erasures.js';
import { evaluationRoutes } from './routes/evaluations.js';
import { importRoutes } from './routes/imports.js';
import { jobRoutes } from './routes/jobs.js';
import { leaderboardRoutes } from './routes/leaderboards.js';
import { modelRoutes } from './routes/models.js';
import { predictionRoutes } from './routes/predictions.js';
import { runRoutes } from './routes/runs.js';
import { sampleRoutes } from './routes/sample.js';
import { sessionRoutes } from './routes/session.js';
import { systemRoutes } from './routes/system.js';
import { tenantRoutes } from './routes/tenants.js';
import { userRoutes } from './routes/users.js';
import { limitUploads } from './uploads.js';

/** Every route of the gateway; those under `/v1` behind the one check of who asks. */
export async function installRoutes(app: FastifyInstance, installation: Installation): Promise<void> {
  // routes get it by the request, bound to the tenant of the user
  const { registry, ...gateway } = installation;
  await app.register(systemRoutes(installation));
  await app.register(
    async (v1) => {
      limitRequests(v1, gateway);
      requireAuthentication(v1, installation);
      limitQueued(v1, gateway);
      limitUploads(v1, gateway);
      installAudit(v1);
      await v1.register(sessionRoutes(gateway, registry));
      await v1.register(datasetRoutes(gateway));
      await v1.register(runRoutes(gateway));
      await v1.register(leaderboardRoutes(gateway));
      await v1.register(modelRoutes(gateway));
      await v1.register(importRoutes(gateway));
      await v1.register(predictionRoutes(gateway));
      await v1.register(evaluationRoutes(gateway));
      await v1.register(erasureRoutes(gateway));
      await v1.register(jobRoutes(gateway));
      await v1.register(sampleRoutes);
      await v1.register(userRoutes(gateway));
      await v1.register(auditRoutes);
      await v1.register(tenantRoutes(registry.tenants));
    },
    { prefix: '/v1' },
  );
}
