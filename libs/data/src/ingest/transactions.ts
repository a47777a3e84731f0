import { isOneOf, literal, type Duck } from '../duck.js';
import { PART_ROWS, type Source, type SourceColumn, countRejects } from './read.js';
import { type Rule, VALUE_LENGTH, firstBroken } from './rejects.js';

/** SQL over the relation of a transactions plan, with what the user calls the column it comes from. */
type Expression = { sql: string; column: string };

/**
 * What to take from a relation as canonical transactions. `raw` says what stood there, for the report of a row that is not
 * taken; SQL is NULL where a value cannot be used.
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

/** SQL: a text without blanks around it, NULL where nothing is left. Most texts need no trimming, which is the cheap case. */
const trimmed = (text: string): string =>
  `CASE WHEN ${isTrimmed(text)} THEN ${text} ELSE nullif(trim(${text}), '') END`;

/** SQL: true for a text of ASCII that neither begins nor ends with a blank; trim would leave it alone. */
const isTrimmed = (text: string): string =>
  `(${text} > '!' AND length(${text}) = strlen(${text}) AND NOT ends_with(${text}, ' '))`;

const optional = (sql: string | null): string => (sql === null ? 'NULL::VARCHAR' : trimmed(`(${sql})::VARCHAR`));

/**
 * SQL of the canonical transactions (see the package's Parquet layout) in the order of the relation, the rows that break a rule
 * among them, so that one pass both writes and checks. A broken row has no customer; `quantity` holds the index of its rule,
 * `product` the value, `category` the reason, and `order_id` the text of a time that does not fit. `takeRejects` and
 * `WITHOUT_BROKEN` take them out again.
 * @param numbered whether the columns `file` and `row` of the relation come first
 */
export const markedTransactions = (plan: TransactionsPlan, rules: readonly Rule[], numbered = false): string => {
  const value = (sql: string) => `(${sql})::VARCHAR`;
  const pick = (sql: (rule: Rule) => string) =>
    `CASE broken ${rules.map((rule, i) => `WHEN ${i} THEN ${sql(rule)}`).join(' ')} END`;
  const parts = plan.amount.parts.map(({ sql }, i) => `${sql} AS part_${i}`);
  const own = [...plan.rules, ...plan.laterRules];
  // The rules are looked through only where something is amiss: they ask for more than what good rows need.
  const good = [
    'customer IS NOT NULL',
    'moment IS NOT NULL',
    ...parts.map((_, i) => `part_${i} IS NOT NULL`),
    ...own.map(({ when }) => `(${when}) IS NOT TRUE`),
  ];
  return `SELECT ${numbered ? 'file, row,' : ''}
      CASE WHEN broken IS NULL THEN customer END AS customer_id,
      moment AS time,
      CASE WHEN broken IS NULL THEN ${plan.amount.sql} END AS amount,
      CASE WHEN broken IS NULL THEN coalesce(${optional(plan.order)}, moment::VARCHAR)
        WHEN moment IS NULL AND NOT ${plan.time.missing} THEN ${plan.time.raw} END AS order_id,
      CASE WHEN broken IS NULL THEN ${optional(plan.product)} ELSE left(${pick((rule) => value(rule.value))}, ${VALUE_LENGTH}) END AS product,
      CASE WHEN broken IS NULL THEN ${optional(plan.category)} ELSE ${pick((rule) => rule.reason)} END AS category,
      CASE WHEN broken IS NULL THEN ${optional(plan.paymentType)} END AS payment_type,
      CASE WHEN broken IS NULL THEN ${optional(plan.place)} END AS place,
      CASE WHEN broken IS NULL THEN ${plan.quantity ?? 'NULL::DOUBLE'} ELSE broken END AS quantity
    FROM (
      SELECT *, CASE WHEN ${good.join(' AND ')} THEN NULL ELSE ${firstBroken(rules)} END AS broken
      FROM (SELECT *, ${plan.customer.sql} AS customer, ${plan.time.sql} AS moment${parts.map((part) => `, ${part}`).join('')}
        FROM ${plan.relation}))`;
};

/** SQL condition over marked transactions: rows that break no rule. */
export const WITHOUT_BROKEN = 'customer_id IS NOT NULL';

