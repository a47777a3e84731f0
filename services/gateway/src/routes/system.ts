import { randomUUID } from 'node:crypto';
import { CloveError } from '@clove/contracts';
import { inTime } from '@clove/runtime';
import type { ArtifactStore } from '@clove/store';
import type { FastifyBaseLogger } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Installation } from '../gateway.js';
import { Health, json, problems } from '../schemas.js';

/** A store that is full or read-only answers: to take the gateway away would take reading and deleting away too. */
async function tryToWrite(artifacts: ArtifactStore, log: FastifyBaseLogger): Promise<void> {
  const key = `health/${randomUUID()}`;
  try {
    await artifacts.put(key, 'ok');
    await artifacts.remove(key);
  } catch (error) {
    if (!(error instanceof CloveError) || error.code !== 'no-space') throw error;
    log.warn({ err: error }, 'nothing can be stored');
  }
}

/** Probes for orchestrators. */
export const systemRoutes =
  ({ registry, producer, artifacts }: Installation): FastifyPluginAsyncZod =>
  async (app) => {
    const tags = ['system'];

    app.get(
      '/healthz',
      {
        schema: {
          operationId: 'getHealth',
          summary: 'Whether the process is alive',
          tags,
          security: [],
          response: { 200: json('Alive', Health) },
        },
      },
      async () => ({ status: 'ok' as const }),
    );

    app.get(
      '/readyz',
      {
        schema: {
          operationId: 'getReadiness',
          summary: 'Whether Postgres, Redis and the artifact store answer',
          tags,
          security: [],
          response: { 200: json('Ready', Health), ...problems('unavailable') },
        },
      },
      async (request) => {
        const parts = {
          postgres: registry.ping(),
          redis: producer.ping(),
          artifacts: tryToWrite(artifacts, request.log),
        };
        const checks = await Promise.all(
          Object.entries(parts).map(async ([part, check]) => {
            try {
              await inTime(check);
              return [];
            } catch (error) {
              request.log.warn({ err: error, part }, 'a part is not ready');
              // the reason stays in the log: it may name hosts and folders
              return [{ pointer: `/${part}`, detail: 'does not answer' }];
            }
          }),
        );
        const errors = checks.flat();
        if (errors.length === 0) return { status: 'ok' as const };
        const names = errors.map(({ pointer }) => pointer.slice(1)).join(', ');
        throw new CloveError('unavailable', `not ready: ${names} does not answer; the log says why`, { errors });
      },
    );
  };
