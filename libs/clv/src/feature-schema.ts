import {
  type CategoricalFeature,
  CloveError,
  type DatasetKind,
  type Feature,
  type FeatureSchema,
  type NumericFeature,
  type Warning,
  compareColumns,
} from '@clove/contracts';
import * as tf from '@tensorflow/tfjs-core';
import type { Column, Table } from './table.js';

/** Up to so many categories become one-hot inputs; more are embedded. */
const MAX_ONE_HOT = 50;
/** Embedded categories of one column: its most frequent ones. */
const MAX_CATEGORIES = 1000;
/** A category in fewer training rows than this teaches nothing; it goes to the unknown bucket. */
const MIN_CATEGORY_ROWS = 5;
/** A text column with more distinct values than this, and than half of its values, is free text or an identifier. */
const MAX_DISTINCT_SHARE = 0.5;
/** A value farther from the mean, in standard deviations, counts as so far: one wild number must not decide a prediction. */
const FARTHEST = 10;
/** Tails are heavy beyond this skewness (Fisher-Pearson g1); the exponential distribution has 2. */
const HEAVY_SKEWNESS = 2;

/**
 * Learns from the training rows how each column becomes inputs of a network.
 *
 * - Text: one input for each category with at least 5 rows, and one for everything else (unseen, rare, missing); more than
 *   50 such categories, the 1,000 most frequent of them, are embedded instead (see embeddings.ts). A column with more distinct
 *   values than 50 and than half of its values is left out.
 * - Numbers: missing values become the median, and where training has some, one more input says so. Where |skewness| is above
 *   2 and sign(x)·ln(1+|x|) brings it nearer to 0, that is taken instead of x. Then (x − mean) / sd, cut
 *   off at ±10.
 * - Columns that are constant or empty in the training rows are left out.
 *
 * @param table the training rows and no others
 * @param columns names to learn from, in the order in which they become features
 * @returns the schema, and a warning for what was left out
 * @throws CloveError `column-missing` where the table lacks one; `not-enough-data` where no column is left
 */
export const fitSchema = (table: Table, columns: readonly string[]): { schema: FeatureSchema; warnings: Warning[] } => {
  const features: Feature[] = [];
  const constant: string[] = [];
  const manyValued: string[] = [];
  const rare: string[] = [];
  for (const name of columns) {
    const column = table.columns.get(name);
    if (column === undefined) {
      throw new CloveError(
        'column-missing',
        `There is no column "${name}"; there are ${listed([...table.columns.keys()])}.`,
      );
    }
    const fitted = column.kind === 'numeric' ? fitNumeric(name, column.values) : fitCategorical(name, column.values);
    if (fitted === 'constant') constant.push(name);
    else if (fitted === 'many-valued') manyValued.push(name);
    else if (fitted === 'rare') rare.push(name);
    else features.push(fitted);
  }
  const warnings: Warning[] = [];
  const leaveOut = (code: string, names: string[], why: string): void => {
    if (names.length === 0) return;
    const subject = names.length === 1 ? `Column ${listed(names)} was` : `${names.length} columns were`;
    const which = names.length === 1 ? '' : ` (${listed(names)})`;
    warnings.push({ code, message: `${subject} left out: ${why}${which}.`, count: names.length });
  };
  leaveOut('constant-column', constant, 'it holds one value, or none, in every training row');
  leaveOut(
    'too-many-values',
    manyValued,
    'it is text with a value of its own in most rows, such as a name, an identifier or a comment',
  );
  leaveOut('rare-values', rare, `no value of it occurs in ${MIN_CATEGORY_ROWS} training rows or more`);
  if (features.length === 0) {
    throw new CloveError(
      'not-enough-data',
      `No column is left to learn from. ${warnings.map(({ message }) => message).join(' ') || 'Bring at least one feature column.'}`,
    );
  }
  return { schema: { features, width: features.reduce((sum, feature) => sum + widthOf(feature), 0) }, warnings };
};

