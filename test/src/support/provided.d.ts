/** What the global set-up of the test run provides. */
export interface TestServers {
  /** names a database that is not there; a test puts a name of its own in its place */
  databaseUrl: string;
  redisUrl: string;
}

declare module 'vitest' {
  export interface ProvidedContext extends TestServers {}
}
