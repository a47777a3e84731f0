import { CloveError } from '@clove/contracts';
import { describe, expect, test } from 'vitest';
import { addDays, forwardOrigins, isValidationCustomer, lastObservedOrigin, randomSplit } from './splits.js';

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof CloveError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'no error';
};

describe('randomSplit', () => {
  const rows = Int32Array.from({ length: 1000 }, (_, i) => i * 3);

  test('every row lies in exactly one part, and the parts have the shares asked for', () => {
    const {
      train,
      validation,
      test: held,
    } = randomSplit(rows, { testFraction: 0.2, validationFraction: 0.1, seed: 42 });
    expect([held.length, validation.length, train.length]).toEqual([200, 80, 720]);
    expect(Int32Array.from([...train, ...validation, ...held]).toSorted()).toEqual(rows);
  });

  test('the same seed splits the same way, another seed another way', () => {
    const [first, again, other] = [1, 1, 2].map(
      (seed) => randomSplit(rows, { testFraction: 0.2, validationFraction: 0.1, seed }).test,
    );
    expect(first).toEqual(again);
    expect(first).not.toEqual(other);
  });

  test('refuses to leave a part empty', () => {
    const o = { testFraction: 0.2, validationFraction: 0.1, seed: 1 };
    expect(codeOf(() => randomSplit(Int32Array.of(1, 2), o))).toContain('not-enough-data: 2 customers');
    expect(randomSplit(Int32Array.of(1, 2, 3), o).train).toHaveLength(1);
  });
});

describe('forwardOrigins', () => {
  // The known origins of the public data sets: last day, horizon, test origin.
  test.each([
    ['1998-06-30', 181, '1997-12-31'],
    ['2011-12-09', 90, '2011-09-10'],
    ['2018-08-29', 180, '2018-03-02'],
  ])('the test origin before %s with %i days is %s', (lastDay, horizonDays, testOrigin) => {
    expect(lastObservedOrigin({ firstDay: '1990-01-01', lastDay, horizonDays })).toBe(testOrigin);
  });

  const year = { firstDay: '2020-01-01', lastDay: '2020-12-31', horizonDays: 90, origins: 3, strideDays: 30 };

  test('each training label window has ended by the test origin, the latest exactly then', () => {
    const { testOrigin, trainingOrigins } = forwardOrigins(year);
    expect(testOrigin).toBe('2020-10-02');
    expect(trainingOrigins).toEqual(['2020-05-05', '2020-06-04', '2020-07-04']);
    expect(addDays(trainingOrigins.at(-1)!, 90)).toBe(testOrigin);
  });

  test('origins before the first day are not made up', () => {
    expect(forwardOrigins({ ...year, origins: 52 }).trainingOrigins[0]).toBe('2020-01-06');
    expect(forwardOrigins({ ...year, origins: 52 }).trainingOrigins).toHaveLength(7);
  });

  test('a test origin of the user is kept where its horizon is observed, and refused with the last good day where not', () => {
    expect(forwardOrigins({ ...year, testOrigin: '2020-08-01' }).trainingOrigins.at(-1)).toBe('2020-05-03');
    expect(codeOf(() => forwardOrigins({ ...year, testOrigin: '2020-10-03' }))).toContain('Choose 2020-10-02');
    expect(codeOf(() => forwardOrigins({ ...year, testOrigin: '2019-10-03' }))).toContain('before the first day');
  });

  test('too short a history is refused with the longest horizon that works, and that one works', () => {
    const short = { ...year, horizonDays: 200 };
    const message = codeOf(() => forwardOrigins(short));
    expect(message).toMatch(/^not-enough-data: .*366 days.*at most 182 days/s);
    expect(forwardOrigins({ ...short, horizonDays: 182 }).trainingOrigins).toEqual(['2020-01-02']);
    expect(codeOf(() => forwardOrigins({ ...short, horizonDays: 183 }))).toContain('at most 182');
    expect(codeOf(() => forwardOrigins({ ...year, horizonDays: 400 }))).toContain('not-enough-data');
  });

  test('the longest horizon with a given test origin works too', () => {
    const given = { ...year, testOrigin: '2020-03-01', horizonDays: 90 };
    expect(codeOf(() => forwardOrigins(given))).toContain('at most 60 days');
    expect(forwardOrigins({ ...given, horizonDays: 60 }).trainingOrigins).toEqual(['2020-01-01']);
  });
});

describe('isValidationCustomer', () => {
  const ids = Array.from({ length: 20_000 }, (_, i) => `C${String(i).padStart(7, '0')}`);
  const chosen = (seed: number, fraction = 0.1) => ids.filter((id) => isValidationCustomer(id, fraction, seed));

  test('takes the share asked for, the same customers each time, others with another seed', () => {
    expect(Math.abs(chosen(42).length - 2000)).toBeLessThan(200);
    expect(chosen(42)).toEqual(chosen(42));
    const both = new Set(chosen(42));
    const shared = chosen(43).filter((id) => both.has(id)).length;
    expect(shared).toBeGreaterThan(120);
    expect(shared).toBeLessThan(290);
  });

  test('a larger share only adds customers', () => {
    const more = new Set(chosen(7, 0.3));
    expect(chosen(7, 0.1).every((id) => more.has(id))).toBe(true);
    expect(chosen(7, 0)).toEqual([]);
  });
});
