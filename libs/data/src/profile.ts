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
/** How many numbers, times and ids differ is counted exactly below this. Texts are counted one by one anyway. */
const EXACT_DISTINCT_BELOW = 15_000;
const HISTOGRAM_BINS = 20;
const TOP_CATEGORIES = 20;
const COLUMNS_PER_QUERY = 50;
/** Up to so many rows things are asked side by side; beyond, one after the other, each with the threads and the memory to itself. */
const ROWS_AT_ONCE = 200_000;
const QUESTIONS_AT_ONCE = 12;
/** Columns that one of several questions at once asks about. */
const COLUMNS_AT_ONCE = 4;
const PROBABILITIES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;

type Described = {
  name: string;
  type: 'double' | 'boolean' | 'timestamp' | 'text';
  role: ColumnProfile['role'];
  /** no more values differ than this; null where the file does not say */
  mostDistinct: number | null;
};
type Basic = {
  present: number;
  /** about; null where it is counted exactly */
  distinct: number | null;
  min: number | Date | null;
  max: number | Date | null;
  sum: number | null;
  sd: number | null;
  fractional: number;
};
type Categories = { distinct: number; top: { value: string; count: number }[] | null };

/**
 * Profiles a canonical Parquet: types, missing, ranges, quantiles, histograms, frequent categories, duplicates.
 * Reads each column a few times; memory does not grow with the rows, but for 8 bytes an order and the different texts of a
 * column, which are spilled where they are too many. The same file gives the same profile.
 */
