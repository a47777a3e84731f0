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
