import { ApiKey, Name, User } from '@clove/contracts';
import { check, notFound, shown, type Database } from './database.js';
import type { ApiKeyModel, UserModel } from './generated/models.js';
import { newId } from './ids.js';
import type { ApiKeys, Sessions, Users } from './registry.js';

/** How exactly `lastUsedAt` of a key is kept: writing it at every request would cost a write a request. */
const LAST_USED_STEP_MS = 60_000;

const toUser = ({ id, username, createdAt }: UserModel): User =>
  shown(User, { id, username, createdAt: createdAt.toISOString() }, `user (${id})`);

const toApiKey = (row: ApiKeyModel): ApiKey =>
  shown(
    ApiKey,
    {
      id: row.id,
      name: row.name,
      prefix: row.prefix,
      createdAt: row.createdAt.toISOString(),
      lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
      revokedAt: row.revokedAt?.toISOString() ?? null,
    },
    `API key (${row.id})`,
  );

export function openUsers(db: Database): Users {
  return {
    ensure: async ({ username, passwordHash }) =>
      toUser(
        await db.user.upsert({
          where: { username },
          create: { id: newId('user'), username, passwordHash },
          update: { passwordHash },
        }),
      ),
    find: (username) =>
      db.user.findUnique({ where: { username }, select: { id: true, username: true, passwordHash: true } }),
    get: async (id) => {
      const row = await db.user.findUnique({ where: { id } });
      if (row === null) throw notFound('user', id);
      return toUser(row);
    },
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
        where: { tokenHash, expiresAt: { gt: new Date() } },
        include: { user: true },
      });
      return row === null ? null : toUser(row.user);
    },
    remove: async (tokenHash) => {
      await db.session.deleteMany({ where: { tokenHash } });
    },
  };
}

export function openApiKeys(db: Database): ApiKeys {
  return {
    create: async (userId, { name, prefix, hash }) =>
      toApiKey(
        await db.apiKey.create({
          data: { id: newId('apiKey'), userId, name: check(Name, name, 'name of the API key'), prefix, hash },
        }),
      ),
    list: async (userId) => {
      const rows = await db.apiKey.findMany({ where: { userId }, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }] });
      return rows.map(toApiKey);
    },
    find: async (hash) => {
      const row = await db.apiKey.findUnique({ where: { hash, revokedAt: null }, include: { user: true } });
      if (row === null) return null;
      const now = new Date();
      const noted = new Date(now.getTime() - LAST_USED_STEP_MS);
      if (row.lastUsedAt === null || row.lastUsedAt < noted) {
        // of many requests at once one writes
        await db.apiKey.updateMany({
          where: { id: row.id, OR: [{ lastUsedAt: null }, { lastUsedAt: { lt: noted } }] },
          data: { lastUsedAt: now },
        });
      }
      return toUser(row.user);
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
