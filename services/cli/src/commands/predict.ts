import { dirname, resolve } from 'node:path';
import { CloveError, StartPrediction } from '@clove/contracts';
import { type Context, given, text } from '../context.js';
import { predictionFlags } from '../flags/groups.js';
import { checked, ingestOptions } from '../flags/requests.js';
import { checkOutput, predictionFormat } from '../files.js';
import { amount, count } from '../screen/format.js';
import { distinctWarnings, printPredictionRows } from '../screen/views.js';
import { dataPaths, isLocal, remoteDataset, requireModel } from './data.js';

/** `clove predict`: one row per customer into a CSV or Parquet file. */
export const predict = async (ctx: Context): Promise<void> => {
  const out = text(ctx, 'out') ?? './predictions.csv';
  predictionFormat(out);
  await checkOutput(dirname(resolve(out)));
  const asOf = text(ctx, 'asOf');
  const includeInputs = given(ctx, 'includeInputs');
  if (isLocal(ctx)) {
    const model = text(ctx, 'model');
    if (model === undefined)
      throw new CloveError(
        'invalid-input',
        '--model is missing: name the folder that clove train --local has written.',
      );
    const { predictLocally } = await import('../local/flows.js');
    const made = await predictLocally(ctx, {
      data: dataPaths(ctx),
      reading: ingestOptions(ctx),
      model,
      asOf,
      includeInputs,
      out,
    });
    printPredictionRows(ctx.screen, made.preview, `First rows of ${made.file}`);
    ctx.screen.print(
      '',
      `${count(made.summary.customers)} customers, total ${amount(made.summary.total)}, mean ${amount(made.summary.mean)}`,
    );
    ctx.screen.result({
      prediction: { id: null, rows: made.rows, file: made.file, asOf: made.asOf, summary: made.summary },
      warnings: distinctWarnings(made.warnings),
      seconds: made.seconds,
    });
    return;
  }
  const [{ connect }, flows] = await Promise.all([import('../remote/connect.js'), import('../remote/flows.js')]);
  const client = connect(ctx);
  const model = text(ctx, 'model');
  await requireModel(client, StartPrediction.shape.model.parse(model));
  const { dataset, profile, seconds: ingest } = await remoteDataset(ctx, client);
  const body = checked(
    StartPrediction,
    { ...predictionFlags.read(ctx.values), ...(model === undefined ? {} : { model }), datasetId: dataset.id },
    [predictionFlags],
  );
  const { prediction, file, preview, seconds } = await flows.predict(ctx, client, body, () => out);
  printPredictionRows(ctx.screen, preview, `First rows of ${file}`);
  ctx.screen.print(
    '',
    `${count(prediction.rows)} customers, total ${amount(prediction.summary?.total)}, mean ${amount(prediction.summary?.mean)}; by ${prediction.model}@${prediction.version}`,
  );
  ctx.screen.result({
    dataset: { id: dataset.id, kind: dataset.kind, rows: dataset.rows, customers: dataset.customers },
    prediction: {
      id: prediction.id,
      model: prediction.model,
      version: prediction.version,
      rows: prediction.rows,
      file,
      asOf: prediction.asOf,
      summary: prediction.summary,
    },
    warnings: distinctWarnings([...profile.warnings, ...prediction.warnings]),
    seconds: { ingest, predict: seconds },
  });
};
