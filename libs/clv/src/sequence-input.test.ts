import { mapRows } from '@clove/engine';
import { expect, test } from 'vitest';
import { errorOf } from './network.test-support.js';
import { prepareSequence, sequenceWidth } from './sequence-input.js';
import type { Sequence } from './table.js';

// Two rows of three steps and two channels; the second channel is constant where steps count.
const sequence: Sequence = {
  length: 3,
  channels: 2,
  values: Float32Array.of(99, 99, 1, 5, 3, 5, 2, 5, 6, 5, 8, 5),
  mask: Float32Array.of(0, 1, 1, 1, 1, 1),
};

// Values step by step, then the mask.
const rows = Float32Array.of(99, 99, 1, 5, 3, 5, 0, 1, 1, 2, 5, 6, 5, 8, 5, 1, 1, 1);

test('channels are standardised by the steps that count; the mask stays', async () => {
  expect(sequenceWidth(sequence)).toBe(9);
  const x = await mapRows(prepareSequence(sequence), rows, 2, 9);
  const counting = [1, 3, 2, 6, 8];
  const sd = Math.sqrt(counting.reduce((sum, value) => sum + (value - 4) ** 2 / 5, 0));
  const at = (row: number, columns: number[]) => columns.map((column) => x[row * 9 + column]!);
  expect(
    errorOf(
      [...at(0, [2, 4]), ...at(1, [0, 2, 4])],
      counting.map((value) => (value - 4) / sd),
    ),
  ).toBeLessThan(1e-6);
  expect([...at(0, [3, 5]), ...at(1, [1, 3, 5])]).toEqual([0, 0, 0, 0, 0]);
  expect([...at(0, [6, 7, 8]), ...at(1, [6, 7, 8])]).toEqual([0, 1, 1, 1, 1, 1]);
});

test('sequences without a single step are refused', () => {
  expect(() => prepareSequence({ ...sequence, mask: new Float32Array(6) })).toThrow(
    expect.objectContaining({ code: 'not-enough-data' }),
  );
});
