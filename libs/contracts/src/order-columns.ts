import { CloveError } from './problem.js';
import type { Preset, DatasetKind, TransactionMapping } from './dataset.js';
import type { Warning } from './common.js';

/** What a column of an order table can mean. */
export type Meaning = keyof TransactionMapping;

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
export const foldName = (name: string): string =>
  name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}]/gu, '');

type Named = { name: string };

/** Columns that a header name suggests for a meaning: those of the best tier that is there. */
export const columnsFor = <C extends Named>(columns: readonly C[], meaning: Meaning): C[] => {
  for (const tier of SYNONYMS[meaning]) {
    const found = columns.filter((column) => tier.includes(foldName(column.name)));
    if (found.length > 0) return found;
  }
  return [];
};

/** Which tier of the customer names a column belongs to: 0 says "customer id" plainly, null says nothing. */
export const customerTier = (column: Named): number | null => {
  const tier = SYNONYMS.customer.findIndex((names) => names.includes(foldName(column.name)));
  return tier < 0 ? null : tier;
};

/** The column that the user named; exact, else without regard to case and signs. Error 'column-missing'. */
export const columnNamed = <C extends Named>(columns: readonly C[], name: string, what: string): C => {
  const found =
    columns.find((column) => column.name === name) ??
    columns.find((column) => column.name.toLowerCase() === name.toLowerCase()) ??
    columns.find((column) => foldName(column.name) === foldName(name) && foldName(name) !== '');
  if (found !== undefined) return found;
  throw new CloveError('column-missing', `There is no column "${name}" (${what}). The columns are: ${list(columns)}.`);
};

/** A meaning that must be there and cannot be told: no column plainly has it, or several do. */
export type MeaningProblem = {
  code: 'column-missing' | 'column-ambiguous';
  meaning: Meaning;
  columns: string[];
  message: string;
};

/** What the columns of an order table mean, as far as names tell. Without problems it can be read. */
export type GuessedMapping<C extends Named> = {
  columns: Partial<Record<Meaning, C>>;
  problems: MeaningProblem[];
  warnings: Warning[];
};

/**
 * Finds out what the columns of an order table mean: what the user said first, the header names for the rest. An optional
 * meaning that cannot be told is left out, with a warning.
 * @param isTime whether the content of a column is dates: decides between columns that are called alike
 * @throws CloveError 'column-missing' where the user named a column that is not there
 */
export const guessMapping = <C extends Named>(
  columns: readonly C[],
  mapping: TransactionMapping = {},
  isTime: (column: C) => boolean = () => true,
): GuessedMapping<C> => {
  const problems: MeaningProblem[] = [];
  const warnings: Warning[] = [];
  const taken = new Set<C>();
  const said = new Map<Meaning, C>();
  for (const [meaning, name] of Object.entries(mapping) as [Meaning, string | undefined][]) {
    if (name === undefined) continue;
    const column = columnNamed(columns, name, meaning);
    said.set(meaning, column);
    taken.add(column);
  }
  const guess = (meaning: Meaning) =>
    columnsFor(
      columns.filter((column) => !taken.has(column)),
      meaning,
    );
  const take = (column: C) => {
    taken.add(column);
    return column;
  };
  const require = (meaning: Meaning, found: C[], hint = ''): C | undefined => {
    const [first, ...others] = found;
    if (first !== undefined && others.length === 0) return take(first);
    const names = found.map((column) => column.name);
    problems.push(
      first === undefined
        ? {
            code: 'column-missing',
            meaning,
            columns: names,
            message:
              `No column is plainly the ${meaning} of an order table${hint}. The columns are: ${list(columns)}. ` +
              `Name it with mapping.${meaning} (${OPTION[meaning]}); for a table with one row per customer give the kind features.`,
          }
        : {
            code: 'column-ambiguous',
            meaning,
            columns: names,
            message: `The ${meaning} could be ${orList(names)}. Say which with mapping.${meaning} (${OPTION[meaning]}).`,
          },
    );
    return undefined;
  };
  const customer = said.get('customer') ?? require('customer', guess('customer'));
  let times = guess('time');
  if (times.length > 1) {
    const dated = times.filter(isTime);
    if (dated.length > 0) times = dated;
  }
  const time = said.get('time') ?? require('time', times);
  const pick = (meaning: Meaning): C | undefined => {
    const chosen = said.get(meaning);
    if (chosen !== undefined) return chosen;
    const found = guess(meaning);
    if (found.length <= 1) return found[0] && take(found[0]);
    const names = found.map((column) => column.name);
    warnings.push({
      code: 'column-ambiguous',
      message: `The ${meaning} could be ${orList(names)}, so none was taken. Say which with mapping.${meaning} (${OPTION[meaning]}).`,
    });
    return undefined;
  };
  let amount = said.get('amount');
  // A user who names quantity or price has said how the amount comes about.
  const product = amount === undefined && (said.has('quantity') || said.has('price'));
  const named = amount === undefined && !product ? guess('amount') : [];
  if (named.length > 0) amount = require('amount', named);
  const quantity = pick('quantity');
  const price = pick('price');
  let priceIsAmount = false;
  if (amount === undefined && named.length === 0 && (quantity === undefined || price === undefined)) {
    if (price !== undefined && !product) {
      amount = price;
      priceIsAmount = true;
      warnings.push({
        code: 'amount-guessed',
        message: `"${price.name}" was taken for the amount of a row, for there is no quantity. Say otherwise with mapping.amount (--amount) or mapping.quantity (--quantity).`,
      });
    } else {
      const missing = !product ? 'amount' : price === undefined ? 'price' : 'quantity';
      require(missing, [], ', nor are there quantity and price');
    }
  }
  const found: Record<Meaning, C | undefined> = {
    customer,
    time,
    amount,
    quantity,
    price: priceIsAmount ? undefined : price,
    order: pick('order'),
    product: pick('product'),
    category: pick('category'),
    paymentType: pick('paymentType'),
    place: pick('place'),
  };
  const told = Object.entries(found).filter(([, column]) => column !== undefined);
  return { columns: Object.fromEntries(told) as Partial<Record<Meaning, C>>, problems, warnings };
};

