import { AuditEntry } from '@clove/contracts';
import { check, json, shown, storable, type Database } from './database.js';
import type { Prisma } from './generated/client.js';
import { newId } from './ids.js';
import { page } from './paging.js';
import type { Audit } from './registry.js';

const Added = AuditEntry.omit({ id: true, createdAt: true });

export function openAudit(db: Database): Audit {
  return {
    add: async (entry) => {
      const { resource, details, actor, ...rest } = check(Added, entry, 'audit entry');
      await db.auditEntry.create({
        data: {
          id: newId('auditEntry'),
          ...rest,
          actor: storable(actor),
          resourceType: resource?.type ?? null,
          resourceId: resource?.id ?? null,
          details: json(details),
        },
      });
    },

    list: ({ actor, action, resourceType, resourceId, ...query }, hidden = []) => {
      const filters: Prisma.AuditEntryWhereInput[] = [];
      if (actor !== undefined) filters.push({ actor });
      if (action !== undefined) filters.push({ action });
      if (resourceType !== undefined) filters.push({ resourceType });
      if (resourceId !== undefined) {
        filters.push({ OR: [{ resourceId }, { resourceId: { startsWith: `${resourceId}@` } }] });
      }
      if (hidden.length > 0) filters.push({ OR: [{ resourceType: null }, { resourceType: { notIn: [...hidden] } }] });
      return page(
        query,
        ({ where, ...args }) => db.auditEntry.findMany({ ...args, where: { AND: [where, ...filters] } }),
        ({ resourceType: type, resourceId: id, createdAt, ...row }) =>
          shown(
            AuditEntry,
            { ...row, resource: type === null ? null : { type, id: id ?? '' }, createdAt: createdAt.toISOString() },
            `audit entry (${row.id})`,
          ),
      );
    },
  };
}
