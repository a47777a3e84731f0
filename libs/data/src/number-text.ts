/** Numbers as the text that DuckDB gives them, put into bytes: no call of its own and no object for each of millions. */

/** Bytes that a number takes at most. */
export const NUMBER_BYTES = 24;

const [ZERO, POINT, MINUS] = [48, 46, 45];
const POWERS = Float64Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);
/** Whole numbers from here on may be shortest with zeros at their end; below it, digits behind the point are all that varies. */
const LARGE = 2 ** 24;
const SMALL = 1e-4;
/** Digits that tell every 32-bit float from every other; up to six, a text has one float and a float one text. */
const [ENOUGH, UNIQUE] = [9, 6];
/** Share of the distance to a neighbour within which rounding of 64 bits cannot decide. */
const DOUBT = 1e-6;

/** Half the distance of a float to the next one, by its exponent. */
const HALVES = Float64Array.from({ length: 256 }, (_, exponent) => 2 ** (exponent - 127 - 24));

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Puts the decimal digits of a whole number below 2^31, with zeros before them up to `digits`. @returns the place behind */
const putDigits = (out: Uint8Array, at: number, whole: number, digits: number): number => {
  let rest = whole;
  for (let place = at + digits - 1; place >= at; place -= 1) {
    const tenth = (rest / 10) | 0;
    out[place] = ZERO + rest - 10 * tenth;
    rest = tenth;
  }
  return at + digits;
};

const digitsOf = (size: number): number => {
  let digits = 1;
  while (POWERS[digits]! <= size) digits += 1;
  return digits;
};

/**
 * Puts `whole` / 10^`decimals` without the zeros at its end, but for one behind the point.
 * @param whole below 2^31 @returns the place behind
 */
export const putDecimal = (out: Uint8Array, at: number, whole: number, decimals: number): number => {
  let rest = whole;
  let left = decimals;
  while (left > 1) {
    const tenth = (rest / 10) | 0;
    if (rest !== 10 * tenth) break;
    rest = tenth;
    left -= 1;
  }
  const power = POWERS[left]!;
  const before = (rest / power) | 0;
  const place = putDigits(out, at, before, digitsOf(before));
  out[place] = POINT;
  return left === 0 ? putDigits(out, place + 1, 0, 1) : putDigits(out, place + 1, rest - before * power, left);
};

/**
 * Puts the shortest text that is read as this 32-bit float again, as DuckDB writes a FLOAT: `12.3`, `5.0`, `1e-05`. Where it
 * lies half-way between two floats, or the float half-way between two texts of its length, the float is written in full.
 * @param value finite @returns the place behind
 */
export const putFloat = (out: Uint8Array, at: number, value: number): number => {
  const size = Math.abs(value);
  if (!(size >= SMALL && size < LARGE)) return putText(out, at, value);
  float[0] = size;
  const half = HALVES[bits[0]! >>> 23]!;
  // digits before the point; below 1, minus the zeros behind it
  let before = 0;
  if (size >= 1) while (POWERS[before]! <= size) before += 1;
  else while (size * POWERS[1 - before]! < 1) before -= 1;
  for (let digits = UNIQUE; digits <= ENOUGH; digits += 1) {
    const decimals = digits > before ? digits - before : 0;
    const power = POWERS[decimals]!;
    const exact = size * power;
    const whole = (exact + 0.5) | 0;
    const away = Math.abs(whole - exact);
    if (away > half * power * (1 + DOUBT)) continue;
    if (away > half * power * (1 - DOUBT) || Math.abs(away - 0.5) < DOUBT) break;
    if (value > 0) return putDecimal(out, at, whole, decimals);
    out[at] = MINUS;
    return putDecimal(out, at + 1, whole, decimals);
  }
  return putText(out, at, value);
};

/** The same for any float, at leisure. */
const putText = (out: Uint8Array, at: number, value: number): number => {
  const text = textOf(value);
  for (let i = 0; i < text.length; i += 1) out[at + i] = text.charCodeAt(i);
  return at + text.length;
};

const textOf = (value: number): string => {
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const power = Number(value.toExponential().split('e')[1]);
  float[0] = Math.abs(value);
  const half = HALVES[bits[0]! >>> 23]!;
  let shortest = value;
  for (let digits = 1; digits <= ENOUGH; digits += 1) {
    const nearest = Number(value.toPrecision(digits));
    if (Math.abs(nearest - value) === half) break;
    // Below a power of two floats lie closer: there a text above it may be its own that is farther away.
    const above = Number((nearest + Math.sign(value) * 10 ** (power - digits + 1)).toPrecision(digits));
    const found = [nearest, above].find((candidate) => Math.fround(candidate) === value);
    if (found === undefined) continue;
    const longer = value.toPrecision(digits + 1);
    if (Number(longer) !== value || !/5(e.*)?$/.test(longer)) shortest = found;
    break;
  }
  const [mantissa, exponent] = shortest.toExponential().split('e') as [string, string];
  if (Number(exponent) < -4 || Number(exponent) >= 16)
    return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  const plain = String(shortest);
  return plain.includes('.') ? plain : `${plain}.0`;
};
