import { z } from 'zod';

/** Any JSON value, as it travels in request bodies, job results and artifacts. */
export const Json = z.json();
export type Json = z.infer<typeof Json>;

/**
 * Identifier of a resource: a short prefix naming its kind, `_`, then 22 lower-case letters and digits.
 * Safe in URLs, file names and queue job ids; carries no meaning beyond the prefix.
 */
export const idOf = <P extends string>(prefix: P) =>
  z.templateLiteral([z.literal(prefix), '_', z.string().regex(/^[0-9a-z]{22}$/)], {
    error: `must be an id: "${prefix}_" and 22 letters and digits`,
  });

/** Prefixes in use, by resource. */
export const ID_PREFIX = {
  tenant: 'tnt',
  user: 'usr',
  session: 'ses',
  apiKey: 'key',
  dataset: 'ds',
  job: 'job',
  run: 'run',
  leaderboard: 'lbd',
  aliasMove: 'mov',
  auditEntry: 'aud',
  modelImport: 'imp',
  model: 'mdl',
  version: 'ver',
  evaluation: 'evl',
  prediction: 'prd',
  erasure: 'ers',
} as const;
export type IdKind = keyof typeof ID_PREFIX;

/** A calendar day, `YYYY-MM-DD`, in UTC. */
export const Day = z.iso.date();
export type Day = z.infer<typeof Day>;

/** An instant in UTC, ISO 8601 with milliseconds. */
export const Instant = z.iso.datetime();
export type Instant = z.infer<typeof Instant>;

/** A name that a user gives: models, aliases, datasets. Shown everywhere, so kept printable and short. */
export const Name = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}]+$/u, 'must not contain control characters');

/** A name that appears inside references such as `shop@champion`: letters, digits, `.`, `_`, `-`. */
export const Slug = z
  .string()
  .min(1)
  .max(60)
  .regex(/^[A-Za-z][A-Za-z0-9._-]*$/, 'must start with a letter and hold only letters, digits, ".", "_" and "-"');

/** Cursor paging: `cursor` is opaque and comes from the page before. */
export const PageQuery = z.object({
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export type PageQuery = z.infer<typeof PageQuery>;

/** One page of a list; `next` is the cursor of the page after it, null on the last. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() });
export type Page<T> = { items: T[]; next: string | null };

/** Something that the system noticed and decided; reported, counted, never swallowed. */
export const Warning = z.object({
  code: z.string().describe('stable, kebab-case'),
  message: z.string().describe('what was seen, what was done about it, and what the user may do'),
  count: z.number().int().nonnegative().optional().describe('rows or values concerned'),
});
export type Warning = z.infer<typeof Warning>;

/** A zod schema producing `T`; lets packages that do not import zod accept one. */
export type Schema<T> = z.ZodType<T>;
