/** Stable reasons why the engine refuses or fails. */
export type EngineErrorCode =
  /** An operation that the tracer cannot record, or whose gradient has no rule. */
  | 'unsupported-op'
  /** An array, tensor or state whose size does not fit the network. */
  | 'size-mismatch'
  /** A network, loss or option that cannot be compiled. */
  | 'invalid-network'
  /** A number outside the range that it must lie in. */
  | 'invalid-value'
  /** Bytes that are not what they claim to be. */
  | 'invalid-file'
  /** Use before `load`, or after `release`. */
  | 'not-ready'
  /** A backend that this machine or this installation does not have. */
  | 'backend-missing'
  /** onnxruntime refused a graph or failed to run it. */
  | 'runtime';

/** The one error that the engine throws on purpose. `code` is stable; `message` says what is wrong and what to do. */
export class EngineError extends Error {
  override readonly name: string = 'EngineError';
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
