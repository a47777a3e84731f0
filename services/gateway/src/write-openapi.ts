/** Writes `openapi.json` beside the manifest of the gateway: what clients are generated from, without a running stack. */
import { writeFile } from 'node:fs/promises';
import { GatewayEnv } from '@clove/contracts';
import { createLogger, type Producer } from '@clove/runtime';
import { openArtifacts, openRegistry } from '@clove/store';
import fastify from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import { documentText, installDocumentation } from './plugins/documentation.js';
import { validatorCompiler } from './plugins/problems.js';
import { installRoutes } from './routes.js';

const env = GatewayEnv.parse({
  DATABASE_URL: 'postgres://127.0.0.1/clove',
  REDIS_URL: 'redis://127.0.0.1',
  ARTIFACTS_DIR: '.',
});
// routes are described here, never called: registry and store open nothing before they are used, a producer would
const producer = {} as Producer;
const registry = openRegistry(env.DATABASE_URL);
const app = fastify();
app.setValidatorCompiler(validatorCompiler);
app.setSerializerCompiler(serializerCompiler);
await installDocumentation(app);
await installRoutes(app, {
  env,
  registry,
  producer,
  artifacts: openArtifacts(env.ARTIFACTS_DIR),
  logger: createLogger('gateway', 'silent'),
});
await app.ready();
await writeFile(new URL('../openapi.json', import.meta.url), documentText(app));
await app.close();
await registry.close();
