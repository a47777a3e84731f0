import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  type GeneratedChunk,
  type GeneratedColumn,
  Rng,
  generateFeatureCustomers,
  generateTransactions,
} from '@clove/clv';
import { CloveError, type DatasetProfile, type GeneratorOptions } from '@clove/contracts';
import { DOUBLE, type DuckDBAppender, type DuckDBType, USMALLINT, VARCHAR } from '@duckdb/node-api';
import { appendColumns } from './columns.js';
import { type Duck, type DuckOptions, ident, literal, throwIfAborted, withDuck } from './duck.js';
import { profileParquet } from './profile.js';

type GenerateRequest = DuckOptions & {
  options: GeneratorOptions;
  signal?: AbortSignal | undefined;
  onProgress?: ((fraction: number, stage: string) => void) | undefined;
};

/** What generated columns look like in the canonical Parquet of each kind. */
const CANONICAL: Record<GeneratorOptions['generator'], string> = {
  transactions: 'customer_id, time, amount, order_id, product, category, payment_type, place, quantity',
  features: 'CAST(row_number() OVER () AS VARCHAR) AS customer_id, *',
};

/**
 * Generates a dataset: canonical `data.parquet` and `profile.json` in `outDir`, as an ingest leaves them. The same seed
 * and size give the same bytes. Memory stays bounded at any size: rows beyond the limit spill to the scratch folder.
 * @throws CloveError cancelled, no-space
 */
export const generateDataset = (o: GenerateRequest & { outDir: string }): Promise<DatasetProfile> =>
  withDuck({ ...o, folders: [o.outDir] }, async (db) => {
    await stage(db, o);
    const parquet = join(o.outDir, 'data.parquet');
    o.onProgress?.(0.6, 'writing');
    await mkdir(o.outDir, { recursive: true });
    await copyTo(db, `SELECT ${CANONICAL[o.options.generator]} FROM generated`, parquet, PARQUET);
    o.onProgress?.(0.8, 'profiling');
    const profile = await profileParquet(db, {
      parquet,
      kind: o.options.generator,
      targetColumn: o.options.generator === 'features' ? 'clv' : null,
      currency: o.options.currency,
    });
    await writeFile(join(o.outDir, 'profile.json'), JSON.stringify(profile));
    o.onProgress?.(1, 'done');
    return profile;
  });

/**
 * Writes generated rows as a user would have them in a file of their own: orders with their natural columns, or the
 * 16 features and the target, without an id. The name's ending decides: `.csv`, `.csv.gz` or `.parquet`.
 * @throws CloveError invalid-input on another ending, cancelled, no-space
 */
export const generateFile = async (o: GenerateRequest & { file: string }): Promise<{ rows: number }> => {
  const [, format] = FORMATS.find(([ending]) => o.file.endsWith(ending)) ?? [];
  if (format === undefined)
    throw new CloveError(
      'invalid-input',
      `Cannot tell the format of "${o.file}": let its name end in ${FORMATS.map(([ending]) => ending).join(', ')}.`,
    );
  return withDuck({ ...o, files: [partOf(o.file)] }, async (db) => {
    const { rows, columns } = await stage(db, o);
    o.onProgress?.(0.6, 'writing');
    const natural = columns.map(
      ({ name, kind }) => (kind === 'integer' ? `${ident(name)}::BIGINT AS ` : '') + ident(name),
    );
    await mkdir(dirname(o.file), { recursive: true });
    await copyTo(db, `SELECT ${natural.join(', ')} FROM generated`, o.file, format);
    o.onProgress?.(1, 'done');
    return { rows };
  });
};

const PARQUET = 'FORMAT parquet, COMPRESSION zstd';
const FORMATS = [
  ['.csv', 'FORMAT csv, HEADER'],
  ['.csv.gz', 'FORMAT csv, HEADER, COMPRESSION gzip'],
  ['.parquet', PARQUET],
] as const;

/** Where a file lies until it is whole. */
const partOf = (file: string): string => `${file}.part`;

/** Writes the rows of a query beside `file` and renames, so that a reader meets the whole file or none. */
const copyTo = async (db: Duck, query: string, file: string, format: string): Promise<void> => {
  const part = partOf(file);
  try {
    await db.run(`COPY (${query}) TO ${literal(part)} (${format})`);
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
};

const STAGED: Record<GeneratedColumn['kind'], DuckDBType> = {
  number: DOUBLE,
  integer: DOUBLE,
  time: DOUBLE,
  text: VARCHAR,
  label: USMALLINT,
};

/** Rows between two breaths of the event loop. */
const BREATH_ROWS = 32_768;

/** Makes the view `generated` over all rows of the generator, in order. */
const stage = async (
  db: Duck,
  { options, signal, onProgress }: GenerateRequest,
): Promise<{ rows: number; columns: GeneratedChunk['columns'] }> => {
  const rng = new Rng(options.seed);
  const chunks =
    options.generator === 'features'
      ? generateFeatureCustomers(rng, options.customers)
      : generateTransactions(rng, options.customers);
  let appender: DuckDBAppender | undefined;
  let columns: GeneratedChunk['columns'] = [];
  let types: DuckDBType[] = [];
  let rows = 0;
  let breathed = 0;
  for (const chunk of chunks) {
    if (appender === undefined) {
      columns = chunk.columns;
      types = columns.map(({ kind }) => STAGED[kind]);
      appender = await createStaging(db, columns);
    }
    const values = chunk.columns.map((column) => (column.kind === 'label' ? column.codes : column.values));
    appendColumns(appender, types, chunk.rows, values);
    rows += chunk.rows;
    if (rows - breathed < BREATH_ROWS) continue;
    breathed = rows;
    await setImmediate();
    throwIfAborted(signal);
    onProgress?.((0.6 * chunk.customers) / options.customers, 'generating');
  }
  appender?.closeSync();
  return { rows, columns };
};

const createStaging = async (db: Duck, columns: GeneratedChunk['columns']): Promise<DuckDBAppender> => {
  await db.run(`
    CREATE TABLE staged (${columns.map(({ name, kind }) => `${ident(name)} ${String(STAGED[kind])}`).join(', ')});
    CREATE VIEW generated AS SELECT ${columns.map(unstaged).join(', ')} FROM staged`);
  return db.connection.createAppender('staged');
};

/** A staged column as canonical data has it. */
const unstaged = (column: GeneratedColumn): string => {
  const name = ident(column.name);
  switch (column.kind) {
    case 'label':
      return `[${column.labels.map(literal).join(', ')}][${name} + 1] AS ${name}`;
    case 'time':
      return `make_timestamp((${name} * 1000)::BIGINT) AS ${name}`;
    default:
      return name;
  }
};
