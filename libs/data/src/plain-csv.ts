import { isUtf8 } from 'node:buffer';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Column, Table } from '@clove/clv';
import { CloveError, type ColumnProfile, type IngestOptions, type Warning, customerTier } from '@clove/contracts';
import { type Duck, type DuckOptions, throwIfAborted, withDuck } from './duck.js';
import { type FeaturesPlan, planFeatures } from './ingest/features.js';
import type { IngestFile } from './ingest.js';
import { type Text, createHead, isPlainText, recognise, renamedColumns } from './ingest/read.js';

/**
 * A plain CSV of features, read from its bytes: a line a row, of which one field is the id and all others are numbers or empty.
 * Such a file can be scored as it lies, without being made a dataset first. Anything else in it (quotes, texts, ids that are
 * missing or come twice, lines of another number of fields) is a matter for the ingest, which reports it; where this way goes through,
 * it gives what that way gives.
 */
export type PlainRows = {
  csv: string;
  /** byte between fields */
  delimiter: number;
  /** of each field its column; null for the id */
  fields: (string | null)[];
  /** the field that has a value in every row: one without is a matter for the ingest */
  target: number | null;
  /** bytes of the file; a line belongs to the stretch in which it begins */
  stretches: { from: number; to: number }[];
};

/** Bytes of a stretch at most. */
const STRETCH_BYTES = 32 * 2 ** 20;
/** Bytes of memory for each row while ids are held against each other. */
const ROW_BYTES = 32;
const MEMORY_BYTES = 2 ** 30;

/**
 * Finds out by the first rows what the columns of a CSV mean, as the ingest does.
 * @returns null where the ingest is needed; else the rows, about how many, and what the ingest would say of the file
 */
export const openPlainCsv = (
  o: DuckOptions & { file: IngestFile; options: IngestOptions; signal?: AbortSignal | undefined },
): Promise<{
  source: PlainRows;
  rows: number;
  columns: Pick<ColumnProfile, 'name' | 'role'>[];
  warnings: Warning[];
} | null> =>
  withDuck({ ...o, files: [o.file.path] }, async (db) => {
    // What an ingest refuses, or does beyond reading, is not done here.
    const { kind, mapping, preset, orderStatuses, hashCustomers } = o.options;
    const orders = preset !== undefined || orderStatuses !== undefined || Object.values(mapping).some(Boolean);
    if (kind !== 'features' || orders || hashCustomers === true) return null;
    const file = await recognise(db, { file: 0, ...o.file }, o.options);
    if (file.format !== 'csv' || !isPlainText(file) || file.magic.gzip) return null;
    const { head } = file.magic;
    const header = head.indexOf('\n') + 1;
    const delimiter = Buffer.from(file.dialect.delimiter);
    if (header === 0 || head.slice(0, header).includes('"') || delimiter.length !== 1) return null;
    const planned = await planFromHead(db, file, o.options);
    if (planned === null) return null;
    const { plan, rowBytes } = planned;
    const handle = await open(o.file.path);
    try {
      const { size } = await handle.stat();
      const rows = Math.max(1, Math.round((size - header) / rowBytes));
      if (rows * ROW_BYTES > (o.memoryLimitBytes ?? MEMORY_BYTES)) return null;
      const columnOf = new Map(plan.columns.map(({ sql, name }) => [sql, name]));
      const fields = file.dialect.names.map((name, i) => (name === plan.idColumn ? null : columnOf.get(`c${i}`)!));
      const from = await headerBytes(handle);
      // A power of two, so that as many are left for each of two, four or eight threads.
      const count = 2 ** Math.ceil(Math.log2(Math.max(1, (size - from) / STRETCH_BYTES)));
      const at = (i: number): number => from + Math.floor((i * (size - from)) / count);
      const target = fields.indexOf(plan.targetColumn);
      return {
        source: {
          csv: o.file.path,
          delimiter: delimiter[0]!,
          fields,
          target: plan.targetColumn === null ? null : target,
          stretches: Array.from({ length: count }, (_, i) => ({ from: at(i), to: at(i + 1) })),
        },
        rows,
        columns: [
          { name: 'customer_id', role: 'customer' },
          ...fields.flatMap((name): Pick<ColumnProfile, 'name' | 'role'>[] =>
            name === null
              ? []
              : [{ name, role: name === plan.targetColumn ? 'target' : (plan.roles.get(name) ?? 'feature') }],
          ),
        ],
        warnings: [...renamedColumns(file), ...plan.warnings],
      };
    } finally {
      await handle.close();
    }
  });

/** Bytes up to the end of the first line. */
const headerBytes = async (handle: FileHandle): Promise<number> => {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(BLOCK), 0, BLOCK, 0);
  return buffer.subarray(0, bytesRead).indexOf(LINE) + 1;
};

