/** Process entry of the ingester. */
import { tmpdir } from 'node:os';
import { WorkerEnv } from '@clove/contracts';
import {
  countArtifactFailure,
  createLogger,
  onShutdown,
  openScratch,
  parseEnv,
  serveWorkerHealth,
  startWorkers,
} from '@clove/runtime';
import { openArtifacts, openRegistry } from '@clove/store';
import { erasureHandler } from './erasure.js';
import { ingestHandler } from './handler.js';

const SERVICE = 'ingester';

const logger = createLogger(SERVICE, process.env['LOG_LEVEL']);

async function main(): Promise<void> {
  const env = parseEnv(WorkerEnv);
  const scratch = await openScratch(env.SCRATCH_DIR ?? tmpdir());
  const scratchDir = scratch.folder;
  const registry = openRegistry(env.DATABASE_URL);
  const context = {
    registry,
    artifacts: openArtifacts(env.ARTIFACTS_DIR, { onFailure: countArtifactFailure }),
    scratchDir,
    memoryLimitBytes: env.MEMORY_LIMIT_BYTES,
    threads: env.THREADS,
    customerSecret: env.CUSTOMER_ID_SECRET,
  };
  const worker = startWorkers({
    redisUrl: env.REDIS_URL,
    service: SERVICE,
    queue: 'ingest',
    handlers: () => ({ ingest: ingestHandler(context), erasure: erasureHandler(context) }),
    ledger: registry.jobs,
    logger,
    concurrency: env.CONCURRENCY,
    lockMs: env.JOB_LOCK_MS,
  });
  const health = await serveWorkerHealth(env, logger, { postgres: () => registry.ping() });
  onShutdown(logger, async () => {
    await health?.close();
    await worker.close();
    await registry.close();
    await scratch.close();
  });
  await worker.ready();
  logger.info('ready');
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  logger.fatal({ err: error }, message);
  process.stderr.write(`${message}\n`);
  process.exit(1);
});
