import {
  CloveError,
  columnsFor,
  guessMapping,
  type Meaning,
  type TransactionMapping,
  type Warning,
} from '@clove/contracts';
import type { SourceColumn } from './read.js';

/** The columns of an order table by meaning; amount is null where it is quantity × price. */
export type Mapped = { customer: SourceColumn; time: SourceColumn; amount: SourceColumn | null } & Partial<
  Record<Exclude<Meaning, 'customer' | 'time' | 'amount'>, SourceColumn>
>;

/**
 * Finds out what the columns of an order table mean, as `guessMapping` does. Errors: 'column-missing' and 'column-ambiguous'
 * for customer, time and amount, naming the columns there are and the option to give.
 *
 * @param isTime whether the content of a column is dates: decides between columns that are called alike
 */
export const mapColumns = async (
  columns: readonly SourceColumn[],
  mapping: TransactionMapping,
  isTime: (column: SourceColumn) => Promise<boolean>,
): Promise<{ mapped: Mapped; warnings: Warning[] }> => {
  const dated = new Set<SourceColumn>();
  const times = mapping.time === undefined ? columnsFor(columns, 'time') : [];
  if (times.length > 1) for (const column of times) if (await isTime(column)) dated.add(column);
  const guessed = guessMapping(columns, mapping, (column) => dated.has(column));
  const [problem] = guessed.problems;
  if (problem !== undefined) throw new CloveError(problem.code, problem.message);
  const { customer, time, amount, ...rest } = guessed.columns;
  // without a problem these two are there
  return { mapped: { customer: customer!, time: time!, amount: amount ?? null, ...rest }, warnings: guessed.warnings };
};
