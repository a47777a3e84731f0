import { z } from 'zod';
import { Day, Instant, Slug, Warning, idOf } from './common.js';
import { DatasetKind } from './dataset.js';
import { EvaluationReport } from './metrics.js';
import { Epoch, Head, ModelType, TrainingOptions } from './run.js';

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
/** A categorical input, one-hot over `categories`; anything else, missing included, is the unknown bucket: a column of its own. */
export const CategoricalFeature = z.object({
  kind: z.literal('categorical'),
  name: z.string(),
  categories: z.array(z.string()),
});
export const Feature = z.discriminatedUnion('kind', [NumericFeature, CategoricalFeature]);
export type Feature = z.infer<typeof Feature>;
export type NumericFeature = z.infer<typeof NumericFeature>;
export type CategoricalFeature = z.infer<typeof CategoricalFeature>;

/** Inputs of a model in order, fitted on its training rows only. Nothing is refitted at serving time. */
export const FeatureSchema = z.object({
  features: z.array(Feature).min(1),
  width: z.number().int().positive().describe('encoded inputs'),
});
export type FeatureSchema = z.infer<typeof FeatureSchema>;

/** `model.json` of a version: all that scoring needs beside `model.onnx`. */
export const ModelManifest = z.object({
  format: z.literal(1),
  type: ModelType,
  head: Head,
  kind: DatasetKind,
  target: z.string(),
  horizonDays: z.number().int().nullable(),
  idColumn: z.string().nullable(),
  schema: FeatureSchema,
  parameters: z.number().int().describe('trained numbers in the network'),
  interval: z
    .object({ level: z.number(), below: z.number(), above: z.number() })
    .describe('low = max(0, prediction - below), high = prediction + above, from validation residuals'),
  options: TrainingOptions,
  training: z.object({
    datasetId: z.string().nullable(),
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

/** The files of a version, each downloadable. */
export const ArtifactName = z.enum(['model.onnx', 'model.json', 'checkpoint.safetensors', 'evaluation.json']);
export type ArtifactName = z.infer<typeof ArtifactName>;

export const ModelVersion = z.object({
  id: idOf('ver'),
  model: z.string(),
  version: z.number().int().min(1),
  runId: idOf('run').nullable(),
  aliases: z.array(z.string()),
  manifest: ModelManifest,
  evaluation: EvaluationReport.nullable(),
  artifacts: z.array(z.object({ name: ArtifactName, bytes: z.number().int(), sha256: z.string() })),
  createdAt: Instant,
});
export type ModelVersion = z.infer<typeof ModelVersion>;

export const ModelVersionSummary = ModelVersion.omit({ manifest: true, artifacts: true, evaluation: true }).extend({
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

/** Body of `PUT /v1/models/{name}/aliases/{alias}`. */
export const SetAlias = z.object({ version: z.number().int().min(1) });
export type SetAlias = z.infer<typeof SetAlias>;

/**
 * Names a version: its id, `name` (champion, or else the latest), `name@alias` or `name@number`.
 */
export const ModelRef = z
  .string()
  .min(1)
  .max(150)
  .regex(/^[A-Za-z][A-Za-z0-9._-]*(@[A-Za-z0-9._-]+)?$/, 'must be a version id, "name", "name@alias" or "name@number"');
export type ModelRef = z.infer<typeof ModelRef>;
