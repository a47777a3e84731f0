import { describe, expect, test } from 'vitest';
import { amount, bytes, coefficient, count, duration, percent } from './format.js';
import { formatTable } from './table.js';

describe('tables', () => {
  test('numbers stand right, texts left, columns two spaces apart', () => {
    expect(
      formatTable(
        [{ title: 'name' }, { title: 'RMSE', align: 'right' }],
        [
          ['feedforward', '81.20'],
          ['mean', '1,204.10'],
        ],
      ),
    ).toEqual(['  name             RMSE', '  feedforward     81.20', '  mean         1,204.10']);
  });

  test('wide characters take two cells, control characters none of their power', () => {
    const [header, first, second] = formatTable(
      [{ title: 'customer' }, { title: 'n', align: 'right' }],
      [
        ['日本', '1'],
        ['a\u001b[31mb', '2'],
      ],
    );
    expect(header).toBe('  customer  n');
    expect(first).toBe('  日本      1');
    expect(second).not.toContain('\u001b');
  });

  test('missing cells are blank', () => {
    expect(formatTable([{ title: 'a' }, { title: 'b' }], [['x']])).toEqual(['  a  b', '  x']);
  });
});

describe('figures', () => {
  test('are rounded for reading, and missing ones are a dash', () => {
    expect([count(1_234_567), count(null)]).toEqual(['1,234,567', '–']);
    expect([amount(1234.5), amount(2_345_678.9), amount(Number.NaN)]).toEqual(['1,234.50', '2,345,679', '–']);
    expect([coefficient(0.71234), coefficient(undefined)]).toEqual(['0.712', '–']);
    expect([percent(0.1234), percent(0.021, { signed: true }), percent(-0.5, { signed: true }), percent(91)]).toEqual([
      '12.3 %',
      '+2.1 %',
      '-50.0 %',
      '9,100 %',
    ]);
    expect([duration(4.21), duration(59.96), duration(185)]).toEqual(['4.2 s', '1 min 00 s', '3 min 05 s']);
    expect([bytes(512), bytes(1536), bytes(5 * 1024 ** 3)]).toEqual(['512 B', '1.5 KiB', '5.0 GiB']);
  });
});
