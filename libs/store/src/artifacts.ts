import type { Readable } from 'node:stream';
import { CloveError } from '@clove/contracts';
import { folderArtifacts } from './folder-artifacts.js';
import { s3Artifacts } from './s3-artifacts.js';

/**
 * Files under keys such as `versions/ver_…/model.onnx`: one to ten segments of letters, digits, `.`, `_` and `-`, each
 * starting with a letter or digit. Any other key is refused with 'bad-request': keys are made by `artifactKeys`, never of
 * what a user wrote. A key holds a whole file or nothing: a put is written aside, synced and renamed.
 */
export interface ArtifactStore {
  /** Writes over what is there. 'no-space' where the disk is full or read-only; 'cancelled' where `signal` was aborted. */
  put(
    key: string,
    body: Readable | Uint8Array | string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<{ bytes: number; sha256: string }>;
  /** Copies the file at `path` into the store. */
  putFile(key: string, path: string): Promise<{ bytes: number; sha256: string }>;
  /** 'not-found' where there is no such key. */
  open(key: string): Promise<{ stream: Readable; bytes: number }>;
  /** 'not-found' where there is no such key. */
  readJson(key: string): Promise<unknown>;
  /** Null where there is no such key. */
  stat(key: string): Promise<{ bytes: number } | null>;
  /** Path of a local file with this content, for programs that need one; read it, never write to it. */
  local(key: string, scratchDir: string): Promise<string>;
  /** What lies in a top folder such as `versions`: each name in it, and when the newest file below that was written. */
  list(folder: string): Promise<{ name: string; writtenMs: number }[]>;
  /** Every key with its size, and when it was written; in no order, and what comes or goes meanwhile may be told or not. */
  keys(): AsyncIterable<StoredFile>;
  /** Removes a key, or all keys below `a/b`; nothing there is no error. */
  remove(keyOrPrefix: string): Promise<void>;
}

/** A file of an artifact store. */
export type StoredFile = { key: string; bytes: number; writtenMs: number };

/**
 * An artifact store at `place`: a folder, which is made if it is missing, or `s3://bucket/prefix`, whose address, region
 * and credentials come from the standard variables (`AWS_ENDPOINT_URL_S3`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
 * `AWS_SECRET_ACCESS_KEY`, or the role of the machine). Several processes may share one.
 * @param options.ownerOnly files and folders that are made can be read by this user alone; a bucket has rules of its own
 * @param options.onFailure told of calls that failed by the store's fault, with the code of the error
 * @throws CloveError 'invalid-input' where `s3://` is followed by no bucket
 */
export function openArtifacts(
  place: string,
  options: { ownerOnly?: boolean; onFailure?: (operation: string, code: string) => void } = {},
): ArtifactStore {
  const store = place.startsWith('s3://') ? s3Artifacts(place) : folderArtifacts(place, options);
  return options.onFailure === undefined ? store : toldOf(store, options.onFailure);
}

/** What is the store's fault. A put may also fail by what it is given, with an error of any kind. */
function faultOf(operation: string, error: unknown): string | undefined {
  if (!(error instanceof CloveError)) return operation === 'put' ? undefined : 'internal';
  return ['unavailable', 'no-space', 'internal'].includes(error.code) ? error.code : undefined;
}

/** The same store, with its failures told. */
function toldOf(store: ArtifactStore, onFailure: (operation: string, code: string) => void): ArtifactStore {
  return new Proxy(store, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function' || name === 'keys') return member;
      return async (...args: unknown[]) => {
        try {
          return await Reflect.apply(member, target, args);
        } catch (error) {
          const code = faultOf(String(name), error);
          if (code !== undefined) onFailure(String(name), code);
          throw error;
        }
      };
    },
  });
}
