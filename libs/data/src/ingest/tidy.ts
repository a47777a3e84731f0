import { createReadStream, createWriteStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Dialect } from '@clove/contracts';

/** Encodings that a text file may have; the names are those of the WHATWG encoding standard. */
export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

/**
 * Rewrites an untidy text file as UTF-8 with LF between records and no blank lines, so that DuckDB reads it and its
 * record numbers are the row numbers that a person would count. Fields are copied as they are. Streams; one pass.
 *
 * @returns the record (from 1, header included) whose opening quote was still open at the end of the file, else null
 */
export const tidyCopy = async (
  from: string,
  to: string,
  o: { gzip: boolean; encoding: Encoding; dialect: Dialect; signal?: AbortSignal | undefined },
): Promise<{ unclosed: number | null }> => {
  const tidier = new Tidier(o.dialect);
  const decoder = new TextDecoder(o.encoding);
  const tidy = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, tidier.take(decoder.decode(chunk, { stream: true })));
    },
    flush(done) {
      done(null, tidier.take(decoder.decode()));
    },
  });
  const signal = o.signal === undefined ? {} : { signal: o.signal };
  const source = createReadStream(from, { highWaterMark: 1 << 20 });
  if (o.gzip) await pipeline(source, createGunzip(), tidy, createWriteStream(to), signal);
  else await pipeline(source, tidy, createWriteStream(to), signal);
  return { unclosed: tidier.unclosed() };
};

/** Where in the text the reader is; carried from one chunk to the next. */
class Tidier {
  private state: 'field start' | 'unquoted' | 'quoted' | 'after quote' = 'field start';
  private record = 1;
  private recordEmpty = true;
  private escaped = false;
  private readonly dialect: Dialect;

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  unclosed(): number | null {
    return this.state === 'quoted' ? this.record : null;
  }

  take(text: string): string {
    const { delimiter, escape, layout } = this.dialect;
    const quotes = layout === 'delimited';
    const out: string[] = [];
    let copied = 0;
    for (let i = 0; i < text.length; i += 1) {
      const c = text[i]!;
      if (this.state === 'quoted') {
        if (this.escaped) this.escaped = false;
        else if (c === '\\' && escape === '\\') this.escaped = true;
        else if (c === '"') this.state = 'after quote';
      } else if (c === '\n' || c === '\r') {
        out.push(text.slice(copied, i));
        copied = i + 1;
        if (!this.recordEmpty) {
          out.push('\n');
          this.record += 1;
        }
        this.recordEmpty = true;
        this.state = 'field start';
      } else {
        this.recordEmpty = false;
        if (c === delimiter) this.state = 'field start';
        else if (c !== '"') this.state = this.state === 'field start' && c === ' ' ? 'field start' : 'unquoted';
        else if (this.state === 'field start' && quotes) this.state = 'quoted';
        // A quote right after the closing one is a quote inside the field.
        else if (this.state === 'after quote') this.state = 'quoted';
      }
    }
    out.push(text.slice(copied));
    return out.join('');
  }
}
