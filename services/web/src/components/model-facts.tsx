import type { ModelVersion } from '../api/generated/clove-api.js';
import { formatCount, formatDuration } from '../lib/format.js';
import { HEADS, METRICS, MODEL_TYPES } from '../lib/words.js';
import { Facts } from './page.js';

const SHOWN = ['totalBias', 'normalizedGini', 'decileMape', 'r2'];

/** What a version is: type, inputs, layers, parameters, what trained it, how good it was. */
export function ModelFacts({ version }: { version: ModelVersion }) {
  const { manifest, evaluation } = version;
  const { type, head, kind, schema, options, parameters, training, horizonDays } = manifest;
  const layered = type === 'feedforward' || type === 'lstm' || type === 'gru' || type === 'transformer';
  const metrics = evaluation?.metrics;
  return (
    <Facts
      items={[
        { label: 'Type', value: MODEL_TYPES[type], ...(head === null ? {} : { hint: HEADS[head] }) },
        { label: 'Predicts from', value: kind === 'transactions' ? 'Orders' : 'A table of customers' },
        horizonDays === null
          ? { label: 'Target', value: manifest.target }
          : { label: 'Horizon', value: `${formatCount(horizonDays)} days` },
        {
          label: 'Inputs',
          value: `${formatCount(schema.features.length)} features`,
          hint: `${formatCount(schema.width)} once encoded`,
        },
        ...(layered ? [{ label: 'Hidden layers', value: options.hidden.join(' – ') }] : []),
        { label: 'Parameters', value: formatCount(parameters) },
        { label: 'Trained on', value: training.backend, hint: formatDuration(training.seconds) },
        { label: 'Training rows', value: formatCount(training.rows) },
        ...METRICS.filter(
          ({ key }) => SHOWN.includes(key) && metrics?.[key] !== undefined && metrics[key] !== null,
        ).map(({ key, label, format }) => ({ label, value: format(metrics?.[key]), hint: 'on test customers' })),
      ]}
    />
  );
}
