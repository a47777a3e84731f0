import { readFile } from 'node:fs/promises';
import { CloveError, ERASURE_CUSTOMERS, type Erasure } from '@clove/contracts';
import { type Context, given, number, text, texts } from '../context.js';
import { connect } from '../remote/connect.js';
import { erase as eraseCustomers } from '../remote/flows.js';
import { count } from '../screen/format.js';
import { printTable } from '../screen/views.js';

/** Ids from `--customer` and from the lines of `--from`, each once. */
const customersOf = async (ctx: Context): Promise<string[]> => {
  const file = text(ctx, 'from');
  let lines: string[] = [];
  if (file !== undefined) {
    try {
      lines = (await readFile(file, 'utf8')).replace(/^\ufeff/, '').split(/\r?\n/);
    } catch (error) {
      throw new CloveError(
        'invalid-input',
        `The file ${file} cannot be read: name a file with one customer id a line.`,
        {
          cause: error,
        },
      );
    }
  }
  const ids = [...texts(ctx, 'customer'), ...lines].map((id) => id.trim()).filter((id) => id !== '');
  if (ids.length === 0) {
    throw new CloveError('invalid-input', 'Say whom to erase: --customer ID, or --from FILE with one id a line.');
  }
  return [...new Set(ids)];
};

const printErasure = (ctx: Context, { result }: Erasure): void => {
  const { found, datasets, datasetRows, rejectedValues, uploads, predictions, predictionRows, texts: said } = result;
  if (found + uploads + rejectedValues + said === 0) ctx.screen.print('Nobody was found: nothing had to be changed.');
  else
    ctx.screen.print(
      `  datasets     ${count(datasets)} written anew without ${count(datasetRows)} rows`,
      `  predictions  ${count(predictions)} written anew without ${count(predictionRows)} rows`,
      `  uploads      files of ${count(uploads)} datasets removed`,
      `  messages     ${count(rejectedValues + said)} with an id`,
      'Models hold no rows and stay. Backups and logs were not searched.',
    );
  ctx.screen.warn(result.warnings);
};

const list = async (ctx: Context): Promise<void> => {
  const page = await connect(ctx).erasures(number(ctx, 'limit') ?? 20);
  if (page.items.length === 0) ctx.screen.print('No erasures.');
  else
    printTable(
      ctx.screen,
      [
        { title: 'erasure' },
        { title: 'status' },
        { title: 'asked for', align: 'right' },
        { title: 'found', align: 'right' },
        { title: 'datasets', align: 'right' },
        { title: 'predictions', align: 'right' },
        { title: 'when' },
      ],
      page.items.map(({ id, status, customers, result, createdAt }) => [
        id,
        status,
        count(customers),
        count(result.found),
        count(result.datasets),
        count(result.predictions),
        createdAt.slice(0, 16).replace('T', ' '),
      ]),
    );
  ctx.screen.result(page);
};

/** `clove erase`: takes customers out of all datasets and predictions of the gateway; `--list` shows what was erased before. */
export const erase = async (ctx: Context): Promise<void> => {
  if (given(ctx, 'list')) return list(ctx);
  const customers = await customersOf(ctx);
  const client = connect(ctx);
  const done: Erasure[] = [];
  for (let at = 0; at < customers.length; at += ERASURE_CUSTOMERS) {
    const erasure = await eraseCustomers(ctx, client, customers.slice(at, at + ERASURE_CUSTOMERS));
    printErasure(ctx, erasure);
    done.push(erasure);
  }
  ctx.screen.result({ items: done });
};
