import {
  CloveError,
  OLIST_NEEDED,
  foldName,
  olistTableOf,
  type IngestOptions,
  type OlistTable,
  type Warning,
} from '@clove/contracts';
import { isOneOf, literal, type Duck } from '../duck.js';
import { readDates } from './dates.js';
import { numberIsMissing, numberOf } from './numbers.js';
import { type Planned, mismatch, timePart } from './presets.js';
import { type Recognised, type Source, type SourceColumn, openSources } from './read.js';
import { figure, firstBroken, recordRejects, type Rule } from './rejects.js';
import {
  WITHOUT_BROKEN,
  identifierOf,
  markedTransactions,
  takeNumberedRejects,
  transactionRules,
} from './transactions.js';

/** The tables that are read, as people know them. */
const FILES: Record<OlistTable, string> = {
  customers: 'customers (customer_id, customer_unique_id)',
  orders: 'orders (order_id, customer_id, order_status, order_purchase_timestamp)',
  items: 'order_items (order_id, order_item_id, product_id, price)',
  payments: 'order_payments (order_id, payment_type, payment_value)',
  products: 'products (product_id, product_category_name)',
  translation: 'product_category_name_translation',
};

/** The columns that are read, by their folded names. */
const USED: Record<OlistTable, readonly string[]> = {
  customers: ['customerid', 'customeruniqueid', 'customerstate'],
  orders: ['orderid', 'customerid', 'orderstatus', 'orderpurchasetimestamp'],
  items: ['orderid', 'productid', 'price', 'freightvalue'],
  payments: ['orderid', 'paymenttype', 'paymentvalue'],
  products: ['productid', 'productcategoryname'],
  translation: ['productcategoryname', 'productcategorynameenglish'],
};

type Tables = ReadonlyMap<OlistTable, Source>;

/**
 * Opens the tables of Olist among some files, each known by its header, with the columns that are read. What is no table of
 * these is not read at all, and told of in a warning.
 * @throws CloveError preset-mismatch, and those of openSources
 */
export const openOlist = async (
  db: Duck,
  files: readonly Recognised[],
  o: { signal: AbortSignal | undefined; onOpen: (file: Recognised, done: number) => void },
): Promise<{ tables: Tables; warnings: Warning[] }> => {
  const parquets = await openSources(
    db,
    files.filter(({ format }) => format === 'parquet'),
    o,
  );
  const named = files.map((file) => ({
    file,
    name: file.name,
    columns:
      file.format === 'csv'
        ? file.dialect.names.map((name) => ({ name }))
        : parquets.find((source) => source.file === file.file)!.columns,
  }));
  const found = new Map<OlistTable, Recognised>();
  const unused: string[] = [];
  const expected = OLIST_NEEDED.map((table) => FILES[table]).join(', ');
  for (const { file, columns } of named) {
    const table = olistTableOf(columns.map(({ name }) => name));
    if (table === undefined) unused.push(file.name);
    else if (found.has(table))
      throw mismatch('olist', expected, named, ` Both ${found.get(table)!.name} and ${file.name} look like ${table}.`);
    else found.set(table, file);
  }
  const missing = OLIST_NEEDED.filter((table) => !found.has(table));
  if (missing.length > 0)
    throw mismatch('olist', expected, named, ` Missing: ${missing.map((table) => FILES[table]).join(', ')}.`);
  const texts = [...found].filter(([, file]) => file.format === 'csv');
  const tableOf = new Map(texts.map(([table, file]) => [file, table]));
  const opened = await openSources(
    db,
    texts.map(([, file]) => file),
    { ...o, isUsed: (file) => (name) => USED[tableOf.get(file)!].includes(foldName(name)) },
  );
  const sources = [...parquets, ...opened];
  const warnings: Warning[] = [];
  if (unused.length > 0)
    warnings.push({
      code: 'file-unused',
      message: `${unused.join(', ')} holds nothing that the preset olist uses.`,
      count: unused.length,
    });
  return {
    tables: new Map([...found].map(([table, { file }]) => [table, sources.find((source) => source.file === file)!])),
    warnings,
  };
};

const field = (source: Source, name: string): SourceColumn | undefined =>
  source.columns.find((column) => foldName(column.name) === name);

/** SQL: one row an `id` of some lines, with the first value of each column in the order of the rows. */
const firstPerId = (lines: string, columns: readonly string[]): string =>
  `(SELECT id, ${columns.map((column) => `first(${column} ORDER BY row) AS ${column}`).join(', ')} FROM (${lines}) GROUP BY id)`;

/**
 * SQL: one row an `id` of some lines. Most have one line, which needs no order; of several, sums and the first of equals are
 * taken in the order of the rows, so that the same files give the same bits.
 * @param columns by name the SQL of an aggregate, of an id with one line and with several
 */
const totalPerId = (lines: string, columns: Record<string, { one: string; several: string }>): string => {
  const named = Object.entries(columns);
  return `(
    WITH lines AS NOT MATERIALIZED (${lines}),
      ids AS MATERIALIZED (SELECT id, count(*) AS times, ${named.map(([name, { one }]) => `${one} AS ${name}`).join(', ')} FROM lines GROUP BY id)
    SELECT id, ${named.map(([name]) => name).join(', ')} FROM ids WHERE times = 1
    UNION ALL SELECT id, ${named.map(([, { several }]) => several).join(', ')}
      FROM lines SEMI JOIN (SELECT id FROM ids WHERE times > 1) AS repeated USING (id) GROUP BY id)`;
};

/**
 * Olist: one transaction an order. The person is customer_unique_id; the amount is the sum of the order's payments, or of
 * its items' prices and freight where it has no payment. Delivered orders count unless `orderStatuses` says otherwise;
 * the others are rejected rows with their status as the reason. Product and category are those of the dearest item,
 * the payment type that of the largest payment, the place the customer's state.
 *
 * Puts the rows that cannot be used into `rejects`. @returns the plan, and SQL of the canonical rows
 */
