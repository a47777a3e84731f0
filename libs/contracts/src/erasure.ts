import { z } from 'zod';
import { Instant, Warning, idOf } from './common.js';
import { JobStatus } from './job-status.js';

/** Customers of one erasure at most. */
export const ERASURE_CUSTOMERS = 1000;

/** Body of `POST /v1/erasures`. */
export const StartErasure = z.object({
  customers: z
    .array(z.string().trim().min(1).max(1000))
    .min(1)
    .max(ERASURE_CUSTOMERS)
    .describe(
      'ids of the customers as they were in the files; those of datasets with hashed ids are found by them too',
    ),
});
export type StartErasure = z.infer<typeof StartErasure>;

/** What an erasure has done, so far while its job is under way. */
export const ErasureResult = z.object({
  found: z.number().int().describe('customers of whom there were rows'),
  datasets: z.number().int().describe('datasets that were written anew without them'),
  datasetRows: z.number().int(),
  rejectedValues: z.number().int().describe('values in lists of rejected rows that named one of them'),
  uploads: z.number().int().describe('datasets whose files as they were uploaded are gone, for they named one of them'),
  predictions: z.number().int().describe('predictions that were written anew without them'),
  predictionRows: z.number().int(),
  texts: z.number().int().describe('warnings, errors, log lines and kept answers that named one of them'),
  warnings: z.array(Warning).describe('what could not be searched'),
});
export type ErasureResult = z.infer<typeof ErasureResult>;

/**
 * The erasure of customers from all datasets and predictions. Their ids are kept while its job is under way and not shown; then
 * only how many they were.
 */
export const Erasure = z.object({
  id: idOf('ers'),
  jobId: idOf('job'),
  status: JobStatus,
  customers: z.number().int().describe('how many were asked for'),
  result: ErasureResult,
  createdAt: Instant,
});
export type Erasure = z.infer<typeof Erasure>;

const ERASED = '[erased]';
const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/**
 * Finds any of these ids where it stands as a word, not in the middle of one.
 * @param ids at least one
 * @param letter regular expression of a character that words are made of
 */
export function naming(ids: readonly string[], letter = '[\\p{L}\\p{N}]'): RegExp {
  // the longest first: one may begin as another does
  const sorted = ids.toSorted((a, b) => b.length - a.length).map(escaped);
  return new RegExp(`(?<!${letter})(?:${sorted.join('|')})(?!${letter})`, 'gu');
}

/**
 * A message without these ids. Where one stands as a word it is taken out; one that could be a figure or an article only in
 * quotation marks, in which messages quote what users sent.
 */
export function withoutIds(text: string, ids: readonly string[]): string {
  const plain = ids.filter((one) => one.length > 2 && !/^\d+$/.test(one));
  const quoted = text.replaceAll(/"[^"]*"/g, (part) => part.replaceAll(naming(ids), ERASED));
  return plain.length === 0 ? quoted : quoted.replaceAll(naming(plain), ERASED);
}
