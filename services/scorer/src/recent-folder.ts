import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** So long a folder is given out; it goes as long after. */
const PERIOD_MS = 15 * 60 * 1000;

/**
 * A folder for copies of files of the artifact store that may be of use again soon: what is erased there must not stay here. Ask
 * for it whenever one is needed; it is used for seconds.
 */
export const recentFolder = (scratchDir: string): (() => string) => {
  let count = 0;
  let current: string | undefined;
  return () => {
    if (current !== undefined) return current;
    const folder = (current = join(scratchDir, `recent-${(count += 1)}`));
    setTimeout(() => (current = undefined), PERIOD_MS).unref();
    // where that fails, it goes with the scratch folder of the process
    setTimeout(() => void rm(folder, { recursive: true, force: true }).catch(() => {}), 2 * PERIOD_MS).unref();
    return folder;
  };
};
