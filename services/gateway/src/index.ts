/**
 * The gateway of Clove: HTTP, authentication and validation in front of the registry, the queue and the artifact store.
 * @packageDocumentation
 */
export { buildApp } from './app.js';
export { ensureAdmin } from './credentials.js';
export type { Gateway } from './gateway.js';
