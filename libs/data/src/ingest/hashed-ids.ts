import { createHmac } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { CloveError } from '@clove/contracts';
import { type Duck, literal } from '../duck.js';

/** The 64 bytes of a block of SHA-256, to which HMAC pads its key. */
const BLOCK = 64;
const INNER = 0x36;
const OUTER = 0x5c;

/** What a customer id is kept as: HMAC-SHA256 (RFC 2104) of its UTF-8 text, 64 hexadecimal digits. */
export const hashedId = (secret: string, id: string): string => createHmac('sha256', secret).update(id).digest('hex');

/** The key, padded and mixed, as hexadecimal digits. */
const padded = (secret: string, mask: number): string => {
  const key = Buffer.from(secret);
  if (key.length > BLOCK)
    throw new CloveError('invalid-input', `CUSTOMER_ID_SECRET holds ${key.length} bytes; ${BLOCK} at most are taken.`);
  return Buffer.from(Buffer.concat([key], BLOCK).map((byte) => byte ^ mask)).toString('hex');
};

/**
 * Puts `hashedId` in the place of every customer id of a canonical Parquet. DuckDB knows SHA-256, so the ids never leave it;
 * the key is a variable, and so in the text of no statement that may fail.
 */
export const hashCustomerIds = async (db: Duck, parquet: string, secret: string): Promise<void> => {
  for (const [name, mask] of [
    ['clove_inner', INNER],
    ['clove_outer', OUTER],
  ] as const)
    await db.run(`SET VARIABLE ${name} = unhex('${padded(secret, mask)}')`);
  const inner = "unhex(sha256(getvariable('clove_inner') || encode(customer_id)))";
  const hashed = `sha256(getvariable('clove_outer') || ${inner})`;
  const part = `${parquet}.hashed`;
  await db.run(`COPY (SELECT * REPLACE (CASE WHEN customer_id IS NOT NULL THEN ${hashed} END AS customer_id)
    FROM read_parquet(${literal(parquet)})) TO ${literal(part)} (FORMAT parquet, COMPRESSION zstd)`);
  await rename(part, parquet);
};
