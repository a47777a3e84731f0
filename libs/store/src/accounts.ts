import { ApiKey, CloveError, Instant, Name, Slug, Tenant, User, Username } from '@clove/contracts';
import { check, isTaken, notFound, shown, type Database, type Queryable } from './database.js';
import type { Prisma } from './generated/client.js';
import type { ApiKeyModel } from './generated/models.js';
import { newId } from './ids.js';
import { page } from './paging.js';
import type { ApiKeys, Sessions, Tenants, Users } from './registry.js';
import { DEFAULT_TENANT, ofTenant } from './tenancy.js';

/** How exactly `lastUsedAt` of a key is kept: writing it at every request would cost a write a request. */
const LAST_USED_STEP_MS = 60_000;

const withTenant = { tenant: { select: { id: true, name: true } } } as const satisfies Prisma.UserInclude;
type UserRow = Prisma.UserGetPayload<{ include: typeof withTenant }>;

const toUser = ({ id, username, tenant, role, disabledAt, createdAt }: UserRow): User =>
  shown(
    User,
    {
      id,
      username,
      tenant,
      role,
      disabledAt: disabledAt?.toISOString() ?? null,
      createdAt: createdAt.toISOString(),
    },
    `user (${id})`,
  );

const toApiKey = (row: ApiKeyModel): ApiKey =>
  shown(
    ApiKey,
    {
      id: row.id,
      name: row.name,
      prefix: row.prefix,
      scope: row.scope,
      createdAt: row.createdAt.toISOString(),
      expiresAt: row.expiresAt?.toISOString() ?? null,
      lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
      revokedAt: row.revokedAt?.toISOString() ?? null,
    },
    `API key (${row.id})`,
  );

/** Those who can administer users. */
const ADMINS = { role: 'admin', disabledAt: null } as const;

/** Says which name is taken: those of users are unique over the installation, also where their tenant is another one. */
async function named<T>(name: string, pointer: string, made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (error) {
    if (!isTaken(error)) throw error;
    throw new CloveError('conflict', `The name ${name} is taken already; choose another one.`, {
      pointer,
      cause: error,
    });
  }
}

const newUser = ({ username, passwordHash, role }: Parameters<Users['create']>[0]) => ({
  id: newId('user'),
  username: check(Username, username, 'user name'),
  passwordHash,
  role,
});

export function openTenants(db: Database): Tenants {
  const toTenant = ({ createdAt, ...row }: { id: string; name: string; createdAt: Date }): Tenant =>
    shown(Tenant, { ...row, createdAt: createdAt.toISOString() }, `tenant (${row.id})`);
  return {
    create: async ({ name, admin }) => {
      const row = { id: newId('tenant'), name: check(Slug, name, 'name of the tenant') };
      return db.$transaction(async (tx: Queryable) => {
        const tenant = await named(row.name, '/name', tx.tenant.create({ data: row }));
        const user = { ...newUser({ ...admin, role: 'admin' }), tenantId: tenant.id };
        await named(user.username, '/admin/username', tx.user.create({ data: user }));
        return toTenant(tenant);
      });
    },
    list: (query) => page(query, (args) => db.tenant.findMany(args), toTenant),
  };
}

