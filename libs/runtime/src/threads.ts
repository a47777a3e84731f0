/**
 * Runs `script` in a worker thread and resolves with what its `serveThread` work returns.
 * A CloveError thrown there arrives as the same CloveError; any other error and a crash arrive as `internal`.
 * An abort is passed on; where the thread has not ended 10 s later it is terminated, and the abort's reason thrown.
 */
export function runInThread<I, M, O>(
  _script: URL,
  _input: I,
  _o: { signal?: AbortSignal; onMessage?: (message: M) => void },
): Promise<O> {
  throw new Error('being written');
}

/** Called once by a thread script: does `work` on the input of `runInThread`. */
export function serveThread<I, M, O>(
  _work: (input: I, io: { signal: AbortSignal; post(message: M): void }) => Promise<O>,
): void {
  throw new Error('being written');
}
