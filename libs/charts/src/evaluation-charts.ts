import type { EvaluationReport, LeaderboardReport, ModelManifest } from '@clove/contracts';
import { round } from './columns.js';
import { decileChart } from './deciles.js';
import { type Distribution, type Histogram, distributionChart } from './distribution.js';
import type { ChartOptions } from './frame.js';
import { gainChart } from './gain.js';
import { leaderboardChart } from './leaderboard.js';
import { learningCurveChart } from './learning-curves.js';
import type { LogBins } from './log-axis.js';
import { pitChart } from './pit.js';
import { predictedActualChart } from './predicted-actual.js';
import { recencyFrequencyChart } from './recency-frequency.js';
import { type Reliability, reliabilityChart, wilson } from './reliability.js';
import { residualChart } from './residuals.js';
import type { ChartSpec } from './spec.js';
import { trackingChart } from './tracking.js';

type Detail = NonNullable<EvaluationReport['detail']>;

/** What a report of an evaluation needs for its charts. */
export type Judged = Pick<EvaluationReport, 'metrics' | 'detail' | 'testCustomers'> & {
  protocol: Pick<EvaluationReport['protocol'], 'testOrigin'>;
};

/** A chart of a report: `name` serves as a file name, `chart` draws it in any theme and size. */
export type NamedChart = { name: string; chart: (options: ChartOptions) => ChartSpec };

const WEEK_MS = 7 * 86_400_000;

const weighted = (groups: readonly { rows: number; value: number }[], rows: number): number =>
  groups.reduce((sum, group) => sum + group.rows * group.value, 0) / Math.max(1, rows);

/** Bars between the groups' mean probabilities stand in for the distribution, which a report does not keep. */
const reliabilityOf = (report: Judged, detail: Detail): Reliability => {
  const groups = detail.reliability;
  const middle = (i: number): number => (groups[i - 1]!.predicted + groups[i]!.predicted) / 2;
  return {
    rows: groups.reduce((sum, group) => sum + group.rows, 0),
    omitted: 0,
    brier: report.metrics.brier ?? null,
    groups: groups.map((group) => ({ ...group, ...wilson(group.observed * group.rows, group.rows) })),
    histogram: groups.map(({ predicted, rows }, i) => ({
      from: i === 0 ? Math.max(0, 2 * predicted - middle(Math.min(1, groups.length - 1) || i)) : middle(i),
      to: i === groups.length - 1 ? Math.min(1, predicted + (predicted - (i === 0 ? 0 : middle(i)))) : middle(i + 1),
      rows,
    })),
  };
};

/** Counts of a report on bins that are equal in the logarithm; null where they are not. Bins that reach to 0 are the band. */
const distributionOfReport = (detail: Detail): Distribution | null => {
  const positive = detail.distribution.filter(({ from }) => from > 0);
  const band = detail.distribution.filter(({ from }) => from <= 0);
  const [first] = positive;
  if (first === undefined) return null;
  const bins: LogBins = {
    from: Math.log10(first.from),
    width: Math.log10(first.to / first.from),
    count: positive.length,
  };
  const even = positive.every(({ from }, i) => Math.abs(Math.log10(from) - bins.from - i * bins.width) < 1e-6);
  if (!even) return null;
  const rows = detail.deciles.reduce((sum, decile) => sum + decile.rows, 0);
  const histogram = (side: 'predicted' | 'actual'): Histogram => ({
    rows: detail.distribution.reduce((sum, bin) => sum + bin[side], 0),
    omitted: 0,
    mean: weighted(
      detail.deciles.map((decile) => ({ rows: decile.rows, value: decile[side] })),
      rows,
    ),
    median: null,
    band: band.length === 0 ? null : band.some(({ to }) => to > 0) ? 'small' : 'zero',
    banded: band.reduce((sum, bin) => sum + bin[side], 0),
    counts: positive.map((bin) => bin[side]),
  });
  return { bins, predicted: histogram('predicted'), actual: histogram('actual') };
};

/**
 * The charts that can be drawn from the report of an evaluation, those first that a decision rests on. Without `detail`, as
 * in reports of early versions, there are none.
 */
