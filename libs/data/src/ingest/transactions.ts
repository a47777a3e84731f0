import { literal } from '../duck.js';
import type { SourceColumn } from './read.js';
import { type Rule, firstBroken } from './rejects.js';

/** SQL over the relation of a transactions plan, with what the user calls the column it comes from. */
type Expression = { sql: string; column: string };

/**
 * What to take from a relation (columns `file`, `row` and others) as canonical transactions. `raw` says what stood
 * there, for the report of a row that is not taken; SQL is NULL where a value cannot be used.
 */
export type TransactionsPlan = {
  relation: string;
  customer: Expression;
  time: Expression & { missing: string; raw: string; format: string };
  amount: { sql: string; parts: (Expression & { missing: string; raw: string })[] };
  order: string | null;
  product: string | null;
  category: string | null;
  paymentType: string | null;
  place: string | null;
  quantity: string | null;
  /** Rules of a preset, applied before and after the common ones. */
  rules: Rule[];
  laterRules: Rule[];
  /** SQL: true where every cell of the row is empty. */
  empty: string;
};

/** The reasons for which a transaction is not taken, in the order in which they are looked for. */
export const transactionRules = (plan: TransactionsPlan): Rule[] => [
  { when: plan.empty, reason: literal('empty row'), column: null, value: 'NULL' },
  ...plan.rules,
  {
    when: `(${plan.customer.sql}) IS NULL`,
    reason: literal('customer is missing'),
    column: plan.customer.column,
    value: 'NULL',
  },
  {
    when: `(${plan.time.sql}) IS NULL AND ${plan.time.missing}`,
    reason: literal('time is missing'),
    column: plan.time.column,
    value: plan.time.raw,
  },
  {
    when: `(${plan.time.sql}) IS NULL`,
    reason: literal(`time does not fit the format ${plan.time.format}`),
    column: plan.time.column,
    value: plan.time.raw,
  },
  ...plan.amount.parts.flatMap((part): Rule[] => [
    {
      when: `(${part.sql}) IS NULL AND ${part.missing}`,
      reason: literal(`${part.column} is missing`),
      column: part.column,
      value: part.raw,
    },
    {
      when: `(${part.sql}) IS NULL`,
      reason: literal(`${part.column} is not a number`),
      column: part.column,
      value: part.raw,
    },
  ]),
  ...plan.laterRules,
];

/** SQL of the relation with the rule that each row breaks. */
export const checkedTransactions = (plan: TransactionsPlan, rules: readonly Rule[]): string =>
  `(SELECT *, ${firstBroken(rules)} AS broken FROM ${plan.relation})`;

const text = (sql: string | null): string => (sql === null ? 'NULL::VARCHAR' : `nullif(trim(${sql}::VARCHAR), '')`);

/**
 * SQL: the rows of `source` as the files have them. Sorted rows come in even portions, so the bytes of the Parquet do not
 * depend on threads and timing.
 */
export const IN_ORDER = 'ORDER BY source.file, source.row';

/** SQL of the canonical transactions: see the package's Parquet layout. */
export const canonicalTransactions = (plan: TransactionsPlan, rules: readonly Rule[]): string => {
  const rows = `SELECT file, row, ${plan.customer.sql} AS customer_id, ${plan.time.sql} AS time, ${plan.amount.sql} AS amount,
      ${text(plan.order)} AS order_number, ${text(plan.product)} AS product, ${text(plan.category)} AS category,
      ${text(plan.paymentType)} AS payment_type, ${text(plan.place)} AS place, ${plan.quantity ?? 'NULL::DOUBLE'} AS quantity
    FROM ${checkedTransactions(plan, rules)} WHERE broken IS NULL`;
  return `SELECT customer_id, time, amount, coalesce(order_number, time::VARCHAR) AS order_id, product, category, payment_type,
      place, quantity FROM (${rows}) AS source ${IN_ORDER}`;
};

const NO_ID = ['', 'null', 'nan', 'none', 'n/a', 'na', '\\n', '#n/a'];

/** SQL: an identifier as text; NULL where there is none. @param whole ids that came as floats lose their `.0` */
export const identifierOf = (column: SourceColumn, whole: boolean): string => {
  const trimmed = `trim(${column.sql}::VARCHAR)`;
  const present = `CASE WHEN lower(${trimmed}) NOT IN (${NO_ID.map(literal).join(', ')}) THEN ${trimmed} END`;
  return whole ? `regexp_replace(${present}, '\\.0+$', '')` : present;
};

/** SQL condition over a column: true for all of its values where ids are whole numbers that came as floats. */
export const isWholeFloat = (column: SourceColumn): string =>
  `coalesce(bool_and(regexp_full_match(${identifierOf(column, false)}, '-?\\d+(\\.0+)?')), false)
   AND coalesce(bool_or(ends_with(${identifierOf(column, false)}, '.0')), false)`;

/** SQL: true where every one of these cells is empty. */
export const allEmpty = (columns: readonly SourceColumn[]): string =>
  columns
    .map(({ sql, type }) =>
      type === 'text'
        ? `(${sql} IS NULL OR ${sql} = '' OR (${sql} LIKE ' %' AND trim(${sql}) = ''))`
        : `${sql} IS NULL`,
    )
    .join(' AND ');
