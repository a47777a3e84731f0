import { z } from 'zod';
import { Day, Instant, Json, Warning, idOf } from './common.js';
import { JobStatus } from './job-status.js';
import { HistogramBin } from './dataset.js';
import { EvaluationDetail, EvaluationReport, Metrics } from './metrics.js';
import { ModelRef } from './model.js';

/** Columns of a prediction file, in order; the input columns follow when asked for. */
export const PREDICTION_COLUMNS = [
  'customer_id',
  'predicted_clv',
  'p_buy',
  'low',
  'high',
  'percentile',
  'tier',
  'model_version',
  'as_of',
] as const;

/** By percentile of the predicted value within the prediction: platinum ≥ 90, gold ≥ 70, silver ≥ 40, else bronze. */
export const Tier = z.enum(['platinum', 'gold', 'silver', 'bronze']);
export type Tier = z.infer<typeof Tier>;

/** Body of `POST /v1/predictions` from a dataset that is already there. */
export const StartPrediction = z.object({
  datasetId: idOf('ds'),
  model: ModelRef.default('clv'),
  asOf: Day.optional().describe('transactions: the last day of the data when left out'),
  includeInputs: z.boolean().default(false).describe('append the input columns to each row'),
});
export type StartPrediction = z.infer<typeof StartPrediction>;

export const PredictionSummary = z.object({
  customers: z.number().int(),
  total: z.number(),
  mean: z.number(),
  median: z.number(),
  sd: z.number(),
  min: z.number(),
  max: z.number(),
});
export type PredictionSummary = z.infer<typeof PredictionSummary>;

/** What a prediction as a whole looks like, and how near it came where actual spend was at hand. */
export const PredictionReport = z.object({
  histogram: z.array(HistogramBin).describe('of predicted_clv; the last bin reaches to the maximum'),
  deciles: z
    .array(
      z.object({
        customers: z.number().int(),
        highest: z.number(),
        lowest: z.number(),
        mean: z.number(),
        total: z.number(),
      }),
    )
    .describe('ten groups of equal count by prediction, the best first; fewer where there are fewer customers'),
  tiers: z
    .array(z.object({ tier: Tier, customers: z.number().int(), mean: z.number(), total: z.number() }))
    .describe('the best first; a tier without customers is left out'),
  actual: z
    .object({
      source: z
        .enum(['target-column', 'later-orders'])
        .describe('a column of the data, or orders in the whole horizon after the as-of date'),
      customers: z.number().int().describe('those whose spend is known'),
      metrics: Metrics,
      detail: EvaluationDetail,
    })
    .nullable()
    .describe('null where nothing says what the customers spent, or they are more than a million'),
});
export type PredictionReport = z.infer<typeof PredictionReport>;

export const Prediction = z.object({
  id: idOf('prd'),
  jobId: idOf('job'),
  status: JobStatus,
  datasetId: idOf('ds').nullable(),
  versionId: idOf('ver'),
  model: z.string(),
  version: z.number().int(),
  asOf: Day.nullable(),
  includeInputs: z.boolean(),
  rows: z.number().int().nullable(),
  summary: PredictionSummary.nullable(),
  warnings: z.array(Warning),
  revision: idOf('ers')
    .nullable()
    .describe('the erasure that wrote its files as they are now; null: they are as predicted'),
  createdAt: Instant,
});
export type Prediction = z.infer<typeof Prediction>;

/** Query of `GET /v1/datasets/{id}/rows`, and of the rejected rows. */
export const RowsQuery = z.object({
  offset: z.coerce.number().int().min(0).max(1_000_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  sort: z.string().max(300).optional().describe('column name'),
  order: z.enum(['asc', 'desc']).default('asc'),
  search: z.string().max(200).optional().describe('customer ids that contain this, letter case ignored'),
});
export type RowsQuery = z.infer<typeof RowsQuery>;

/** Query of `GET /v1/predictions/{id}/rows`. */
export const PredictionRowsQuery = RowsQuery.extend({
  tier: Tier.optional(),
  min: z.coerce.number().optional().describe('predicted_clv at least'),
  max: z.coerce.number().optional().describe('predicted_clv at most'),
});
export type PredictionRowsQuery = z.infer<typeof PredictionRowsQuery>;

/** Body of `POST /v1/score`: up to 1,000 customers, answered at once. */
export const ScoreRequest = z.object({
  model: ModelRef.default('clv'),
  rows: z
    .array(z.record(z.string().max(300), z.union([z.string().max(10_000), z.number(), z.boolean(), z.null()])))
    .min(1)
    .max(1000),
});
export type ScoreRequest = z.infer<typeof ScoreRequest>;

export const ScoreResponse = z.object({
  model: z.string(),
  version: z.number().int(),
  predictions: z.array(
    z.object({
      customer_id: z.string(),
      predicted_clv: z.number(),
      p_buy: z.number().nullable(),
      low: z.number(),
      high: z.number(),
    }),
  ),
  warnings: z.array(Warning),
});
export type ScoreResponse = z.infer<typeof ScoreResponse>;

/** What a scorer says to a `score` question. */
export const Scored = ScoreResponse.omit({ model: true, version: true });
export type Scored = z.infer<typeof Scored>;

/** Body of `POST /v1/evaluations`: a version on another dataset that holds actual spend. */
export const StartEvaluation = z.object({
  datasetId: idOf('ds'),
  model: ModelRef.default('clv'),
  testOrigin: Day.optional().describe('transactions: the last date whose horizon is fully observed when left out'),
});
export type StartEvaluation = z.infer<typeof StartEvaluation>;

export const Evaluation = z.object({
  id: idOf('evl'),
  jobId: idOf('job').nullable().describe('null where it belongs to a run'),
  runId: idOf('run').nullable(),
  status: JobStatus,
  versionId: idOf('ver'),
  datasetId: idOf('ds').nullable(),
  report: EvaluationReport.nullable(),
  createdAt: Instant,
});
export type Evaluation = z.infer<typeof Evaluation>;

/**
 * Short questions that the gateway asks a scorer through the queue, because it never opens a data file or runs a model
 * itself. The queue carries question and reply, and keeps neither.
 */
export const Question = z.discriminatedUnion('type', [
  z.object({ type: z.literal('score'), versionId: idOf('ver'), request: ScoreRequest }),
  z.object({
    type: z.literal('rows'),
    source: z.object({
      type: z.enum(['dataset', 'rejected', 'prediction']),
      id: z.string(),
      revision: z.string().nullable().optional().describe('left out by gateways of version 1 of the payloads'),
    }),
    query: PredictionRowsQuery,
  }),
]);
export type Question = z.infer<typeof Question>;
export const QuestionPayload = z.object({ question: Question, requestId: z.string().max(100) });
export type QuestionPayload = z.infer<typeof QuestionPayload>;
export const Reply = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: Json }),
  z.object({
    ok: z.literal(false),
    error: z.object({ code: z.string(), message: z.string(), pointer: z.string().optional() }),
  }),
]);
export type Reply = z.infer<typeof Reply>;