export const profileParquet = async (db: Duck, input: ProfileInput): Promise<DatasetProfile> => {
  const from = `read_parquet(${literal(input.parquet)})`;
  const { rows, columns } = await describe(db, from, input);
  const atOnce = rows <= ROWS_AT_ONCE;
  const isTransactions = input.kind === 'transactions';
  const scans: Described[][] = [];
  const perScan = atOnce ? COLUMNS_AT_ONCE : COLUMNS_PER_QUERY;
  for (let start = 0; start < columns.length; start += perScan) scans.push(columns.slice(start, start + perScan));
  const texts = columns.filter(hasCategories);
  const few = columns.filter(hasFewNumbers);
  const first = await ask<{
    customers: number;
    orders: number;
    basics: Record<string, Basic>;
    categories: Categories;
    distinct: number;
  }>(
    db,
    {
      // Features are one row a customer: the ingest rejects the others.
      customers: isTransactions ? [`SELECT count(*) FROM (SELECT DISTINCT customer_id FROM ${from})`] : [],
      orders: isTransactions ? [`SELECT count(*) FROM (SELECT DISTINCT hash(customer_id, order_id) FROM ${from})`] : [],
      basics: scans.map((scan) => basicSql(from, scan)),
      categories: texts.map((column) => categoriesSql(from, column)),
      distinct: few.map((column) => distinctSql(from, column)),
    },
    atOnce,
  );
  const customers = first.customers[0] ?? rows;
  const orders = first.orders[0] ?? null;
  const basics = scans.flatMap((scan, s) => scan.map((_, i) => first.basics[s]![`f${i}`]!));
  const distributions = await distributionsOf(
    db,
    input.parquet,
    columns.flatMap(({ name, type }, i) => {
      const { min, max, present } = basics[i]!;
      return type === 'double' && typeof min === 'number' && typeof max === 'number'
        ? [{ name, min, max, present }]
        : [];
    }),
    rows,
  );
  const recounted = columns.filter((_, i) => (basics[i]!.distinct ?? Infinity) < EXACT_DISTINCT_BELOW);
  const differentRows = orders === rows ? null : differentRowsSql(from, columns, input); // equal rows are of one order
  const second = await ask<{ rows: number; distinct: number }>(
    db,
    {
      rows: differentRows === null ? [] : [differentRows],
      distinct: recounted.map((column) => distinctSql(from, column)),
    },
    atOnce,
  );
  const categories = new Map(texts.map((column, i) => [column, first.categories[i]!]));
  const exact = new Map<Described, number>([
    ...few.map((column, i) => [column, first.distinct[i]!] as const),
    ...recounted.map((column, i) => [column, second.distinct[i]!] as const),
    ...texts.map((column) => [column, categories.get(column)!.distinct] as const),
  ]);
  const profiles = columns.map((column, i): ColumnProfile => {
    const basic = basics[i]!;
    const distinct = column.role === 'customer' ? customers : (exact.get(column) ?? basic.distinct!);
    return {
      ...profileColumn(column, basic, distinct, categories.get(column), rows),
      ...distributions.get(column.name),
    };
  });
  const time = profiles.find((column) => column.role === 'time');
  return {
    kind: input.kind,
    rows,
    customers,
    orders,
    rejectedRows: input.rejected?.rows ?? 0,
    rejectedByReason: input.rejected?.byReason ?? [],
    rejectedSample: input.rejected?.sample ?? [],
    duplicateRows: rows - (second.rows[0] ?? rows),
    firstTime: typeof time?.min === 'string' ? time.min : null,
    lastTime: typeof time?.max === 'string' ? time.max : null,
    totalAmount: isTransactions ? steady(basics[columns.findIndex(({ role }) => role === 'amount')]!.sum) : null,
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

/** The columns and the rows, by the footer of the file; a column with a dictionary in every part tells how many values differ at most. */
const describe = async (
  db: Duck,
  from: string,
  input: ProfileInput,
): Promise<{ rows: number; columns: Described[] }> => {
  const found = await db.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${from}`);
  const footers = await db.rows<{ name: string; rows: number; most: number | null }>(
    `SELECT path_in_schema AS name, sum(num_values)::BIGINT AS rows,
       CASE WHEN count(stats_distinct_count) = count(*) THEN sum(stats_distinct_count)::BIGINT END AS most
     FROM parquet_metadata(${literal(input.parquet)}) GROUP BY 1`,
  );
  const mostOf = new Map(footers.map(({ name, most }) => [name, most]));
  return {
    rows: footers[0]?.rows ?? 0,
    columns: found.map(({ column_name: name, column_type: sqlType }) => ({
      name,
      type: simpleType(sqlType),
      role: input.kind === 'transactions' ? (TRANSACTION_ROLES[name] ?? 'attribute') : featureRole(name, input),
      mostDistinct: mostOf.get(name) ?? null,
    })),
  };
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

/**
 * Asks for one value each; of a small file some things in one statement, which DuckDB works out side by side.
 * @param questions lists of SELECTs of one row and one column
 * @returns the answers in the order of the questions
 */
const ask = async <T extends Record<string, unknown>>(
  db: Duck,
  questions: { [K in keyof T]: readonly string[] },
  atOnce: boolean,
): Promise<{ [K in keyof T]: T[K][] }> => {
  const all = Object.entries<readonly string[]>(questions).flatMap(([key, list]) => list.map((sql) => ({ key, sql })));
  const answers: Record<string, unknown[]> = Object.fromEntries(Object.keys(questions).map((key) => [key, []]));
  const step = atOnce ? QUESTIONS_AT_ONCE : 1;
  for (let start = 0; start < all.length; start += step) {
    const batch = all.slice(start, start + step);
    const row = await db.row<Record<string, unknown>>(
      `SELECT ${batch.map(({ sql }, i) => `(${sql}) AS a${i}`).join(', ')}`,
    );
    for (const [i, { key }] of batch.entries()) answers[key]!.push(row[`a${i}`]);
  }
  // The caller names the types of its own SELECTs; nothing here can check them.
  return answers as { [K in keyof T]: T[K][] };
};

const isKey = ({ role }: Described): boolean => role === 'customer' || role === 'order' || role === 'id';
const hasCategories = (column: Described): boolean =>
  (column.type === 'text' || column.type === 'boolean') && !isKey(column);
/** Numbers of which so few differ that counting them exactly is cheaper than about. */
const hasFewNumbers = ({ type, mostDistinct }: Described): boolean =>
  type === 'double' && mostDistinct !== null && mostDistinct < EXACT_DISTINCT_BELOW;

const distinctSql = (from: string, { name }: Described): string => `SELECT count(DISTINCT ${ident(name)}) FROM ${from}`;

/** SQL of the figures f0, f1, … of some columns, from one scan. */
const basicSql = (from: string, columns: readonly Described[]): string => {
  const figures = columns.map((column, i) => {
    const { name, type, role } = column;
    const c = ident(name);
    const number = type === 'double';
    const ordered = number || type === 'timestamp';
    const distinct = role !== 'customer' && !hasCategories(column) && !hasFewNumbers(column);
    return `f${i} := struct_pack(present := count(${c}), "distinct" := ${distinct ? `approx_count_distinct(${c})` : 'NULL::BIGINT'},
      min := ${ordered ? `min(${c})` : 'NULL::DOUBLE'}, max := ${ordered ? `max(${c})` : 'NULL::DOUBLE'},
      sum := ${number ? `fsum(${c})` : 'NULL::DOUBLE'}, sd := ${number ? `stddev_samp(${c})` : 'NULL::DOUBLE'},
      fractional := ${number ? `count(*) FILTER (${c} <> trunc(${c}))` : '0'})`;
  });
  return `SELECT struct_pack(${figures.join(', ')}) FROM ${from}`;
};

/** SQL of the different values of a column, counted, and of the most frequent ones as texts. */
const categoriesSql = (from: string, { name }: Described): string =>
  `WITH counted AS MATERIALIZED (SELECT ${ident(name)} AS v, count(*) AS n FROM ${from} WHERE v IS NOT NULL GROUP BY 1)
   SELECT struct_pack("distinct" := (SELECT count(*) FROM counted), top := (
     SELECT list(struct_pack(value, count) ORDER BY count DESC, value) FROM (
       SELECT left(v::VARCHAR, 200) AS value, sum(n)::BIGINT AS count FROM counted GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${TOP_CATEGORIES})))`;

/** SQL of the number of rows that differ; null where it is known that all do. */
const differentRowsSql = (from: string, columns: readonly Described[], input: ProfileInput): string | null => {
  // Row numbers that stand in for ids would make every row different.
  const numbered = input.kind === 'features' && (input.idColumn ?? null) === null;
  if (input.kind === 'features' && !numbered) return null; // the customers differ
  const compared = columns.filter((column) => !(numbered && column.role === 'customer'));
  if (compared.length === 0) return null;
  const key = compared.map((column) => ident(column.name)).join(', ');
  return `SELECT count(*) FROM (SELECT DISTINCT hash(${key}) FROM ${from})`;
};

const profileColumn = (
  { name, type, role }: Described,
  basic: Basic,
  distinct: number,
  categories: Categories | undefined,
  rows: number,
): ColumnProfile => ({
  name,
  type: type === 'double' ? (basic.fractional === 0 && basic.present > 0 ? 'integer' : 'number') : type,
  role,
  missing: rows - basic.present,
  distinct: Math.min(distinct, basic.present),
  min: instantOrNumber(basic.min),
  max: instantOrNumber(basic.max),
  mean: steady(basic.sum === null ? null : basic.sum / basic.present),
  sd: steady(basic.sd),
  quantiles: null,
  histogram: null,
  categories: categories === undefined ? null : (categories.top ?? []),
});

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
  for (let start = 0; start < columns.length; start += QUESTIONS_AT_ONCE) {
    const batch = columns.slice(start, start + QUESTIONS_AT_ONCE);
    const cells = batch.map(({ name }, i) => `${ident(name)}::DOUBLE AS v${i}`);
    const from = `FROM read_parquet(${literal(parquet)}, file_row_number = true)`;
    await db.run(
      `CREATE OR REPLACE TEMP TABLE sampled AS SELECT ${cells.join(', ')} ${from} WHERE file_row_number % ${step} = 0`,
    );
    const quantile = (i: number, source: string) =>
      `SELECT quantile_cont(v${i}, [${PROBABILITIES.join(', ')}]) FROM ${source}`;
    const drawn = await ask<{ quantiles: number[] | null }>(
      db,
      { quantiles: batch.map((_, i) => quantile(i, 'sampled')) },
      true,
    );
    const sources = batch.map(() => 'sampled');
    const quantiles: number[][] = [];
    for (const [i, values] of drawn.quantiles.entries()) {
      // Where every present value fell between the sampled rows there are few enough to take them all.
      if (values === null) sources[i] = `(SELECT ${cells[i]} ${from})`;
      quantiles.push(values ?? (await db.row<{ q: number[] }>(`SELECT (${quantile(i, sources[i]!)}) AS q`)).q);
    }
    const bins = batch.map((column, i) => binsOf(column, quantiles[i]!));
    const counts = await ask<{ bins: { key: number; value: number }[] }>(
      db,
      { bins: bins.map(({ sql }, i) => `SELECT map_entries(histogram(${sql(`v${i}`)})) FROM ${sources[i]}`) },
      true,
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
      const counted = new Map(counts.bins[i]!.map(({ key, value }) => [key, value]));
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

const instantOrNumber = (value: number | Date | null): number | string | null =>
  value instanceof Date ? value.toISOString() : value;

/** Twelve digits: what parallel sums agree on from one run to the next. */
const steady = (value: number | null): number | null => (value === null ? null : Number(value.toPrecision(12)));
