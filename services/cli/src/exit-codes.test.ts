import { CloveError, PROBLEMS, type ProblemCode } from '@clove/contracts';
import { describe, expect, test } from 'vitest';
import { EXIT, EXIT_CODES_HELP, exitCodeOf } from './exit-codes.js';

const codes = Object.keys(PROBLEMS) as ProblemCode[];

describe('exit codes', () => {
  test('every refusal of input data exits 3', () => {
    const aboutData = codes.filter((code) =>
      /^(data|column|columns|value|date|target|kind|preset)-|^not-enough-data$/.test(code),
    );
    expect(aboutData.length).toBeGreaterThan(10);
    for (const code of aboutData) expect([code, exitCodeOf(new CloveError(code, ''))]).toEqual([code, EXIT.data]);
  });

  test('no problem exits 0, and anything unexpected exits 1', () => {
    for (const code of codes) expect(exitCodeOf(new CloveError(code, ''))).not.toBe(EXIT.ok);
    expect(exitCodeOf(new Error('a bug'))).toBe(EXIT.failed);
    expect(exitCodeOf(new CloveError('internal', ''))).toBe(EXIT.failed);
  });

  test('a server that does not answer exits 4, a cancel 130', () => {
    expect(exitCodeOf(new CloveError('unavailable', ''))).toBe(4);
    expect(exitCodeOf(new CloveError('cancelled', ''))).toBe(130);
  });

  test('--help documents every one of them', () => {
    for (const code of Object.values(EXIT)) expect(EXIT_CODES_HELP).toMatch(new RegExp(`^ +${code} `, 'm'));
  });
});