export const evaluationCharts = (report: Judged, model: string): NamedChart[] => {
  const { detail, metrics } = report;
  if (detail === undefined) return [];
  const rows = report.testCustomers;
  const charts: NamedChart[] = [];
  const add = (name: string, when: boolean, chart: NamedChart['chart']) => {
    if (when) charts.push({ name, chart });
  };

  add('decile-calibration', detail.deciles.length > 0, (options) =>
    decileChart({ rows, omitted: 0, groups: detail.deciles }, options),
  );
  add('gain', detail.gain.length > 0 && detail.total.actual > 0, (options) =>
    gainChart(
      {
        rows,
        omitted: 0,
        total: detail.total.actual,
        perfect: detail.gain.map(({ customers, perfect }) => ({ customers, spend: perfect })),
        models: [
          {
            name: model,
            points: detail.gain.map((point) => ({ customers: round(point.customers), spend: point.model })),
            normalizedGini: metrics.normalizedGini,
          },
        ],
      },
      options,
    ),
  );
  const { tracking = [], trackingStart } = detail;
  const { testOrigin } = report.protocol;
  const fittedPeriods =
    trackingStart === undefined || testOrigin === null
      ? undefined
      : (Date.parse(testOrigin) - Date.parse(trackingStart)) / WEEK_MS;
  add('tracking', tracking.length > 1, (options) =>
    trackingChart(
      {
        measure: 'orders',
        periodDays: 7,
        start: trackingStart,
        fittedPeriods,
        actual: tracking.map(({ actual }) => actual),
        // what is expected of orders comes from the forecaster, whatever multiplies or replaces its spend
        models: [{ name: detail.forecaster ?? model, expected: tracking.map(({ expected }) => expected) }],
      },
      options,
    ),
  );
  const distribution = distributionOfReport(detail);
  if (distribution !== null) add('distribution', true, (options) => distributionChart(distribution, options));
  const grid = detail.predictedActual;
  if (grid !== undefined) {
    const { from, width, count, bands, cells } = grid;
    add('predicted-actual', true, (options) =>
      predictedActualChart(
        {
          rows,
          omitted: 0,
          totalBias: metrics.totalBias,
          bins: { from, width, count },
          bands,
          cells,
          trend: detail.deciles,
        },
        options,
      ),
    );
  }
  add('residuals', detail.residuals.length > 0, (options) =>
    residualChart(
      {
        rows,
        omitted: 0,
        mean: (detail.total.actual - detail.total.predicted) / Math.max(1, rows),
        groups: detail.residuals.map((group, i, all) => ({
          ...group,
          from: i / all.length,
          to: (i + 1) / all.length,
          rows: Math.round(rows / all.length),
        })),
      },
      options,
    ),
  );
  add('reliability', detail.reliability.length > 1, (options) =>
    reliabilityChart(reliabilityOf(report, detail), options),
  );
  const bins = detail.pit.length;
  add('pit', bins > 0, (options) =>
    pitChart(
      {
        rows,
        omitted: 0,
        counts: detail.pit.map((share) => share * rows),
        // central intervals that end at edges of the bins
        coverage: Array.from({ length: Math.floor(bins / 2) }, (_, i) => ({
          level: round(1 - (2 * i) / bins),
          observed: detail.pit.slice(i, bins - i).reduce((sum, share) => sum + share, 0),
        }))
          .slice(1)
          .toReversed(),
      },
      options,
    ),
  );
  const heat = detail.recencyFrequency;
  if (heat !== undefined && heat.cells.length > 0) {
    const customers = heat.cells.reduce((sum, cell) => sum + cell.rows, 0);
    for (const measure of ['alive', 'spend'] as const) {
      const cells = heat.cells.map((cell) => ({ ...cell, value: cell[measure] }));
      add(measure === 'alive' ? 'alive-by-history' : 'spend-by-history', true, (options) =>
        recencyFrequencyChart({ ...heat, cells, rows: customers, omitted: 0 }, { ...options, measure }),
      );
    }
  }
  return charts;
};

/** Loss by epoch, where the model learned in epochs. */
export const trainingCharts = ({ training }: ModelManifest): NamedChart[] =>
  training.epochs.length < 2
    ? []
    : [
        {
          name: 'learning-curves',
          chart: (options) => learningCurveChart({ epochs: training.epochs, bestEpoch: training.bestEpoch }, options),
        },
      ];

/** Every model and baseline in its most telling figures. */
export const leaderboardCharts = ({ rows, winner }: LeaderboardReport): NamedChart[] => [
  { name: 'leaderboard', chart: (options) => leaderboardChart({ rows, winner }, options) },
];
