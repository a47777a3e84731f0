/**
 * The contracts of Clove: what crosses a process boundary, as zod schemas of which types, OpenAPI and clients derive.
 * @packageDocumentation
 */
export * from './auth.js';
export * from './backup.js';
export * from './checkpoint.js';
export * from './common.js';
export * from './csv-head.js';
export * from './dataset.js';
export * from './env.js';
export * from './erasure.js';
export * from './gates.js';
export * from './job.js';
export * from './leaderboard.js';
export * from './metrics.js';
export * from './model.js';
export * from './model-columns.js';
export * from './order-columns.js';
export * from './prediction.js';
export * from './problem.js';
export * from './run.js';
