import type { ColumnProfile, DatasetProfile } from '@clove/contracts';
import { type Context, text } from '../context.js';
import { ingestOptions } from '../flags/requests.js';
import { amount, count, percent } from '../screen/format.js';
import { distinctWarnings, printTable } from '../screen/views.js';
import { dataPaths, isLocal, remoteDataset } from './data.js';

const cell = (type: ColumnProfile['type'], x: number | string | null): string => {
  if (typeof x === 'number') return type === 'integer' ? count(x) : amount(x);
  return (x ?? '').replace('T00:00:00.000Z', '').slice(0, 24);
};

const print = (ctx: Context, profile: DatasetProfile) => {
  printTable(
    ctx.screen,
    [
      { title: 'column' },
      { title: 'role' },
      { title: 'type' },
      { title: 'missing', align: 'right' },
      { title: 'distinct', align: 'right' },
      { title: 'min', align: 'right' },
      { title: 'median', align: 'right' },
      { title: 'max', align: 'right' },
    ],
    profile.columns.map((column) => [
      column.name.slice(0, 40),
      column.role,
      column.type,
      column.missing === 0 ? '' : percent(column.missing / profile.rows),
      count(column.distinct),
      cell(column.type, column.min),
      cell(column.type, column.quantiles?.p50 ?? null),
      cell(column.type, column.max),
    ]),
  );
  const mapping = Object.entries(profile.reading?.mapping ?? {});
  if (mapping.length > 0)
    ctx.screen.print('', `Read as ${mapping.map(([meaning, column]) => `${meaning} = ${column}`).join(', ')}`);
};

/** `clove ingest`: files into a dataset, of the gateway or in a folder. */
export const ingest = async (ctx: Context): Promise<void> => {
  if (isLocal(ctx)) {
    const { ingestLocally } = await import('../local/flows.js');
    const out = text(ctx, 'out') ?? './dataset';
    const { folder, profile, seconds } = await ingestLocally(ctx, {
      data: dataPaths(ctx),
      options: ingestOptions(ctx),
      out,
    });
    print(ctx, profile);
    ctx.screen.print('', `Dataset folder: ${folder}`);
    ctx.screen.result({
      dataset: { id: null, folder, profile },
      warnings: distinctWarnings(profile.warnings),
      seconds: { ingest: seconds },
    });
    return;
  }
  const { connect } = await import('../remote/connect.js');
  const { dataset, profile, seconds } = await remoteDataset(ctx, connect(ctx));
  print(ctx, profile);
  ctx.screen.print('', `Dataset ${dataset.id} is ready: clove train --dataset ${dataset.id}`);
  ctx.screen.result({
    dataset: { ...dataset, profile },
    warnings: distinctWarnings(profile.warnings),
    seconds: { ingest: seconds },
  });
};
