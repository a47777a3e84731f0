/**
 * Renders charts without a browser.
 * @packageDocumentation
 */
import { createHash } from 'node:crypto';
import { CloveError } from '@clove/contracts';
import { renderAsync } from '@resvg/resvg-js';
import { type Spec, View, loader, parse, textMetrics } from 'vega';
import { type TopLevelSpec, compile } from 'vega-lite';
import { FONT_FILES, isCovered, measure } from './font.js';

declare module 'vega' {
  /** How Vega measures text; left out of its types. */
  export const textMetrics: { width: (item: never, text: unknown) => number };
}

// Without a canvas Vega guesses widths; with those of the font, titles, legends and cut labels take the space they need.
Object.assign(textMetrics, {
  width: (item: { fontSize?: number; fontWeight?: number | string }, text: unknown): number =>
    measure(String(text ?? ''), item.fontSize ?? 11, Number(item.fontWeight) >= 600 || item.fontWeight === 'bold'),
});

/** A chart carries its data; nothing is ever loaded from elsewhere. */
const closedLoader = () => ({
  ...loader(),
  load: (uri: string) => Promise.reject(new CloveError('invalid-input', `A chart may not load "${uri}".`)),
});

/** Vega-Lite to Vega, with what the compiler complained about. */
export const compileSpec = (spec: TopLevelSpec): { vega: Spec; warnings: string[] } => {
  const warnings: string[] = [];
  const note = (...args: unknown[]) => {
    warnings.push(args.join(' '));
    return logger;
  };
  const quiet = () => logger;
  const logger = { level: quiet, error: note, warn: note, info: quiet, debug: quiet };
  const { spec: vega } = compile(spec, { logger: logger as never });
  return { vega, warnings };
};

/**
 * Ids that Vega numbers through the life of the process become ones of this chart's own, so that the same specification
 * gives the same bytes, and so that several charts can stand in one HTML page.
 */
const ownIds = (svg: string): string => {
  const seen = new Map<string, string>();
  for (const [, id] of svg.matchAll(/ id="([^"]+)"/g)) seen.set(id!, `${seen.size}`);
  const neutral = svg.replaceAll(/( id="|url\(#)([^")]+)/g, (all, lead: string, id: string) =>
    seen.has(id) ? `${lead}${seen.get(id)}` : all,
  );
  const chart = createHash('sha256').update(neutral).digest('hex').slice(0, 10);
  return svg.replaceAll(/( id="|url\(#)([^")]+)/g, (all, lead: string, id: string) =>
    seen.has(id) ? `${lead}c${chart}-${seen.get(id)}` : all,
  );
};

/** A specification as a standalone SVG document, the same bytes each time. Text stays text. */
export const renderSvg = async (spec: TopLevelSpec): Promise<string> => {
  const view = new View(parse(compileSpec(spec).vega), { renderer: 'none', loader: closedLoader() });
  try {
    return ownIds(await view.toSVG());
  } finally {
    view.finalize();
  }
};

/**
 * A specification as a PNG, `scale` device pixels to a px (2 when left out), drawn with the Inter that comes along. Only
 * for characters that Inter lacks, such as Chinese ones, the fonts of the machine are looked through.
 * @throws CloveError `invalid-input` for a scale that is not above 0 and at most 8
 */
export const renderPng = async (spec: TopLevelSpec, options: { scale?: number } = {}): Promise<Uint8Array> => {
  const scale = options.scale ?? 2;
  if (!(scale > 0 && scale <= 8)) {
    throw new CloveError('invalid-input', `The scale of a PNG is ${scale}; it must be above 0 and at most 8.`);
  }
  const svg = await renderSvg(spec);
  const image = await renderAsync(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: {
      fontFiles: FONT_FILES,
      loadSystemFonts: !isCovered(svg),
      defaultFontFamily: 'Inter',
      sansSerifFamily: 'Inter',
    },
  });
  return image.asPng();
};
