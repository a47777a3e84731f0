/** A running database server: its own, or one that the environment names, which `stop` leaves alone. */
export interface Server {
  url: string;
  /** where it comes from, for people */
  source: string;
  /** resolves when the server ends without being asked to; never for one that was not started here */
  died: Promise<string>;
  stop(): Promise<void>;
}
