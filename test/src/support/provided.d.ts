import 'vitest';

declare module 'vitest' {
  /** What the global set-up of the test run provides. */
  export interface ProvidedContext {
    /** names a database that is not there; a test puts a name of its own in its place */
    databaseUrl: string;
    redisUrl: string;
  }
}
