import {
  CloveError,
  type DatasetKind,
  type Epoch,
  type FeatureSchema,
  type Head as HeadName,
  type ModelMember,
  type TrainingOptions,
  type Warning,
} from '@clove/contracts';
import { type Network, type TrainState, exportOnnx, mapRows, treesOnnx } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { type Checkpoints, fingerprint } from '../checkpoint.js';
import { type Boosted, fitBoosted } from '../boosting.js';
import { encode, fitSchema, noCounts, prepareTensor, preparedWidth } from '../feature-schema.js';
import { withEmbeddings } from '../embeddings.js';
import { feedforward } from '../feedforward.js';
import { gru } from '../gru.js';
import { anchored, headOf, logForecast } from '../heads.js';
import { type Sample } from '../lint.js';
import { lstm } from '../lstm.js';
import { type Forecaster, fitForecaster } from '../probabilistic/forecaster.js';
import { historiesOf } from '../probabilistic/histories.js';
import { prepareSequence, sequenceWidth } from '../sequence-input.js';
import { type Sequence, type Table, stackTables } from '../table.js';
import { type TargetScale, scaleTarget } from '../target-scale.js';
import { type TrainingSource, inMemory, trainNetwork } from '../training.js';
import { transformer } from '../transformer.js';
import { ANCHOR_FEATURES, withForecast } from './forecast-features.js';
import { inputWidth, memberInput } from './member-input.js';

/** What a model learns from: one entry of `origins` a training origin; a features dataset has one. */
export type LearningData = {
  kind: DatasetKind;
  target: string;
  /** null for a features dataset */
  horizonDays: number | null;
  /** feature columns of models without an anchor, those of a forecaster left out */
  columns: readonly string[];
  /** those of FORECAST_FEATURES that models without an anchor may learn from; none for a features dataset */
  forecastColumns: readonly string[];
  origins: readonly { train: Sample; validation: Sample }[];
  /** everybody known at the latest origin, without labels: what forecasters that travel are fitted to */
  latest: Table;
  /** all training rows of a features table that is too large for memory; the training rows above are an even sample of them */
  stream?: TrainingStream | undefined;
};

/** Training rows that are not in memory: read once, kept as a network takes them in, and trained on from there. */
export interface TrainingStream {
  /** the columns given of every row, with the target, piece by piece; the same rows in the same order each time */
  scan(columns: readonly string[]): AsyncIterable<Sample>;
  /** Keeps prepared rows of that width. */
  keep(width: number, rows: AsyncIterable<{ x: Float32Array; y: Float32Array }>): Promise<KeptRows>;
}

/** Kept rows. `used`: for each input whether it was other than 0 in any row. */
export interface KeptRows extends TrainingSource {
  readonly used: readonly boolean[];
}

/** One model learned, as many times as there are seeds. */
export type Learned = {
  member: Omit<ModelMember, 'name' | 'file' | 'forecaster' | 'factor'>;
  head: HeadName | null;
  /** fitted at `latest`; null where the model has none */
  forecaster: Forecaster | null;
  /** forecasters of the training origins, in their order */
  forecasters: Forecaster[];
  /** a graph from the rows of `memberInput` to predictions for each seed; none for a probabilistic model */
  seeds: Uint8Array[];
  /** all seeds in one graph; null for a probabilistic model */
  onnx: Uint8Array | null;
  parameters: number;
  /** of the first seed */
  epochs: Epoch[];
  bestEpoch: number;
  backend: string;
  versions: Record<string, string>;
  /** of the first seed, with the scale of its target; null where no network was trained */
  state: (TrainState & { scale: TargetScale }) | null;
  warnings: Warning[];
};

export type LearnOptions = {
  data: LearningData;
  options: TrainingOptions;
  threads?: number | undefined;
  /** native threads at most, where `threads` is left out */
  threadLimit?: number | undefined;
  /** epochs of the first seed */
  onEpoch?: ((epoch: Epoch) => void) | undefined;
  /** where the networks keep how far they have come; trees and probabilistic models start over */
  checkpoints?: Checkpoints | undefined;
  signal?: AbortSignal | undefined;
};

