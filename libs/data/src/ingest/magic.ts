import { open } from 'node:fs/promises';
import { constants, createGunzip } from 'node:zlib';
import { CloveError } from '@clove/contracts';
import type { Encoding } from './tidy.js';

/** What the first bytes of a file say: names and extensions are not trusted. */
export type Magic =
  | { format: 'parquet' }
  | { format: 'csv'; gzip: boolean; encoding: Encoding; head: string; complete: boolean };

const HEAD_BYTES = 256 * 1024;
/** Tables shrink to a tenth or so; what shrinks more than this was made to fill disks. */
const MOST_UNPACKED = 200;

const FOREIGN: [string, string][] = [
  ['PK\x03\x04', 'a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV'],
  ['\xd0\xcf\x11\xe0', 'an old Excel workbook: save the sheet as CSV'],
  ['%PDF', 'a PDF document'],
  ['SQLite format 3', 'an SQLite database: export the table as CSV'],
  ['\x28\xb5\x2f\xfd', 'compressed with zstd: unpack it first (only gzip is read)'],
  ['BZh', 'compressed with bzip2: unpack it first (only gzip is read)'],
  ['\xfd7zXZ', 'compressed with xz: unpack it first (only gzip is read)'],
];
const FOREIGN_TEXT: [RegExp, string][] = [
  [/^\s*<(!doctype|html|\?xml)/i, 'a web page or XML: download the file itself'],
  [/^\s*[[{]\s*["{]/, 'JSON: convert it to CSV or Parquet'],
];

/**
 * Looks at the beginning of a file. Errors: 'data-empty' for a file without content, 'data-unreadable' for anything
 * that is neither delimited text nor Parquet, saying what it seems to be.
 */
export const inspect = async (name: string, path: string): Promise<Magic> => {
  const { bytes, size } = await firstBytes(name, path);
  if (size === 0) throw new CloveError('data-empty', `${name} is empty.`);
  if (bytes.subarray(0, 4).toString('latin1') === 'PAR1') return { format: 'parquet' };
  const gzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const complete = size <= HEAD_BYTES;
  if (!gzip) return { format: 'csv', gzip, ...decode(name, bytes, complete) };
  const unzipped = await unzipHead(name, bytes, complete);
  return { format: 'csv', gzip, ...decode(name, unzipped.head, unzipped.complete) };
};

const firstBytes = async (name: string, path: string): Promise<{ bytes: Buffer; size: number }> => {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, HEAD_BYTES)), 0);
      return { bytes: buffer.subarray(0, bytesRead), size };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new CloveError(
      'data-unreadable',
      `${name} cannot be opened: ${error instanceof Error ? error.message : error}`,
      {
        cause: error,
      },
    );
  }
};

/**
 * The beginning of what a gzip file holds, in bounded memory; `complete` where that is all of it.
 * @throws CloveError data-empty, data-unreadable where it is broken or a bomb
 */
const unzipHead = async (
  name: string,
  bytes: Buffer,
  complete: boolean,
): Promise<{ head: Buffer; complete: boolean }> => {
  const head: Buffer[] = [];
  let unpacked = 0;
  try {
    const gunzip = createGunzip(complete ? {} : { finishFlush: constants.Z_SYNC_FLUSH });
    gunzip.end(bytes);
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      if (unpacked < HEAD_BYTES) head.push(chunk.subarray(0, HEAD_BYTES - unpacked));
      unpacked += chunk.length;
      if (unpacked > HEAD_BYTES && unpacked > MOST_UNPACKED * bytes.length)
        throw new CloveError(
          'data-unreadable',
          `${name} unpacks to more than ${MOST_UNPACKED} times its size, which no table does: unpack it and send it as it is.`,
        );
    }
  } catch (error) {
    if (error instanceof CloveError) throw error;
    throw new CloveError('data-unreadable', `${name} is a broken or truncated gzip file: upload it again.`, {
      cause: error,
    });
  }
  if (unpacked === 0) throw new CloveError('data-empty', `${name} is empty once unpacked.`);
  return { head: Buffer.concat(head), complete: complete && unpacked <= HEAD_BYTES };
};

const decode = (
  name: string,
  bytes: Buffer,
  complete: boolean,
): { encoding: Encoding; head: string; complete: boolean } => {
  const start = bytes.subarray(0, 64).toString('latin1');
  const seen = (
    FOREIGN.find(([magic]) => start.startsWith(magic)) ?? FOREIGN_TEXT.find(([pattern]) => pattern.test(start))
  )?.[1];
  if (seen !== undefined)
    throw new CloveError('data-unreadable', `${name} is neither CSV nor Parquet. It looks like ${seen}.`);
  let encoding: Encoding = 'utf-8';
  if (start.startsWith('\xff\xfe')) encoding = 'utf-16le';
  else if (start.startsWith('\xfe\xff')) encoding = 'utf-16be';
  else if (!isUtf8(bytes, complete)) encoding = 'windows-1252';
  const head = new TextDecoder(encoding).decode(bytes);
  let controls = 0;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i]!;
    if (byte < 9 || (byte > 13 && byte < 32)) controls += 1;
  }
  if (head.includes('\0') || (encoding !== 'utf-16le' && encoding !== 'utf-16be' && controls > bytes.length / 100))
    throw new CloveError('data-unreadable', `${name} is neither CSV nor Parquet: it holds binary data.`);
  if (head.trim() === '') throw new CloveError('data-empty', `${name} holds nothing but blank lines.`);
  return { encoding, head, complete };
};

const isUtf8 = (bytes: Buffer, complete: boolean): boolean => {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !complete });
    return true;
  } catch {
    return false;
  }
};
