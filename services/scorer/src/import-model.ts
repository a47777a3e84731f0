import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Column, type OpenPredictor, type Table, noCounts } from '@clove/clv';
import { CloveError, ImportFileName, MANIFEST_KEY, ModelManifest } from '@clove/contracts';
import { EngineError, type OnnxContents, SCORING_OPERATORS, inspectOnnx } from '@clove/engine';
import { openModel } from './model.js';

/** What every number of a customer is, for the customers that a model is tried on. */
const TRIED = [1, 10, 100];

/**
 * Checks a model that somebody brought, file by file and then as a whole: each graph is made of the operators that our own
 * exports are made of and of nothing outside its file, the files are those that the manifest asks for, and a few made-up
 * customers get predictions that are numbers.
 * @param i.modelDir holds the files under the names of a version
 * @returns its manifest: model.json, or else what model.onnx carries
 * @throws CloveError `data-unreadable` where a file is not what its name says, `invalid-input` where the model does not fit
 */
export const importModel = async (i: { modelDir: string }): Promise<ModelManifest> => {
  const names = await readdir(i.modelDir);
  const there = ImportFileName.options.filter((name) => names.includes(name));
  const files = new Map<string, Uint8Array>();
  for (const name of there) files.set(name, await readFile(join(i.modelDir, name)));
  const contents = new Map(
    [...files].filter(([name]) => name !== 'model.json').map(([name, bytes]) => [name, inspected(name, bytes)]),
  );
  const manifest = manifestOf(files.get('model.json'), contents.get('model.onnx'));
  refuseWrongFiles(manifest, [...contents.keys()]);
  try {
    const model = await openModel({ manifest, read: async (name) => files.get(name)! }, { threads: 1 });
    try {
      await tryOut(model);
    } finally {
      await model.release();
    }
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new CloveError('invalid-input', `The model does not run: ${error.message}`, { cause: error });
  }
  return manifest;
};

/** What a graph is made of, where it may be run. */
const inspected = (name: string, bytes: Uint8Array): OnnxContents => {
  const contents = (() => {
    try {
      return inspectOnnx(bytes);
    } catch (error) {
      throw new CloveError('data-unreadable', `${name} is no ONNX file that can be read.`, { cause: error });
    }
  })();
  const refuse = (why: string): never => {
    throw new CloveError('invalid-input', `${name} is not taken: ${why}. Bring a model.onnx that Clove exported.`);
  };
  if (contents.externalData) refuse('its numbers lie in another file');
  if (contents.nested) refuse('it holds loops, branches, functions or sparse tensors');
  const unknown = contents.operators.filter((operator) => !SCORING_OPERATORS.has(operator));
  if (unknown.length > 0) refuse(`it uses operators that no export of Clove has: ${unknown.slice(0, 10).join(', ')}`);
  return contents;
};

const manifestOf = (json: Uint8Array | undefined, onnx: OnnxContents | undefined): ModelManifest => {
  const text = json === undefined ? onnx?.metadata[MANIFEST_KEY] : new TextDecoder().decode(json);
  if (text === undefined) {
    throw new CloveError(
      'invalid-input',
      `There is no model.json, and the model.onnx does not say what it is (metadata ${MANIFEST_KEY}). Send the model.json of the version too.`,
    );
  }
  const where = json === undefined ? 'The description in model.onnx' : 'model.json';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CloveError('data-unreadable', `${where} is no JSON.`, { cause: error });
  }
  const parsed = ModelManifest.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CloveError(
    'data-unreadable',
    `${where} is not a model that this version reads, at ${issue?.path.join('/')}: ${issue?.message}.`,
  );
};

const refuseWrongFiles = ({ predictor }: ModelManifest, graphs: string[]): void => {
  const needed = predictor === undefined ? ['model.onnx'] : predictor.members.flatMap(({ file }) => file ?? []);
  const missing = needed.filter((name) => !graphs.includes(name));
  const surplus = graphs.filter((name) => !(needed as string[]).includes(name));
  if (missing.length > 0) {
    throw new CloveError(
      'invalid-input',
      `The model also needs ${missing.join(', ')}: send all of its files together.`,
    );
  }
  if (surplus.length > 0) {
    throw new CloveError('invalid-input', `The model does not use ${surplus.join(', ')}: leave it out.`);
  }
};

/** Scores made-up customers: widths that do not fit fail in the graph, and what is no number fails here. */
const tryOut = async (model: OpenPredictor): Promise<void> => {
  const { manifest } = model;
  const schemas = [manifest.schema, ...(manifest.predictor?.members.flatMap(({ schema }) => schema ?? []) ?? [])];
  const texts = new Map(
    schemas.flatMap(({ features }) =>
      features.flatMap((feature) => (feature.kind === 'categorical' ? [[feature.name, feature.categories]] : [])),
    ) as [string, string[]][],
  );
  const columnOf = (name: string): Column => {
    const categories = texts.get(name);
    return categories === undefined
      ? { kind: 'numeric', values: Float64Array.from(TRIED) }
      : { kind: 'categorical', values: TRIED.map((_, row) => (row === 0 ? null : (categories[row] ?? 'other'))) };
  };
  const table: Table = {
    rows: TRIED.length,
    ids: TRIED.map(String),
    columns: new Map(model.columns.map((name) => [name, columnOf(name)])),
    ...(model.sequence === null ? {} : { sequence: stepsOf(model.sequence.length, manifest) }),
  };
  const { predicted, low, high } = await model.score(table, noCounts());
  const all = [...predicted, ...low, ...high];
  if (predicted.length !== TRIED.length || !all.every((value) => Number.isFinite(value))) {
    throw new CloveError(
      'invalid-input',
      'The model predicts what is no number for made-up customers, so it is broken.',
    );
  }
};

/** One step in each history. */
const stepsOf = (length: number, { predictor }: ModelManifest): NonNullable<Table['sequence']> => {
  const channels = predictor?.members.find(({ sequence }) => sequence !== null)?.sequence?.channels ?? 0;
  const mask = new Float32Array(TRIED.length * length);
  for (const row of TRIED.keys()) mask[(row + 1) * length - 1] = 1;
  return { length, channels, values: new Float32Array(TRIED.length * length * channels), mask };
};