export const planOlist = async (
  db: Duck,
  tables: Tables,
  options: Pick<IngestOptions, 'dateFormat' | 'orderStatuses'>,
): Promise<{ planned: Planned; select: string }> => {
  const needed = (table: OlistTable) => tables.get(table)!;
  const sql = (source: Source, name: string) => field(source, name)?.sql ?? 'NULL::VARCHAR';
  const orders = needed('orders');
  const customers = needed('customers');
  const payments = needed('payments');
  const items = needed('items');
  const products = tables.get('products');
  const translation = tables.get('translation');
  const warnings: Warning[] = [];
  const statuses = (options.orderStatuses ?? ['delivered']).map((status) => status.trim().toLowerCase());
  const status = (column: string) => `coalesce(nullif(lower(trim(${column})), ''), 'none')`;
  const orderStatus = sql(orders, 'orderstatus');
  const orderCounts = await db.rows<{ status: string; count: number }>(
    `SELECT ${status(orderStatus)} AS status, sum(count)::BIGINT AS count
     FROM (SELECT ${orderStatus}, count(*) AS count FROM ${orders.relation} GROUP BY 1) GROUP BY 1 ORDER BY 2 DESC, 1`,
  );
  const leftOut = orderCounts.filter((row) => !statuses.includes(row.status));
  const statusList = leftOut.map((row) => `${row.status} ${figure(row.count)}`).join(', ');
  if (leftOut.length === orderCounts.length)
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
  const value = field(payments, 'paymentvalue')!;
  const unreadable: Rule[] = [
    {
      when: `NOT ${numberIsMissing(value)} AND (${numberOf(value)}) IS NULL`,
      reason: literal(`${value.name} is not a number`),
      column: value.name,
      value: value.sql,
    },
  ];
  await recordRejects(
    db,
    `(SELECT *, ${firstBroken(unreadable)} AS broken FROM ${payments.numbered} WHERE (${numberOf(value)}) IS NULL)`,
    unreadable,
  );
  const time = field(orders, 'orderpurchasetimestamp')!;
  const dates = await readDates(db, orders.relation, time, options.dateFormat);
  const freight = field(items, 'freightvalue');
  const persons = firstPerId(
    `SELECT row, ${sql(customers, 'customerid')} AS id, ${identifierOf(field(customers, 'customeruniqueid')!, false)} AS person,
       ${sql(customers, 'customerstate')} AS state FROM ${customers.numbered}`,
    ['person', 'state'],
  );
  const paid = totalPerId(
    `SELECT row, ${sql(payments, 'orderid')} AS id, ${numberOf(value)} AS value, ${sql(payments, 'paymenttype')} AS kind FROM ${payments.numbered}`,
    {
      paid: { one: 'any_value(value)', several: 'sum(value ORDER BY row)' },
      kind: { one: 'any_value(kind)', several: 'first(kind ORDER BY value DESC NULLS LAST, row)' },
    },
  );
  const bought = totalPerId(
    `SELECT row, ${sql(items, 'orderid')} AS id, ${sql(items, 'productid')} AS product, ${numberOf(field(items, 'price')!)} AS price,
       price + coalesce(${freight ? numberOf(freight) : 'NULL::DOUBLE'}, 0) AS cost FROM ${items.numbered}`,
    {
      total: { one: 'any_value(cost)', several: 'sum(cost ORDER BY row)' },
      pieces: { one: '1::DOUBLE', several: 'count(*)::DOUBLE' },
      product: { one: 'any_value(product)', several: 'first(product ORDER BY price DESC NULLS LAST, row)' },
    },
  );
  const categories = products
    ? firstPerId(
        `SELECT row, ${sql(products, 'productid')} AS id, ${sql(products, 'productcategoryname')} AS category FROM ${products.numbered}`,
        ['category'],
      )
    : '(SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS category WHERE false)';
  const words = translation
    ? firstPerId(
        `SELECT row, ${sql(translation, 'productcategoryname')} AS id, ${sql(translation, 'productcategorynameenglish')} AS english FROM ${translation.numbered}`,
        ['english'],
      )
    : '(SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS english WHERE false)';
  const orderId = `o.${sql(orders, 'orderid')}`;
  const relation = `(
    SELECT o.file, o.row, ${orderId} AS order_id, o.${sql(orders, 'customerid')} AS customer_id, o.${time.sql} AS time_text,
      ${status(`o.${orderStatus}`)} AS status, c.person, c.state, p.kind AS payment_type,
      coalesce(p.paid, i.total) AS paid, i.pieces, i.product, coalesce(w.english, r.category) AS category
    FROM ${orders.numbered} AS o LEFT JOIN ${persons} AS c ON c.id = o.${sql(orders, 'customerid')}
      LEFT JOIN ${paid} AS p ON p.id = ${orderId} LEFT JOIN ${bought} AS i ON i.id = ${orderId}
      LEFT JOIN ${categories} AS r ON r.id = i.product LEFT JOIN ${words} AS w ON w.id = r.category)`;
  const timeColumn: SourceColumn = { ...time, sql: 'time_text' };
  const planned: Planned = {
    plan: {
      relation,
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
          when: `NOT ${isOneOf('status', statuses)}`,
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
  const rules = transactionRules(planned.plan);
  await db.run(`CREATE TABLE marked AS ${markedTransactions(planned.plan, rules, true)}`);
  await takeNumberedRejects(db, 'marked', rules);
  return { planned, select: `SELECT * EXCLUDE (file, row) FROM marked WHERE ${WITHOUT_BROKEN} ORDER BY row` };
};
