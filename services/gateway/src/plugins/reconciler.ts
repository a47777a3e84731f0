import { reconcile } from '@clove/runtime';
import { sweepArtifacts, sweepReplaced } from '@clove/store';
import type { FastifyInstance } from 'fastify';
import type { Installation } from '../gateway.js';
import { removeByAge } from '../retention.js';
import { isArriving } from '../uploads.js';

const EVERY_MS = 30_000;
const SWEEP_EVERY_MS = 3600 * 1000;

/**
 * Brings queued jobs that the queue does not hold into it, when the app starts and every 30 seconds: what was accepted
 * while Redis was away, or was lost with it. At start and every hour it also removes what is older than the retention, and the files
 * of what never came to be.
 */
export function startReconciler(
  app: FastifyInstance,
  { env, registry, producer, artifacts, logger }: Installation,
): void {
  let timer: NodeJS.Timeout | undefined;
  let sweptAt = Number.NEGATIVE_INFINITY;
  let closed = false;
  let running: Promise<void> = Promise.resolve();
  const round = async () => {
    try {
      const count = await reconcile(producer, await registry.jobs.waiting());
      if (count > 0) logger.warn({ count }, 'jobs that the queue did not hold were put back into it');
    } catch (error) {
      logger.warn({ err: error }, 'jobs and queue could not be compared; trying again later');
    }
    if (!closed && performance.now() - sweptAt > SWEEP_EVERY_MS) {
      try {
        const aged = await removeByAge({ env, registry, artifacts });
        if (aged.length > 0) logger.info({ aged }, 'what is older than the retention was removed');
        const left = await sweepReplaced(registry, artifacts);
        if (left.length > 0)
          logger.warn({ erasures: left }, 'what erasures that were broken off had replaced was removed');
        const removed = await sweepArtifacts(registry, artifacts, isArriving);
        sweptAt = performance.now();
        if (removed.length > 0) logger.warn({ removed }, 'files of what never came to be were removed');
      } catch (error) {
        logger.warn({ err: error }, 'the artifact store could not be swept; trying again later');
      }
    }
    if (!closed) timer = setTimeout(start, EVERY_MS);
  };
  const start = () => {
    running = round();
  };
  app.addHook('onReady', async () => start());
  app.addHook('onClose', async () => {
    closed = true;
    clearTimeout(timer);
    await running;
  });
}
