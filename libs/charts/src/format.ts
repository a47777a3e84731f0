/**
 * How figures are written: three significant digits, SI prefixes from a thousand on, U+2212 as the minus sign. Each rule
 * stands twice, as a function for texts and as a Vega expression for axes; a test holds one against the other.
 */

const PREFIXES = ['', 'k', 'M', 'G', 'T'] as const;
const MINUS = '\u2212';

const trimZeros = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
const signed = (value: number, text: string): string => (value < 0 ? `${MINUS}${text}` : text);

/** `1234567` → `1.23M`, `0.4567` → `0.457`, `-3` → `−3`. Beyond 10^15 and below 0.001: `1.2e+16`. Not a number: `–`. */
export const formatNumber = (value: number): string => {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 999.5e12 || size < 0.000_999_5) {
    const [digits = '', exponent = ''] = size.toExponential(1).split('e');
    return signed(value, `${trimZeros(digits)}e${exponent}`);
  }
  const rounded = Number(size.toPrecision(3));
  const step = Math.min(PREFIXES.length - 1, rounded < 1000 ? 0 : Math.floor(Math.log10(rounded) / 3));
  return signed(value, `${trimZeros((rounded / 1000 ** step).toPrecision(3))}${PREFIXES[step]}`);
};

/** `0.1234` → `12.3%`; from 1000 % on as a number with an SI prefix. Not a number: `–`. */
export const formatPercent = (value: number): string => {
  if (!Number.isFinite(value)) return '–';
  const percent = Math.abs(value * 100);
  if (percent >= 999.5) return `${formatNumber(value * 100)}%`;
  const text = percent > 0 && percent < 0.05 ? '<0.1' : trimZeros(percent.toFixed(percent < 99.95 ? 1 : 0));
  return signed(text === '0' ? 0 : value, `${text}%`);
};

/** A coefficient of about -1 to 1, to three decimals so that a column of them lines up: `0.7` → `0.700`. */
export const formatCoefficient = (value: number): string =>
  !Number.isFinite(value) || Math.abs(value) >= 100
    ? formatNumber(value)
    : signed(Number(value.toFixed(3)), Math.abs(value).toFixed(3));

/** As {@link formatPercent}, with a plus sign where it is above 0. */
export const formatChange = (value: number): string => (value > 0 ? `+${formatPercent(value)}` : formatPercent(value));

/** `the total`, −0.111, `actual` → `the total is 11.1% below actual`. */
export const difference = (what: string, relative: number, to: string): string => {
  if (relative >= 9) return `${what} is ${formatNumber(1 + relative)} times ${to}`;
  const size = formatPercent(Math.abs(relative));
  return size === '0%' ? `${what} equals ${to}` : `${what} is ${size} ${relative < 0 ? 'below' : 'above'} ${to}`;
};

/** `12345` → `12,345`; from a million on with an SI prefix. */
export const formatCount = (count: number): string =>
  count < 1e6 ? String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, ',') : formatNumber(count);

/** An amount with its currency: a sign stands before it (`€1.2k`), a code after it (`1.2k USD`). */
export const formatAmount = (value: number, currency?: string): string => {
  const text = formatNumber(value);
  if (currency === undefined || currency === '') return text;
  if (/^[A-Za-z]/.test(currency)) return `${text} ${currency}`;
  return value < 0 ? `${MINUS}${currency}${text.slice(1)}` : `${currency}${text}`;
};

/** Vega expression that writes the number `value` (an expression itself) as {@link formatNumber} does. */
export const numberExpr = (value: string): string =>
  `(${value}) == 0 ? '0' : abs(${value}) >= 999.5e12 || abs(${value}) < 0.0009995 ? format(${value}, '.1~e') : ` +
  `abs(${value}) >= 999.5 ? format(${value}, '.3~s') : format(${value}, '.3~r')`;

/** Vega expression that writes the fraction `value` as a percentage. */
export const percentExpr = (value: string): string => `format(${value}, '.3~p')`;
