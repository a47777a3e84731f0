import { CloveError, type ModelMember } from '@clove/contracts';
import { type EncodingCounts, encode } from '../feature-schema.js';
import { sequenceWidth } from '../sequence-input.js';
import type { Table } from '../table.js';

/** What says how the rows of a member's graph are laid out. */
type Layout = Pick<ModelMember, 'anchored' | 'sequence'> & { schema: NonNullable<ModelMember['schema']> };

/** Columns of a member's graph. */
export const inputWidth = ({ schema, anchored, sequence }: Layout): number =>
  schema.width + (sequence === null ? 0 : sequenceWidth(sequence)) + (anchored ? 1 : 0);

/**
 * Rows of a member's graph: encoded features, then for one that reads sequences the values of the steps and their mask, then
 * the forecast in currency where it has an anchor.
 * @param counts grows by what was met in the features
 */
export const memberInput = (
  member: Layout,
  table: Table,
  forecast: Float64Array | null,
  counts: EncodingCounts,
): Float32Array => {
  const { schema, sequence } = member;
  const features = encode(schema, table, counts);
  const width = inputWidth(member);
  if (width === schema.width) return features;
  const x = new Float32Array(table.rows * width);
  for (let row = 0; row < table.rows; row += 1) {
    x.set(features.subarray(row * schema.width, (row + 1) * schema.width), row * width);
  }
  if (sequence !== null) {
    const read = table.sequence;
    if (read?.length !== sequence.length || read.channels !== sequence.channels) {
      throw new CloveError(
        'columns-mismatch',
        `The model reads the last ${sequence.length} order days of each customer, which these rows do not carry: score a transactions dataset.`,
      );
    }
    const values = sequence.length * sequence.channels;
    for (let row = 0; row < table.rows; row += 1) {
      const at = row * width + schema.width;
      x.set(read.values.subarray(row * values, (row + 1) * values), at);
      x.set(read.mask.subarray(row * sequence.length, (row + 1) * sequence.length), at + values);
    }
  }
  if (member.anchored && forecast !== null) {
    for (let row = 0; row < table.rows; row += 1) x[(row + 1) * width - 1] = forecast[row]!;
  }
  return x;
};
