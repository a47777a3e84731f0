import {
  type Column,
  type LearningData,
  type NumericColumn,
  type Sample,
  addDays,
  FORECAST_FEATURE_NAMES,
  SNAPSHOT_FEATURE_NAMES,
  SNAPSHOT_TARGET,
  forwardOrigins,
  isValidationCustomer,
  pickRows,
  randomSplit,
  stackTables,
  unobservedDays,
} from '@clove/clv';
import {
  CloveError,
  type DatasetProfile,
  type ProtocolReport,
  type TrainingOptions,
  type Warning,
} from '@clove/contracts';
import { type DuckOptions, loadFeatures, snapshot } from '@clove/data';

/** Rows for a training: who teaches, who steers early stopping, who judges at the end. */
export type Samples = {
  /** origins with their training and validation rows, and the customers of `test` without labels */
  data: LearningData;
  test: Sample;
  protocol: ProtocolReport;
  /** protocol forward only */
  windows: { trainingOrigins: string[]; testOrigin: string; horizonDays: number } | null;
  warnings: Warning[];
};

/** The options that say which rows there are. */
type SplitOptions = Pick<
  TrainingOptions,
  | 'target'
  | 'ignoreColumns'
  | 'testFraction'
  | 'validationFraction'
  | 'seed'
  | 'horizonDays'
  | 'testOrigin'
  | 'origins'
  | 'originStrideDays'
>;

export type Source = DuckOptions & {
  parquet: string;
  profile: DatasetProfile;
  options: SplitOptions;
  /** transactions: read the last order days of each customer too */
  sequence?: { length: number } | undefined;
  signal: AbortSignal;
};

/** Fewer customers than this teach a network nothing, and test nothing. */
const FEWEST_ROWS = 50;

/** Reads and splits a dataset by the protocol of its kind. */
export const readSamples = (source: Source, onStage: (stage: string) => void): Promise<Samples> =>
  source.profile.kind === 'features' ? fromFeatures(source, onStage) : fromTransactions(source, onStage);

/** Protocol `random`: customers without a target are left out, the rest split by the seed. */
const fromFeatures = async (source: Source, onStage: (stage: string) => void): Promise<Samples> => {
  const { options } = source;
  onStage('reading the features');
  const table = await loadFeatures(source);
  const target = requireTarget(source, (name) => table.columns.get(name)?.kind);
  const labels = table.columns.get(target) as NumericColumn;
  const warnings: Warning[] = [];
  const usable = Int32Array.from(labels.values.keys()).filter((row) => Number.isFinite(labels.values[row]!));
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const row of usable) [min, max] = [Math.min(min, labels.values[row]!), Math.max(max, labels.values[row]!)];
  requireRows(source, target, { all: table.rows, usable: usable.length, min, max }, warnings);
  const columns = featureColumns(source, [...table.columns.keys()], target, warnings);
  const split = randomSplit(usable, options);
  const sample = (rows: Int32Array): Sample => ({
    table: pickRows(table, rows),
    target: Float64Array.from(rows, (row) => labels.values[row]!),
  });
  const test = sample(split.test);
  return {
    data: {
      kind: 'features',
      target,
      horizonDays: null,
      columns,
      forecastColumns: [],
      origins: [{ train: sample(split.train), validation: sample(split.validation) }],
      latest: test.table,
    },
    test,
    protocol: {
      name: 'random',
      horizonDays: null,
      testOrigin: null,
      trainingOrigins: [],
      trainRows: split.train.length,
      validationRows: split.validation.length,
      testRows: split.test.length,
      seed: options.seed,
    },
    windows: null,
    warnings,
  };
};

/**
 * The target column that the options name, else the dataset's own.
 * @param kindOf the kind of a column, undefined where there is none
 * @throws CloveError target-missing
 */
