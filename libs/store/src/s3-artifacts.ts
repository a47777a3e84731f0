import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { CloveError } from '@clove/contracts';
import type { ArtifactStore, StoredFile } from './artifacts.js';
import { checkedKey, isKey } from './checked-key.js';
import { notFound } from './database.js';

/** Parts of a large object: 10,000 of them, the most that S3 takes, make 320 GB. */
const PART_BYTES = 32 * 1024 ** 2;
const PARTS_AT_ONCE = 2;
const REMOVALS_AT_ONCE = 8;
/** Local copies in one folder beyond this make room for new ones. */
const COPIES_BYTES = 8 * 1024 ** 3;
/** A copy that was asked for so recently may not have been opened yet. */
const COPY_IN_USE_MS = 10 * 60 * 1000;

/** What the SDK throws: an answer of the server with its status and name, or a connection that failed. */
type Failure = { name: string; message: string; status: number | undefined };
function failureOf(error: unknown): Failure {
  const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
  return { name, message, status: $metadata?.httpStatusCode };
}

/** The same for every S3 server: which failures pass by themselves, and what to do about the others. */
function translate(error: unknown, key: string, place: string): unknown {
  if (error instanceof CloveError) return error;
  const { name, message, status } = failureOf(error);
  const cause = { cause: error };
  if (name === 'NoSuchBucket') {
    return new CloveError(
      'unavailable',
      `The bucket of ${place} does not exist. Make it, or correct ARTIFACTS_DIR.`,
      cause,
    );
  }
  if (status === 404) return notFound('artifact', key);
  if (status === 507 || name === 'QuotaExceeded' || name === 'XMinioStorageFull') {
    return new CloveError('no-space', 'The artifact store is full. Free some space, or delete datasets.', cause);
  }
  if (status === 401 || status === 403 || name === 'CredentialsProviderError') {
    const how = 'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do with the bucket.';
    return new CloveError('unavailable', `The artifact store ${place} refuses these credentials. ${how}`, cause);
  }
  if (status === undefined || status >= 500 || status === 429) {
    return new CloveError('unavailable', `The artifact store ${place} does not answer (${name}: ${message}).`, cause);
  }
  return error;
}

/** Bytes that pass are counted and hashed. */
function meter() {
  const hash = createHash('sha256');
  let bytes = 0;
  const through = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      bytes += chunk.byteLength;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return { through, written: () => ({ bytes, sha256: hash.digest('hex') }) };
}

/** Removes the copies that nobody has asked for longest, until the folder is within its bounds. */
async function makeRoom(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const copies = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const file = path.join(entry.parentPath, entry.name);
        const found = await stat(file).catch(() => undefined); // another process may have removed it
        return { file, bytes: found?.size ?? 0, usedMs: found?.atimeMs ?? 0 };
      }),
  );
  let bytes = copies.reduce((sum, copy) => sum + copy.bytes, 0);
  for (const copy of copies.toSorted((a, b) => a.usedMs - b.usedMs)) {
    if (bytes <= COPIES_BYTES || Date.now() - copy.usedMs < COPY_IN_USE_MS) return;
    await rm(copy.file, { force: true });
    bytes -= copy.bytes;
  }
}

/**
 * An artifact store in a bucket, `s3://bucket/prefix`, of any server that speaks S3. An object appears when its last part
 * has arrived, so a key holds a whole file or nothing, as in a folder. Programs that need a file get a copy in their
 * scratch folder. The client is loaded with the first use, since a folder needs none.
 */
