import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type LearningData,
  type Sample,
  INTERVAL_LEVEL,
  Rng,
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
  pickRows,
  scoreMember,
  trackedUntil,
  widen,
} from '@clove/clv';
import {
  type ArtifactName,
  CloveError,
  MANIFEST_KEY,
  type DatasetProfile,
  type EvaluationReport,
  type ModelManifest,
  type ModelMember,
  type PredictiveDistribution,
  type Predictor,
  type TrainingOptions,
} from '@clove/contracts';
import { type Scorer, createScorer } from '@clove/engine';
import { type DuckOptions, cohortDays } from '@clove/data';
import { withMetadata } from '@clove/engine';
import { type Entry, type Member, forecastOf, holding, sumOf } from './contestants.js';
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

/** What each seed predicts for the latest origin at that level; none where there is one seed. */
export const levelledSeeds = (entry: Entry, held: boolean): Float64Array[] =>
  entry.bySeed.map((predicted) => {
    const factor = held ? holding({ predicted, forecastTotal: entry.forecastTotal }) : 1;
    return factor === 1 ? predicted : predicted.map((value) => value * factor);
  });

const FILES = ['model.onnx', 'model-2.onnx', 'model-3.onnx', 'model-4.onnx'] as const;
/** Draws of parameters, seeds and level behind the interval of a total, and customers on whom each is tried: an even sample. */
const TOTAL_DRAWS = 100;
const TOTAL_ROWS = 4000;
const TOTAL_STREAM = 67;
/**
 * How far off, in logarithms, totals of the next window commonly are: about what they were at other origins of public order
 * histories. Counts as much as the one error that a rehearsal shows, which may have been small by chance.
 */
const USUAL_LEVEL_SD = 0.2;

/** What a peak season that no label taught may do to the level: half to double, about. */
const PEAK_LEVEL_SD = 0.6;

/**
 * How well the level of the total is known: standard deviation of its logarithm, from how far off it was at the rehearsal and
 * whether a peak season is predicted that no label taught.
 */
export const levelSdOf = (levelError: number | null, windows: Samples['windows']): number => {
  const usual = levelError === null ? USUAL_LEVEL_SD : Math.hypot(USUAL_LEVEL_SD, levelError) / Math.SQRT2;
  return Math.hypot(usual, untaughtPeak(windows) ? PEAK_LEVEL_SD : 0);
};

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
  const total = data.kind === 'features' ? null : await totalFactorsOf(i);
  const predictor: Predictor = {
    forecasters,
    members: described,
    combine: entry.contestant.type === 'blend' ? entry.contestant.combine : 'arithmetic',
    level: { factor: level, ...i.level },
    distribution: data.kind === 'features' ? null : distributionOf(entry, i.levelSd),
    totalFactors: total?.factors ?? null,
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
    warnings: [...i.warnings, ...(total?.warnings ?? [])],
  };
  // The columns that a table must have; what a member itself encodes is in its own schema.
  if (!plain) manifest.schema = schemaOf(data, described);
  const whole = plain ? manifest : { ...manifest, predictor };
  const onnx = graphs.get('model.onnx');
  if (onnx !== undefined) graphs.set('model.onnx', describing(onnx, whole));
  return { manifest: whole, graphs };
};

/** A graph that says what it is, so that the file alone can be imported; without the times of its training: same seed, same bytes. */
const describing = (onnx: Uint8Array, manifest: ModelManifest): Uint8Array => {
  const training = { ...manifest.training, epochs: [], seconds: 0 };
  return withMetadata(onnx, MANIFEST_KEY, JSON.stringify({ ...manifest, training }));
};

/** Scales of every column that a member reads, so that a version can be asked what it needs. */
const schemaOf = (data: LearningData, members: ModelMember[]): ModelManifest['schema'] => {
  const names = columnsOf({ members });
  return fitSchema(data.origins.at(-1)!.train.table, names).schema;
};

/**
 * Equally likely totals over the predicted one, for what moves all customers alike: parameters of the forecaster drawn anew,
 * seeds drawn with replacement, and how far the level was off at the rehearsal. A total that is held to the forecaster's moves as
 * that does; the multipliers and the seeds have no part in it.
 * @returns quantiles at equal steps from 0 to 1, and a warning where the parameters cannot be drawn
 */
