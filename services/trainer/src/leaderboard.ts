import { type Sample, type Table, computeBaselines, figures, isProbabilistic, spreadOf } from '@clove/clv';
import {
  CloveError,
  type DatasetProfile,
  type EvaluationReport,
  type LeaderboardOptions,
  type LeaderboardReport,
  type Metrics,
  type ModelManifest,
  type PurchaseModel,
  TrainingOptions,
} from '@clove/contracts';
import { fingerprintOf } from '@clove/data';
import { checkpointOf } from './checkpoint.js';
import { CLEAR, bestOf, drawFigures, isClearlyWorse, shareOf } from './choice.js';
import { type Entry, blend, enter, sumOf } from './contestants.js';
import { decideLevel, percent } from './level.js';
import { claimsOf, untaughtPeak } from './claims.js';
import { type Field, fieldOf } from './field.js';
import { type Samples, readRehearsal, readSamples, stackOrigins, wholeHorizon } from './samples.js';
import { type Threads, threadsOf } from './threads.js';
import {
  type Level,
  evaluateVersion,
  distributionOf,
  levelErrorOf,
  levelSdOf,
  levelled,
  levelledSeeds,
  meanOf,
  versionOf,
  writeVersion,
} from './version.js';

export type LeaderboardInput = {
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** null outside a registry */
  datasetId: string | null;
  options: LeaderboardOptions;
  /** receives the winner's model folder */
  outDir: string;
  scratchDir: string;
  memoryLimitBytes?: number;
  /** native threads that a training may use at most */
  threads?: number;
};

/** What a leaderboard tells while it runs. */
export type LeaderboardMessage = { type: 'progress'; fraction: number; stage: string };

export type LeaderboardResult = {
  report: LeaderboardReport;
  /** null where a plain baseline wins, which makes no version */
  winner: { manifest: ModelManifest; evaluation: EvaluationReport } | null;
};

type Io = { signal: AbortSignal; post(message: LeaderboardMessage): void };

/** Order days that the networks on sequences read here: most customers have few. */
const SEQUENCE_LENGTH = 10;

/**
 * Trains and ranks every model and baseline on the same test rows; the winner is chosen by a stated rule on data before them.
 * Writes the winner's model folder.
 *
 * 1. Rehearsal: everything is learned at earlier origins and judged at a validation origin whose labels end by the test
 *    origin. The anchor, the level of each model and the winner are decided here and nowhere else.
 * 2. Everything is learned again on all training origins; the winner's version is made.
 * 3. The labels of the test rows are read, once, for the table.
 *
 * The same dataset, options and threads give the same report but for the seconds. Blocks its thread while it computes.
 * @throws CloveError as `trainModel`
 */
