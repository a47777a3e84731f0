import { z } from 'zod';
import { Day, Instant, Slug, Warning, idOf } from './common.js';
import { DatasetKind } from './dataset.js';
import { GateResult } from './gates.js';
import { JobStatus } from './job-status.js';
import { EvaluationReport } from './metrics.js';
import { Epoch, Head, ModelType, PurchaseModel, TrainingOptions } from './run.js';

/**
 * A numeric input. Missing values become `median`; where training had some, an indicator input says so.
 * `signed-log`: sign(x)·ln(1+|x|) first, for heavy tails. Then (x - mean) / sd.
 */
export const NumericFeature = z.object({
  kind: z.literal('numeric'),
  name: z.string(),
  transform: z.enum(['none', 'signed-log']),
  median: z.number(),
  mean: z.number(),
  sd: z.number().positive(),
  missingIndicator: z.boolean(),
});
/**
 * A categorical input, one-hot over `categories`; anything else, missing included, is the unknown bucket: a column of its own.
 * With `embedding` it is one column, the place in `categories` (their number for the unknown bucket), which the network
 * looks up as so many learnt numbers.
 */
export const CategoricalFeature = z.object({
  kind: z.literal('categorical'),
  name: z.string(),
  categories: z.array(z.string()),
  embedding: z.number().int().positive().optional(),
});
export const Feature = z.discriminatedUnion('kind', [NumericFeature, CategoricalFeature]);
export type Feature = z.infer<typeof Feature>;
export type NumericFeature = z.infer<typeof NumericFeature>;
export type CategoricalFeature = z.infer<typeof CategoricalFeature>;

/** Inputs of a model in order, fitted on its training rows only. Nothing is refitted at serving time. */
export const FeatureSchema = z.object({
  features: z.array(Feature).min(1),
  width: z.number().int().positive().max(1_000_000).describe('encoded inputs'),
});
export type FeatureSchema = z.infer<typeof FeatureSchema>;

/** A model fitted by maximum likelihood: parameters by their names in the literature. */
export const FittedParameters = z.object({
  parameters: z.record(z.string(), z.number()),
  standardErrors: z.record(z.string(), z.number().nullable()).describe('null where the data do not determine them'),
  atBorder: z.array(z.string()).describe('parameters that ran to zero or to infinity: any more would do as well'),
  logCovariance: z
    .array(z.array(z.number()))
    .nullable()
    .describe("covariance of the parameters' logarithms, in the order of parameters"),
});

/** A purchase model and Gamma-Gamma, fitted to the histories at one origin: all that a forecast needs. */
export const ForecasterParameters = z.object({
  model: z.enum(['nbd', ...PurchaseModel.options]).describe('nbd: nobody drops out, the limit of the others'),
  inPlaceOf: z
    .object({ model: z.enum(['nbd', ...PurchaseModel.options]), reason: z.string() })
    .nullable()
    .describe('what was asked for and why it could not be fitted'),
  unitDays: z.number().positive().describe('unit of time of the parameters'),
  purchase: FittedParameters,
  spend: FittedParameters,
  spendFrom: z.enum(['order-days', 'repeat-days']).describe("which order days tell a customer's spend"),
  logLikelihood: z.number(),
  spendLogLikelihood: z.number(),
  customers: z.number().int(),
  repeaters: z.number().int(),
  refundShare: z.number().describe('of the amounts, deducted from the forecast'),
});
export type ForecasterParameters = z.infer<typeof ForecasterParameters>;

/**
 * The predictive distribution of a customer's spend given the prediction, from validation rows: bins of equal count by
 * prediction, in each the share without spend and quantiles of actual/predicted among the others.
 */
export const PredictiveDistribution = z.object({
  upper: z.array(z.number()).describe('largest prediction of each bin but the last, ascending'),
  bins: z
    .array(
      z.object({
        rows: z.number().int(),
        predicted: z.number().describe('mean prediction'),
        zero: z.number().min(0).max(1).describe('share without spend'),
        ratios: z
          .array(z.number())
          .describe('quantiles of actual/predicted among those with spend, at equal steps from 0 to 1'),
      }),
    )
    .min(1),
});
export type PredictiveDistribution = z.infer<typeof PredictiveDistribution>;

