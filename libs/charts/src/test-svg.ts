/** Reads rendered charts for tests: where their texts stand, and what their pixels are. */
import { Resvg } from '@resvg/resvg-js';
import { measure } from './font.js';

export type PlacedText = { text: string; left: number; right: number; top: number; bottom: number };

const decode = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&nbsp;', '\u00a0')
    .replaceAll('&amp;', '&');

const numberIn = (tag: string, name: string): number | undefined => {
  const found = new RegExp(` ${name}="(-?[\\d.]+)`).exec(tag);
  return found === null ? undefined : Number(found[1]);
};

/** The visible texts of an SVG and the boxes that they take, from the widths of the font. Rotated text is not known here. */
export const placedTexts = (svg: string): PlacedText[] => {
  const stack: { x: number; y: number; size: number; bold: boolean; anchor: string; hidden: boolean }[] = [
    { x: 0, y: 0, size: 11, bold: false, anchor: 'start', hidden: false },
  ];
  const placed: PlacedText[] = [];
  for (const [, tag, text] of svg.matchAll(/(<[^>]+>)([^<]*)/g)) {
    if (tag!.startsWith('</')) stack.pop();
    else if (!tag!.endsWith('/>') && !tag!.startsWith('<?') && !tag!.startsWith('<!')) {
      const outer = stack.at(-1)!;
      const [, dx = '0', dy = '0'] = /translate\((-?[\d.e-]+),\s*(-?[\d.e-]+)\)/.exec(tag!) ?? [];
      if (tag!.includes('rotate(') && !/rotate\(-?0\)/.test(tag!)) throw new Error(`rotated: ${tag}`);
      // A line stands below the line before it, not below the first.
      if (tag!.startsWith('<tspan')) outer.y += numberIn(tag!, 'dy') ?? 0;
      const own = {
        x: outer.x + Number(dx),
        y: outer.y + Number(dy),
        size: numberIn(tag!, 'font-size') ?? outer.size,
        bold: /font-weight="(600|bold)"/.test(tag!) || (outer.bold && !tag!.includes('font-weight=')),
        anchor: /text-anchor="(\w+)"/.exec(tag!)?.[1] ?? (tag!.startsWith('<text') ? 'start' : outer.anchor),
        hidden: outer.hidden || / opacity="0"/.test(tag!),
      };
      stack.push(own);
      if (/^<(text|tspan)/.test(tag!) && text!.trim() !== '' && !own.hidden) {
        const width = measure(decode(text!), own.size, own.bold);
        const left = own.x - (own.anchor === 'end' ? width : own.anchor === 'middle' ? width / 2 : 0);
        placed.push({
          text: decode(text!),
          left,
          right: left + width,
          top: own.y - own.size * 0.74,
          bottom: own.y + own.size * 0.22,
        });
      }
    }
  }
  return placed;
};

/** Pairs of texts that run into each other. */
export const overlaps = (texts: readonly PlacedText[]): string[] =>
  texts.flatMap((a, i) =>
    texts
      .slice(i + 1)
      .filter(
        (b) =>
          Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
          Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1,
      )
      .map((b) => `"${a.text}" and "${b.text}"`),
  );

export const sizeOf = (svg: string): { width: number; height: number } => {
  const [, width, height] = /<svg[^>]*? width="([\d.]+)" height="([\d.]+)"/.exec(svg)!;
  return { width: Number(width), height: Number(height) };
};

/** Width and height of a PNG, and how many of its pixels have which colour (`#rrggbb`). */
export const colours = (png: Uint8Array): { width: number; height: number; counts: Map<string, number> } => {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const data = Buffer.from(png).toString('base64');
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    `<image width="${width}" height="${height}" href="data:image/png;base64,${data}"/></svg>`;
  const { pixels } = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
  const counts = new Map<string, number>();
  for (let i = 0; i < pixels.length; i += 4) {
    const colour = `#${pixels.toString('hex', i, i + 3)}`;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  return { width, height, counts };
};
