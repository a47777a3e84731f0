import { z } from 'zod';
import { Instant, Slug, Warning, idOf } from './common.js';
import { type GateReference, testOf } from './gates.js';
import { JobStatus } from './job-status.js';
import { LintFinding, Metrics, ProtocolReport, Spread } from './metrics.js';
import { Family, PurchaseModel, TrainingOptions } from './run.js';

/**
 * What a leaderboard can rank, by the names that `models` takes. `anchored-…` and `ensemble-…` build on the probabilistic model that
 * does best at the rehearsal; the name of a row says which. `feedforward-mse` and those after it are for a table of customers; it
 * and those before it for orders.
 */
export const LeaderboardModel = z.enum([
  ...PurchaseModel.options,
  'feedforward-ziln',
  'trees-tweedie',
  'transformer-ziln',
  'anchored-trees',
  'anchored-feedforward',
  'anchored-feedforward-tweedie',
  'anchored-lstm',
  'anchored-gru',
  'anchored-mean',
  'ensemble-mean',
  'ensemble-geometric-mean',
  'feedforward-mse',
  'feedforward-silu-mse',
  'trees-mse',
  'networks-and-trees',
]);
export type LeaderboardModel = z.infer<typeof LeaderboardModel>;

/** What a leaderboard is asked for: the protocol of a training, and how much to try. */
export const LeaderboardOptions = TrainingOptions.pick({
  horizonDays: true,
  testOrigin: true,
  origins: true,
  originStrideDays: true,
  validationFraction: true,
  testFraction: true,
  seed: true,
  target: true,
  ignoreColumns: true,
  backend: true,
  threads: true,
}).extend({
  seeds: z.number().int().min(1).max(20).default(3).describe('seeds of each trained model; their spread is reported'),
  models: z
    .array(LeaderboardModel)
    .min(1)
    .max(LeaderboardModel.options.length)
    .optional()
    .describe('which models to rank, all when left out; the baselines are always beside them'),
});
export type LeaderboardOptions = z.infer<typeof LeaderboardOptions>;

/** Every model on the same test rows, and the winner that was chosen before they were read. */
export const LeaderboardReport = z.object({
  protocol: ProtocolReport,
  horizonDays: z.number().int().nullable(),
  winner: z.string().describe('name of the row that the rule chose'),
  rule: z.string().describe('how it was chosen, with the figures that decided'),
  selection: z
    .array(z.object({ model: z.string(), family: Family, metrics: Metrics }))
    .describe('figures on the validation origin, which the rule saw'),
  rows: z.array(
    z.object({
      model: z.string(),
      family: Family,
      metrics: Metrics.describe('on the test rows'),
      sd: Spread,
      note: z.string().optional(),
    }),
  ),
  skipped: z.array(z.object({ model: z.string(), reason: z.string() })),
  claims: z.array(z.string()).describe('what these data cannot support'),
  lint: z.array(LintFinding),
  warnings: z.array(Warning),
  seconds: z.number(),
});
export type LeaderboardReport = z.infer<typeof LeaderboardReport>;

/** The probabilistic models of a leaderboard, for the gates of a version that was judged on the same test rows. */
export const probabilisticReferences = ({ protocol, rows }: LeaderboardReport): GateReference[] =>
  rows
    .filter(({ family }) => family === 'probabilistic')
    .map(({ model, metrics }) => ({ name: `${model} of the leaderboard`, metrics, test: testOf(protocol) }));

/** Body of `POST /v1/leaderboards`. */
export const StartLeaderboard = LeaderboardOptions.extend({
  datasetId: idOf('ds'),
  modelName: Slug.optional().describe(
    'the registry model that receives the winner as a new version; none when left out',
  ),
});
export type StartLeaderboard = z.infer<typeof StartLeaderboard>;

/** A leaderboard as the API shows it. Its status is that of its job. */
export const Leaderboard = z.object({
  id: idOf('lbd'),
  datasetId: idOf('ds').nullable().describe('null where the dataset was deleted'),
  jobId: idOf('job'),
  status: JobStatus,
  modelName: z.string().nullable(),
  versionId: idOf('ver').nullable().describe('the version that the winner became'),
  version: z.number().int().nullable(),
  options: LeaderboardOptions,
  report: LeaderboardReport.nullable(),
  createdAt: Instant,
});
export type Leaderboard = z.infer<typeof Leaderboard>;
/** A leaderboard in a list: who won, but not the whole report. */
export const LeaderboardSummary = Leaderboard.omit({ report: true }).extend({ winner: z.string().nullable() });
export type LeaderboardSummary = z.infer<typeof LeaderboardSummary>;
