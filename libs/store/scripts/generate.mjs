// `prisma generate`, only where the schema or Prisma itself has changed: it costs seconds, and every start builds.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const prismaManifest = createRequire(path.join(root, 'package.json')).resolve('prisma/package.json');
const { version, bin } = JSON.parse(readFileSync(prismaManifest, 'utf8'));
const schema = readFileSync(path.join(root, 'prisma/schema.prisma'));
const stamp = createHash('sha256').update(schema).update(version).digest('hex');
const generated = path.join(root, 'libs/store/src/generated');
const stampFile = path.join(generated, '.stamp'); // written last: an interrupted generation is made again

const stamped = () => {
  try {
    readFileSync(path.join(generated, 'client.ts'));
    return readFileSync(stampFile, 'utf8');
  } catch {
    return undefined;
  }
};

if (stamped() !== stamp) {
  const cli = path.join(path.dirname(prismaManifest), bin.prisma);
  const run = spawnSync(process.execPath, [cli, 'generate', '--no-hints'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, CHECKPOINT_DISABLE: '1' }, // no look-up of newer versions, by a process that stays behind
  });
  if (run.status !== 0) {
    process.stderr.write(`${run.stdout}${run.stderr}${run.error?.message ?? ''}\nprisma generate failed.\n`);
    process.exit(1);
  }
  writeFileSync(stampFile, stamp);
}
