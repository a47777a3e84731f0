import { readdirSync, watch } from 'node:fs';
import path from 'node:path';
import { spawnService } from '@clove/runtime';
import type { Supervised } from './supervise.js';

const SETTLED_MS = 500;

/**
 * Compiles the sources whenever they change and restarts the services on what came out. Compile errors are in
 * `home`/logs/compiler.log; while there are any, the services run on as they are.
 * @returns what ends it
 */
export function watchSources(o: {
  root: string;
  home: string;
  services: Supervised[];
  say: (text: string) => void;
}): () => Promise<void> {
  const compiler = spawnService({
    name: 'compiler',
    script: path.join(o.root, 'node_modules/typescript/bin/tsc'),
    args: ['-b', o.root, '--watch', '--preserveWatchOutput'],
    env: process.env,
    home: o.home,
    onExit: () => {},
  });
  o.say(`Sources are watched; what the compiler says is in ${compiler.logFile}`);

  let timer: NodeJS.Timeout | undefined;
  let restarting: Promise<void> | undefined;
  const restart = async () => {
    await restarting;
    await Promise.all(o.services.map((service) => service.restart()));
    o.say('The services were restarted on the changed sources');
  };
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (restarting = restart()), SETTLED_MS);
  };
  const outputs = ['libs', 'services'].flatMap((group) =>
    readdirSync(path.join(o.root, group)).map((name) => path.join(o.root, group, name, 'dist')),
  );
  const watchers = outputs.map((folder) =>
    watch(folder, { recursive: true }, (_event, file) => {
      if (file?.endsWith('.js') === true) changed();
    }),
  );
  return async () => {
    for (const watcher of watchers) watcher.close();
    clearTimeout(timer);
    await restarting;
    await compiler.stop();
  };
}
