import { CloveError } from './problem.js';

/**
 * How the text of a file is cut into fields. `delimited`: one delimiter, double quotes. `whitespace`: fields padded with
 * spaces, any run of them is one separator, as statistics packages write.
 */
export type Dialect = {
  layout: 'delimited' | 'whitespace';
  delimiter: string;
  escape: '"' | '\\';
  hasHeader: boolean;
  /** One name a column, unique without regard to case. */
  names: string[];
  /** Names that the file does not have like this: empty or doubled ones. */
  renamed: { from: string; to: string }[];
  /** True where the first record is not the first line: the reader wants it there. */
  startsBlank: boolean;
};

const DELIMITERS = [',', ';', '\t', '|'];
const HEAD_RECORDS = 1000;

/**
 * Finds out delimiter, quoting and header from the first part of a file.
 *
 * The delimiter is the one that cuts the header and most records into the same number of fields, at least two. The
 * first record is a header unless one of its fields is a number or a date.
 *
 * @param head the beginning of the file, decoded, no byte order mark. @param complete true where it is the whole file.
 */
export const detectDialect = (
  file: string,
  head: string,
  complete: boolean,
  given: { delimiter?: string | undefined; header?: boolean | undefined },
): Dialect => {
  const escape = /[^\\]\\"/.test(head) && !/""[^,;\t|\r\n]/.test(head) ? '\\' : '"';
  const cut = new Map<string, string[][]>();
  const read = (delimiter: string): string[][] => {
    const records = cut.get(delimiter) ?? splitRecords(head, complete, delimiter, escape);
    cut.set(delimiter, records);
    return records;
  };
  const whitespace = () => splitLines(head);
  let layout: Dialect['layout'] = 'delimited';
  let delimiter = given.delimiter;
  if (delimiter === undefined) {
    const best = DELIMITERS.map((d) => ({ d, ...evenness(read(d)) })).reduce((a, b) => (b.score > a.score ? b : a));
    delimiter = best.d;
    if (best.width < 2) {
      const spaced = evenness(complete ? whitespace() : whitespace().slice(0, -1));
      if (spaced.width >= 2 && spaced.share >= 0.9) delimiter = ' ';
    }
  }
  if (delimiter === ' ') layout = 'whitespace';
  const records = layout === 'whitespace' ? whitespace().slice(0, HEAD_RECORDS) : read(delimiter);
  const first = records[0];
  if (first === undefined) {
    if (complete) throw new CloveError('data-empty', `${file} holds no rows.`);
    throw new CloveError(
      'data-unreadable',
      `${file}: the first line does not end within the first 256 KB of the file.`,
    );
  }
  const told = DELIMITERS.find((other) => evenness(read(other)).width > 1);
  if (given.delimiter !== undefined && told !== undefined && records.every((record) => record.length < 2))
    throw new CloveError(
      'data-unreadable',
      `${file}: the delimiter ${JSON.stringify(given.delimiter)} is nowhere in the file; it looks separated by ${JSON.stringify(told)}.`,
      { pointer: '/delimiter' },
    );
  const hasHeader = given.header ?? !first.some((cell) => looksLikeData(cell));
  const width = evenness(records.length > 1 ? records.slice(1) : records).width;
  let cells = hasHeader ? first : Array.from({ length: width }, () => '');
  if (hasHeader && records.length > 1 && cells.length !== width) {
    const trailing = cells.length + 1 === width && records.slice(1).every((r) => r.length < width || r.at(-1) === '');
    if (!trailing)
      throw new CloveError(
        'data-unreadable',
        `${file}: the header names ${cells.length} columns, but most rows have ${width} fields. ` +
          `Check the delimiter (read as ${JSON.stringify(delimiter)}; option delimiter) and that the first line names every column.`,
      );
    cells = [...cells, ''];
  }
  const startsBlank = /^[\r\n]/.test(head);
  return { layout, delimiter, escape, hasHeader, startsBlank, ...uniqueNames(cells, hasHeader) };
};

/**
 * The records of the first part of a file as its dialect cuts them, the header not among them; an incomplete last one is left
 * out. At most 1,000.
 */
