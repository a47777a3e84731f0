import { CloveError, StartEvaluation } from '@clove/contracts';
import { type Context, text } from '../context.js';
import { evaluationFlags } from '../flags/groups.js';
import { checked, ingestOptions } from '../flags/requests.js';
import { distinctWarnings, evaluationWarnings, printEvaluation } from '../screen/views.js';
import { plotCharts, plotFolder } from '../plots.js';
import { dataPaths, isLocal, remoteDataset, requireModel } from './data.js';

/** `clove evaluate`: a model against actual spend in other data. */
export const evaluate = async (ctx: Context): Promise<void> => {
  const model = text(ctx, 'model');
  await plotFolder(ctx);
  if (isLocal(ctx)) {
    if (model === undefined)
      throw new CloveError(
        'invalid-input',
        '--model is missing: name the folder that clove train --local has written.',
      );
    const { evaluateLocally } = await import('../local/flows.js');
    const { manifest, profile, report, seconds } = await evaluateLocally(ctx, {
      data: dataPaths(ctx),
      reading: ingestOptions(ctx),
      model,
      testOrigin: text(ctx, 'testOrigin'),
    });
    ctx.screen.warn(evaluationWarnings(report));
    printEvaluation(ctx.screen, manifest.type, report, 'evaluation');
    ctx.screen.result({
      evaluation: report,
      ...(await plotCharts(ctx, { evaluation: report, name: manifest.type, profile })),
      warnings: distinctWarnings([...profile.warnings, ...evaluationWarnings(report)]),
      seconds: { evaluate: seconds },
    });
    return;
  }
  const [{ connect }, flows] = await Promise.all([import('../remote/connect.js'), import('../remote/flows.js')]);
  const client = connect(ctx);
  await requireModel(client, StartEvaluation.shape.model.parse(model));
  const { dataset, profile, seconds: ingest } = await remoteDataset(ctx, client);
  const body = checked(
    StartEvaluation,
    { ...evaluationFlags.read(ctx.values), ...(model === undefined ? {} : { model }), datasetId: dataset.id },
    [evaluationFlags],
  );
  const { evaluation, report, seconds } = await flows.evaluate(ctx, client, body);
  ctx.screen.warn(evaluationWarnings(report));
  printEvaluation(ctx.screen, body.model, report, 'evaluation');
  ctx.screen.result({
    evaluation: { id: evaluation.id, versionId: evaluation.versionId, datasetId: evaluation.datasetId, ...report },
    ...(await plotCharts(ctx, { evaluation: report, name: body.model, profile })),
    warnings: distinctWarnings([...profile.warnings, ...evaluationWarnings(report)]),
    seconds: { ingest, evaluate: seconds },
  });
};