export const requireTarget = (
  { profile, options }: Source,
  kindOf: (name: string) => Column['kind'] | undefined,
): string => {
  const target = options.target ?? profile.targetColumn ?? 'clv';
  const kind = kindOf(target);
  if (kind === undefined) {
    throw new CloveError('target-missing', `There is no target column "${target}". ${candidates(profile)}`);
  }
  if (kind !== 'numeric') {
    throw new CloveError('target-missing', `The target column "${target}" holds text. ${candidates(profile)}`);
  }
  return target;
};

/**
 * Warns of rows without a target.
 * @throws CloveError target-missing, not-enough-data, target-constant where the others teach nothing
 */
export const requireRows = (
  { profile }: Source,
  target: string,
  { all, usable, min, max }: { all: number; usable: number; min: number; max: number },
  warnings: Warning[],
): void => {
  if (usable === 0) {
    throw new CloveError(
      'target-missing',
      `The target column "${target}" is empty in every row. ${candidates(profile)}`,
    );
  }
  if (all > usable) {
    warnings.push({
      code: 'rows-without-target',
      message: `${all - usable} of ${all} customers have no "${target}" and were left out of training and test.`,
      count: all - usable,
    });
  }
  if (usable < FEWEST_ROWS) {
    throw new CloveError(
      'not-enough-data',
      `${usable} customers have a target; training needs at least ${FEWEST_ROWS}. Bring more customers.`,
    );
  }
  if (min === max) {
    throw new CloveError(
      'target-constant',
      `The target "${target}" is ${min} for every customer, so there is nothing to learn. Choose another target column.`,
    );
  }
};

/** Columns to learn from, and a warning where the dataset's own target is left out for another. */
export const featureColumns = (
  { profile, options }: Source,
  names: readonly string[],
  target: string,
  warnings: Warning[],
): string[] => {
  const role = new Map(profile.columns.map((column) => [column.name, column.role]));
  const unknown = options.ignoreColumns.filter((name) => !role.has(name) && !names.includes(name));
  if (unknown.length > 0) {
    throw new CloveError(
      'column-missing',
      `ignoreColumns names ${unknown.map((name) => `"${name}"`).join(', ')}, which the dataset does not have. Its columns: ${names.join(', ')}.`,
    );
  }
  const former = names.filter((name) => name !== target && role.get(name) === 'target');
  if (former.length > 0) {
    warnings.push({
      code: 'other-target-left-out',
      message: `Column "${former[0]}" is the dataset's own target, so the model for "${target}" does not learn from it.`,
    });
  }
  const out = new Set([target, ...former, ...options.ignoreColumns]);
  return names.filter((name) => {
    const known = role.get(name);
    return !out.has(name) && known !== 'ignored' && known !== 'id' && known !== 'customer';
  });
};

/** What could be the target instead. */
const candidates = (profile: DatasetProfile): string => {
  const numeric = profile.columns
    .filter(({ type, role }) => (type === 'number' || type === 'integer') && (role === 'feature' || role === 'target'))
    .map(({ name }) => name);
  return numeric.length === 0
    ? 'The dataset has no numeric column that could be one.'
    : `Name the column that holds what each customer spent (targetColumn when uploading, --target on the command line); numeric columns are: ${numeric.slice(0, 30).join(', ')}${numeric.length > 30 ? ', …' : ''}.`;
};

/**
 * Protocol `forward`: snapshots at each training origin, one below the other; the same customer is in training at every origin
 * or in validation at every origin. The test is everybody known at the test origin.
 */
