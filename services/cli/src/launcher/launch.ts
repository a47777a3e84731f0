/** What to start; everything has a default. */
export type LaunchOptions = {
  /** data folder; `.data` of the checkout when left out */
  home?: string;
  /** port of the gateway: refused where it is in use; 3000 or the next free one when left out */
  port?: number;
  host?: string;
  ingesters?: number;
  trainers?: number;
  scorers?: number;
  /** compile and restart the services whenever a source changes */
  watch?: boolean;
  /** added to the environment of every service */
  env?: NodeJS.ProcessEnv;
  /** told what is going on, in sentences for people */
  onStep?: (text: string) => void;
};

/** A running system. */
export type Stack = {
  url: string;
  apiKey: string;
  home: string;
  databaseUrl: string;
  redisUrl: string;
  processes: { name: string; pid: number }[];
  /** resolves when a part has died and cannot be kept running */
  exited: Promise<{ name: string; code: number | null }>;
  /** Stops gateway, workers, Redis and Postgres, in that order; more calls wait for the first. */
  stop(): Promise<void>;
};

/**
 * Starts the whole system on this machine and resolves once the gateway answers `/readyz`. Nothing is left running
 * when it throws, when `stop` is called, or when this process dies in any way.
 * @throws CloveError saying what to do: `conflict` (home or port in use), `unavailable` (a part does not start), `no-space`
 */
export function launch(_options: LaunchOptions): Promise<Stack> {
  throw new Error('being written');
}