export const runLeaderboard = async (i: LeaderboardInput, io: Io): Promise<LeaderboardResult> => {
  const started = performance.now();
  const { profile } = i;
  const options = TrainingOptions.parse(i.options);
  const progress = (fraction: number, stage: string): void => io.post({ type: 'progress', fraction, stage });
  const source = {
    ...i,
    options,
    signal: io.signal,
    ...(profile.kind === 'transactions' ? { sequence: { length: SEQUENCE_LENGTH } } : {}),
  };
  const samples = await readSamples(source, (stage) => progress(0.01, stage));
  const { protocol, data } = samples;
  const about = { sequenceLength: SEQUENCE_LENGTH, asked: i.options.models };
  fieldOf(data, options, { ...about, anchor: null }); // refuses what is none for these data before the work
  const skipped = new Map<string, string>();
  const work = { ...threadsOf(options.threads, i.threads), signal: io.signal };

  const rehearsal = await readRehearsal(source, samples, (stage) => progress(0.05, stage));
  const decision = await decide(rehearsal, samples, options, {
    ...work,
    about,
    progress: (share, stage) => progress(0.08 + 0.4 * share, `rehearsal: ${stage}`),
    skipped,
  });

  const field = fieldOf(data, options, { ...about, anchor: decision.anchor });
  for (const { model, reason } of field.skipped) skipped.set(model, reason);
  const entries = await enterAll(field, data, {
    ...work,
    progress: (share, stage) => progress(0.5 + 0.4 * share, stage),
    skipped,
  });
  const ranking = [...entries.values()].filter(({ contestant }) => field.ranked.has(contestant.name));
  const named = (name: string) => ranking.find(({ contestant }) => contestant.name === name);
  const chosen = named(decision.winner) ?? named(field.fallback) ?? ranking[0];
  if (chosen === undefined) {
    throw new CloveError('not-converged', `No model could be learned: ${[...skipped.values()].join(' ')}`);
  }
  const level = (entry: Entry): Level => decision.levels.get(entry.contestant.name) ?? ownTotal(entry);
  const levelSd = (entry: Entry): number =>
    levelSdOf(decision.levelErrors.get(entry.contestant.name) ?? null, samples.windows);
  progress(0.92, 'exporting the winner');
  const chosenOptions = chosen.contestant.type === 'model' ? chosen.contestant.options : options;
  const { train, validation } = stackOrigins(data.origins);
  const { manifest, graphs } = await versionOf({
    entry: chosen,
    level: level(chosen),
    levelSd: levelSd(chosen),
    data,
    profile,
    datasetId: i.datasetId,
    fingerprint: await fingerprintOf(source),
    options: chosenOptions,
    targetMean: meanOf(train.target),
    trainingOrigins: protocol.trainingOrigins,
    rows: train.table.rows + validation.table.rows,
    seconds: (performance.now() - started) / 1000,
    warnings: [...samples.warnings, ...chosen.members.flatMap(({ learned }) => learned.warnings)],
  });

  // Nothing is left to choose: from here on the labels of the test rows are read.
  progress(0.95, 'ranking on the test rows');
  const { test } = samples;
  const ranked = ranking.map((entry) => rowOf(entry, level(entry), levelSd(entry), test, options.seed));
  const baselines = computeBaselines({
    kind: data.kind,
    horizonDays: data.horizonDays,
    targetMean: meanOf(train.target),
    table: test.table,
    actual: test.target,
  });
  for (const [model, reason] of Object.entries(baselines.skippedBaselines)) skipped.set(model, reason);
  const rows: LeaderboardReport['rows'] = [
    ...ranked,
    ...Object.entries(baselines.baselines).map(([model, metrics]) => ({
      model,
      family: 'baseline' as const,
      metrics: { ...metrics, auc: null, brier: null, coverage80: null },
      sd: {},
    })),
  ];
  const seeds = levelledSeeds(chosen, level(chosen).held);
  const evaluation = await evaluateVersion({ manifest, graphs, source, samples, train, seeds, seed: options.seed });
  const checkpoint = checkpointOf(chosen, chosenOptions, data.target);
  await writeVersion(i.outDir, { manifest, graphs, evaluation, checkpoint });
  const report: LeaderboardReport = {
    protocol,
    horizonDays: data.horizonDays,
    winner: chosen.contestant.name,
    rule:
      chosen.contestant.name === decision.winner
        ? decision.rule
        : `${decision.rule} Of those that are ranked and could be learned on all of the history, ${chosen.contestant.name} stands in.`,
    selection: decision.selection,
    rows: rows.toSorted((a, b) => rankOf(b.metrics, data.kind) - rankOf(a.metrics, data.kind)),
    skipped: [...skipped].map(([model, reason]) => ({ model, reason })),
    claims: claimsOf(samples, rehearsal),
    lint: evaluation.lint,
    warnings: samples.warnings,
    seconds: (performance.now() - started) / 1000,
  };
  return { report, winner: { manifest, evaluation } };
};

type Learning = Threads & {
  signal: AbortSignal;
  progress(share: number, stage: string): void;
  /** grows by what could not be learned, and why */
  skipped: Map<string, string>;
};

/** What data cannot teach is no failure of a leaderboard. */
const PASSING = new Set(['not-enough-data', 'not-converged', 'target-constant', 'value-invalid']);

/** Learns all models of a field, then blends them. What cannot be learned from these data is skipped with the reason. */
const enterAll = async (
  field: Field,
  data: Samples['data'],
  o: Learning,
  known: ReadonlyMap<string, Entry> = new Map(),
): Promise<Map<string, Entry>> => {
  const entries = new Map(known);
  for (const [k, contestant] of field.models.entries()) {
    o.progress(k / field.models.length, contestant.name);
    o.signal.throwIfAborted();
    try {
      entries.set(
        contestant.name,
        await enter(contestant, { data, threads: o.threads, threadLimit: o.threadLimit, signal: o.signal }),
      );
    } catch (error) {
      if (!(error instanceof CloveError) || !PASSING.has(error.code)) throw error;
      o.skipped.set(contestant.name, error.message);
    }
  }
  for (const contestant of field.blends) {
    const parts = contestant.of.flatMap((name) => entries.get(name) ?? []);
    if (parts.length === contestant.of.length) entries.set(contestant.name, blend(contestant, parts));
  }
  return entries;
};

type Decision = {
  anchor: PurchaseModel | null;
  winner: string;
  rule: string;
  levels: Map<string, Level>;
  levelErrors: Map<string, number | null>;
  selection: LeaderboardReport['selection'];
};

