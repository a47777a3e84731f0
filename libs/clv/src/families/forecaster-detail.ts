import type { EvaluationDetail, ModelManifest, Warning } from '@clove/contracts';
import { recencyFrequencyGrid } from '../evaluation/grids.js';
import { forecast } from '../probabilistic/forecaster.js';
import { historiesOf } from '../probabilistic/histories.js';
import { type CohortDay, trackCohort } from '../probabilistic/tracking.js';
import { addDays } from '../splits.js';
import type { Table } from '../table.js';

const DAY_MS = 86_400_000;

/** The last day that an evaluation tracks: the end of the horizon, or of the data where that is earlier. */
export const trackedUntil = (o: { testOrigin: string; horizonDays: number; lastDay: string }): string => {
  const horizonEnd = addDays(o.testOrigin, o.horizonDays);
  return horizonEnd < o.lastDay ? horizonEnd : o.lastDay;
};

/**
 * What the first forecaster of a version says of the customers at a test origin: P(alive) and expected spend by order history, and
 * their repeat order days week by week as they came and as it expects them. Nothing for a version without a forecaster.
 * @param o.table snapshot at the test origin
 * @param o.days order days up to `until` of the customers known at the test origin
 */
export const forecasterDetail = (
  manifest: ModelManifest,
  o: { table: Table; days: readonly CohortDay[]; until: string },
): {
  detail: Pick<EvaluationDetail, 'forecaster' | 'recencyFrequency' | 'tracking' | 'trackingStart'>;
  warnings: Warning[];
} => {
  const forecaster = manifest.predictor?.forecasters[0];
  if (forecaster === undefined || manifest.horizonDays === null) return { detail: {}, warnings: [] };
  const histories = historiesOf(o.table);
  const made = forecast(forecaster, histories, manifest.horizonDays);
  const detail = { forecaster: forecaster.model, recencyFrequency: recencyFrequencyGrid(histories, made) };
  const start = o.days[0]?.day;
  if (start === undefined) return { detail, warnings: [] };
  const weeks = Math.floor((Date.parse(o.until) / DAY_MS - start) / 7);
  const tracking = trackCohort(forecaster, { days: o.days, weeks });
  const unknown = tracking.find(({ expected }) => !Number.isFinite(expected));
  if (unknown !== undefined) {
    const { parameters, atBorder } = forecaster.purchase;
    const named = Object.entries(parameters).map(([name, value]) => `${name} = ${value.toPrecision(4)}`);
    const message = `Weekly tracking was left out: ${forecaster.model} has no finite expectation of orders in week ${unknown.week} with ${named.join(', ')}${atBorder.length > 0 ? ` (at its border: ${atBorder.join(', ')})` : ''}.`;
    return { detail, warnings: [{ code: 'no-tracking', message }] };
  }
  return { detail: { ...detail, tracking, trackingStart: addDays('1970-01-01', start) }, warnings: [] };
};
