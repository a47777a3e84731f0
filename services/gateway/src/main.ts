import { CloveError, GatewayEnv } from '@clove/contracts';
import { countArtifactFailure, createLogger, createProducer, onShutdown, parseEnv } from '@clove/runtime';
import { migrate, openArtifacts, openRegistry } from '@clove/store';
import { buildApp } from './app.js';
import { ensureAdmin, refuseOpenDoor } from './credentials.js';

const logger = createLogger('gateway', process.env.LOG_LEVEL);

async function main(): Promise<void> {
  const env = parseEnv(GatewayEnv);
  refuseOpenDoor(env);
  const applied = await migrate(env.DATABASE_URL);
  if (applied.length > 0) logger.info({ applied }, 'the database was brought up to date');
  const registry = openRegistry(env.DATABASE_URL);
  await ensureAdmin(env, registry);
  const producer = createProducer({ redisUrl: env.REDIS_URL });
  const artifacts = openArtifacts(env.ARTIFACTS_DIR, { onFailure: countArtifactFailure });
  const app = await buildApp({ env, registry, artifacts, producer, logger });
  onShutdown(logger, async () => {
    await app.close();
    await producer.close();
    await registry.close();
  });
  const url = await app.listen({ host: env.HOST, port: env.PORT }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new CloveError(
      'unavailable',
      `port ${env.PORT} of ${env.HOST} is in use: stop what listens there, or set PORT to another one (0: any free one)`,
      { cause: error },
    );
  });
  logger.info({ url }, 'listening');
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  logger.fatal({ err: error }, message);
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
  // connections that were opened before the failure must not keep a dead process
  setTimeout(() => process.exit(1), 100).unref();
});