/** One model of those that a version averages. */
export const ModelMember = z.object({
  name: z.string(),
  type: ModelType.exclude(['ensemble']),
  file: z
    .enum(['model.onnx', 'model-2.onnx', 'model-3.onnx', 'model-4.onnx'])
    .nullable()
    .describe('null: probabilistic'),
  schema: FeatureSchema.nullable().describe('columns of the snapshot, or of the features table; null: probabilistic'),
  forecaster: z
    .number()
    .int()
    .nullable()
    .describe('place in forecasters of the model itself, or of what it multiplies'),
  anchored: z.boolean().describe('its output multiplies the forecast'),
  sequence: z.object({ length: z.number().int(), channels: z.number().int() }).nullable(),
  factor: z.number().positive().describe('its predictions are multiplied by this: the level that it is held to'),
});
export type ModelMember = z.infer<typeof ModelMember>;

/** How a version predicts where that is more than one network on the features: the mean of its members. */
export const Predictor = z.object({
  forecasters: z
    .array(ForecasterParameters)
    .describe('fitted at the latest origin; nothing is refitted at serving time'),
  members: z.array(ModelMember).min(1),
  combine: z.enum(['arithmetic', 'geometric']).describe('the mean of the members'),
  level: z
    .object({ factor: z.number().positive(), held: z.boolean(), reason: z.string() })
    .describe(
      "the mean is multiplied by factor; held: so that the total at the latest origin is the first forecaster's",
    ),
  distribution: PredictiveDistribution.nullable().describe('gives p_buy, low and high; null: `interval` does'),
  totalFactors: z
    .array(z.number().positive())
    .nullable()
    .default(null)
    .describe(
      'quantiles at equal steps from 0 to 1 of actual over predicted total, for what moves all customers alike: draws of the parameters, of the seeds and of the level; null where it is not known',
    ),
});
export type Predictor = z.infer<typeof Predictor>;

/** `model.json` of a version: all that scoring needs beside `model.onnx`. */
export const ModelManifest = z.object({
  format: z.literal(1),
  type: ModelType,
  head: Head.nullable().describe('null where nothing is trained by a loss'),
  kind: DatasetKind,
  target: z.string(),
  horizonDays: z.number().int().nullable(),
  idColumn: z.string().nullable(),
  schema: FeatureSchema,
  parameters: z.number().int().describe('trained numbers in the network'),
  interval: z
    .object({ level: z.number(), below: z.number(), above: z.number() })
    .describe('low = max(0, prediction - below), high = prediction + above, from validation residuals'),
  predictor: Predictor.optional().describe('left out where model.onnx alone predicts, from the features alone'),
  options: TrainingOptions,
  training: z.object({
    datasetId: z.string().nullable(),
    fingerprint: z
      .string()
      .optional()
      .describe('of the rows of the dataset, in any order: equal for equal rows, whatever file brought them'),
    rows: z.number().int(),
    targetMean: z.number().describe('mean target of the training rows: the forecast of the baseline "mean"'),
    asOf: z.array(Day).describe('training origins'),
    epochs: z.array(Epoch),
    bestEpoch: z.number().int(),
    seconds: z.number(),
    backend: z.string(),
    versions: z.record(z.string(), z.string()),
  }),
  warnings: z.array(Warning),
});
export type ModelManifest = z.infer<typeof ModelManifest>;

/** The files that a version can have, each downloadable. Only `model.json` and `evaluation.json` are in every one. */
export const ArtifactName = z.enum([
  'model.onnx',
  'model-2.onnx',
  'model-3.onnx',
  'model-4.onnx',
  'model.json',
  'checkpoint.safetensors',
  'evaluation.json',
  'report.html',
]);
export type ArtifactName = z.infer<typeof ArtifactName>;