const PROBABILISTIC = ['bg-nbd', 'mbg-nbd', 'pareto-nbd'] as const;
type Probabilistic = (typeof PROBABILISTIC)[number];

/** Whether a type is fitted by maximum likelihood to purchase histories alone. */
export const isProbabilistic = (type: string): type is Probabilistic => PROBABILISTIC.some((name) => name === type);

/** Whether a type reads the orders of each customer one after the other. */
export const isSequence = (type: string): boolean => type === 'lstm' || type === 'gru' || type === 'transformer';

/**
 * Refuses options that do not fit each other or the kind of data, before anything is computed.
 * @throws CloveError `kind-mismatch` for histories or sequences asked of a features dataset; `invalid-input`
 */
export const requireFitting = (kind: DatasetKind, o: TrainingOptions): void => {
  const { model: type, anchor, head } = o;
  if (kind === 'features') {
    const why = isProbabilistic(type)
      ? `"${type}" is fitted to when each customer bought`
      : isSequence(type)
        ? `"${type}" reads each customer's orders one after the other`
        : anchor === 'none'
          ? undefined
          : `the anchor "${anchor}" is a forecast from when each customer bought`;
    if (why !== undefined) {
      throw new CloveError(
        'kind-mismatch',
        `${why}, and a features dataset holds one row a customer without the orders behind it. Train it on a transactions dataset, or choose the model feedforward or trees here.`,
      );
    }
  }
  if (isProbabilistic(type) && anchor !== 'none') {
    throw new CloveError('invalid-input', `"${type}" is a forecast itself, so it takes no anchor. Leave anchor out.`);
  }
  if (anchor !== 'none' && head !== 'poisson' && head !== 'tweedie') {
    throw new CloveError(
      'invalid-input',
      `A model with an anchor learns the logarithm of a multiplier, which the heads poisson and tweedie do; the head is "${head}".`,
    );
  }
  if (type === 'trees' && (head === 'ziln' || head === 'huber')) {
    throw new CloveError('invalid-input', `Trees learn with the heads mse, poisson and tweedie, not "${head}".`);
  }
};

/**
 * Learns one model on the training rows of all origins, early stopping by their validation rows. Forecasters are fitted anew
 * at each origin, and at the latest one: those of probabilistic and anchored models, and those whose forecast is among the
 * features of any other. A model without an anchor does without these where they cannot be fitted, and a warning says why.
 * @throws CloveError as `requireFitting`, `fitForecaster`, `fitSchema` and `trainNetwork`
 */
export const learn = async (o: LearnOptions): Promise<Learned> => {
  const { data, options } = o;
  requireFitting(data.kind, options);
  if (isProbabilistic(options.model)) return learnProbabilistic(options.model, data);
  const anchoring = options.anchor !== 'none';
  const { fitted, warnings: unfitted } = anchoring
    ? { fitted: forecastersOf(options.anchor as Probabilistic, data), warnings: [] }
    : featureForecasters(data, options);
  const { forecaster, forecasters } = fitted ?? { forecaster: null, forecasters: [] };
  const prepared = data.origins.map((origin, k) => ({
    train: inputsOf(origin.train, data, forecasters[k], anchoring),
    validation: inputsOf(origin.validation, data, forecasters[k], anchoring),
  }));
  const train = stackInputs(prepared.map((origin) => origin.train));
  const validation = stackInputs(prepared.map((origin) => origin.validation));
  const columns = anchoring
    ? ANCHOR_FEATURES.filter((name) => train.table.columns.has(name))
    : [...data.columns, ...(forecaster === null ? [] : data.forecastColumns)];
  const { schema, warnings } = fitSchema(train.table, columns);
  const shared = {
    forecaster,
    forecasters,
    member: {
      type: options.model,
      schema,
      anchored: anchoring,
      sequence: isSequence(options.model) ? shapeOf(train.table) : null,
    },
    head: options.head,
    warnings: anchoring ? [] : [...warnings, ...unfitted],
  };
  return options.model === 'trees'
    ? { ...shared, ...learnTrees(options, data.target, schema, train, validation) }
    : { ...shared, ...(await learnNetwork(o, schema, train, validation)) };
};