/** What the first rows say, where no further row could say anything else but by a value that is not expected. */
const planFromHead = async (
  db: Duck,
  text: Text,
  options: IngestOptions,
): Promise<{ plan: FeaturesPlan; rowBytes: number } | null> => {
  try {
    // Of the file itself DuckDB would read many times as much.
    const path = join(db.folder, 'head.csv');
    await writeFile(path, text.magic.head.slice(0, text.magic.head.lastIndexOf('\n') + 1));
    const { columns, relation, numbered, rows } = await createHead(db, { ...text, path });
    if (rows === 0) return null;
    const plan = await planFeatures(db, { columns, relation, numbered, inOrder: true }, [rows], options);
    const numbers = columns.filter(({ name }) => name !== plan.idColumn);
    if (plan.idColumn === null || numbers.some(({ sql }) => !plan.numbers.has(sql))) return null;
    // Another column that is called like an id may prove to be the one.
    const named = (column: { name: string }): boolean => customerTier(column) !== null;
    if (options.idColumn === undefined && (!named({ name: plan.idColumn }) || numbers.some(named))) return null;
    const target = plan.columns.find(({ name }) => name === plan.targetColumn)?.sql;
    const { settled } = await db.row<{ settled: boolean }>(
      `SELECT bool_and(coalesce(settled, false)) AS settled FROM (
         ${[
           // Whole numbers of which none comes twice may be ids, for which all rows would have to be looked at.
           ...numbers.map(
             ({ sql }) => `SELECT count(DISTINCT ${sql}) < count(*)
               OR bool_or(TRY_CAST(${sql} AS DOUBLE) <> trunc(TRY_CAST(${sql} AS DOUBLE))) AS settled FROM ${relation}`,
           ),
           // One number alone as target is told of once the whole file has no other.
           ...(target === undefined ? [] : [`SELECT count(DISTINCT ${target}) > 1 AS settled FROM ${relation}`]),
         ].join(' UNION ALL ')})`,
    );
    const sums = columns.map(({ sql }) => `coalesce(strlen(${sql}), 0)`).join(' + ');
    const { bytes } = await db.row<{ bytes: number }>(
      `SELECT avg(${sums})::DOUBLE + ${columns.length} AS bytes FROM ${relation}`,
    );
    return settled ? { plan, rowBytes: bytes } : null;
  } catch (error) {
    // What the first rows cannot answer, the whole file may; and who is cancelled is told so by the next statement.
    if (error instanceof CloveError) return null;
    throw error;
  }
};

/** Bytes read at once. */
const BLOCK = 2 ** 21;
const [TAB, LINE, RETURN, BLANK, QUOTE, HASH, APOSTROPHE, COMMA, MINUS, POINT, ZERO, NINE] = [
  9, 10, 13, 32, 34, 35, 39, 44, 45, 46, 48, 57,
];
/** `=`, `+`, `-`, `@` and the tab, see `customerCells`. */
const FORMULA: ReadonlySet<number> = new Set([61, 43, MINUS, 64, TAB]);
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);
/** Digits that a double holds exactly whatever they are; with a power of ten that it holds too, one division rounds right (Clinger 1990). */
const EXACT_DIGITS = 15;
const FINITE = 1e150;
/** An id of so few letters and no digit may say that there is none, as `n/a` does. */
const SHORT = 4;

/** Thrown within this file where a value is a matter for the ingest. */
class NotPlain extends Error {}

/**
 * The rows of a stretch with the columns asked for, chunk by chunk, in order. Memory stays bounded but for the ids. In the end the
 * ids are written: to `cells` as lines of CSV, as `customerCells` has them, and to `keys` as 64 bits for each,
 * which differ where ids do but for one chance in 10^19.
 * @returns false where the file is a matter for the ingest
 */
