import type { ColumnProfile, DatasetKind, DatasetProfile, HistogramBin, RejectedRow, Warning } from '@clove/contracts';
import { ident, literal, type Duck } from './duck.js';

/** What the profile of a canonical Parquet says beyond what the file itself holds. */
export type ProfileInput = {
  parquet: string;
  kind: DatasetKind;
  /** features: the target column, null where there is none */
  targetColumn?: string | null;
  /** features: the column of the uploaded file that `customer_id` came from; null where row numbers serve */
  idColumn?: string | null;
  /** features: columns that are no features. Every other column is one. */
  roles?: ReadonlyMap<string, 'id' | 'ignored'>;
  rejected?: { rows: number; byReason: { reason: string; count: number }[]; sample: RejectedRow[] };
  warnings?: Warning[];
  reading?: DatasetProfile['reading'];
  currency?: DatasetProfile['currency'];
};

/** Rows that quantiles and histogram bounds are computed from; evenly spaced rows of the file where it holds more. */
const QUANTILE_ROWS = 2_000_000;
const EXACT_DISTINCT_BELOW = 15_000;
const HISTOGRAM_BINS = 20;
const TOP_CATEGORIES = 20;
const COLUMNS_PER_QUERY = 50;
const PROBABILITIES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;

type Described = { name: string; type: 'double' | 'boolean' | 'timestamp' | 'text'; role: ColumnProfile['role'] };
type Basic = {
  present: number;
  distinct: number;
  min: number | Date | null;
  max: number | Date | null;
  mean: number | null;
  sd: number | null;
  fractional: number;
};

/**
 * Profiles a canonical Parquet: types, missing, ranges, quantiles, histograms, frequent categories, duplicates.
 * Reads the file once for the totals and once for each column; memory does not grow with the rows. The same file gives
 * the same profile.
 */
export const profileParquet = async (db: Duck, input: ProfileInput): Promise<DatasetProfile> => {
  const from = `read_parquet(${literal(input.parquet)})`;
  const columns = await describe(db, from, input);
  const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM ${from}`);
  const totals = await customersAndOrders(db, from, input.kind);
  const basics = await basicFigures(db, from, columns);
  const profiles: ColumnProfile[] = [];
  for (const [i, column] of columns.entries()) {
    const basic = basics[i]!;
    if (column.role === 'customer') basic.distinct = totals.customers;
    profiles.push(await profileColumn(db, input.parquet, column, basic, rows));
  }
  const time = profiles.find((column) => column.role === 'time');
  return {
    kind: input.kind,
    rows,
    customers: totals.customers,
    orders: totals.orders,
    rejectedRows: input.rejected?.rows ?? 0,
    rejectedByReason: input.rejected?.byReason ?? [],
    rejectedSample: input.rejected?.sample ?? [],
    duplicateRows: await duplicates(db, from, columns, input, rows),
    firstTime: typeof time?.min === 'string' ? time.min : null,
    lastTime: typeof time?.max === 'string' ? time.max : null,
    totalAmount: totals.amount,
    targetColumn: input.targetColumn ?? null,
    idColumn: input.idColumn ?? null,
    columns: profiles,
    warnings: input.warnings ?? [],
    reading: input.reading ?? null,
    ...(input.currency === undefined ? {} : { currency: input.currency }),
  };
};

const TRANSACTION_ROLES: Record<string, ColumnProfile['role']> = {
  customer_id: 'customer',
  time: 'time',
  amount: 'amount',
  order_id: 'order',
};

const describe = async (db: Duck, from: string, input: ProfileInput): Promise<Described[]> => {
  const found = await db.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${from}`);
  return found.map(({ column_name: name, column_type: sqlType }) => ({
    name,
    type: simpleType(sqlType),
    role: input.kind === 'transactions' ? (TRANSACTION_ROLES[name] ?? 'attribute') : featureRole(name, input),
  }));
};

const simpleType = (sqlType: string): Described['type'] => {
  if (sqlType === 'BOOLEAN') return 'boolean';
  if (/^(TIMESTAMP|DATE)/.test(sqlType)) return 'timestamp';
  return /^(U?(TINY|SMALL|BIG|HUGE)?INT|INTEGER|UINTEGER|DOUBLE|FLOAT|DECIMAL)/.test(sqlType) ? 'double' : 'text';
};

const featureRole = (name: string, input: ProfileInput): ColumnProfile['role'] => {
  if (name === 'customer_id') return 'customer';
  if (name === input.targetColumn) return 'target';
  return input.roles?.get(name) ?? 'feature';
};

const customersAndOrders = async (db: Duck, from: string, kind: DatasetKind) => {
  const { customers } = await db.row<{ customers: number }>(
    `SELECT count(*) AS customers FROM (SELECT DISTINCT customer_id FROM ${from})`,
  );
  if (kind === 'features') return { customers, orders: null, amount: null };
  const { orders } = await db.row<{ orders: number }>(
    `SELECT count(*) AS orders FROM (SELECT DISTINCT customer_id, order_id FROM ${from})`,
  );
  const { amount } = await db.row<{ amount: number | null }>(`SELECT fsum(amount) AS amount FROM ${from}`);
  return { customers, orders, amount: steady(amount) };
};

const duplicates = async (db: Duck, from: string, columns: Described[], input: ProfileInput, rows: number) => {
  // Row numbers that stand in for ids would make every row different.
  const numbered = input.kind === 'features' && (input.idColumn ?? null) === null;
  const compared = columns.filter((column) => !(numbered && column.role === 'customer'));
  if (compared.length === 0) return 0;
  const key = compared.map((column) => ident(column.name)).join(', ');
  const { distinct } = await db.row<{ distinct: number }>(
    `SELECT count(*) AS "distinct" FROM (SELECT DISTINCT hash(${key}) FROM ${from})`,
  );
  return rows - distinct;
};

