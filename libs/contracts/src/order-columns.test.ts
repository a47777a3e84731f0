import { describe, expect, test } from 'vitest';
import { detectDialect, looksLikeDate, readHead } from './csv-head.js';
import { guessMapping, guessPreset, kindOfColumns } from './order-columns.js';

const named = (...names: string[]) => names.map((name) => ({ name }));
const meanings = (...names: string[]) => {
  const { columns, problems } = guessMapping(named(...names));
  return {
    ...Object.fromEntries(Object.entries(columns).map(([meaning, column]) => [meaning, column.name])),
    ...(problems.length > 0 ? { problems: problems.map(({ code, meaning }) => `${code} ${meaning}`) } : {}),
  };
};

describe('what a header says', () => {
  test('names in any spelling get their meaning', () => {
    expect(meanings('Customer ID', 'order_date', 'Total Amount', 'SKU', 'Country')).toEqual({
      customer: 'Customer ID',
      time: 'order_date',
      amount: 'Total Amount',
      product: 'SKU',
      place: 'Country',
    });
    expect(meanings('CustomerID', 'InvoiceDate', 'Quantity', 'UnitPrice')).toEqual({
      customer: 'CustomerID',
      time: 'InvoiceDate',
      quantity: 'Quantity',
      price: 'UnitPrice',
    });
    expect(meanings('uid', 'date', 'price')).toEqual({ customer: 'uid', time: 'date', amount: 'price' });
  });

  test('what cannot be told is a problem that names the columns, all of them at once', () => {
    expect(meanings('a', 'b')).toEqual({
      problems: ['column-missing customer', 'column-missing time', 'column-missing amount'],
    });
    const { problems } = guessMapping(named('customer_id', 'order_date', 'invoice_date', 'amount'));
    expect(problems).toMatchObject([
      { code: 'column-ambiguous', meaning: 'time', columns: ['order_date', 'invoice_date'] },
    ]);
    expect(problems[0]?.message).toContain('mapping.time (--time)');
  });

  test('contents decide between columns that are called alike, and what the user says goes first', () => {
    const columns = named('customer_id', 'order_date', 'order_time', 'amount');
    const dated = guessMapping(columns, {}, ({ name }) => name === 'order_date');
    expect(dated.columns.time?.name).toBe('order_date');
    const said = guessMapping(columns, { time: 'Order-Time', customer: 'amount', amount: 'customer_id' });
    expect(said.columns).toMatchObject({
      time: { name: 'order_time' },
      customer: { name: 'amount' },
      amount: { name: 'customer_id' },
    });
    expect(() => guessMapping(columns, { time: 'nowhere' })).toThrow('There is no column "nowhere" (time)');
  });

  test('the kind of a table, where names tell it', () => {
    expect(kindOfColumns(named('customer_id', 'date', 'amount'))).toBe('transactions');
    expect(kindOfColumns(named('age', 'orders', 'clv'))).toBe('features');
    expect(kindOfColumns(named('customer_id', 'date'))).toBeNull();
    expect(kindOfColumns(named('customer_id', 'date', 'amount'), () => false)).toBeNull();
  });

  test('known public layouts are recognised by their headers', () => {
    const olist = ['customers', 'orders', 'items', 'payments'];
    const columns: Record<string, string[]> = {
      customers: ['customer_id', 'customer_unique_id', 'customer_state'],
      orders: ['order_id', 'customer_id', 'order_status', 'order_purchase_timestamp'],
      items: ['order_id', 'order_item_id', 'product_id', 'price', 'freight_value'],
      payments: ['order_id', 'payment_sequential', 'payment_type', 'payment_value'],
    };
    const files = olist.map((name) => ({ name, columns: columns[name] ?? [], header: true }));
    expect(guessPreset(files)).toBe('olist');
    expect(guessPreset(files.slice(1))).toBeNull();
    const retail = ['InvoiceNo', 'StockCode', 'Description', 'Quantity', 'InvoiceDate', 'UnitPrice', 'CustomerID'];
    expect(guessPreset([{ name: 'r.csv', columns: retail, header: true }])).toBe('online-retail');
    const four = ['column1', 'column2', 'column3', 'column4'];
    expect(guessPreset([{ name: 'CDNOW_master.txt', columns: four, header: false }])).toBe('cdnow');
    expect(guessPreset([{ name: 'orders.txt', columns: four, header: false }])).toBeNull();
    expect(guessPreset([])).toBeNull();
  });
});

describe('the head of a file', () => {
  test('is cut the way its dialect says, a broken last record left out', () => {
    const head = 'customer;when;paid\n"a;1";2018-01-02;"3,5"\nb;2018-01-03;4\nc;2018';
    const dialect = detectDialect('x.csv', head, false, {});
    expect(dialect).toMatchObject({ delimiter: ';', hasHeader: true, names: ['customer', 'when', 'paid'] });
    const rows = readHead(dialect, head, false);
    expect(rows).toEqual([
      ['a;1', '2018-01-02', '3,5'],
      ['b', '2018-01-03', '4'],
    ]);
    expect(rows.every(([, when]) => looksLikeDate(when ?? ''))).toBe(true);
  });

  test('without a header keeps its first record', () => {
    const head = '00001 19970101 1 11.77\n00002 19970112 1 12.00\n';
    const dialect = detectDialect('CDNOW.txt', head, true, {});
    expect(dialect).toMatchObject({ layout: 'whitespace', hasHeader: false });
    expect(readHead(dialect, head, true)).toHaveLength(2);
  });
});