export async function* scanLines(o: {
  source: PlainRows;
  stretch: number;
  columns: readonly string[];
  chunkRows?: number;
  cells: string;
  keys: string;
  signal?: AbortSignal | undefined;
}): AsyncGenerator<Table, boolean, undefined> {
  const { source } = o;
  const { from, to } = source.stretches[o.stretch]!;
  const reader = new LineReader(source, o.columns, o.chunkRows ?? 4096);
  const handle = await open(source.csv);
  try {
    const block = Buffer.allocUnsafe(BLOCK);
    // The byte before tells whether the first line begins here.
    let at = o.stretch === 0 ? from : from - 1;
    let skip = o.stretch > 0;
    let kept = 0;
    for (let done = false; !done;) {
      throwIfAborted(o.signal);
      if (kept === block.length) return false;
      const { bytesRead } = await handle.read(block, kept, block.length - kept, at);
      let have = kept + bytesRead;
      const first = at - kept;
      at += bytesRead;
      if (bytesRead === 0) {
        if (have === 0) break;
        block[have] = LINE;
        have += 1;
        done = true;
      }
      let start = 0;
      if (skip) {
        start = block.subarray(0, have).indexOf(LINE) + 1;
        skip = start === 0;
        if (skip) {
          kept = 0;
          continue;
        }
      }
      let end = Math.max(start, block.lastIndexOf(LINE, have - 1) + 1);
      if (first + end >= to) {
        // The last line of the stretch is the one that ends with the first line end from the byte before `to` on.
        end = first + start >= to ? start : block.indexOf(LINE, to - 1 - first) + 1;
        done = true;
      }
      if (!isUtf8(block.subarray(start, end))) return false;
      for (let place = start; place < end;) {
        place = reader.read(block, place, end);
        if (reader.full) yield reader.take();
      }
      block.copyWithin(0, end, have);
      kept = have - end;
    }
    if (!reader.empty) yield reader.take();
    await writeFile(o.cells, reader.cells());
    await writeFile(o.keys, reader.keys());
    return true;
  } catch (error) {
    if (error instanceof NotPlain) return false;
    throw error;
  } finally {
    await handle.close();
  }
}

/** Takes lines apart, as many as fill a table; ids of all lines are kept as bytes. */
class LineReader {
  private rows = 0;
  private ids = 0;
  private readonly values: (Float64Array<ArrayBuffer> | null)[];
  private readonly columns: [string, Float64Array<ArrayBuffer>][];
  private cellBytes = new Uint8Array(2 ** 16);
  private cellsAt = 0;
  private hashes = new Uint32Array(2 ** 13);

  constructor(
    private readonly source: PlainRows,
    columns: readonly string[],
    private readonly chunkRows: number,
  ) {
    const taken = new Map(columns.map((name) => [name, new Float64Array(chunkRows)]));
    this.values = source.fields.map((name) =>
      name === null ? null : (taken.get(name) ?? new Float64Array(chunkRows)),
    );
    this.columns = [...taken];
  }

  get full(): boolean {
    return this.rows === this.chunkRows;
  }

  get empty(): boolean {
    return this.rows === 0;
  }

  /** The rows so far; their values stay until more lines are read. */
  take(): Table {
    const { rows } = this;
    this.rows = 0;
    const columns = this.columns.map(([name, values]): [string, Column] => [
      name,
      { kind: 'numeric', values: rows === this.chunkRows ? values : values.slice(0, rows) },
    ]);
    return { rows, ids: [], columns: new Map(columns) };
  }

  cells(): Uint8Array {
    return this.cellBytes.subarray(0, this.cellsAt);
  }

  keys(): Uint8Array {
    return new Uint8Array(this.hashes.buffer, 0, 8 * this.ids);
  }

  /** Reads whole lines until `end` or until the table is full. @returns the place behind the last one */
  read(bytes: Buffer, from: number, end: number): number {
    const { delimiter } = this.source;
    const { values, chunkRows } = this;
    const last = values.length - 1;
    let at = from;
    let row = this.rows;
    for (; at < end && row < chunkRows; row += 1) {
      for (let field = 0; field <= last; field += 1) {
        const behind = field === last ? LINE : delimiter;
        const column = values[field]!;
        if (column === null) {
          at = this.readId(bytes, at, behind);
          continue;
        }
        const start = at;
        let byte = bytes[at]!;
        if (byte === MINUS) byte = bytes[(at += 1)]!;
        const digits = at;
        let whole = 0;
        while (byte >= ZERO && byte <= NINE) {
          whole = whole * 10 + (byte - ZERO);
          byte = bytes[(at += 1)]!;
        }
        let count = at - digits;
        let decimals = 0;
        if (byte === POINT) {
          const point = at;
          byte = bytes[(at += 1)]!;
          while (byte >= ZERO && byte <= NINE) {
            whole = whole * 10 + (byte - ZERO);
            byte = bytes[(at += 1)]!;
          }
          decimals = at - point - 1;
          // no digit on one side of the point is for `readOdd`
          count = count === 0 || decimals === 0 ? 0 : count + decimals;
        }
        // 00501 is a code, not the number 501
        if (bytes[digits] === ZERO && count - decimals > 1) throw new NotPlain();
        if (byte === behind && count > 0 && count <= EXACT_DIGITS) {
          const size = decimals === 0 ? whole : whole / POWERS[decimals]!;
          column[row] = start === digits ? size : -size;
          at += 1;
        } else {
          column[row] = this.readOdd(bytes, { start, field });
          while (bytes[at] !== behind) at += 1;
          at += 1;
        }
      }
    }
    this.rows = row;
    return at;
  }

