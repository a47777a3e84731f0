import { LABEL_SIZE, LEGEND_GAP } from './theme.js';

/**
 * Widths of text where there is neither a canvas nor the font. Advance widths of Inter, regular or semi-bold, whichever is
 * wider, in hundredths of the font size and rounded up, from the space to the tilde: what fits here fits in the font.
 */
const WIDTHS = [
  29, 33, 53, 65, 66, 101, 67, 33, 38, 38, 54, 68, 32, 47, 32, 38, 66, 43, 63, 64, 67, 62, 64, 58, 65, 64, 32, 33, 68,
  68, 68, 55, 100, 73, 66, 74, 73, 61, 60, 75, 75, 28, 58, 71, 57, 93, 76, 77, 65, 78, 66, 66, 67, 75, 73, 103, 72, 72,
  66, 38, 38, 38, 49, 47, 36, 58, 63, 59, 63, 60, 39, 63, 62, 27, 27, 57, 27, 91, 62, 61, 63, 63, 40, 55, 36, 62, 59,
  84, 57, 59, 57, 46, 36, 46, 68,
] as const;
/** Other Latin, Greek and Cyrillic letters and general punctuation on average; then wide scripts. */
const USUAL = 75;
const WIDE = 105;

/** How wide `text` is at `fontSize`, in px; exact for ASCII but for kerning, a guess beyond it. */
export const textWidth = (text: string, fontSize: number): number => {
  let sum = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0)!;
    sum += WIDTHS[codePoint - 32] ?? (codePoint < 0x2e80 ? USUAL : WIDE);
  }
  return (sum / 100) * fontSize;
};

/** `text` cut in its middle to fit `width` px: names of models differ at both ends. */
export const shorten = (text: string, width: number, fontSize: number): string => {
  if (textWidth(text, fontSize) <= width) return text;
  const characters = [...text];
  for (let kept = characters.length - 1; kept > 1; kept -= 1) {
    const head = Math.ceil(kept * 0.6);
    const short = `${characters.slice(0, head).join('').trimEnd()}…${characters
      .slice(characters.length - (kept - head))
      .join('')
      .trimStart()}`;
    if (textWidth(short, fontSize) <= width) return short;
  }
  return '…';
};

/** Each name shortened to `width` px and unlike every other; names that became alike are numbered. */
export const shortenAll = (names: readonly string[], width: number, fontSize: number): string[] => {
  const taken = new Set<string>();
  return names.map((name) => {
    const plain = shorten(name.trim() === '' ? '(no name)' : name, width, fontSize);
    let label = plain;
    for (let n = 2; taken.has(label); n += 1)
      label = `${shorten(plain, width - textWidth(` ${n}`, fontSize), fontSize)} ${n}`;
    taken.add(label);
    return label;
  });
};

/** `text` in lines of at most `width` px, broken between words; a word wider than a line is shortened. */
export const wrap = (text: string, width: number, fontSize: number): string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((word) => word !== '')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && textWidth(longer, fontSize) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
    line = shorten(line, width, fontSize);
  }
  if (line !== '') lines.push(line);
  return lines;
};

/** In how many columns a legend of these labels fits `width` px, when a symbol takes `symbol` px. */
export const legendColumns = (labels: readonly string[], width: number, symbol: number): number => {
  const widest = Math.max(...labels.map((label) => textWidth(label, LABEL_SIZE)));
  return Math.max(1, Math.min(labels.length, Math.floor(width / (widest + symbol + LEGEND_GAP))));
};
