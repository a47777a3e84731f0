import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CloveError, DatasetProfile, type DatasetKind, type IngestOptions, type Warning } from '@clove/contracts';
import { literal, throwIfAborted, withDuck, type Duck, type DuckOptions } from './duck.js';
import { holdsDates, readDates } from './ingest/dates.js';
import { planFeatures } from './ingest/features.js';
import { candidates, customerTier, fold, mapColumns } from './ingest/mapping.js';
import { readNumbers, numberOf } from './ingest/numbers.js';
import { numberPart, planPreset, timePart, type Planned } from './ingest/presets.js';
import { concatenate, openSource, type Rows, type Source, type SourceColumn } from './ingest/read.js';
import { createRejects, figure, recordRejects, settleRejects } from './ingest/rejects.js';
import {
  allEmpty,
  canonicalTransactions,
  checkedTransactions,
  identifierOf,
  isWholeFloat,
  transactionRules,
} from './ingest/transactions.js';
import { profileParquet, type ProfileInput } from './profile.js';

/** Uploaded files: what each is called for people, and where it lies. */
export type IngestFile = { name: string; path: string };

export type IngestRequest = DuckOptions & {
  files: IngestFile[];
  options: IngestOptions;
  /** where `data.parquet` and `profile.json` go; made if it is not there */
  outDir: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((fraction: number, stage: string) => void) | undefined;
};

