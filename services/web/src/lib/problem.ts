import type { Problem } from '../api/generated/clove-api.js';

/** An error in words: what is wrong, and what to do about it. */
export type Failure = {
  title: string;
  detail: string;
  code: string | null;
  requestId: string | null;
  /** one entry per bad field: a JSON pointer and what is wrong with it */
  errors: readonly { pointer: string; detail: string }[];
  gates: NonNullable<Problem['gates']>;
  /** HTTP status; null where no answer came */
  status: number | null;
};

const plain = (title: string, detail: string, status: number | null = null): Failure => ({
  title,
  detail,
  code: null,
  requestId: null,
  errors: [],
  gates: [],
  status,
});

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'code' in value && 'detail' in value;

/** Reads whatever RTK Query, an upload or a render threw. */
export const failureOf = (error: unknown): Failure => {
  if (typeof error === 'object' && error !== null && 'status' in error) {
    const { status, data } = error as { status: unknown; data?: unknown };
    if (isProblem(data)) {
      const { title, detail, code, requestId, errors = [], gates = [] } = data;
      return { title, detail, code, requestId, errors, gates, status: data.status };
    }
    if (status === 'FETCH_ERROR' || status === 'TIMEOUT_ERROR') {
      return plain('Clove does not answer', 'Check the connection. This page tries again by itself when it is back.');
    }
    const code = typeof status === 'number' ? status : null;
    return plain(
      'Something went wrong',
      'The answer could not be read. Try again; if it stays, look at the log of the gateway.',
      code,
    );
  }
  if (error instanceof Error) return plain('Something went wrong', error.message);
  return plain('Something went wrong', String(error));
};

/** What is wrong with a field of a form: its JSON pointer (`/horizonDays`) without the part of the request before it. */
export const fieldError = (failure: Failure | null, field: string): string | undefined =>
  failure?.errors.find(({ pointer }) => pointer === `/${field}` || pointer.endsWith(`/${field}`))?.detail;
