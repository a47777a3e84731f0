import { type FSWatcher, readdirSync, watch } from 'node:fs';
import path from 'node:path';

const SOURCE = /\.(?:tsx?|css|svg)$/;

/**
 * Calls `changed` whenever a source below one of the folders is written, replaced, added or removed; folders that are
 * made later count too. Each folder is watched by itself: Node 20, where it is asked to watch recursively on Linux, follows
 * the files and not their names, and so loses every file that an editor or git replaces by another.
 * @returns what ends it
 */
export function watchFolders(folders: readonly string[], changed: () => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  const forget = (folder: string) => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  const add = (folder: string) => {
    if (watchers.has(folder)) return;
    const watcher = watch(folder, (_event, name) => {
      if (name !== null && SOURCE.test(name)) changed();
      else if (name !== null && addBelow(folder)) changed();
    });
    // Its folder was removed.
    watcher.on('error', () => forget(folder));
    watchers.set(folder, watcher);
    addBelow(folder);
  };
  /** True where there are folders that were not watched so far. */
  const addBelow = (folder: string): boolean => {
    const before = watchers.size;
    for (const inner of foldersIn(folder)) add(inner);
    return watchers.size > before;
  };
  for (const folder of folders) add(folder);
  return () => {
    for (const folder of watchers.keys()) forget(folder);
  };
}

const foldersIn = (folder: string): string[] => {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => path.join(folder, entry.name));
  } catch {
    return []; // removed meanwhile
  }
};
