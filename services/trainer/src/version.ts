import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type LearningData,
  type Sample,
  INTERVAL_LEVEL,
  bootstrapForecaster,
  columnsOf,
  combine,
  computeBaselines,
  encodingWarnings,
  fitDistribution,
  fitSchema,
  forecasterDetail,
  judge,
  lintLeakage,
  noCounts,
  openPredictor,
  scoreMember,
  trackedUntil,
  widen,
} from '@clove/clv';
import {
  type ArtifactName,
  CloveError,
  type DatasetProfile,
  type EvaluationDetail,
  type EvaluationReport,
  type ModelManifest,
  type ModelMember,
  type PredictiveDistribution,
  type Predictor,
  type TrainingOptions,
} from '@clove/contracts';
import { type DuckOptions, cohortDays } from '@clove/data';
import { type Entry, holding, sumOf } from './contestants.js';
import { untaughtPeak } from './claims.js';
import type { Samples } from './samples.js';

/** Whether a total is held to the forecaster's, and why. */
export type Level = { held: boolean; reason: string };

/** What a blend or a model predicts for the latest origin at a level. */
export type Levelled = { predicted: Float64Array; factors: number[]; level: number };

/** Models of a blend are held one by one, then their mean is. */
export const levelled = (entry: Entry, held: boolean): Levelled => {
  const { forecastTotal, members } = entry;
  const factors =
    held && members.length > 1
      ? members.map(({ predicted }) => holding({ predicted, forecastTotal }))
      : members.map(() => 1);
  const how = entry.contestant.type === 'blend' ? entry.contestant.combine : 'arithmetic';
  const mean = combine(
    how,
    members.map(({ predicted }, k) => ({ predicted, factor: factors[k]! })),
    1,
  );
  const level = held ? holding({ predicted: mean, forecastTotal }) : 1;
  return { predicted: level === 1 ? mean : mean.map((value) => value * level), factors, level };
};

const FILES = ['model.onnx', 'model-2.onnx', 'model-3.onnx', 'model-4.onnx'] as const;
/** Draws of a forecaster's parameters behind the interval of a total. */
const PARAMETER_DRAWS = 40;
/** No level is known better than this: what the next window brings that the last did not. */
const LEAST_LEVEL_SD = 0.05;

/** What a peak season that no label taught may do to the level: half to double, about. */
const PEAK_LEVEL_SD = 0.6;

/**
 * How well the level of the total is known: standard deviation of its logarithm, from how far off it was at the rehearsal and
 * whether a peak season is predicted that no label taught.
 */
export const levelSdOf = (levelError: number | null, windows: Samples['windows']): number =>
  Math.hypot(Math.max(LEAST_LEVEL_SD, Math.abs(levelError ?? 0)), untaughtPeak(windows) ? PEAK_LEVEL_SD : 0);

/** How spend scatters around an entry's predictions, the doubt about the level included. */
export const distributionOf = (entry: Entry, levelSd: number): PredictiveDistribution =>
  widen(fitDistribution(entry.known.predicted, entry.known.actual), levelSd);

export type VersionInput = {
  entry: Entry;
  level: Level;
  /** as `levelSdOf` gives it */
  levelSd: number;
  data: LearningData;
  profile: DatasetProfile;
  datasetId: string | null;
  /** of the dataset, as `fingerprintOf` gives it */
  fingerprint: string;
  options: TrainingOptions;
  targetMean: number;
  trainingOrigins: string[];
  rows: number;
  seconds: number;
  warnings: ModelManifest['warnings'];
};

