import { Readable } from 'node:stream';
import { CloveError, type DatasetSource } from '@clove/contracts';
import { artifactKeys } from '@clove/store';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Gateway } from './gateway.js';
import { userOf } from './plugins/authentication.js';
import { Throttle, refuseOverload, refuseTooMany } from './throttle.js';

/** At 1 MB/s the largest upload of the default limit takes 6 hours. */
export const TRANSFER_TIMEOUT_MS = 6 * 3600 * 1000;
/** Models are a few megabytes; those of the widest networks that can be asked for stay below this. */
export const MODEL_LIMIT_BYTES = 512 * 1024 ** 2;
const MAX_FILES = 50;
const MAX_FIELD_BYTES = 256 * 1024;
const MAX_FIELDS = 20;
const MAX_LABEL = 255;

/** Limits of every form that brings files. The size limit holds for all files of one upload together. */
export const uploadLimits = (uploadLimitBytes: number) => ({
  fileSize: uploadLimitBytes,
  files: MAX_FILES,
  fields: MAX_FIELDS,
  fieldSize: MAX_FIELD_BYTES,
  fieldNameSize: 100,
  parts: MAX_FILES + MAX_FIELDS,
  headerPairs: 50,
});

/**
 * A part with a file name is a file, whatever its field is called; but `options` may come from a file (`curl -F
 * options=@options.json`) or a Blob, and is a field all the same.
 */
export const isPartAFile = (field: string | undefined, type: string | undefined, name: string | undefined): boolean =>
  field !== 'options' && (name !== undefined || type === 'application/octet-stream');

declare module 'fastify' {
  interface FastifyRequest {
    /** Bytes of files that the request has brought so far. */
    uploadedBytes: number;
    /** Whose files it brings; empty where it brings none. */
    uploadId: string;
  }
}

const DAY_MS = 24 * 3600 * 1000;

const arriving = new Set<string>();

/** True for the dataset or import whose files this process is receiving, until its request has ended. */
export const isArriving = (id: string): boolean => arriving.has(id);

/** True for a form that may bring files, before its body is read. */
export const bringsFiles = ({ headers }: Pick<FastifyRequest, 'headers'>): boolean =>
  /^multipart\//i.test(headers['content-type'] ?? '');

/**
 * Holds every form with files of this scope to what may be uploaded: so many at once by all, so many at once by one user, so many
 * bytes a day. Install after the check of who asks. Each gateway counts for itself.
 */
export function limitUploads(app: FastifyInstance, { env }: Gateway): void {
  const underWay = new Map<string, number>();
  const uploading = new Set<FastifyRequest>();
  const daily = new Throttle(env.UPLOAD_DAILY_BYTES ?? Number.POSITIVE_INFINITY, DAY_MS);
  app.decorateRequest('uploadedBytes', 0);
  app.decorateRequest('uploadId', '');
  app.addHook('preParsing', async (request, reply) => {
    if (!bringsFiles(request)) return;
    const { id } = userOf(request);
    refuseTooMany(reply, daily.note(id, 0), `more than ${env.UPLOAD_DAILY_BYTES} bytes a day (UPLOAD_DAILY_BYTES)`);
    refuseOverload(
      reply,
      uploading.size >= env.UPLOADS_IN_ALL ? BUSY_SECONDS : 0,
      `this gateway has ${env.UPLOADS_IN_ALL} uploads under way (UPLOADS_IN_ALL)`,
    );
    const count = (underWay.get(id) ?? 0) + 1;
    refuseTooMany(
      reply,
      count > env.UPLOADS_AT_ONCE ? BUSY_SECONDS : 0,
      `more than ${env.UPLOADS_AT_ONCE} uploads at once (UPLOADS_AT_ONCE)`,
    );
    // Who has left meanwhile has no response any more whose end would be told.
    if (reply.raw.destroyed) throw new CloveError('bad-request', 'the connection ended before the upload did');
    underWay.set(id, count);
    uploading.add(request);
    // Told for every end of a connection; the hook `onResponse` is not where the client leaves before the answer.
    reply.raw.once('close', () => done(request));
  });
  const done = (request: FastifyRequest): void => {
    if (!uploading.delete(request)) return;
    arriving.delete(request.uploadId);
    const { id } = userOf(request);
    const left = (underWay.get(id) ?? 1) - 1;
    if (left === 0) underWay.delete(id);
    else underWay.set(id, left);
    daily.note(id, request.uploadedBytes);
  };
}

/** When one of several uploads may have ended. */
const BUSY_SECONDS = 10;

type UploadedFile = Extract<DatasetSource, { type: 'upload' }>['files'][number] & { sha256: string };
export type Upload = { files: UploadedFile[]; fields: Record<string, unknown> };

