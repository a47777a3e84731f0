import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Gateway } from '../gateway.js';
import { refuseOverload, refuseTooMany } from '../throttle.js';
import { bringsFiles } from '../uploads.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for a route that puts a job into the queue. */
    queues?: boolean;
    /** True for a route whose answer may go on for hours: events, downloads. Set where the handler's time limit says so. */
    lasting?: boolean;
  }
}

/** Longer than this no handler takes but those of `lasting` routes. */
export const HANDLER_TIMEOUT_MS = 60_000;
/** A parsed body holds several times its bytes, so a large one counts as several requests. */
const BODY_UNIT_BYTES = 64 * 1024;
/** When some of the requests under way have been answered. */
const BUSY_SECONDS = 1;
/** When some of the jobs have been taken out of the queue. */
const QUEUE_SECONDS = 30;

/** For how many requests one counts. A body whose length is not known beforehand may be as long as any. */
function weightOf({ headers, routeOptions }: FastifyRequest): number {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  const bytes = encoding === undefined ? Number(length ?? 0) : routeOptions.bodyLimit;
  return 1 + Math.floor(Math.min(bytes || 0, routeOptions.bodyLimit) / BODY_UNIT_BYTES);
}

/**
 * Refuses what is too much at once for this gateway, before anything is done for it: every request that is let in has its answer
 * soon, whatever comes. Requests that bring files have a limit of their own, and so have answers that go on for hours.
 * @throws CloveError 'overloaded'
 */
export function limitRequests(app: FastifyInstance, { env }: Gateway): void {
  const underWay = { requests: 0, streams: 0 };
  const most = { requests: env.REQUESTS_AT_ONCE, streams: env.STREAMS_AT_ONCE };
  const settings = { requests: 'REQUESTS_AT_ONCE', streams: 'STREAMS_AT_ONCE' };
  const handled = new WeakMap<FastifyRequest, () => void>();
  app.addHook('onRoute', (route) => {
    if ((route.handlerTimeout ?? 0) > HANDLER_TIMEOUT_MS) route.config = { ...route.config, lasting: true };
  });
  app.addHook('onRequest', async (request, reply) => {
    if (bringsFiles(request)) return;
    const kind = request.routeOptions.config.lasting === true && request.method === 'GET' ? 'streams' : 'requests';
    const weight = kind === 'streams' ? 1 : weightOf(request);
    const full = underWay[kind] > 0 && underWay[kind] + weight > most[kind];
    refuseOverload(reply, full ? BUSY_SECONDS : 0, `this gateway has too many ${kind} under way (${settings[kind]})`);
    underWay[kind] += weight;
    // A client that leaves does not end what is done for it.
    const closed = new Promise((resolve) => reply.raw.once('close', resolve));
    const done = new Promise<void>((resolve) => handled.set(request, resolve));
    void Promise.all([closed, done]).then(() => (underWay[kind] -= weight));
  });
  app.addHook('onSend', async (request) => handled.get(request)?.());
}

/**
 * Refuses new jobs while too many of the user's tenant wait, before the body is read. Install after the check of who asks.
 * @throws CloveError 'too-many-requests'
 */
export function limitQueued(app: FastifyInstance, { env }: Gateway): void {
  app.addHook('preParsing', async (request, reply) => {
    if (request.routeOptions.config.queues !== true) return;
    const full = (await request.registry.jobs.queued(env.QUEUED_JOBS)) >= env.QUEUED_JOBS;
    refuseTooMany(reply, full ? QUEUE_SECONDS : 0, `${env.QUEUED_JOBS} jobs are waiting already (QUEUED_JOBS)`);
  });
}
