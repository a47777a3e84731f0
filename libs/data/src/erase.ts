import { createReadStream, createWriteStream } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import {
  DatasetProfile,
  PREDICTION_COLUMNS,
  type PredictionReport,
  type PredictionSummary,
  naming,
  withoutIds,
} from '@clove/contracts';
import { type Duck, type DuckOptions, ident, literal, withDuck } from './duck.js';
import { FEATURES_FILE } from './ingest/features.js';
import { writeRejectedFiles } from './ingest/rejected-file.js';
import { PREDICTIONS_FILE, guardedSql, joinedCsv } from './prediction-files.js';
import { profileParquet } from './profile.js';

/** Whom to take out, by ids as the column `customer_id` holds them, and where the files without them go. */
export type Erase = DuckOptions & { ids: readonly string[]; outDir: string; signal: AbortSignal };

const TRANSACTIONS_FILE = '(FORMAT parquet, COMPRESSION zstd)';
/** Keeps the order of the rows, which a join would lose. */
const WITHOUT_FOUND = `NOT list_contains(getvariable('erased'), customer_id)`;

/** Makes the table `asked` of the ids: none stands in the text of a statement, which an error may quote. */
const askFor = async (db: Duck, ids: readonly string[]): Promise<void> => {
  await db.run('CREATE TABLE asked (id VARCHAR)');
  const appender = await db.connection.createAppender('asked');
  for (const id of ids) {
    appender.appendVarchar(id);
    appender.endRow();
  }
  appender.closeSync();
};

/** Those of `asked` whom the column `customer_id` names, and the variable `erased` of them. */
const find = async (db: Duck, parquet: string): Promise<string[]> => {
  const found = await db.rows<{ id: string }>(`SELECT DISTINCT customer_id AS id FROM read_parquet(${literal(parquet)})
    WHERE customer_id IN (SELECT id FROM asked) ORDER BY 1`);
  await db.run(`SET VARIABLE erased = (SELECT list(DISTINCT customer_id) FROM read_parquet(${literal(parquet)})
    WHERE customer_id IN (SELECT id FROM asked))`);
  return found.map(({ id }) => id);
};

/**
 * Writes the files of a dataset anew without some customers: `data.parquet` without their rows, the others in their order,
 * `profile.json` of what is left, and, where there was one, the list of rejected rows without values that name one of them.
 * A table whose ids are row numbers names nobody.
 * @param o.rejected rejected.parquet; null where there is none
 * @returns null where nothing names any of them; nothing is written then
 */
export const eraseFromDataset = (
  o: Erase & { parquet: string; profile: DatasetProfile; rejected: string | null },
): Promise<{ profile: DatasetProfile; found: string[]; removedRows: number; rejectedValues: number } | null> => {
  const files = o.rejected === null ? [o.parquet] : [o.parquet, o.rejected];
  // one thread alone cuts row groups in other places than several do
  const threads = o.threads === undefined ? {} : { threads: Math.max(2, o.threads) };
  return withDuck({ ...o, ...threads, files, folders: [o.outDir] }, async (db) => {
    await askFor(db, o.ids);
    const { kind, targetColumn, idColumn, reading, currency, rejectedRows, rejectedByReason } = o.profile;
    const found = kind === 'features' && idColumn === null ? [] : await find(db, o.parquet);
    const rejectedValues = o.rejected === null ? 0 : await eraseRejected(db, o.rejected);
    if (found.length === 0 && rejectedValues === 0) return null;
    const parquet = join(o.outDir, 'data.parquet');
    await db.run(`COPY (SELECT * FROM read_parquet(${literal(o.parquet)}) ${found.length === 0 ? '' : `WHERE ${WITHOUT_FOUND}`})
      TO ${literal(parquet)} ${kind === 'features' ? FEATURES_FILE : TRANSACTIONS_FILE}`);
    if (o.rejected !== null) {
      await writeRejectedFiles(db, 'SELECT * EXCLUDE (n) FROM rejected ORDER BY n', o.outDir);
    }
    const named = naming(o.ids);
    const profile = await profileParquet(db, {
      parquet,
      kind,
      targetColumn,
      idColumn,
      roles: rolesOf(o.profile),
      rejected: {
        rows: rejectedRows,
        byReason: rejectedByReason,
        sample: o.profile.rejectedSample.map((row) =>
          row.value === null || row.value.search(named) < 0 ? row : { ...row, value: null },
        ),
      },
      warnings: o.profile.warnings.map((warning) => ({ ...warning, message: withoutIds(warning.message, o.ids) })),
      reading,
      currency,
    });
    await writeFile(join(o.outDir, 'profile.json'), JSON.stringify(DatasetProfile.parse(profile)));
    return { profile, found, removedRows: o.profile.rows - profile.rows, rejectedValues };
  });
};

