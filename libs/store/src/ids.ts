import { randomBytes } from 'node:crypto';
import { ID_PREFIX, type IdKind } from '@clove/contracts';

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
const TIME_DIGITS = 9; // base 36: milliseconds until the year 5188
const RANDOM_DIGITS = 13; // 67 bits

/**
 * A new id: the prefix of its kind, `_`, then 22 characters of [0-9a-z], of which the first 9 are the milliseconds since
 * 1970 in base 36, so that ids sort by the time of their making, and the rest is random.
 */
export function newId<K extends IdKind>(kind: K): `${(typeof ID_PREFIX)[K]}_${string}` {
  const time = Date.now().toString(36).padStart(TIME_DIGITS, '0');
  let random = '';
  while (random.length < RANDOM_DIGITS) {
    // 252 is the largest multiple of 36 in a byte: above it a digit would be favoured
    for (const byte of randomBytes(RANDOM_DIGITS * 2)) {
      if (byte < 252 && random.length < RANDOM_DIGITS) random += DIGITS[byte % 36];
    }
  }
  return `${ID_PREFIX[kind]}_${time}${random}`;
}
