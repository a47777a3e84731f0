import { CloveError, ONLINE_RETAIL, foldName, type IngestOptions, type Preset, type Warning } from '@clove/contracts';
import { literal, type Duck } from '../duck.js';
import { holdsDates, readDates, timeIsMissing, timeOf } from './dates.js';
import { PLAIN, numberIsMissing, numberOf } from './numbers.js';
import { concatenate, type Source, type SourceColumn } from './read.js';
import { figure } from './rejects.js';
import { type TransactionsPlan, identifierOf, isWholeFloat } from './transactions.js';

/** A plan and what to report about it. `judged` are the files whose rows the half-rejected rule counts. */
export type Planned = {
  plan: TransactionsPlan;
  mapping: Record<string, string>;
  dateFormat: string;
  warnings: Warning[];
  judged: readonly Source[];
};

type Options = Pick<IngestOptions, 'dateFormat' | 'orderStatuses'>;

/**
 * Plans the reading of a known layout of one table; that of several is in olist.ts. Error 'preset-mismatch' says what was
 * expected and what was found.
 */
export const planPreset = (
  db: Duck,
  preset: Exclude<Preset, 'olist'>,
  sources: readonly Source[],
  options: Options,
): Promise<Planned> => {
  if (options.orderStatuses !== undefined)
    throw new CloveError('invalid-input', `orderStatuses is for the preset olist, not for ${preset}.`, {
      pointer: '/orderStatuses',
    });
  return preset === 'cdnow' ? planCdnow(db, sources, options) : planOnlineRetail(db, sources, options);
};

/** Files that do not fit a preset. */
export const mismatch = (
  preset: Preset,
  expected: string,
  sources: readonly { name: string; columns: readonly { name: string }[] }[],
  detail = '',
): CloveError => {
  const found = sources.map((source) => `${source.name}: ${source.columns.map((column) => column.name).join(', ')}`);
  return new CloveError(
    'preset-mismatch',
    `The files do not fit the preset ${preset}.${detail} Expected: ${expected}. Found: ${found.join('; ')}. ` +
      'Leave the preset out to have the columns guessed, or name them with the mapping.',
    { pointer: '/preset' },
  );
};

const SAMPLE = 2000;

/** Whether a file is one of CDNOW's order histories: day, number of CDs and dollars in its last three columns. */
const isCdnowHistory = async (db: Duck, source: Source): Promise<boolean> => {
  const [date, , dollars] = source.columns.slice(-3);
  if (!date || !dollars || (source.columns.length !== 4 && source.columns.length !== 5)) return false;
  const sample = `(SELECT * FROM ${source.relation} LIMIT ${SAMPLE})`;
  const { numeric, total } = await db.row<{ numeric: number; total: number }>(
    `SELECT count(${numberOf(dollars)}) AS numeric, count(*) AS total FROM ${sample}`,
  );
  return numeric * 2 >= total && (await holdsDates(db, sample, date));
};

/**
 * The order histories among the files of the CDNOW folder, and what is left out: the summaries hold no orders, and the
 * sample is a tenth of the master over again.
 */
const findCdnow = async (
  db: Duck,
  files: readonly Source[],
  expected: string,
): Promise<{ sources: readonly Source[]; warnings: Warning[] }> => {
  const histories: Source[] = [];
  for (const file of files) if (await isCdnowHistory(db, file)) histories.push(file);
  if (histories.length === 0) throw mismatch('cdnow', expected, files);
  const masters = histories.filter((source) => source.columns.length === 4);
  const sources = masters.length > 0 ? masters : histories;
  const unused = files.filter((file) => !sources.includes(file)).map((file) => file.name);
  const warnings: Warning[] = [];
  if (unused.length > 0)
    warnings.push({
      code: 'file-unused',
      message: `${unused.join(', ')} ${unused.length === 1 ? 'was' : 'were'} left out: the preset cdnow reads order histories, and the sample only without the master.`,
      count: unused.length,
    });
  return { sources, warnings };
};

/**
 * CDNOW: customer, day, number of CDs, dollars; the sample has the master's id before its own, and its own is taken.
 * Padded with spaces, with or without a header, so columns go by place. Equal rows are real purchases and stay.
 */
