import { z } from 'zod';
import type { EvaluationReport, Metrics, ProtocolReport } from './metrics.js';

/**
 * Limits that a version must keep before the alias `champion` may move to it: the only place where they stand. Shares,
 * not percentages.
 */
export const GATE_LIMITS = {
  /** largest |total bias| on the test rows */
  totalBias: 0.25,
  /** largest mean error of the deciles of prediction */
  decileMape: 0.5,
  /** how much worse than the one it is held against a version may be, in each of the three figures */
  worseBy: { totalBias: 0.05, decileMape: 0.05, normalizedGini: 0.02 },
} as const;

export const GateName = z.enum(['total-bias', 'calibration', 'champion', 'probabilistic-baseline']);
export type GateName = z.infer<typeof GateName>;

/** What one gate says of a version. */
export const GateResult = z.object({
  gate: GateName,
  passed: z.boolean(),
  measure: z.enum(['totalBias', 'decileMape', 'normalizedGini']).describe('the figure that decided'),
  figure: z.number().nullable().describe('of the version; null where it is undefined on these test rows'),
  limit: z
    .number()
    .nullable()
    .describe('what it may at most be, for normalizedGini at least; null: nothing to hold it against'),
  message: z.string(),
});
export type GateResult = z.infer<typeof GateResult>;

/** What a version is held against: a name for people, and its figures on the test rows named by `test`. */
export type GateReference = { name: string; metrics: Metrics; test: string };

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const shown = (measure: GateResult['measure'], value: number | null): string =>
  value === null ? 'undefined' : measure === 'normalizedGini' ? value.toFixed(3) : percent(value);
const NAMES = {
  totalBias: 'total bias',
  decileMape: 'mean error of the deciles',
  normalizedGini: 'normalized Gini',
} as const satisfies Record<GateResult['measure'], string>;

/** Names the rows of a test for people; equal for equal rows of one dataset. */
export const testOf = (protocol: ProtocolReport): string =>
  protocol.name === 'forward'
    ? `spend of ${protocol.testRows} customers in the ${protocol.horizonDays} days after ${protocol.testOrigin}`
    : `${protocol.testRows} customers held out at random (seed ${protocol.seed})`;

const atMost = (
  gate: GateName,
  measure: 'totalBias' | 'decileMape',
  value: number | null,
  limit: number,
): GateResult => {
  const figure = value;
  const passed = figure !== null && Math.abs(figure) <= limit;
  return {
    gate,
    measure,
    figure,
    limit,
    passed,
    message:
      figure === null
        ? `The ${NAMES[measure]} is undefined on the test rows, so nothing vouches for the level of the predictions.`
        : `The ${NAMES[measure]} is ${percent(figure)}; ${passed ? 'within' : 'outside'} the limit of ${measure === 'totalBias' ? '±' : ''}${percent(limit)}.`,
  };
};

/**
 * The decile MAPE is undefined where a tenth of the customers spent nothing; then the errors of the tenths are summed over all
 * spend instead of each being held against its own.
 */
const calibrationGate = ({ metrics, detail }: EvaluationReport): GateResult => {
  const limit = GATE_LIMITS.decileMape;
  const deciles = detail?.deciles ?? [];
  const spend = deciles.reduce((sum, { actual }) => sum + actual, 0);
  if (metrics.decileMape !== null || !(spend > 0)) {
    return atMost('calibration', 'decileMape', metrics.decileMape, limit);
  }
  const errors = deciles.reduce((sum, { predicted, actual }) => sum + Math.abs(predicted - actual), 0);
  const result = atMost('calibration', 'decileMape', errors / spend, limit);
  return {
    ...result,
    message: `${result.message} A tenth of the customers spent nothing, so errors are summed over all spend here.`,
  };
};

type Comparison = Omit<GateResult, 'gate' | 'message'> & { room: number; theirs: number | null };

/** The three figures held against another's; `room` is what is left to the limit in units of the tolerance. */
const comparisons = (own: Metrics, other: Metrics): Comparison[] => {
  const { worseBy } = GATE_LIMITS;
  const errors = (['totalBias', 'decileMape'] as const).map((measure): Comparison => {
    const theirs = other[measure];
    const figure = own[measure];
    const limit = theirs === null ? null : Math.abs(theirs) + worseBy[measure];
    // undefined says nothing of either: a tenth of the customers may have spent nothing
    const room = limit === null || figure === null ? Infinity : (limit - Math.abs(figure)) / worseBy[measure];
    return { measure, figure, limit, theirs, room, passed: room >= 0 };
  });
  const theirs = other.normalizedGini;
  const figure = own.normalizedGini;
  const limit = theirs === null ? null : theirs - worseBy.normalizedGini;
  const room = limit === null ? Infinity : figure === null ? -Infinity : (figure - limit) / worseBy.normalizedGini;
  return [...errors, { measure: 'normalizedGini', figure, limit, theirs, room, passed: room >= 0 }];
};

const notWorse = (gate: GateName, test: string, own: Metrics, reference: GateReference): GateResult => {
  const all = comparisons(own, reference.metrics);
  const worst = all.reduce((least, next) => (next.room < least.room ? next : least));
  const { measure, figure, limit, passed } = worst;
  const beyond = all.filter((one) => !one.passed);
  const told = (one: Comparison): string =>
    `${NAMES[one.measure]} ${shown(one.measure, one.figure)} against ${shown(one.measure, one.theirs)}`;
  return {
    gate,
    passed,
    measure,
    figure,
    limit,
    message:
      (passed
        ? `Not worse than ${reference.name} beyond the tolerance: ${all.map(told).join(', ')}.`
        : `Worse than ${reference.name}: ${beyond.map(told).join(', ')}.`) +
      (reference.test === test
        ? ''
        : ` The test rows differ (${reference.test}; here ${test}): an evaluation of ${reference.name} on the same rows would be the better comparison.`),
  };
};

/**
 * What the gates say of a version, by its evaluation on test rows that it never saw: the level of the total, the level of
 * each tenth, and that it is no worse than the present champion and than the best probabilistic baseline.
 *
 * @param champion the present champion's figures, on the same test rows where it was evaluated there; null where there is
 *   none, or where the version is it
 * @param probabilistic forecasts of probabilistic models on the same test rows; the best by normalized Gini counts. Where
 *   there is none, the evaluation's plain baselines stand in.
 */
export const judgeGates = (
  evaluation: EvaluationReport,
  champion: GateReference | null,
  probabilistic: readonly GateReference[] = [],
): GateResult[] => {
  const own = evaluation.metrics;
  const test = testOf(evaluation.protocol);
  const gates = [atMost('total-bias', 'totalBias', own.totalBias, GATE_LIMITS.totalBias), calibrationGate(evaluation)];
  if (champion !== null) gates.push(notWorse('champion', test, own, champion));
  const baselines = Object.entries(evaluation.baselines).map(([name, metrics]): GateReference => ({
    name: `the baseline ${name}`,
    metrics,
    test,
  }));
  const best = bestByGini(probabilistic.length > 0 ? probabilistic : baselines);
  if (best !== undefined) gates.push(notWorse('probabilistic-baseline', test, own, best));
  return gates;
};

const bestByGini = (references: readonly GateReference[]): GateReference | undefined =>
  references.reduce<GateReference | undefined>(
    (best, next) =>
      best === undefined || (next.metrics.normalizedGini ?? -1) > (best.metrics.normalizedGini ?? -1) ? next : best,
    undefined,
  );
