import { z } from 'zod';
import { Day, Instant, Slug, idOf } from './common.js';
import { JobStatus } from './job-status.js';
import { EvaluationReport } from './metrics.js';

/** Models of when customers buy, each with Gamma-Gamma for how much an order is worth. */
export const PurchaseModel = z.enum(['bg-nbd', 'mbg-nbd', 'pareto-nbd']);
export type PurchaseModel = z.infer<typeof PurchaseModel>;

/**
 * Networks on features (`feedforward`), on order sequences beside them (`lstm`, `gru`, `transformer`), boosted trees,
 * probabilistic models, and means of several (`ensemble`, made by a leaderboard).
 */
export const ModelType = z.enum([
  'feedforward',
  'lstm',
  'gru',
  'transformer',
  'trees',
  ...PurchaseModel.options,
  'ensemble',
]);
export type ModelType = z.infer<typeof ModelType>;

/**
 * What a network or trees are trained for: squared or Huber error; Poisson or Tweedie deviance of spend that is never
 * negative; ZILN, a zero-inflated lognormal distribution (networks only).
 */
export const Head = z.enum(['mse', 'huber', 'poisson', 'tweedie', 'ziln']);
export type Head = z.infer<typeof Head>;

export const Family = z.enum(['neural', 'probabilistic', 'trees', 'ensemble', 'baseline']);
export type Family = z.infer<typeof Family>;

/**
 * `TRAINER_BACKEND` and the option of a run. `auto` takes the fastest that is present; `onnx-…` runs compiled steps in
 * onnxruntime, `tfjs-…` op by op.
 */
export const Backend = z.enum([
  'auto',
  'onnx-cpu',
  'onnx-webgpu',
  'onnx-cuda',
  'tfjs-node-gpu',
  'tfjs-node',
  'tfjs-wasm',
  'tfjs-cpu',
]);
export type Backend = z.infer<typeof Backend>;

const fraction = z.number().min(0).max(0.9);

