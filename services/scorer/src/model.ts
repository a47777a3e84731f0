import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type OpenPredictor, openPredictor } from '@clove/clv';
import { type ArtifactName, CloveError, type DatasetKind, type DatasetProfile, ModelManifest } from '@clove/contracts';

/**
 * Opens a model from what its files hold.
 * @param files.read gives a file of the model by its name; asked only for those that the model has
 * @throws CloveError `data-unreadable` where they are no model of this format
 */
export const openModel = async (
  files: { manifest: unknown; read: (name: ArtifactName) => Promise<Uint8Array> },
  o: { threads?: number } = {},
): Promise<OpenPredictor> => {
  return openPredictor(parsed(files.manifest), files.read, o);
};

const parsed = (manifest: unknown): ModelManifest => {
  const found = ModelManifest.safeParse(manifest);
  if (found.success) return found.data;
  throw new CloveError('data-unreadable', `model.json is not a model that this version reads: ${found.error.message}`);
};

/** The manifest of a folder that holds model.json. */
export const readManifest = async (modelDir: string): Promise<ModelManifest> =>
  parsed(JSON.parse(await readFile(join(modelDir, 'model.json'), 'utf8')));

/** Opens the model of a folder that holds model.json and what that asks for. */
export const openModelFolder = async (modelDir: string, o: { threads?: number } = {}): Promise<OpenPredictor> => {
  const manifest: unknown = JSON.parse(await readFile(join(modelDir, 'model.json'), 'utf8'));
  return openModel({ manifest, read: (name) => readFile(join(modelDir, name)) }, o);
};

const WHAT_IS_NEEDED: Record<DatasetKind, string> = {
  transactions: 'purchases (one row each: customer, time, amount)',
  features: 'feature tables (one row a customer)',
};

/** @throws CloveError `kind-mismatch` where the model was trained on the other kind of dataset */
export const requireKind = (manifest: ModelManifest, profile: DatasetProfile): void => {
  if (manifest.kind === profile.kind) return;
  throw new CloveError(
    'kind-mismatch',
    `The model was trained on ${WHAT_IS_NEEDED[manifest.kind]}, but this dataset holds ${WHAT_IS_NEEDED[profile.kind]}. ` +
      `Choose a ${manifest.kind} dataset, or a model that was trained on a ${profile.kind} dataset.`,
  );
};

/** First and last day of a transactions dataset. @throws CloveError `data-empty` where it has none */
export const daysOf = (profile: DatasetProfile): { firstDay: string; lastDay: string } => {
  if (profile.firstTime === null || profile.lastTime === null) {
    throw new CloveError('data-empty', 'The dataset holds no transactions.');
  }
  return { firstDay: profile.firstTime.slice(0, 10), lastDay: profile.lastTime.slice(0, 10) };
};
