import { CloveError } from '@clove/contracts';
import type { FastifyReply } from 'fastify';

const MINUTE_MS = 60_000;
const REMEMBERED = 10_000;

/**
 * Counts what comes from one source, named by a key, in windows of fixed length, in the memory of this process: several
 * gateways count each for itself.
 */
export class Throttle {
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #nowMs: () => number;
  readonly #counts = new Map<string, { count: number; endsMs: number }>();

  /** @param limit of what may come in one window @param windowMs a minute when left out */
  constructor(limit: number, windowMs: number = MINUTE_MS, nowMs: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#nowMs = nowMs;
  }

  /**
   * Notes what comes before it is dealt with, so that what comes at once is counted too.
   * @param amount 0 asks whether the limit was passed already
   * @returns seconds to wait, 0 where it may go on
   */
  note(key: string, amount = 1): number {
    const nowMs = this.#nowMs();
    let entry = this.#counts.get(key);
    if (entry === undefined || entry.endsMs <= nowMs) {
      if (this.#counts.size >= REMEMBERED) this.#forget(nowMs);
      entry = { count: 0, endsMs: nowMs + this.#windowMs };
      this.#counts.set(key, entry);
    }
    entry.count += amount;
    return entry.count > this.#limit ? Math.ceil((entry.endsMs - nowMs) / 1000) : 0;
  }

  clear(key: string): void {
    this.#counts.delete(key);
  }

  /** Drops what has ended; where that is not enough, the oldest: memory stays bounded whatever is thrown at it. */
  #forget(nowMs: number): void {
    for (const [key, entry] of this.#counts) if (entry.endsMs <= nowMs) this.#counts.delete(key);
    for (const key of this.#counts.keys()) {
      if (this.#counts.size < REMEMBERED) return;
      this.#counts.delete(key);
    }
  }
}

/**
 * @param waitSeconds 0 where there is room
 * @throws CloveError 'overloaded', with the time to wait in the header `Retry-After`, unless that is 0
 */
export function refuseOverload(reply: Pick<FastifyReply, 'header'>, waitSeconds: number, what: string): void {
  if (waitSeconds === 0) return;
  reply.header('retry-after', String(waitSeconds));
  throw new CloveError('overloaded', `${what}: wait ${waitSeconds} s and try again`);
}

/**
 * @param waitSeconds as `Throttle.note` gives them @param what there is too much of, as a sentence begins
 * @throws CloveError 'too-many-requests', with the time to wait in the header `Retry-After`, unless that is 0
 */
export function refuseTooMany(reply: Pick<FastifyReply, 'header'>, waitSeconds: number, what: string): void {
  if (waitSeconds === 0) return;
  reply.header('retry-after', String(waitSeconds));
  throw new CloveError('too-many-requests', `${what}: wait ${waitSeconds} s and try again`);
}
