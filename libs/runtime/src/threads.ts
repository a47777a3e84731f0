import { Worker, parentPort } from 'node:worker_threads';
import { CloveError, type ProblemCode } from '@clove/contracts';

const ABORT_LIMIT_MS = 10_000;
const EXIT_LIMIT_MS = 2_000;

/** An error in a form that crosses threads whole: structured clone drops a class and its fields. */
type Thrown = {
  code: ProblemCode;
  message: string;
  retryable: boolean;
  errors: { pointer: string; detail: string }[];
  stack: string | undefined;
};
type FromThread<M, O> =
  | { type: 'message'; message: M }
  | { type: 'done'; value: O }
  | { type: 'thrown'; error: Thrown };
type ToThread<I> = { type: 'run'; input: I } | { type: 'abort'; reason: Thrown } | { type: 'close' };

const pack = (error: unknown): Thrown => {
  if (error instanceof CloveError) {
    const { code, message, retryable, errors, stack } = error;
    return { code, message, retryable, errors: [...errors], stack };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message, retryable: true, errors: [], stack: (error as Error | undefined)?.stack };
};

const unpack = (thrown: Thrown): CloveError => {
  const { code, message, retryable, errors, stack } = thrown;
  const error = new CloveError(code, message, { errors, retryable });
  if (stack !== undefined) error.stack = stack;
  return error;
};

/** What a caller may ask of a run in a thread. */
type RunOptions<M> = { signal?: AbortSignal; onMessage?: (message: M) => void };

/** A worker thread that does one piece of work after the other. */
class Thread<I, M, O> {
  private readonly worker: Worker;
  private readonly ended: Promise<number>;
  private crash: Error | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** False once the thread has ended or is being ended. */
  alive = true;

  constructor(script: URL) {
    this.worker = new Worker(script);
    this.worker.on('error', (error) => {
      this.crash = error;
    });
    this.ended = new Promise((resolve) => {
      this.worker.once('exit', (code) => {
        this.alive = false;
        clearTimeout(this.timer);
        resolve(code);
      });
    });
  }

  async run(input: I, o: RunOptions<M>): Promise<O> {
    const abort = () => {
      const given: unknown = o.signal?.reason;
      const reason = given instanceof CloveError ? given : new CloveError('cancelled', String(given), { cause: given });
      this.say({ type: 'abort', reason: pack(reason) });
      this.terminateAfter(ABORT_LIMIT_MS);
    };
    o.signal?.throwIfAborted();
    const done = new Promise<() => O>((resolve) => {
      this.worker.on('message', (said: FromThread<M, O>) => {
        if (said.type === 'message') return o.onMessage?.(said.message);
        resolve(() => {
          if (said.type === 'done') return said.value;
          throw unpack(said.error);
        });
      });
    });
    o.signal?.addEventListener('abort', abort, { once: true });
    try {
      this.say({ type: 'run', input });
      const outcome = await Promise.race([done, this.ended.then((code) => () => this.loss(code, o.signal))]);
      return outcome();
    } finally {
      o.signal?.removeEventListener('abort', abort);
      this.worker.removeAllListeners('message');
      clearTimeout(this.timer);
    }
  }

  /** Resolves once the thread has ended. */
  async close(): Promise<void> {
    this.alive = false;
    this.say({ type: 'close' });
    // What keeps it alive after that is forgotten handles.
    this.terminateAfter(EXIT_LIMIT_MS);
    await this.ended;
  }

  private loss(code: number, signal: AbortSignal | undefined): never {
    if (signal?.aborted === true) throw signal.reason as Error;
    const what =
      this.crash === undefined
        ? `A worker thread ended with exit code ${code} before its work did.`
        : `A worker thread crashed: ${this.crash.message}`;
    throw new CloveError('internal', what, { cause: this.crash, retryable: true });
  }

  private say(said: ToThread<I>): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.worker.postMessage(said);
  }

  private terminateAfter(limitMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.worker.terminate(), limitMs);
  }
}

/**
 * Runs `script` in a worker thread and resolves with what its `serveThread` work returns, once the thread has ended.
 * A CloveError thrown there arrives as the same CloveError; any other error and a crash arrive as `internal`, retryable.
 * An abort is passed on; where the thread has not ended 10 s later it is terminated, and the abort's reason thrown.
 * @param input anything that structured clone copies
 */
export async function runInThread<I, M, O>(script: URL, input: I, o: RunOptions<M> = {}): Promise<O> {
  o.signal?.throwIfAborted();
  const thread = new Thread<I, M, O>(script);
  try {
    return await thread.run(input, o);
  } finally {
    await thread.close();
  }
}

/** Threads of one script that stay open from one piece of work to the next: loading it may cost more than the work. */
export interface ThreadPool<I, M, O> {
  readonly size: number;
  /** Like `runInThread`, on a thread that is free or the first that becomes so. */
  run(input: I, o?: RunOptions<M>): Promise<O>;
  /** Ends the threads once their work has ended. */
  close(): Promise<void>;
}

/** @param size threads at most; each is started when it is first needed */
export function openThreadPool<I, M, O>(script: URL, size: number): ThreadPool<I, M, O> {
  const idle: Thread<I, M, O>[] = [];
  const waiting: (() => void)[] = [];
  const busy = new Set<Promise<unknown>>();
  const work = async (input: I, o: RunOptions<M>): Promise<O> => {
    o.signal?.throwIfAborted();
    let thread = idle.pop();
    while (thread?.alive === false) thread = idle.pop();
    thread ??= new Thread<I, M, O>(script);
    try {
      return await thread.run(input, o);
    } finally {
      if (thread.alive) idle.push(thread);
    }
  };
  return {
    size,
    async run(input, o = {}) {
      while (busy.size >= size) await new Promise<void>((resolve) => waiting.push(resolve));
      const running = work(input, o);
      busy.add(running);
      try {
        return await running;
      } finally {
        busy.delete(running);
        waiting.shift()?.();
      }
    },
    async close() {
      await Promise.allSettled(busy);
      await Promise.all(idle.splice(0).map((thread) => thread.close()));
    },
  };
}

/**
 * Called once by a thread script: does `work` on each input that the other side gives and hands back its result or error.
 * `io.signal` aborts with the CloveError that the other side aborted with; `io.post` reaches its `onMessage`.
 */
export function serveThread<I, M, O>(
  work: (input: I, io: { signal: AbortSignal; post(message: M): void }) => Promise<O>,
): void {
  const port = parentPort;
  if (port === null) throw new CloveError('internal', 'serveThread works only inside a script that runInThread runs.');
  let abort = new AbortController();
  const say = (said: FromThread<M, O>) => port.postMessage(said);
  const run = async (input: I): Promise<void> => {
    abort = new AbortController();
    try {
      say({
        type: 'done',
        value: await work(input, { signal: abort.signal, post: (message) => say({ type: 'message', message }) }),
      });
    } catch (error) {
      say({ type: 'thrown', error: pack(error) });
    }
  };
  port.on('message', (said: ToThread<I>) => {
    if (said.type === 'run') void run(said.input);
    else if (said.type === 'abort') abort.abort(unpack(said.reason));
    else port.close();
  });
}
