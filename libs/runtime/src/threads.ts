import { Worker, parentPort, workerData } from 'node:worker_threads';
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
type ToThread = { type: 'abort'; reason: Thrown };

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

/**
 * Runs `script` in a worker thread and resolves with what its `serveThread` work returns, once the thread has ended.
 * A CloveError thrown there arrives as the same CloveError; any other error and a crash arrive as `internal`, retryable.
 * An abort is passed on; where the thread has not ended 10 s later it is terminated, and the abort's reason thrown.
 * @param input anything that structured clone copies
 */
export function runInThread<I, M, O>(
  script: URL,
  input: I,
  o: { signal?: AbortSignal; onMessage?: (message: M) => void } = {},
): Promise<O> {
  return new Promise<O>((resolve, reject) => {
    o.signal?.throwIfAborted();
    const thread = new Worker(script, { workerData: input });
    let outcome: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    const terminateAfter = (limitMs: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => void thread.terminate(), limitMs);
    };
    const abort = () => {
      const given: unknown = o.signal?.reason;
      const reason = given instanceof CloveError ? given : new CloveError('cancelled', String(given), { cause: given });
      const said: ToThread = { type: 'abort', reason: pack(reason) };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage(said);
      terminateAfter(ABORT_LIMIT_MS);
    };
    o.signal?.addEventListener('abort', abort, { once: true });
    thread.on('message', (said: FromThread<M, O>) => {
      if (said.type === 'message') return o.onMessage?.(said.message);
      outcome = said.type === 'done' ? () => resolve(said.value) : () => reject(unpack(said.error));
      // The work is over; what keeps the thread alive now is forgotten handles.
      terminateAfter(EXIT_LIMIT_MS);
    });
    thread.on('error', (error) => {
      outcome ??= () =>
        reject(
          new CloveError('internal', `A worker thread crashed: ${error.message}`, { cause: error, retryable: true }),
        );
    });
    thread.on('exit', (code) => {
      clearTimeout(timer);
      o.signal?.removeEventListener('abort', abort);
      if (outcome !== undefined) return outcome();
      if (o.signal?.aborted === true) return reject(o.signal.reason as Error);
      reject(
        new CloveError('internal', `A worker thread ended with exit code ${code} before its work did.`, {
          retryable: true,
        }),
      );
    });
  });
}

/**
 * Called once by a thread script: does `work` on the input of `runInThread` and hands back its result or error.
 * `io.signal` aborts with the CloveError that the other side aborted with; `io.post` reaches its `onMessage`.
 */
export function serveThread<I, M, O>(
  work: (input: I, io: { signal: AbortSignal; post(message: M): void }) => Promise<O>,
): void {
  const port = parentPort;
  if (port === null) throw new CloveError('internal', 'serveThread works only inside a script that runInThread runs.');
  const abort = new AbortController();
  port.on('message', (said: ToThread) => abort.abort(unpack(said.reason)));
  const say = (said: FromThread<M, O>) => port.postMessage(said);
  work(workerData as I, { signal: abort.signal, post: (message) => say({ type: 'message', message }) })
    .then(
      (value) => say({ type: 'done', value }),
      (error: unknown) => say({ type: 'thrown', error: pack(error) }),
    )
    .catch((error: unknown) => say({ type: 'thrown', error: pack(error) }))
    .finally(() => port.close());
}
