import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Supervised } from './supervise.js';
import { watchFolders } from './watch-folders.js';

const SETTLED_MS = 200;

/**
 * Compiles the sources whenever they change and restarts the services on what came out. Where only the web app's have
 * changed, nothing is restarted: the gateway reads its files anew. While they do not compile, the errors are told and the
 * services run on as they are.
 * @returns what ends it
 */
export function watchSources(o: {
  root: string;
  services: Supervised[];
  say: (text: string) => void;
}): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> | undefined;
  let servicesChanged = false;
  const rebuild = async (before: Promise<void> | undefined) => {
    await before;
    const errors = (await run(o.root, COMPILE)) ?? (await run(o.root, BUILD_WEB));
    if (errors !== undefined) {
      o.say(`The sources do not compile; the services run on as they were:\n${errors}`);
      return;
    }
    if (!servicesChanged) {
      o.say('The web app was built anew: reload the page');
      return;
    }
    servicesChanged = false;
    await Promise.all(o.services.map((service) => service.restart()));
    o.say('The services were restarted on the changed sources');
  };
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (working = rebuild(working)), SETTLED_MS);
  };
  const web = path.join(o.root, 'services/web/src');
  const sources = ['libs', 'services'].flatMap((group) =>
    readdirSync(path.join(o.root, group)).map((name) => path.join(o.root, group, name, 'src')),
  );
  const stops = [
    watchFolders([web], changed),
    watchFolders(
      sources.filter((folder) => folder !== web),
      () => {
        servicesChanged = true;
        changed();
      },
    ),
  ];
  o.say('The sources are watched');
  return async () => {
    for (const stop of stops) stop();
    clearTimeout(timer);
    await working;
  };
}

const COMPILE = ['node_modules/typescript/bin/tsc', '-b'];
const BUILD_WEB = ['services/web/scripts/build.mjs'];

/** Runs a script of the checkout; what it complains of, undefined where all is well. */
const run = (root: string, [script = '', ...args]: readonly string[]): Promise<string | undefined> =>
  new Promise((resolve) => {
    execFile(process.execPath, [path.join(root, script), ...args], { cwd: root }, (error, stdout, stderr) => {
      resolve(error === null ? undefined : (stdout + stderr).trim() || error.message);
    });
  });
