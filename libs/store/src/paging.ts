import { CloveError, type Page, type PageQuery } from '@clove/contracts';

type Row = { id: string; createdAt: Date };

/** Newest first; the id decides between rows of one instant. */
const NEWEST_FIRST: { createdAt?: 'desc'; id?: 'desc' }[] = [{ createdAt: 'desc' }, { id: 'desc' }];

const encode = (row: Row): string => Buffer.from(`${row.createdAt.toISOString()} ${row.id}`).toString('base64url');

function decode(cursor: string): Row {
  const text = Buffer.from(cursor, 'base64url').toString();
  const [, instant = '', id = ''] = /^(\S{24}) ([0-9a-z]+_[0-9a-z]{22})$/.exec(text) ?? [];
  const createdAt = new Date(instant);
  if (id === '' || Number.isNaN(createdAt.getTime())) {
    throw new CloveError('bad-request', 'The cursor is not one that a list gave; leave it out to start from the top.', {
      pointer: '/cursor',
    });
  }
  return { createdAt, id };
}

/**
 * One page of a list that is ordered by (createdAt, id), newest first. Rows that are added while someone pages appear
 * at the top and move no others: no row is seen twice or left out.
 * @param find one query; `where` must be joined to its own by AND
 */
export async function page<R extends Row, T>(
  query: PageQuery,
  find: (args: {
    where: { createdAt?: { lte: Date }; OR?: ({ createdAt: { lt: Date } } | { id: { lt: string } })[] };
    orderBy: typeof NEWEST_FIRST;
    take: number;
  }) => Promise<R[]>,
  show: (row: R) => T,
): Promise<Page<T>> {
  const after = query.cursor === undefined ? undefined : decode(query.cursor);
  const rows = await find({
    // the first condition is implied by the second, and lets the index be used
    where:
      after === undefined
        ? {}
        : {
            createdAt: { lte: after.createdAt },
            OR: [{ createdAt: { lt: after.createdAt } }, { id: { lt: after.id } }],
          },
    orderBy: NEWEST_FIRST,
    take: query.limit + 1,
  });
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  return { items: items.map(show), next: rows.length > items.length && last !== undefined ? encode(last) : null };
}