/**
 * What kind of table a header speaks of. An order table has dates, amounts and a customer that comes more than once; a
 * features table has a target, or one row a customer. Null where only the rows can tell: whether customers repeat.
 * @param isTime whether the content of a column is dates
 */
export const kindOfColumns = <C extends Named>(
  columns: readonly C[],
  isTime: (column: C) => boolean = () => true,
): DatasetKind | null => {
  if (columns.some((column) => foldName(column.name) === 'clv')) return 'features';
  const times = columnsFor(columns, 'time').filter(isTime).length;
  const amounts =
    columnsFor(columns, 'amount').length +
    Math.min(columnsFor(columns, 'quantity').length, columnsFor(columns, 'price').length);
  if (times > 0 && amounts > 0) return 'transactions';
  const [customer] = columnsFor(columns, 'customer');
  if (customer === undefined || customerTier(customer) !== 0 || (times === 0 && amounts === 0)) return 'features';
  return null;
};

/** Folded names by meaning of the columns of Online Retail: the spellings that are known. */
export const ONLINE_RETAIL = {
  invoice: ['invoiceno', 'invoice'],
  product: ['stockcode'],
  quantity: ['quantity'],
  time: ['invoicedate'],
  price: ['unitprice', 'price'],
  customer: ['customerid'],
  country: ['country'],
} as const;

/** Folded names that each table of Olist has at least. */
export const OLIST = {
  customers: ['customerid', 'customeruniqueid'],
  orders: ['orderid', 'customerid', 'orderstatus', 'orderpurchasetimestamp'],
  items: ['orderid', 'orderitemid', 'productid', 'price'],
  payments: ['orderid', 'paymenttype', 'paymentvalue'],
  products: ['productid', 'productcategoryname'],
  translation: ['productcategoryname', 'productcategorynameenglish'],
} as const;
export type OlistTable = keyof typeof OLIST;
/** Tables without which Olist cannot be read. */
export const OLIST_NEEDED: readonly OlistTable[] = ['customers', 'orders', 'items', 'payments'];

/** Which table of Olist a header belongs to. */
export const olistTableOf = (columns: readonly string[]): OlistTable | undefined => {
  const names = new Set(columns.map(foldName));
  return (Object.keys(OLIST) as OlistTable[]).find((table) => OLIST[table].every((name) => names.has(name)));
};

/**
 * The known public layout that some files look like, for somebody to confirm; null for none.
 * @param files names and columns; `header` false: the first line was data, and columns are called column1, column2, …
 */
export const guessPreset = (
  files: readonly { name: string; columns: readonly string[]; header: boolean }[],
): Preset | null => {
  if (files.length === 0) return null;
  const tables = new Set(files.map(({ columns }) => olistTableOf(columns)));
  if (OLIST_NEEDED.every((table) => tables.has(table))) return 'olist';
  const { country: _country, ...needed } = ONLINE_RETAIL;
  const isRetail = (columns: readonly string[]) => {
    const names = new Set(columns.map(foldName));
    return Object.values(needed).every((spellings) => spellings.some((name) => names.has(name)));
  };
  if (files.every(({ columns }) => isRetail(columns))) return 'online-retail';
  const isCdnow = ({ name, columns, header }: (typeof files)[number]) =>
    /cdnow/i.test(name) && !header && (columns.length === 4 || columns.length === 5);
  return files.every(isCdnow) ? 'cdnow' : null;
};

const orList = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(' or ');

const list = (columns: readonly Named[]): string => {
  const names = columns.slice(0, 40).map((column) => column.name);
  return names.join(', ') + (columns.length > 40 ? `, and ${columns.length - 40} more` : '');
};