/** Every option of a training run. The defaults are the known ones of the feedforward CLV network. */
export const TrainingOptions = z.object({
  model: ModelType.exclude(['ensemble']).default('feedforward').describe('type of the model'),
  head: Head.default('mse').describe('what networks and trees are trained for; probabilistic models have none'),
  anchor: z
    .enum(['none', ...PurchaseModel.options])
    .default('none')
    .describe(
      'transactions: learn a multiplier of the forecast of this probabilistic model; networks and trees, head poisson or tweedie',
    ),
  forecastFeatures: z
    .enum(['none', ...PurchaseModel.options])
    .default('bg-nbd')
    .describe(
      'transactions, without an anchor: the probabilistic model whose P(alive), expected orders and expected spend are features',
    ),
  level: z
    .enum(['free', 'held', 'auto'])
    .default('auto')
    .describe("with an anchor: whether the total is held to the anchor's; auto decides on an earlier origin"),
  seeds: z
    .number()
    .int()
    .min(1)
    .max(20)
    .default(1)
    .describe('members trained from different seeds; their mean predicts'),
  hidden: z
    .array(z.number().int().min(1).max(8192))
    .min(1)
    .max(16)
    .default([128, 256, 128, 64])
    .describe('units of each hidden layer'),
  activation: z.enum(['relu', 'silu']).default('relu').describe('after each hidden layer'),
  sequenceLength: z.number().int().min(1).max(200).default(20).describe('lstm, gru, transformer: last orders read'),
  sequenceUnits: z.number().int().min(1).max(1024).default(32).describe('lstm, gru, transformer: width of the encoder'),
  sequenceLayers: z.number().int().min(1).max(8).default(1).describe('lstm, gru, transformer: stacked layers'),
  attentionHeads: z.number().int().min(1).max(16).default(2).describe('transformer: heads, a divisor of sequenceUnits'),
  treeCount: z.number().int().min(1).max(5000).default(400).describe('trees: at most; validation stops earlier'),
  treeDepth: z.number().int().min(1).max(12).default(4).describe('trees: levels of a tree'),
  minLeaf: z.number().int().min(1).max(100_000).default(50).describe('trees: least rows in a leaf'),
  treeRate: z.number().positive().max(1).default(0.05).describe('trees: learning rate'),
  batchNorm: z.boolean().default(true).describe('batch normalisation after each hidden layer'),
  dropout: z.number().min(0).max(0.95).default(0.3).describe('share of units dropped in training'),
  optimizer: z
    .enum(['adam', 'adamw'])
    .default('adam')
    .describe('networks: Adam, or AdamW, whose weights decay apart from the gradient'),
  learningRate: z.number().positive().max(1).default(1e-3).describe('learning rate of the optimizer at the start'),
  weightDecay: z
    .number()
    .min(0)
    .max(1)
    .default(1e-5)
    .describe('adam: L2 penalty added to the gradient; adamw: share of a weight that goes each step, times the rate'),
  clipNorm: z
    .number()
    .positive()
    .max(1e6)
    .optional()
    .describe('networks: gradients are scaled down to this Euclidean norm, all together; not when left out'),
  batchSize: z.number().int().min(2).max(65_536).default(64).describe('rows of one training step'),
  epochs: z.number().int().min(1).max(10_000).default(50).describe('epochs at most'),
  patience: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(10)
    .describe('early stopping: epochs without a better validation loss'),
  lrFactor: z.number().positive().lt(1).default(0.5).describe('ReduceLROnPlateau factor'),
  lrPatience: z.number().int().min(0).max(10_000).default(5).describe('ReduceLROnPlateau patience, in epochs'),
  testFraction: fraction.min(0.01).default(0.2).describe('protocol random: share of customers held out for the test'),
  validationFraction: fraction
    .min(0.01)
    .default(0.1)
    .describe('share of the remaining customers that steers early stopping'),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(42)
    .describe('seed of every random draw: the same seed gives the same model'),
  backend: Backend.default('auto').describe('what runs the training; auto takes the fastest that is present'),
  cpuFallback: z
    .boolean()
    .default(false)
    .describe('onnx-webgpu, onnx-cuda: the processor runs what the device cannot; refused otherwise'),
  threads: z.number().int().min(1).max(256).optional().describe('native threads; chosen by the engine when left out'),
  target: z.string().max(300).optional().describe('features: target column, `clv` when left out'),
  ignoreColumns: z.array(z.string().max(300)).max(1000).default([]).describe('features: columns not to learn from'),
  horizonDays: z
    .number()
    .int()
    .min(1)
    .max(3650)
    .default(90)
    .describe('transactions: predict the spend of this many days after the origin'),
  testOrigin: Day.optional().describe('transactions: the last date whose horizon is fully observed when left out'),
  origins: z.number().int().min(1).max(52).default(3).describe('transactions: number of training origins'),
  originStrideDays: z
    .number()
    .int()
    .min(1)
    .max(3650)
    .default(30)
    .describe('transactions: days between training origins'),
});
export type TrainingOptions = z.infer<typeof TrainingOptions>;

/** Body of `POST /v1/runs`. */
export const StartRun = TrainingOptions.extend({
  datasetId: idOf('ds'),
  modelName: Slug.default('clv').describe('the registry model that receives the new version'),
});
export type StartRun = z.infer<typeof StartRun>;

/** Figures of one epoch. Losses are on the standardised target. */
export const Epoch = z.object({
  epoch: z.number().int().min(1),
  trainLoss: z.number(),
  validationLoss: z.number(),
  learningRate: z.number(),
  seconds: z.number(),
});
export type Epoch = z.infer<typeof Epoch>;

/** One training as the API shows it. Its status is that of its job. */
export const Run = z.object({
  id: idOf('run'),
  datasetId: idOf('ds').nullable().describe('null where the dataset was deleted'),
  jobId: idOf('job'),
  status: JobStatus,
  modelName: z.string(),
  versionId: idOf('ver').nullable(),
  version: z.number().int().nullable(),
  options: TrainingOptions,
  backend: z.string().nullable().describe('backend, device and threads that trained it'),
  bestEpoch: z.number().int().nullable(),
  epochs: z.array(Epoch),
  evaluation: EvaluationReport.nullable(),
  createdAt: Instant,
});
export type Run = z.infer<typeof Run>;
/** A run in a list: everything but its epochs and its evaluation. */
export const RunSummary = Run.omit({ epochs: true, evaluation: true });
export type RunSummary = z.infer<typeof RunSummary>;
