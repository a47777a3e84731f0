import { type LeaderboardReport, type Metrics, StartLeaderboard } from '@clove/contracts';
import { type Context, text } from '../context.js';
import { leaderboardFlags, winnerFlags } from '../flags/groups.js';
import { checked, ingestOptions, leaderboardOptions } from '../flags/requests.js';
import { plotCharts, plotFolder } from '../plots.js';
import { distinctWarnings, lintWarnings, printLeaderboard } from '../screen/views.js';
import { dataPaths, isLocal, remoteDataset } from './data.js';

/** The figures of a row, each of them in every row; null where a model makes no such claim. */
const figures = (metrics: Metrics) => ({
  rmse: metrics.rmse,
  mae: metrics.mae,
  r2: metrics.r2,
  mape: metrics.mape,
  totalBias: metrics.totalBias,
  spearman: metrics.spearman,
  normalizedGini: metrics.normalizedGini,
  rawGini: metrics.rawGini ?? null,
  decileMape: metrics.decileMape,
  wape: metrics.wape ?? null,
  auc: metrics.auc ?? null,
  brier: metrics.brier ?? null,
  coverage80: metrics.coverage80 ?? null,
});

/** What `--json` says of a ranking; what is remarked on single rows stands apart, so that all rows have one shape. */
const summary = ({ protocol, winner, rows, rule, selection, skipped, claims, lint }: LeaderboardReport) => ({
  protocol,
  winner,
  rows: rows.map(({ model, family, metrics, sd }) => ({ model, family, metrics: figures(metrics), sd })),
  notes: rows.flatMap(({ model, note }) => (note === undefined ? [] : [{ model, note }])),
  rule,
  selection,
  skipped,
  claims,
  lint,
});

/** `clove leaderboard`: every model and baseline on the same test rows. */
export const leaderboard = async (ctx: Context): Promise<void> => {
  const options = leaderboardOptions(ctx);
  await plotFolder(ctx);
  if (isLocal(ctx)) {
    const { leaderboardLocally } = await import('../local/flows.js');
    const { folder, profile, report, winner, seconds } = await leaderboardLocally(ctx, {
      data: dataPaths(ctx),
      reading: ingestOptions(ctx),
      options,
      out: text(ctx, 'out'),
    });
    const warnings = [...report.warnings, ...lintWarnings(report.lint)];
    ctx.screen.warn(warnings);
    printLeaderboard(ctx.screen, report);
    const plots = await plotCharts(ctx, {
      leaderboard: report,
      profile,
      name: report.winner,
      evaluation: winner?.evaluation,
      manifest: winner?.manifest,
    });
    if (folder !== null)
      ctx.screen.print('', `Model folder: ${folder}`, `Its report: clove report --model ${folder} --out report.html`);
    ctx.screen.result({
      ...summary(report),
      ...(folder === null ? {} : { folder }),
      ...plots,
      warnings: distinctWarnings([...profile.warnings, ...warnings]),
      seconds,
    });
    return;
  }
  const [{ connect }, flows] = await Promise.all([import('../remote/connect.js'), import('../remote/flows.js')]);
  const client = connect(ctx);
  const { dataset, profile, seconds: ingest } = await remoteDataset(ctx, client);
  const made = await flows.leaderboard(
    ctx,
    client,
    checked(StartLeaderboard, { ...options, ...winnerFlags.read(ctx.values), datasetId: dataset.id }, [
      leaderboardFlags,
      winnerFlags,
    ]),
  );
  const { report } = made;
  const { id, modelName, version } = made.leaderboard;
  const warnings = [...report.warnings, ...lintWarnings(report.lint)];
  ctx.screen.warn(warnings);
  printLeaderboard(ctx.screen, report);
  const registered = modelName === null || version === null ? undefined : await client.version(modelName, version);
  const plots = await plotCharts(ctx, {
    leaderboard: report,
    profile,
    name: report.winner,
    evaluation: registered?.evaluation ?? undefined,
    manifest: registered?.manifest,
  });
  if (registered !== undefined) {
    const reference = `${registered.model}@${registered.version}`;
    ctx.screen.print('', `Model ${reference}: clove report --model ${reference} --out report.html`);
  }
  ctx.screen.result({
    ...summary(report),
    leaderboard: { id, datasetId: dataset.id, model: modelName, version },
    ...plots,
    warnings: distinctWarnings([...profile.warnings, ...warnings]),
    seconds: { ingest, leaderboard: made.seconds },
  });
};
