/** Process entry of the scorer. */
import { tmpdir } from 'node:os';
import { WorkerEnv } from '@clove/contracts';
import {
  countArtifactFailure,
  createLogger,
  onShutdown,
  openScratch,
  parseEnv,
  serveWorkerHealth,
  startAnswering,
  startWorkers,
} from '@clove/runtime';
import { openArtifacts, openRegistry } from '@clove/store';
import { answer } from './answering.js';
import { discardShards, scoreHandlers } from './handlers.js';
import { openLanes, threadsOf } from './lanes.js';
import { ScoringThread } from './scoring-thread.js';

const SERVICE = 'scorer';
/** Questions at once, apart from the jobs: a long prediction must not hold them up. */
const QUESTIONS = 4;
const OPEN_MODELS = 8;

const logger = createLogger(SERVICE, process.env['LOG_LEVEL']);

async function main(): Promise<void> {
  const env = parseEnv(WorkerEnv);
  const scratch = await openScratch(env.SCRATCH_DIR ?? tmpdir());
  const scratchDir = scratch.folder;
  const { MEMORY_LIMIT_BYTES: memoryLimitBytes, REDIS_URL: redisUrl } = env;
  const threads = threadsOf(env.THREADS);
  const lanes = openLanes(threads);
  // a short job waits for no piece of a long one
  const shortLanes = openLanes(env.CONCURRENCY);
  const registry = openRegistry(env.DATABASE_URL);
  const artifacts = openArtifacts(env.ARTIFACTS_DIR, { onFailure: countArtifactFailure });
  const scoring = new ScoringThread({ artifactsDir: env.ARTIFACTS_DIR, openModels: OPEN_MODELS });
  const worker = startWorkers({
    redisUrl,
    service: SERVICE,
    queue: 'score',
    handlers: (short) =>
      scoreHandlers({
        registry,
        artifacts,
        scratchDir,
        memoryLimitBytes,
        threads,
        lanes: short ? shortLanes : lanes,
        shardRows: env.SHARD_ROWS,
      }),
    ledger: registry.jobs,
    discard: discardShards(artifacts),
    logger,
    concurrency: env.CONCURRENCY,
    lockMs: env.JOB_LOCK_MS,
  });
  const answering = startAnswering({
    redisUrl,
    logger,
    concurrency: QUESTIONS,
    answer: answer({ artifacts, scoring, logger, scratchDir, memoryLimitBytes }),
  });
  const health = await serveWorkerHealth(env, logger, { postgres: () => registry.ping() });
  onShutdown(logger, async () => {
    await health?.close();
    await Promise.all([worker.close(), answering.close()]);
    await Promise.all([scoring.close(), lanes.close(), shortLanes.close()]);
    await registry.close();
    await scratch.close();
  });
  await Promise.all([worker.ready(), answering.ready(), lanes.start()]);
  logger.info('ready');
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  logger.fatal({ err: error }, message);
  process.stderr.write(`${message}\n`);
  process.exit(1);
});
