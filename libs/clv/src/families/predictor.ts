import {
  type ArtifactName,
  CloveError,
  type ForecasterParameters,
  type ModelManifest,
  type ModelMember,
  type PredictiveDistribution,
  type Predictor,
} from '@clove/contracts';
import { type Scorer, createScorer } from '@clove/engine';
import { type EncodingCounts, encode, noCounts } from '../feature-schema.js';
import { FORECAST_FEATURE_NAMES } from '../snapshot-features.js';
import type { Table } from '../table.js';
import { ANCHOR_SOURCES, HISTORY_COLUMNS, withForecast } from './forecast-features.js';
import { buyProbability, spendQuantile } from './distribution.js';
import { memberInput } from './member-input.js';

/** Predictions row by row, in the currency of the target; `low` to `high` holds 80 % of customers. */
export type Scores = { predicted: Float32Array; pBuy: Float32Array | null; low: Float32Array; high: Float32Array };

/** A version, open for scoring in this thread. */
export type OpenPredictor = {
  manifest: ModelManifest;
  /** columns of a snapshot or a features table that it reads */
  columns: readonly string[];
  /** order days of each customer that it reads; null where it reads none */
  sequence: { length: number } | null;
  /** @param counts grows by what was met in the columns of features */
  score(table: Table, counts: EncodingCounts): Promise<Scores>;
  release(): Promise<void>;
};

/** Level of the intervals. */
export const INTERVAL_LEVEL = 0.8;

/**
 * Predictions of one member for a table.
 * @param scorer null for a probabilistic member
 */
export const scoreMember = async (
  member: Pick<ModelMember, 'schema' | 'anchored' | 'sequence'>,
  scorer: Scorer | null,
  table: Table,
  o: { forecaster: ForecasterParameters | null; horizonDays: number | null; counts: EncodingCounts },
): Promise<Float64Array> => {
  const made =
    o.forecaster === null || o.horizonDays === null ? null : withForecast(table, o.forecaster, o.horizonDays, member);
  if (scorer === null || member.schema === null) {
    if (made === null) throw new CloveError('internal', 'A probabilistic member came without its forecaster.');
    return made.forecast.value;
  }
  const { schema, anchored, sequence } = member;
  const forecast = anchored && made !== null ? made.forecast.value : null;
  const x = memberInput({ schema, anchored, sequence }, made?.features ?? table, forecast, o.counts);
  return Float64Array.from(await scorer.predict(x, table.rows), (value) => Math.max(0, value));
};

/** The mean of the members' predictions, each times its factor, times the level. */
export const combine = (
  how: Predictor['combine'],
  members: readonly { predicted: ArrayLike<number>; factor: number }[],
  level: number,
): Float64Array => {
  const n = members.length;
  return Float64Array.from({ length: members[0]!.predicted.length }, (_, row) => {
    let sum = 0;
    for (const { predicted, factor } of members) {
      const value = predicted[row]! * factor;
      sum += how === 'geometric' ? Math.log(Math.max(1e-9, value)) : value;
    }
    return level * (how === 'geometric' ? Math.exp(sum / n) : sum / n);
  });
};

/** Probability to buy and the interval of each prediction. */
export const withDistribution = (
  distribution: PredictiveDistribution,
  predicted: Float64Array,
): Omit<Scores, 'pBuy'> & { pBuy: Float32Array } => {
  const tail = (1 - INTERVAL_LEVEL) / 2;
  return {
    predicted: Float32Array.from(predicted),
    pBuy: Float32Array.from(predicted, (value) => buyProbability(distribution, value)),
    low: Float32Array.from(predicted, (value) => spendQuantile(distribution, value, tail)),
    high: Float32Array.from(predicted, (value) => spendQuantile(distribution, value, 1 - tail)),
  };
};

/** Columns of a table that members read: those of features, and those that a forecaster makes its own from. */
export const columnsOf = (predictor: {
  members: readonly Pick<ModelMember, 'schema' | 'anchored' | 'forecaster'>[];
}) => [
  ...new Set(
    predictor.members.flatMap(({ schema, anchored, forecaster }) => {
      if (schema === null) return HISTORY_COLUMNS;
      if (anchored) return ANCHOR_SOURCES;
      const names = schema.features.map(({ name }) => name);
      if (forecaster === null) return names;
      return [...names.filter((name) => !FORECAST_FEATURE_NAMES.includes(name)), ...HISTORY_COLUMNS];
    }),
  ),
];

/** Order days that a model of this manifest reads; null where it reads no sequences. */
const sequenceOf = ({ predictor }: ModelManifest): { length: number } | null => {
  const reading = predictor?.members.find(({ sequence }) => sequence !== null)?.sequence;
  return reading === null || reading === undefined ? null : { length: reading.length };
};

/**
 * Opens a version for scoring: the one implementation behind a training's own evaluation, batch scoring, evaluations and
 * rows scored at once.
 * @param readFile gives an artifact of the version by its name
 */
export const openPredictor = async (
  manifest: ModelManifest,
  readFile: (name: ArtifactName) => Promise<Uint8Array>,
  o: { threads?: number | undefined } = {},
): Promise<OpenPredictor> => {
  const { predictor, interval } = manifest;
  const threads = o.threads === undefined ? {} : { threads: o.threads };
  const columns = predictor === undefined ? manifest.schema.features.map(({ name }) => name) : columnsOf(predictor);
  const around = (predicted: Float32Array): Scores => ({
    predicted,
    pBuy: null,
    low: predicted.map((value) => Math.max(0, value - interval.below)),
    high: predicted.map((value) => value + interval.above),
  });
  const sequence = sequenceOf(manifest);
  if (predictor === undefined) {
    const scorer = await createScorer(await readFile('model.onnx'), threads);
    return {
      manifest,
      columns,
      sequence,
      score: async (table, counts) => around(await scorer.predict(encode(manifest.schema, table, counts), table.rows)),
      release: () => scorer.release(),
    };
  }
  const opened: { member: ModelMember; scorer: Scorer | null }[] = [];
  const release = async (): Promise<void> => {
    for (const { scorer } of opened) await scorer?.release();
  };
  try {
    for (const member of predictor.members) {
      const scorer = member.file === null ? null : await createScorer(await readFile(member.file), threads);
      opened.push({ member, scorer });
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    manifest,
    columns,
    sequence,
    async score(table, counts) {
      const parts: { predicted: Float64Array; factor: number }[] = [];
      for (const [k, { member, scorer }] of opened.entries()) {
        const forecaster = member.forecaster === null ? null : predictor.forecasters[member.forecaster]!;
        const predicted = await scoreMember(member, scorer, table, {
          forecaster,
          horizonDays: manifest.horizonDays,
          counts: k === 0 ? counts : noCounts(),
        });
        parts.push({ predicted, factor: member.factor });
      }
      const predicted = combine(predictor.combine, parts, predictor.level.factor);
      return predictor.distribution === null
        ? around(Float32Array.from(predicted))
        : withDistribution(predictor.distribution, predicted);
    },
    release,
  };
};
