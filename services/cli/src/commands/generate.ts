import { CloveError, GeneratorOptions, Name } from '@clove/contracts';
import { type Context, text } from '../context.js';
import { generatorFlags } from '../flags/groups.js';
import { checked } from '../flags/requests.js';
import { isLocal } from './data.js';

/** `clove generate`: synthetic data, into a file with `--out`, else into the gateway as a dataset. */
export const generate = async (ctx: Context): Promise<void> => {
  const options = checked(GeneratorOptions, { customers: 5000, ...generatorFlags.read(ctx.values) }, [generatorFlags]);
  const out = text(ctx, 'out');
  const local = isLocal(ctx);
  if (out !== undefined) {
    const { generateLocally } = await import('../local/flows.js');
    const { file, rows, seconds } = await generateLocally(ctx, { options, out });
    ctx.screen.print(file);
    ctx.screen.result({ file, rows, options, seconds: { generate: seconds } });
    return;
  }
  if (local)
    throw new CloveError('invalid-input', '--out is missing: name the file to write (.csv, .csv.gz or .parquet).');
  const [{ connect }, { generateDataset }] = await Promise.all([
    import('../remote/connect.js'),
    import('../remote/flows.js'),
  ]);
  const name = text(ctx, 'name');
  const { dataset, profile, seconds } = await generateDataset(ctx, connect(ctx), {
    ...options,
    ...(name === undefined ? {} : { name: checked(Name, name, []) }),
  });
  ctx.screen.print('', `Dataset ${dataset.id} is ready: clove train --dataset ${dataset.id}`);
  ctx.screen.result({ dataset: { ...dataset, profile }, warnings: profile.warnings, seconds: { generate: seconds } });
};
