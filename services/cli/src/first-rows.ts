import { open } from 'node:fs/promises';
import type { RowPage } from '@clove/contracts';

const HEAD_BYTES = 2 ** 20;
/** Columns whose values are texts whatever they look like. */
const TEXTS: ReadonlySet<string> = new Set(['customer_id', 'tier', 'model_version', 'as_of']);

/** The first rows of a CSV of predictions, as many of `most` as its first MiB holds: numbers as numbers, empty cells as null. */
export const firstRows = async (csv: string, most: number): Promise<RowPage> => {
  const handle = await open(csv);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const [columns = [], ...rows] = linesOf(buffer.toString('utf8', 0, bytesRead), most + 1);
    return {
      columns,
      rows: rows.map((cells) => cells.map((cell, i) => valueOf(columns[i]!, cell))),
      offset: 0,
      total: rows.length,
    };
  } finally {
    await handle.close();
  }
};

const valueOf = (column: string, cell: string): string | number | null => {
  if (cell === '') return null;
  return !TEXTS.has(column) && /^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(cell) ? Number(cell) : cell;
};

/** The cells of the first whole lines (RFC 4180). */
const linesOf = (text: string, most: number): string[][] => {
  const lines: string[][] = [];
  let line: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\n"]*))(,|\n)/g)) {
    line.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    lines.push(line);
    if (lines.length === most) break;
    line = [];
  }
  return lines;
};