const sequenceOf = ({ sequence }: Table): Sequence => {
  if (sequence === undefined) throw new CloveError('internal', 'The snapshot came without the sequences asked for.');
  return sequence;
};

const shapeOf = (table: Table): { length: number; channels: number } => {
  const { length, channels } = sequenceOf(table);
  return { length, channels };
};

/** Of one model: fitted at the latest origin, and at each training origin. */
type Forecasters = { forecaster: Forecaster; forecasters: Forecaster[] };

/** Models of one leaderboard share their forecasters. */
const known = new WeakMap<LearningData, Map<Probabilistic, Forecasters>>();

const forecastersOf = (model: Probabilistic, data: LearningData): Forecasters => {
  const byModel = known.get(data) ?? new Map<Probabilistic, Forecasters>();
  known.set(data, byModel);
  const fit = (table: Table): Forecaster => fitForecaster(model, historiesOf(table), { withoutDropOut: 'nbd' });
  const made = byModel.get(model) ?? {
    forecaster: fit(data.latest),
    forecasters: data.origins.map(({ train, validation }) => fit(stackTables([train.table, validation.table]))),
  };
  byModel.set(model, made);
  return made;
};

/** What a forecaster cannot be fitted to. */
const UNFIT = new Set(['not-enough-data', 'not-converged', 'value-invalid']);

/** The forecasters behind FORECAST_FEATURES; null where none are wanted, or with a warning where these data give none. */
const featureForecasters = (
  data: LearningData,
  { forecastFeatures: model }: TrainingOptions,
): { fitted: Forecasters | null; warnings: Warning[] } => {
  if (model === 'none' || data.forecastColumns.length === 0) return { fitted: null, warnings: [] };
  try {
    return { fitted: forecastersOf(model, data), warnings: [] };
  } catch (error) {
    if (!(error instanceof CloveError) || !UNFIT.has(error.code)) throw error;
    const message = `The features ${data.forecastColumns.join(', ')} were left out, for ${model} could not be fitted: ${error.message}`;
    return { fitted: null, warnings: [{ code: 'no-forecast-features', message }] };
  }
};

const learnProbabilistic = (model: Probabilistic, data: LearningData): Learned => {
  const { forecaster, forecasters } = forecastersOf(model, data);
  return {
    member: { type: model, schema: null, anchored: false, sequence: null },
    head: null,
    forecaster,
    forecasters,
    seeds: [],
    onnx: null,
    parameters: Object.keys(forecaster.purchase.parameters).length + Object.keys(forecaster.spend.parameters).length,
    epochs: [],
    bestEpoch: 0,
    backend: 'maximum likelihood',
    versions: {},
    state: null,
    warnings: forecaster.inPlaceOf === null ? [] : [noDropOut(forecaster.inPlaceOf)],
  };
};

const noDropOut = ({ model, reason }: { model: string; reason: string }): Warning => ({
  code: 'no-drop-out',
  message: `${model} was asked for, and the NBD stands in its place: ${reason}`,
});

/** Rows ready to be encoded: feature columns, target, and the forecast that is multiplied (null without an anchor). */
type Inputs = { table: Table; target: Float64Array; forecast: Float64Array | null };

const inputsOf = (
  { table, target }: Sample,
  data: LearningData,
  forecaster: Forecaster | undefined,
  anchored: boolean,
): Inputs => {
  if (forecaster === undefined) return { table, target, forecast: null };
  const { features, forecast } = withForecast(table, forecaster, horizonOf(data), { anchored });
  return { table: features, target, forecast: anchored ? forecast.value : null };
};

const horizonOf = ({ horizonDays }: LearningData): number => {
  if (horizonDays === null) throw new CloveError('internal', 'A forecast was asked for without a horizon.');
  return horizonDays;
};

