import {
  type Column,
  type OpenPredictor,
  SNAPSHOT_FEATURE_NAMES,
  encodingWarnings,
  matchColumns,
  noCounts,
  numberOf,
} from '@clove/clv';
import { CloveError, type ScoreRequest, type ScoreResponse, type Warning, columnWarnings } from '@clove/contracts';

type Rows = ScoreRequest['rows'];
type Value = Rows[number][string];

/** Names under which rows may carry the customer's id, beside the id column that the model was trained with. */
const ID_NAMES = ['customer_id'];
const MOST_ERRORS = 20;

/**
 * Scores rows of JSON at once. A model of a features dataset takes its feature columns, one of a transactions dataset the
 * snapshot features (`orders`, `revenue`, `recency_days`, …). The id is the value of the model's id column or of
 * `customer_id`, else the row's number from 1. `null` and an empty text are missing; numbers written as text are read and
 * reported.
 * @throws CloveError `columns-mismatch` where more than half of the features are missing in all rows; `invalid-input`
 * with a pointer such as `/rows/3/age` for each text in a numeric feature
 */
export const scoreRows = async (
  model: OpenPredictor,
  rows: Rows,
): Promise<Pick<ScoreResponse, 'predictions' | 'warnings'>> => {
  const { manifest } = model;
  const { schema } = manifest;
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  const idColumn = [manifest.idColumn, ...ID_NAMES].find((name) => name !== null && names.has(name)) ?? null;
  const { missing, surplus } = matched(model, [...names]);
  const unused = surplus.filter((name) => name !== idColumn && name !== manifest.target);
  const warnings = columnWarnings(manifest, missing, unused);

  const errors: { pointer: string; detail: string }[] = [];
  const textual = new Map<string, number>();
  const columns = new Map<string, Column>();
  if (model.sequence !== null) {
    throw new CloveError(
      'kind-mismatch',
      "This model reads each customer's orders one after the other, which rows of features do not carry. Upload the purchases and start a prediction, or choose another model.",
    );
  }
  const text = new Set(schema.features.filter((feature) => feature.kind === 'categorical').map(({ name }) => name));
  for (const name of model.columns) {
    if (!names.has(name)) continue;
    const kind = text.has(name) || name === 'place' ? 'categorical' : 'numeric';
    if (kind === 'categorical') {
      columns.set(name, { kind, values: rows.map((row) => textOf(row[name])) });
      continue;
    }
    const values = Float64Array.from(rows, (row, i) => {
      const value = row[name];
      if (typeof value !== 'string') return numericOf(value);
      if (value.trim() === '') return Number.NaN;
      const number = numberOf(value);
      if (Number.isNaN(number)) {
        const shown = JSON.stringify(value.slice(0, 60));
        errors.push({ pointer: pointerTo(i, name), detail: `"${name}" must be a number, not the text ${shown}` });
      } else textual.set(name, (textual.get(name) ?? 0) + 1);
      return number;
    });
    columns.set(name, { kind, values });
  }
  if (errors.length > 0) {
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more such values)` : '';
    throw new CloveError('invalid-input', `${errors[0]!.pointer}: ${errors[0]!.detail}${more}.`, {
      errors: errors.slice(0, MOST_ERRORS),
    });
  }
  if (textual.size > 0) warnings.push(numbersAsText(textual));

  const ids = rows.map((row, i) => (idColumn === null ? null : textOf(row[idColumn])) ?? String(i + 1));
  const counts = noCounts();
  const { predicted, pBuy, low, high } = await model.score({ rows: rows.length, ids, columns }, counts);
  for (const name of missing) counts.missing.delete(name); // said already
  return {
    predictions: ids.map((customer_id, i) => ({
      customer_id,
      predicted_clv: predicted[i]!,
      p_buy: pBuy?.[i] ?? null,
      low: low[i]!,
      high: high[i]!,
    })),
    warnings: [...warnings, ...encodingWarnings(schema, counts, manifest.kind)],
  };
};

const matched = ({ manifest }: OpenPredictor, available: string[]): ReturnType<typeof matchColumns> => {
  try {
    return matchColumns(manifest.schema, available);
  } catch (error) {
    if (!(error instanceof CloveError) || manifest.kind === 'features') throw error;
    throw new CloveError(
      'columns-mismatch',
      `This model was trained on purchases, so each row must carry the snapshot features of a customer (${SNAPSHOT_FEATURE_NAMES.slice(0, 8).join(', ')}, …). ` +
        `To score from purchases, upload them and start a prediction. ${error.message}`,
      { cause: error },
    );
  }
};

/** NaN where missing. */
const numericOf = (value: Exclude<Value, string> | undefined): number => (value === null ? Number.NaN : Number(value));

const textOf = (value: Value | undefined): string | null =>
  value === null || value === undefined || value === '' ? null : String(value);

/** JSON pointer (RFC 6901) into the request. */
const pointerTo = (row: number, name: string): string =>
  `/rows/${row}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

const numbersAsText = (textual: ReadonlyMap<string, number>): Warning => ({
  code: 'numbers-as-text',
  message: `Numbers written as text were read as numbers: ${[...textual].map(([name, count]) => `"${name}" ${count}`).join(', ')}.`,
  count: [...textual.values()].reduce((sum, count) => sum + count, 0),
});
