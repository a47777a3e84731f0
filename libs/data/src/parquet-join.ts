/**
 * Parquet files of one schema put together as they are: row groups are copied byte by byte, and only the footer, which says
 * where they lie, is written anew. Footers are Thrift structures in the compact protocol; format and field numbers:
 * https://github.com/apache/parquet-format (parquet.thrift) and the Thrift compact protocol specification.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { CloveError } from '@clove/contracts';

const MAGIC = 'PAR1';
/** Length of the footer (32 bits) and the magic, at the end of a file. */
const TAIL_BYTES = 8;

/** Types of the compact protocol. */
const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const STRUCT = 12;

type Value = bigint | Buffer | List | Struct | null;
type List = { type: number; items: Value[] };
type Struct = Map<number, { type: number; value: Value }>;

/** Of FileMetaData: rows of the file and its row groups. */
const ROWS = 3;
const GROUPS = 4;
/** Of RowGroup: its columns, where it lies, its number in the file. */
const COLUMNS = 1;
const GROUP_OFFSET = 5;
const ORDINAL = 7;
/** Of ColumnChunk: its metadata, and fields that hold a place in the file. */
const METADATA = 3;
const CHUNK_OFFSETS = [2, 4, 6];
/** Of ColumnMetaData: data, index and dictionary page, bloom filter. */
const METADATA_OFFSETS = [9, 10, 11, 14];

/**
 * The bytes of a Parquet file that holds the rows of `files` one after the other. Footers alone are held in memory.
 * @param files at least one; written by the same statement, so that their schemas are equal
 * @throws CloveError internal where a file is no such Parquet file
 */
export async function* joinedParquet(files: readonly string[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(MAGIC);
  let whole: Struct | undefined;
  let at = MAGIC.length;
  for (const file of files) {
    const { footer, start } = await readFooter(file);
    shift(footer, at - MAGIC.length);
    if (whole === undefined) whole = footer;
    else append(whole, footer);
    if (start > MAGIC.length)
      yield* createReadStream(file, { start: MAGIC.length, end: start - 1, highWaterMark: 2 ** 20 });
    at += start - MAGIC.length;
  }
  if (whole === undefined) throw new CloveError('internal', 'There are no Parquet files to put together.');
  const footer = encode(whole);
  const tail = Buffer.alloc(TAIL_BYTES);
  tail.writeUInt32LE(footer.length);
  tail.write(MAGIC, 4);
  yield Buffer.concat([footer, tail]);
}

/** @returns the footer of a file and the place where it starts, which is the end of the data */
const readFooter = async (file: string): Promise<{ footer: Struct; start: number }> => {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(TAIL_BYTES);
    await handle.read(tail, 0, TAIL_BYTES, size - TAIL_BYTES);
    const length = tail.readUInt32LE();
    if (tail.toString('latin1', 4) !== MAGIC || length + TAIL_BYTES + MAGIC.length > size)
      throw new CloveError('internal', `${file} is no Parquet file.`);
    const bytes = Buffer.alloc(length);
    const start = size - TAIL_BYTES - length;
    await handle.read(bytes, 0, length, start);
    return { footer: decode(bytes), start };
  } finally {
    await handle.close();
  }
};

const structsOf = (struct: Struct, field: number): Struct[] => listOf(struct, field).items as Struct[];
const listOf = (struct: Struct, field: number): List => {
  const value = struct.get(field)?.value;
  if (value === undefined || value === null || typeof value !== 'object' || !('items' in value))
    throw new CloveError('internal', `The footer of a Parquet file has no list in field ${field}.`);
  return value;
};

/** Moves all places that a footer names. */
const shift = (footer: Struct, by: number): void => {
  const move = (struct: Struct, fields: readonly number[]): void => {
    for (const field of fields) {
      const found = struct.get(field);
      // 0 stands for nowhere, as in the file offset of a column chunk that has no metadata of its own.
      if (typeof found?.value === 'bigint' && found.value > 0n) found.value += BigInt(by);
    }
  };
  for (const group of structsOf(footer, GROUPS)) {
    move(group, [GROUP_OFFSET]);
    for (const chunk of structsOf(group, COLUMNS)) {
      move(chunk, CHUNK_OFFSETS);
      const metadata = chunk.get(METADATA)?.value;
      if (metadata instanceof Map) move(metadata, METADATA_OFFSETS);
    }
  }
};

/** Adds the row groups of one footer to another. */
const append = (whole: Struct, footer: Struct): void => {
  const rows = whole.get(ROWS)!;
  rows.value = (rows.value as bigint) + (footer.get(ROWS)!.value as bigint);
  const groups = structsOf(whole, GROUPS);
  for (const group of structsOf(footer, GROUPS)) {
    const ordinal = group.get(ORDINAL);
    if (ordinal !== undefined) ordinal.value = BigInt(groups.length);
    groups.push(group);
  }
};

const decode = (bytes: Buffer): Struct => {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let bits = 0n; ; bits += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << bits;
      if (byte < 0x80) return value;
    }
  };
  const zigzag = (): bigint => {
    const value = varint();
    return (value >> 1n) ^ -(value & 1n);
  };
  const take = (length: number): Buffer => bytes.subarray(at, (at += length));
  const read = (type: number): Value => {
    if (type === TRUE || type === FALSE) return null;
    if (type === BYTE) return take(1);
    if (type < DOUBLE) return zigzag();
    if (type === DOUBLE) return take(8);
    if (type === BINARY) return take(Number(varint()));
    if (type === LIST || type === SET) {
      const head = bytes[at++]!;
      const length = head >> 4 === 15 ? Number(varint()) : head >> 4;
      const item = head & 15;
      const items = Array.from({ length }, () => (item === TRUE || item === FALSE ? take(1) : read(item)));
      return { type: item, items };
    }
    if (type === STRUCT) return struct();
    throw new CloveError('internal', `The footer of a Parquet file holds a value of type ${type}, which it has not.`);
  };
  const struct = (): Struct => {
    const fields: Struct = new Map();
    let field = 0;
    for (let head = bytes[at++]!; head !== 0; head = bytes[at++]!) {
      const type = head & 15;
      field = head >> 4 === 0 ? Number(zigzag()) : field + (head >> 4);
      fields.set(field, { type, value: read(type) });
    }
    return fields;
  };
  return struct();
};

const encode = (whole: Struct): Buffer => {
  const parts: Buffer[] = [];
  const byte = (value: number): void => void parts.push(Buffer.of(value));
  const varint = (value: bigint): void => {
    const out: number[] = [];
    let rest = value;
    for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
    parts.push(Buffer.from([...out, Number(rest)]));
  };
  const zigzag = (value: bigint): void => varint(value < 0n ? (-value << 1n) - 1n : value << 1n);
  const write = (type: number, value: Value): void => {
    if (value === null) return;
    if (typeof value === 'bigint') zigzag(value);
    else if (value instanceof Map) struct(value);
    else if (!Buffer.isBuffer(value)) {
      const { items, type: item } = value;
      byte((Math.min(items.length, 15) << 4) | item);
      if (items.length >= 15) varint(BigInt(items.length));
      for (const part of items) write(item, part);
    } else {
      if (type === BINARY) varint(BigInt(value.length));
      parts.push(value);
    }
  };
  const struct = (fields: Struct): void => {
    let last = 0;
    for (const [field, { type, value }] of fields) {
      const delta = field - last;
      if (delta > 0 && delta < 16) byte((delta << 4) | type);
      else {
        byte(type);
        zigzag(BigInt(field));
      }
      last = field;
      write(type, value);
    }
    byte(0);
  };
  struct(whole);
  return Buffer.concat(parts);
};
