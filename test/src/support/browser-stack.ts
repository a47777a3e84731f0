import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch } from '@clove/cli';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** where the stack of the browser tests answers */
    stackUrl: string;
    /** an API key of its administrator */
    stackApiKey: string;
  }
}

/** One whole system, as `clove start` makes it, for all browser tests; in a folder of its own that goes away with it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const home = mkdtempSync(path.join(tmpdir(), 'clove-browser-'));
  // a database or queue that the environment names is somebody's own
  delete process.env['DATABASE_URL'];
  delete process.env['REDIS_URL'];
  const stack = await launch({ home, port: 0 });
  project.provide('stackUrl', stack.url);
  project.provide('stackApiKey', stack.apiKey);
  return async () => {
    await stack.stop();
    rmSync(home, { recursive: true, force: true });
  };
}
