import { CloveError } from '@clove/contracts';

/** What `clove fit` can fit. */
export const FITTED_MODELS = ['bg-nbd', 'mbg-nbd', 'pareto-nbd', 'gamma-gamma', 'bg-bb', 'sbg'] as const;
export type FittedModel = (typeof FITTED_MODELS)[number];

/** Columns of a summary, by their names in `Summary`, and the headers under which they are known (in any case). */
const HEADERS = {
  x: ['x', 'frequency', 'repeat_orders'],
  tx: ['t_x', 'tx', 'recency'],
  T: ['t', 'age'],
  spend: ['zbar', 'monetary_value', 'monetary', 'mean_spend'],
  n: ['n', 'periods', 'n_periods'],
  weight: ['weight', 'weights', 'count', 'customers'],
  survival: ['survival', 'survivors', 'retained', 'share', 's'],
} as const;
type SummaryColumn = keyof typeof HEADERS;
const NEEDED: Record<FittedModel, readonly SummaryColumn[]> = {
  'bg-nbd': ['x', 'tx', 'T'],
  'mbg-nbd': ['x', 'tx', 'T'],
  'pareto-nbd': ['x', 'tx', 'T'],
  'gamma-gamma': ['x', 'spend'],
  'bg-bb': ['x', 'tx', 'n'],
  sbg: ['survival'],
};
/** Models of orders at any time: they can be fitted to an order history as well. */
const FROM_ORDERS: readonly FittedModel[] = ['bg-nbd', 'mbg-nbd', 'pareto-nbd', 'gamma-gamma'];

const headerList = (names: readonly SummaryColumn[]): string =>
  names.map((name) => HEADERS[name].join(' | ')).join(';  ');

/** For `--help` and for messages. */
export const FIT_INPUT_HELP = `What --data takes:
  bg-nbd, mbg-nbd, pareto-nbd   order files as clove ingest reads them (time in weeks), or a summary CSV, one row a
                                customer, in any unit of time, with the columns ${headerList(['x', 'tx', 'T'])}
  gamma-gamma                   order files, or a summary CSV with ${headerList(['x', 'spend'])}
  bg-bb                         a summary CSV with ${headerList(['x', 'tx', 'n'])}
  sbg                           a CSV with one row a period from 0 on: ${HEADERS.survival.join(' | ')}, as shares from 1 or as
                                numbers of customers
  A summary may weigh its rows: ${HEADERS.weight.join(' | ')}. Other columns are not read.`;

/** Customers as the models see them: columns of equal length, and where they came from. */
export type FitInput = { columns: Partial<Record<SummaryColumn, Float64Array>>; unit: string };

/**
 * A summary CSV for a model; null where the file is none, so that it may be an order file.
 * @throws CloveError 'column-missing' for a summary that lacks what the model needs, or for a model that takes no order
 *   files; 'value-invalid' naming the line of what is no number; 'data-empty'
 */
export const readSummary = (model: FittedModel, text: string, file: string): FitInput | null => {
  const lines = text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => line.trim() !== '');
  const [first, ...rows] = lines;
  if (first === undefined) throw new CloveError('data-empty', `${file} is empty.`);
  const delimiter = [';', '\t'].find((candidate) => first.line.includes(candidate)) ?? ',';
  const cells = (line: string) => line.split(delimiter).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
  const header = cells(first.line).map((name) => name.toLowerCase());
  const place = (name: SummaryColumn): number =>
    HEADERS[name].map((one) => header.indexOf(one)).find((at) => at >= 0) ?? -1;

  const needed = NEEDED[model];
  const missing = needed.filter((name) => place(name) < 0);
  if (missing.length > 0) {
    if (missing.length === needed.length || !needed.includes('x') || place('x') < 0) {
      if (FROM_ORDERS.includes(model)) return null;
    }
    throw new CloveError(
      'column-missing',
      `${file}: ${model} needs ${missing.length === 1 ? 'a column' : 'columns'} named ${headerList(missing)}; the header has ${cells(first.line).join(', ')}.`,
    );
  }
  if (rows.length === 0) throw new CloveError('data-empty', `${file} has a header and no rows.`);
  const taken = [...needed, ...(place('weight') >= 0 && model !== 'sbg' ? (['weight'] as const) : [])];
  const columns: FitInput['columns'] = {};
  for (const name of taken) {
    const at = place(name);
    columns[name] = Float64Array.from(rows, ({ line, number }) => {
      const cell = cells(line)[at] ?? '';
      const value = cell === '' ? Number.NaN : Number(cell);
      if (!Number.isFinite(value))
        throw new CloveError('value-invalid', `${file}, line ${number}, column ${header[at]}: "${cell}" is no number.`);
      return value;
    });
  }
  return { columns, unit: model === 'bg-bb' || model === 'sbg' ? 'periods' : 'the unit of the file' };
};

const DAYS_A_WEEK = 7;

/** Purchase histories in days, as of one day, in weeks. Who never purchased is left out. */
export const fromHistories = (histories: {
  x: Float64Array;
  tx: Float64Array;
  T: Float64Array;
  repeatSpend: Float64Array;
}): FitInput => {
  const known = Array.from(histories.T.keys()).filter((row) => !Number.isNaN(histories.T[row]));
  const take = (values: Float64Array, scale = 1) => Float64Array.from(known, (row) => values[row]! / scale);
  return {
    columns: {
      x: take(histories.x),
      tx: take(histories.tx, DAYS_A_WEEK),
      T: take(histories.T, DAYS_A_WEEK),
      spend: take(histories.repeatSpend),
    },
    unit: 'weeks',
  };
};