export function s3Artifacts(place: string): ArtifactStore {
  const [, Bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(?:\/(.*?))?\/*$/.exec(place) ?? [];
  if (Bucket === undefined) {
    throw new CloveError(
      'invalid-input',
      `${place} names no bucket: ARTIFACTS_DIR takes s3://bucket or s3://bucket/prefix`,
    );
  }
  const sdk = async () => ({ ...(await import('@aws-sdk/client-s3')), ...(await import('@aws-sdk/lib-storage')) });
  let opened: Promise<{ s3: S3Client; sdk: Awaited<ReturnType<typeof sdk>> }> | undefined;
  const client = () =>
    (opened ??= sdk().then((loaded) => ({
      sdk: loaded,
      s3: new loaded.S3Client({
        // servers of one's own have one address for all buckets; older ones know no trailing checksums
        forcePathStyle: (process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'] ?? '') !== '',
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      }),
    })));
  const nameOf = (key: string) => (prefix === '' ? checkedKey(key) : `${prefix}/${checkedKey(key)}`);
  const object = (key: string) => ({ Bucket, Key: nameOf(key) });
  /** Runs a call and tells its failure in the words of this system. */
  const call = async <T>(key: string, run: (c: Awaited<ReturnType<typeof client>>) => Promise<T>): Promise<T> => {
    checkedKey(key);
    try {
      return await run(await client());
    } catch (error) {
      throw translate(error, key, place);
    }
  };

  const put: ArtifactStore['put'] = async (key, body, options = {}) => {
    const { signal } = options;
    const stopped = () => new CloveError('cancelled', `Storing ${key} was cancelled.`, { cause: signal?.reason });
    if (signal?.aborted) throw stopped();
    const source = body instanceof Readable ? body : Readable.from([Buffer.from(body)]);
    const { through, written } = meter();
    let sourceError: unknown;
    // a source that fails must fail the upload, or the object would end early and look whole
    const read = pipeline(source, through, { signal }).catch((error: unknown) => {
      sourceError = error;
    });
    try {
      await call(key, async ({ s3, sdk: { Upload } }) => {
        const upload = new Upload({
          client: s3,
          params: { ...object(key), Body: through },
          partSize: PART_BYTES,
          queueSize: PARTS_AT_ONCE,
        });
        const abort = () => void upload.abort();
        signal?.addEventListener('abort', abort, { once: true });
        try {
          await upload.done();
        } finally {
          signal?.removeEventListener('abort', abort);
        }
      });
      await read;
      return written();
    } catch (error) {
      const first = sourceError ?? error; // what the clean-up below breaks is no cause
      through.destroy();
      source.destroy();
      await read;
      throw signal?.aborted ? stopped() : first;
    }
  };

  const bytesOf = (key: string): Promise<number> =>
    call(key, async ({ s3, sdk: { HeadObjectCommand } }) => {
      const { ContentLength = 0 } = await s3.send(new HeadObjectCommand(object(key)));
      return ContentLength;
    });

  const openObject: ArtifactStore['open'] = (key) =>
    call(key, async ({ s3, sdk: { GetObjectCommand } }) => {
      const { Body, ContentLength = 0 } = await s3.send(new GetObjectCommand(object(key)));
      return { stream: Body as Readable, bytes: ContentLength };
    });

  /** Every object whose name below the prefix is a key. */
  async function* objects(): AsyncGenerator<StoredFile> {
    const Prefix = prefix === '' ? '' : `${prefix}/`;
    try {
      const { s3, sdk: loaded } = await client();
      for await (const { Contents = [] } of loaded.paginateListObjectsV2({ client: s3 }, { Bucket, Prefix })) {
        for (const { Key = '', Size = 0, LastModified } of Contents) {
          const key = Key.slice(Prefix.length);
          if (isKey(key)) yield { key, bytes: Size, writtenMs: LastModified?.getTime() ?? Date.now() };
        }
      }
    } catch (error) {
      throw translate(error, '', place);
    }
  }

  return {
    put,

    putFile: async (key, source) => {
      checkedKey(key);
      await access(source).catch((error: unknown) => {
        throw new CloveError('not-found', `The file ${source} cannot be read.`, { cause: error });
      });
      return put(key, createReadStream(source));
    },

    open: openObject,

    readJson: async (key) => {
      const content = await text((await openObject(key)).stream);
      try {
        return JSON.parse(content);
      } catch (error) {
        throw new CloveError('internal', `Artifact ${key} is no JSON.`, { cause: error });
      }
    },

    stat: async (key) => {
      try {
        return { bytes: await bytesOf(key) };
      } catch (error) {
        if (error instanceof CloveError && error.code === 'not-found') return null;
        throw error;
      }
    },

    local: async (key, scratchDir) => {
      const folder = path.join(scratchDir, 'artifacts');
      const target = path.join(folder, checkedKey(key));
      const bytes = await bytesOf(key);
      // what is stored under a key never changes but for a repeated attempt, which writes the same
      const here = await stat(target).catch(() => undefined);
      if (here?.size === bytes) return target;
      await mkdir(path.dirname(target), { recursive: true });
      await makeRoom(folder);
      const aside = `${target}.${randomUUID()}`;
      try {
        await pipeline((await openObject(key)).stream, createWriteStream(aside, { flags: 'wx' }));
        await rename(aside, target);
      } catch (error) {
        await rm(aside, { force: true });
        throw translate(error, key, place);
      }
      return target;
    },

    list: (folder) =>
      call(folder, async ({ s3, sdk: { paginateListObjectsV2 } }) => {
        const Prefix = `${nameOf(folder)}/`;
        const found = new Map<string, number>();
        for await (const { Contents = [] } of paginateListObjectsV2({ client: s3 }, { Bucket, Prefix })) {
          for (const { Key = '', LastModified } of Contents) {
            const [name = ''] = Key.slice(Prefix.length).split('/');
            found.set(name, Math.max(found.get(name) ?? 0, LastModified?.getTime() ?? Date.now()));
          }
        }
        return [...found].map(([name, writtenMs]) => ({ name, writtenMs }));
      }),

    keys: objects,

    remove: (keyOrPrefix) =>
      call(keyOrPrefix, async ({ s3, sdk: { DeleteObjectCommand, paginateListObjectsV2 } }) => {
        const removal = (Key: string) => s3.send(new DeleteObjectCommand({ Bucket, Key }));
        await removal(nameOf(keyOrPrefix));
        const below = { Bucket, Prefix: `${nameOf(keyOrPrefix)}/` };
        for await (const { Contents = [] } of paginateListObjectsV2({ client: s3 }, below)) {
          const names = Contents.flatMap(({ Key }) => Key ?? []);
          for (let at = 0; at < names.length; at += REMOVALS_AT_ONCE) {
            await Promise.all(names.slice(at, at + REMOVALS_AT_ONCE).map(removal));
          }
        }
      }),
  };
}
