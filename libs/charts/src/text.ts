/**
 * Widths of text where there is neither a canvas nor the font: advance widths of Inter in thousandths of the font size,
 * by class of character and rounded up, so that what fits here fits in the font.
 */
const WIDTHS: readonly [RegExp, number][] = [
  [/[ijlI.,:;'|!]/u, 300],
  [/[ ()[\]ftr/\\-]/u, 400],
  [/[mwMW%@]/u, 950],
  [/[A-Z+=<>~_&#]/u, 740],
  [/[ -\u024f]/u, 640],
  [/[\u0250-\u2e7f]/u, 720],
];
const WIDE = 1050;

/** About how wide `text` is at `fontSize`, in px; never narrower than Inter for Latin text. */
const textWidth = (text: string, fontSize: number): number => {
  let sum = 0;
  for (const character of text) sum += WIDTHS.find(([kind]) => kind.test(character))?.[1] ?? WIDE;
  return (sum / 1000) * fontSize;
};

/** `text` cut in its middle to fit `width` px: names of models differ at both ends. */
const shorten = (text: string, width: number, fontSize: number): string => {
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
