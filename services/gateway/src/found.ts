import type { ArtifactName, Dataset, ModelVersion, Prediction } from '@clove/contracts';
import { artifactKeys } from '@clove/store';

/**
 * Where a file of a resource lies. It takes what the registry of the user's tenant has found, never an id that somebody sent: who
 * asks for what is of another tenant was told before that there is no such thing. Routes have no other way to a file.
 */
export function fileOf(
  ...[found, name]:
    | [found: Dataset, name: 'profile.json' | 'rejected.csv']
    | [found: ModelVersion, name: ArtifactName]
    | [found: Prediction, name: 'predictions.csv' | 'predictions.parquet']
): string {
  switch (name) {
    case 'profile.json':
      return artifactKeys.profile(found);
    case 'rejected.csv':
      return artifactKeys.rejected(found, name);
    case 'predictions.csv':
    case 'predictions.parquet':
      return artifactKeys.prediction(found, name);
    default:
      return artifactKeys.version(found.id, name);
  }
}

/** Everything that lies of a dataset, to remove it. */
export const foldersOf = ({ id }: Dataset): string[] => [artifactKeys.dataset(id), artifactKeys.uploads(id)];
