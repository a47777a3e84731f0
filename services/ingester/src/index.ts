/**
 * The ingester: turns uploads and generator options into datasets, and takes customers out of everything that was made of them. Its
 * cores are `ingestFiles`, `generateDataset` and those of erasures in data; this package puts them on the queue.
 * @packageDocumentation
 */
export { erasureHandler } from './erasure.js';
export { type IngesterContext, ingestHandler } from './handler.js';
