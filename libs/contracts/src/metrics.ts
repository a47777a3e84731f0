import { z } from 'zod';
import { Warning } from './common.js';

/**
 * How well predictions match actual spend on one test set. Errors and biases of rates are fractions, not percentages;
 * `rmse` and `mae` are in the currency of the target. Null where the figure is undefined for these rows.
 */
export const Metrics = z.object({
  rmse: z.number().describe('root mean squared error'),
  mae: z.number().describe('mean absolute error'),
  r2: z.number().nullable().describe('1 - SSE/SST; null where all actuals are equal'),
  mape: z.number().nullable().describe('mean |error|/actual over customers with actual > 0; null where there is none'),
  mapeShare: z.number().describe('share of customers that mape covers'),
  totalBias: z.number().nullable().describe('sum(predicted)/sum(actual) - 1; null where the actual total is 0'),
  spearman: z
    .number()
    .nullable()
    .describe('rank correlation, ties at their mean rank; null where either side is constant'),
  normalizedGini: z
    .number()
    .nullable()
    .describe('Gini of actuals ordered by prediction over Gini of actuals ordered by themselves'),
  rawGini: z
    .number()
    .nullable()
    .optional()
    .describe('Gini of actuals ordered by prediction: normalizedGini times the Gini of the actuals themselves'),
  decileMape: z
    .number()
    .nullable()
    .describe('mean over ten equal-count groups by prediction of |mean predicted - mean actual| / mean actual'),
  wape: z.number().nullable().optional().describe('sum |error| / sum actual; null where that is 0'),
  auc: z
    .number()
    .nullable()
    .optional()
    .describe(
      'area under the ROC curve of the probability to buy; null where the model states none, or all or none buy',
    ),
  brier: z.number().nullable().optional().describe('mean squared error of that probability'),
  coverage80: z
    .number()
    .nullable()
    .optional()
    .describe('share of customers whose randomised PIT lies in [0.1, 0.9]; null where the model states no interval'),
});
export type Metrics = z.infer<typeof Metrics>;

/** Standard deviation over seeds of each figure; null where it is undefined, empty where there is one seed. */
export const Spread = z.partialRecord(Metrics.keyof(), z.number().nullable());
export type Spread = z.infer<typeof Spread>;

/** Reference forecasts that every evaluation shows beside the model. */
export const BaselineName = z.enum(['mean', 'naive-rate', 'heuristic']);
export type BaselineName = z.infer<typeof BaselineName>;

/** A finding of the leakage lint. `error` means the figures should not be believed until it is explained. */
export const LintFinding = z.object({
  code: z.enum([
    'feature-predicts-target',
    'duplicate-rows-across-split',
    'overlapping-label-windows',
    'id-used-as-feature',
    'target-is-function-of-features',
  ]),
  severity: z.enum(['info', 'warning', 'error']),
  message: z.string(),
  columns: z.array(z.string()).optional(),
});
export type LintFinding = z.infer<typeof LintFinding>;

/** How the rows were split in time or by customer: enough to repeat the evaluation. */
export const ProtocolReport = z.object({
  name: z.enum(['forward', 'random']),
  horizonDays: z
    .number()
    .int()
    .positive()
    .nullable()
    .describe('null for a features dataset, whose target has no stated horizon'),
  testOrigin: z.iso.date().nullable(),
  trainingOrigins: z.array(z.iso.date()),
  trainRows: z.number().int().nonnegative(),
  validationRows: z.number().int().nonnegative(),
  testRows: z.number().int().nonnegative(),
  seed: z.number().int(),
});
export type ProtocolReport = z.infer<typeof ProtocolReport>;

/** What stands beside a logarithmic axis: zeros only, also negative amounts, or also the smallest positive ones. */
const Band = z.enum(['zero', 'negative', 'small']).nullable();

