/** Passwords, tokens and the administrator. Secrets are kept as hashes only; a token is looked up by its sha256. */
import { createHash, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { CloveError, type GatewayEnv } from '@clove/contracts';
import { DEFAULT_TENANT, type Registry } from '@clove/store';
import { hash, verify } from '@node-rs/argon2';

/** The password that works as long as nobody else can reach the gateway. */
const LOCAL_PASSWORD = 'admin';

/** A new secret of 256 random bits. */
export const newToken = (): string => randomBytes(32).toString('base64url');

/** What the registry keeps of a token. The token has 256 bits, so a fast hash is enough and a lookup leaks nothing. */
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex');

/** argon2id, with the parameters that its authors' library recommends; off the event loop. */
export const hashPassword = (password: string): Promise<string> => hash(password);

let decoy: Promise<string> | undefined;

/**
 * Whether the password is that of the hash. Without a hash (no such user) the answer is no, after the same work, so that
 * the time tells nobody which users there are.
 */
export async function checkPassword(passwordHash: string | undefined, password: string): Promise<boolean> {
  decoy ??= hashPassword(newToken());
  const fits = await verify(passwordHash ?? (await decoy), password);
  return fits && passwordHash !== undefined;
}

/** True for an address or name that only this machine can reach: 127.0.0.0/8, ::1, localhost. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}

/** True where admin/admin is in force: bound to loopback and no password set. */
export const usesLocalPassword = (env: GatewayEnv): boolean =>
  isLoopback(env.HOST) && (env.CLOVE_ADMIN_PASSWORD ?? LOCAL_PASSWORD) === LOCAL_PASSWORD;

/** True for the one password that must never work where others can reach the gateway, whoever has it. */
export const isRefusedPassword = (env: GatewayEnv, password: string): boolean =>
  password === LOCAL_PASSWORD && !isLoopback(env.HOST);

/** @throws CloveError 'forbidden' where the gateway would be open to others with a password that everybody knows */
export function refuseOpenDoor(env: GatewayEnv): void {
  if (isLoopback(env.HOST)) return;
  if (env.CLOVE_ADMIN_PASSWORD === undefined || env.CLOVE_ADMIN_PASSWORD === LOCAL_PASSWORD) {
    throw new CloveError(
      'forbidden',
      `HOST is ${env.HOST}, which other machines can reach, so the administrator needs a password of its own: ` +
        `set CLOVE_ADMIN_PASSWORD to something other than "${LOCAL_PASSWORD}", or set HOST=127.0.0.1`,
    );
  }
}

/**
 * @throws CloveError 'conflict' where the environment says what this user's password is: another one would hold until the
 * next start only
 */
export function refuseFixedPassword(env: GatewayEnv, username: string): void {
  if (username !== env.CLOVE_ADMIN_USERNAME || env.CLOVE_ADMIN_PASSWORD === undefined) return;
  throw new CloveError(
    'conflict',
    `the password of ${username} is the one in CLOVE_ADMIN_PASSWORD: change it there and start the gateway again`,
  );
}

/**
 * Makes sure that the administrator and, if one is set, the API key of the environment exist. A password in the environment is
 * brought into force; without one, an administrator who is there keeps the one that was chosen.
 */
export async function ensureAdmin(env: GatewayEnv, registry: Registry): Promise<void> {
  refuseOpenDoor(env);
  const user = await administrator(env, registry);

  if (env.CLOVE_API_KEY === undefined) return;
  const keyHash = tokenHash(env.CLOVE_API_KEY);
  if ((await registry.apiKeys.find(keyHash)) !== null) return;
  try {
    await registry.apiKeys.create(user.id, {
      name: 'CLOVE_API_KEY of the environment',
      prefix: env.CLOVE_API_KEY.slice(0, 8),
      hash: keyHash,
      scope: 'write',
    });
  } catch (error) {
    if (!(error instanceof CloveError) || error.code !== 'conflict') throw error;
    // another gateway that starts at the same moment has just made it, or it is a key that was revoked
    if ((await registry.apiKeys.find(keyHash)) !== null) return;
    throw new CloveError('conflict', 'the key in CLOVE_API_KEY was revoked: set another one, or none', {
      cause: error,
    });
  }
}

async function administrator(env: GatewayEnv, registry: Registry): Promise<{ id: string }> {
  const username = env.CLOVE_ADMIN_USERNAME;
  const password = env.CLOVE_ADMIN_PASSWORD ?? LOCAL_PASSWORD;
  const found = await registry.users.find(username);
  if (found !== null && found.tenant.id !== DEFAULT_TENANT) {
    throw new CloveError(
      'conflict',
      `${username} is a user of the tenant ${found.tenant.name}: set CLOVE_ADMIN_USERNAME to a name that is free`,
    );
  }
  const inForce = found !== null && found.role === 'admin' && found.disabledAt === null;
  if (inForce && env.CLOVE_ADMIN_PASSWORD === undefined) return found;
  if (inForce && (await checkPassword(found.passwordHash, password))) return found;
  return registry.users.ensure({ username, passwordHash: await hashPassword(password) });
}
