const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const two = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const three = new Intl.NumberFormat('en', { minimumFractionDigits: 3, maximumFractionDigits: 3 });

/** `12,345`; an en dash where there is nothing. */
export const count = (n: number | null | undefined): string => (n === null || n === undefined ? '–' : whole.format(n));

/** Money or another quantity in its own unit: `1,234.50`, and no decimals from a million on. */
export const amount = (x: number | null | undefined): string => {
  if (x === null || x === undefined || !Number.isFinite(x)) return '–';
  return Math.abs(x) >= 1e6 ? whole.format(x) : two.format(x);
};

/** A coefficient such as R² or a rank correlation: `0.712`. */
export const coefficient = (x: number | null | undefined): string =>
  x === null || x === undefined || !Number.isFinite(x) ? '–' : three.format(x);

/** A fraction as a percentage: `0.123` is `12.3 %`. */
export const percent = (x: number | null | undefined, o: { signed?: boolean } = {}): string => {
  if (x === null || x === undefined || !Number.isFinite(x)) return '–';
  const text = Math.abs(x) >= 10 ? whole.format(x * 100) : (x * 100).toFixed(1);
  return `${o.signed && x > 0 ? '+' : ''}${text} %`;
};

/** `4.2 s`, `3 min 05 s`. */
export const duration = (seconds: number): string => {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds);
  return `${Math.floor(all / 60)} min ${String(all % 60).padStart(2, '0')} s`;
};

/** `1.2 MiB`. */
export const bytes = (n: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
};
