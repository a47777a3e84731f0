import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { CloveError, DatasetProfile, type DatasetKind, type IngestOptions, type Warning } from '@clove/contracts';
import { literal, throwIfAborted, withDuck, type Duck, type DuckOptions } from './duck.js';
import { ingestDirect } from './ingest/direct.js';
import { hashCustomerIds } from './ingest/hashed-ids.js';
import { inspect } from './ingest/magic.js';
import { FEATURES_FILE, type FeaturesPlan, planFeatures } from './ingest/features.js';
import { guessKind, planTransactions } from './ingest/plan.js';
import { openOlist, planOlist } from './ingest/olist.js';
import { planPreset, type Planned } from './ingest/presets.js';
import { concatenate, openSources, recognise, type Recognised, type Source } from './ingest/read.js';
import { writeRejected } from './ingest/rejected-file.js';
import { createRejects, recordRejects, settleRejects } from './ingest/rejects.js';
import { ingestTyped } from './ingest/typed.js';
import {
  TRANSACTIONS_FILE,
  WITHOUT_BROKEN,
  markedTransactions,
  takeRejects,
  transactionRules,
} from './ingest/transactions.js';
import { profileParquet, type ProfileInput } from './profile.js';

/** Uploaded files: what each is called for people, and where it lies. */
export type IngestFile = { name: string; path: string };

export type IngestRequest = DuckOptions & {
  files: IngestFile[];
  options: IngestOptions;
  /** the key that ids are hashed by where the options say so */
  customerSecret?: string | undefined;
  /** where `data.parquet` and `profile.json` go; made if it is not there */
  outDir: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((fraction: number, stage: string) => void) | undefined;
};

/** What the reading found out: everything that the profile says, and what is left to be done. */
type Ready = {
  kind: DatasetKind;
  sources: readonly Source[];
  /** SQL of the canonical rows, to be written now; null where they are written already */
  select: string | null;
  profile: Omit<ProfileInput, 'parquet' | 'kind' | 'rejected' | 'reading' | 'warnings'>;
  mapping: Record<string, string>;
  dateFormat: string | null;
  warnings: Warning[];
  judged: readonly Source[];
  advice: string;
};

/**
 * Turns uploaded files into the canonical `data.parquet` and its `profile.json`, and returns the profile.
 *
 * The way of a row: files are recognised by their bytes and cut into fields (rows that cannot be cut are rejected), the
 * kind, the columns' meaning, date format and number style are found out on all rows, rows that cannot be used are
 * rejected with a reason and their row number, the rest is written and profiled. A plain CSV of orders goes through in one
 * pass (see direct.ts). Where half of the rows or more are
 * rejected the whole ingest fails. All of it is SQL: memory stays within the limit, and the same files give the same
 * bytes.
 *
 * Errors, each saying what to do: data-empty, data-unreadable, column-missing, column-ambiguous, preset-mismatch,
 * date-ambiguous, value-invalid, invalid-input (options that exclude each other), cancelled, no-space. Nothing is left
 * in `outDir` after an error.
 */
