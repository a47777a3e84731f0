import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Supervised } from './supervise.js';
import { watchFolders } from './watch-folders.js';

const SETTLED_MS = 200;

/**
 * Compiles the sources whenever they change and restarts the services on what came out. While they do not compile, the
 * errors are told and the services run on as they are.
 * @returns what ends it
 */
export function watchSources(o: {
  root: string;
  services: Supervised[];
  say: (text: string) => void;
}): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> | undefined;
  const rebuild = async (before: Promise<void> | undefined) => {
    await before;
    const errors = await compile(o.root);
    if (errors !== undefined) {
      o.say(`The sources do not compile; the services run on as they were:\n${errors}`);
      return;
    }
    await Promise.all(o.services.map((service) => service.restart()));
    o.say('The services were restarted on the changed sources');
  };
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (working = rebuild(working)), SETTLED_MS);
  };
  const sources = ['libs', 'services'].flatMap((group) =>
    readdirSync(path.join(o.root, group)).map((name) => path.join(o.root, group, name, 'src')),
  );
  const stopWatching = watchFolders(sources, changed);
  o.say('The sources are watched');
  return async () => {
    stopWatching();
    clearTimeout(timer);
    await working;
  };
}

/** What the compiler complains of; undefined where all is well. */
const compile = (root: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
    execFile(process.execPath, [compiler, '-b', root], { cwd: root }, (error, stdout, stderr) => {
      resolve(error === null ? undefined : (stdout + stderr).trim() || error.message);
    });
  });
