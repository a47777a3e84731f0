import { z } from 'zod';
import { Instant, Name, Warning, idOf } from './common.js';

/** `transactions`: one row a purchase line. `features`: one row a customer, target `clv` optional. */
export const DatasetKind = z.enum(['transactions', 'features']);
export type DatasetKind = z.infer<typeof DatasetKind>;

/** Known public layouts that need no mapping. */
export const Preset = z.enum(['olist', 'cdnow', 'online-retail']);
export type Preset = z.infer<typeof Preset>;

/** A currency by its ISO 4217 code; amounts are shown with it and never converted. */
export const Currency = z.string().regex(/^[A-Z]{3}$/, 'must be three capital letters, such as EUR');
export type Currency = z.infer<typeof Currency>;

const column = z.string().min(1).max(300);

/**
 * Which columns of an order file mean what. `amount`, or `quantity` and `price`, must be there. What is left out is
 * guessed from the header where that is unambiguous. Negative amounts are returns.
 */
export const TransactionMapping = z.object({
  customer: column.optional().describe('column of the customer id'),
  time: column.optional().describe('column of the date or time of the purchase'),
  amount: column.optional().describe('column of the money spent; negative for a return'),
  quantity: column.optional().describe('column of the number of pieces, used with price'),
  price: column.optional().describe('column of the price of one piece, used with quantity'),
  order: column
    .optional()
    .describe('order or invoice number; without it the purchases of one customer at one time are one order'),
  product: column.optional().describe('column of the product'),
  category: column.optional().describe('column of the product category'),
  paymentType: column.optional().describe('column of the way of paying'),
  place: column.optional().describe("column of the customer's city, region or country"),
});
export type TransactionMapping = z.infer<typeof TransactionMapping>;

/** How to read the uploaded files. Everything is optional: what is not said is detected and reported. */
export const IngestOptions = z.object({
  kind: DatasetKind.optional().describe('detected from the header when left out'),
  preset: Preset.optional().describe('a known public layout, which needs no mapping'),
  mapping: TransactionMapping.default({}),
  delimiter: z
    .string()
    .length(1)
    .regex(
      /^(?:\t|[^"\p{Cc}\p{Cs}])$/u,
      'must be a tab or a character that is no quote, line end or other control character',
    )
    .optional()
    .describe('one character between the fields; detected when left out'),
  header: z.boolean().optional().describe('whether the first line names the columns; detected when left out'),
  dateFormat: z
    .string()
    .max(60)
    .optional()
    .describe('strptime form such as %d/%m/%Y; detected when left out, refused when two forms would both fit'),
  idColumn: column.optional().describe('features: the customer id; found by content when left out'),
  ignoreColumns: z.array(column).max(1000).default([]).describe('features: columns that are no features'),
  targetColumn: column.optional().describe('features: the target; `clv` when left out'),
  orderStatuses: z
    .array(z.string().max(60))
    .max(20)
    .optional()
    .describe('olist: which orders count; delivered when left out'),
  currency: Currency.optional().describe('of all amounts, by its ISO 4217 code; none when left out'),
  hashCustomers: z
    .boolean()
    .optional()
    .describe(
      'keep customer ids as HMAC-SHA256 by CUSTOMER_ID_SECRET, and neither the ids nor the files as they were sent',
    ),
});
export type IngestOptions = z.infer<typeof IngestOptions>;

/** Synthetic data, the same bytes for the same seed and size. */
export const GeneratorOptions = z.object({
  generator: DatasetKind.describe('transactions: an order history; features: the 16-column customer table'),
  customers: z.number().int().min(1).max(50_000_000).describe('number of customers'),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(42)
    .describe('the same seed gives the same data'),
  currency: Currency.optional().describe('what amounts are shown in, by its ISO 4217 code; none when left out'),
});
export type GeneratorOptions = z.infer<typeof GeneratorOptions>;

export const HistogramBin = z.object({ from: z.number(), to: z.number(), count: z.number().int() });
export type HistogramBin = z.infer<typeof HistogramBin>;

/** What one column holds. Numeric figures are null for text columns and the other way round. */
export const ColumnProfile = z.object({
  name: z.string(),
  type: z.enum(['number', 'integer', 'boolean', 'timestamp', 'text']),
  role: z.enum(['customer', 'time', 'amount', 'order', 'attribute', 'id', 'target', 'feature', 'ignored']),
  missing: z.number().int(),
  distinct: z.number().int().describe('approximate above 10,000'),
  min: z.union([z.number(), z.string()]).nullable(),
  max: z.union([z.number(), z.string()]).nullable(),
  mean: z.number().nullable(),
  sd: z.number().nullable(),
  quantiles: z
    .object({
      p01: z.number(),
      p05: z.number(),
      p25: z.number(),
      p50: z.number(),
      p75: z.number(),
      p95: z.number(),
      p99: z.number(),
    })
    .nullable()
    .describe('from evenly spaced rows above 100,000'),
  histogram: z.array(HistogramBin).nullable().describe('from evenly spaced rows above 100,000, scaled to all values'),
  categories: z
    .array(z.object({ value: z.string(), count: z.number().int() }))
    .nullable()
    .describe('the 20 most frequent values'),
});
export type ColumnProfile = z.infer<typeof ColumnProfile>;

/** A row that was not taken, and why. `row` counts data rows of that file from 1, the header not counted. */
export const RejectedRow = z.object({
  file: z.string(),
  row: z.number().int(),
  column: z.string().nullable(),
  value: z.string().nullable(),
  reason: z.string(),
});
export type RejectedRow = z.infer<typeof RejectedRow>;

/** What an ingest found: written beside the canonical Parquet as `profile.json`. */
export const DatasetProfile = z.object({
  kind: DatasetKind,
  rows: z.number().int().describe('rows taken'),
  customers: z.number().int(),
  orders: z.number().int().nullable(),
  rejectedRows: z.number().int(),
  rejectedByReason: z.array(z.object({ reason: z.string(), count: z.number().int() })),
  rejectedSample: z.array(RejectedRow).max(1000),
  duplicateRows: z
    .number()
    .int()
    .describe('rows equal to another in every column; kept, for they can be real purchases'),
  firstTime: Instant.nullable(),
  lastTime: Instant.nullable(),
  totalAmount: z.number().nullable(),
  targetColumn: z.string().nullable().describe('features: the target, null where there is none'),
  idColumn: z.string().nullable().describe('features: the id column found or given; null where row numbers serve'),
  columns: z.array(ColumnProfile),
  warnings: z.array(Warning),
  reading: z
    .object({
      files: z.array(
        z.object({
          name: z.string(),
          rows: z.number().int(),
          format: z.enum(['csv', 'parquet']),
          delimiter: z.string().nullable(),
        }),
      ),
      mapping: z.record(z.string(), z.string()).describe('meaning to column, as used'),
      dateFormat: z.string().nullable(),
      preset: Preset.nullable(),
    })
    .nullable()
    .describe('how the files were read; null for generated data'),
  currency: Currency.optional().describe('left out where none was given'),
});
export type DatasetProfile = z.infer<typeof DatasetProfile>;

/** Where a dataset came from. */
export const DatasetSource = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('upload'),
    files: z.array(z.object({ name: z.string(), key: z.string(), bytes: z.number().int() })).min(1),
    options: IngestOptions,
  }),
  z.object({ type: z.literal('generator'), options: GeneratorOptions }),
]);
export type DatasetSource = z.infer<typeof DatasetSource>;

