import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CloveError, ModelRef, type ModelVersion, Slug } from '@clove/contracts';
import { type Context, given, text } from '../context.js';
import { modelFiles, moveFile } from '../files.js';
import { checked } from '../flags/requests.js';
import type { GatewayClient } from '../remote/client.js';
import { connect } from '../remote/connect.js';
import { amount, bytes, coefficient, count, percent } from '../screen/format.js';
import { describeEpochs, evaluationWarnings, printEvaluation, printGates, printTable } from '../screen/views.js';

/** `name`, `name@alias` or `name@number` to a version: champion, or else the latest, where only the name is given. */
export const resolveVersion = async (client: GatewayClient, reference: string): Promise<ModelVersion> => {
  const [name = '', at] = checked(ModelRef, reference, []).split('@');
  const model = await client.model(name);
  const wanted = at === undefined ? (model.aliases['champion'] ?? model.latestVersion) : model.aliases[at];
  const number = wanted ?? (at !== undefined && /^\d+$/.test(at) ? Number(at) : undefined);
  if (number === undefined || number === null)
    throw new CloveError(
      'not-found',
      `Model ${name} has no version "${at ?? 'champion'}". See "clove models show ${name}".`,
    );
  return client.version(name, number);
};

/** `clove models list`. */
export const list = async (ctx: Context): Promise<void> => {
  const page = await connect(ctx).models();
  if (page.items.length === 0) ctx.screen.print('No models yet: clove train --data FILE makes one.');
  else
    printTable(
      ctx.screen,
      [{ title: 'model' }, { title: 'versions', align: 'right' }, { title: 'aliases' }, { title: 'created' }],
      page.items.map((model) => [
        model.name,
        count(model.versions),
        Object.entries(model.aliases)
          .map(([alias, version]) => `${alias} → ${version}`)
          .join(', '),
        model.createdAt.slice(0, 16).replace('T', ' '),
      ]),
    );
  ctx.screen.result(page);
};

const showVersion = (ctx: Context, version: ModelVersion) => {
  const { manifest } = version;
  ctx.screen.print(
    `${ctx.screen.bold(`${version.model}@${version.version}`)}  ${version.id}${version.aliases.length > 0 ? `  ${version.aliases.join(', ')}` : ''}`,
    `  network   ${manifest.type}, ${count(manifest.parameters)} parameters, ${manifest.schema.features.length} features of ${manifest.kind}`,
    `  target    ${manifest.target}${manifest.horizonDays === null ? '' : `, ${manifest.horizonDays} days`}`,
    `  training  ${count(manifest.training.rows)} rows${describeEpochs(manifest.training.epochs.length, manifest.training.bestEpoch)}; ${manifest.training.backend}`,
    `  created   ${version.createdAt}`,
  );
  if (version.evaluation) {
    ctx.screen.warn(evaluationWarnings(version.evaluation));
    printEvaluation(ctx.screen, manifest.type, version.evaluation, 'training');
    printGates(ctx.screen, version.gates);
  }
  printTable(
    ctx.screen,
    [{ title: 'file' }, { title: 'size', align: 'right' }, { title: 'sha256' }],
    version.artifacts.map((artifact) => [artifact.name, bytes(artifact.bytes), artifact.sha256]),
  );
};

/** `clove models show NAME[@VERSION]`: all versions of a model, or one of them. */
export const show = async (ctx: Context, reference: string): Promise<void> => {
  const client = connect(ctx);
  if (reference.includes('@')) {
    const version = await resolveVersion(client, reference);
    showVersion(ctx, version);
    ctx.screen.result(version);
    return;
  }
  const name = checked(ModelRef, reference, []);
  const [model, versions] = await Promise.all([client.model(name), client.versions(name)]);
  ctx.screen.print(`${ctx.screen.bold(model.name)}  ${model.id}`);
  printTable(
    ctx.screen,
    [
      { title: 'version', align: 'right' },
      { title: 'aliases' },
      { title: 'type' },
      { title: 'kind' },
      { title: 'RMSE', align: 'right' },
      { title: 'R²', align: 'right' },
      { title: 'total bias', align: 'right' },
      { title: 'Gini', align: 'right' },
      { title: 'created' },
    ],
    versions.items.map((version) => [
      String(version.version),
      version.aliases.join(', '),
      version.type,
      version.kind,
      amount(version.metrics?.rmse),
      coefficient(version.metrics?.r2),
      percent(version.metrics?.totalBias, { signed: true }),
      coefficient(version.metrics?.normalizedGini),
      version.createdAt.slice(0, 16).replace('T', ' '),
    ]),
  );
  ctx.screen.result({ ...model, items: versions.items });
};

/** `clove models import PATH`: a model folder, or a model.onnx that Clove exported, as a new version. */
export const importVersion = async (ctx: Context, path: string): Promise<void> => {
  const client = connect(ctx);
  const name = checked(Slug, text(ctx, 'name') ?? 'clv', []);
  const { importModel } = await import('../remote/flows.js');
  const version = await importModel(ctx, client, { name, files: await modelFiles(path) });
  ctx.screen.print(
    `${version.model}@${version.version} is there, ${version.manifest.type} for ${version.manifest.kind}. It has no evaluation yet:`,
    `  clove evaluate --model ${version.model}@${version.version} --data FILE`,
  );
  ctx.screen.result(version);
};

/** `clove models rollback NAME ALIAS`: the alias goes back to where it pointed before its last move. */
export const rollback = async (ctx: Context, name: string, alias: string): Promise<void> => {
  const model = await connect(ctx).rollBack(name, alias, text(ctx, 'reason') ?? '');
  ctx.screen.print(`${name}@${alias} is version ${model.aliases[alias]} again.`);
  ctx.screen.result(model);
};

/** `clove models alias NAME@VERSION ALIAS`: promotes a version by moving an alias. */
export const alias = async (ctx: Context, reference: string, name: string): Promise<void> => {
  const client = connect(ctx);
  const version = await resolveVersion(client, reference);
  const model = await client.setAlias(version.model, name, {
    version: version.version,
    force: given(ctx, 'force'),
    reason: text(ctx, 'reason') ?? '',
  });
  ctx.screen.print(`${version.model}@${name} is now version ${version.version}.`);
  ctx.screen.result(model);
};

/** `clove models download NAME[@VERSION]`: the files of a version into a folder that `--local` commands can use. */
export const download = async (ctx: Context, reference: string): Promise<void> => {
  const client = connect(ctx);
  const version = await resolveVersion(client, reference);
  const folder = resolve(text(ctx, 'out') ?? `./${version.model}-${version.version}`);
  await mkdir(folder, { recursive: true });
  const step = ctx.screen.step('download');
  try {
    for (const [i, artifact] of version.artifacts.entries()) {
      step.update(i / version.artifacts.length, artifact.name);
      const path = join(folder, artifact.name);
      await client.downloadArtifact(version.model, version.version, artifact.name, `${path}.part`);
      await moveFile(`${path}.part`, path);
    }
  } catch (error) {
    step.failed();
    throw error;
  }
  step.done(`${version.artifacts.length} files`);
  ctx.screen.print(folder);
  ctx.screen.result({ folder, version: version.version, files: version.artifacts.map((artifact) => artifact.name) });
};