/** What charts and reports of an evaluation draw from: sums and groups of bounded size, no customer. */
export const EvaluationDetail = z.object({
  deciles: z.array(z.object({ rows: z.number().int(), predicted: z.number(), actual: z.number() })).describe('means'),
  gain: z
    .array(z.object({ customers: z.number(), model: z.number(), perfect: z.number() }))
    .describe('cumulative share of spend of the best customers, by the model and by what they spent'),
  reliability: z
    .array(z.object({ rows: z.number().int(), predicted: z.number(), observed: z.number() }))
    .describe('groups by probability to buy'),
  pit: z.array(z.number()).describe('shares of the randomised PIT in bins of equal width; flat where calibrated'),
  distribution: z.array(
    z.object({ from: z.number(), to: z.number(), predicted: z.number().int(), actual: z.number().int() }),
  ),
  residuals: z
    .array(
      z.object({
        predicted: z.number(),
        p10: z.number(),
        p25: z.number(),
        p50: z.number(),
        p75: z.number(),
        p90: z.number(),
        mean: z.number(),
      }),
    )
    .describe('actual - predicted, groups by prediction'),
  topCapture: z
    .array(z.object({ share: z.number(), captured: z.number().nullable() }))
    .describe('share of spend that the top customers by prediction hold'),
  segments: z.array(
    z.object({
      column: z.string(),
      value: z.string(),
      rows: z.number().int(),
      actual: z.number(),
      predicted: z.number(),
      bias: z.number().nullable(),
      normalizedGini: z.number().nullable(),
      metrics: Metrics.optional().describe('every figure on these customers'),
      sd: Spread.optional(),
    }),
  ),
  total: z.object({
    actual: z.number(),
    predicted: z.number(),
    low: z.number().nullable(),
    high: z.number().nullable(),
  }),
  predictedActual: z
    .object({
      from: z.number().describe('log10 of the lower edge of bin 0'),
      width: z.number().positive().describe('in decades'),
      count: z.number().int().positive(),
      bands: z.object({ predicted: Band, actual: Band }).describe('what bin -1 holds; null where it is empty'),
      cells: z.array(z.object({ predicted: z.number().int(), actual: z.number().int(), rows: z.number().int() })),
    })
    .optional()
    .describe('customers by prediction and actual spend, on equal bins of the logarithm; cells that hold one'),
  recencyFrequency: z
    .object({
      frequencyStep: z.number().positive(),
      recencyStep: z.number().positive(),
      frequencyCap: z.number().nullable().describe('from here on customers share the top row; null where none do'),
      cells: z.array(
        z.object({
          frequency: z.number(),
          recency: z.number(),
          rows: z.number().int(),
          alive: z.number().describe('mean P(alive)'),
          spend: z.number().describe('mean expected spend in the horizon'),
        }),
      ),
    })
    .optional()
    .describe('what the forecaster says by repeat order days and weeks from first to last order; lower edges of cells'),
  forecaster: z
    .string()
    .optional()
    .describe('the probabilistic model of the version behind recencyFrequency and tracking'),
  tracking: z
    .array(
      z.object({
        week: z.number().int(),
        actual: z.number(),
        expected: z.number(),
        cumulativeActual: z.number(),
        cumulativeExpected: z.number(),
      }),
    )
    .optional()
    .describe('repeat order days of the customers known at the test origin, by week since the first order day'),
  trackingStart: z.iso.date().optional().describe('first order day; week 1 is the seven days after it'),
});
export type EvaluationDetail = z.infer<typeof EvaluationDetail>;

/** Model and baselines on the same test rows. */
export const EvaluationReport = z.object({
  protocol: ProtocolReport,
  testCustomers: z.number().int().nonnegative(),
  metrics: Metrics,
  sd: Spread.optional(),
  baselines: z.partialRecord(BaselineName, Metrics),
  skippedBaselines: z
    .partialRecord(BaselineName, z.string())
    .describe('baseline to the reason why it cannot be computed here'),
  lint: z.array(LintFinding),
  warnings: z.array(Warning),
  detail: EvaluationDetail.optional(),
});
export type EvaluationReport = z.infer<typeof EvaluationReport>;
