import { compareByBootstrap } from '@clove/clv';
import { type Entry, sumOf } from './contestants.js';
import { type Level, levelled } from './version.js';

/**
 * Whether a model that multiplies a forecast keeps its own total or is held to the forecaster's. Held is the rule, for a level
 * learned in one season does not last; free only where the rehearsal had the whole horizon and the free total was off by less
 * than half as much there, in at least nine of ten bootstrap draws of the customers.
 * @param whole whether the rehearsal had the whole horizon
 */
export const decideLevel = (entry: Entry, actual: Float64Array, whole: boolean, seed: number): Level => {
  const total = sumOf(actual);
  const [free, held] = [levelled(entry, false), levelled(entry, true)];
  const bias = (predicted: Float64Array): string => percent(sumOf(predicted) / total - 1);
  const figures = `at the rehearsal the total is ${bias(free.predicted)} off when free and ${bias(held.predicted)} when held`;
  if (!(total > 0)) return { held: true, reason: 'held: nobody bought anything at the rehearsal' };
  if (!whole) return { held: true, reason: `held to the forecast: ${figures}, but over part of the horizon only` };
  // Half of the held error, as a prediction: what the free one has to beat.
  const half = Math.sqrt(sumOf(held.predicted) / total);
  const goal = held.predicted.map((value) => value / half);
  const { bias: difference } = compareByBootstrap(actual, free.predicted, goal, { seed, level: 0.8 });
  const better = difference !== undefined && difference.high < 0;
  return better
    ? { held: false, reason: `free: ${figures}` }
    : { held: true, reason: `held to the forecast: ${figures}, which does not halve the error beyond doubt` };
};

export const percent = (share: number): string => `${share >= 0 ? '+' : ''}${(100 * share).toFixed(1)} %`;
