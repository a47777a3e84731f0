import { z } from 'zod';
import { Instant, Name, idOf } from './common.js';

export const Login = z.object({ username: z.string().min(1).max(100), password: z.string().min(1).max(1000) });
export type Login = z.infer<typeof Login>;

export const User = z.object({ id: idOf('usr'), username: z.string(), createdAt: Instant });
export type User = z.infer<typeof User>;

export const CreateApiKey = z.object({ name: Name });
export type CreateApiKey = z.infer<typeof CreateApiKey>;

/** An API key as listed; the secret itself is shown once, when it is made. */
export const ApiKey = z.object({
  id: idOf('key'),
  name: Name,
  prefix: z.string().describe('the first characters of the secret, to recognise it by'),
  createdAt: Instant,
  lastUsedAt: Instant.nullable(),
  revokedAt: Instant.nullable(),
});
export type ApiKey = z.infer<typeof ApiKey>;
export const NewApiKey = ApiKey.extend({ secret: z.string() });
export type NewApiKey = z.infer<typeof NewApiKey>;
