import { CloveError, StartRun } from '@clove/contracts';
import { type Context, text } from '../context.js';
import { readingFlags, registryFlags, trainingFlags } from '../flags/groups.js';
import { checked, ingestOptions, trainingOptions } from '../flags/requests.js';
import { distinctWarnings, evaluationWarnings, printEvaluation } from '../screen/views.js';
import { plotCharts, plotFolder } from '../plots.js';
import { dataPaths, isLocal, remoteDataset } from './data.js';

/**
 * The folder of `--resume`.
 * @throws CloveError `invalid-input` where it is asked for otherwise than it goes on
 */
const resumedFolder = (ctx: Context): string | undefined => {
  const folder = text(ctx, 'resume');
  if (folder === undefined) return undefined;
  if (!isLocal(ctx))
    throw new CloveError('invalid-input', '--resume needs --local: jobs of a gateway go on by themselves.');
  const reading = new Set(Object.keys(readingFlags.read(ctx.values)));
  const given = Object.keys(trainingFlags.read(ctx.values)).filter((key) => !reading.has(key) && key !== 'target');
  const flags = [
    ...given.map((key) => trainingFlags.flagOf(key) ?? key),
    ...(ctx.values['out'] === undefined ? [] : ['--out']),
  ];
  if (flags.length === 0) return folder;
  throw new CloveError(
    'invalid-input',
    `${flags.join(', ')}: a training that is resumed goes on with its own options, in its own folder. Leave ${flags.length === 1 ? 'it' : 'them'} out.`,
  );
};

/** `clove train`: data to a new model version of the gateway, or to a model folder. */
export const train = async (ctx: Context): Promise<void> => {
  const resumed = resumedFolder(ctx);
  const options = trainingOptions(ctx);
  await plotFolder(ctx);
  if (isLocal(ctx)) {
    const { trainLocally } = await import('../local/flows.js');
    const { folder, profile, manifest, evaluation, seconds } = await trainLocally(ctx, {
      data: dataPaths(ctx),
      reading: ingestOptions(ctx),
      options: resumed === undefined ? options : null,
      out: resumed ?? text(ctx, 'out') ?? './model',
    });
    const warnings = [...manifest.warnings, ...evaluationWarnings(evaluation)];
    ctx.screen.warn(warnings);
    printEvaluation(ctx.screen, manifest.type, evaluation, 'training');
    const plots = await plotCharts(ctx, { evaluation, name: manifest.type, manifest, profile });
    ctx.screen.print('', `Model folder: ${folder}`, `Use it: clove predict --local --model ${folder} --data FILE`);
    ctx.screen.result({
      model: {
        folder,
        type: manifest.type,
        kind: manifest.kind,
        bestEpoch: manifest.training.bestEpoch,
        backend: manifest.training.backend,
      },
      evaluation,
      ...plots,
      warnings: distinctWarnings([...profile.warnings, ...warnings]),
      seconds,
    });
    return;
  }
  const [{ connect }, flows] = await Promise.all([import('../remote/connect.js'), import('../remote/flows.js')]);
  const client = connect(ctx);
  const registry = registryFlags.read(ctx.values);
  const { dataset, profile, seconds: ingest } = await remoteDataset(ctx, client);
  const { run, evaluation, seconds } = await flows.train(
    ctx,
    client,
    checked(StartRun, { ...options, ...registry, datasetId: dataset.id }, [trainingFlags, registryFlags]),
  );
  const warnings = evaluationWarnings(evaluation);
  ctx.screen.warn(warnings);
  printEvaluation(ctx.screen, run.options.model, evaluation, 'training');
  const plots =
    text(ctx, 'plot') === undefined || run.version === null
      ? {}
      : await plotCharts(ctx, {
          evaluation,
          profile,
          name: run.options.model,
          manifest: (await client.version(run.modelName, run.version)).manifest,
        });
  const reference = `${run.modelName}@${run.version}`;
  ctx.screen.print('', `Model ${reference}: clove predict --model ${reference} --dataset ${dataset.id}`);
  ctx.screen.result({
    dataset: { id: dataset.id, kind: dataset.kind, rows: dataset.rows, customers: dataset.customers },
    run: { id: run.id, model: run.modelName, version: run.version, backend: run.backend, bestEpoch: run.bestEpoch },
    evaluation,
    ...plots,
    warnings: distinctWarnings([...profile.warnings, ...warnings]),
    seconds: { ingest, train: seconds },
  });
};