/** What the reading found out, ready to be written: SQL of the canonical rows and everything that the profile says. */
type Ready = {
  kind: DatasetKind;
  select: string;
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
 * rejected with a reason and their row number, the rest is written and profiled. Where half of the rows or more are
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
  await mkdir(outDir, { recursive: true });
  const part = join(outDir, 'data.parquet.part');
  try {
    return await withDuck(request, async (db) => {
      await createRejects(db);
      const sources: Source[] = [];
      for (const [i, file] of files.entries()) {
        onProgress?.((0.5 * i) / files.length, `reading ${file.name}`);
        sources.push(await openSource(db, { file: i, ...file }, options, signal));
      }
      onProgress?.(0.5, 'checking');
      const ready = await prepare(db, sources, options, kind);
      const { rejected, warnings } = await settleRejects(
        db,
        sources.map((source) => source.name),
        ready.judged,
        ready.advice,
      );
      onProgress?.(0.7, 'writing');
      await db.run(`COPY (${ready.select}) TO ${literal(part)} (FORMAT parquet, COMPRESSION zstd)`);
      const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM read_parquet(${literal(part)})`);
      if (rows === 0) throw new CloveError('data-empty', 'No row is left after the rows that cannot be used.');
      onProgress?.(0.85, 'profiling');
      const profile = await profileParquet(db, {
        ...ready.profile,
        parquet: part,
        kind: ready.kind,
        rejected,
        warnings: [...sources.flatMap((source) => source.warnings), ...ready.warnings, ...warnings],
        reading: {
          files: sources.map(({ name, rows: count, format, delimiter }) => ({ name, rows: count, format, delimiter })),
          mapping: ready.mapping,
          dateFormat: ready.dateFormat,
          preset: options.preset ?? null,
        },
      });
      warnOfConstantTarget(profile);
      throwIfAborted(signal);
      await writeAside(join(outDir, 'profile.json'), JSON.stringify(DatasetProfile.parse(profile)));
      await rename(part, join(outDir, 'data.parquet'));
      onProgress?.(1, 'done');
      return profile;
    });
  } finally {
    await rm(part, { force: true });
  }
};

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

const prepare = async (
  db: Duck,
  sources: readonly Source[],
  options: IngestOptions,
  kind: DatasetKind | null,
): Promise<Ready> => {
  if (options.preset !== undefined)
    return transactionsReady(db, await planPreset(db, options.preset, sources, options));
  const rows = concatenate(sources);
  const nameless = sources.find((source) => !source.hasHeader);
  if (nameless !== undefined && kind === null)
    throw new CloveError(
      'column-missing',
      `${nameless.name} has no header, so nothing says what its ${nameless.columns.length} columns mean. Give a mapping (columns are called column1, column2, …), ` +
        'the kind features, or a preset (cdnow has such files); if the first line is a header after all, give the option header.',
    );
  if ((kind ?? (await guessKind(db, rows))) === 'transactions')
    return transactionsReady(db, await planTransactions(db, rows, sources, options));
  const plan = await planFeatures(
    db,
    rows,
    sources.map((source) => source.rows),
    options,
  );
  await recordRejects(db, plan.checked, plan.rules);
  return {
    kind: 'features',
    select: plan.select,
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
  };
};

const transactionsReady = async (db: Duck, planned: Planned): Promise<Ready> => {
  const rules = transactionRules(planned.plan);
  await recordRejects(db, checkedTransactions(planned.plan, rules), rules);
  return {
    kind: 'transactions',
    select: canonicalTransactions(planned.plan, rules),
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
  };
};

const SAMPLE = 2000;
const sampleOf = (relation: string): string => `(SELECT * FROM ${relation} LIMIT ${SAMPLE})`;

/**
 * An order table has dates, amounts and a customer that comes more than once; a features table has a target, or one row
 * a customer. Where one of the three is missing the mapping says so by name.
 */
const guessKind = async (db: Duck, { columns, relation }: Rows): Promise<DatasetKind> => {
  if (columns.some((column) => fold(column.name) === 'clv')) return 'features';
  const customers = candidates(columns, 'customer');
  let times = 0;
  for (const column of candidates(columns, 'time')) if (await holdsDates(db, sampleOf(relation), column)) times += 1;
  const amounts =
    candidates(columns, 'amount').length +
    Math.min(candidates(columns, 'quantity').length, candidates(columns, 'price').length);
  if (times > 0 && amounts > 0) return 'transactions';
  const [customer] = customers;
  if (customer === undefined || customerTier(customer) !== 0 || (times === 0 && amounts === 0)) return 'features';
  const { repeated } = await db.row<{ repeated: boolean }>(
    `SELECT count(DISTINCT ${customer.sql}) < 0.5 * count(${customer.sql}) AS repeated FROM ${relation}`,
  );
  return repeated ? 'transactions' : 'features';
};

const planTransactions = async (
  db: Duck,
  rows: Rows,
  sources: readonly Source[],
  options: IngestOptions,
): Promise<Planned> => {
  const { relation, columns } = rows;
  const { mapped, warnings } = await mapColumns(columns, options.mapping, (column) =>
    holdsDates(db, sampleOf(relation), column),
  );
  const dates = await readDates(db, relation, mapped.time, options.dateFormat);
  if (dates.other !== null)
    warnings.push({
      code: 'dates-mixed',
      message: `The column "${mapped.time.name}" mixes date formats: ${figure(dates.read)} of ${figure(dates.present)} values are ${dates.format.name} and were read, others such as ${JSON.stringify(dates.other.example)} look like ${dates.other.name} and were not. Bring them to one format.`,
      count: dates.present - dates.read,
    });
  const number = async (column: SourceColumn) => {
    const reading = await readNumbers(db, relation, column);
    if (reading.ambiguous)
      warnings.push({
        code: 'number-ambiguous',
        message: `Numbers of the column "${column.name}" such as ${JSON.stringify(reading.example)} could have a thousands separator or a decimal comma; nothing in the column tells, so they were not read. Write them with a decimal point and no separators.`,
        count: reading.present - reading.read,
      });
    return reading.style;
  };
  const { customer, time, amount, quantity, price, order, product, category, paymentType, place } = mapped;
  const quantityStyle = quantity === undefined ? undefined : await number(quantity);
  const quantitySql = quantity === undefined ? null : numberOf(quantity, quantityStyle);
  let money: Planned['plan']['amount'];
  if (amount !== null) {
    const style = await number(amount);
    money = { sql: numberOf(amount, style), parts: [numberPart(amount, style)] };
  } else {
    const style = await number(price!);
    money = {
      sql: `(${quantitySql}) * (${numberOf(price!, style)})`,
      parts: [numberPart(quantity!, quantityStyle), numberPart(price!, style)],
    };
  }
  const whole = async (column: SourceColumn) =>
    (await db.row<{ whole: boolean }>(`SELECT ${isWholeFloat(column)} AS whole FROM ${relation}`)).whole;
  const used = Object.entries(mapped).filter(
    ([meaning, column]) => column !== null && !(meaning === 'price' && amount !== null),
  );
  return {
    plan: {
      relation,
      customer: { sql: identifierOf(customer, await whole(customer)), column: customer.name },
      time: timePart(time, dates.format),
      amount: money,
      order: order === undefined ? null : identifierOf(order, await whole(order)),
      product: product?.sql ?? null,
      category: category?.sql ?? null,
      paymentType: paymentType?.sql ?? null,
      place: place?.sql ?? null,
      quantity: quantitySql,
      rules: [],
      laterRules: [],
      empty: allEmpty(columns),
    },
    mapping: Object.fromEntries(used.map(([meaning, column]) => [meaning, column!.name])),
    dateFormat: dates.format.name,
    warnings,
    judged: sources,
  };
};

const warnOfConstantTarget = (profile: DatasetProfile): void => {
  const target = profile.columns.find((column) => column.role === 'target');
  if (target !== undefined && target.min !== null && target.min === target.max)
    profile.warnings.push({
      code: 'target-constant',
      message: `The target "${target.name}" is ${target.min} in every row: nothing can be learned from it.`,
    });
};
