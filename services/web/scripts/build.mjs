// Builds the web app into dist/app, only where something that goes into it has changed: every start builds.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const web = fileURLToPath(new URL('..', import.meta.url));
const root = path.join(web, '../..');
const out = path.join(web, 'dist/app');
const stampFile = path.join(web, 'dist/app.stamp'); // written last: an interrupted build is made again

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.test\.|\.map$|\.d\.ts$|\.tsbuildinfo$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted();

const inputs = [
  ...['src', 'scripts'].flatMap((folder) => filesIn(path.join(web, folder))),
  ...['libs/charts/dist', 'libs/contracts/dist'].flatMap((folder) => filesIn(path.join(root, folder))),
  path.join(web, 'index.html'),
  path.join(web, 'package.json'),
  path.join(root, 'pnpm-lock.yaml'),
];
const hash = createHash('sha256');
for (const file of inputs)
  hash
    .update(`${path.relative(root, file)}\n`)
    .update(readFileSync(file))
    .update('\n');
const stamp = hash.digest('hex');

const stamped = () => {
  try {
    readFileSync(path.join(out, 'index.html'));
    return readFileSync(stampFile, 'utf8');
  } catch {
    return undefined;
  }
};

if (stamped() !== stamp) {
  rmSync(stampFile, { force: true });
  const { build } = await import('vite');
  const made = build({
    root: web,
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: out,
      emptyOutDir: true,
      target: 'es2023',
      reportCompressedSize: false,
      chunkSizeWarningLimit: 2000, // kB; Vega is one piece, and fetched with the first chart alone
      rolldownOptions: {
        // "use client" in libraries means nothing here
        onLog: (level, log, handle) => log.code === 'MODULE_LEVEL_DIRECTIVE' || handle(level, log),
      },
    },
  });
  try {
    await made;
  } catch (error) {
    process.stderr.write(`${error.message}\nThe web app cannot be built.\n`);
    process.exit(1);
  }
  for (const file of filesIn(out)) {
    if (/\.(?:js|css|html|svg)$/.test(file)) writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
  }
  writeFileSync(stampFile, stamp);
}
