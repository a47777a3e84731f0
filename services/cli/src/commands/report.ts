import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  CloveError,
  DatasetProfile,
  EvaluationReport,
  LeaderboardReport,
  type Schema,
  judgeGates,
  probabilisticReferences,
} from '@clove/contracts';
import type { ModelCard } from '@clove/charts/report';
import { type Context, text } from '../context.js';
import { checkOutput, moveFile, openModelFolder } from '../files.js';
import { bytes } from '../screen/format.js';

/** A JSON file of a model folder; null where it is not there. */
const readBeside = async <T>(schema: Schema<T>, modelDir: string, name: string): Promise<T | null> => {
  const path = join(modelDir, name);
  if (!existsSync(path)) return null;
  const parsed = schema.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!parsed.success) throw new CloveError('invalid-input', `${path} is not what this version of Clove writes.`);
  return parsed.data;
};

const ofFolder = async (path: string): Promise<ModelCard> => {
  const { modelDir, manifest } = await openModelFolder(path);
  const [evaluation, profile, leaderboard] = await Promise.all([
    readBeside(EvaluationReport, modelDir, 'evaluation.json'),
    readBeside(DatasetProfile, modelDir, 'profile.json'),
    readBeside(LeaderboardReport, modelDir, 'leaderboard.json'),
  ]);
  return {
    name: basename(modelDir),
    manifest,
    evaluation,
    profile,
    leaderboard,
    gates:
      evaluation === null
        ? []
        : judgeGates(evaluation, null, leaderboard === null ? [] : probabilisticReferences(leaderboard)),
    judged: { at: new Date().toISOString(), by: 'folder' },
  };
};

const ofGateway = async (ctx: Context, reference: string): Promise<ModelCard> => {
  const [{ connect }, { resolveVersion }] = await Promise.all([import('../remote/connect.js'), import('./models.js')]);
  const client = connect(ctx);
  const version = await resolveVersion(client, reference);
  const { datasetId } = version.manifest.training;
  const nullWhereGone = (error: unknown) => {
    // the dataset of a version may have been deleted: the report says that its profile is not at hand
    if (error instanceof CloveError && error.code === 'not-found') return null;
    throw error;
  };
  const [profile, leaderboard] = await Promise.all([
    datasetId === null ? null : client.datasetProfile(datasetId).catch(nullWhereGone),
    version.leaderboardId === null ? null : client.leaderboard(version.leaderboardId),
  ]);
  return {
    name: `${version.model}@${version.version}`,
    aliases: version.aliases,
    manifest: version.manifest,
    evaluation: version.evaluation,
    profile,
    leaderboard: leaderboard?.report ?? null,
    gates: version.gates,
    judged: { at: new Date().toISOString(), by: 'registry' },
  };
};

/** `clove report`: the model card of a version of the gateway or of a model folder, as one HTML page. */
export const report = async (ctx: Context): Promise<void> => {
  const reference = text(ctx, 'model') ?? '';
  const file = resolve(text(ctx, 'out') ?? './report.html');
  await checkOutput(dirname(file));
  const currency = text(ctx, 'currency');
  const isFolder = /[/\\]|^\.+$/.test(reference) || existsSync(join(reference, 'model.json'));
  const card = await (isFolder ? ofFolder(reference) : ofGateway(ctx, reference));
  const step = ctx.screen.step('report');
  try {
    const { renderModelCard } = await import('@clove/charts/report');
    const page = await renderModelCard({ ...card, ...(currency === undefined ? {} : { currency }) });
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.part`, page);
    await moveFile(`${file}.part`, file);
    const size = Buffer.byteLength(page);
    const seconds = step.done(`${card.name}, ${bytes(size)}`);
    ctx.screen.print(file);
    ctx.screen.result({
      report: { file, bytes: size, model: card.name },
      gates: card.gates,
      seconds: { report: seconds },
    });
  } catch (error) {
    step.failed();
    throw error;
  }
};
