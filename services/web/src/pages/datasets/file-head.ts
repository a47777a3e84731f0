import { type Dialect, detectDialect, looksLikeDate, readHead } from '@clove/contracts';

/** What the beginning of a file tells before it is sent. */
export type FileHead = {
  name: string;
  /** false where the first line was data, and columns have made-up names */
  header: boolean;
  columns: { name: string; samples: string[]; isTime: boolean }[];
  rows: string[][];
};

const HEAD_BYTES = 256 * 1024;
const SHOWN_ROWS = 6;
/** Share of dates from which a column holds dates: single rows may be broken. */
const MOST = 0.9;
const GZIP = [0x1f, 0x8b];

/** The first bytes of a file as text; those of a gzip file unpacked. */
async function textOf(file: File): Promise<{ text: string; complete: boolean }> {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const whole = head.length === file.size;
  if (head[0] !== GZIP[0] || head[1] !== GZIP[1]) return { text: decode(head), complete: whole };
  const parts: Uint8Array[] = [];
  try {
    const reader = new Blob([head]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
    for (let bytes = 0; bytes < HEAD_BYTES;) {
      const { done, value } = await reader.read();
      if (done) return { text: decode(join(parts)), complete: whole };
      parts.push(value);
      bytes += value.length;
    }
    await reader.cancel();
  } catch {
    // the packed bytes end in the middle: what was unpacked so far is the head
  }
  return { text: decode(join(parts)), complete: false };
}

const join = (parts: Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** UTF-8, or Latin-1 where it is not that; the same rule as at ingest. */
const decode = (bytes: Uint8Array): string => {
  // a character may be cut at the end of the head
  const text = new TextDecoder('utf-8').decode(bytes, { stream: true });
  return text.includes('�') ? new TextDecoder('windows-1252').decode(bytes) : text;
};

/**
 * Reads the beginning of a CSV file with the rules of the ingest. Null for Parquet, whose columns the server reads.
 * @throws CloveError `data-empty`, `data-unreadable` as the ingest would
 */
export async function readFileHead(file: File): Promise<FileHead | null> {
  if (/\.parquet$/i.test(file.name)) return null;
  const { text, complete } = await textOf(file);
  const dialect: Dialect = detectDialect(file.name, text, complete, {});
  const rows = readHead(dialect, text, complete);
  const columns = dialect.names.map((name, n) => {
    const samples = rows.map((row) => row[n] ?? '').filter((cell) => cell !== '');
    const dates = samples.filter(isTime).length;
    return { name, samples, isTime: dates > 0 && dates >= MOST * samples.length };
  });
  return { name: file.name, header: dialect.hasHeader, columns, rows: rows.slice(0, SHOWN_ROWS) };
}

/** A date, with separators or as eight digits of a plausible year. */
const isTime = (cell: string): boolean => looksLikeDate(cell) || /^(19|20)\d{6}$/.test(cell);