export const ingestFiles = async (request: IngestRequest): Promise<DatasetProfile> => {
  const { files, options, outDir, signal, onProgress } = request;
  const kind = agreedKind(options);
  if (files.length === 0) throw new CloveError('data-empty', 'No file was given.');
  const secret = secretOf(request);
  await mkdir(outDir, { recursive: true });
  const part = join(outDir, 'data.parquet.part');
  try {
    return await withDuck({ ...request, threads: threadsOf(request), ...reachOf(request) }, async (db) => {
      await createRejects(db);
      const ready = await read(db, request, kind, part);
      // values of rejected rows may be ids, or whole lines with an id
      if (secret !== null) await db.run('UPDATE rejects SET value = NULL');
      const { rejected, warnings } = await settleRejects(
        db,
        files.map((file) => file.name),
        ready.judged,
        ready.advice,
      );
      onProgress?.(0.7, 'writing');
      if (ready.select !== null) await writeTransactions(db, ready.select, part);
      if (secret !== null) await hashCustomerIds(db, part, secret);
      const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM read_parquet(${literal(part)})`);
      if (rows === 0) throw new CloveError('data-empty', 'No row is left after the rows that cannot be used.');
      onProgress?.(0.85, 'profiling');
      const profile = await profileParquet(db, {
        ...ready.profile,
        parquet: part,
        kind: ready.kind,
        rejected,
        warnings: [...ready.sources.flatMap((source) => source.warnings), ...ready.warnings, ...warnings],
        reading: {
          files: ready.sources.map(({ name, rows: count, format, delimiter }) => ({
            name,
            rows: count,
            format,
            delimiter,
          })),
          mapping: ready.mapping,
          dateFormat: ready.dateFormat,
          preset: options.preset ?? null,
        },
        currency: options.currency,
      });
      warnOfConstantTarget(profile);
      throwIfAborted(signal);
      if (rejected.rows > 0)
        await writeRejected(
          db,
          files.map((file) => file.name),
          outDir,
        );
      await writeAside(join(outDir, 'profile.json'), JSON.stringify(DatasetProfile.parse(profile)));
      await rename(part, join(outDir, 'data.parquet'));
      onProgress?.(1, 'done');
      return profile;
    });
  } catch (error) {
    throw await brokenParquet(error, files);
  } finally {
    for (const file of [part, markedOf(part), `${part}.hashed`]) await rm(file, { force: true });
  }
};

/** The key to hash by; null where ids are kept as they are. */
const secretOf = ({ options, customerSecret }: IngestRequest): string | null => {
  if (options.hashCustomers !== true) return null;
  if (customerSecret !== undefined) return customerSecret;
  throw new CloveError(
    'invalid-input',
    'hashCustomers needs a key of this installation: set CUSTOMER_ID_SECRET, 16 to 64 characters that never change.',
    { pointer: '/hashCustomers' },
  );
};

/** Where rows lie that are written anew without the broken ones. */
const markedOf = (part: string): string => `${part}.marked`;

/** What DuckDB finds wrong with the pages of a Parquet file only as it reads them; any other error passes. */
const brokenParquet = async (error: unknown, files: readonly IngestFile[]): Promise<unknown> => {
  if (!(error instanceof Error) || error instanceof CloveError || !/^(Invalid|Serialization) /.test(error.message))
    return error;
  const parquets: string[] = [];
  for (const { name, path } of files) if ((await inspect(name, path)).format === 'parquet') parquets.push(name);
  if (parquets.length === 0) return error;
  return new CloveError(
    'data-unreadable',
    `${parquets.join(', ')} cannot be read to the end: broken Parquet, or texts that are not UTF-8. Write it anew.`,
    { cause: error },
  );
};

/** What an ingest reads and writes. */
const reachOf = ({ files, outDir }: IngestRequest) => ({ files: files.map(({ path }) => path), folders: [outDir] });

/** One thread alone cuts row groups in other places than several do; two give the bytes that any number gives. */
const threadsOf = ({ threads }: DuckOptions): number => Math.max(2, threads ?? availableParallelism());

/** Writes transactions in the order of the query, whatever the number of threads. */
const writeTransactions = (db: Duck, select: string, file: string): Promise<void> =>
  db.run(`COPY (${select}) TO ${literal(file)} ${TRANSACTIONS_FILE}`);

const writeAside = async (path: string, text: string): Promise<void> => {
  await writeFile(`${path}.part`, text);
  await rename(`${path}.part`, path);
};

const refuse = (message: string): never => {
  throw new CloveError('invalid-input', message);
};

/** The kind that the options already decide, null where it has to be found out. Error 'invalid-input' where they disagree. */
const agreedKind = (options: IngestOptions): DatasetKind | null => {
  const mapped = Object.values(options.mapping).some((column) => column !== undefined);
  const features: string[] = (['idColumn', 'targetColumn'] as const).filter((option) => options[option] !== undefined);
  if (options.ignoreColumns.length > 0) features.push('ignoreColumns');
  if (options.preset !== undefined && mapped) refuse('Give either a preset or a mapping: a preset knows its columns.');
  const transactions = options.preset !== undefined || mapped || options.orderStatuses !== undefined;
  if (transactions && (options.kind === 'features' || features.length > 0))
    refuse(
      `${options.preset === undefined ? 'A mapping' : `The preset ${options.preset}`} is for transactions; ${features.length > 0 ? features.join(', ') : 'the kind features'} is not.`,
    );
  if (options.kind === 'transactions' && features.length > 0)
    refuse(`${features.join(', ')} is for the kind features.`);
  if (options.kind !== undefined) return options.kind;
  if (transactions) return 'transactions';
  return features.length > 0 ? 'features' : null;
};

/** Reads the files: the rejected rows are in `rejects` then, and the others either in `part` or what `select` gives. */
const read = async (
  db: Duck,
  { files, options, signal, onProgress }: IngestRequest,
  kind: DatasetKind | null,
  part: string,
): Promise<Ready> => {
  const recognised: Recognised[] = [];
  for (const [i, file] of files.entries()) recognised.push(await recognise(db, { file: i, ...file }, options));
  const [first] = recognised;
  if (first?.format === 'csv' && recognised.length === 1 && options.preset === undefined && kind !== 'features') {
    onProgress?.(0, `reading ${first.name}`);
    const direct = await ingestDirect(db, first, options, part);
    if (direct !== null) return transactionsReady(db, direct.planned, [direct.source], part);
  }
  if (first?.format === 'csv' && recognised.length === 1 && options.preset === undefined && kind !== 'transactions') {
    onProgress?.(0, `reading ${first.name}`);
    const stage = markedOf(part);
    const typed = await ingestTyped(db, first, options, kind, stage);
    if (typed?.canonical === true) {
      await rename(stage, part);
      return readyFeatures([typed.source], typed.plan);
    }
    if (typed !== null) return featuresReady(db, [typed.source], typed.plan, part);
  }
  const opening = {
    signal,
    onOpen: (file: Recognised, done: number) => onProgress?.((0.5 * done) / files.length, `reading ${file.name}`),
  };
  if (options.preset === 'olist') {
    const { tables, warnings } = await openOlist(db, recognised, opening);
    onProgress?.(0.5, 'checking');
    const { planned, select } = await planOlist(db, tables, options);
    const sources = [...tables.values()].toSorted((a, b) => a.file - b.file);
    return readyTransactions({ ...planned, warnings: [...warnings, ...planned.warnings] }, sources, select);
  }
  const sources = await openSources(db, recognised, opening);
  onProgress?.(0.5, 'checking');
  if (options.preset !== undefined) {
    const planned = await planPreset(db, options.preset, sources, options);
    await writeTransactions(db, markedTransactions(planned.plan, transactionRules(planned.plan)), part);
    return transactionsReady(db, planned, sources, part);
  }
  const rows = concatenate(sources);
  const nameless = sources.find((source) => !source.hasHeader);
  if (nameless !== undefined && kind === null)
    throw new CloveError(
      'column-missing',
      `${nameless.name} has no header, so nothing says what its ${nameless.columns.length} columns mean. Give a mapping (columns are called column1, column2, …), ` +
        'the kind features, or a preset (cdnow has such files); if the first line is a header after all, give the option header.',
    );
  if ((kind ?? (await guessKind(db, rows)).kind) === 'transactions') {
    const planned = await planTransactions(db, rows, sources, options);
    await writeTransactions(db, markedTransactions(planned.plan, transactionRules(planned.plan)), part);
    return transactionsReady(db, planned, sources, part);
  }
  const plan = await planFeatures(
    db,
    rows,
    sources.map((source) => source.rows),
    options,
  );
  return featuresReady(db, sources, plan, part);
};

/** Takes the broken rows out of features, and writes the others to `part`. */
const featuresReady = async (
  db: Duck,
  sources: readonly Source[],
  plan: FeaturesPlan,
  part: string,
): Promise<Ready> => {
  await recordRejects(db, plan.checked, plan.rules);
  await db.run(`COPY (${plan.select}) TO ${literal(part)} ${FEATURES_FILE}`);
  return readyFeatures(sources, plan);
};

/** What is to be told of features that are written. */
const readyFeatures = (sources: readonly Source[], plan: FeaturesPlan): Ready => ({
  kind: 'features',
  sources,
  select: null,
  profile: { targetColumn: plan.targetColumn, idColumn: plan.idColumn, roles: plan.roles },
  mapping: {
    ...(plan.idColumn === null ? {} : { customer: plan.idColumn }),
    ...(plan.targetColumn === null ? {} : { target: plan.targetColumn }),
  },
  dateFormat: null,
  warnings: plan.warnings,
  judged: sources,
  advice:
    'Check the delimiter, the id column (idColumn, --id-column) and the target (targetColumn, --target); an order history needs the kind transactions.',
});

/** Takes the broken rows out of marked transactions in `part`; where there are some, the others are written anew. */
const transactionsReady = async (
  db: Duck,
  planned: Planned,
  sources: readonly Source[],
  part: string,
): Promise<Ready> => {
  const broken = await takeRejects(db, part, transactionRules(planned.plan), planned.judged);
  const marked = markedOf(part);
  if (broken > 0) await rename(part, marked);
  const select = broken === 0 ? null : `SELECT * FROM read_parquet(${literal(marked)}) WHERE ${WITHOUT_BROKEN}`;
  return readyTransactions(planned, sources, select);
};

/** What is to be told of transactions. @param select SQL of the rows, null where they are written */
const readyTransactions = (planned: Planned, sources: readonly Source[], select: string | null): Ready => ({
  kind: 'transactions',
  sources,
  select,
  profile: {},
  mapping: planned.mapping,
  dateFormat: planned.dateFormat,
  warnings: planned.warnings,
  judged: planned.judged,
  advice: [
    ...planned.warnings
      .filter(({ code }) => code === 'dates-mixed' || code === 'number-ambiguous')
      .map((w) => w.message),
    'Check the mapping of the columns, the date format (dateFormat, --date-format) and the delimiter.',
  ].join(' '),
});

const warnOfConstantTarget = (profile: DatasetProfile): void => {
  const target = profile.columns.find((column) => column.role === 'target');
  if (target !== undefined && target.min !== null && target.min === target.max)
    profile.warnings.push({
      code: 'target-constant',
      message: `The target "${target.name}" is ${target.min} in every row: nothing can be learned from it.`,
    });
};
