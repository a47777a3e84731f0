/**
 * The store of Clove: the registry in Postgres, its migrations, and the artifact store.
 * @packageDocumentation
 */
export { artifactKeys, revisionKeys, type RevisionRef } from './artifact-keys.js';
export * from './artifacts.js';
export { backUp, restoreBackup } from './backup.js';
export * from './ids.js';
export { migrate } from './migrate.js';
export * from './open-registry.js';
export { removeReplaced, sweepArtifacts, sweepReplaced, type OwnedFolder } from './orphans.js';
export * from './registry.js';
export { DEFAULT_TENANT } from './tenancy.js';
