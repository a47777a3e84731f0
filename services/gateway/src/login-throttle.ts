import { CloveError } from '@clove/contracts';

const WINDOW_MS = 60_000;
const TRIES = 10;
const REMEMBERED = 10_000;

/** Counts login tries per address and user name: ten a minute in this process. A good password clears the count. */
export class LoginThrottle {
  readonly #tries = new Map<string, { count: number; endsMs: number }>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /**
   * Notes a try before the password is looked at, so that tries at once are counted too.
   * @returns seconds to wait, 0 where the try may go on
   */
  note(address: string, username: string): number {
    const nowMs = this.#nowMs();
    const key = `${address} ${username}`;
    let entry = this.#tries.get(key);
    if (entry === undefined || entry.endsMs <= nowMs) {
      if (this.#tries.size >= REMEMBERED) this.#forget(nowMs);
      entry = { count: 0, endsMs: nowMs + WINDOW_MS };
      this.#tries.set(key, entry);
    }
    entry.count += 1;
    return entry.count > TRIES ? Math.ceil((entry.endsMs - nowMs) / 1000) : 0;
  }

  clear(address: string, username: string): void {
    this.#tries.delete(`${address} ${username}`);
  }

  /** Drops what has ended; where that is not enough, the oldest: memory stays bounded whatever is thrown at it. */
  #forget(nowMs: number): void {
    for (const [key, entry] of this.#tries) if (entry.endsMs <= nowMs) this.#tries.delete(key);
    for (const key of this.#tries.keys()) {
      if (this.#tries.size < REMEMBERED) return;
      this.#tries.delete(key);
    }
  }
}

/** @throws CloveError 'too-many-requests' */
export const tooManyTries = (seconds: number): CloveError =>
  new CloveError('too-many-requests', `too many tries to sign in: wait ${seconds} s and try again`);