const rolesOf = ({ columns }: DatasetProfile): Map<string, 'id' | 'ignored'> => {
  const roles = new Map<string, 'id' | 'ignored'>();
  for (const { name, role } of columns) if (role === 'id' || role === 'ignored') roles.set(name, role);
  return roles;
};

/** Makes the table `rejected`, its order in `n`, without values that name one of `asked`. @returns how many they were */
const eraseRejected = async (db: Duck, parquet: string): Promise<number> => {
  await db.run(`CREATE TABLE rejected AS SELECT file, row, "column", value, reason, file_row_number AS n
    FROM read_parquet(${literal(parquet)}, file_row_number = true)`);
  // as `naming` has it; the expression of an id is only made where its text is there
  const word = String.raw`'(^|[^\p{L}\p{N}])' || regexp_escape(id) || '($|[^\p{L}\p{N}])'`;
  await db.run(`CREATE TABLE named AS SELECT DISTINCT n FROM rejected JOIN asked
    ON CASE WHEN contains(value, id) THEN regexp_matches(value, ${word}) ELSE false END`);
  await db.run('UPDATE rejected SET value = NULL WHERE n IN (SELECT n FROM named)');
  return (await db.row<{ count: number }>('SELECT count(*) AS count FROM named')).count;
};

/** What is left of a prediction without some customers; the others are as they were, ranks and tiers too. */
type ErasedPrediction = {
  found: string[];
  rows: number;
  summary: PredictionSummary;
  report: Omit<PredictionReport, 'actual'>;
};

/**
 * Writes `predictions.parquet` and `predictions.csv` anew without some customers.
 * @returns null where the prediction names none of them; nothing is written then
 */
export const eraseFromPrediction = async (o: Erase & { parquet: string }): Promise<ErasedPrediction | null> => {
  const out = { parquet: join(o.outDir, 'predictions.parquet'), csv: join(o.outDir, 'rows.csv') };
  const left = await withDuck({ ...o, files: [o.parquet], folders: [o.outDir] }, async (db) => {
    await askFor(db, o.ids);
    const found = await find(db, o.parquet);
    const from = `read_parquet(${literal(o.parquet)})`;
    if (found.length === 0) return null;
    await db.run(`COPY (SELECT * FROM ${from} WHERE ${WITHOUT_FOUND}) TO ${literal(out.parquet)} ${PREDICTIONS_FILE}`);
    const written = `read_parquet(${literal(out.parquet)})`;
    const columns = await db.rows<{ name: string; type: string }>(
      `SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM ${written})`,
    );
    const cells = columns.map(({ name, type }) => (type === 'VARCHAR' ? guardedSql(ident(name)) : ident(name)));
    await db.run(`COPY (SELECT ${cells.join(', ')} FROM ${written}) TO ${literal(out.csv)} (FORMAT csv, HEADER false)`);
    const clv = 'predicted_clv::DOUBLE';
    const summary = await db.row<PredictionSummary>(`
      SELECT count(*) AS customers, coalesce(sum(${clv}), 0) AS total, coalesce(avg(${clv}), 0) AS mean,
        coalesce(median(${clv}), 0) AS median, coalesce(stddev_pop(${clv}), 0) AS sd,
        coalesce(min(${clv}), 0) AS min, coalesce(max(${clv}), 0) AS max FROM ${written}`);
    const report = summary.customers === 0 ? { histogram: [], deciles: [], tiers: [] } : await figuresOf(db, written);
    return { found, summary, report, inputs: columns.slice(PREDICTION_COLUMNS.length) };
  });
  if (left === null) return null;
  await pipeline(
    Readable.from(joinedCsv({ inputs: left.inputs, files: [out.csv] }), { objectMode: false }),
    createWriteStream(join(o.outDir, 'predictions.csv')),
  );
  const { found, summary, report } = left;
  return { found, rows: summary.customers, summary, report };
};

const BINS = 40;

