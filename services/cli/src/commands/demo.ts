import { join } from 'node:path';
import { type EvaluationReport, type Metrics, StartPrediction, StartRun } from '@clove/contracts';
import { type Context, given, texts } from '../context.js';
import { registryFlags, sizeFlags, trainingFlags } from '../flags/groups.js';
import { checked, ingestOptions, trainingOptions } from '../flags/requests.js';
import { findFiles } from '../files.js';
import type { Stack } from '../launcher/launch.js';
import { createClient } from '../remote/client.js';
import * as flows from '../remote/flows.js';
import { count } from '../screen/format.js';
import { distinctWarnings, evaluationWarnings, printEvaluation, printPredictionRows } from '../screen/views.js';
import { partDied, printAddresses, startStack, stopStack, untilStopped } from './stack.js';

const DEFAULT_CUSTOMERS = 5000;
/** A model of its own, so that demos do not add versions to the user's. */
const MODEL_NAME = 'demo';

/** The eight figures that the JSON line names; all errors and biases of rates are fractions. */
const figures = ({ rmse, mae, r2, mape, totalBias, spearman, normalizedGini, decileMape }: Metrics) => ({
  rmse,
  mae,
  r2,
  mape,
  totalBias,
  spearman,
  normalizedGini,
  decileMape,
});

const evaluationFigures = (report: EvaluationReport) => ({
  protocol: report.protocol.name,
  testCustomers: report.testCustomers,
  metrics: figures(report.metrics),
  baselines: Object.fromEntries(Object.entries(report.baselines).map(([name, metrics]) => [name, figures(metrics)])),
});

/** Orders to scored customers over the REST API of a running stack. Returns what `--json` prints. */
const mainJob = async (ctx: Context, stack: Stack, setup: number) => {
  const client = createClient({ url: stack.url, apiKey: stack.apiKey, signal: ctx.signal });
  const data = texts(ctx, 'data');
  const {
    dataset,
    profile,
    seconds: ingest,
  } = data.length > 0
    ? await flows.uploadDataset(ctx, client, { data, options: ingestOptions(ctx), name: undefined })
    : await flows.generateDataset(ctx, client, {
        generator: 'transactions',
        customers: DEFAULT_CUSTOMERS,
        seed: 42,
        ...sizeFlags.read(ctx.values),
        name: 'generated orders',
      });
  const {
    run,
    evaluation,
    seconds: train,
  } = await flows.train(
    ctx,
    client,
    checked(
      StartRun,
      { ...trainingOptions(ctx), modelName: MODEL_NAME, ...registryFlags.read(ctx.values), datasetId: dataset.id },
      [trainingFlags, registryFlags],
    ),
  );
  ctx.screen.warn(evaluationWarnings(evaluation));
  const {
    prediction,
    file,
    preview,
    seconds: predict,
  } = await flows.predict(
    ctx,
    client,
    checked(StartPrediction, { datasetId: dataset.id, model: `${run.modelName}@${run.version}` }, []),
    ({ id }) => join(stack.home, 'demo', `predictions-${id}.csv`),
  );
  printEvaluation(ctx.screen, run.options.model, evaluation, 'training');
  printPredictionRows(ctx.screen, preview, `The first of ${count(prediction.rows)} rows in ${file}`);
  return {
    dataset: {
      id: dataset.id,
      kind: dataset.kind,
      rows: dataset.rows,
      customers: dataset.customers,
      rejectedRows: dataset.rejectedRows,
    },
    run: { id: run.id, model: run.modelName, version: run.version, backend: run.backend },
    evaluation: evaluationFigures(evaluation),
    prediction: { id: prediction.id, rows: prediction.rows, file },
    seconds: { setup, ingest, train, predict },
    warnings: distinctWarnings([...profile.warnings, ...evaluationWarnings(evaluation), ...prediction.warnings]),
  };
};

/** `clove demo`: the whole way once, on a stack of its own, which then stays up until Ctrl-C or stops with `--once`. */
export const demo = async (ctx: Context): Promise<void> => {
  // What can be wrong with the command is said before servers are started.
  trainingOptions(ctx);
  ingestOptions(ctx);
  const data = texts(ctx, 'data');
  if (data.length > 0) await findFiles(data);
  const { stack, seconds } = await startStack(ctx);
  try {
    ctx.screen.result(await Promise.race([mainJob({ ...ctx, cancelsJobs: true }, stack, seconds), partDied(stack)]));
    if (given(ctx, 'once')) return;
    printAddresses(ctx, stack);
    await untilStopped(ctx, stack);
  } finally {
    await stopStack(ctx, stack);
  }
};
