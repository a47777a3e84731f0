/** Numbers of one column, row by row; NaN where missing. */
export type NumericColumn = { kind: 'numeric'; values: Float64Array };
/** Texts of one column, row by row; null where missing. */
export type CategoricalColumn = { kind: 'categorical'; values: (string | null)[] };
export type Column = NumericColumn | CategoricalColumn;

/**
 * Customers in memory, column by column: what `data` reads, `clv` learns from and scoring encodes.
 * Every column and `ids` hold `rows` values. A whole training set, or one chunk of a scan.
 */
export type Table = { rows: number; ids: string[]; columns: ReadonlyMap<string, Column> };

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
});

/** Tables with the same columns of the same kinds, one below the other. At least one table. */
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
  return { rows, ids: tables.flatMap(({ ids }) => ids), columns: new Map(columns) };
};