const fromTransactions = async (source: Source, onStage: (stage: string) => void): Promise<Samples> => {
  const { profile, options } = source;
  const { horizonDays } = options;
  if (profile.firstTime === null || profile.lastTime === null) {
    throw new CloveError('data-empty', 'The dataset holds no transactions.');
  }
  const warnings: Warning[] = [];
  const { testOrigin, trainingOrigins } = forwardOrigins({
    firstDay: profile.firstTime.slice(0, 10),
    lastDay: profile.lastTime.slice(0, 10),
    horizonDays,
    testOrigin: options.testOrigin,
    origins: options.origins,
    strideDays: options.originStrideDays,
  });
  const lacking = unobservedDays({ lastDay: profile.lastTime.slice(0, 10), origin: testOrigin, horizonDays });
  if (lacking > 0) {
    warnings.push({
      code: 'label-window-cut',
      message: `The data ends ${lacking} of ${horizonDays} days before the horizon of the test origin ${testOrigin} does: those days count as days without a purchase.`,
      count: lacking,
    });
  }
  if (trainingOrigins.length < options.origins) {
    warnings.push({
      code: 'fewer-origins',
      message: `The history holds ${trainingOrigins.length} of the ${options.origins} training origins asked for, ${options.originStrideDays} days apart (${trainingOrigins.join(', ')}). A shorter horizon or stride gives more.`,
      count: trainingOrigins.length,
    });
  }
  const names = [...SNAPSHOT_FEATURE_NAMES, ...FORECAST_FEATURE_NAMES];
  const unknown = options.ignoreColumns.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new CloveError(
      'column-missing',
      `ignoreColumns names ${unknown.map((name) => `"${name}"`).join(', ')}; the features of a transactions dataset are: ${names.join(', ')}.`,
    );
  }
  if (options.target !== undefined) {
    warnings.push({
      code: 'target-not-used',
      message: `The target of a transactions dataset is the spend of the next ${horizonDays} days; the option target ("${options.target}") is for features datasets and was not used.`,
    });
  }

  const origins: { train: Sample; validation: Sample }[] = [];
  for (const origin of trainingOrigins) {
    onStage(`features as of ${origin}`);
    origins.push(splitCustomers(await labelledSnapshot(source, origin), options));
  }
  const samples = stackOrigins(origins);
  if (samples.train.table.rows + samples.validation.table.rows < FEWEST_ROWS || samples.validation.table.rows === 0) {
    throw new CloveError(
      'not-enough-data',
      `The training origins ${trainingOrigins.join(', ')} see ${samples.train.table.rows} customers for training and ${samples.validation.table.rows} for validation; ` +
        `at least ${FEWEST_ROWS} in all are needed. Bring more customers or a longer history, or choose a shorter horizon than ${horizonDays} days, so that the origins can lie later.`,
    );
  }
  const [first] = samples.train.target;
  if (samples.train.target.every((value) => value === first)) {
    throw new CloveError(
      'target-constant',
      `Every training customer spends ${first} in the ${horizonDays} days after ${trainingOrigins.join(', ')}, so there is nothing to learn. Choose a longer horizon or another test origin.`,
    );
  }
  onStage(`features as of ${testOrigin}`);
  const test = await labelledSnapshot(source, testOrigin);
  return {
    data: {
      kind: 'transactions',
      target: SNAPSHOT_TARGET,
      horizonDays,
      columns: SNAPSHOT_FEATURE_NAMES.filter((name) => !options.ignoreColumns.includes(name)),
      forecastColumns: FORECAST_FEATURE_NAMES.filter((name) => !options.ignoreColumns.includes(name)),
      origins,
      latest: test.table,
    },
    test,
    protocol: {
      name: 'forward',
      horizonDays,
      testOrigin,
      trainingOrigins,
      trainRows: samples.train.table.rows,
      validationRows: samples.validation.table.rows,
      testRows: test.table.rows,
      seed: options.seed,
    },
    windows: { trainingOrigins, testOrigin, horizonDays },
    warnings,
  };
};

const labelledSnapshot = async (source: Source, asOf: string): Promise<Sample> => {
  const { horizonDays } = source.options;
  const table = await snapshot({ ...source, asOf, horizonDays });
  const labels = table.columns.get(SNAPSHOT_TARGET);
  if (labels?.kind !== 'numeric') throw new CloveError('internal', 'The snapshot came without its target.');
  return { table, target: labels.values };
};