const planCdnow = async (db: Duck, files: readonly Source[], options: Options): Promise<Planned> => {
  const expected =
    'four columns (customer id, date as YYYYMMDD, number of CDs, dollars), or five with the sample id second';
  const { sources, warnings } = await findCdnow(db, files, expected);
  const width = sources[0]!.columns.length;
  const names = [...(width === 5 ? ['master_id'] : []), 'customer_id', 'date', 'number_of_cds', 'dollar_value'];
  const renamed = sources.map((source) => ({
    ...source,
    columns: source.columns.map((column, i) => ({ ...column, name: names[i]! })),
  }));
  const rows = concatenate(renamed);
  const [customer, date, cds, dollars] = rows.columns.slice(-4) as [
    SourceColumn,
    SourceColumn,
    SourceColumn,
    SourceColumn,
  ];
  const dates = await readDates(db, rows.relation, date, options.dateFormat ?? '%Y%m%d');
  return {
    plan: {
      relation: rows.relation,
      customer: { sql: identifierOf(customer, false), column: customer.name },
      time: timePart(date, dates.format),
      amount: { sql: 'part_0', parts: [numberPart(dollars)] },
      order: null,
      product: null,
      category: null,
      paymentType: null,
      place: null,
      quantity: numberOf(cds),
      rules: [],
      laterRules: [],
      empty: 'false',
    },
    mapping: { customer: customer.name, time: date.name, quantity: cds.name, amount: dollars.name },
    dateFormat: dates.format.name,
    warnings,
    judged: sources,
  };
};

/**
 * Online Retail: line items, amount = Quantity × UnitPrice. Negative quantities are returns; an invoice that starts with
 * C is a cancellation, so its quantity is negative whatever its sign. A price of 0 is kept as a line of amount 0; a
 * price below 0 adjusts bad debt and is no purchase.
 */
const planOnlineRetail = async (db: Duck, sources: readonly Source[], options: Options): Promise<Planned> => {
  const first = sources[0]!;
  const find = (names: readonly string[]) => first.columns.find((column) => names.includes(foldName(column.name)));
  const invoice = find(ONLINE_RETAIL.invoice);
  const product = find(ONLINE_RETAIL.product);
  const quantity = find(ONLINE_RETAIL.quantity);
  const time = find(ONLINE_RETAIL.time);
  const price = find(ONLINE_RETAIL.price);
  const customer = find(ONLINE_RETAIL.customer);
  const country = find(ONLINE_RETAIL.country);
  const expected = 'columns InvoiceNo, StockCode, Quantity, InvoiceDate, UnitPrice, CustomerID, and optionally Country';
  if (!invoice || !product || !quantity || !time || !price || !customer)
    throw mismatch('online-retail', expected, sources);
  const rows = concatenate(sources);
  const dates = await readDates(db, rows.relation, time, options.dateFormat);
  const { whole } = await db.row<{ whole: boolean }>(`SELECT ${isWholeFloat(customer)} AS whole FROM ${rows.relation}`);
  const pieces = `CASE WHEN upper(trim(${invoice.sql}::VARCHAR)) LIKE 'C%' THEN -abs(${numberOf(quantity)}) ELSE ${numberOf(quantity)} END`;
  const { free } = await db.row<{ free: number }>(
    `SELECT count(*) AS free FROM ${rows.relation} WHERE ${numberOf(price)} = 0 AND ${identifierOf(customer, false)} IS NOT NULL`,
  );
  const warnings: Warning[] = [];
  if (free > 0)
    warnings.push({
      code: 'price-zero',
      message: `${figure(free)} lines of known customers have a price of 0; they stay, with the amount 0.`,
      count: free,
    });
  return {
    plan: {
      relation: rows.relation,
      customer: { sql: identifierOf(customer, whole), column: customer.name },
      time: timePart(time, dates.format),
      amount: { sql: `(${pieces}) * ${numberOf(price)}`, parts: [numberPart(quantity), numberPart(price)] },
      order: invoice.sql,
      product: product.sql,
      category: null,
      paymentType: null,
      place: country?.sql ?? null,
      quantity: pieces,
      rules: [],
      laterRules: [
        {
          when: `${numberOf(price)} < 0`,
          reason: literal('price below zero (an accounting adjustment)'),
          column: price.name,
          value: price.sql,
        },
      ],
      empty: 'false',
    },
    mapping: {
      customer: customer.name,
      time: time.name,
      quantity: quantity.name,
      price: price.name,
      order: invoice.name,
      product: product.name,
      ...(country === undefined ? {} : { place: country.name }),
    },
    dateFormat: dates.format.name,
    warnings,
    judged: sources,
  };
};

/** The parts of a plan that most layouts share. */
export const timePart = (column: SourceColumn, format: Parameters<typeof timeOf>[1]): TransactionsPlan['time'] => ({
  sql: timeOf(column, format),
  column: column.name,
  missing: timeIsMissing(column),
  raw: `${column.sql}::VARCHAR`,
  format: format.name,
});

export const numberPart = (column: SourceColumn, style = PLAIN): TransactionsPlan['amount']['parts'][number] => ({
  sql: numberOf(column, style),
  column: column.name,
  missing: numberIsMissing(column),
  raw: `${column.sql}::VARCHAR`,
});
