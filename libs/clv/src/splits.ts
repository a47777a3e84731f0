import { CloveError } from '@clove/contracts';
import { Rng } from './rng.js';

const DAY_MS = 86_400_000;

/** Days since 1970-01-01 of a `YYYY-MM-DD`. */
const dayNumber = (day: string): number => Math.round(Date.parse(`${day}T00:00:00Z`) / DAY_MS);

/** `YYYY-MM-DD` of a number of days since 1970-01-01. */
const dayOf = (number: number): string => new Date(number * DAY_MS).toISOString().slice(0, 10);

/** The day `days` after `day`; before it where negative. */
export const addDays = (day: string, days: number): string => dayOf(dayNumber(day) + days);

/**
 * Protocol `random`: shares row numbers out, seeded; each part in the order of `rows`. Test first, validation from what
 * remains; each part gets at least one row.
 * @throws CloveError `not-enough-data` where a part would be empty
 */
export const randomSplit = (
  rows: Int32Array,
  o: { testFraction: number; validationFraction: number; seed: number },
): { train: Int32Array; validation: Int32Array; test: Int32Array } => {
  const n = rows.length;
  const testCount = Math.max(1, Math.round(n * o.testFraction));
  const validationCount = Math.max(1, Math.round((n - testCount) * o.validationFraction));
  if (testCount + validationCount >= n) {
    throw new CloveError(
      'not-enough-data',
      `${n} customers cannot be shared out into training, validation and test: bring more customers, or lower ` +
        'testFraction and validationFraction.',
    );
  }
  const places = new Rng(o.seed, SPLIT_STREAM).shuffle(Int32Array.from(rows.keys()));
  const take = (from: number, to: number): Int32Array =>
    places
      .slice(from, to)
      .toSorted()
      .map((place) => rows[place]!);
  return {
    test: take(0, testCount),
    validation: take(testCount, testCount + validationCount),
    train: take(testCount + validationCount, n),
  };
};

/** Keeps the split's draws apart from those of initial weights, shuffling and dropout under one seed. */
const SPLIT_STREAM = 100;

/**
 * Protocol `forward`: where to stand in time. As-of days count to their end, so the label window of an origin is the
 * `horizonDays` days after it, and the last day of the data is taken as fully observed.
 *
 * The test origin is the last day whose horizon lies within the data, unless one is given. Training origins step back
 * from the last day whose label window has ended by the test origin, `strideDays` apart, as many of `origins` as lie
 * on or after the first day of the data; earliest first.
 * @throws CloveError `not-enough-data` with the figures and the longest horizon that would do
 */
export const forwardOrigins = (o: {
  firstDay: string;
  lastDay: string;
  horizonDays: number;
  testOrigin?: string | undefined;
  origins: number;
  strideDays: number;
}): { testOrigin: string; trainingOrigins: string[] } => {
  const { horizonDays } = o;
  const first = dayNumber(o.firstDay);
  const testOrigin = lastObservedOrigin(o);
  const test = dayNumber(testOrigin);
  const latest = test - horizonDays;
  if (latest < first) {
    const span = dayNumber(o.lastDay) - first + 1;
    const longest = o.testOrigin === undefined ? Math.floor((span - 1) / 2) : test - first;
    throw new CloveError(
      'not-enough-data',
      `No training origin fits: its ${horizonDays} days of labels must lie between the first day of the data, ${o.firstDay}, ` +
        `and the test origin, ${testOrigin}, ${test - first} days later (the data ends on ${o.lastDay}, ${span} days in all). ` +
        (longest >= 1
          ? `Choose a horizon of at most ${longest} days, or bring a longer history.`
          : 'Bring a longer history.'),
    );
  }
  const trainingOrigins: string[] = [];
  for (let k = 0; k < o.origins && latest - k * o.strideDays >= first; k += 1) {
    trainingOrigins.unshift(dayOf(latest - k * o.strideDays));
  }
  return { testOrigin, trainingOrigins };
};

/** Days at the end of its label window that a given test origin may lack: one in a hundred. */
const tolerated = (horizonDays: number): number => Math.floor(horizonDays / 100);

/** Days of the label window of an origin that lie after the last day of the data. */
export const unobservedDays = (o: { lastDay: string; origin: string; horizonDays: number }): number =>
  Math.max(0, dayNumber(o.origin) + o.horizonDays - dayNumber(o.lastDay));

/**
 * The test origin: the last day whose horizon is fully observed, or the one given where it is early enough: it may lack one
 * day in a hundred of its horizon, so that 1997-12-31 and 182 days fit a history that ends with June (`unobservedDays`).
 * @throws CloveError `not-enough-data` with the figures
 */
export const lastObservedOrigin = (o: {
  firstDay: string;
  lastDay: string;
  horizonDays: number;
  testOrigin?: string | undefined;
}): string => {
  const first = dayNumber(o.firstDay);
  const latest = dayNumber(o.lastDay) - o.horizonDays;
  if (latest < first) {
    throw new CloveError(
      'not-enough-data',
      `The data spans ${dayNumber(o.lastDay) - first + 1} days (${o.firstDay} to ${o.lastDay}), which does not hold one full ` +
        `horizon of ${o.horizonDays} days after its first day. Choose a shorter horizon, or bring a longer history.`,
    );
  }
  if (o.testOrigin === undefined) return dayOf(latest);
  const given = dayNumber(o.testOrigin);
  if (given > latest + tolerated(o.horizonDays)) {
    throw new CloveError(
      'not-enough-data',
      `The test origin ${o.testOrigin} needs spend up to ${dayOf(given + o.horizonDays)}, but the data ends on ${o.lastDay}. ` +
        `Choose ${dayOf(latest)} or an earlier day, or a shorter horizon.`,
    );
  }
  if (given < first) {
    throw new CloveError(
      'not-enough-data',
      `The test origin ${o.testOrigin} lies before the first day of the data, ${o.firstDay}. Choose a day from ${o.firstDay} to ${dayOf(latest)}.`,
    );
  }
  return o.testOrigin;
};

/**
 * Whether a customer belongs to validation: the same answer at every origin, so that nobody is in training at one and in
 * validation at another. By a hash of the id (FNV-1a over its UTF-16 units, seeded, then murmur3's finaliser).
 * @param fraction share of customers, 0 to 1
 */
export const isValidationCustomer = (id: string, fraction: number, seed: number): boolean => {
  let h = 0x811c9dc5 ^ Math.imul(seed + 1, 0x9e3779b1);
  for (let i = 0; i < id.length; i += 1) h = Math.imul(h ^ id.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4_294_967_296 < fraction;
};
