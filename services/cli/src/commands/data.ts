import { CloveError, idOf, type ModelRef } from '@clove/contracts';
import { type Context, given, text, texts } from '../context.js';
import { ingestOptions } from '../flags/requests.js';
import type { GatewayClient } from '../remote/client.js';

/** Whether the command works alone, without a server. */
export const isLocal = (ctx: Context): boolean => {
  const local = given(ctx, 'local');
  if (local && text(ctx, 'url') !== undefined)
    throw new CloveError('invalid-input', '--local needs no server: leave --url out, or leave --local out.');
  if (local && text(ctx, 'dataset') !== undefined)
    throw new CloveError(
      'invalid-input',
      '--dataset names a dataset of a server: with --local, give files with --data.',
    );
  return local;
};

/** The paths of `--data`; at least one. */
export const dataPaths = (ctx: Context): string[] => {
  const paths = texts(ctx, 'data');
  if (paths.length === 0)
    throw new CloveError('invalid-input', '--data is missing: name a CSV or Parquet file, or a folder of them.');
  return paths;
};

/** Sees that a model is there before files are sent for it: a wrong name should leave no dataset behind. */
export const requireModel = async (client: GatewayClient, reference: ModelRef): Promise<void> => {
  const { resolveVersion } = await import('./models.js');
  // A version id says by itself which model it belongs to; the gateway finds it.
  if (!idOf('ver').safeParse(reference).success) await resolveVersion(client, reference);
};

/** The dataset of the gateway that `--dataset` names, or a new one from the files of `--data`. */
export const remoteDataset = async (ctx: Context, client: GatewayClient) => {
  const flows = await import('../remote/flows.js');
  const id = text(ctx, 'dataset');
  if (id !== undefined) {
    if (texts(ctx, 'data').length > 0)
      throw new CloveError('invalid-input', 'Give either --dataset or --data, not both.');
    return flows.existingDataset(ctx, client, id);
  }
  if (texts(ctx, 'data').length === 0)
    throw new CloveError(
      'invalid-input',
      '--data is missing: name files to upload, or with --dataset one that is there.',
    );
  return flows.uploadDataset(ctx, client, {
    data: dataPaths(ctx),
    options: ingestOptions(ctx),
    name: text(ctx, 'name'),
  });
};