  /** The number of a field that is empty, has many digits or an exponent, or ends with CR LF. */
  private readOdd(bytes: Buffer, { start, field }: { start: number; field: number }): number {
    const { delimiter, target, fields } = this.source;
    const last = field === fields.length - 1;
    let end = start;
    while (bytes[end] !== delimiter && bytes[end] !== LINE) end += 1;
    if (bytes[end] !== (last ? LINE : delimiter)) throw new NotPlain();
    if (last && end > start && bytes[end - 1] === RETURN) end -= 1;
    if (end === start && field !== target) return Number.NaN;
    return numberOf(bytes.toString('latin1', start, end));
  }

  /** @param behind the byte that ends the field @returns the place behind that */
  private readId(bytes: Buffer, from: number, behind: number): number {
    const { delimiter } = this.source;
    let end = from;
    let [one, two] = [0x811c9dc5, 0x9e3779b9];
    let quoted = false;
    for (let byte = bytes[end]!; byte !== delimiter && byte !== LINE; byte = bytes[(end += 1)]!) {
      if (byte <= COMMA) {
        if (byte === QUOTE || byte === 0) throw new NotPlain();
        if (byte === RETURN && bytes[end + 1] === LINE) break;
        if (byte === RETURN) throw new NotPlain();
        if (byte === COMMA || byte === HASH) quoted = true;
      }
      // FNV-1a with two sets of numbers
      one = Math.imul(one ^ byte, 0x01000193);
      two = Math.imul(two ^ byte, 0x85ebca6b) + (one >>> 15);
    }
    const next = bytes[end] === RETURN ? end + 2 : end + 1;
    if (bytes[next - 1] !== behind) throw new NotPlain();
    const length = end - from;
    const [first, final] = [bytes[from]!, bytes[end - 1]!];
    if (length <= 0 || first <= BLANK || final <= BLANK || first > 126 || final > 126) throw new NotPlain();
    if (length <= SHORT && !/\d/.test(bytes.toString('latin1', from, end))) throw new NotPlain();
    // may be a whole number that came as a float
    if (final === ZERO && bytes[end - 2] === POINT && length > 2) throw new NotPlain();
    if (this.cellsAt + length + 4 > this.cellBytes.length) this.cellBytes = grown(this.cellBytes, length + 4);
    const { cellBytes } = this;
    let place = this.cellsAt;
    if (quoted) cellBytes[place++] = QUOTE;
    if (first < 65 && FORMULA.has(first)) cellBytes[place++] = APOSTROPHE;
    for (let i = from; i < end; i += 1) cellBytes[place++] = bytes[i]!;
    if (quoted) cellBytes[place++] = QUOTE;
    cellBytes[place++] = LINE;
    this.cellsAt = place;
    if (2 * this.ids === this.hashes.length) {
      const more = new Uint32Array(2 * this.hashes.length);
      more.set(this.hashes);
      this.hashes = more;
    }
    this.hashes[2 * this.ids] = one;
    this.hashes[2 * this.ids + 1] = two;
    this.ids += 1;
    return next;
  }
}

const grown = (bytes: Uint8Array, by: number): Uint8Array<ArrayBuffer> => {
  const more = new Uint8Array(2 * bytes.length + by);
  more.set(bytes);
  return more;
};

/** A number with an exponent or of many digits. */
const numberOf = (text: string): number => {
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) throw new NotPlain();
  const value = Number(text);
  if (Math.abs(value) >= FINITE) throw new NotPlain();
  return value;
};

/** The `keys` of ids, see `scanLines`, held against each other. @param rows how many there will be at most */
export class KeySet {
  private readonly mask: number;
  private readonly table: Uint32Array;

  constructor(rows: number) {
    this.mask = 2 ** Math.ceil(Math.log2(1.25 * rows + 1)) - 1;
    this.table = new Uint32Array(2 * (this.mask + 1));
  }

  /** @returns false where one of them was there before */
  add(keys: Uint32Array): boolean {
    const { table, mask } = this;
    for (let i = 0; i < keys.length; i += 2) {
      // 0 stands for a free place
      const one = (keys[i]! | 1) >>> 0;
      const two = keys[i + 1]!;
      let place = (two ^ (two >>> 15) ^ (one >>> 7)) & mask;
      for (; table[2 * place] !== 0; place = (place + 1) & mask)
        if (table[2 * place] === one && table[2 * place + 1] === two) return false;
      table[2 * place] = one;
      table[2 * place + 1] = two;
    }
    return true;
  }
}