export const ModelVersion = z.object({
  id: idOf('ver'),
  model: z.string(),
  version: z.number().int().min(1),
  runId: idOf('run').nullable(),
  leaderboardId: idOf('lbd').nullable().describe('the leaderboard that it won; its report is there'),
  source: z.enum(['run', 'leaderboard', 'imported']).describe('what made it; an imported one was trained elsewhere'),
  aliases: z.array(z.string()),
  manifest: ModelManifest,
  evaluation: EvaluationReport.nullable().describe('the one that it was made with; of an imported one the newest'),
  gates: z.array(GateResult).describe('whether `champion` may move to it now, and why not'),
  artifacts: z.array(z.object({ name: ArtifactName, bytes: z.number().int(), sha256: z.string() })),
  createdAt: Instant,
});
export type ModelVersion = z.infer<typeof ModelVersion>;

export const ModelVersionSummary = ModelVersion.omit({
  manifest: true,
  artifacts: true,
  evaluation: true,
  gates: true,
}).extend({
  type: ModelType,
  kind: DatasetKind,
  metrics: EvaluationReport.shape.metrics.nullable(),
});
export type ModelVersionSummary = z.infer<typeof ModelVersionSummary>;

export const Model = z.object({
  id: idOf('mdl'),
  name: Slug,
  versions: z.number().int(),
  latestVersion: z.number().int().nullable(),
  aliases: z.record(z.string(), z.number().int()).describe('alias to version number'),
  createdAt: Instant,
});
export type Model = z.infer<typeof Model>;

/** Where `model.onnx` carries the manifest, so that the file alone can be imported. */
export const MANIFEST_KEY = 'clove.manifest';

/** Files that make up a model that somebody brings. */
export const ImportFileName = ArtifactName.extract([
  'model.onnx',
  'model-2.onnx',
  'model-3.onnx',
  'model-4.onnx',
  'model.json',
]);
export type ImportFileName = z.infer<typeof ImportFileName>;

/** A model that somebody brings: checked by a job, then a version of `modelName`. Its status is that of its job. */
export const ModelImport = z.object({
  id: idOf('imp'),
  jobId: idOf('job'),
  status: JobStatus,
  modelName: z.string(),
  files: z.array(z.object({ name: ImportFileName, bytes: z.number().int() })),
  versionId: idOf('ver').nullable(),
  version: z.number().int().nullable().describe('number of the version, once there is one'),
  createdAt: Instant,
});
export type ModelImport = z.infer<typeof ModelImport>;

/** Body of `PUT /v1/models/{name}/aliases/{alias}`. */
export const SetAlias = z.object({
  version: z.number().int().min(1),
  force: z.boolean().default(false).describe('move `champion` though a gate fails; the history of the alias keeps it'),
  reason: z.string().max(500).default('').describe('why, for the history of the alias'),
});
export type SetAlias = z.infer<typeof SetAlias>;

/** One move of an alias: who moved it from where to where, and what the gates said. */
export const AliasMove = z.object({
  id: idOf('mov'),
  alias: z.string(),
  version: z.number().int().nullable().describe('null: the alias was removed'),
  former: z.number().int().nullable().describe('null: it pointed nowhere'),
  forced: z.boolean().describe('made against a failing gate'),
  gates: z.array(GateResult).describe('of moves of `champion`, at their time'),
  movedBy: z.string(),
  reason: z.string(),
  createdAt: Instant,
});
export type AliasMove = z.infer<typeof AliasMove>;

/** Body of `POST /v1/models/{name}/aliases/{alias}/rollback`. */
export const RollBack = SetAlias.pick({ reason: true });
export type RollBack = z.infer<typeof RollBack>;

/** What a move of an alias would change, and whether the gates let it. Nothing is changed by asking. */
export const AliasPreview = z.object({
  alias: z.string(),
  from: ModelVersionSummary.nullable().describe('where it points now; null: nowhere'),
  to: ModelVersionSummary,
  passed: z.boolean().describe('false: it takes `force`'),
  gates: z.array(GateResult).describe('of moves of `champion`; empty for other aliases and where nothing changes'),
});
export type AliasPreview = z.infer<typeof AliasPreview>;

/**
 * Names a version: its id, `name` (champion, or else the latest), `name@alias` or `name@number`.
 */
export const ModelRef = z
  .string()
  .min(1)
  .max(150)
  .regex(/^[A-Za-z][A-Za-z0-9._-]*(@[A-Za-z0-9._-]+)?$/, 'must be a version id, "name", "name@alias" or "name@number"');
export type ModelRef = z.infer<typeof ModelRef>;
