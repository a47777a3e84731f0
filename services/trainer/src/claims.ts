import { addDays } from '@clove/clv';
import type { Samples } from './samples.js';

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
/** Customers without a second order day beyond which little is left to learn. */
const MOSTLY_ONCE = 0.9;
/** Buyers in a test below which its figures are mostly chance. */
const FEW_BUYERS = 100;

/** What these data cannot support, for the reader of a leaderboard. Computed from the data, not from their name. */
export const claimsOf = (samples: Samples, rehearsal: Samples | null): string[] => {
  const { data, test, windows } = samples;
  const claims: string[] = [];
  const days = data.latest.columns.get('active_days');
  if (days?.kind === 'numeric' && data.latest.rows > 0) {
    const once = days.values.filter((count) => count <= 1).length / data.latest.rows;
    if (once >= MOSTLY_ONCE) {
      claims.push(
        `${(100 * once).toFixed(1)} % of the customers have bought on a single day: there is next to no history to tell them apart by, so no ranking of single customers should be relied on. Totals and groups can be.`,
      );
    }
  }
  const buyers = test.target.filter((value) => value > 0).length;
  if (buyers < FEW_BUYERS) {
    claims.push(
      `Of the ${test.target.length} test customers ${buyers} spend anything: so few that differences between models are mostly chance.`,
    );
  }
  if (windows !== null) {
    const taught = new Set(windows.trainingOrigins.flatMap((origin) => monthsOf(origin, windows.horizonDays)));
    const untaught = [...new Set(monthsOf(windows.testOrigin, windows.horizonDays))].filter(
      (month) => !taught.has(month),
    );
    if (untaught.length > 0) {
      const named = untaught.map((month) => MONTHS[month]!);
      claims.push(
        `The test covers ${named.join(', ')}, and no label that a model learned from does: what the season does to the level cannot be known from this history${untaughtPeak(windows) ? ', Christmas trade included' : ''}.`,
      );
    }
    const rehearsed = rehearsal?.windows?.horizonDays;
    if (rehearsal === null) {
      claims.push(
        'The history is too short to choose between models before the test: the choice rests on no evidence of its own.',
      );
    } else if (rehearsed !== undefined && rehearsed < windows.horizonDays) {
      claims.push(
        `The history is too short to rehearse the whole horizon: the winner was chosen on ${rehearsed} of ${windows.horizonDays} days.`,
      );
    }
  }
  return claims;
};

type Windows = NonNullable<Samples['windows']>;

const untaughtMonths = (windows: Windows): number[] => {
  const taught = new Set(windows.trainingOrigins.flatMap((origin) => monthsOf(origin, windows.horizonDays)));
  return [...new Set(monthsOf(windows.testOrigin, windows.horizonDays))].filter((month) => !taught.has(month));
};

const PEAK_MONTHS: readonly number[] = [10, 11];

/** Whether the test covers November or December, the peak of trade, and no label that taught does. */
export const untaughtPeak = (windows: Samples['windows']): boolean =>
  windows !== null && untaughtMonths(windows).some((month) => PEAK_MONTHS.includes(month));

/** Calendar months, 0 to 11, of which the window after an origin holds at least a week. */
const monthsOf = (origin: string, horizonDays: number): number[] => {
  const counts = new Map<number, number>();
  for (let day = 1; day <= horizonDays; day += 1) {
    const month = Number(addDays(origin, day).slice(5, 7)) - 1;
    counts.set(month, (counts.get(month) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count >= 7).map(([month]) => month);
};