/** The same customer is in validation at every origin, or at none. */
const splitCustomers = (seen: Sample, o: SplitOptions): { train: Sample; validation: Sample } => {
  const held = seen.table.ids.map((id) => isValidationCustomer(id, o.validationFraction, o.seed));
  const rows = Int32Array.from(held.keys());
  return {
    train: pickSample(
      seen,
      rows.filter((row) => !held[row]!),
    ),
    validation: pickSample(
      seen,
      rows.filter((row) => held[row]!),
    ),
  };
};

const pickSample = ({ table, target }: Sample, rows: Int32Array): Sample => ({
  table: pickRows(table, rows),
  target: Float64Array.from(rows, (row) => target[row]!),
});

/** Training and validation rows of all origins. */
export const stackOrigins = (origins: LearningData['origins']): { train: Sample; validation: Sample } => ({
  train: stackSamples(origins.map(({ train }) => train)),
  validation: stackSamples(origins.map(({ validation }) => validation)),
});

/** Shorter label windows than this say little about a longer horizon. */
const SHORTEST_REHEARSAL_DAYS = 14;

/**
 * The same problem once more, all of it before the test origin: models learn at origins whose labels end by a validation
 * origin, and are judged there on labels that end by the test origin. What is chosen between models is chosen here. Where the
 * history is too short for the whole horizon (one horizon of history must lie before the first labels), a half, third or
 * quarter of it is rehearsed. A features dataset rehearses on its validation rows.
 * @returns null where the history holds no rehearsal
 */
export const readRehearsal = async (
  source: Source,
  samples: Samples,
  onStage: (stage: string) => void,
): Promise<Samples | null> => {
  const { options, profile } = source;
  const { data, windows } = samples;
  if (windows === null) {
    const [{ train, validation }] = data.origins as [LearningData['origins'][number]];
    const split = randomSplit(Int32Array.from(train.target.keys()), { ...options, testFraction: 0.01 });
    const inner = pickSample(train, split.train);
    return {
      ...samples,
      data: {
        ...data,
        origins: [{ train: inner, validation: pickSample(train, split.validation) }],
        latest: validation.table,
      },
      test: validation,
    };
  }
  const { testOrigin, horizonDays: whole } = windows;
  const firstDay = profile.firstTime!.slice(0, 10);
  for (const part of [1, 2, 3, 4]) {
    const horizonDays = Math.floor(whole / part);
    if (horizonDays < SHORTEST_REHEARSAL_DAYS) return null;
    const validationOrigin = addDays(testOrigin, -horizonDays);
    if (addDays(validationOrigin, -2 * horizonDays) < firstDay) continue;
    onStage(`rehearsal as of ${validationOrigin}`);
    const origins = Array.from({ length: options.origins }, (_, k) =>
      addDays(validationOrigin, -horizonDays - k * options.originStrideDays),
    ).filter((origin, k) => k === 0 || addDays(origin, -horizonDays) >= firstDay);
    try {
      return await fromTransactions(
        {
          ...source,
          options: { ...options, horizonDays, testOrigin: validationOrigin, origins: origins.length },
        },
        onStage,
      );
    } catch (error) {
      if (!(error instanceof CloveError) || (error.code !== 'not-enough-data' && error.code !== 'target-constant'))
        throw error;
    }
  }
  return null;
};

/** Whether a rehearsal had the horizon that is to be predicted, not a part of it. */
export const wholeHorizon = (rehearsal: Samples, samples: Samples): boolean =>
  rehearsal.data.horizonDays === samples.data.horizonDays;

/** Samples with the same columns, one below the other. */
const stackSamples = (samples: readonly Sample[]): Sample => {
  const table = stackTables(samples.map(({ table }) => table));
  const target = new Float64Array(table.rows);
  let offset = 0;
  for (const sample of samples) {
    target.set(sample.target, offset);
    offset += sample.table.rows;
  }
  return { table, target };
};
