import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, opendir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { CloveError } from '@clove/contracts';
import type { ArtifactStore, StoredFile } from './artifacts.js';
import { checkedKey, isKey } from './checked-key.js';
import { notFound } from './database.js';

/** Files in the making; no key starts with a dot, so none can name them. */
const ASIDE = '.aside';
const LEFT_ASIDE_MS = 24 * 3600 * 1000;

const errno = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** A failed call on the file system as a caller should see it. Where the store lies is for the log: the cause tells it. */
function translate(error: unknown, key: string): unknown {
  switch (errno(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EISDIR':
      return notFound('artifact', key);
    case 'ENOSPC':
    case 'EDQUOT':
      return new CloveError('no-space', 'The artifact store is full. Free some space, or delete datasets.', {
        cause: error,
      });
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return new CloveError(
        'no-space',
        'The artifact store cannot be written. Mount it writable and give the user of the services the right to write.',
        { cause: error },
      );
    default:
      return error;
  }
}

/** Makes names in a folder survive a power cut, as `fsync` does for a file's bytes. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Bytes of `body` into a new file at `target`, synced. */
async function write(target: string, body: AsyncIterable<Uint8Array | string>, mode: number) {
  const hash = createHash('sha256');
  let bytes = 0;
  const handle = await open(target, 'wx', mode);
  try {
    for await (const chunk of body) {
      const data = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      hash.update(data);
      bytes += data.byteLength;
      for (let at = 0; at < data.byteLength;) at += (await handle.write(data, at)).bytesWritten;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** mkdir -p, each new folder's name synced into its parent. */
async function makeFolder(folder: string, mode: number): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode });
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = path.dirname(at)) await syncFolder(path.dirname(at));
}

/** What the clock says that times the files of a folder; that of this process may be another, and wrong. */
async function clockOf(folder: string): Promise<number> {
  const fresh = path.join(folder, randomUUID());
  const handle = await open(fresh, 'wx');
  try {
    return (await handle.stat()).mtimeMs;
  } finally {
    await handle.close();
    await rm(fresh, { force: true });
  }
}

/** Removes what puts left aside that were killed: nobody has written to it for a day, by the clock of the folder. */
async function sweep(folder: string): Promise<void> {
  const nowMs = await clockOf(folder);
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name);
    const found = await stat(file).catch(() => undefined); // another process may be done with it
    if (found !== undefined && nowMs - found.mtimeMs > LEFT_ASIDE_MS) await rm(file, { force: true });
  }
}

/** When the newest file at or below a path was written; now where it has gone meanwhile, for somebody is at it. */
async function writtenAt(place: string): Promise<number> {
  try {
    const found = await stat(place);
    if (!found.isDirectory()) return found.mtimeMs;
    const entries = await readdir(place, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
    const times = await Promise.all(files.map(async (name) => (await stat(name)).mtimeMs));
    return times.length === 0 ? found.mtimeMs : Math.max(...times);
  } catch (error) {
    if (errno(error) === 'ENOENT') return Date.now();
    throw error;
  }
}

/** Every file below a folder whose path from it is a key; none where there is no such folder. */
async function* filesBelow(folder: string, before = ''): AsyncGenerator<StoredFile> {
  let entries;
  try {
    entries = await opendir(folder);
  } catch (error) {
    if (errno(error) === 'ENOENT') return; // it has gone meanwhile
    throw error;
  }
  for await (const entry of entries) {
    const key = before + entry.name;
    if (!isKey(key)) continue;
    const place = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(place, `${key}/`);
    else {
      const found = await stat(place).catch(() => undefined);
      if (found?.isFile()) yield { key, bytes: found.size, writtenMs: found.mtimeMs };
    }
  }
}

/** An artifact store in the folder `dir`, which is made if it is missing. Several processes may share one. */
export function folderArtifacts(dir: string, { ownerOnly = false } = {}): ArtifactStore {
  const fileMode = ownerOnly ? 0o600 : 0o666;
  const folderMode = ownerOnly ? 0o700 : 0o777;
  const root = path.resolve(dir);
  const asideFolder = path.join(root, ASIDE);
  let swept: Promise<void> | undefined;
  const file = (key: string): string => path.join(root, checkedKey(key));

  const size = async (key: string): Promise<number> => {
    const found = await stat(file(key));
    if (!found.isFile()) throw notFound('artifact', key);
    return found.size;
  };

  const put: ArtifactStore['put'] = async (key, body, options = {}) => {
    const { signal } = options;
    const stopped = () => new CloveError('cancelled', `Storing ${key} was cancelled.`, { cause: signal?.reason });
    const stream = body instanceof Readable ? body : Readable.from([Buffer.from(body)]);
    const abort = () => stream.destroy(stopped());
    const aside = path.join(asideFolder, randomUUID());
    try {
      const target = file(key);
      if (signal?.aborted) throw stopped();
      signal?.addEventListener('abort', abort, { once: true });
      await makeFolder(asideFolder, folderMode);
      swept ??= sweep(asideFolder);
      await swept.catch((error: unknown) => {
        swept = undefined; // the next put tries again
        throw error;
      });
      const written = await write(aside, stream, fileMode);
      if (signal?.aborted) throw stopped();
      await makeFolder(path.dirname(target), folderMode);
      await rename(aside, target);
      await syncFolder(path.dirname(target));
      return written;
    } catch (error) {
      stream.destroy();
      await rm(aside, { force: true });
      throw translate(error, key);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };

  return {
    put,

    putFile: async (key, source) => {
      file(key);
      const handle = await open(source, 'r').catch((error: unknown) => {
        throw new CloveError('not-found', `The file ${source} cannot be read.`, { cause: error });
      });
      return put(key, handle.createReadStream());
    },

    open: async (key) => {
      try {
        // the handle is taken first: what is read is one file, even if the key is written over meanwhile
        const handle = await open(file(key), 'r');
        const found = await handle.stat();
        if (found.isFile()) return { stream: handle.createReadStream(), bytes: found.size };
        await handle.close();
        throw notFound('artifact', key);
      } catch (error) {
        throw translate(error, key);
      }
    },

    readJson: async (key) => {
      const target = file(key);
      let content: string;
      try {
        content = await readFile(target, 'utf8');
      } catch (error) {
        throw translate(error, key);
      }
      try {
        return JSON.parse(content);
      } catch (error) {
        throw new CloveError('internal', `Artifact ${key} is no JSON.`, { cause: error });
      }
    },

    stat: async (key) => {
      try {
        return { bytes: await size(key) };
      } catch (error) {
        const known = translate(error, key);
        if (known instanceof CloveError && known.code === 'not-found') return null;
        throw known;
      }
    },

    local: async (key) => {
      try {
        await size(key);
      } catch (error) {
        throw translate(error, key);
      }
      return file(key);
    },

    list: async (folder) => {
      const top = file(folder);
      const names = await readdir(top).catch((error: unknown) => {
        if (errno(error) === 'ENOENT') return [];
        throw translate(error, folder);
      });
      return Promise.all(names.map(async (name) => ({ name, writtenMs: await writtenAt(path.join(top, name)) })));
    },

    keys: () => filesBelow(root),

    remove: async (keyOrPrefix) => {
      const target = file(keyOrPrefix);
      try {
        await rm(target, { recursive: true, force: true });
      } catch (error) {
        throw translate(error, keyOrPrefix);
      }
    },
  };
}