/** How many rows of marked transactions (a Parquet file) break a rule, by its footer. */
export const countBroken = async (db: Duck, marked: string): Promise<number> => {
  const { broken } = await db.row<{ broken: number }>(
    `SELECT coalesce(sum(stats_null_count), 0)::BIGINT AS broken FROM parquet_metadata(${literal(marked)}) WHERE path_in_schema = 'customer_id'`,
  );
  return broken;
};

/**
 * Adds the broken rows of marked transactions (a Parquet file) to `rejects`, under the row numbers of their files.
 * @param sources the files that the rows come from, in their order
 * @returns how many there are
 */
export const takeRejects = async (
  db: Duck,
  marked: string,
  rules: readonly Rule[],
  sources: readonly Source[],
): Promise<number> => {
  const broken = await countBroken(db, marked);
  if (broken === 0) return 0;
  // Row numbers: from a position of all rows on, a file and what to add; a step for each file and each gap in it.
  let before = 0;
  const steps: string[] = [];
  for (const { file, rows, gaps } of sources) {
    steps.push(`SELECT ${before} AS start, ${file} AS file, ${1 - before} AS shift`);
    if (gaps !== null) steps.push(`SELECT ${before} + kept_before, ${file}, ${1 - before} + gone FROM ${gaps}`);
    before += rows - (await countRejects(db, file));
  }
  await db.run(`CREATE OR REPLACE TABLE steps AS
    SELECT start, unnest(max(struct_pack(file, shift))) FROM (${steps.join(' UNION ALL ')}) GROUP BY start`);
  await takeNumberedRejects(
    db,
    `(SELECT file, file_row_number + shift AS row, customer_id, product, category, quantity
      FROM (SELECT * FROM read_parquet(${literal(marked)}, file_row_number = true) WHERE customer_id IS NULL) AS broken
      ASOF JOIN steps ON broken.file_row_number >= steps.start)`,
    rules,
  );
  return broken;
};

/** Adds the broken rows of marked transactions, a relation with their `file` and `row`, to `rejects`. */
export const takeNumberedRejects = (db: Duck, marked: string, rules: readonly Rule[]): Promise<void> => {
  const pick = (sql: (rule: Rule) => string) =>
    `CASE quantity::INTEGER ${rules.map((rule, i) => `WHEN ${i} THEN ${sql(rule)}`).join(' ')} END`;
  return db.run(`INSERT INTO rejects SELECT file, row,
      ${pick((rule) => (rule.column === null ? 'NULL::VARCHAR' : literal(rule.column)))}, product, category,
      ${pick((rule) => String(rule.expected === true))}
    FROM ${marked} WHERE customer_id IS NULL`);
};

/** Canonical transactions as a file. */
export const TRANSACTIONS_FILE = `(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${PART_ROWS})`;

const NO_ID = ['', 'null', 'nan', 'none', 'n/a', 'na', '\\n', '#n/a'];
const LONGEST_NO_ID = 4;

/** SQL: an identifier as text; NULL where there is none. @param whole ids that came as floats lose their `.0` */
export const identifierOf = (column: SourceColumn, whole: boolean): string => {
  const text = `${column.sql}::VARCHAR`;
  const tidy = `trim(${text})`;
  const present = `CASE WHEN strlen(${text}) > ${LONGEST_NO_ID} AND ${isTrimmed(text)} THEN ${text}
    WHEN NOT ${isOneOf(`lower(${tidy})`, NO_ID)} THEN ${tidy} END`;
  return whole ? `regexp_replace(${present}, '\\.0+$', '')` : present;
};

/** SQL condition over a column: true where all of its ids are whole numbers, some of them perhaps written as floats. */
export const isWhole = (column: SourceColumn): string =>
  `coalesce(bool_and(regexp_full_match(${identifierOf(column, false)}, '-?\\d+(\\.0+)?')), false)`;

/** SQL condition over a column: true for all of its values where ids are whole numbers that came as floats. */
export const isWholeFloat = (column: SourceColumn): string =>
  `${isWhole(column)} AND coalesce(bool_or(ends_with(${identifierOf(column, false)}, '.0')), false)`;

/** SQL: true where every one of these cells is empty. */
export const allEmpty = (columns: readonly SourceColumn[]): string =>
  columns
    .map(({ sql, type }) =>
      type === 'text'
        ? `(${sql} IS NULL OR ${sql} = '' OR (${sql} LIKE ' %' AND trim(${sql}) = ''))`
        : `${sql} IS NULL`,
    )
    .join(' AND ');
