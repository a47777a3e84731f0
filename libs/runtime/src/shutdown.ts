import type { Logger } from './logger.js';

/** Set by `spawnService`: standard input is a pipe that the launcher holds open for as long as it lives. */
export const PARENT_PIPE = 'CLOVE_PARENT_PIPE';

const LIMIT_MS = 30_000;
const ORPHAN_LIMIT_MS = 5_000;

/**
 * Stops the process in order, once, on SIGTERM, SIGINT or the end of the launcher that started it: `stop` runs, then
 * the process exits 0. It exits 1 where `stop` fails or takes longer than 30 s (5 s once the launcher is gone, whose
 * servers go with it); a second signal exits at once.
 */
export function onShutdown(logger: Logger, stop: () => Promise<void>): void {
  let stopping = false;
  const begin = (why: string, limitMs: number) => {
    if (stopping) {
      logger.warn({ why }, 'stopping at once');
      process.exit(1);
    }
    stopping = true;
    logger.info({ why }, 'stopping');
    setTimeout(() => {
      logger.error({ limitMs }, 'did not stop in time');
      process.exit(1);
    }, limitMs);
    stop().then(
      () => process.exit(0),
      (err: unknown) => {
        logger.error({ err }, 'could not stop in order');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => begin('SIGTERM', LIMIT_MS));
  process.on('SIGINT', () => begin('SIGINT', LIMIT_MS));
  if (process.env[PARENT_PIPE] === '1') {
    const gone = () => {
      if (!stopping) begin('the launcher is gone', ORPHAN_LIMIT_MS);
    };
    process.stdin.on('end', gone).on('error', gone).resume();
  }
}
