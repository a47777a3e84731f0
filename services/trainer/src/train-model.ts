import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type TargetScale,
  computeBaselines,
  computeMetrics,
  encode,
  encodingWarnings,
  feedforward,
  fitSchema,
  fitTargetScale,
  lintLeakage,
  mse,
  noCounts,
  predictionTensor,
  preparedWidth,
  prepareTensor,
  scaleTarget,
  trainNetwork,
} from '@clove/clv';
import type {
  DatasetProfile,
  Epoch,
  EvaluationReport,
  FeatureSchema,
  ModelManifest,
  TrainingOptions,
} from '@clove/contracts';
import { type Network, type TrainState, createScorer, encodeSafetensors, exportOnnx, mapRows } from '@clove/engine';
import { readSamples, stackSamples } from './samples.js';

/** What a training tells while it runs. */
export type TrainMessage = { type: 'progress'; fraction: number; stage: string } | { type: 'epoch'; epoch: Epoch };

export type TrainInput = {
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** null outside a registry */
  datasetId: string | null;
  options: TrainingOptions;
  /** receives model.onnx, model.json, checkpoint.safetensors and evaluation.json */
  outDir: string;
  scratchDir: string;
  memoryLimitBytes?: number;
  /** native threads that the training may use at most */
  threads?: number;
};

/** Level of the interval: this share of the validation residuals lies inside. */
const INTERVAL_LEVEL = 0.8;

/**
 * Trains a model on a dataset, evaluates it on held-out rows and writes a model folder.
 *
 * Way of the data: rows split by the protocol of the dataset's kind → feature schema and scales fitted on the training rows →
 * network trained, early stopping by the validation rows → one ONNX file from raw encoded features to a prediction in
 * currency, not below 0 → that very file scores the test rows, once, beside the baselines.
 *
 * The same dataset, options and threads give the same bytes of model.onnx, checkpoint.safetensors and evaluation.json;
 * model.json alone tells the seconds. Blocks its thread while it computes.
 * @throws CloveError `target-missing`, `target-constant`, `not-enough-data`, `column-missing`, `not-converged`, `cancelled`
 */
