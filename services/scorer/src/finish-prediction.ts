import { encodingWarnings } from '@clove/clv';
import { CloveError, type ModelManifest, type PredictionSummary, type Warning } from '@clove/contracts';
import { type PieceReport, type PredictionPlan, allCounts } from './pieces.js';
import { type SortedRuns, rowsOf, valueAt } from './sorted-runs.js';

/**
 * Called once all pieces are scored, before any is written.
 * @throws CloveError `value-invalid` where most of a numeric column is text: a column that must hold numbers and mostly holds
 * text is another column
 */
export const checkReports = (reports: readonly PieceReport[], rows: number): void => {
  const counts = allCounts(reports);
  for (const [name, { count, example, customer }] of counts.unreadable) {
    const present = rows - (counts.missing.get(name) ?? 0);
    if (count * 2 > present) {
      throw new CloveError(
        'value-invalid',
        `Column "${name}" must hold numbers, but ${count} of its ${present} values are text, first "${example.slice(0, 60)}" of customer "${customer}". Correct the column, or leave it out.`,
      );
    }
  }
};

/** What a user should know about the rows and their predictions. */
export const warningsOf = (
  manifest: Pick<ModelManifest, 'schema' | 'kind'>,
  plan: PredictionPlan,
  reports: readonly PieceReport[],
): Warning[] => {
  const warnings = [...plan.warnings, ...encodingWarnings(manifest.schema, allCounts(reports), manifest.kind)];
  const lowest = Math.min(...reports.map((report) => report.lowest));
  const highest = Math.max(...reports.map((report) => report.highest));
  if (plan.rows > 1 && lowest === highest) {
    warnings.push({
      code: 'constant-predictions',
      message: `Every customer got the same prediction, ${lowest}: the model found nothing in these columns to tell customers apart. Look at its evaluation, and at the columns that are missing.`,
      count: plan.rows,
    });
  }
  return warnings;
};

/** The figures of a prediction from those of its pieces, added in their order. @param runs their predictions, ascending */
export const summaryOf = (reports: readonly PieceReport[], runs: SortedRuns): PredictionSummary => {
  let [customers, total, squares] = [0, 0, 0];
  for (const report of reports.filter(({ rows }) => rows > 0)) {
    // Squares of two groups together (Chan, Golub, LeVeque 1979).
    const apart = customers === 0 ? 0 : report.total / report.rows - total / customers;
    squares += report.squares + (apart ** 2 * customers * report.rows) / (customers + report.rows);
    customers += report.rows;
    total += report.total;
  }
  const rows = rowsOf(runs);
  return {
    customers,
    total,
    mean: total / customers,
    median: (valueAt(runs, Math.floor((rows - 1) / 2)) + valueAt(runs, Math.floor(rows / 2))) / 2,
    sd: Math.sqrt(squares / customers),
    min: valueAt(runs, 0),
    max: valueAt(runs, rows - 1),
  };
};
