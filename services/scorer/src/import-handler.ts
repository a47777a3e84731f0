import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type ArtifactName, CloveError } from '@clove/contracts';
import type { Handlers } from '@clove/runtime';
import { type ArtifactStore, type Registry, type VersionFile, artifactKeys, newId } from '@clove/store';
import type { Lanes } from './lanes.js';

/** What the handler of `import` jobs works with. */
type Context = { registry: Registry; artifacts: ArtifactStore; scratchDir: string; lanes: Lanes };

/**
 * Does one `import` job: the files that somebody brought are checked and become a version, in a thread of their own. A version
 * that is there already is left alone; where the files are refused nothing of a version stays. The files as they were sent go
 * once they are taken or refused.
 */
export const importHandler =
  ({ registry, artifacts, scratchDir, lanes }: Context): Handlers<'score'>['import'] =>
  async ({ importId }, { signal, progress }) => {
    const { versionId: made } = await registry.imports.get(importId);
    if (made !== null) return;
    const { files } = await registry.imports.input(importId);
    const modelDir = await mkdtemp(join(scratchDir, 'import-'));
    try {
      for (const { name, key } of files) {
        const { stream } = await artifacts.open(key);
        await pipeline(stream, createWriteStream(join(modelDir, name)), { signal });
      }
      progress(0.2, 'checking the model');
      const manifest = await lanes.run('import', { modelDir }, { signal, post: () => {} });
      if (!files.some(({ name }) => name === 'model.json')) {
        await writeFile(join(modelDir, 'model.json'), `${JSON.stringify(manifest, null, 2)}\n`);
      }
      progress(0.8, 'storing the version');
      const names = new Set<ArtifactName>([...files.map(({ name }) => name), 'model.json']);
      await register({ registry, artifacts, importId, modelDir, names: [...names], manifest, signal });
      await artifacts.remove(artifactKeys.uploads(importId));
    } catch (error) {
      // the same files would be refused again
      const refused =
        error instanceof CloveError && (error.code === 'invalid-input' || error.code === 'data-unreadable');
      if (refused) await artifacts.remove(artifactKeys.uploads(importId));
      throw error;
    } finally {
      await rm(modelDir, { recursive: true, force: true });
    }
  };

async function register(o: {
  registry: Registry;
  artifacts: ArtifactStore;
  importId: string;
  modelDir: string;
  names: ArtifactName[];
  manifest: Parameters<Registry['imports']['complete']>[1]['manifest'];
  signal: AbortSignal;
}): Promise<void> {
  const { registry, artifacts, importId, names, manifest } = o;
  const versionId = newId('version');
  const discard = async () => {
    for (const name of names) await artifacts.remove(artifactKeys.version(versionId, name));
  };
  try {
    const stored: VersionFile[] = [];
    for (const name of names) {
      stored.push({
        name,
        ...(await artifacts.putFile(artifactKeys.version(versionId, name), join(o.modelDir, name))),
      });
    }
    o.signal.throwIfAborted();
    const version = await registry.imports.complete(importId, { versionId, manifest, artifacts: stored });
    if (version.id !== versionId) await discard();
  } catch (error) {
    // where the registry did not answer it may have taken the files
    if (error instanceof CloveError && !error.retryable) await discard();
    throw error;
  }
}