export function openUsers(db: Database): Users {
  return {
    ensure: async ({ username, passwordHash }) => {
      const mine = { username, tenantId: DEFAULT_TENANT };
      const change = { passwordHash, role: 'admin', disabledAt: null } as const;
      const brought = async () => (await db.user.updateMany({ where: mine, data: change })).count > 0;
      if (!(await brought())) {
        const made = db.user.create({ data: { id: newId('user'), ...mine, ...change } });
        await named(username, '/username', made).catch(async (error: unknown) => {
          // another gateway that starts at the same moment has just made it, or it is a user of another tenant
          if (!(await brought())) throw error;
        });
      }
      return toUser(await db.user.findUniqueOrThrow({ where: mine, include: withTenant }));
    },

    create: async (input) => {
      const data = newUser(input);
      return toUser(await named(data.username, '/username', db.user.create({ data, include: withTenant })));
    },

    list: (query) => page(query, (args) => db.user.findMany({ ...args, include: withTenant }), toUser),

    find: async (username) => {
      const row = await db.user.findUnique({ where: { username }, include: withTenant });
      return row === null ? null : { ...toUser(row), passwordHash: row.passwordHash };
    },

    get: async (id) => {
      const row = await db.user.findUnique({ where: { id }, include: withTenant });
      if (row === null) throw notFound('user', id);
      return toUser(row);
    },

    update: (id, { role, disabled, passwordHash }) =>
      db.$transaction(async (tx) => {
        // every administrator's row: of two changes at once the second sees the outcome of the first
        const admins = await tx.$queryRaw<{ id: string }[]>`
          SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL AND ${ofTenant(tx, 'users')} ORDER BY id FOR UPDATE`;
        const row = await tx.user.findUnique({ where: { id } });
        if (row === null) throw notFound('user', id);
        const leaves = (role !== undefined && role !== ADMINS.role) || disabled === true;
        if (leaves && admins.length === 1 && admins[0]?.id === id) {
          throw new CloveError(
            'conflict',
            `${row.username} is the only administrator in force; make another one before.`,
          );
        }
        if (disabled === true || passwordHash !== undefined) {
          await tx.session.deleteMany({ where: { userId: id } });
        }
        return toUser(
          await tx.user.update({
            where: { id },
            data: {
              ...(role === undefined ? {} : { role }),
              ...(passwordHash === undefined ? {} : { passwordHash }),
              ...(disabled === undefined ? {} : { disabledAt: disabled ? (row.disabledAt ?? new Date()) : null }),
            },
            include: withTenant,
          }),
        );
      }),
  };
}

export function openSessions(db: Database): Sessions {
  return {
    create: async (userId, tokenHash, expiresAt) => {
      await db.session.deleteMany({ where: { userId, expiresAt: { lt: new Date() } } });
      await db.session.create({ data: { id: newId('session'), userId, tokenHash, expiresAt } });
    },
    find: async (tokenHash) => {
      const row = await db.session.findUnique({
        where: { tokenHash, expiresAt: { gt: new Date() }, user: { disabledAt: null } },
        include: { user: { include: withTenant } },
      });
      return row === null ? null : { user: toUser(row.user), expiresAt: row.expiresAt.toISOString() };
    },
    remove: async (tokenHash) => {
      await db.session.deleteMany({ where: { tokenHash } });
    },
    removeAll: async (userId) => {
      await db.session.deleteMany({ where: { userId } });
    },
  };
}

export function openApiKeys(db: Database): ApiKeys {
  return {
    create: async (userId, { name, prefix, hash, scope, expiresAt }) =>
      toApiKey(
        await db.apiKey.create({
          data: {
            id: newId('apiKey'),
            userId,
            name: check(Name, name, 'name of the API key'),
            prefix,
            hash,
            scope,
            expiresAt: expiresAt === undefined ? null : new Date(check(Instant, expiresAt, 'end of the API key')),
          },
        }),
      ),
    list: async (userId) => {
      const rows = await db.apiKey.findMany({ where: { userId }, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }] });
      return rows.map(toApiKey);
    },
    find: async (hash) => {
      const now = new Date();
      const row = await db.apiKey.findUnique({
        where: {
          hash,
          revokedAt: null,
          user: { disabledAt: null },
          OR: [{ expiresAt: null }, { expiresAt: { gt: now } }],
        },
        include: { user: { include: withTenant } },
      });
      if (row === null) return null;
      const noted = new Date(now.getTime() - LAST_USED_STEP_MS);
      if (row.lastUsedAt === null || row.lastUsedAt < noted) {
        // of many requests at once one writes
        await db.apiKey.updateMany({
          where: { id: row.id, OR: [{ lastUsedAt: null }, { lastUsedAt: { lt: noted } }] },
          data: { lastUsedAt: now },
        });
      }
      return { user: toUser(row.user), key: toApiKey(row) };
    },
    revoke: async (userId, id) => {
      const { count } = await db.apiKey.updateMany({
        where: { id, userId, revokedAt: null },
        data: { revokedAt: new Date() },
      });
      if (count === 0 && (await db.apiKey.count({ where: { id, userId } })) === 0) throw notFound('API key', id);
    },
  };
}