const basicFigures = async (db: Duck, from: string, columns: Described[]): Promise<Basic[]> => {
  const basics: Basic[] = [];
  for (let start = 0; start < columns.length; start += COLUMNS_PER_QUERY) {
    const batch = columns.slice(start, start + COLUMNS_PER_QUERY);
    const figures = batch.map(({ name, type }, i) => {
      const c = ident(name);
      const number = type === 'double';
      const ordered = number || type === 'timestamp';
      return `struct_pack(present := count(${c}), "distinct" := approx_count_distinct(${c}),
        min := ${ordered ? `min(${c})` : 'NULL::DOUBLE'}, max := ${ordered ? `max(${c})` : 'NULL::DOUBLE'},
        mean := ${number ? `favg(${c})` : 'NULL::DOUBLE'}, sd := ${number ? `stddev_samp(${c})` : 'NULL::DOUBLE'},
        fractional := ${number ? `count(*) FILTER (${c} <> trunc(${c}))` : '0'}) AS f${i}`;
    });
    const row = await db.row<Record<string, Basic>>(`SELECT ${figures.join(', ')} FROM ${from}`);
    basics.push(...batch.map((_, i) => row[`f${i}`]!));
  }
  return basics;
};

const profileColumn = async (
  db: Duck,
  parquet: string,
  { name, type, role }: Described,
  basic: Basic,
  rows: number,
): Promise<ColumnProfile> => {
  const from = `read_parquet(${literal(parquet)})`;
  const column = ident(name);
  const exact = basic.distinct < EXACT_DISTINCT_BELOW;
  const { distinct } = exact
    ? await db.row<{ distinct: number }>(`SELECT count(DISTINCT ${column}) AS "distinct" FROM ${from}`)
    : basic;
  const profile: ColumnProfile = {
    name,
    type: type === 'double' ? (basic.fractional === 0 && basic.present > 0 ? 'integer' : 'number') : type,
    role,
    missing: rows - basic.present,
    distinct: Math.min(distinct, basic.present),
    min: instantOrNumber(basic.min),
    max: instantOrNumber(basic.max),
    mean: steady(basic.mean),
    sd: steady(basic.sd),
    quantiles: null,
    histogram: null,
    categories: null,
  };
  if (type === 'double' && typeof basic.min === 'number' && typeof basic.max === 'number') {
    const values = await quantiles(db, parquet, column, rows);
    profile.quantiles = {
      p01: values[0]!,
      p05: values[1]!,
      p25: values[2]!,
      p50: values[3]!,
      p75: values[4]!,
      p95: values[5]!,
      p99: values[6]!,
    };
    profile.histogram = await histogram(db, from, column, {
      min: basic.min,
      max: basic.max,
      low: values[0]!,
      high: values[6]!,
    });
  }
  const keyLike = role === 'customer' || role === 'order' || role === 'id';
  if ((type === 'text' || type === 'boolean') && !keyLike) profile.categories = await topCategories(db, from, column);
  return profile;
};

const quantiles = async (db: Duck, parquet: string, column: string, rows: number): Promise<number[]> => {
  const step = Math.max(1, Math.ceil(rows / QUANTILE_ROWS));
  const from = `read_parquet(${literal(parquet)}, file_row_number = true)`;
  const { values } = await db.row<{ values: number[] | null }>(
    `SELECT quantile_cont(${column}::DOUBLE, [${PROBABILITIES.join(', ')}]) AS values FROM ${from}
     WHERE file_row_number % ${step} = 0 AND ${column} IS NOT NULL`,
  );
  if (values !== null) return values;
  // Every present value fell between the sampled rows: few enough to take them all.
  const all = await db.row<{ values: number[] }>(
    `SELECT quantile_cont(${column}::DOUBLE, [${PROBABILITIES.join(', ')}]) AS values FROM ${from}`,
  );
  return all.values;
};

/** Equal bins between the 1st and the 99th percentile, the outer two stretched to the range: a long tail stays readable. */
const histogram = async (
  db: Duck,
  from: string,
  column: string,
  range: { min: number; max: number; low: number; high: number },
): Promise<HistogramBin[]> => {
  const { min, max } = range;
  const [low, high] = range.low < range.high ? [range.low, range.high] : [min, max];
  const bins = low < high ? HISTOGRAM_BINS : 1;
  const width = (high - low) / bins;
  const bin = bins === 1 ? '0' : `least(${bins - 1}, greatest(0, floor((${column} - (${low})) / ${width})))::INTEGER`;
  const found = await db.rows<{ bin: number; count: number }>(
    `SELECT ${bin} AS bin, count(*) AS count FROM ${from} WHERE ${column} IS NOT NULL GROUP BY 1`,
  );
  const counts = new Map(found.map((row) => [row.bin, row.count]));
  return Array.from({ length: bins }, (_, i) => ({
    from: i === 0 ? min : low + i * width,
    to: i === bins - 1 ? max : low + (i + 1) * width,
    count: counts.get(i) ?? 0,
  }));
};

const topCategories = (db: Duck, from: string, column: string) =>
  db.rows<{ value: string; count: number }>(
    `SELECT left(${column}::VARCHAR, 200) AS value, count(*) AS count FROM ${from}
     WHERE ${column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${TOP_CATEGORIES}`,
  );

const instantOrNumber = (value: number | Date | null): number | string | null =>
  value instanceof Date ? value.toISOString() : value;

/** Twelve digits: what parallel sums agree on from one run to the next. */
const steady = (value: number | null): number | null => (value === null ? null : Number(value.toPrecision(12)));
