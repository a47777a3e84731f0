/** Numbers of one column, row by row; NaN where missing. */
export type NumericColumn = { kind: 'numeric'; values: Float64Array };
/** Texts of one column, row by row; null where missing. */
export type CategoricalColumn = { kind: 'categorical'; values: (string | null)[] };
export type Column = NumericColumn | CategoricalColumn;

/**
 * The last steps of each row's history, oldest first, the latest in the last place: rows with fewer than `length` steps
 * are padded in front. What stands in the padding is 0.
 */
export type Sequence = {
  length: number;
  channels: number;
  /** [rows, length, channels] row-major */
  values: Float32Array;
  /** [rows, length]: 1 where there is a step, 0 in the padding */
  mask: Float32Array;
};

/**
 * Customers in memory, column by column: what `data` reads, `clv` learns from and scoring encodes.
 * Every column and `ids` hold `rows` values. A whole training set, or one chunk of a scan. `sequence` is there where it
 * was asked for.
 */
export type Table = {
  rows: number;
  ids: string[];
  columns: ReadonlyMap<string, Column>;
  sequence?: Sequence | undefined;
};

/** The rows of `table` with the numbers given, in that order. */
export const pickRows = (table: Table, rows: Int32Array): Table => ({
  rows: rows.length,
  ids: Array.from(rows, (row) => table.ids[row]!),
  columns: new Map(
    [...table.columns].map(([name, column]): [string, Column] => [
      name,
      column.kind === 'numeric'
        ? { kind: 'numeric', values: Float64Array.from(rows, (row) => column.values[row]!) }
        : { kind: 'categorical', values: Array.from(rows, (row) => column.values[row] ?? null) },
    ]),
  ),
  ...(table.sequence === undefined ? {} : { sequence: pickSteps(table.sequence, rows) }),
});

const pickSteps = (sequence: Sequence, rows: Int32Array): Sequence => {
  const pick = (from: Float32Array, width: number): Float32Array => {
    const to = new Float32Array(rows.length * width);
    rows.forEach((row, i) => to.set(from.subarray(row * width, (row + 1) * width), i * width));
    return to;
  };
  const { length, channels, values, mask } = sequence;
  return { length, channels, values: pick(values, length * channels), mask: pick(mask, length) };
};

/** Tables with the same columns of the same kinds, and sequences of one shape or none, one below the other. At least one table. */
export const stackTables = (tables: readonly Table[]): Table => {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const columns = [...tables[0]!.columns].map(([name, { kind }]): [string, Column] => {
    if (kind === 'categorical') {
      const parts = tables.flatMap(({ columns }) => columns.get(name) ?? []);
      return [name, { kind, values: parts.flatMap((part) => (part.kind === kind ? part.values : [])) }];
    }
    const values = new Float64Array(rows);
    let offset = 0;
    for (const table of tables) {
      const column = table.columns.get(name);
      if (column?.kind === kind) values.set(column.values, offset);
      offset += table.rows;
    }
    return [name, { kind, values }];
  });
  const sequences = tables.flatMap(({ sequence }) => sequence ?? []);
  return {
    rows,
    ids: tables.flatMap(({ ids }) => ids),
    columns: new Map(columns),
    ...(sequences.length === 0 ? {} : { sequence: stackSteps(sequences) }),
  };
};

const stackSteps = (sequences: readonly Sequence[]): Sequence => {
  const stack = (parts: readonly Float32Array[]): Float32Array => {
    const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    return whole;
  };
  const { length, channels } = sequences[0]!;
  return {
    length,
    channels,
    values: stack(sequences.map(({ values }) => values)),
    mask: stack(sequences.map(({ mask }) => mask)),
  };
};
