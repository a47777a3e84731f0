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

/** Rows that quantiles and histograms are computed from; evenly spaced rows of the file where it holds more. */
const SAMPLE_ROWS = 100_000;
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
 * Reads the file a few times for all columns together and once for each column of text; memory does not grow with the rows,
 * but for 8 bytes an order that are spilled where they are too many. The same file gives the same profile.
 */
export const profileParquet = async (db: Duck, input: ProfileInput): Promise<DatasetProfile> => {
  const from = `read_parquet(${literal(input.parquet)})`;
  const columns = await describe(db, from, input);
  const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM ${from}`);
  const totals = await customersAndOrders(db, from, input.kind, rows);
  const basics = await basicFigures(db, from, columns);
  const numeric = columns.flatMap(({ name, type }, i) => {
    const { min, max, present } = basics[i]!;
    return type === 'double' && typeof min === 'number' && typeof max === 'number' ? [{ name, min, max, present }] : [];
  });
  const distributions = await distributionsOf(db, input.parquet, numeric, rows);
  const profiles: ColumnProfile[] = [];
  for (const [i, column] of columns.entries()) {
    const basic = basics[i]!;
    if (column.role === 'customer') basic.distinct = totals.customers;
    const found = await profileColumn(db, from, column, basic, rows);
    profiles.push({ ...found, ...distributions.get(column.name) });
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
    duplicateRows: await duplicates(db, from, columns, input, { rows, orders: totals.orders }),
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

const customersAndOrders = async (db: Duck, from: string, kind: DatasetKind, rows: number) => {
  // Features are one row a customer: the ingest rejects the others.
  if (kind === 'features') return { customers: rows, orders: null, amount: null };
  const { customers } = await db.row<{ customers: number }>(
    `SELECT count(*) AS customers FROM (SELECT DISTINCT customer_id FROM ${from})`,
  );
  const { orders } = await db.row<{ orders: number }>(
    `SELECT count(*) AS orders FROM (SELECT DISTINCT hash(customer_id, order_id) FROM ${from})`,
  );
  const { amount } = await db.row<{ amount: number | null }>(`SELECT fsum(amount) AS amount FROM ${from}`);
  return { customers, orders, amount: steady(amount) };
};

const duplicates = async (
  db: Duck,
  from: string,
  columns: Described[],
  input: ProfileInput,
  { rows, orders }: { rows: number; orders: number | null },
) => {
  if (orders === rows) return 0; // equal rows are of one order
  // Row numbers that stand in for ids would make every row different.
  const numbered = input.kind === 'features' && (input.idColumn ?? null) === null;
  if (input.kind === 'features' && !numbered) return 0; // the customers differ
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
  from: string,
  { name, type, role }: Described,
  basic: Basic,
  rows: number,
): Promise<ColumnProfile> => {
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
  const keyLike = role === 'customer' || role === 'order' || role === 'id';
  if ((type === 'text' || type === 'boolean') && !keyLike) profile.categories = await topCategories(db, from, column);
  return profile;
};

type Range = { name: string; min: number; max: number; present: number };
type Distribution = Pick<ColumnProfile, 'quantiles' | 'histogram'>;

/** Quantiles and histograms of numeric columns, some columns at a time. */
const distributionsOf = async (
  db: Duck,
  parquet: string,
  columns: readonly Range[],
  rows: number,
): Promise<Map<string, Distribution>> => {
  const found = new Map<string, Distribution>();
  const step = Math.max(1, Math.ceil(rows / SAMPLE_ROWS));
  for (let start = 0; start < columns.length; start += COLUMNS_PER_QUERY) {
    const batch = columns.slice(start, start + COLUMNS_PER_QUERY);
    const cells = batch.map(({ name }, i) => `${ident(name)}::DOUBLE AS v${i}`);
    const from = `FROM read_parquet(${literal(parquet)}, file_row_number = true)`;
    await db.run(
      `CREATE OR REPLACE TEMP TABLE sampled AS SELECT ${cells.join(', ')} ${from} WHERE file_row_number % ${step} = 0`,
    );
    const quantile = (i: number) => `quantile_cont(v${i}, [${PROBABILITIES.join(', ')}])`;
    const drawn = await db.row<Record<string, number[] | null>>(
      `SELECT ${batch.map((_, i) => `${quantile(i)} AS q${i}`).join(', ')} FROM sampled`,
    );
    const sources = batch.map(() => 'sampled');
    const quantiles: number[][] = [];
    for (const i of batch.keys()) {
      // Where every present value fell between the sampled rows there are few enough to take them all.
      if (drawn[`q${i}`] === null) sources[i] = `(SELECT ${cells[i]} ${from})`;
      quantiles.push(
        drawn[`q${i}`] ?? (await db.row<{ q: number[] }>(`SELECT ${quantile(i)} AS q FROM ${sources[i]}`)).q,
      );
    }
    const bins = batch.map((column, i) => binsOf(column, quantiles[i]!));
    const counts = await db.row<Record<string, { key: number; value: number }[]>>(
      `SELECT ${batch.map((_, i) => `(SELECT map_entries(histogram(${bins[i]!.sql(`v${i}`)})) FROM ${sources[i]}) AS h${i}`).join(', ')}`,
    );
    for (const [i, { name, min, max, present }] of batch.entries()) {
      const [p01, p05, p25, p50, p75, p95, p99] = quantiles[i] as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const { low, width, count } = bins[i]!;
      const counted = new Map(counts[`h${i}`]!.map(({ key, value }) => [key, value]));
      const shares = scaled(
        Array.from({ length: count }, (_, bin) => counted.get(bin) ?? 0),
        present,
      );
      const histogram = shares.map((share, bin): HistogramBin => ({
        from: bin === 0 ? min : low + bin * width,
        to: bin === count - 1 ? max : low + (bin + 1) * width,
        count: share,
      }));
      found.set(name, { quantiles: { p01, p05, p25, p50, p75, p95, p99 }, histogram });
    }
  }
  return found;
};

/** Counts of a sample as those of all: whole numbers that add up to `all`. */
const scaled = (counts: readonly number[], all: number): number[] => {
  const factor = all / counts.reduce((sum, count) => sum + count, 0);
  let [before, told] = [0, 0];
  return counts.map((count) => {
    before += count;
    const share = Math.round(before * factor) - told;
    told += share;
    return share;
  });
};

/** Equal bins between the 1st and the 99th percentile, the outer two stretched to the range: a long tail stays readable. */
const binsOf = ({ min, max }: Range, quantiles: readonly number[]) => {
  const [p01, p99] = [quantiles[0]!, quantiles.at(-1)!];
  const [low, high] = p01 < p99 ? [p01, p99] : [min, max];
  const count = low < high ? HISTOGRAM_BINS : 1;
  const width = (high - low) / count;
  const sql = (column: string) =>
    count === 1
      ? `CASE WHEN ${column} IS NOT NULL THEN 0 END`
      : `least(${count - 1}, greatest(0, floor((${column} - (${low})) / ${width})))::INTEGER`;
  return { low, width, count, sql };
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
