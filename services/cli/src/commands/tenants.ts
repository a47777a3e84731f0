import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CloveError, CreateTenant } from '@clove/contracts';
import { type Context, text } from '../context.js';
import { checked } from '../flags/requests.js';
import { connect } from '../remote/connect.js';
import { printTable } from '../screen/views.js';

/** `clove tenants list`. */
export const list = async (ctx: Context): Promise<void> => {
  const page = await connect(ctx).tenants();
  printTable(
    ctx.screen,
    [{ title: 'tenant' }, { title: 'id' }, { title: 'created' }],
    page.items.map(({ name, id, createdAt }) => [name, id, createdAt.slice(0, 16).replace('T', ' ')]),
  );
  ctx.screen.result(page);
};

/** The first line of the file that `--password-file` names; undefined without one. */
const passwordOf = async (ctx: Context): Promise<string | undefined> => {
  const path = text(ctx, 'passwordFile');
  if (path === undefined) return undefined;
  try {
    return (await readFile(path, 'utf8')).split(/\r?\n/, 1)[0];
  } catch (error) {
    throw new CloveError('not-found', `--password-file ${path} cannot be read.`, { cause: error });
  }
};

/** `clove tenants create NAME --admin USERNAME`: a tenant, and the user who makes its others. A password that is made up is shown this once. */
export const create = async (ctx: Context, name: string): Promise<void> => {
  const given = await passwordOf(ctx);
  const username = text(ctx, 'admin') ?? '';
  const password = given ?? randomBytes(18).toString('base64url');
  const tenant = await connect(ctx).createTenant(checked(CreateTenant, { name, admin: { username, password } }, []));
  ctx.screen.print(
    `${ctx.screen.bold(tenant.name)}  ${tenant.id}`,
    given === undefined
      ? `  ${username} signs in with the password ${password} and should choose another one in the settings. It is shown this once.`
      : `  ${username} signs in with the password of the file.`,
  );
  ctx.screen.result({ ...tenant, admin: { username, ...(given === undefined ? { password } : {}) } });
};
