import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import cookie from '@fastify/cookie';
import multipart from '@fastify/multipart';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import type { Installation } from './gateway.js';
import { installDocumentation } from './plugins/documentation.js';
import { installMetrics } from './plugins/metrics.js';
import { answerClientError, answerProblem, installProblems, pathOf, validatorCompiler } from './plugins/problems.js';
import { startReconciler } from './plugins/reconciler.js';
import { installProtection } from './plugins/protection.js';
import { HANDLER_TIMEOUT_MS } from './plugins/overload.js';
import { installWeb } from './plugins/web.js';
import { installRoutes } from './routes.js';
import { TRANSFER_TIMEOUT_MS, isPartAFile, uploadLimits } from './uploads.js';

/** A thousand rows of a hundred columns fit; data files come as multipart, which has its own limit. */
const BODY_LIMIT_BYTES = 8 * 1024 * 1024;

/** The client's id of the request where it is short and printable, so that it may stand in headers and logs; else a new one. */
function requestIdOf(raw: IncomingMessage): string {
  const given = raw.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
}

/** One line a request, when it has ended, with the path but not the query. */
class RequestLog extends LogController {
  constructor() {
    super({ requestIdLogLabel: 'requestId' });
  }
  override incomingRequest(): void {}
  override routeNotFound(): void {}
  override requestCompleted(...[error, request, reply]: Parameters<LogController['requestCompleted']>): void {
    const line = {
      method: request.method,
      path: pathOf(request),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      ...(error ? { err: error } : {}),
    };
    if (error) reply.log.warn(line, 'request broken off');
    else reply.log.info(line, 'request');
  }
}

/**
 * The gateway as a plain fastify app on what is open already; it listens nowhere. `close()` ends event streams, waits for
 * what is under way and stops the reconciler; registry, producer and artifact store stay the caller's.
 */
export async function buildApp(gateway: Installation): Promise<FastifyInstance> {
  const { env } = gateway;
  const loggerInstance: FastifyBaseLogger = gateway.logger;
  const app = fastify({
    loggerInstance,
    logController: new RequestLog(),
    genReqId: requestIdOf,
    bodyLimit: BODY_LIMIT_BYTES,
    // no byte in either direction for two minutes; event streams beat more often
    connectionTimeout: 120_000,
    keepAliveTimeout: 65_000,
    // the whole request, so as long as the largest upload takes; connectionTimeout ends the ones that stand still
    requestTimeout: TRANSFER_TIMEOUT_MS,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    http: { headersTimeout: 30_000 },
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    frameworkErrors: answerProblem,
    clientErrorHandler: answerClientError,
    routerOptions: { maxParamLength: 200 },
    ...(env.TRUST_PROXY === undefined ? {} : { trustProxy: env.TRUST_PROXY }),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeContentTypeParser('text/plain');
  installProblems(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  await installProtection(app, gateway);

  // a kept-alive connection whose last answer ends while the app closes would hold it up until its timeout
  app.addHook('preClose', async () => {
    if (!app.server.listening) return;
    const timer = setInterval(() => app.server.closeIdleConnections(), 50);
    app.server.once('close', () => clearInterval(timer));
  });

  await app.register(cookie);
  await app.register(multipart, { limits: uploadLimits(env.UPLOAD_LIMIT_BYTES), isPartAFile });
  await installDocumentation(app);
  installMetrics(app, gateway);
  startReconciler(app, gateway);

  await installRoutes(app, gateway);
  await installWeb(app, gateway);
  return app;
}
