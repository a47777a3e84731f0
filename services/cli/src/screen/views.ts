import {
  BaselineName,
  type DatasetProfile,
  type EvaluationReport,
  type GateResult,
  type LeaderboardReport,
  type LintFinding,
  type Metrics,
  type ProtocolReport,
  type RowPage,
  type Warning,
} from '@clove/contracts';
import { amount, coefficient, count, percent } from './format.js';
import type { Screen } from './screen.js';
import { type TableColumn, formatTable } from './table.js';

/** Prints a table with a blank line before it, its header in bold. */
export const printTable = (
  screen: Screen,
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): void => {
  const [header = '', ...lines] = formatTable(columns, rows);
  screen.print('', screen.bold(header), ...lines);
};

/** One line on what an ingest found. */
export const describeProfile = (profile: DatasetProfile): string => {
  const span =
    profile.firstTime === null || profile.lastTime === null
      ? ''
      : `, ${profile.firstTime.slice(0, 10)} to ${profile.lastTime.slice(0, 10)}`;
  const orders = profile.orders === null ? '' : `, ${count(profile.orders)} orders`;
  const rejected = profile.rejectedRows === 0 ? '' : `, ${count(profile.rejectedRows)} rejected`;
  return `${profile.kind}: ${count(profile.rows)} rows${rejected}${orders}, ${count(profile.customers)} customers${span}`;
};

/** Findings of the leakage lint that are more than information. */
export const lintWarnings = (findings: readonly LintFinding[]): Warning[] =>
  findings.filter((finding) => finding.severity !== 'info').map(({ code, message }) => ({ code, message }));

/** Everything that an evaluation remarks upon: its warnings and the findings of the leakage lint. */
export const evaluationWarnings = (report: EvaluationReport): Warning[] => [
  ...report.warnings,
  ...lintWarnings(report.lint),
];

/** How far a training went, after a model's type; nothing for a model that has no epochs. */
export const describeEpochs = (epochs: number, best: number | null): string =>
  epochs === 0 || best === null ? '' : `: best of ${epochs} epochs is ${best}`;

/** Drops repetitions: a dataset's warning may come back in its run's. */
export const distinctWarnings = (warnings: readonly Warning[]): Warning[] => [
  ...new Map(warnings.map((warning) => [`${warning.code} ${warning.message}`, warning])).values(),
];

/** What the figures of a training are about: which spend of which customers was held out. */
const describeTest = (protocol: ProtocolReport, testCustomers: number): string =>
  protocol.name === 'forward'
    ? `Spend in the ${protocol.horizonDays} days after ${protocol.testOrigin}, held out from training; ${count(testCustomers)} customers`
    : `${count(testCustomers)} customers held out from training at random (seed ${protocol.seed})`;

/** What the figures of a later evaluation are about. */
const describeEvaluation = (protocol: ProtocolReport, customers: number): string =>
  protocol.name === 'forward'
    ? `Spend in the ${protocol.horizonDays} days after ${protocol.testOrigin}; ${count(customers)} customers`
    : `${count(customers)} customers with a known value`;

const METRIC_COLUMNS: readonly TableColumn[] = [
  { title: '' },
  { title: 'RMSE', align: 'right' },
  { title: 'MAE', align: 'right' },
  { title: 'R²', align: 'right' },
  { title: 'MAPE', align: 'right' },
  { title: 'total bias', align: 'right' },
  { title: 'Spearman', align: 'right' },
  { title: 'Gini', align: 'right' },
  { title: 'decile MAPE', align: 'right' },
];

const metricCells = (name: string, metrics: Metrics): string[] => [
  name,
  amount(metrics.rmse),
  amount(metrics.mae),
  coefficient(metrics.r2),
  percent(metrics.mape),
  percent(metrics.totalBias, { signed: true }),
  coefficient(metrics.spearman),
  coefficient(metrics.normalizedGini),
  percent(metrics.decileMape),
];

/**
 * The model beside the baselines, on the same rows.
 * @param of the test of a training, whose rows were held out, or an evaluation on other data
 */