const totalFactorsOf = async (i: VersionInput): Promise<{ factors: number[]; warnings: ModelManifest['warnings'] }> => {
  const { entry, data } = i;
  const { latest, horizonDays } = data;
  const rng = new Rng(i.options.seed, TOTAL_STREAM);
  const every = Math.max(1, Math.ceil(latest.rows / TOTAL_ROWS));
  const rows = Int32Array.from({ length: Math.ceil(latest.rows / every) }, (_, k) => k * every);
  const sample = pickRows(latest, rows);
  const forecaster = entry.members.find(({ learned }) => learned.forecaster !== null)?.learned.forecaster ?? null;
  const warnings: ModelManifest['warnings'] = [];
  let drawn: (typeof forecaster)[] = Array.from({ length: TOTAL_DRAWS }, () => forecaster);
  if (forecaster !== null) {
    try {
      drawn = bootstrapForecaster(forecaster, { draws: TOTAL_DRAWS, seed: i.options.seed });
    } catch (error) {
      if (!(error instanceof CloveError) || error.code !== 'not-converged') throw error;
      warnings.push({
        code: 'parameters-not-drawn',
        message: `The interval of the total leaves out how uncertain the parameters are: ${error.message}`,
      });
    }
  }
  const totalOf = async (of: typeof forecaster, seeded: boolean): Promise<number> => {
    const own = i.level.held ? forecastOf(of, sample, horizonDays) : null;
    if (own !== null) return sumOf(own);
    const parts: { predicted: Float64Array; factor: number }[] = [];
    for (const [k, member] of entry.members.entries()) {
      const predicted = member.learned.forecaster === null ? pick(member.predicted, rows) : await scored(k, of);
      parts.push({ predicted: seeded ? reseeded(member, predicted, rows, rng) : predicted, factor: 1 });
    }
    const how = entry.contestant.type === 'blend' ? entry.contestant.combine : 'arithmetic';
    return sumOf(combine(how, parts, 1));
  };
  const scorers: (Scorer | null)[] = [];
  const scored = (k: number, of: typeof forecaster): Promise<Float64Array> =>
    scoreMember(entry.members[k]!.learned.member, scorers[k]!, sample, {
      forecaster: of,
      horizonDays,
      counts: noCounts(),
    });
  try {
    for (const { learned } of entry.members)
      scorers.push(learned.onnx === null ? null : await createScorer(learned.onnx, { threads: 1 }));
    const centre = await totalOf(forecaster, false);
    const factors: number[] = [];
    for (const of of drawn) {
      const factor = ((await totalOf(of, true)) / centre) * Math.exp(i.levelSd * rng.normal());
      if (factor > 0 && Number.isFinite(factor)) factors.push(factor);
    }
    const sorted = factors.toSorted((a, b) => a - b);
    return {
      factors: sorted.length === 0 ? [1] : Array.from({ length: 41 }, (_, k) => quantile(sorted, k / 40)),
      warnings,
    };
  } finally {
    for (const scorer of scorers) await scorer?.release();
  }
};

/** Predictions of a member as they would be from as many other seeds, drawn from its own with replacement. */
const reseeded = ({ predicted, bySeed }: Member, made: Float64Array, rows: Int32Array, rng: Rng): Float64Array => {
  if (bySeed.length < 2) return made;
  const seeds = bySeed.map(() => bySeed[rng.integer(bySeed.length)]!);
  return made.map((value, k) => {
    const row = rows[k]!;
    const mean = seeds.reduce((sum, values) => sum + values[row]!, 0) / seeds.length;
    return predicted[row]! > 0 ? (value * mean) / predicted[row]! : value;
  });
};

const pick = (values: Float64Array, rows: Int32Array): Float64Array => Float64Array.from(rows, (row) => values[row]!);

/** How far below and above the prediction the middle share of the residuals (actual − predicted) reaches. */
const intervalOf = (residuals: Float64Array): ModelManifest['interval'] => {
  const sorted = residuals.toSorted();
  const tail = (1 - INTERVAL_LEVEL) / 2;
  return {
    level: INTERVAL_LEVEL,
    below: Math.max(0, -quantile(sorted, tail)),
    above: Math.max(0, quantile(sorted, 1 - tail)),
  };
};

const quantile = (sorted: ArrayLike<number>, p: number): number => {
  const place = p * (sorted.length - 1);
  const low = sorted[Math.floor(place)]!;
  return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place));
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
): Promise<ReturnType<typeof forecasterDetail>> => {
  const lastDay = source.profile.lastTime?.slice(0, 10);
  if (manifest.predictor?.forecasters[0] === undefined || windows === null || lastDay === undefined)
    return { detail: {}, warnings: [] };
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
  /** predictions of the test rows seed by seed */
  seeds: Float64Array[];
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
    const { metrics, sd, detail } = judge({
      actual: test.target,
      predicted,
      distribution: manifest.predictor?.distribution ?? null,
      interval: manifest.interval,
      totalFactors: manifest.predictor?.totalFactors ?? null,
      table: test.table,
      seeds: i.seeds,
      seed: i.seed,
    });
    const forecasts = await forecasterDetailOf(i.source, manifest, samples);
    return {
      protocol: samples.protocol,
      testCustomers: test.table.rows,
      metrics,
      sd,
      ...computeBaselines({
        kind: data.kind,
        horizonDays: samples.protocol.horizonDays,
        targetMean: manifest.training.targetMean,
        table: test.table,
        actual: test.target,
      }),
      lint: lintLeakage({ columns: data.columns, train: i.train, test, testR2: metrics.r2, windows: samples.windows }),
      warnings: [...manifest.warnings, ...encodingWarnings(manifest.schema, counts, data.kind), ...forecasts.warnings],
      detail: { ...detail, ...forecasts.detail },
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
