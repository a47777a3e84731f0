import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BackupManifest, CloveError } from '@clove/contracts';
import { dataHome, lockHome, runningPostgres, startPostgres } from '@clove/runtime';
import { backUp, openArtifacts, restoreBackup } from '@clove/store';
import { type Context, given, text } from '../context.js';
import { bytes, count } from '../screen/format.js';

/** What a backup is of. */
type Installation = { databaseUrl: string; artifactsDir: string; home: string; close(): Promise<void> };

/**
 * What the environment names, as the services take it, or what the data folder of this machine holds: with the Postgres that runs on
 * it, or one that is started for as long.
 * @param o.alone nothing else may run on the data folder meanwhile
 */
const openInstallation = async (ctx: Context, o: { alone: boolean }): Promise<Installation> => {
  const home = dataHome();
  const artifactsDir = ctx.environment['ARTIFACTS_DIR'] || join(home, 'artifacts');
  const running = ctx.environment['DATABASE_URL'] || (await runningPostgres(home));
  if (!o.alone && running !== undefined) return { databaseUrl: running, artifactsDir, home, close: async () => {} };
  const unlock = lockHome(home);
  try {
    const server = await startPostgres({ home });
    return {
      databaseUrl: server.url,
      artifactsDir,
      home,
      close: async () => {
        await server.stop();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
};

const sizeOf = ({ tables, files }: BackupManifest) => ({
  rows: tables.reduce((sum, table) => sum + table.rows, 0),
  files: files.length,
  bytes: [...tables, ...files].reduce((sum, file) => sum + file.bytes, 0),
});

/** Does the work as one step on the screen. */
const asStep = async (
  ctx: Context,
  name: string,
  work: (onProgress: (done: { files: number; bytes: number }) => void) => Promise<BackupManifest>,
): Promise<{ manifest: BackupManifest; seconds: number }> => {
  const step = ctx.screen.step(name);
  try {
    // how much there is shows only at the end
    const manifest = await work((done) => step.update(0, `${count(done.files)} files, ${bytes(done.bytes)}`));
    const size = sizeOf(manifest);
    const seconds = step.done(`${count(size.rows)} rows, ${count(size.files)} files, ${bytes(size.bytes)}`);
    return { manifest, seconds };
  } catch (error) {
    step.failed();
    throw error;
  }
};

/** `clove backup`: everything that Postgres and the artifact store hold, while they are in use. */
export const backup = async (ctx: Context): Promise<void> => {
  const out = text(ctx, 'out') ?? '';
  const installation = await openInstallation(ctx, { alone: false });
  try {
    const { databaseUrl, artifactsDir, home } = installation;
    const { manifest, seconds } = await asStep(ctx, 'backup', (onProgress) =>
      backUp({
        databaseUrl,
        artifacts: openArtifacts(artifactsDir),
        backup: openArtifacts(out, { ownerOnly: true }),
        signal: ctx.signal,
        onProgress,
      }),
    );
    ctx.screen.warn(
      manifest.missing.map((key) => ({
        code: 'file-missing',
        message: `The artifact store has lost ${key}: the backup is without it.`,
        count: 1,
      })),
    );
    const secret = join(home, 'customer-id-secret.secret');
    if (!ctx.environment['CUSTOMER_ID_SECRET'] && existsSync(secret)) {
      ctx.screen.note(`Keep a copy of ${secret} elsewhere: it is in no backup, and hashed customer ids depend on it.`);
    }
    ctx.screen.print(`${out} holds the backup of ${manifest.createdAt}.`);
    ctx.screen.result({
      place: out,
      createdAt: manifest.createdAt,
      ...sizeOf(manifest),
      missing: manifest.missing,
      seconds,
    });
  } finally {
    await installation.close();
  }
};

/** `clove restore`: a backup into what must be empty, with the services stopped. */
export const restore = async (ctx: Context, from: string): Promise<void> => {
  const source = openArtifacts(from);
  if (!from.startsWith('s3://') && !existsSync(from)) throw new CloveError('not-found', `There is no folder ${from}.`);
  const installation = await openInstallation(ctx, { alone: true });
  try {
    const { databaseUrl, artifactsDir } = installation;
    const { manifest, seconds } = await asStep(ctx, 'restore', (onProgress) =>
      restoreBackup({
        databaseUrl,
        artifacts: openArtifacts(artifactsDir),
        backup: source,
        overwrite: given(ctx, 'overwrite'),
        signal: ctx.signal,
        onProgress,
      }),
    );
    ctx.screen.print(`The backup of ${manifest.createdAt} is back. Start the services; everybody signs in again.`);
    ctx.screen.result({ place: from, createdAt: manifest.createdAt, ...sizeOf(manifest), seconds });
  } finally {
    await installation.close();
  }
};
