import { describe, expect, test } from 'vitest';
import type { ChartSpec } from './index.js';
import { isCovered, measure } from './font.js';
import { compileSpec, renderPng, renderSvg } from './render.js';
import { gallery } from './test-gallery.js';
import { colours, sizeOf } from './test-svg.js';

const charts = gallery(800);
const deciles = (options = {}) => charts['deciles']!(options);

describe('fonts', () => {
  test('widths are those of Inter: known advances of its tables, and a bold line is wider', () => {
    // Advances of Inter 4 in units of 2048 to the em: space 576, "0" 1260 and "W" 2028 (regular)
    expect(measure('W', 2048, false) - measure('W', 1024, false)).toBeCloseTo(measure('W', 1024, false), 6);
    expect(measure('0', 1, false)).toBeGreaterThan(measure('1', 1, false));
    expect(measure('Predicted', 12, true)).toBeGreaterThan(measure('Predicted', 12, false));
    expect(measure('', 12, false)).toBe(0);
  });

  test('Latin, Greek and Cyrillic are covered, Chinese is not', () => {
    expect(isCovered('Größe Ωμέγα Модель 12 % ≤ − … ²')).toBe(true);
    expect(isCovered('模型')).toBe(false);
  });

  test('text of a PNG is drawn with the font that comes along: measured width is drawn width', async () => {
    const text = 'Share of actual spend';
    const spec: ChartSpec = {
      background: '#ffffff',
      padding: 0,
      width: 300,
      height: 40,
      data: { values: [{}] },
      mark: { type: 'text', text, align: 'left', fontSize: 20, color: '#000000', font: 'Inter' },
      encoding: { x: { value: 10 } },
      config: { view: { stroke: null } },
    };
    const blank: ChartSpec = { ...spec, mark: { type: 'text', text: '', font: 'Inter' } } as ChartSpec;
    const ink = (counts: Map<string, number>) => [...counts].reduce((n, [c, k]) => n + (c === '#ffffff' ? 0 : k), 0);
    expect(ink(colours(await renderPng(blank)).counts)).toBe(0);
    expect(ink(colours(await renderPng(spec)).counts)).toBeGreaterThan(1500);
  });
});

describe('SVG', () => {
  test('is one standalone document with its text as text', async () => {
    const svg = await renderSvg(deciles());
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg.trimEnd()).toMatch(/<\/svg>$/);
    expect(svg).toContain('Calibration by decile of prediction');
    expect(svg).not.toMatch(/<script|<image|href=|@import/);
  });

  test('ids of two charts never meet in one page, and every reference has its target', async () => {
    const ids = new Set<string>();
    for (const chart of Object.values(charts)) {
      const svg = await renderSvg(chart({}));
      const own = [...svg.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
      const used = [...svg.matchAll(/url\(#([^)]+)\)/g)].map(([, id]) => id!);
      expect(used.filter((id) => !own.includes(id))).toEqual([]);
      for (const id of own) {
        expect(ids.has(id), id).toBe(false);
        ids.add(id);
      }
    }
    expect(ids.size).toBeGreaterThan(0);
  });

  test('charts drawn at the same time come out as drawn alone', async () => {
    const alone: string[] = [];
    for (const chart of Object.values(charts)) alone.push(await renderSvg(chart({})));
    expect(await Promise.all(Object.values(charts).map((chart) => renderSvg(chart({}))))).toEqual(alone);
  });

  test('a specification that asks for a file or an address gets nothing', async () => {
    for (const url of ['https://example.com/data.json', '/etc/hostname', 'file:///etc/hostname']) {
      const svg = await renderSvg({
        data: { url, format: { type: 'csv' } },
        mark: 'text',
        encoding: { text: { field: 'a', type: 'nominal' } },
      }).catch((error: unknown) => String(error));
      expect(svg).not.toContain('localhost');
      expect(svg).not.toMatch(/<text[^>]*>[^<]/);
    }
  });

  test('the compiler notes what is wrong with a specification', () => {
    const wrong = {
      data: { values: [] },
      mark: 'bar',
      encoding: { x: { field: 'a', type: 'quantitative' }, size: { field: 'b', type: 'nominal' } },
    };
    expect(compileSpec(wrong as ChartSpec).warnings.length).toBeGreaterThan(0);
  });
});

describe('PNG', () => {
  test.each([1, 2, 3])('has the size of the chart times %i', async (scale) => {
    const { width, height } = sizeOf(await renderSvg(deciles()));
    expect({ width, height }).toEqual({ width: 640, height: 460 });
    const png = colours(await renderPng(deciles(), { scale }));
    expect({ width: png.width, height: png.height }).toEqual({ width: width * scale, height: height * scale });
  });

  test('holds the colours of its marks', async () => {
    const { counts } = colours(await renderPng(deciles()));
    for (const colour of ['#1f6fb4', '#d9630d', '#15202e', '#ffffff'])
      expect(counts.get(colour), colour).toBeGreaterThan(20);
  });

  test.each([0, -1, 9, Number.NaN])('a scale of %d is refused', async (scale) => {
    await expect(renderPng(deciles(), { scale })).rejects.toThrow('must be above 0 and at most 8');
  });
});
