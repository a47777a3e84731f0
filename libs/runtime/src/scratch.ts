import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** A folder for files in the making. */
export type Scratch = { folder: string; close(): Promise<void> };

const OWNER = /^clove-(.+)-(\d+)-[^-]{6}$/;
const host = hostname().replaceAll(/[^\w.-]/g, '_');

/**
 * Makes a folder in `parent` that belongs to this process and says so by its name (host and process id), and removes those that
 * processes of this host have left there which are no more: one that was killed could not remove its own. Folders of other hosts,
 * that share the place, are left alone. `close` removes the folder.
 */
export const openScratch = async (parent: string): Promise<Scratch> => {
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    const [, owner, pid] = OWNER.exec(name) ?? [];
    if (owner === host && !isRunning(Number(pid))) await rm(join(parent, name), { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(parent, `clove-${host}-${process.pid}-`));
  return { folder, close: () => rm(folder, { recursive: true, force: true }) };
};

/** Whether there is such a process; where it may not be asked there is one. */
const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
};