/** A dataset as the API shows it. Immutable once `ready`, but for the erasure of customers. */
export const Dataset = z.object({
  id: idOf('ds'),
  name: Name,
  status: z.enum(['pending', 'ready', 'failed']),
  kind: DatasetKind.nullable().describe('null until the ingest has found out'),
  rows: z.number().int().nullable(),
  customers: z.number().int().nullable(),
  rejectedRows: z.number().int().nullable(),
  source: z.object({
    type: z.enum(['upload', 'generator']),
    files: z.array(z.object({ name: z.string(), bytes: z.number().int() })),
    preset: Preset.nullable(),
  }),
  currency: Currency.nullable().describe('of all amounts; null where none was given'),
  warnings: z.array(Warning),
  revision: idOf('ers')
    .nullable()
    .describe('the erasure that wrote its files as they are now; null: they are as ingested'),
  erasedCustomers: z.number().int().describe('customers whose rows erasures took out'),
  erasedAt: Instant.nullable().describe('the last time that rows were taken out; null: never'),
  jobId: idOf('job').nullable(),
  createdAt: Instant,
});
export type Dataset = z.infer<typeof Dataset>;

/** What was made of a dataset, and what keeps it from being deleted. */
export const DatasetDependents = z.object({
  runs: z.number().int(),
  leaderboards: z.number().int(),
  evaluations: z.number().int(),
  predictions: z.number().int(),
  models: z.array(z.string()).describe('versions trained on it, as name@number; at most 100'),
  activeJobs: z
    .array(z.object({ id: z.string(), kind: z.string(), status: z.string() }))
    .describe('jobs that use it now: while there is one, it cannot be deleted'),
});
export type DatasetDependents = z.infer<typeof DatasetDependents>;

/** Body of `POST /v1/datasets/generate`. */
export const GenerateDataset = GeneratorOptions.extend({ name: Name.optional() });
export type GenerateDataset = z.infer<typeof GenerateDataset>;

/** One page of raw rows: column names once, then values by position. */
export const RowPage = z.object({
  columns: z.array(z.string()),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.boolean(), z.null()]))),
  offset: z.number().int(),
  total: z.number().int(),
});
export type RowPage = z.infer<typeof RowPage>;
