import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CloveError } from '@clove/contracts';
import { describe, expect, test } from 'vitest';
import { type FittedModel, fromHistories, readSummary } from './fit-input.js';
import { fitModel } from './fit-model.js';

const data = process.env['CLOVE_DATA'] ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const refusal = (model: FittedModel, text: string): CloveError => {
  try {
    readSummary(model, text, 'a.csv');
  } catch (error) {
    if (error instanceof CloveError) return error;
    throw error;
  }
  throw new Error('not refused');
};

describe('a summary', () => {
  test('is read by any of the known headers, in any case and order, with any of three delimiters', () => {
    const expected = { x: Float64Array.of(2, 0), tx: Float64Array.of(30.5, 0), T: Float64Array.of(38, 38) };
    for (const text of [
      'ID,x,t_x,T\n1,2,30.5,38\n2,0,0,38\n',
      '\ufeffFrequency;Recency;Age\r\n2;30.5;38\r\n0;0;38\r\n\r\n',
      '"t"\t"tx"\t"x"\n38\t30.5\t2\n38\t0\t0',
    ])
      expect(readSummary('bg-nbd', text, 'a.csv')!.columns).toEqual(expected);
    expect(readSummary('gamma-gamma', 'x,zbar,n\n1,5,2', 'a')!.columns).toEqual({
      x: Float64Array.of(1),
      spend: Float64Array.of(5),
    });
  });

  test('that is an order file is left to the ingest, for models of orders at any time', () => {
    expect(readSummary('pareto-nbd', 'customer,date,amount\na,2020-01-01,5\n', 'a.csv')).toBeNull();
    expect(refusal('bg-bb', 'customer,date,amount\na,2020-01-01,5\n').code).toBe('column-missing');
  });

  test('is refused by column and line', () => {
    expect(refusal('bg-nbd', 'x,T\n1,2\n').message).toContain('t_x');
    expect(refusal('sbg', 'x,t_x,T\n1,2,3').message).toContain('survival');
    expect(refusal('bg-nbd', 'x,t_x,T\n1,2,3\n\n1,,3\n').message).toContain('line 4, column t_x');
    expect(refusal('bg-nbd', 'x,t_x,T\n1,two,3\n')).toMatchObject({ code: 'value-invalid' });
    expect(refusal('bg-nbd', 'x,t_x,T\n').code).toBe('data-empty');
    expect(refusal('bg-nbd', '').code).toBe('data-empty');
  });
});

test('histories come in weeks, without those who never purchased', () => {
  const of = (...values: number[]) => Float64Array.from(values);
  const input = fromHistories({ x: of(1, 0), tx: of(14, 0), T: of(21, Number.NaN), repeatSpend: of(9, Number.NaN) });
  expect(input).toEqual({ columns: { x: of(1), tx: of(2), T: of(3), spend: of(9) }, unit: 'weeks' });
});

describe('a fit', () => {
  test('of a weighted summary is that of the rows written out', () => {
    const rows = [
      [0, 0, 30, 40],
      [1, 3, 30, 9],
      [4, 4, 30, 6],
      [9, 5, 30, 3],
      [9, 29, 30, 3],
    ];
    const weighted = ['x,t_x,T,weight', ...rows.map((row) => row.join(','))].join('\n');
    const written = ['x,t_x,T', ...rows.flatMap(([x, tx, T, n]) => Array(n!).fill(`${x},${tx},${T}`))].join('\n');
    const [a, b] = [weighted, written].map((text) => fitModel('bg-nbd', readSummary('bg-nbd', text, 'a')!));
    expect(a).toEqual(b);
    expect(a!.customers).toBe(61);
    expect(Object.keys(a!.parameters)).toEqual(['r', 'alpha', 'a', 'b']);
  });

  test('of survival is the same for shares and for counts, but for what depends on the size', () => {
    const shares = fitModel('sbg', readSummary('sbg', 'year,survival\n0,1\n1,.631\n2,.468\n3,.382\n', 'a')!);
    const counts = fitModel('sbg', readSummary('sbg', 'year,survivors\n0,1000\n1,631\n2,468\n3,382\n', 'a')!);
    expect(counts).toEqual({ ...shares, assumed: null });
    expect(shares.assumed).toContain('1000');
    expect(fitModel('sbg', readSummary('sbg', 's\n50\n30\n20\n', 'a')!).customers).toBe(50);
  });

  test('refuses weights that are no numbers of customers', () => {
    const input = readSummary('bg-nbd', 'x,t_x,T,weight\n1,2,3,0.5\n', 'a')!;
    expect(() => fitModel('bg-nbd', input)).toThrow(/whole/);
  });

  test.skipIf(!existsSync(path.join(data, 'donations')))(
    'of the donations is the published BG/BB (needs the data folder)',
    () => {
      const text = readFileSync(path.join(data, 'donations/donations.csv'), 'utf8');
      const { parameters, logLikelihood, customers } = fitModel('bg-bb', readSummary('bg-bb', text, 'donations.csv')!);
      for (const [name, value] of Object.entries({ alpha: 1.2035, beta: 0.7497, gamma: 0.6567, delta: 2.7834 }))
        expect(Math.abs(parameters[name]! / value - 1)).toBeLessThan(0.01);
      expect(Math.abs(logLikelihood - -33225.58)).toBeLessThan(0.01);
      expect(customers).toBe(11_104);
    },
  );
});
