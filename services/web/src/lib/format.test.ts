import { expect, test } from 'vitest';
import {
  formatBytes,
  formatChange,
  formatCount,
  formatDay,
  formatDuration,
  formatMoney,
  formatNumber,
  formatPercent,
  formatSince,
} from './format.js';

/** What the machine's own locale makes of a number, by another way than the code under test. */
const local = (value: number, options: Intl.NumberFormatOptions) => value.toLocaleString(undefined, options);

test('amounts take the currency of their dataset, and none where it states none', () => {
  expect(formatMoney(1234.5, 'EUR')).toBe(local(1234.5, { style: 'currency', currency: 'EUR' }));
  expect(formatMoney(1234.5, null)).toBe(local(1234.5, { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
  expect(formatMoney(1234.5, null)).not.toMatch(/[€$£]/);
  expect(formatMoney(2_345_678.9, 'USD')).toBe(
    local(2_345_679, { style: 'currency', currency: 'USD', maximumFractionDigits: 0 }),
  );
});

test('what is missing is a dash, in every form', () => {
  for (const form of [
    formatCount,
    formatNumber,
    formatPercent,
    formatChange,
    formatMoney,
    formatBytes,
    formatDuration,
  ]) {
    expect([form(null), form(undefined)]).toEqual(['–', '–']);
  }
  expect([formatDay(null), formatSince(undefined)]).toEqual(['–', '–']);
});

test('figures keep significant digits, and whole digits are never rounded away', () => {
  expect(formatNumber(0.000123456)).toBe(local(0.0001235, { maximumSignificantDigits: 4 }));
  expect(formatNumber(123456.7)).toBe(local(123457, {}));
  expect(formatChange(0.125)).toMatch(/^\+/);
  expect(formatChange(0)).not.toMatch(/^[+-]/);
});

test('a day is the same day in every time zone', () => {
  const before = process.env.TZ;
  for (const zone of ['Pacific/Kiritimati', 'Pacific/Midway', 'UTC']) {
    process.env.TZ = zone;
    expect(formatDay('2024-03-01')).toMatch(/\b1\b/);
  }
  process.env.TZ = before;
});

test('bytes and times take the unit that fits', () => {
  expect(formatBytes(0)).toMatch(/^0/);
  expect(formatBytes(1_234_000)).toMatch(/1[.,]23/);
  expect(formatDuration(0.25)).toMatch(/^250/);
  expect(formatDuration(59.6)).toMatch(/^1\D+0/);
  expect(formatDuration(7260)).toMatch(/^2\D+1\D/);
});

test('an instant is told from now on until it is a week old, then by its date', () => {
  const now = Date.parse('2024-03-10T12:00:00Z');
  expect(formatSince('2024-03-10T11:59:30Z', now)).toBe(
    new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' }).format(0, 'second'),
  );
  expect(formatSince('2024-03-10T09:00:00Z', now)).toMatch(/3/);
  expect(formatSince('2024-03-01T09:00:00Z', now)).toBe(formatDay('2024-03-01'));
});
