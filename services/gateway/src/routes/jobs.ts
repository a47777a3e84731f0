import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Accepted, CloveError, Job, JobLog, mayAct } from '@clove/contracts';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Gateway } from '../gateway.js';
import { hashOf, once } from '../idempotency.js';
import { isDone, jobEvents, positionOf } from '../job-events.js';
import { userOf } from '../plugins/authentication.js';
import { accepted, enqueue, removePrevious } from '../queueing.js';
import { file, guarded, json, noContent, pages, params, queries } from '../schemas.js';

/** A stream lives as long as its job; the reader comes back where this ends it. */
const STREAM_LIMIT_MS = 24 * 3600 * 1000;

const POLLING = 'Made for polling: the answer has an ETag, and If-None-Match gets 304 while nothing has changed.';

/** Names what a body says, so that a client that has it already need not be sent it. */
const etagOf = (body: unknown): string =>
  `"${createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 22)}"`;

/** Jobs: the work that makes datasets, runs, evaluations and predictions. */
export const jobRoutes =
  (gateway: Gateway): FastifyPluginAsyncZod =>
  async (app) => {
    const tags = ['jobs'];
    const closing = new AbortController();
    app.addHook('preClose', async () => closing.abort());

    app.get(
      '/jobs',
      {
        schema: {
          operationId: 'listJobs',
          summary: 'List jobs, newest first',
          tags,
          querystring: queries.jobs,
          description: POLLING,
          response: { 200: json('One page', pages.JobPage), 304: noContent, ...guarded('invalid-input') },
        },
      },
      async (request, reply) => {
        const body = await request.registry.jobs.list(request.query);
        const etag = etagOf(body);
        reply.header('etag', etag).header('cache-control', 'private, no-cache');
        if (request.headers['if-none-match']?.includes(etag)) return reply.code(304).send(null);
        return body;
      },
    );

    app.get(
      '/jobs/:id',
      {
        schema: {
          operationId: 'getJob',
          summary: 'Get a job: its status, progress, attempts and error',
          description: POLLING,
          tags,
          params: params.job,
          response: { 200: json('The job', Job), 304: noContent, ...guarded('not-found') },
        },
      },
      async (request, reply) => {
        const body = await request.registry.jobs.get(request.params.id);
        const etag = etagOf(body);
        reply.header('etag', etag).header('cache-control', 'private, no-cache');
        if (request.headers['if-none-match']?.includes(etag)) return reply.code(304).send(null);
        return body;
      },
    );

    app.get(
      '/jobs/:id/log',
      {
        schema: {
          operationId: 'getJobLog',
          summary: 'What was going on in a job, line by line',
          tags,
          params: params.job,
          querystring: queries.log,
          response: { 200: json('The lines, oldest first', JobLog), ...guarded('not-found', 'invalid-input') },
        },
      },
      async (request) => ({ items: await request.registry.jobs.log(request.params.id, request.query.after) }),
    );

    app.get(
      '/jobs/:id/events',
      {
        handlerTimeout: STREAM_LIMIT_MS,
        schema: {
          operationId: 'watchJob',
          summary: 'Watch a job: server-sent events until it ends',
          description:
            '`event: job` with the whole Job at each change, `event: log` with each JobLogLine and, for a training, ' +
            '`event: epoch` with each Epoch. ' +
            'Last-Event-ID resumes; 204 where it has been told to the end.',
          tags,
          params: params.job,
          response: {
            200: file('The events', 'text/event-stream'),
            204: noContent,
            ...guarded('not-found'),
          },
        },
      },
      async (request, reply) => {
        const job = await request.registry.jobs.get(request.params.id);
        const header = request.headers['last-event-id'];
        const position = positionOf(typeof header === 'string' ? header : undefined);
        if (isDone(job, position)) return reply.code(204).send(null);
        const left = new AbortController();
        // not request.signal: that one ends with the request's body, not with its reader
        reply.raw.once('close', () => left.abort());
        // who left while the job was looked up is not told of again
        if (reply.raw.destroyed) left.abort();
        const signal = AbortSignal.any([closing.signal, left.signal]);
        reply.header('content-type', 'text/event-stream; charset=utf-8').header('x-accel-buffering', 'no');
        return reply.send(Readable.from(jobEvents(request.registry, job.id, position, signal)));
      },
    );

    app.post(
      '/jobs/:id/cancel',
      {
        schema: {
          operationId: 'cancelJob',
          summary: 'Cancel a job',
          tags,
          params: params.job,
          response: {
            202: json('Asked for; a running job ends within seconds', Accepted),
            ...guarded('not-found', 'illegal-transition'),
          },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(null), async () => {
          const { kind } = await request.registry.jobs.get(request.params.id);
          if (kind === 'erasure' && !mayAct(userOf(request).role, 'admin')) {
            throw new CloveError('forbidden', 'an erasure is cancelled by an administrator only');
          }
          const job = await request.registry.jobs.requestCancel(request.params.id);
          return accepted(job, job.resource.id);
        }),
    );

    app.post(
      '/jobs/:id/retry',
      {
        config: { queues: true },
        schema: {
          operationId: 'retryJob',
          summary: 'Queue a failed or cancelled job again',
          tags,
          params: params.job,
          response: {
            202: json('Queued again', Accepted),
            ...guarded('not-found', 'illegal-transition', 'conflict'),
          },
        },
      },
      async (request, reply) =>
        once(request, reply, hashOf(null), async () => {
          const { job, queued } = await request.registry.jobs.retry(request.params.id, request.id);
          // a delivery that was cancelled while it waited may still be there; two would work at once
          await removePrevious(gateway, request, queued);
          await enqueue(gateway, request, queued);
          return accepted(job, job.resource.id);
        }),
    );
  };
