import { CloveError, type TransactionMapping, type Warning } from '@clove/contracts';
import type { SourceColumn } from './read.js';

type Meaning = keyof TransactionMapping;

/**
 * Header names by meaning, folded (lower case, letters and digits only), in tiers: a name of the first tier says the
 * meaning plainly, and later tiers count only where no earlier one is there.
 */
const SYNONYMS: Record<Meaning, readonly string[][]> = {
  customer: [
    [
      'customerid',
      'customeruniqueid',
      'custid',
      'clientid',
      'userid',
      'memberid',
      'accountid',
      'personid',
      'buyerid',
      'shopperid',
      'customeridentifier',
      'cid',
      'uid',
    ],
    [
      'customer',
      'customernumber',
      'customerno',
      'customernr',
      'customercode',
      'customerkey',
      'client',
      'user',
      'member',
      'buyer',
      'shopper',
      'account',
      'person',
      'cliente',
      'kunde',
      'kundennummer',
    ],
    ['email', 'customeremail', 'useremail', 'visitorid', 'contactid', 'id'],
  ],
  time: [
    [
      'orderdate',
      'invoicedate',
      'purchasedate',
      'transactiondate',
      'orderpurchasetimestamp',
      'ordertime',
      'orderdatetime',
      'purchasetime',
      'transactiontime',
      'orderedat',
      'purchasedat',
      'boughtat',
      'ordertimestamp',
      'transactiontimestamp',
      'purchasetimestamp',
      'invoicetime',
      'saledate',
      'paymentdate',
      'paidat',
    ],
    [
      'date',
      'timestamp',
      'datetime',
      'time',
      'eventtime',
      'eventtimestamp',
      'createdat',
      'created',
      'ts',
      'day',
      'datum',
      'fecha',
      'data',
    ],
  ],
  amount: [
    [
      'amount',
      'revenue',
      'totalamount',
      'orderamount',
      'ordertotal',
      'ordervalue',
      'totalprice',
      'transactionamount',
      'purchaseamount',
      'paymentvalue',
      'invoiceamount',
      'amountpaid',
      'amountspent',
      'salesamount',
      'monetaryvalue',
      'dollarvalue',
      'grandtotal',
      'netamount',
    ],
    [
      'total',
      'value',
      'sales',
      'spend',
      'spent',
      'sum',
      'dollars',
      'payment',
      'subtotal',
      'linetotal',
      'betrag',
      'umsatz',
      'importe',
    ],
  ],
  quantity: [
    [
      'quantity',
      'qty',
      'units',
      'numberofitems',
      'itemcount',
      'pieces',
      'numitems',
      'numberofcds',
      'menge',
      'quantidade',
    ],
  ],
  price: [
    ['price', 'unitprice', 'itemprice', 'priceperunit', 'unitcost', 'preis', 'preco'],
    ['cost', 'rate'],
  ],
  order: [
    [
      'orderid',
      'invoiceno',
      'invoice',
      'invoiceid',
      'invoicenumber',
      'ordernumber',
      'orderno',
      'transactionid',
      'order',
      'receiptid',
      'basketid',
      'transactionno',
      'transaction',
    ],
  ],
  product: [
    [
      'productid',
      'product',
      'sku',
      'stockcode',
      'itemid',
      'productcode',
      'articleid',
      'productname',
      'item',
      'article',
    ],
  ],
  category: [['category', 'productcategory', 'categoryname', 'productcategoryname', 'department', 'categoryid']],
  paymentType: [['paymenttype', 'paymentmethod', 'payment', 'paytype', 'paymentmode', 'tender']],
  place: [
    ['place', 'state', 'region', 'customerstate', 'location'],
    ['country', 'customercountry', 'city', 'customercity', 'store', 'storeid'],
  ],
};

const OPTION: Record<Meaning, string> = {
  customer: '--customer',
  time: '--time',
  amount: '--amount',
  quantity: '--quantity',
  price: '--price',
  order: '--order',
  product: '--product',
  category: '--category',
  paymentType: '--payment-type',
  place: '--place',
};

/** A header name without case, spaces, underscores and other signs. */
export const fold = (name: string): string =>
  name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}]/gu, '');

/** Columns that a header name suggests for a meaning: those of the best tier that is there. */
export const candidates = (columns: readonly SourceColumn[], meaning: Meaning): SourceColumn[] => {
  for (const tier of SYNONYMS[meaning]) {
    const found = columns.filter((column) => tier.includes(fold(column.name)));
    if (found.length > 0) return found;
  }
  return [];
};

/** Which tier of the customer names a column belongs to: 0 says "customer id" plainly, null says nothing. */
export const customerTier = (column: SourceColumn): number | null => {
  const tier = SYNONYMS.customer.findIndex((names) => names.includes(fold(column.name)));
  return tier < 0 ? null : tier;
};

