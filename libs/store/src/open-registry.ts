import type { Registry } from './registry.js';

/** Opens the registry. Connections are made when first needed, at most `maxConnections` (default 10) at once. */
export function openRegistry(databaseUrl: string, options: { maxConnections?: number } = {}): Registry {
  throw new Error(`not built yet: ${databaseUrl} ${options.maxConnections}`);
}