/** A name to show, from the name that a client gave: no folders, no control characters, not too long. It chooses no path. */
export function labelOf(filename: string | undefined, n: number): string {
  const base = (filename ?? '').split(/[/\\]/).at(-1) ?? '';
  const clean = base.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '').trim();
  return Array.from(clean).slice(0, MAX_LABEL).join('') || `file ${n + 1}`;
}

const tooLarge = (limitBytes: number) =>
  new CloveError(
    'upload-too-large',
    `the files of one upload may hold at most ${limitBytes} bytes together` +
      (limitBytes === MODEL_LIMIT_BYTES ? ', for a model' : ' (UPLOAD_LIMIT_BYTES of the gateway)'),
  );

/** A form field's value: JSON where the sender says so or where the field is `options`, else the text. */
function fieldValue(name: string, value: unknown): unknown {
  if (name !== 'options' || typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch (error) {
    throw new CloveError('invalid-input', 'the field options must be JSON', { pointer: '/options', cause: error });
  }
}

/**
 * Streams the files of a multipart form to the artifact store, as the upload of the dataset or the import `id`, and collects
 * its other fields. Memory stays bounded. Whatever fails (the client leaves, a limit, a bad field, a full disk), nothing
 * stays in the store.
 * @param check sees each field as it arrives, so that a bad one before the files spares sending them
 * @param most bytes of all files together, where that is less than what the gateway takes
 * @throws CloveError 'upload-too-large' with the limit, 'data-empty', 'invalid-input', 'no-space', 'unsupported-media-type'
 */
export async function receiveUpload(
  gateway: Gateway,
  request: FastifyRequest,
  id: string,
  check: (fields: Record<string, unknown>) => void,
  most = Number.POSITIVE_INFINITY,
): Promise<Upload> {
  const { artifacts, env } = gateway;
  const limitBytes = Math.min(most, env.UPLOAD_LIMIT_BYTES);
  if (!request.isMultipart()) {
    throw new CloveError('unsupported-media-type', 'send the files as multipart/form-data');
  }
  request.uploadId = id;
  arriving.add(id);
  let left = limitBytes;
  const files: UploadedFile[] = [];
  const fields: Record<string, unknown> = {};
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        if (part.valueTruncated || part.fieldnameTruncated) {
          throw new CloveError('invalid-input', `a field of the form may hold at most ${MAX_FIELD_BYTES} bytes`, {
            pointer: `/${part.fieldname}`,
          });
        }
        if (Object.hasOwn(fields, part.fieldname)) {
          throw new CloveError('invalid-input', `the field ${part.fieldname} is there twice`, {
            pointer: `/${part.fieldname}`,
          });
        }
        fields[part.fieldname] = fieldValue(part.fieldname, part.value);
        check(fields);
        continue;
      }
      const n = files.length;
      const source = part.file;
      const body = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of source as AsyncIterable<Buffer>) {
          left -= chunk.length;
          request.uploadedBytes += chunk.length;
          if (left < 0) throw tooLarge(limitBytes);
          yield chunk;
        }
        if (source.truncated) throw tooLarge(limitBytes);
      };
      const key = artifactKeys.upload(id, n);
      const { bytes, sha256 } = await artifacts.put(key, Readable.from(body(), { objectMode: false }));
      const name = labelOf(part.filename, n);
      if (bytes === 0) throw new CloveError('data-empty', `the file ${name} is empty`);
      files.push({ name, key, bytes, sha256 });
    }
    if (files.length === 0) {
      throw new CloveError('data-empty', 'there is no file in the form: send at least one, with a file name');
    }
    return { files, fields };
  } catch (error) {
    await discardUpload(gateway, id);
    // the parser throws plain errors for a form that is cut off or garbled, and for a boundary that is none
    if (error instanceof Error && error.message.startsWith('The needle')) {
      throw new CloveError('bad-request', 'the boundary of the form must have 1 to 70 characters', { cause: error });
    }
    if (error instanceof Error && /^Multipart|multipart data$/.test(error.message)) {
      throw new CloveError('bad-request', `the form cannot be read: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/** Removes all files of an upload of which nothing came. */
export const discardUpload = ({ artifacts }: Gateway, id: string): Promise<void> =>
  artifacts.remove(artifactKeys.uploads(id));

/** What an upload says, for `Idempotency-Key`: what is in the files and fields, not when or how it was sent. */
export const meaningOf = ({ files, fields }: Upload): unknown => ({
  files: files.map(({ name, sha256 }) => ({ name, sha256 })),
  fields: Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1)),
});
