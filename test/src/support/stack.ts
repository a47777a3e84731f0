import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch } from '@clove/cli';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** where the stack of the project answers */
    stackUrl: string;
    /** an API key of its administrator */
    stackApiKey: string;
    /** its data folder */
    stackHome: string;
    /** its services as they were started */
    stackProcesses: { name: string; pid: number }[];
  }
}

/**
 * One whole system, as `clove start` makes it, for all tests of a project; in a folder of its own that goes away with it.
 * @param env added to the environment of every service
 */
export async function provideStack(project: TestProject, env: NodeJS.ProcessEnv = {}): Promise<() => Promise<void>> {
  const home = mkdtempSync(path.join(tmpdir(), `clove-${project.name}-`));
  // a database or queue that the environment names is somebody's own
  delete process.env['DATABASE_URL'];
  delete process.env['REDIS_URL'];
  const stack = await launch({ home, port: 0, env });
  project.provide('stackUrl', stack.url);
  project.provide('stackApiKey', stack.apiKey);
  project.provide('stackHome', home);
  project.provide('stackProcesses', stack.processes);
  return async () => {
    await stack.stop();
    rmSync(home, { recursive: true, force: true });
  };
}
