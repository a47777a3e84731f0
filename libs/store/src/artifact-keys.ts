import type { ArtifactName } from '@clove/contracts';

/**
 * A dataset or a prediction as it was at some time: as its job wrote it, or as the erasure `revision` did. Files are never written
 * over, for somebody may be reading them: an erasure makes its own beside them.
 */
export type RevisionRef = { id: string; revision: string | null };

const folderOf = (kind: 'datasets' | 'predictions', { id, revision }: RevisionRef): string =>
  revision === null ? `${kind}/${id}` : `${kind}/${id}/${revision}`;

/** Where each file of the system lies in the artifact store. The ids are those of `newId`. */
export const artifactKeys = {
  /** The n-th file of an upload, from 0; `id` is that of the dataset or the import that it is for. */
  upload: (id: string, n: number): string => `uploads/${id}/${n}`,
  /** All files of an upload, to remove them. */
  uploads: (id: string): string => `uploads/${id}`,
  /** The canonical Parquet. */
  data: (dataset: RevisionRef): string => `${folderOf('datasets', dataset)}/data.parquet`,
  profile: (dataset: RevisionRef): string => `${folderOf('datasets', dataset)}/profile.json`,
  /** Every row that the ingest did not take; there where it left any out. */
  rejected: (dataset: RevisionRef, name: 'rejected.parquet' | 'rejected.csv'): string =>
    `${folderOf('datasets', dataset)}/${name}`,
  /** All files of a dataset but its upload, of all revisions, to remove them. */
  dataset: (datasetId: string): string => `datasets/${datasetId}`,
  /** How far a training has come; there while it is under way. */
  checkpoint: (runId: string): string => `runs/${runId}/checkpoint.safetensors`,
  version: (versionId: string, name: ArtifactName): string => `versions/${versionId}/${name}`,
  prediction: (prediction: RevisionRef, name: 'predictions.parquet' | 'predictions.csv'): string =>
    `${folderOf('predictions', prediction)}/${name}`,
  /** All files of a prediction, to remove them. */
  predictionFiles: (predictionId: string): string => `predictions/${predictionId}`,
  /** A file of a prediction that several scorers are making; see `shards` for all of them. */
  shard: (predictionId: string, name: string): string => `predictions/${predictionId}/shards/${name}`,
  /** What a prediction in the making consists of, to remove it. */
  shards: (predictionId: string): string => `predictions/${predictionId}/shards`,
  /** An empty file that is written to learn what the clock of the store says, and removed. */
  probe: (id: string): string => `probes/${id}`,
} as const;

/** Keys and prefixes of all files of a dataset, but its upload, or of a prediction at some time, to remove them. */
export const revisionKeys = (kind: 'datasets' | 'predictions', at: RevisionRef): string[] => {
  if (at.revision !== null) return [folderOf(kind, at)];
  return kind === 'datasets'
    ? [
        artifactKeys.data(at),
        artifactKeys.profile(at),
        artifactKeys.rejected(at, 'rejected.parquet'),
        artifactKeys.rejected(at, 'rejected.csv'),
      ]
    : [artifactKeys.prediction(at, 'predictions.parquet'), artifactKeys.prediction(at, 'predictions.csv')];
};

/**
 * True of a file of work that is under way: the checkpoint of a training, shards of a prediction in the making, a probe.
 * The work is done again without it, to the same result.
 */
export const isInTheMaking = (key: string): boolean => /^(runs|probes)\/|^predictions\/[^/]+\/shards\//.test(key);