/** The manifest and the graphs of a version. */
export const versionOf = async (
  i: VersionInput,
): Promise<{ manifest: ModelManifest; graphs: Map<ArtifactName, Uint8Array> }> => {
  const { entry, data, profile } = i;
  const { members } = entry;
  const first = members[0]!.learned;
  const graphs = new Map<ArtifactName, Uint8Array>();
  const forecasters: Predictor['forecasters'] = [];
  const { factors, level } = levelled(entry, i.level.held);
  const described = members.map(({ learned, name }, k): ModelMember => {
    const file = learned.onnx === null ? null : FILES[graphs.size]!;
    if (file !== null && learned.onnx !== null) graphs.set(file, learned.onnx);
    let forecaster: number | null = null;
    if (learned.forecaster !== null) {
      const same = JSON.stringify(learned.forecaster);
      forecaster = forecasters.findIndex((known) => JSON.stringify(known) === same);
      if (forecaster < 0) forecaster = forecasters.push(learned.forecaster) - 1;
    }
    return { ...learned.member, name, file, forecaster, factor: factors[k]! };
  });
  const residuals = entry.known.actual.map((actual, row) => actual - entry.known.predicted[row]!);
  const plain = data.kind === 'features' && members.length === 1;
  const predictor: Predictor = {
    forecasters,
    members: described,
    combine: entry.contestant.type === 'blend' ? entry.contestant.combine : 'arithmetic',
    level: { factor: level, ...i.level },
    distribution: data.kind === 'features' ? null : distributionOf(entry, i.levelSd),
    totalSd: data.kind === 'features' ? null : await totalSdOf(i),
  };
  const manifest: ModelManifest = {
    format: 1,
    type: members.length === 1 ? first.member.type : 'ensemble',
    head: members.length === 1 ? first.head : null,
    kind: data.kind,
    target: data.target,
    horizonDays: data.horizonDays,
    idColumn: profile.idColumn,
    schema: first.member.schema ?? schemaOf(data, described),
    parameters: members.reduce((sum, { learned }) => sum + learned.parameters, 0),
    interval: intervalOf(residuals),
    options: i.options,
    training: {
      datasetId: i.datasetId,
      fingerprint: i.fingerprint,
      rows: i.rows,
      targetMean: i.targetMean,
      asOf: i.trainingOrigins,
      epochs: first.epochs,
      bestEpoch: first.bestEpoch,
      seconds: i.seconds,
      backend: first.backend,
      versions: first.versions,
    },
    warnings: i.warnings,
  };
  // The columns that a table must have; what a member itself encodes is in its own schema.
  if (!plain) manifest.schema = schemaOf(data, described);
  return { manifest: plain ? manifest : { ...manifest, predictor }, graphs };
};

/** Scales of every column that a member reads, so that a version can be asked what it needs. */
const schemaOf = (data: LearningData, members: ModelMember[]): ModelManifest['schema'] => {
  const names = columnsOf({ members });
  return fitSchema(data.origins.at(-1)!.train.table, names).schema;
};

/** Standard deviation of ln(total): parameters, chance, and how far the level was off at the rehearsal. */
const totalSdOf = async (i: VersionInput): Promise<number> => {
  const { entry, data } = i;
  const { actual } = entry.known;
  const total = sumOf(actual);
  const chance =
    total > 0
      ? (Math.sqrt(sumOf(actual.map((value) => value ** 2))) / total) * Math.sqrt(actual.length / data.latest.rows)
      : 0;
  const forecaster = entry.members.find(({ learned }) => learned.forecaster !== null)?.learned.forecaster ?? null;
  let parameters = 0;
  if (forecaster !== null && forecaster.purchase.logCovariance !== null && forecaster.spend.logCovariance !== null) {
    const totals: number[] = [];
    for (const drawn of bootstrapForecaster(forecaster, { draws: PARAMETER_DRAWS, seed: i.options.seed })) {
      const values = await scoreMember({ schema: null, anchored: false, sequence: null }, null, data.latest, {
        forecaster: drawn,
        horizonDays: data.horizonDays,
        counts: noCounts(),
      });
      totals.push(Math.log(sumOf(values)));
    }
    const mean = sumOf(totals) / totals.length;
    parameters = Math.sqrt(sumOf(totals.map((value) => (value - mean) ** 2)) / totals.length);
  }
  return Math.hypot(chance, parameters, i.levelSd);
};