const stackInputs = (parts: readonly Inputs[]): Inputs => {
  const table = stackTables(parts.map((part) => part.table));
  const stack = (pick: (part: Inputs) => Float64Array): Float64Array => {
    const all = new Float64Array(table.rows);
    let offset = 0;
    for (const part of parts) {
      all.set(pick(part), offset);
      offset += part.table.rows;
    }
    return all;
  };
  return {
    table,
    target: stack((part) => part.target),
    forecast: parts[0]!.forecast === null ? null : stack((part) => part.forecast!),
  };
};

type Made = Pick<Learned, 'seeds' | 'onnx' | 'parameters' | 'epochs' | 'bestEpoch' | 'backend' | 'versions' | 'state'>;

/** Seeds of the members: the first is the run's own. */
const seedsOf = ({ seed, seeds }: TrainingOptions): number[] =>
  Array.from({ length: seeds }, (_, k) => seed + 1000 * k);

const learnNetwork = async (
  o: LearnOptions,
  schema: FeatureSchema,
  train: Inputs,
  validation: Inputs,
): Promise<Made> => {
  const { options } = o;
  const anchoring = train.forecast !== null;
  const head = headOf(options.head);
  const scale = head.fitScale(train.target);
  const sequence = isSequence(options.model) ? shapeOf(train.table) : null;
  const member = { schema, anchored: anchoring, sequence };
  const steps = sequence === null ? null : prepareSequence(sequenceOf(train.table));
  const before = beforeNetwork(member, steps, scale);
  const width = inputWidth(member);
  const prepare = async ({ table, forecast, target }: Inputs): Promise<{ x: Float32Array; y: Float32Array }> => ({
    x: await mapRows(before, memberInput(member, table, forecast, noCounts()), table.rows, width),
    y: scaleTarget(scale, target),
  });
  const prepared = preparedWidth(schema);
  const last = { outputs: head.outputs, zeroLast: anchoring };
  const plain = withEmbeddings(schema, (staticWidth) => networkOf(options, staticWidth, sequence, last));
  const network = anchoring ? anchored(plain) : plain;

  const held = await prepare(validation);
  const { source, taught, used } = await teachingRows(o, schema, train, network.inputWidth, prepare);
  const states: TrainState[] = [];
  let first: Awaited<ReturnType<typeof trainNetwork>> | undefined;
  for (const seed of seedsOf(options)) {
    const trained = await trainNetwork({
      network,
      loss: head.loss,
      source,
      held,
      options: { ...options, seed, threads: o.threads, threadLimit: o.threadLimit },
      ...(o.checkpoints === undefined
        ? {}
        : {
            checkpoint: o.checkpoints.of(
              `seed-${seed}`,
              fingerprint([network, { ...options, seed }], [...taught, held.x, held.y]),
            ),
          }),
      ...(first === undefined && o.onEpoch !== undefined ? { onEpoch: o.onEpoch } : {}),
      ...(o.signal === undefined ? {} : { signal: o.signal }),
    });
    first ??= trained;
    states.push(withoutUntaught(trained.state, network, prepared, used));
  }
  const after = firstColumn(head.after(scale));
  const graph = (parts: readonly TrainState[]): Uint8Array => {
    const mean = meanOf(network, parts.length, after);
    return exportOnnx({
      network: mean.network,
      params: joined(parts.map(({ params }) => params)),
      stats: joined(parts.map(({ stats }) => stats)),
      inputWidth: width,
      before,
      after: mean.after,
      metadata: { 'clove.type': options.model, 'clove.target': o.data.target },
    });
  };
  return {
    seeds: states.map((state) => graph([state])),
    onnx: graph(states),
    parameters: states.reduce((sum, { params }) => sum + params.length, 0),
    epochs: first!.epochs,
    bestEpoch: first!.bestEpoch,
    backend: first!.backend,
    versions: first!.versions,
    state: { ...states[0]!, scale },
  };
};

/**
 * The rows that teach a network: those in memory, or all of a stream.
 * @returns `taught`: what tells these rows from others; `used`: whether an input was other than 0 in any of them
 */
