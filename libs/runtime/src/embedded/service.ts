/** A process that `spawnService` started. */
export interface Child {
  name: string;
  pid: number;
  logFile: string;
  /** SIGTERM, then SIGKILL where it has not ended after 35 s. */
  stop(): Promise<void>;
}

export type SpawnOptions = {
  name: string;
  script: string;
  args?: string[];
  env: NodeJS.ProcessEnv;
  home: string;
  /** called once when the process ends, asked to or not */
  onExit: (code: number | null, signal: NodeJS.Signals | null) => void;
};

/** Starts a Node script as a service: its output in `home`/logs/NAME.log, ended with this process whatever kills it. */
export function spawnService(_o: SpawnOptions): Child {
  throw new Error('being written');
}
