import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ChartOptions } from '@clove/charts';
import type { DatasetProfile, EvaluationReport, LeaderboardReport, ModelManifest } from '@clove/contracts';
import { type Context, text } from './context.js';
import { checkOutput } from './files.js';

/** The folder of `--plot`, seen to be writable before the work whose charts go there; undefined without the flag. */
export const plotFolder = async (ctx: Context): Promise<string | undefined> => {
  const folder = text(ctx, 'plot');
  if (folder === undefined) return undefined;
  await checkOutput(folder, '--plot');
  return resolve(folder);
};

/**
 * Writes the charts of a report into the folder of `--plot`, each as NAME.svg and NAME.png. Nothing without the flag.
 * @returns what `--json` says of it
 */
export const plotCharts = async (
  ctx: Context,
  of: {
    evaluation?: EvaluationReport | undefined;
    name: string;
    manifest?: ModelManifest | undefined;
    leaderboard?: LeaderboardReport | undefined;
    /** of the dataset: amounts are in its currency */
    profile: Pick<DatasetProfile, 'currency'>;
  },
): Promise<{ plots?: string[] }> => {
  const folder = await plotFolder(ctx);
  if (folder === undefined) return {};
  const [charts, { renderPng, renderSvg }] = await Promise.all([
    import('@clove/charts'),
    import('@clove/charts/render'),
  ]);
  const drawn = [
    ...(of.leaderboard === undefined ? [] : charts.leaderboardCharts(of.leaderboard)),
    ...(of.evaluation === undefined ? [] : charts.evaluationCharts(of.evaluation, of.name)),
    ...(of.manifest === undefined ? [] : charts.trainingCharts(of.manifest)),
  ];
  const { currency } = of.profile;
  const looks: ChartOptions = {
    width: 960,
    theme: text(ctx, 'theme') === 'dark' ? 'dark' : 'light',
    ...(currency === undefined ? {} : { currency }),
  };
  const step = ctx.screen.step('plot');
  const plots: string[] = [];
  try {
    await mkdir(folder, { recursive: true });
    for (const [i, { name, chart }] of drawn.entries()) {
      step.update(i / drawn.length, name);
      const spec = chart(looks);
      for (const [extension, content] of [
        ['svg', await renderSvg(spec)],
        ['png', await renderPng(spec)],
      ] as const) {
        const file = join(folder, `${name}.${extension}`);
        await writeFile(file, content);
        plots.push(file);
      }
    }
  } catch (error) {
    step.failed();
    throw error;
  }
  step.done(`${drawn.length} charts in ${folder}`);
  return { plots };
};