const teachingRows = async (
  { data }: LearnOptions,
  schema: FeatureSchema,
  train: Inputs,
  width: number,
  prepare: (rows: Inputs) => Promise<{ x: Float32Array; y: Float32Array }>,
): Promise<{ source: TrainingSource; taught: Float32Array[]; used: (input: number) => boolean }> => {
  if (data.stream === undefined) {
    const { x, y } = await prepare(train);
    const rows = Int32Array.from({ length: y.length }, (_, row) => row);
    const used = (input: number): boolean => rows.some((row) => x[row * width + input] !== 0);
    return { source: inMemory(x, y, rows), taught: [x, y], used };
  }
  const pieces = data.stream.scan(schema.features.map(({ name }) => name));
  const kept = await data.stream.keep(
    width,
    (async function* prepared() {
      for await (const piece of pieces) yield prepare({ ...piece, forecast: null });
    })(),
  );
  return { source: kept, taught: [Float32Array.of(kept.rows)], used: (input) => kept.used[input]! };
};

/** The network of a type. */
const networkOf = (
  options: TrainingOptions,
  staticWidth: number,
  sequence: { length: number; channels: number } | null,
  last: { outputs: number; zeroLast: boolean },
): Network => {
  const { hidden, batchNorm, dropout, activation, sequenceUnits: units, sequenceLayers: layers } = options;
  const shared = { hidden, batchNorm, dropout, activation, ...last };
  if (sequence === null) return feedforward({ ...shared, inputWidth: staticWidth });
  const reading = { ...shared, staticWidth, sequence };
  if (options.model === 'lstm') return lstm({ ...reading, units, layers });
  if (options.model === 'gru') return gru({ ...reading, units, layers });
  return transformer({ ...reading, width: units, heads: options.attentionHeads, layers, feedForward: 2 * units });
};

/** The way from rows of `memberInput` to inputs of the network, as tfjs ops. */
const beforeNetwork = (
  { schema, anchored: anchoring, sequence }: Parameters<typeof memberInput>[0],
  prepareSteps: ((raw: tf.Tensor2D) => tf.Tensor2D) | null,
  target: TargetScale,
): ((raw: tf.Tensor2D) => tf.Tensor2D) => {
  const prepare = prepareTensor(schema);
  if (!anchoring && sequence === null) return prepare;
  return (raw) => {
    const columns = (from: number, count: number): tf.Tensor2D => tf.slice(raw, [0, from], [-1, count]);
    const parts = [prepare(columns(0, schema.width))];
    if (sequence !== null && prepareSteps !== null) {
      parts.push(prepareSteps(columns(schema.width, sequenceWidth(sequence))));
    }
    if (anchoring) {
      parts.push(logForecast(target)(columns(inputWidth({ schema, anchored: anchoring, sequence }) - 1, 1)));
    }
    return tf.concat(parts, 1);
  };
};

const joined = (parts: readonly Float32Array[]): Float32Array => {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
};

const firstColumn =
  (after: (output: tf.Tensor2D) => tf.Tensor2D) =>
  (output: tf.Tensor2D): tf.Tensor2D =>
    tf.slice(after(output), [0, 0], [-1, 1]);

/** Several networks of one shape side by side; the prediction is the mean of theirs. One network stays as it is. */
const meanOf = (
  network: Network,
  count: number,
  after: (output: tf.Tensor2D) => tf.Tensor2D,
): { network: Network; after: (output: tf.Tensor2D) => tf.Tensor2D } => {
  if (count === 1) return { network, after };
  const place = (name: string, k: number): string => `seed${k}.${name}`;
  const copies = Array.from({ length: count }, (_, k) => k);
  return {
    network: {
      ...network,
      name: `${count} × ${network.name}`,
      params: copies.flatMap((k) => network.params.map((spec) => ({ ...spec, name: place(spec.name, k) }))),
      stats: copies.flatMap((k) => network.stats.map((spec) => ({ ...spec, name: place(spec.name, k) }))),
      forward(p, s, x, context) {
        const own = (all: Record<string, tf.Tensor>, specs: Network['params'], k: number) =>
          Object.fromEntries(specs.map(({ name }) => [name, all[place(name, k)]!]));
        const made = copies.map((k) =>
          network.forward(own(p, network.params, k), own(s, network.stats, k), x, context),
        );
        return {
          output: tf.concat(
            made.map(({ output }) => output),
            1,
          ),
          stats: {},
        };
      },
    },
    after: (output) => {
      const each = tf.split(output, count, 1).map((part) => after(part as tf.Tensor2D));
      const sum = each.reduce<tf.Tensor2D>((total, part, k) => (k === 0 ? part : tf.add(total, part)), each[0]!);
      return tf.mul(sum, 1 / count);
    },
  };
};