export const readHead = (dialect: Dialect, head: string, complete: boolean): string[][] => {
  const cut = splitLines(head);
  const records =
    dialect.layout === 'whitespace'
      ? (complete ? cut : cut.slice(0, -1)).slice(0, HEAD_RECORDS)
      : splitRecords(head, complete, dialect.delimiter, dialect.escape);
  return dialect.hasHeader ? records.slice(1) : records;
};

/** Lines of fields with any run of spaces between them. */
const splitLines = (text: string): string[][] =>
  text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[0] !== '');

/** Cuts the head into records of fields, quotes understood; an incomplete last record is left out. */
const splitRecords = (text: string, complete: boolean, delimiter: string, escape: '"' | '\\'): string[][] => {
  const records: string[][] = [];
  let record: string[] = [];
  let field = '';
  /** where the part of the text begins that `field` lacks */
  let start = 0;
  let quoted = false;
  let fresh = true;
  const take = (end: number) => {
    field += text.slice(start, end);
    start = end + 1;
  };
  const endField = () => {
    record.push(field.trim());
    field = '';
    fresh = true;
  };
  for (let i = 0; i < text.length && records.length < HEAD_RECORDS; i += 1) {
    const c = text[i]!;
    if (quoted) {
      if (c === escape && text[i + 1] === '"') {
        take(i);
        i += 1; // the quote is the first character of what is to come
      } else if (c === '"') {
        quoted = false;
        take(i);
      }
    } else if (c === '"' && fresh) {
      quoted = true;
      fresh = false;
      take(i);
    } else if (c === delimiter) {
      take(i);
      endField();
    } else if (c === '\n' || c === '\r') {
      take(i);
      if (record.length > 0 || field !== '' || !fresh) {
        endField();
        records.push(record);
        record = [];
      }
    } else if (c !== ' ') fresh = false;
  }
  if (complete && records.length < HEAD_RECORDS) {
    take(text.length);
    if (record.length > 0 || field !== '' || !fresh) {
      endField();
      records.push(record);
    }
  }
  return records;
};

/** The most frequent number of fields, how many records have it, and a score that also asks the header to have it. */
const evenness = (records: string[][]): { width: number; share: number; score: number } => {
  const counts = new Map<number, number>();
  for (const record of records) counts.set(record.length, (counts.get(record.length) ?? 0) + 1);
  let width = 1;
  let most = 0;
  for (const [fields, count] of counts)
    if (count > most || (count === most && fields > width)) [width, most] = [fields, count];
  const share = records.length === 0 ? 0 : most / records.length;
  const agreed = records[0]?.length === width ? 1 : 0.5;
  return { width, share, score: width < 2 ? 0 : share * agreed + 0.01 * Math.min(width, 20) };
};

/** Whether a text reads like a number, currency signs and separators included. */
export const looksLikeNumber = (cell: string): boolean => /^[-+]?[$€£]?\d[\d.,\s]*(e[-+]?\d+)?$/i.test(cell);

/** Whether a text reads like a date, with or without a time. A date without separators (20180131) is a number here. */
export const looksLikeDate = (cell: string): boolean => /^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d|$)/.test(cell);

const looksLikeData = (cell: string): boolean => looksLikeNumber(cell) || looksLikeDate(cell);

const uniqueNames = (cells: string[], hasHeader: boolean): Pick<Dialect, 'names' | 'renamed'> => {
  const taken = new Set(cells.map((cell) => cell.toLowerCase()).filter((cell) => cell !== ''));
  const used = new Set<string>();
  const renamed: Dialect['renamed'] = [];
  const names = cells.map((cell, i) => {
    let name = cell === '' ? `column${i + 1}` : cell;
    const stem = name;
    const free = (n: string) => !used.has(n.toLowerCase()) && (n === cell || !taken.has(n.toLowerCase()));
    for (let n = 2; !free(name); n += 1) name = `${stem}_${n}`;
    used.add(name.toLowerCase());
    if (hasHeader && name !== cell) renamed.push({ from: cell, to: name });
    return name;
  });
  return { names, renamed };
};
