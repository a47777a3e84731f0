import { expect, test } from 'vitest';
import { type Table, pickRows, stackTables } from './table.js';

const table: Table = {
  rows: 3,
  ids: ['a', 'b', 'c'],
  columns: new Map([
    ['n', { kind: 'numeric', values: Float64Array.of(1, Number.NaN, 3) }],
    ['t', { kind: 'categorical', values: ['x', null, 'z'] }],
  ]),
};

test('picked rows come in the order asked for, and stacking the picks gives them all', () => {
  const picked = pickRows(table, Int32Array.of(2, 0));
  expect(picked.ids).toEqual(['c', 'a']);
  const stacked = stackTables([picked, pickRows(table, Int32Array.of(1)), pickRows(table, Int32Array.of())]);
  expect(stacked).toEqual({
    rows: 3,
    ids: ['c', 'a', 'b'],
    columns: new Map([
      ['n', { kind: 'numeric', values: Float64Array.of(3, 1, Number.NaN) }],
      ['t', { kind: 'categorical', values: ['z', 'x', null] }],
    ]),
  });
});