/**
 * An input that was 0 in every training row (the unknown bucket of a column that had nothing unknown) has taught its
 * weights nothing: they are what chance made them. They become 0, so that such a value adds nothing when it is met.
 */
const withoutUntaught = (
  state: TrainState,
  network: Network,
  features: number,
  used: (input: number) => boolean,
): TrainState => {
  const units = network.params[0]!.shape[1]!;
  const [params, m, v] = [state.params.slice(), state.m.slice(), state.v.slice()];
  for (let input = 0; input < features; input += 1)
    if (!used(input)) for (const flat of [params, m, v]) flat.fill(0, input * units, (input + 1) * units);
  return { ...state, params, m, v };
};

const learnTrees = (
  options: TrainingOptions,
  target: string,
  schema: FeatureSchema,
  train: Inputs,
  validation: Inputs,
): Made => {
  const rowsOf = ({ table, target, forecast }: Inputs, scale: number) => ({
    columns: byColumn(encode(schema, table, noCounts()), table.rows, schema.width),
    y: options.head === 'mse' ? target : target.map((value) => Math.max(0, value) / scale),
    ...(forecast === null ? {} : { offset: forecast.map((value) => Math.log(Math.max(1e-6, value / scale))) }),
  });
  const scale = options.head === 'mse' ? 1 : headOf(options.head).fitScale(train.target).sd;
  const [learning, held] = [rowsOf(train, scale), rowsOf(validation, scale)];
  const made = seedsOf(options).map((seed) =>
    fitBoosted(learning, held, {
      loss: options.head === 'mse' ? 'squared' : options.head === 'poisson' ? 'poisson' : 'tweedie',
      trees: options.treeCount,
      depth: options.treeDepth,
      learningRate: options.treeRate,
      minLeaf: options.minLeaf,
      l2: 1,
      rowShare: 0.7,
      featureShare: 0.7,
      seed,
      patience: 30,
    }),
  );
  // The scale goes into the constant, so that the trees predict in currency; a forecast comes in currency too.
  const models = made.map(({ model }): Boosted => ({
    ...model,
    base: model.base + (train.forecast === null && model.loss !== 'squared' ? Math.log(scale) : 0),
  }));
  const graph = (ensemble: Boosted): Uint8Array =>
    treesOnnx(ensemble, {
      ...(train.forecast === null ? {} : { last: 'multiplied' as const }),
      metadata: { 'clove.type': options.model, 'clove.target': target },
    });
  return {
    seeds: models.map(graph),
    onnx: graph(meanTrees(models)),
    parameters: models.reduce((sum, { trees }) => sum + trees.reduce((n, { value }) => n + value.length, 0), 0),
    epochs: made[0]!.losses.slice(1).map((validationLoss, k) => ({
      epoch: k + 1,
      trainLoss: made[0]!.trainLosses[k + 1]!,
      validationLoss,
      learningRate: options.treeRate,
      seconds: 0,
    })),
    bestEpoch: made[0]!.model.trees.length,
    backend: 'trees, 1 thread',
    versions: {},
    state: null,
  };
};

/** The mean of the scores of several: their trees together, each leaf divided by their number. */
const meanTrees = (models: readonly Boosted[]): Boosted => ({
  ...models[0]!,
  base: models.reduce((sum, { base }) => sum + base, 0) / models.length,
  trees: models.flatMap(({ trees }) =>
    trees.map((tree) => ({ ...tree, value: tree.value.map((value) => value / models.length) })),
  ),
});

/** Row-major inputs as one array a column. */
const byColumn = (x: Float32Array, rows: number, width: number): Float32Array[] =>
  Array.from({ length: width }, (_, column) =>
    Float32Array.from({ length: rows }, (__, row) => x[row * width + column]!),
  );
