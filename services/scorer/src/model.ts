import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CloveError, type DatasetKind, type DatasetProfile, ModelManifest } from '@clove/contracts';
import { createScorer } from '@clove/engine';

/** Predictions row by row, in the currency of the target. */
type Scores = { predicted: Float32Array; low: Float32Array; high: Float32Array };

/** A model folder, open for scoring in this thread. */
export type OpenModel = {
  manifest: ModelManifest;
  /** @param x raw inputs as `encode` makes them, [rows, schema.width] */
  score(x: Float32Array, rows: number): Promise<Scores>;
  release(): Promise<void>;
};

/** Opens a model from what its files hold. @throws CloveError `data-unreadable` where they are no model of this format */
export const openModel = async (
  files: { onnx: Uint8Array; manifest: unknown },
  o: { threads?: number } = {},
): Promise<OpenModel> => {
  const parsed = ModelManifest.safeParse(files.manifest);
  if (!parsed.success) {
    throw new CloveError(
      'data-unreadable',
      `model.json is not a model that this version reads: ${parsed.error.message}`,
    );
  }
  const manifest = parsed.data;
  const scorer = await createScorer(files.onnx, o);
  const { below, above } = manifest.interval;
  return {
    manifest,
    async score(x, rows) {
      const predicted = await scorer.predict(x, rows);
      return {
        predicted,
        low: predicted.map((value) => Math.max(0, value - below)),
        high: predicted.map((value) => value + above),
      };
    },
    release: () => scorer.release(),
  };
};

/** Opens the model of a folder that holds model.onnx and model.json. */
export const openModelFolder = async (modelDir: string, o: { threads?: number } = {}): Promise<OpenModel> => {
  const manifest: unknown = JSON.parse(await readFile(join(modelDir, 'model.json'), 'utf8'));
  return openModel({ onnx: await readFile(join(modelDir, 'model.onnx')), manifest }, o);
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