const fitNumeric = (name: string, values: Float64Array): NumericFeature | 'constant' => {
  const sorted = values.filter(isNumber).toSorted();
  const count = sorted.length;
  const missing = values.length - count;
  if (count === 0 || (sorted[0] === sorted[count - 1] && missing === 0)) return 'constant';
  const median = (sorted[(count - 1) >> 1]! + sorted[count >> 1]!) / 2;
  const filled = new Float64Array(values.length).fill(median);
  filled.set(sorted);
  const plain = moments(filled);
  let transform: NumericFeature['transform'] = 'none';
  let chosen = plain;
  if (Math.abs(plain.skewness) > HEAVY_SKEWNESS) {
    const logged = moments(filled.map(signedLog));
    if (Math.abs(logged.skewness) < Math.abs(plain.skewness)) {
      transform = 'signed-log';
      chosen = logged;
    }
  }
  // A column whose present values are all equal still tells which rows lack one; any scale will do for it.
  const sd = chosen.sd > 0 ? chosen.sd : 1;
  return { kind: 'numeric', name, transform, median, mean: chosen.mean, sd, missingIndicator: missing > 0 };
};

const fitCategorical = (
  name: string,
  values: readonly (string | null)[],
): CategoricalFeature | 'constant' | 'many-valued' | 'rare' => {
  const counts = new Map<string, number>();
  let present = 0;
  for (const value of values) {
    if (value === null) continue;
    present += 1;
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  if (counts.size === 0 || (counts.size === 1 && present === values.length)) return 'constant';
  if (counts.size > MAX_ONE_HOT && counts.size > MAX_DISTINCT_SHARE * present) return 'many-valued';
  const categories = [...counts]
    .filter(([, count]) => count >= MIN_CATEGORY_ROWS)
    .toSorted(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .slice(0, MAX_CATEGORIES)
    .map(([category]) => category);
  if (categories.length === 0) return 'rare';
  const feature = { kind: 'categorical', name, categories } as const;
  // Between 8 and 32 numbers: differences between a thousand places are not a thousand-fold.
  return categories.length > MAX_ONE_HOT ? { ...feature, embedding: Math.ceil(Math.sqrt(categories.length)) } : feature;
};

const moments = (values: Float64Array): { mean: number; sd: number; skewness: number } => {
  let mean = 0;
  values.forEach((value, i) => {
    mean += (value - mean) / (i + 1);
  });
  let second = 0;
  let third = 0;
  for (const value of values) {
    const d = value - mean;
    second += (d * d) / values.length;
    third += (d * d * d) / values.length;
  }
  const sd = Math.sqrt(second);
  return { mean, sd, skewness: sd > 0 ? third / sd ** 3 : 0 };
};

const signedLog = (x: number): number => Math.sign(x) * Math.log1p(Math.abs(x));

/** Beyond the range of Float32, in which inputs travel, a value counts as missing. */
const isNumber = (value: number): boolean => Number.isFinite(Math.fround(value));

/** Raw inputs of a feature: 1 for a number or an embedded text; the categories and the unknown bucket for other text. */
const widthOf = (feature: Feature): number =>
  feature.kind === 'numeric' || feature.embedding !== undefined ? 1 : feature.categories.length + 1;

/** What `encode` met; each map holds only features with a count above 0. */
export type EncodingCounts = {
  /** Texts that are no known category. */
  unknown: Map<string, number>;
  missing: Map<string, number>;
  /** Texts in a numeric feature that cannot be read as a number, taken as missing; with the first one. */
  unreadable: Map<string, { count: number; example: string; customer: string }>;
};

/** Nothing met yet. */
export const noCounts = (): EncodingCounts => ({ unknown: new Map(), missing: new Map(), unreadable: new Map() });

/**
 * Raw inputs of `model.onnx` for each row of a table: [rows, schema.width] row-major, numbers as they are, NaN where missing,
 * one-hots, and places of embedded categories. A column that the table lacks counts as missing in every row: let `matchColumns` decide first
 * whether that may be. Numbers written as text are read, `true` and `false` as 1 and 0.
 * @param counts grows by what was met, chunk after chunk
 */
export const encode = (schema: FeatureSchema, table: Table, counts: EncodingCounts): Float32Array => {
  const { width } = schema;
  const x = new Float32Array(table.rows * width);
  let offset = 0;
  for (const feature of schema.features) {
    const column = table.columns.get(feature.name);
    if (feature.kind === 'numeric') encodeNumeric(x, counts, feature, column, table, { width, offset });
    else encodeCategorical(x, counts, feature, column, table.rows, { width, offset });
    offset += widthOf(feature);
  }
  return x;
};

/**
 * What the user should know about the values that were scored. Missing values of a snapshot of transactions have a meaning
 * (a customer without a second order has no gap), so they are no news.
 */
export const encodingWarnings = (schema: FeatureSchema, counts: EncodingCounts, kind: DatasetKind): Warning[] => {
  const warnings: Warning[] = [];
  const tell = (code: string, met: ReadonlyMap<string, number>, what: (figures: string) => string): void => {
    if (met.size === 0) return;
    const figures = [...met].map(([name, count]) => `"${name}" ${count}`).join(', ');
    const total = [...met.values()].reduce((sum, count) => sum + count, 0);
    warnings.push({ code, message: what(figures), count: total });
  };
  tell(
    'unknown-category',
    counts.unknown,
    (figures) => `Values that training did not have, or hardly, were taken as unknown: ${figures}.`,
  );
  // Where training had missing values too, the model knows what to make of them.
  const expected = new Set(
    schema.features.filter((feature) => feature.kind === 'numeric' && feature.missingIndicator).map(({ name }) => name),
  );
  tell(
    'missing-value',
    new Map([...counts.missing].filter(([name]) => kind === 'features' && !expected.has(name))),
    (figures) =>
      `Missing values were filled, numbers with the median of the training rows, texts as unknown: ${figures}.`,
  );
  for (const [name, { count, example, customer }] of counts.unreadable) {
    warnings.push({
      code: 'text-in-number',
      message: `Column "${name}" must hold numbers; text in it was taken as missing, first "${example.slice(0, 60)}" of customer "${customer}".`,
      count,
    });
  }
  return warnings;
};

type Place = { width: number; offset: number };

const add = (counts: Map<string, number>, name: string, count: number): void => {
  if (count > 0) counts.set(name, (counts.get(name) ?? 0) + count);
};

const encodeNumeric = (
  x: Float32Array,
  { missing, unreadable }: EncodingCounts,
  { name }: NumericFeature,
  column: Column | undefined,
  table: Table,
  { width, offset }: Place,
): void => {
  let missed = 0;
  let unread = 0;
  let first = unreadable.get(name);
  for (let row = 0; row < table.rows; row += 1) {
    let value = Number.NaN;
    if (column?.kind === 'numeric') value = column.values[row]!;
    else if (column !== undefined) {
      const text = column.values[row] ?? null;
      if (text !== null) value = numberOf(text);
      if (text !== null && Number.isNaN(value)) {
        unread += 1;
        first ??= { count: 0, example: text, customer: table.ids[row]! };
      }
    }
    if (!isNumber(value)) {
      value = Number.NaN;
      missed += 1;
    }
    x[row * width + offset] = value;
  }
  if (first !== undefined) unreadable.set(name, { ...first, count: first.count + unread });
  add(missing, name, missed - unread);
};

const encodeCategorical = (
  x: Float32Array,
  { unknown, missing }: EncodingCounts,
  { name, categories, embedding }: CategoricalFeature,
  column: Column | undefined,
  rows: number,
  { width, offset }: Place,
): void => {
  const places = new Map(categories.map((category, i) => [category, i]));
  let missed = 0;
  let unseen = 0;
  for (let row = 0; row < rows; row += 1) {
    const value = textAt(column, row);
    const place = value === null ? undefined : places.get(value);
    if (value === null) missed += 1;
    else if (place === undefined) unseen += 1;
    if (embedding === undefined) x[row * width + offset + (place ?? categories.length)] = 1;
    else x[row * width + offset] = place ?? categories.length;
  }
  add(missing, name, missed);
  add(unknown, name, unseen);
};

const textAt = (column: Column | undefined, row: number): string | null => {
  if (column === undefined) return null;
  if (column.kind === 'categorical') return column.values[row] ?? null;
  const value = column.values[row]!;
  return Number.isNaN(value) ? null : String(value);
};

/**
 * A number written as text, as people and spreadsheets write it: surrounding blanks, `1e3`; `true` and `false` are 1 and 0.
 * NaN where it is none: no thousands separators, no decimal commas, no hexadecimal.
 */
export const numberOf = (text: string): number => {
  const trimmed = text.trim();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) return Number(trimmed);
  if (/^true$/i.test(trimmed)) return 1;
  return /^false$/i.test(trimmed) ? 0 : Number.NaN;
};

/** Inputs of the network itself: the raw ones and an indicator for each numeric feature that had missing values. */
export const preparedWidth = (schema: FeatureSchema): number =>
  schema.width + schema.features.filter((feature) => feature.kind === 'numeric' && feature.missingIndicator).length;

/**
 * Imputation, signed log, scaling and missing indicators as tfjs ops on the raw inputs of `encode`: [rows, schema.width] →
 * [rows, preparedWidth], behind the inputs the indicators and then the places of embedded categories, each in the order of
 * their features. The same function prepares the training
 * rows and is traced into `model.onnx`, so what is served is what was trained.
 */
export const prepareTensor = (schema: FeatureSchema): ((raw: tf.Tensor2D) => tf.Tensor2D) => {
  const fill: number[] = [];
  const logged: number[] = [];
  const mean: number[] = [];
  const scale: number[] = [];
  const indicators: number[] = [];
  const places: number[] = [];
  for (const feature of schema.features) {
    if (feature.kind === 'numeric') {
      if (feature.missingIndicator) indicators.push(fill.length);
      fill.push(feature.median);
      logged.push(feature.transform === 'signed-log' ? 1 : 0);
      mean.push(feature.mean);
      scale.push(1 / feature.sd);
    } else {
      if (feature.embedding !== undefined) places.push(fill.length);
      for (let i = 0; i < widthOf(feature); i += 1) {
        fill.push(0);
        logged.push(0);
        mean.push(0);
        scale.push(1);
      }
    }
  }
  const keep = logged.map((flag) => 1 - flag);
  return (raw) => {
    const missing = tf.isNaN(raw);
    const flags = tf.cast(missing, 'float32');
    // Every operand of `where` has the shape of `raw`: broadcasting inside it would write the number of rows into the graph.
    let value: tf.Tensor = tf.where(missing, tf.mul(flags, rowOf(fill)), raw);
    if (logged.includes(1)) {
      const log = tf.mul(tf.sign(value), tf.log1p(tf.abs(value)));
      value = tf.add(tf.mul(value, rowOf(keep)), tf.mul(log, rowOf(logged)));
    }
    const scaled: tf.Tensor2D = tf.clipByValue(tf.mul(tf.sub(value, rowOf(mean)), rowOf(scale)), -FARTHEST, FARTHEST);
    if (indicators.length + places.length === 0) return scaled;
    const others = fill.flatMap((_, column) => (places.includes(column) ? [] : [column]));
    const parts = places.length === 0 ? [scaled] : columnsOf(scaled, others);
    return tf.concat([...parts, ...columnsOf(flags, indicators), ...columnsOf(value, places)], 1);
  };
};

/** Some columns side by side; nothing where there are none. */
const columnsOf = (x: tf.Tensor, columns: readonly number[]): tf.Tensor2D[] =>
  columns.length === 0 ? [] : [tf.gather(x as tf.Tensor2D, tf.tensor1d([...columns], 'int32'), 1)];

const rowOf = (values: readonly number[]): tf.Tensor2D => tf.tensor2d([...values], [1, values.length]);

/**
 * Compares the features of a model with the columns that are there.
 * @returns features that are missing, to be filled as missing values and warned about, and columns that the model does
 * not know
 * @throws CloveError `columns-mismatch` naming all missing features where they are more than half of the model's
 */
export const matchColumns = (
  schema: FeatureSchema,
  available: readonly string[],
): { missing: string[]; surplus: string[] } => {
  const names = schema.features.map(({ name }) => name);
  const { missing, surplus } = compareColumns(schema, available);
  if (missing.length * 2 > names.length) {
    throw new CloveError(
      'columns-mismatch',
      `${missing.length} of the model's ${names.length} features are missing: ${missing.join(', ')}. ` +
        `${available.length === 0 ? 'There are no columns' : `There are ${listed(available)}`}; names must be written alike. ` +
        'Bring the missing columns, or choose a model that was trained on such data.',
    );
  }
  return { missing, surplus };
};

/** Names for a message: the first twenty and how many more. */
const listed = (names: readonly string[]): string =>
  names
    .slice(0, 20)
    .map((name) => `"${name}"`)
    .join(', ') + (names.length > 20 ? ` and ${names.length - 20} more` : '');
