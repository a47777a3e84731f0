/**
 * Numbers, money and dates as the reader's locale writes them. Amounts take the currency of their dataset; where it has
 * none they are plain numbers, never in a currency that nobody stated.
 */

const NONE = '–';
type Maybe = number | null | undefined;

const isMissing = (value: unknown): value is null | undefined => value === null || value === undefined;

const cache = new Map<string, Intl.NumberFormat>();
const numbers = (options: Intl.NumberFormatOptions): Intl.NumberFormat => {
  const key = JSON.stringify(options);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const made = new Intl.NumberFormat(undefined, options);
  cache.set(key, made);
  return made;
};

/** A count: `12,345`. */
export const formatCount = (value: Maybe): string =>
  isMissing(value) ? NONE : numbers({ maximumFractionDigits: 0 }).format(value);

/** A figure with at most `digits` significant digits, 4 when left out; whole digits are never rounded away. */
export const formatNumber = (value: Maybe, digits = 4): string => {
  if (isMissing(value)) return NONE;
  const whole = Math.abs(value) >= 10 ** (digits - 1);
  return numbers(whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits }).format(value);
};

/** A fraction as a percentage with `digits` decimals, 1 when left out. */
export const formatPercent = (fraction: Maybe, digits = 1): string =>
  isMissing(fraction) ? NONE : numbers({ style: 'percent', maximumFractionDigits: digits }).format(fraction);

/** A relative difference as a percentage with its sign. */
export const formatChange = (fraction: Maybe): string =>
  isMissing(fraction)
    ? NONE
    : numbers({ style: 'percent', maximumFractionDigits: 1, signDisplay: 'exceptZero' }).format(fraction);

/** An amount: in `currency` (ISO 4217 code) where the dataset states one, else a number with two decimals. */
export const formatMoney = (value: Maybe, currency?: string | null): string => {
  if (isMissing(value)) return NONE;
  const decimals = Math.abs(value) >= 100_000 ? 0 : 2;
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return numbers(currency ? { style: 'currency', currency, ...digits } : digits).format(value);
};

/** Bytes in the unit that fits: `1.2 MB`. */
export const formatBytes = (bytes: Maybe): string => {
  if (isMissing(bytes)) return NONE;
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const unit = units[power] ?? 'byte';
  return numbers({ style: 'unit', unit, unitDisplay: 'short', maximumSignificantDigits: 3 }).format(
    bytes / 1000 ** power,
  );
};

/** A calendar day (`YYYY-MM-DD`), which is the same everywhere: read and written as UTC. */
export const formatDay = (day: string | null | undefined): string =>
  isMissing(day)
    ? NONE
    : new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(day));

/** An instant in the reader's time zone. */
export const formatInstant = (instant: string | null | undefined): string =>
  isMissing(instant)
    ? NONE
    : new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(instant));

/** An instant as seen from now: `5 minutes ago`; from a week on its date. */
export const formatSince = (instant: string | null | undefined, nowMs = Date.now()): string => {
  if (isMissing(instant)) return NONE;
  const seconds = (new Date(instant).getTime() - nowMs) / 1000;
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
  const distance = Math.abs(seconds);
  if (distance < 60) return relative.format(0, 'second');
  if (distance < 3600) return relative.format(Math.round(seconds / 60), 'minute');
  if (distance < 86_400) return relative.format(Math.round(seconds / 3600), 'hour');
  if (distance < 7 * 86_400) return relative.format(Math.round(seconds / 86_400), 'day');
  return formatDay(instant.slice(0, 10));
};

/** A length of time: `850 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export const formatDuration = (seconds: Maybe): string => {
  if (isMissing(seconds)) return NONE;
  const unit = (value: number, name: string) =>
    numbers({ style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 0 }).format(value);
  if (seconds < 1) return unit(seconds * 1000, 'millisecond');
  const whole = Math.round(seconds);
  if (whole < 60) return unit(whole, 'second');
  if (whole < 3600) return `${unit(Math.floor(whole / 60), 'minute')} ${unit(whole % 60, 'second')}`;
  return `${unit(Math.floor(whole / 3600), 'hour')} ${unit(Math.floor((whole % 3600) / 60), 'minute')}`;
};
