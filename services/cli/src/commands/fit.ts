import { readFile } from 'node:fs/promises';
import { CloveError } from '@clove/contracts';
import { type Context, text } from '../context.js';
import { findFiles } from '../files.js';
import { FITTED_MODELS, type FitInput, type FittedModel, readSummary } from '../fit-input.js';
import { ingestOptions } from '../flags/requests.js';
import { count } from '../screen/format.js';
import { printTable } from '../screen/views.js';
import { dataPaths } from './data.js';

/** Larger files are order files, or belong to another program. */
const LARGEST_SUMMARY_BYTES = 512 * 1024 ** 2;

/** The one text file that may be a summary; undefined for Parquet, for compressed files and for several. */
const summaryText = async (paths: readonly string[]): Promise<{ name: string; text: string } | undefined> => {
  const [file, ...more] = await findFiles(paths);
  if (file === undefined || more.length > 0 || /\.(parquet|pq|gz)$/i.test(file.name)) return undefined;
  const content = await readFile(file.path);
  return content.length > LARGEST_SUMMARY_BYTES ? undefined : { name: file.name, text: content.toString('utf8') };
};

const inputOf = async (ctx: Context, model: FittedModel): Promise<FitInput> => {
  const data = dataPaths(ctx);
  const reading = ingestOptions(ctx);
  const saysOrders = reading.preset !== undefined || Object.keys(reading.mapping).length > 0;
  const summary = saysOrders ? undefined : await summaryText(data);
  const input = summary && readSummary(model, summary.text, summary.name);
  if (input) return input;
  if (model === 'bg-bb' || model === 'sbg')
    throw new CloveError('kind-mismatch', `${model} is fitted to one summary CSV: see clove fit --help.`);
  const { historiesLocally } = await import('../local/flows.js');
  return historiesLocally(ctx, { data, reading, asOf: text(ctx, 'asOf') });
};

const figure = (value: number | null): string => (value === null ? '–' : value.toPrecision(6));

/** `clove fit MODEL`: maximum likelihood on an order history or a summary of one. */
export const fit = async (ctx: Context, name: string): Promise<void> => {
  const model = FITTED_MODELS.find((one) => one === name);
  if (model === undefined)
    throw new CloveError('invalid-input', `There is no model ${name}: ${FITTED_MODELS.join(', ')}.`);
  const input = await inputOf(ctx, model);
  const { fitLocally } = await import('../local/flows.js');
  const { output, seconds } = await fitLocally(ctx, model, input);
  printTable(
    ctx.screen,
    [{ title: 'parameter' }, { title: 'estimate', align: 'right' }, { title: 'standard error', align: 'right' }],
    Object.entries(output.parameters).map(([parameter, value]) => [
      parameter,
      figure(value),
      figure(output.standardErrors[parameter] ?? null),
    ]),
  );
  ctx.screen.print(
    '',
    `Log-likelihood ${output.logLikelihood.toFixed(3)} over ${count(output.customers)} customers; time in ${output.unit}.`,
  );
  if (output.assumed !== null) ctx.screen.print(output.assumed);
  if (output.atBorder.length > 0)
    ctx.screen.print(`At a border, so that any more would do as well: ${output.atBorder.join(', ')}.`);
  ctx.screen.result({ ...output, seconds: { fit: seconds } });
};
