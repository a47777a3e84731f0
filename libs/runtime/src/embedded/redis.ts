import type { Server } from './server.js';

/**
 * Redis on loopback with its data under `home`, or the one that REDIS_URL names.
 * @throws CloveError `unavailable` saying what to do where there is none for this platform or it does not start
 */
export function startRedis(_o: { home: string; port?: number }): Promise<Server> {
  throw new Error('being written');
}
