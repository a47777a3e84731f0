import { type DatasetKind, type IngestOptions, type Warning, columnsFor, kindOfColumns } from '@clove/contracts';
import type { Duck } from '../duck.js';
import { type DateReading, holdsDates, readDates } from './dates.js';
import { mapColumns } from './mapping.js';
import { PLAIN, numberOf, readNumbers } from './numbers.js';
import { type Planned, numberPart, timePart } from './presets.js';
import type { Rows, Source, SourceColumn } from './read.js';
import { figure } from './rejects.js';
import { allEmpty, identifierOf, isWhole, isWholeFloat } from './transactions.js';

const SAMPLE = 2000;
const sampleOf = (relation: string): string => `(SELECT * FROM ${relation} LIMIT ${SAMPLE})`;

/**
 * An order table has dates, amounts and a customer that comes more than once; a features table has a target, or one row
 * a customer. Where one of the three is missing the mapping says so by name.
 * @returns the kind, and whether the first rows decided it: then more of them would change nothing
 */
export const guessKind = async (
  db: Duck,
  { columns, relation }: Pick<Rows, 'columns' | 'relation'>,
): Promise<{ kind: DatasetKind; settled: boolean }> => {
  const dated = new Set<SourceColumn>();
  for (const column of columnsFor(columns, 'time'))
    if (await holdsDates(db, sampleOf(relation), column)) dated.add(column);
  const kind = kindOfColumns(columns, (column) => dated.has(column));
  if (kind !== null) return { kind, settled: true };
  const customer = columnsFor(columns, 'customer')[0]!; // without one the names tell the kind
  const { repeated } = await db.row<{ repeated: boolean }>(
    `SELECT count(DISTINCT ${customer.sql}) < 0.5 * count(${customer.sql}) AS repeated FROM ${relation}`,
  );
  return { kind: repeated ? 'transactions' : 'features', settled: false };
};

/** A plan for rows of which nothing is known but the columns' names, and the options that say what they mean. */
export type Guessed = Planned & {
  /** whether rows beyond those looked at can change the plan only by values that it does not read */
  settled: boolean;
  time: SourceColumn;
  /** whether the user gave the date format */
  dateGiven: boolean;
  /** canonical columns of ids that are whole numbers so far, so that a `.0` further on would change how they are read */
  floatIds: ('customer_id' | 'order_id')[];
};

/**
 * Finds out what the columns of an order table mean and how dates and numbers are written, on all rows of the relation.
 * @throws CloveError column-missing, column-ambiguous, date-ambiguous, value-invalid
 */
export const planTransactions = async (
  db: Duck,
  rows: Pick<Rows, 'columns' | 'relation'>,
  sources: readonly Source[],
  options: Pick<IngestOptions, 'mapping' | 'dateFormat'>,
): Promise<Guessed> => {
  const { relation, columns } = rows;
  const { mapped, warnings } = await mapColumns(columns, options.mapping, (column) =>
    holdsDates(db, sampleOf(relation), column),
  );
  const dates = await readDates(db, relation, mapped.time, options.dateFormat);
  let { settled } = dates;
  if (dates.other !== null) warnings.push(mixedDates(mapped.time, { ...dates, other: dates.other }));
  const number = async (column: SourceColumn) => {
    const reading = await readNumbers(db, relation, column);
    if (reading.style !== PLAIN || reading.ambiguous) settled = false;
    if (reading.ambiguous)
      warnings.push({
        code: 'number-ambiguous',
        message: `Numbers of the column "${column.name}" such as ${JSON.stringify(reading.example)} could have a thousands separator or a decimal comma; nothing in the column tells, so they were not read. Write them with a decimal point and no separators.`,
        count: reading.present - reading.read,
      });
    return reading.style;
  };
  const { customer, time, amount, quantity, price, order, product, category, paymentType, place } = mapped;
  const quantityStyle = quantity === undefined ? undefined : await number(quantity);
  const quantitySql = quantity === undefined ? null : numberOf(quantity, quantityStyle);
  let money: Planned['plan']['amount'];
  if (amount !== null) {
    const style = await number(amount);
    money = { sql: 'part_0', parts: [numberPart(amount, style)] };
  } else {
    const style = await number(price!);
    money = { sql: 'part_0 * part_1', parts: [numberPart(quantity!, quantityStyle), numberPart(price!, style)] };
  }
  const ids = order === undefined ? [customer] : [customer, order];
  const forms = await db.row<Record<string, boolean>>(
    `SELECT ${ids.map((column, i) => `${isWholeFloat(column)} AS whole${i}, ${isWhole(column)} AS numbers${i}`).join(', ')} FROM ${relation}`,
  );
  const floatIds: Guessed['floatIds'] = [];
  for (const i of ids.keys()) {
    if (forms[`whole${i}`]!) settled = false;
    else if (forms[`numbers${i}`]!) floatIds.push(i === 0 ? 'customer_id' : 'order_id');
  }
  const [customerSql, orderSql] = ids.map((column, i) => identifierOf(column, forms[`whole${i}`]!));
  const used = Object.entries(mapped).filter(
    ([meaning, column]) => column !== null && !(meaning === 'price' && amount !== null),
  );
  const plan: Planned['plan'] = {
    relation,
    customer: { sql: customerSql!, column: customer.name },
    time: timePart(time, dates.format),
    amount: money,
    order: orderSql ?? null,
    product: product?.sql ?? null,
    category: category?.sql ?? null,
    paymentType: paymentType?.sql ?? null,
    place: place?.sql ?? null,
    quantity: quantitySql,
    rules: [],
    laterRules: [],
    empty: allEmpty(columns),
  };
  return {
    plan,
    mapping: Object.fromEntries(used.map(([meaning, column]) => [meaning, column!.name])),
    dateFormat: dates.format.name,
    warnings,
    judged: sources,
    settled,
    time,
    dateGiven: options.dateFormat !== undefined,
    floatIds,
  };
};

/** Warning: some dates of a column are written in another way than the others. */
export const mixedDates = (
  column: SourceColumn,
  dates: Pick<DateReading, 'present' | 'read'> & { format: { name: string }; other: { name: string; example: string } },
): Warning => ({
  code: 'dates-mixed',
  message: `The column "${column.name}" mixes date formats: ${figure(dates.read)} of ${figure(dates.present)} values are ${dates.format.name} and were read, others such as ${JSON.stringify(dates.other.example)} look like ${dates.other.name} and were not. Bring them to one format.`,
  count: dates.present - dates.read,
});