/** Decides all that is to be decided, on the rehearsal alone. */
const decide = async (
  rehearsal: Samples | null,
  samples: Samples,
  options: TrainingOptions,
  o: Learning & { about: Pick<Parameters<typeof fieldOf>[2], 'sequenceLength' | 'asked'> },
): Promise<Decision> => {
  const nothing = { levels: new Map<string, Level>(), levelErrors: new Map<string, number | null>(), selection: [] };
  if (rehearsal === null) {
    return {
      ...nothing,
      anchor: 'bg-nbd',
      winner: 'bg-nbd',
      rule: 'The history is too short for a rehearsal before the test origin, so nothing can be chosen on evidence: the simplest probabilistic model stands.',
    };
  }
  const { data, test } = rehearsal;
  const actual = test.target;
  const simple = fieldOf(data, options, { ...o.about, anchor: null, part: 'probabilistic' });
  const progress = (from: number, to: number) => (share: number, stage: string) =>
    o.progress(from + (to - from) * share, stage);
  const first = await enterAll(simple, data, { ...o, progress: progress(0, 0.2) });
  const probabilistic = [...first.values()];
  const best = bestOf(
    drawFigures(
      actual,
      probabilistic.map(({ predicted }) => predicted),
      options.seed,
    ),
  );
  const reference = best < 0 ? null : probabilistic[best]!;
  const anchor = reference === null ? null : (reference.contestant.name as PurchaseModel);
  const field = fieldOf(data, options, { ...o.about, anchor, part: 'others' });
  const entries = await enterAll(field, data, { ...o, progress: progress(0.2, 1) }, first);
  const levels = new Map<string, Level>();
  const levelErrors = new Map<string, number | null>();
  const contenders: { entry: Entry; predicted: Float64Array }[] = [];
  for (const [name, entry] of entries) {
    if (!field.ranked.has(name) && !simple.ranked.has(name)) continue;
    const level = anchored(entry)
      ? decideLevel(entry, actual, wholeHorizon(rehearsal, samples), options.seed)
      : ownTotal(entry);
    levels.set(name, level);
    const { predicted } = levelled(entry, level.held);
    levelErrors.set(name, levelErrorOf(predicted, actual));
    contenders.push({ entry, predicted });
  }
  const selection = contenders.map(({ entry, predicted }) => ({
    model: entry.contestant.name,
    family: entry.contestant.family,
    metrics: figuresOf(entry, predicted, levelSdOf(null, rehearsal.windows), test, options.seed),
  }));
  const decided = { anchor, levels, levelErrors, selection };
  if (data.kind === 'features') return { ...decided, ...chooseByError(contenders, actual) };
  const referred = contenders.some(({ entry }) => entry === reference);
  if (reference !== null && referred && untaughtPeak(samples.windows)) {
    return {
      ...decided,
      winner: reference.contestant.name,
      rule: `${RULE} Here the horizon covers November or December, the peak of trade, and no label that a model learned from does: what was learned in other months is no evidence for it, so the probabilistic model that did best at the rehearsal stands, ${reference.contestant.name}.`,
    };
  }
  const older = shareBeyondTraining(samples);
  const sound = contenders.filter(({ entry }) => older <= MOST_BEYOND || !extrapolates(entry));
  const eligible = sound.length > 0 ? sound : contenders;
  const drawn = drawFigures(
    actual,
    eligible.map(({ predicted }) => predicted),
    options.seed,
  );
  return {
    ...decided,
    ...chooseWinner(
      eligible.map(({ entry }) => entry),
      drawn,
      reference,
      sound.length > 0 ? older : 0,
    ),
  };
};

/** Quantile of the normal distribution beyond which a difference is clear. */
const Z_CLEAR = 1.645;

/**
 * For a features dataset: the model of the least squared error on the validation customers, or a blend where that is clearly
 * better still.
 */
const chooseByError = (
  contenders: readonly { entry: Entry; predicted: Float64Array }[],
  actual: Float64Array,
): { winner: string; rule: string } => {
  const errors = contenders.map(({ entry, predicted }) => ({
    name: entry.contestant.name,
    simple: entry.contestant.type === 'model',
    squares: predicted.map((value, row) => (value - actual[row]!) ** 2),
  }));
  const least = (list: typeof errors) => list.reduce((a, b) => (sumOf(b.squares) < sumOf(a.squares) ? b : a));
  const models = errors.filter(({ simple }) => simple);
  const model = least(models.length > 0 ? models : errors);
  const any = least(errors);
  const gain = model.squares.map((value, row) => value - any.squares[row]!);
  const mean = sumOf(gain) / gain.length;
  const sd = Math.sqrt(sumOf(gain.map((value) => (value - mean) ** 2)) / gain.length);
  const clear = any !== model && mean > (Z_CLEAR * sd) / Math.sqrt(gain.length);
  const rmse = ({ squares }: (typeof errors)[number]): string =>
    Math.sqrt(sumOf(squares) / squares.length).toPrecision(4);
  const winner = clear ? any : model;
  return {
    winner: winner.name,
    rule:
      'The model of the least squared error on validation customers, on whom nothing was trained; a mean of several models wins only where it is clearly better still (95 %). ' +
      `Here: ${winner.name} with a root mean squared error of ${rmse(winner)}${any === winner ? '' : `; ${any.name} has ${rmse(any)}, which is no clear difference`}.`,
  };
};