/** How predictions are spread, as a scorer reports it of a prediction that it makes. */
const figuresOf = async (db: Duck, from: string): Promise<ErasedPrediction['report']> => {
  const deciles = await db.rows<PredictionReport['deciles'][number]>(`
    SELECT count(*) AS customers, max(clv) AS highest, min(clv) AS lowest, avg(clv) AS mean, sum(clv) AS total
    FROM (SELECT predicted_clv::DOUBLE AS clv, ntile(10) OVER (ORDER BY predicted_clv DESC) AS decile FROM ${from})
    GROUP BY decile ORDER BY decile`);
  const tiers = await db.rows<PredictionReport['tiers'][number]>(`
    SELECT tier, count(*) AS customers, avg(predicted_clv::DOUBLE) AS mean, sum(predicted_clv::DOUBLE) AS total
    FROM ${from} GROUP BY tier ORDER BY min(percentile) DESC`);
  // equal bins up to the 99th percentile, the last one stretched to the maximum
  const { low, high, max } = await db.row<{ low: number; high: number; max: number }>(`
    SELECT min(predicted_clv)::DOUBLE AS low, approx_quantile(predicted_clv, 0.99)::DOUBLE AS high,
      max(predicted_clv)::DOUBLE AS max FROM ${from}`);
  const top = high > low ? high : max;
  const bins = top > low ? BINS : 1;
  const width = (top - low) / bins;
  const bin = bins === 1 ? '0' : `least(${bins - 1}, floor((predicted_clv::DOUBLE - (${low})) / ${width}))::INTEGER`;
  const found = await db.rows<{ bin: number; count: number }>(
    `SELECT ${bin} AS bin, count(*) AS count FROM ${from} GROUP BY 1`,
  );
  const counts = new Map(found.map((row) => [row.bin, row.count]));
  const histogram = Array.from({ length: bins }, (_, i) => ({
    from: low + i * width,
    to: i === bins - 1 ? max : low + (i + 1) * width,
    count: counts.get(i) ?? 0,
  }));
  return { histogram, deciles, tiers };
};

/**
 * Whether a file as it was uploaded names one of these customers: its text as a word (in UTF-8, UTF-16 or windows-1252,
 * gzipped or not), a Parquet file a value. `unreadable`: it is broken, so nobody can tell.
 */
export const namesAny = async (
  o: DuckOptions & { ids: readonly string[]; path: string; signal: AbortSignal },
): Promise<'yes' | 'no' | 'unreadable'> => {
  const magic = await firstBytes(o.path);
  try {
    if (magic.toString('latin1') === 'PAR1') return (await parquetNames(o)) ? 'yes' : 'no';
    const bytes = createReadStream(o.path, { highWaterMark: 2 ** 20, signal: o.signal });
    const gzip = magic[0] === 0x1f && magic[1] === 0x8b;
    return (await textNames(gzip ? bytes.pipe(createGunzip()) : bytes, o.ids)) ? 'yes' : 'no';
  } catch (error) {
    o.signal.throwIfAborted();
    if (isBroken(error)) return 'unreadable';
    throw error;
  }
};

/** What zlib and DuckDB say of files that are no gzip or Parquet after all. */
const isBroken = (error: unknown): boolean =>
  error instanceof Error &&
  (/^(Invalid|Serialization|Not implemented) /i.test(error.message) ||
    ('code' in error && /^Z_|^ERR_TRAILING/.test(String(error.code))));

const firstBytes = async (path: string): Promise<Buffer> => {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
};

const parquetNames = ({ path, ids, ...o }: Parameters<typeof namesAny>[0]): Promise<boolean> =>
  withDuck({ ...o, files: [path] }, async (db) => {
    await askFor(db, ids);
    const from = `read_parquet(${literal(path)})`;
    const columns = await db.rows<{ name: string }>(`SELECT column_name AS name FROM (DESCRIBE SELECT * FROM ${from})`);
    for (const { name } of columns) {
      // ids that came as floats lose the fraction when they are ingested
      const { named } = await db.row<{ named: boolean }>(`SELECT count(*) > 0 AS named FROM ${from}
        WHERE regexp_replace(trim(${ident(name)}::VARCHAR), '\\.0+$', '') IN (SELECT id FROM asked)`);
      if (named) return true;
    }
    return false;
  });

const textNames = async (bytes: AsyncIterable<Buffer>, ids: readonly string[]): Promise<boolean> => {
  // read as latin1 each byte is a character: those of other letters than ASCII do not tell where a word ends
  const forms = ids.flatMap((id) => {
    const wide = Buffer.from(id, 'utf16le');
    const narrow = Buffer.from(id, 'latin1');
    const one = narrow.toString('latin1') === id ? [narrow] : [];
    return [Buffer.from(id), ...one, wide, Buffer.from(wide).swap16()];
  });
  const named = naming([...new Set(forms.map((form) => form.toString('latin1')))], String.raw`\0?[0-9A-Za-z]\0?`);
  const overlap = Math.max(...forms.map((form) => form.length)) + 2;
  let before = '';
  for await (const chunk of bytes) {
    const text = before + chunk.toString('latin1');
    if (text.search(named) >= 0) return true;
    before = text.slice(-overlap);
  }
  return false;
};
