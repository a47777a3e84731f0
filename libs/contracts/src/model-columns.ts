import type { Warning } from './common.js';
import type { FeatureSchema, ModelManifest } from './model.js';

/** Features of a model that some columns lack, and columns that the model does not know. Names must be written alike. */
export const compareColumns = (
  schema: FeatureSchema,
  available: readonly string[],
): { missing: string[]; surplus: string[] } => {
  const names = schema.features.map(({ name }) => name);
  const there = new Set(available);
  const known = new Set(names);
  return { missing: names.filter((name) => !there.has(name)), surplus: available.filter((name) => !known.has(name)) };
};

/** What to say about features that are missing and columns that are not used. */
export const columnWarnings = (manifest: ModelManifest, missing: string[], surplus: string[]): Warning[] => {
  const warnings: Warning[] = [];
  if (missing.length > 0) {
    warnings.push({
      code: 'missing-columns',
      message: `${missing.length} of the model's ${manifest.schema.features.length} features are not in the data and were taken as missing for everyone: ${missing.join(', ')}. Predictions are less exact for it.`,
      count: missing.length,
    });
  }
  if (surplus.length > 0) {
    warnings.push({
      code: 'surplus-columns',
      message: `Columns that the model did not learn from were not used: ${surplus.slice(0, 50).join(', ')}${surplus.length > 50 ? `, and ${surplus.length - 50} more` : ''}.`,
      count: surplus.length,
    });
  }
  return warnings;
};

/**
 * What scoring a file of one row a customer would say of its columns, before it is sent: the header against a model of kind
 * `features`. `refused`: more than half of the features are missing, so the job would fail.
 * @param columns of the file, without the customer id where it is known
 */
export const checkHeader = (
  manifest: ModelManifest,
  columns: readonly string[],
): { missing: string[]; surplus: string[]; refused: boolean; warnings: Warning[] } => {
  const { missing, surplus: unknown } = compareColumns(manifest.schema, columns);
  const left = new Set([...manifest.options.ignoreColumns, manifest.target, manifest.idColumn]);
  const surplus = unknown.filter((name) => !left.has(name));
  const refused = missing.length * 2 > manifest.schema.features.length;
  return { missing, surplus, refused, warnings: columnWarnings(manifest, missing, surplus) };
};
