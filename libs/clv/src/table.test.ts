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

test('sequences go with their rows when rows are picked and tables stacked', () => {
  const sequence = {
    length: 2,
    channels: 2,
    values: Float32Array.of(0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 7, 8),
    mask: Float32Array.of(0, 1, 1, 1, 0, 1),
  };
  const picked = pickRows({ ...table, sequence }, Int32Array.of(2, 1));
  expect(picked.sequence).toEqual({
    length: 2,
    channels: 2,
    values: Float32Array.of(0, 0, 7, 8, 3, 4, 5, 6),
    mask: Float32Array.of(0, 1, 1, 1),
  });
  const rest = pickRows({ ...table, sequence }, Int32Array.of(0));
  expect(pickRows(stackTables([picked, rest]), Int32Array.of(2, 1, 0))).toEqual({ ...table, sequence });
});
