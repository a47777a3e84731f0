/**
 * The ingester: turns uploads and generator options into datasets. Its cores are `ingestFiles` and `generateDataset` of
 * data; this package puts them on the queue.
 * @packageDocumentation
 */
export { type IngesterContext, ingestHandler } from './handler.js';