/** How far below and above the prediction the middle share of the residuals (actual − predicted) reaches. */
const intervalOf = (residuals: Float64Array): ModelManifest['interval'] => {
  const sorted = residuals.toSorted();
  const quantile = (p: number): number => {
    const place = p * (sorted.length - 1);
    const low = sorted[Math.floor(place)]!;
    return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place));
  };
  const tail = (1 - INTERVAL_LEVEL) / 2;
  return { level: INTERVAL_LEVEL, below: Math.max(0, -quantile(tail)), above: Math.max(0, quantile(1 - tail)) };
};

/** ln(predicted / actual total); null where either is nothing. */
export const levelErrorOf = (predicted: Float64Array, actual: Float64Array): number | null => {
  const ratio = sumOf(predicted) / sumOf(actual);
  return ratio > 0 && Number.isFinite(ratio) ? Math.log(ratio) : null;
};

export const meanOf = (values: Float64Array): number => {
  let mean = 0;
  for (const value of values) mean += value / values.length;
  return mean;
};

/** Where the order days of a dataset are read. */
type TrackingSource = DuckOptions & { parquet: string; profile: DatasetProfile; signal: AbortSignal };

/** What the version's forecaster says of the customers at the test origin. */
const forecasterDetailOf = async (
  source: TrackingSource,
  manifest: ModelManifest,
  { windows, test }: Samples,
): Promise<Partial<EvaluationDetail>> => {
  const lastDay = source.profile.lastTime?.slice(0, 10);
  if (manifest.predictor?.forecasters[0] === undefined || windows === null || lastDay === undefined) return {};
  const until = trackedUntil({ ...windows, lastDay });
  const days = await cohortDays({ ...source, asOf: windows.testOrigin, until });
  return forecasterDetail(manifest, { table: test.table, days, until });
};

/** Scores the test rows with the version's own files, beside the baselines. */
export const evaluateVersion = async (i: {
  manifest: ModelManifest;
  graphs: ReadonlyMap<ArtifactName, Uint8Array>;
  source: TrackingSource;
  samples: Samples;
  train: Sample;
  seed: number;
}): Promise<EvaluationReport> => {
  const { manifest, graphs, samples } = i;
  const { data, test } = samples;
  const counts = noCounts();
  const open = await openPredictor(manifest, async (name) => {
    const graph = graphs.get(name);
    if (graph === undefined) throw new CloveError('internal', `The version has no ${name}.`);
    return graph;
  });
  try {
    const { predicted } = await open.score(test.table, counts);
    const { metrics, detail } = judge({
      actual: test.target,
      predicted,
      distribution: manifest.predictor?.distribution ?? null,
      interval: manifest.interval,
      totalSd: manifest.predictor?.totalSd ?? null,
      table: test.table,
      seed: i.seed,
    });
    return {
      protocol: samples.protocol,
      testCustomers: test.table.rows,
      metrics,
      ...computeBaselines({
        kind: data.kind,
        horizonDays: samples.protocol.horizonDays,
        targetMean: manifest.training.targetMean,
        table: test.table,
        actual: test.target,
      }),
      lint: lintLeakage({ columns: data.columns, train: i.train, test, testR2: metrics.r2, windows: samples.windows }),
      warnings: [...manifest.warnings, ...encodingWarnings(manifest.schema, counts, data.kind)],
      detail: { ...detail, ...(await forecasterDetailOf(i.source, manifest, samples)) },
    };
  } finally {
    await open.release();
  }
};

/** Writes a model folder: what scoring and the registry need. */
export const writeVersion = async (
  outDir: string,
  version: {
    manifest: ModelManifest;
    graphs: ReadonlyMap<ArtifactName, Uint8Array>;
    evaluation: EvaluationReport;
    checkpoint: Uint8Array | null;
  },
): Promise<void> => {
  await mkdir(outDir, { recursive: true });
  for (const [name, graph] of version.graphs) await writeFile(join(outDir, name), graph);
  if (version.checkpoint !== null) await writeFile(join(outDir, 'checkpoint.safetensors'), version.checkpoint);
  await writeFile(join(outDir, 'evaluation.json'), `${JSON.stringify(version.evaluation, null, 2)}\n`);
  await writeFile(join(outDir, 'model.json'), `${JSON.stringify(version.manifest, null, 2)}\n`);
};
