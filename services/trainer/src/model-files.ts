import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ArtifactName, CloveError } from '@clove/contracts';
import { type ArtifactStore, type VersionFile, artifactKeys, newId } from '@clove/store';

/**
 * Stores the files of a model folder under a new version's keys and has `register` take them into the registry. Where the
 * registry says no, or has such a version already, the files are removed; where it did not answer they stay, for it may have
 * registered them.
 * @param register answers the id of the version that is there now, null for none
 */
export const storeVersion = async (
  artifacts: ArtifactStore,
  modelDir: string,
  register: (version: { versionId: string; artifacts: VersionFile[] }) => Promise<string | null>,
): Promise<void> => {
  const versionId = newId('version');
  const there = await readdir(modelDir);
  const names = ArtifactName.options.filter((name) => there.includes(name));
  let needed = false;
  try {
    const files: VersionFile[] = [];
    for (const name of names) {
      files.push({ name, ...(await artifacts.putFile(artifactKeys.version(versionId, name), join(modelDir, name))) });
    }
    needed = true;
    needed = (await register({ versionId, artifacts: files })) === versionId;
  } catch (error) {
    if (error instanceof CloveError && !error.retryable) needed = false;
    throw error;
  } finally {
    if (!needed) for (const name of names) await artifacts.remove(artifactKeys.version(versionId, name));
  }
};
