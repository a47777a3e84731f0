import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Inter as it comes with the npm package (SIL Open Font License 1.1): charts look the same where no font is installed. */
export const FONT_FILES = [
  '@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf',
  '@expo-google-fonts/inter/600SemiBold/Inter_600SemiBold.ttf',
].map((name) => fileURLToPath(import.meta.resolve(name)));

/** Advance width in parts of the font size, by code point; for one that the font does not have, undefined. */
type Advances = (codePoint: number) => number | undefined;

/** Reads the tables `head`, `hhea`, `hmtx` and `cmap` (format 4 or 12) of a TrueType font; see the OpenType specification. */
const readAdvances = (file: Uint8Array): Advances => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const tables = new Map<string, number>();
  for (let i = 0; i < view.getUint16(4); i += 1) {
    const at = 12 + i * 16;
    tables.set(String.fromCodePoint(...file.subarray(at, at + 4)), view.getUint32(at + 8));
  }
  const table = (tag: string): number => {
    const at = tables.get(tag);
    if (at === undefined) throw new Error(`The font has no table ${tag}.`);
    return at;
  };
  const unitsPerEm = view.getUint16(table('head') + 18);
  const metrics = view.getUint16(table('hhea') + 34);
  const hmtx = table('hmtx');
  const cmap = table('cmap');
  const glyphs = new Map<number, number>();
  for (let i = 0; i < view.getUint16(cmap + 2); i += 1) {
    const at = cmap + view.getUint32(cmap + 4 + i * 8 + 4);
    const format = view.getUint16(at);
    if (format === 12) {
      for (let g = 0; g < view.getUint32(at + 12); g += 1) {
        const group = at + 16 + g * 12;
        const start = view.getUint32(group);
        for (let c = start; c <= view.getUint32(group + 4); c += 1)
          glyphs.set(c, view.getUint32(group + 8) + c - start);
      }
    } else if (format === 4) {
      const twice = view.getUint16(at + 6);
      for (let s = 0; s < twice; s += 2) {
        const end = view.getUint16(at + 14 + s);
        const start = view.getUint16(at + 16 + twice + s);
        const delta = view.getUint16(at + 16 + 2 * twice + s);
        const rangeAt = at + 16 + 3 * twice + s;
        const range = view.getUint16(rangeAt);
        for (let c = start; c <= end && c < 0xff_ff; c += 1) {
          const glyph = range === 0 ? c : view.getUint16(rangeAt + range + 2 * (c - start));
          if (glyph !== 0) glyphs.set(c, (glyph + delta) & 0xff_ff);
        }
      }
    }
  }
  return (codePoint) => {
    const glyph = glyphs.get(codePoint);
    return glyph === undefined ? undefined : view.getUint16(hmtx + 4 * Math.min(glyph, metrics - 1)) / unitsPerEm;
  };
};

let fonts: { regular: Advances; bold: Advances } | undefined;
const loadFonts = () => {
  const [regular, bold] = FONT_FILES.map((file) => readAdvances(readFileSync(file))) as [Advances, Advances];
  fonts ??= { regular, bold };
  return fonts;
};

/** Width of a line in px. Characters that Inter lacks count as a full square. */
export const measure = (text: string, fontSize: number, bold: boolean): number => {
  const { regular, bold: semibold } = fonts ?? loadFonts();
  const advance = bold ? semibold : regular;
  let sum = 0;
  for (const character of text) sum += advance(character.codePointAt(0)!) ?? 1;
  return sum * fontSize;
};

/** Whether Inter has every character of `text`. */
export const isCovered = (text: string): boolean => {
  const { regular } = fonts ?? loadFonts();
  for (const character of text) {
    const codePoint = character.codePointAt(0)!;
    if (codePoint >= 0x20 && regular(codePoint) === undefined) return false;
  }
  return true;
};
