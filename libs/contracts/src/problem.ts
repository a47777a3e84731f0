import { z } from 'zod';
import { GateResult } from './gates.js';

/**
 * Every error code that a user can meet, with its HTTP status. Codes are stable: clients may switch on them.
 */
export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request is not understood' },
  'invalid-input': { status: 422, title: 'The input does not fit its contract' },
  unauthenticated: { status: 401, title: 'Sign in first' },
  forbidden: { status: 403, title: 'Not allowed' },
  'not-found': { status: 404, title: 'No such thing' },
  'method-not-allowed': { status: 405, title: 'This method is not for this address' },
  conflict: { status: 409, title: 'Not possible in the present state' },
  'illegal-transition': { status: 409, title: 'Not possible in the present state' },
  'gate-failed': { status: 409, title: 'The version does not pass the gates' },
  'request-timeout': { status: 408, title: 'The request did not arrive in time' },
  'upload-too-large': { status: 413, title: 'The upload is too large' },
  'unsupported-media-type': { status: 415, title: 'This content type is not accepted here' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  'data-unreadable': { status: 422, title: 'The file cannot be read' },
  'data-empty': { status: 422, title: 'There is no data' },
  'column-missing': { status: 422, title: 'A column is missing' },
  'column-ambiguous': { status: 422, title: 'A column cannot be told' },
  'preset-mismatch': { status: 422, title: 'The files do not fit the preset' },
  'value-invalid': { status: 422, title: 'Too many values cannot be used' },
  'date-ambiguous': { status: 422, title: 'The dates can be read in two ways' },
  'target-missing': { status: 422, title: 'There is no target' },
  'target-constant': { status: 422, title: 'The target does not vary' },
  'not-enough-data': { status: 422, title: 'Not enough data' },
  'kind-mismatch': { status: 422, title: 'The dataset is of another kind' },
  'columns-mismatch': { status: 422, title: 'The columns do not fit the model' },
  'not-converged': { status: 422, title: 'The training did not converge' },
  cancelled: { status: 409, title: 'Cancelled' },
  'no-space': { status: 507, title: 'The store is full' },
  overloaded: { status: 503, title: 'Too much at once' },
  unavailable: { status: 503, title: 'A part of the system does not answer' },
  internal: { status: 500, title: 'Something went wrong' },
} as const;
export type ProblemCode = keyof typeof PROBLEMS;

/** RFC 9457 problem details, with the code, the request id, and a JSON pointer for each bad field. */
export const Problem = z.object({
  type: z.string().describe('urn:clove:problem:CODE'),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().describe('what is wrong and what to do'),
  instance: z.string().optional(),
  code: z.string(),
  requestId: z.string(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  gates: z.array(GateResult).optional().describe('gate-failed: what each gate says, with its figures'),
});
export type Problem = z.infer<typeof Problem>;

type Where = {
  gates?: readonly GateResult[];
  pointer?: string;
  errors?: { pointer: string; detail: string }[];
  cause?: unknown;
};

/**
 * The one error that Clove's packages throw on purpose. `code` is stable; `message` says what is wrong and what to do.
 * `retryable` is true where the same work may succeed later with nothing changed (a server away), so a job is tried again.
 */
export class CloveError extends Error {
  override readonly name: string = 'CloveError';
  readonly code: ProblemCode;
  readonly retryable: boolean;
  readonly errors: readonly { pointer: string; detail: string }[];
  /** of 'gate-failed': every gate, passed or not */
  readonly gates: readonly GateResult[];
  constructor(code: ProblemCode, message: string, where: Where & { retryable?: boolean } = {}) {
    super(message, where.cause === undefined ? undefined : { cause: where.cause });
    this.code = code;
    this.retryable = where.retryable ?? (code === 'unavailable' || code === 'overloaded');
    this.gates = where.gates ?? [];
    this.errors = where.errors ?? (where.pointer === undefined ? [] : [{ pointer: where.pointer, detail: message }]);
  }
}
