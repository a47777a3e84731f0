import { z } from 'zod';
import { Instant, Name, PageQuery, Slug, idOf } from './common.js';

export const Login = z.object({ username: z.string().min(1).max(100), password: z.string().min(1).max(1000) });
export type Login = z.infer<typeof Login>;

/**
 * What a user may do, each with all that the ones after it may. `viewer`: read everything, score, look after the own account.
 * `analyst`: make and change datasets, models, predictions and jobs. `admin`: users.
 */
export const Role = z.enum(['admin', 'analyst', 'viewer']);
export type Role = z.infer<typeof Role>;

/** True where `role` may do what `needed` may. */
export const mayAct = (role: Role, needed: Role): boolean => Role.options.indexOf(role) <= Role.options.indexOf(needed);

/** A name to sign in with. */
export const Username = z
  .string()
  .min(1)
  .max(100)
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{N}.@_-]*$/u,
    'must start with a letter or digit and hold only letters, digits, ".", "@", "_" and "-"',
  );
/** A password that somebody chooses. */
export const NewPassword = z.string().min(8, 'must have at least 8 characters').max(1000);

/** An organisation that has its own users, data and models. Nothing of it is seen or changed from another one. */
export const Tenant = z.object({ id: idOf('tnt'), name: Slug, createdAt: Instant });
export type Tenant = z.infer<typeof Tenant>;

export const User = z.object({
  id: idOf('usr'),
  username: z.string(),
  tenant: Tenant.pick({ id: true, name: true }),
  role: Role,
  disabledAt: Instant.nullable().describe('set: the user cannot sign in and the keys of the user do not work'),
  createdAt: Instant,
});
export type User = z.infer<typeof User>;

/** `read`: nothing that changes anything. `write`: all that the role of its user may. */
export const KeyScope = z.enum(['read', 'write']);
export type KeyScope = z.infer<typeof KeyScope>;

/** Who asks, and by which credential. */
export const Me = User.extend({
  via: z.enum(['session', 'api-key']),
  scope: KeyScope,
  expiresAt: Instant.nullable().describe('when the session or the key runs out; null: it does not'),
});
export type Me = z.infer<typeof Me>;

/** Body of `POST /v1/users`. */
export const CreateUser = z.object({ username: Username, password: NewPassword, role: Role.default('analyst') });
export type CreateUser = z.infer<typeof CreateUser>;

/** Body of `POST /v1/tenants`: the tenant, and the administrator who makes its other users. */
export const CreateTenant = z.object({
  name: Slug,
  admin: CreateUser.pick({ username: true, password: true }),
});
export type CreateTenant = z.infer<typeof CreateTenant>;

/** Body of `PATCH /v1/users/{id}`: what is left out stays. A new password or `disabled` ends the sessions of the user. */
export const UpdateUser = z.object({
  role: Role.optional(),
  disabled: z.boolean().optional(),
  password: NewPassword.optional(),
});
export type UpdateUser = z.infer<typeof UpdateUser>;

/** Body of `PUT /v1/me/password`. */
export const ChangePassword = z.object({ current: z.string().min(1).max(1000), password: NewPassword });
export type ChangePassword = z.infer<typeof ChangePassword>;

export const CreateApiKey = z.object({
  name: Name,
  scope: KeyScope.default('write'),
  expiresAt: Instant.optional().describe('in the future; left out: the key does not run out'),
});
export type CreateApiKey = z.infer<typeof CreateApiKey>;

/** An API key as listed; the secret itself is shown once, when it is made. */
export const ApiKey = z.object({
  id: idOf('key'),
  name: Name,
  prefix: z.string().describe('the first characters of the secret, to recognise it by'),
  scope: KeyScope,
  createdAt: Instant,
  expiresAt: Instant.nullable(),
  lastUsedAt: Instant.nullable(),
  revokedAt: Instant.nullable(),
});
export type ApiKey = z.infer<typeof ApiKey>;
export const NewApiKey = ApiKey.extend({ secret: z.string() });
export type NewApiKey = z.infer<typeof NewApiKey>;

/** What an entry of the audit list is about. */
export const AuditResource = z.enum([
  'tenant',
  'user',
  'api-key',
  'session',
  'dataset',
  'run',
  'leaderboard',
  'model',
  'prediction',
  'evaluation',
  'erasure',
  'job',
]);
export type AuditResource = z.infer<typeof AuditResource>;

/** One change that somebody made through the API. */
export const AuditEntry = z.object({
  id: idOf('aud'),
  actor: z.string().describe('name of the user, as it was'),
  via: z.enum(['session', 'api-key']),
  action: z.string().describe('operationId of the request, such as setAlias'),
  resource: z
    .object({ type: AuditResource, id: z.string() })
    .nullable()
    .describe('a model by name, name@number or name@alias, anything else by id'),
  details: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .describe('what was asked for, without secrets'),
  requestId: z.string(),
  createdAt: Instant,
});
export type AuditEntry = z.infer<typeof AuditEntry>;

/** Query of `GET /v1/audit`. */
export const AuditQuery = PageQuery.extend({
  actor: z.string().max(100).optional(),
  action: z.string().max(100).optional(),
  resourceType: AuditResource.optional(),
  resourceId: z.string().max(200).optional().describe('a model also finds what was done to its versions and aliases'),
});
export type AuditQuery = z.infer<typeof AuditQuery>;