/** The column that the user named; exact, else without regard to case and signs. Error 'column-missing'. */
export const named = (columns: readonly SourceColumn[], name: string, what: string): SourceColumn => {
  const found =
    columns.find((column) => column.name === name) ??
    columns.find((column) => column.name.toLowerCase() === name.toLowerCase()) ??
    columns.find((column) => fold(column.name) === fold(name) && fold(name) !== '');
  if (found !== undefined) return found;
  throw new CloveError('column-missing', `There is no column "${name}" (${what}). The columns are: ${list(columns)}.`);
};

/** The columns of an order table by meaning; amount is null where it is quantity × price. */
export type Mapped = { customer: SourceColumn; time: SourceColumn; amount: SourceColumn | null } & Partial<
  Record<Exclude<Meaning, 'customer' | 'time' | 'amount'>, SourceColumn>
>;

/**
 * Finds out what the columns of an order table mean: what the user said first, the header names for the rest.
 * Errors: 'column-missing' and 'column-ambiguous' for customer, time and amount, naming the columns there are and the
 * option to give. An optional meaning that cannot be told is left out, with a warning.
 *
 * @param isTime whether the content of a column is dates: decides between columns that are called alike
 */
export const mapColumns = async (
  columns: readonly SourceColumn[],
  mapping: TransactionMapping,
  isTime: (column: SourceColumn) => Promise<boolean>,
): Promise<{ mapped: Mapped; warnings: Warning[] }> => {
  const warnings: Warning[] = [];
  const taken = new Set<SourceColumn>();
  const said = new Map<Meaning, SourceColumn>();
  for (const [meaning, name] of Object.entries(mapping) as [Meaning, string | undefined][]) {
    if (name === undefined) continue;
    const column = named(columns, name, meaning);
    said.set(meaning, column);
    taken.add(column);
  }
  const guess = (meaning: Meaning) =>
    candidates(
      columns.filter((column) => !taken.has(column)),
      meaning,
    );
  const require = (meaning: Meaning, found: SourceColumn[], hint = ''): SourceColumn => {
    if (found.length === 1) return take(found[0]!);
    if (found.length === 0)
      throw new CloveError(
        'column-missing',
        `No column is plainly the ${meaning} of an order table${hint}. The columns are: ${list(columns)}. ` +
          `Name it with mapping.${meaning} (${OPTION[meaning]}); for a table with one row per customer give the kind features.`,
      );
    throw new CloveError(
      'column-ambiguous',
      `The ${meaning} could be ${found.map((column) => `"${column.name}"`).join(' or ')}. Say which with mapping.${meaning} (${OPTION[meaning]}).`,
    );
  };
  const take = (column: SourceColumn) => {
    taken.add(column);
    return column;
  };
  const customer = said.get('customer') ?? require('customer', guess('customer'));
  let times = guess('time');
  if (times.length > 1) {
    const dated: SourceColumn[] = [];
    for (const column of times) if (await isTime(column)) dated.push(column);
    if (dated.length > 0) times = dated;
  }
  const time = said.get('time') ?? require('time', times);
  const pick = (meaning: Meaning): SourceColumn | undefined => {
    const chosen = said.get(meaning);
    if (chosen !== undefined) return chosen;
    const found = guess(meaning);
    if (found.length <= 1) return found[0] && take(found[0]);
    warnings.push({
      code: 'column-ambiguous',
      message: `The ${meaning} could be ${found.map((column) => `"${column.name}"`).join(' or ')}, so none was taken. Say which with mapping.${meaning} (${OPTION[meaning]}).`,
    });
    return undefined;
  };
  let amount = said.get('amount') ?? null;
  // A user who names quantity or price has said how the amount comes about.
  const product = amount === null && (said.has('quantity') || said.has('price'));
  if (amount === null && !product && guess('amount').length > 0) amount = require('amount', guess('amount'));
  const quantity = pick('quantity');
  const price = pick('price');
  if (amount === null && (quantity === undefined || price === undefined)) {
    if (price !== undefined && !product) {
      amount = price;
      warnings.push({
        code: 'amount-guessed',
        message: `"${price.name}" was taken for the amount of a row, for there is no quantity. Say otherwise with mapping.amount (--amount) or mapping.quantity (--quantity).`,
      });
    } else
      require(price === undefined && product
        ? 'price'
        : product
          ? 'quantity'
          : 'amount', [], ', nor are there quantity and price');
  }
  const mapped: Mapped = { customer, time, amount };
  const rest: Partial<Record<Meaning, SourceColumn | undefined>> = {
    quantity,
    price: amount === price ? undefined : price,
    order: pick('order'),
    product: pick('product'),
    category: pick('category'),
    paymentType: pick('paymentType'),
    place: pick('place'),
  };
  for (const [meaning, column] of Object.entries(rest))
    if (column !== undefined) Object.assign(mapped, { [meaning]: column });
  return { mapped, warnings };
};

const list = (columns: readonly SourceColumn[]): string => {
  const names = columns.slice(0, 40).map((column) => column.name);
  return names.join(', ') + (columns.length > 40 ? `, and ${columns.length - 40} more` : '');
};
