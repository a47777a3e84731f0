import { existsSync, renameSync, rmSync } from 'node:fs';

/** Moves a finished folder into place; another process may have been first, which is as good. */
export function settle(making: string, final: string): void {
  try {
    renameSync(making, final);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(final)) throw error;
  }
}
