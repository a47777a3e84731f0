import { createScorer } from '@clove/engine';
import {
  type Checkpoints,
  type Learned,
  type LearningData,
  type Sample,
  type Table,
  combine,
  forecast,
  historiesOf,
  isProbabilistic,
  learn,
  noCounts,
  scoreMember,
} from '@clove/clv';
import type { Epoch, Family, TrainingOptions } from '@clove/contracts';

/** A model that is learned, or a mean of such. */
export type Contestant = { name: string; family: Family } & (
  | { type: 'model'; options: TrainingOptions }
  | { type: 'blend'; of: readonly string[]; combine: 'arithmetic' | 'geometric' }
);

/** What a contestant makes of the customers at the latest origin, and of those who steer its intervals. */
export type Entry = {
  contestant: Contestant;
  /** of `data.latest`, not held to any level */
  predicted: Float64Array;
  /** the same, seed by seed; none where there is one seed or no chance */
  bySeed: Float64Array[];
  /** customers with known spend; the same for every contestant on the same data */
  known: { predicted: Float64Array; actual: Float64Array };
  /** total that the forecaster expects of the latest origin, that of the first member of a blend; null where there is none */
  forecastTotal: number | null;
  /** what was learned, in the order of the members */
  members: Member[];
};

/** One model of a contestant, with what it makes of `data.latest`: all of its seeds together, and each where there are several. */
export type Member = { learned: Learned; name: string; predicted: Float64Array; bySeed: Float64Array[] };

export const familyOf = (type: TrainingOptions['model']): Family =>
  isProbabilistic(type) ? 'probabilistic' : type === 'trees' ? 'trees' : 'neural';

type Work = {
  data: LearningData;
  /** see `threadsOf` */
  threads?: number | undefined;
  threadLimit?: number | undefined;
  onEpoch?: ((epoch: Epoch) => void) | undefined;
  /** where its networks keep how far they have come */
  checkpoints?: Checkpoints | undefined;
  signal?: AbortSignal | undefined;
};

/** Learns one model and lets every seed predict the latest origin and the customers of known spend. */
export const enter = async (contestant: Contestant & { type: 'model' }, work: Work): Promise<Entry> => {
  const { data } = work;
  const learned = await learn({ ...work, options: contestant.options });
  const { member, forecaster, forecasters, seeds } = learned;
  const known = knownRows(data);
  const predictedBy = async (onnx: Uint8Array | null) => {
    const threads = work.threads ?? work.threadLimit;
    const scorer = onnx === null ? null : await createScorer(onnx, threads === undefined ? {} : { threads });
    try {
      const score = (table: Table, fitted: typeof forecaster) =>
        scoreMember(member, scorer, table, { forecaster: fitted, horizonDays: data.horizonDays, counts: noCounts() });
      const latest = await score(data.latest, forecaster);
      const parts: Float64Array[] = [];
      for (const { sample, origin } of known) parts.push(await score(sample.table, forecasters[origin] ?? null));
      return { latest, known: concat(parts) };
    } finally {
      await scorer?.release();
    }
  };
  const whole = await predictedBy(learned.onnx);
  const bySeed: Float64Array[] = [];
  if (seeds.length > 1) for (const seed of seeds) bySeed.push((await predictedBy(seed)).latest);
  const predicted = whole.latest;
  const total =
    member.anchored || member.schema === null ? forecastOf(forecaster, data.latest, data.horizonDays) : null;
  return {
    contestant,
    predicted,
    bySeed,
    known: {
      predicted: whole.known,
      actual: concat(known.map(({ sample }) => sample.target)),
    },
    forecastTotal: total === null ? null : sumOf(total),
    members: [{ learned, name: contestant.name, predicted, bySeed }],
  };
};

/** What a forecaster expects each customer of a snapshot to spend. */
export const forecastOf = (
  forecaster: Learned['forecaster'],
  table: Table,
  horizonDays: number | null,
): Float64Array | null =>
  forecaster === null || horizonDays === null ? null : forecast(forecaster, historiesOf(table), horizonDays).value;

/** The mean of entries on the same data, each as it is. */
export const blend = (contestant: Contestant & { type: 'blend' }, parts: readonly Entry[]): Entry => {
  const mean = (pick: (part: Entry) => Float64Array): Float64Array =>
    combine(
      contestant.combine,
      parts.map((part) => ({ predicted: pick(part), factor: 1 })),
      1,
    );
  return {
    contestant,
    predicted: mean(({ predicted }) => predicted),
    bySeed: [],
    known: { predicted: mean(({ known }) => known.predicted), actual: parts[0]!.known.actual },
    forecastTotal: parts.find(({ forecastTotal }) => forecastTotal !== null)?.forecastTotal ?? null,
    members: parts.flatMap(({ members }) => members),
  };
};

/** Fewer buyers than this among the validation rows say little about quantiles. */
const FEWEST_BUYERS = 300;

/** The validation rows, and the training rows too where those hold few buyers. */
const knownRows = (data: LearningData): { sample: Sample; origin: number }[] => {
  const buyers = data.origins.reduce(
    (sum, { validation }) => sum + validation.target.reduce((count, value) => count + (value > 0 ? 1 : 0), 0),
    0,
  );
  const all = data.kind === 'transactions' && buyers < FEWEST_BUYERS;
  return data.origins.flatMap(({ train, validation }, origin) =>
    (all ? [train, validation] : [validation]).map((sample) => ({ sample, origin })),
  );
};

/** The factor that holds a total to the forecaster's. */
export const holding = (entry: Pick<Entry, 'predicted' | 'forecastTotal'>): number => {
  const total = sumOf(entry.predicted);
  return entry.forecastTotal === null || !(total > 0) || !(entry.forecastTotal > 0) ? 1 : entry.forecastTotal / total;
};

export const sumOf = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]!;
  return sum;
};

const concat = (parts: readonly Float64Array[]): Float64Array => {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
};
