import type { CloveError, Reply } from '@clove/contracts';

/** The reply to a question that cannot be answered. */
export type Refusal = Extract<Reply, { ok: false }>;

/** What a user is told of an error. */
export const refusalOf = ({ code, message, errors }: CloveError): Refusal => {
  const pointer = errors[0]?.pointer;
  return { ok: false, error: { code, message, ...(pointer === undefined ? {} : { pointer }) } };
};