export const trainModel = async (
  i: TrainInput,
  io: { signal: AbortSignal; post(message: TrainMessage): void },
): Promise<{ manifest: ModelManifest; evaluation: EvaluationReport }> => {
  const { options } = i;
  const started = performance.now();
  const progress = (fraction: number, stage: string): void => io.post({ type: 'progress', fraction, stage });

  const samples = await readSamples({ ...i, signal: io.signal }, (stage) => progress(0.02, stage));
  const { train, validation, test } = samples;
  progress(0.08, 'preparing the inputs');
  const { schema, warnings: schemaWarnings } = fitSchema(train.table, samples.columns);
  const warnings = [...samples.warnings, ...schemaWarnings];
  const scale = fitTargetScale(train.target);
  const learning = stackSamples([train, validation]);
  const prepare = prepareTensor(schema);
  const x = await mapRows(prepare, encode(schema, learning.table, noCounts()), learning.table.rows, schema.width);
  const y = scaleTarget(scale, learning.target);

  const network = feedforward({ ...options, inputWidth: preparedWidth(schema) });
  progress(0.1, 'compiling the network');
  const trained = await trainNetwork({
    network,
    loss: mse,
    x,
    y,
    train: Int32Array.from({ length: train.table.rows }, (_, row) => row),
    validation: Int32Array.from({ length: validation.table.rows }, (_, row) => train.table.rows + row),
    options: { ...options, threads: threadsFor(options.threads, i.threads) },
    onEpoch: (epoch) => {
      io.post({ type: 'epoch', epoch });
      progress(0.1 + (0.8 * epoch.epoch) / options.epochs, `epoch ${epoch.epoch} of at most ${options.epochs}`);
    },
    signal: io.signal,
  });
  const state = withoutUntaught(trained.state, network, x, train.table.rows);

  progress(0.92, 'exporting the model');
  const onnx = exportOnnx({
    network,
    params: state.params,
    stats: state.stats,
    inputWidth: schema.width,
    before: prepare,
    after: predictionTensor(scale),
    metadata: { 'clove.type': options.model, 'clove.target': samples.target },
  });

  progress(0.94, 'evaluating on the test rows');
  const counts = noCounts();
  const scorer = await createScorer(onnx);
  let residuals: Float64Array;
  let predicted: Float32Array;
  try {
    const held = await scorer.predict(encode(schema, validation.table, noCounts()), validation.table.rows);
    residuals = validation.target.map((actual, row) => actual - held[row]!);
    predicted = await scorer.predict(encode(schema, test.table, counts), test.table.rows);
  } finally {
    await scorer.release();
  }
  const metrics = computeMetrics(test.target, predicted);
  const evaluation: EvaluationReport = {
    protocol: samples.protocol,
    testCustomers: test.table.rows,
    metrics,
    ...computeBaselines({
      kind: i.profile.kind,
      horizonDays: samples.protocol.horizonDays,
      targetMean: scale.mean,
      table: test.table,
      actual: test.target,
    }),
    lint: lintLeakage({ columns: samples.columns, train, test, testR2: metrics.r2, windows: samples.windows }),
    warnings: [...warnings, ...encodingWarnings(schema, counts, i.profile.kind)],
  };
  const manifest: ModelManifest = {
    format: 1,
    type: options.model,
    head: options.head,
    kind: i.profile.kind,
    target: samples.target,
    horizonDays: samples.protocol.horizonDays,
    idColumn: i.profile.idColumn,
    schema,
    parameters: state.params.length,
    interval: intervalOf(residuals),
    options,
    training: {
      datasetId: i.datasetId,
      rows: train.table.rows + validation.table.rows,
      targetMean: scale.mean,
      asOf: samples.protocol.trainingOrigins,
      epochs: trained.epochs,
      bestEpoch: trained.bestEpoch,
      seconds: (performance.now() - started) / 1000,
      backend: trained.backend,
      versions: trained.versions,
    },
    warnings,
  };

  progress(0.98, 'writing the model');
  const checkpoint = encodeCheckpoint(state, {
    options,
    schema,
    scale,
    target: samples.target,
    bestEpoch: trained.bestEpoch,
  });
  await mkdir(i.outDir, { recursive: true });
  await writeFile(join(i.outDir, 'model.onnx'), onnx);
  await writeFile(join(i.outDir, 'checkpoint.safetensors'), checkpoint);
  await writeFile(join(i.outDir, 'evaluation.json'), `${JSON.stringify(evaluation, null, 2)}\n`);
  await writeFile(join(i.outDir, 'model.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return { manifest, evaluation };
};

/** Threads of the training: those asked for within the limit; else the engine's choice of one or two. */
const threadsFor = (asked: number | undefined, limit: number | undefined): number | undefined => {
  if (limit === undefined) return asked;
  return asked === undefined ? (limit === 1 ? 1 : undefined) : Math.min(asked, limit);
};

/**
 * An input that was 0 in every training row (the unknown bucket of a column that had nothing unknown) has taught its
 * weights nothing: they are what chance made them. They become 0, so that such a value adds nothing when it is met.
 */
const withoutUntaught = (state: TrainState, network: Network, x: Float32Array, rows: number): TrainState => {
  const units = network.params[0]!.shape[1]!;
  const [params, m, v] = [state.params.slice(), state.m.slice(), state.v.slice()];
  for (let input = 0; input < network.inputWidth; input += 1) {
    let row = 0;
    while (row < rows && x[row * network.inputWidth + input] === 0) row += 1;
    if (row === rows) for (const flat of [params, m, v]) flat.fill(0, input * units, (input + 1) * units);
  }
  return { ...state, params, m, v };
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

/** The state in safetensors layout; what it belongs to, as JSON in the metadata. */
const encodeCheckpoint = (
  state: TrainState,
  config: { options: TrainingOptions; schema: FeatureSchema; scale: TargetScale; target: string; bestEpoch: number },
): Uint8Array => {
  return encodeSafetensors(
    { params: flat(state.params), m: flat(state.m), v: flat(state.v), stats: flat(state.stats) },
    { format: '1', step: String(state.step), config: JSON.stringify(config) },
  );
};

const flat = (values: Float32Array) => ({ shape: [values.length], values });