const RULE =
  'On a validation origin before the test origin, models are compared by normalized Gini - (decile error + |total bias|) / 20; the decile error is the mean over ten groups of |predicted - actual| / the larger of the two. ' +
  'The best one wins if it beats the best probabilistic model in 95 % of bootstrap draws of the customers and is not clearly worse (95 %) in normalized Gini, |total bias| or decile MAPE; else the next best that does, and where none does the probabilistic model, which is the simpler one.';

const chooseWinner = (
  entries: readonly Entry[],
  drawn: ReturnType<typeof drawFigures>,
  reference: Entry | null,
  older: number,
): { winner: string; rule: string } => {
  const name = (k: number): string => entries[k]!.contestant.name;
  const told = (k: number): string => {
    const { gini, bias, calibration, score } = drawn[k]![0]!;
    return `${name(k)} ${score.toFixed(4)} (normalized Gini ${gini.toFixed(4)}, total bias ${percent(bias)}, decile error ${calibration.toFixed(3)})`;
  };
  const age =
    older > MOST_BEYOND
      ? ` Models on ages and counts were not eligible: ${(100 * older).toFixed(0)} % of the customers are older than any in training.`
      : '';
  const at = entries.findIndex((entry) => entry === reference);
  const order = entries.map((_, k) => k).toSorted((a, b) => drawn[b]![0]!.score - drawn[a]![0]!.score);
  if (at < 0)
    return {
      winner: name(order[0]!),
      rule: `${RULE}${age} ${reference === null ? 'No probabilistic model could be fitted' : `The best of them here, ${reference.contestant.name}, was not asked for`}; ${told(order[0]!)} is the best of the others.`,
    };
  for (const k of order) {
    if (k === at) break;
    const [one, other] = [drawn[k]!, drawn[at]!];
    const better = shareOf(one, other, (a, b) => a.score > b.score);
    if (better >= CLEAR && !isClearlyWorse(one, other)) {
      return {
        winner: name(k),
        rule: `${RULE}${age} Here: ${told(k)}, better than ${told(at)} in ${(100 * better).toFixed(0)} % of the draws.`,
      };
    }
  }
  return { winner: name(at), rule: `${RULE}${age} Here no model is clearly better than ${told(at)}.` };
};

/** More customers than this share beyond what training saw, and a model on ages is an extrapolation. */
const MOST_BEYOND = 0.1;

/** Share of the customers at the test origin who have been customers for longer than anybody in training. */
const shareBeyondTraining = ({ data }: Samples): number => {
  const tenure = (table: Table): Float64Array => {
    const column = table.columns.get('tenure_days');
    return column?.kind === 'numeric' ? column.values : new Float64Array();
  };
  let longest = 0;
  for (const { train } of data.origins) for (const days of tenure(train.table)) longest = Math.max(longest, days);
  const now = tenure(data.latest);
  return now.length === 0 ? 0 : now.filter((days) => days > longest).length / now.length;
};

const anchored = (entry: Entry): boolean => entry.members.some(({ learned }) => learned.member.anchored);

/** Learns from ages and counts that grow with time. */
const extrapolates = (entry: Entry): boolean =>
  entry.members.some(({ learned }) => !learned.member.anchored && !isProbabilistic(learned.member.type));

const ownTotal = (entry: Entry): Level =>
  anchored(entry)
    ? { held: true, reason: 'held to the forecast: no rehearsal says otherwise' }
    : { held: false, reason: 'its own total' };

const figuresOf = (
  entry: Entry,
  predicted: Float64Array,
  levelSd: number,
  { target }: Sample,
  seed: number,
): Metrics => {
  const distribution = distributionOf(entry, levelSd);
  return figures({ actual: target, predicted, distribution, interval: null, seed });
};

const rowOf = (
  entry: Entry,
  level: Level,
  levelSd: number,
  test: Sample,
  seed: number,
): LeaderboardReport['rows'][number] => {
  const { predicted } = levelled(entry, level.held);
  const seeds = levelledSeeds(entry, level.held).map((values) => figuresOf(entry, values, levelSd, test, seed));
  return {
    model: entry.contestant.name,
    family: entry.contestant.family,
    metrics: figuresOf(entry, predicted, levelSd, test, seed),
    sd: spreadOf(seeds),
    ...(anchored(entry) ? { note: level.reason } : {}),
  };
};

const rankOf = (metrics: Metrics, kind: DatasetProfile['kind']): number =>
  (kind === 'features' ? metrics.r2 : metrics.normalizedGini) ?? Number.NEGATIVE_INFINITY;
