import { access, constants, copyFile, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { CloveError, DatasetProfile, ImportFileName, ModelManifest } from '@clove/contracts';
import { openScratch } from '@clove/runtime';
import type { DatasetFiles, SourceFile } from './local/tasks.js';

/** What a model folder holds beside the model, for its report: the data that it learned from, and the ranking that it won. */
export const CARD_FILES = ['profile.json', 'leaderboard.json'] as const;

/** How far a training has come that writes its model into the folder; there while it runs, and where it was stopped. */
export const CHECKPOINT_FILE = 'resume.safetensors';

/** What counts as a data file in a folder given to `--data`. */
const DATA_FILE = /\.(csv|tsv|txt|parquet|pq)(\.gz)?$/i;

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

const statOf = async (path: string) => {
  try {
    return await stat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR'))
      throw new CloveError('data-unreadable', `--data ${path}: there is no such file or folder.`);
    if (hasCode(error, 'EACCES')) throw new CloveError('data-unreadable', `--data ${path}: not allowed to read it.`);
    throw error;
  }
};

/**
 * The files that `--data` names: a file is itself, a folder its data files (CSV, TSV, TXT, Parquet, also gzipped), in
 * the order of their names.
 * @throws CloveError 'data-unreadable' where nothing is there, 'data-empty' for a folder without a data file
 */
export const findFiles = async (paths: readonly string[]): Promise<SourceFile[]> => {
  const found: SourceFile[] = [];
  for (const given of paths) {
    const path = resolve(given);
    if (!(await statOf(given)).isDirectory()) {
      found.push({ name: basename(path), path });
      continue;
    }
    const names = (await readdir(path)).filter((name) => DATA_FILE.test(name) && !name.startsWith('.')).toSorted();
    if (names.length === 0)
      throw new CloveError('data-empty', `--data ${given}: the folder holds no CSV or Parquet file. Name one.`);
    for (const name of names) found.push({ name, path: join(path, name) });
  }
  return found;
};

/**
 * The files of a model to send: of a folder its model.json and graphs, else the file itself.
 * @throws CloveError 'data-unreadable' where nothing is there, 'data-empty' for a folder without a model
 */
export const modelFiles = async (given: string): Promise<SourceFile[]> => {
  const path = resolve(given);
  const found = await stat(path).catch((error: unknown) => {
    throw new CloveError('data-unreadable', `${given}: there is no such file or folder.`, { cause: error });
  });
  if (!found.isDirectory()) return [{ name: basename(path), path }];
  const there = await readdir(path);
  const names = ImportFileName.options.filter((name) => there.includes(name));
  if (names.length === 0) throw new CloveError('data-empty', `${given} holds neither a model.json nor a model.onnx.`);
  return names.map((name) => ({ name, path: join(path, name) }));
};

/** The dataset in a folder that `clove ingest --local` wrote; undefined for any other path. */
export const openDatasetFolder = async (path: string): Promise<DatasetFiles | undefined> => {
  if (!(await statOf(path)).isDirectory()) return undefined;
  const parquet = join(resolve(path), 'data.parquet');
  const names = new Set(await readdir(path));
  if (!names.has('data.parquet') || !names.has('profile.json')) return undefined;
  const profile = DatasetProfile.safeParse(JSON.parse(await readFile(join(path, 'profile.json'), 'utf8')));
  if (!profile.success)
    throw new CloveError(
      'data-unreadable',
      `--data ${path}: its profile.json is not a dataset profile. Ingest it again.`,
    );
  return { parquet, profile: profile.data };
};

/**
 * The manifest of a model folder, as `clove train --local` writes it.
 * @throws CloveError 'not-found' where the folder holds no model, 'invalid-input' where its model.json is damaged
 */
export const openModelFolder = async (path: string): Promise<{ modelDir: string; manifest: ModelManifest }> => {
  const modelDir = resolve(path);
  let text: string;
  try {
    text = await readFile(join(modelDir, 'model.json'), 'utf8');
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ENOTDIR')) throw error;
    throw new CloveError(
      'not-found',
      `--model ${path}: there is no model.json in it. With --local, name a folder that clove train --local has written.`,
      { cause: error },
    );
  }
  const manifest = ModelManifest.safeParse(JSON.parse(text));
  if (!manifest.success)
    throw new CloveError('invalid-input', `--model ${path}: its model.json is not a model manifest of this version.`);
  return { modelDir, manifest: manifest.data };
};

/** Runs `work` with a scratch folder that is gone afterwards, whatever happens. */
export const withScratch = async <T>(work: (scratchDir: string) => Promise<T>): Promise<T> => {
  const { folder, close } = await openScratch(tmpdir());
  try {
    return await work(folder);
  } finally {
    await close();
  }
};

/**
 * Sees that a folder can be made, or is there and can be written, before the work whose result goes there.
 * @throws CloveError 'invalid-input' naming the flag
 */
export const checkOutput = async (folder: string, flag = '--out'): Promise<void> => {
  for (let path = resolve(folder); ; path = dirname(path)) {
    const there = await stat(path).catch(() => undefined);
    if (!there && path !== dirname(path)) continue;
    const refuse = (why: string) =>
      new CloveError('invalid-input', `${flag}: nothing can be written to ${folder}: ${why}.`);
    if (!there?.isDirectory()) throw refuse(`${path} is no folder`);
    await access(path, constants.W_OK).catch(() => {
      throw refuse(`you may not write to ${path}`);
    });
    return;
  }
};

/**
 * Sees that a model may be written into a folder: there is none, it is empty but for the checkpoint of a
 * training that was stopped, or it holds a model, which is replaced.
 * @returns whether there is a model to be replaced
 * @throws CloveError 'invalid-input' for a folder of other things, whose files a model's could take the place of
 */
export const checkModelFolder = async (folder: string): Promise<boolean> => {
  await checkOutput(folder);
  const names = (await readdir(folder).catch(() => [])).filter((name) => name !== CHECKPOINT_FILE);
  if (names.length === 0) return false;
  const isModel = await openModelFolder(folder).then(
    () => true,
    () => false,
  );
  if (isModel) return true;
  throw new CloveError(
    'invalid-input',
    `--out: ${folder} holds files (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}) and no model of clove, so nothing is written there. Name a new folder, an empty one or a model folder.`,
  );
};

/** Whether there is such a file. */
export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Moves a finished file to its place, so that nobody ever sees half of it; makes the folder where it is missing. */
export const moveFile = async (from: string, to: string): Promise<void> => {
  await mkdir(dirname(to), { recursive: true });
  try {
    await rename(from, to);
  } catch (error) {
    if (!hasCode(error, 'EXDEV')) throw error;
    // Another file system: copy beside the target first.
    const aside = `${to}.part`;
    await copyFile(from, aside);
    await rename(aside, to);
    await rm(from);
  }
};

/** The format of a prediction file, by its name. */
export const predictionFormat = (file: string): 'csv' | 'parquet' => {
  const extension = extname(file).toLowerCase();
  if (extension === '.csv') return 'csv';
  if (extension === '.parquet') return 'parquet';
  throw new CloveError('invalid-input', `--out ${file}: the name must end in .csv or .parquet.`);
};
