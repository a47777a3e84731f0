import { randomUUID } from 'node:crypto';
import { artifactKeys } from './artifact-keys.js';
import type { Database } from './database.js';
import type { ArtifactStore } from './artifacts.js';
import type { Registry } from './registry.js';

/** Nobody has written to an orphan for so long: an upload takes 6 hours at most, a version minutes. */
const LEFT_MS = 24 * 3600 * 1000;

/** Folders of the artifact store whose entries belong to something in the registry. */
const OWNED_FOLDERS = ['uploads', 'datasets', 'runs', 'versions', 'predictions', 'probes'] as const;
export type OwnedFolder = (typeof OWNED_FOLDERS)[number];

/** See `Registry.owned`. */
export const openOwned =
  (db: Database): Registry['owned'] =>
  async (folder, names) => {
    const where = { id: { in: [...names] } };
    const select = { id: true } as const;
    const rows = await {
      uploads: async () => [
        ...(await db.dataset.findMany({ where, select })),
        ...(await db.modelImport.findMany({ where, select })),
      ],
      datasets: () => db.dataset.findMany({ where, select }),
      runs: () => db.run.findMany({ where: { ...where, job: { status: { in: ['queued', 'running'] } } }, select }),
      versions: () => db.modelVersion.findMany({ where, select }),
      predictions: () => db.prediction.findMany({ where, select }),
      probes: async () => [],
    }[folder]();
    return new Set(rows.map(({ id }) => id));
  };

/** What the clock says that times the files of a store: when a file that is written now was written. */
async function clockOf(artifacts: ArtifactStore): Promise<number> {
  const name = randomUUID();
  await artifacts.put(artifactKeys.probe(name), '');
  try {
    const written = (await artifacts.list('probes')).find((entry) => entry.name === name);
    if (written === undefined) throw new Error('the artifact store does not list what was put into it');
    return written.writtenMs;
  } finally {
    await artifacts.remove(artifactKeys.probe(name));
  }
}

/**
 * Removes what processes that were killed left in the artifact store: uploads without a dataset, files of versions that never
 * came to be, checkpoints of runs that are over, probes of the clock. Only what nobody has written to for a day, by the clock
 * that the store times its files with: that of this process may be wrong.
 * @param underWay true for the id of an upload that this process knows to be arriving; it stays, whatever the clocks say
 * @returns the prefixes that were removed
 */
export async function sweepArtifacts(
  registry: Registry,
  artifacts: ArtifactStore,
  underWay: (id: string) => boolean = () => false,
): Promise<string[]> {
  const removed: string[] = [];
  const nowMs = await clockOf(artifacts);
  for (const folder of OWNED_FOLDERS) {
    const old = (await artifacts.list(folder)).filter(
      ({ name, writtenMs }) => nowMs - writtenMs > LEFT_MS && !(folder === 'uploads' && underWay(name)),
    );
    if (old.length === 0) continue;
    const owned = await registry.owned(
      folder,
      old.map(({ name }) => name),
    );
    for (const { name } of old) {
      if (owned.has(name)) continue;
      await artifacts.remove(`${folder}/${name}`);
      removed.push(`${folder}/${name}`);
    }
  }
  return removed;
}

/** Removes what an erasure has replaced; nobody may read it any more. */
export async function removeReplaced(registry: Registry, artifacts: ArtifactStore, erasureId: string): Promise<void> {
  for (const key of await registry.erasures.replaced(erasureId)) await artifacts.remove(key);
  await registry.erasures.forgetReplaced(erasureId);
}

/** The same for erasures that ended before they came to it: cancelled, or failed. @returns their ids */
export async function sweepReplaced(registry: Registry, artifacts: ArtifactStore): Promise<string[]> {
  const left = await registry.erasures.leftOver();
  for (const id of left) await removeReplaced(registry, artifacts, id);
  return left;
}
