import {
  CloveError,
  OLIST_NEEDED,
  ONLINE_RETAIL,
  foldName,
  olistTableOf,
  type IngestOptions,
  type OlistTable,
  type Preset,
  type Warning,
} from '@clove/contracts';
import { isOneOf, literal, type Duck } from '../duck.js';
import { holdsDates, readDates, timeIsMissing, timeOf } from './dates.js';
import { PLAIN, numberIsMissing, numberOf } from './numbers.js';
import { concatenate, type Source, type SourceColumn } from './read.js';
import { figure, firstBroken, recordRejects, type Rule } from './rejects.js';
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

/** Plans the reading of a known layout. Error 'preset-mismatch' says what was expected and what was found. */
export const planPreset = (
  db: Duck,
  preset: Preset,
  sources: readonly Source[],
  options: Options,
): Promise<Planned> => {
  if (options.orderStatuses !== undefined && preset !== 'olist')
    throw new CloveError('invalid-input', `orderStatuses is for the preset olist, not for ${preset}.`, {
      pointer: '/orderStatuses',
    });
  if (preset === 'olist') return planOlist(db, sources, options);
  return preset === 'cdnow' ? planCdnow(db, sources, options) : planOnlineRetail(db, sources, options);
};

const mismatch = (preset: Preset, expected: string, sources: readonly Source[], detail = ''): CloveError => {
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

const OLIST_FILES: Record<OlistTable, string> = {
  customers: 'customers (customer_id, customer_unique_id)',
  orders: 'orders (order_id, customer_id, order_status, order_purchase_timestamp)',
  items: 'order_items (order_id, order_item_id, product_id, price)',
  payments: 'order_payments (order_id, payment_type, payment_value)',
  products: 'products (product_id, product_category_name)',
  translation: 'product_category_name_translation',
};

const field = (source: Source, name: string): SourceColumn | undefined =>
  source.columns.find((column) => foldName(column.name) === name);

/**
 * Olist: one transaction an order. The person is customer_unique_id; the amount is the sum of the order's payments, or of
 * its items' prices and freight where it has no payment. Delivered orders count unless `orderStatuses` says otherwise;
 * the others are rejected rows with their status as the reason. Product and category are those of the dearest item,
 * the payment type that of the largest payment, the place the customer's state. Tables are known by their header.
 */
const planOlist = async (db: Duck, sources: readonly Source[], options: Options): Promise<Planned> => {
  const { tables, warnings } = olistTables(sources);
  const needed = (table: OlistTable) => tables.get(table)!;
  const sql = (source: Source, name: string) => field(source, name)?.sql ?? 'NULL::VARCHAR';
  const orders = needed('orders');
  const customers = needed('customers');
  const payments = needed('payments');
  const items = needed('items');
  const products = tables.get('products');
  const translation = tables.get('translation');

  const value = field(payments, 'paymentvalue')!;
  const unreadable: Rule[] = [
    {
      when: `NOT ${numberIsMissing(value)} AND (${numberOf(value)}) IS NULL`,
      reason: literal(`${value.name} is not a number`),
      column: value.name,
      value: value.sql,
    },
  ];
  await recordRejects(db, `(SELECT *, ${firstBroken(unreadable)} AS broken FROM ${payments.numbered})`, unreadable);
  // Sums and first values are taken in the order of the rows: the same files give the same bits.
  await db.run(`
    CREATE TABLE olist_customers AS SELECT ${sql(customers, 'customerid')} AS id,
      first(${identifierOf(field(customers, 'customeruniqueid')!, false)} ORDER BY row) AS person, first(${sql(customers, 'customerstate')} ORDER BY row) AS state
      FROM ${customers.numbered} GROUP BY 1;
    CREATE TABLE olist_payments AS SELECT ${sql(payments, 'orderid')} AS id, sum(${numberOf(value)} ORDER BY row) AS paid,
      first(${sql(payments, 'paymenttype')} ORDER BY ${numberOf(value)} DESC NULLS LAST, row) AS kind
      FROM ${payments.numbered} GROUP BY 1;
    CREATE TABLE olist_items AS WITH items AS (SELECT row, ${sql(items, 'orderid')} AS id, ${sql(items, 'productid')} AS product,
        ${numberOf(field(items, 'price')!)} AS price, ${field(items, 'freightvalue') ? numberOf(field(items, 'freightvalue')!) : 'NULL::DOUBLE'} AS freight
        FROM ${items.numbered})
      SELECT id, sum(price + coalesce(freight, 0) ORDER BY row) AS total, count(*)::DOUBLE AS pieces,
      first(product ORDER BY price DESC NULLS LAST, row) AS product FROM items GROUP BY 1;
    CREATE TABLE olist_products AS ${
      products
        ? `SELECT ${sql(products, 'productid')} AS id, first(${sql(products, 'productcategoryname')} ORDER BY row) AS category FROM ${products.numbered} GROUP BY 1`
        : 'SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS category WHERE false'
    };
    CREATE TABLE olist_words AS ${
      translation
        ? `SELECT ${sql(translation, 'productcategoryname')} AS word, first(${sql(translation, 'productcategorynameenglish')} ORDER BY row) AS english FROM ${translation.numbered} GROUP BY 1`
        : 'SELECT NULL::VARCHAR AS word, NULL::VARCHAR AS english WHERE false'
    };`);
  const time = field(orders, 'orderpurchasetimestamp')!;
  const dates = await readDates(db, orders.relation, time, options.dateFormat);
  const raw = `o.${time.sql}`;
  await db.run(`CREATE TABLE olist_orders AS
    SELECT o.file, o.row, o.${sql(orders, 'orderid')} AS order_id, o.${sql(orders, 'customerid')} AS customer_id, ${raw} AS time_text,
      coalesce(nullif(lower(trim(o.${sql(orders, 'orderstatus')})), ''), 'none') AS status, c.person, c.state, p.kind AS payment_type,
      coalesce(p.paid, i.total) AS paid, i.pieces, i.product, coalesce(w.english, r.category) AS category
    FROM ${orders.numbered} AS o LEFT JOIN olist_customers AS c ON c.id = o.${sql(orders, 'customerid')}
      LEFT JOIN olist_payments AS p ON p.id = o.${sql(orders, 'orderid')} LEFT JOIN olist_items AS i ON i.id = o.${sql(orders, 'orderid')}
      LEFT JOIN olist_products AS r ON r.id = i.product LEFT JOIN olist_words AS w ON w.word = r.category
    ORDER BY o.file, o.row`);
  const statuses = (options.orderStatuses ?? ['delivered']).map((status) => status.trim().toLowerCase());
  const counted = isOneOf('status', statuses);
  const leftOut = await db.rows<{ status: string; count: number }>(
    `SELECT status, count(*) AS count FROM olist_orders WHERE NOT ${counted} GROUP BY 1 ORDER BY 2 DESC, 1`,
  );
  const { orders: taken } = await db.row<{ orders: number }>(
    `SELECT count(*) AS orders FROM olist_orders WHERE ${counted}`,
  );
  const statusList = leftOut.map(({ status, count }) => `${status} ${figure(count)}`).join(', ');
  if (taken === 0)
    throw new CloveError('data-empty', `No order has the status ${statuses.join(' or ')}. There are: ${statusList}.`, {
      pointer: '/orderStatuses',
    });
  const count = leftOut.reduce((sum, row) => sum + row.count, 0);
  if (count > 0)
    warnings.push({
      code: 'orders-left-out',
      message: `${figure(count)} orders whose status is not ${statuses.join(' or ')} were left out: ${statusList}. Say which count with orderStatuses.`,
      count,
    });
  const timeColumn: SourceColumn = { ...time, sql: 'time_text' };
  return {
    plan: {
      relation: 'olist_orders',
      customer: { sql: 'person', column: 'customer_unique_id' },
      time: timePart(timeColumn, dates.format),
      amount: { sql: 'paid', parts: [] },
      order: 'order_id',
      product: 'product',
      category: 'category',
      paymentType: 'payment_type',
      place: 'state',
      quantity: 'pieces',
      rules: [
        {
          when: `NOT ${counted}`,
          reason: `'order status is not counted: ' || status`,
          column: 'order_status',
          value: 'status',
          expected: true,
        },
        {
          when: 'person IS NULL',
          reason: literal('customer is not in the customers file'),
          column: 'customer_id',
          value: 'customer_id',
        },
        {
          when: 'paid IS NULL',
          reason: literal('order has neither payments nor items'),
          column: 'order_id',
          value: 'order_id',
        },
      ],
      laterRules: [],
      empty: 'false',
    },
    mapping: {
      customer: 'customer_unique_id',
      time: 'order_purchase_timestamp',
      amount: 'payment_value',
      order: 'order_id',
      product: 'product_id',
      ...(products ? { category: 'product_category_name' } : {}),
      paymentType: 'payment_type',
      place: 'customer_state',
    },
    dateFormat: dates.format.name,
    warnings,
    judged: [orders],
  };
};

const olistTables = (sources: readonly Source[]): { tables: Map<OlistTable, Source>; warnings: Warning[] } => {
  const tables = new Map<OlistTable, Source>();
  const unused: string[] = [];
  const expected = OLIST_NEEDED.map((table) => OLIST_FILES[table]).join(', ');
  for (const source of sources) {
    const table = olistTableOf(source.columns.map((column) => column.name));
    if (table === undefined) unused.push(source.name);
    else if (tables.has(table))
      throw mismatch(
        'olist',
        expected,
        sources,
        ` Both ${tables.get(table)!.name} and ${source.name} look like ${table}.`,
      );
    else tables.set(table, source);
  }
  const missing = OLIST_NEEDED.filter((table) => !tables.has(table));
  if (missing.length > 0)
    throw mismatch('olist', expected, sources, ` Missing: ${missing.map((table) => OLIST_FILES[table]).join(', ')}.`);
  const warnings: Warning[] = [];
  if (unused.length > 0)
    warnings.push({
      code: 'file-unused',
      message: `${unused.join(', ')} holds nothing that the preset olist uses.`,
      count: unused.length,
    });
  return { tables, warnings };
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
