import { type OpenPredictor, SNAPSHOT_FEATURE_NAMES, matchColumns } from '@clove/clv';
import { type ColumnProfile, type DatasetKind, type Warning, columnWarnings } from '@clove/contracts';

/** What of a dataset's profile tells its columns. */
type Columns = { kind: DatasetKind; columns: readonly Pick<ColumnProfile, 'name' | 'role'>[] };

/** Columns that a scan of this dataset can give, in order; the id is not one. */
export const scannable = (profile: Columns): string[] =>
  profile.kind === 'transactions'
    ? [...SNAPSHOT_FEATURE_NAMES]
    : profile.columns.filter(({ role }) => role !== 'customer').map(({ name }) => name);

/**
 * Which of a dataset's columns the model takes.
 * @returns their names, and warnings for features that are missing and columns that the model does not know
 * @throws CloveError `columns-mismatch` where more than half of the features are missing
 */
export const takenColumns = (
  { manifest, columns: read }: OpenPredictor,
  profile: Columns,
): { columns: string[]; warnings: Warning[] } => {
  const available = scannable(profile);
  const { missing, surplus } = matchColumns(manifest.schema, available);
  const there = new Set(available);
  const columns = read.filter((name) => there.has(name));
  const ignored = new Set(manifest.options.ignoreColumns);
  const features = new Set(profile.columns.filter(({ role }) => role === 'feature').map(({ name }) => name));
  const unknown = surplus.filter((name) => features.has(name) && !ignored.has(name) && name !== manifest.target);
  return { columns, warnings: columnWarnings(manifest, missing, unknown) };
};