export const printEvaluation = (
  screen: Screen,
  name: string,
  report: EvaluationReport,
  of: 'training' | 'evaluation',
): void => {
  const describe = of === 'training' ? describeTest : describeEvaluation;
  screen.print('', describe(report.protocol, report.testCustomers));
  printTable(screen, METRIC_COLUMNS, [
    metricCells(name, report.metrics),
    ...BaselineName.options.flatMap((baseline) => {
      const metrics = report.baselines[baseline];
      return metrics === undefined ? [] : [metricCells(baseline, metrics)];
    }),
  ]);
  for (const [baseline, reason] of Object.entries(report.skippedBaselines))
    screen.print(screen.dim(`  ${baseline} is not shown: ${reason}`));
};

/** Whether a version may become champion, and why not. */
export const printGates = (screen: Screen, gates: readonly GateResult[]): void => {
  screen.print('');
  for (const { gate, passed, message } of gates)
    screen.print(`  ${screen.mark(passed ? 'ok' : 'fail')} ${gate.padEnd(22)} ${message}`);
};

/** One line on who won. */
export const describeLeaderboard = (report: LeaderboardReport | null): string =>
  report === null ? '' : `${report.rows.length} models and baselines; ${report.winner} wins`;

const withSpread = (text: string, sd: number | null | undefined, show: (x: number) => string): string =>
  sd === null || sd === undefined || sd === 0 ? text : `${text} ±${show(sd).replace(' %', '')}`;

/** The ranking with its winner marked, the rule by which it won, and what the data cannot support. */
export const printLeaderboard = (screen: Screen, report: LeaderboardReport): void => {
  const { protocol, rows, winner, rule, skipped, claims } = report;
  screen.print('', describeTest(protocol, protocol.testRows));
  const right = (title: string): TableColumn => ({ title, align: 'right' });
  const order = rows.toSorted(
    (a, b) =>
      Number(b.model === winner) - Number(a.model === winner) ||
      (b.metrics.normalizedGini ?? -1) - (a.metrics.normalizedGini ?? -1),
  );
  printTable(
    screen,
    [
      { title: '' },
      { title: 'family' },
      right('Gini'),
      right('total bias'),
      right('decile MAPE'),
      right('MAE'),
      right('RMSE'),
      right('WAPE'),
      right('AUC'),
      right('80 % holds'),
    ],
    order.map(({ model, family, metrics, sd }) => [
      `${model === winner ? '★ ' : '  '}${model}`,
      family,
      withSpread(coefficient(metrics.normalizedGini), sd.normalizedGini, (x) => coefficient(x)),
      withSpread(percent(metrics.totalBias, { signed: true }), sd.totalBias, (x) => percent(x)),
      withSpread(percent(metrics.decileMape), sd.decileMape, (x) => percent(x)),
      amount(metrics.mae),
      amount(metrics.rmse),
      percent(metrics.wape),
      coefficient(metrics.auc),
      percent(metrics.coverage80),
    ]),
  );
  screen.print('', `${screen.bold(`Winner: ${winner}.`)} ${rule}`);
  for (const claim of claims) screen.print(`  ${screen.mark('warn')} ${claim}`);
  for (const { model, reason } of skipped) screen.print(screen.dim(`  ${model} is not shown: ${reason}`));
};

const MONEY_COLUMNS = new Set(['predicted_clv', 'low', 'high']);

const predictionCell = (column: string, value: string | number | boolean | null): string => {
  if (value === null) return '';
  if (typeof value !== 'number') return String(value);
  if (MONEY_COLUMNS.has(column)) return amount(value);
  if (column === 'p_buy') return coefficient(value);
  if (column === 'percentile') return value.toFixed(1);
  return String(value);
};

/** The first rows of a prediction file; columns that are empty throughout are left out, wide ones cut. */
export const printPredictionRows = (screen: Screen, page: RowPage, title: string): void => {
  const shown = page.columns
    .map((name, i) => ({ name, i }))
    .filter(({ name, i }) => name !== 'model_version' && page.rows.some((row) => (row[i] ?? null) !== null))
    .slice(0, 9);
  screen.print('', title);
  printTable(
    screen,
    shown.map(({ name, i }) => ({
      title: name,
      align: page.rows.some((row) => typeof row[i] === 'number') ? ('right' as const) : ('left' as const),
    })),
    page.rows.map((row) => shown.map(({ name, i }) => predictionCell(name, row[i] ?? null).slice(0, 40))),
  );
};
