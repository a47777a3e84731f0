/** Process entry of the ingester. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { WorkerEnv } from '@clove/contracts';
import { createLogger, onShutdown, parseEnv, startWorker } from '@clove/runtime';
import { openArtifacts, openRegistry } from '@clove/store';
import { ingestHandler } from './handler.js';

const SERVICE = 'ingester';

const env = parseEnv(WorkerEnv);
const logger = createLogger(SERVICE, env.LOG_LEVEL);
const scratchDir = env.SCRATCH_DIR ?? tmpdir();
await mkdir(scratchDir, { recursive: true });
const registry = openRegistry(env.DATABASE_URL);
const worker = startWorker({
  redisUrl: env.REDIS_URL,
  service: SERVICE,
  queue: 'ingest',
  handlers: {
    ingest: ingestHandler({
      registry,
      artifacts: openArtifacts(env.ARTIFACTS_DIR),
      scratchDir,
      memoryLimitBytes: env.MEMORY_LIMIT_BYTES,
      threads: env.THREADS,
    }),
  },
  ledger: registry.jobs,
  logger,
  concurrency: env.CONCURRENCY,
});
onShutdown(logger, async () => {
  await worker.close();
  await registry.close();
});
await worker.ready();
logger.info('ready');
