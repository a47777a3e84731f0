import type { Server } from './server.js';

/**
 * Postgres on loopback with its data under `home`, or the one that DATABASE_URL names.
 * @throws CloveError `unavailable` saying what to do where there is none for this platform or it does not start
 */
export function startPostgres(_o: { home: string; port?: number }): Promise<Server> {
  throw new Error('being written');
}
