import { judge, unobservedDays } from '@clove/clv';
import type { DatasetProfile, ModelManifest, PredictionReport } from '@clove/contracts';
import { type ActualSpend, type DuckOptions, predictionsAndActuals } from '@clove/data';
import { readManifest } from './model.js';
import type { ScoreIo } from './predict-dataset.js';

export type CompareInput = DuckOptions & {
  modelDir: string;
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** the finished predictions.parquet */
  predictions: string;
  /** null for a features dataset */
  asOf: string | null;
};

/** Customers beyond which predictions are not held against actual spend: the comparison holds and sorts both in memory, in one thread. */
const MOST_COMPARED = 1_000_000;

/**
 * How near a prediction came where the dataset holds what its customers really spent (the target column, or orders in the
 * whole horizon after the as-of date); null where it does not. The figures are of the customers at hand: those that the model
 * was trained on flatter.
 */
export const compareWithActual = async (
  i: CompareInput,
  { signal, post }: ScoreIo,
): Promise<PredictionReport['actual']> => {
  const manifest = await readManifest(i.modelDir);
  const known = actualSpendOf(manifest, i.profile, i.asOf);
  if (known === null || i.profile.customers > MOST_COMPARED) return null;
  post({ fraction: 0.98, stage: 'comparing with actual spend' });
  const { predicted, actual } = await predictionsAndActuals({ ...i, actual: known, signal });
  if (actual.length === 0) return null;
  const { metrics, detail } = judge({
    actual,
    predicted,
    distribution: manifest.predictor?.distribution ?? null,
    interval: manifest.interval,
    totalFactors: null,
    table: { rows: actual.length, ids: [], columns: new Map() },
    seed: manifest.options.seed,
  });
  const source = known.type === 'column' ? 'target-column' : 'later-orders';
  return { source, customers: actual.length, metrics, detail };
};

/** Where the actual spend of the scored customers stands; null where it is not known. */
const actualSpendOf = (manifest: ModelManifest, profile: DatasetProfile, asOf: string | null): ActualSpend | null => {
  if (manifest.kind === 'features') {
    const target = profile.columns.find(({ name }) => name === manifest.target);
    const numeric = target?.type === 'number' || target?.type === 'integer';
    return numeric ? { type: 'column', name: manifest.target } : null;
  }
  const { horizonDays } = manifest;
  const lastDay = profile.lastTime?.slice(0, 10);
  if (asOf === null || horizonDays === null || lastDay === undefined) return null;
  return unobservedDays({ lastDay, origin: asOf, horizonDays }) === 0 ? { type: 'orders', asOf, horizonDays } : null;
};
