import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileSpec, renderPng, renderSvg } from './render.js';
import { customers, draws, extremes, gallery } from './test-gallery.js';
import { colours, overlaps, placedTexts, sizeOf } from './test-svg.js';
import {
  averageByRecencyFrequency,
  countPit,
  countPredictedActual,
  distributionOf,
  gainCurves,
  groupDeciles,
  reliabilityTable,
  spreadResiduals,
} from './test-aggregates.js';

const usual = Object.entries(gallery(5000));
const hard = Object.entries(extremes());

/** Words that must stand in the picture, beside title and subtitle. */
const TEXTS: Record<string, string[]> = {
  predictedActual: ['Predicted', 'Actual', 'Mean actual', 'Perfect', 'Customers', '10', '< 1'],
  residuals: ['Middle 80%', 'Middle 50%', 'Median', 'Mean', 'Actual minus predicted', '0'],
  learningCurves: ['Training', 'Validation', 'Epoch', 'Epoch 17 kept', 'Loss'],
  deciles: ['Lowest', 'Highest', '2', '9', 'Decile', 'Customers', 'Error', '500', 'Actual', 'Predicted'],
  gain: ['Perfect order', 'Random order', '20%', '100%', 'Share of actual spend'],
  reliability: ['Observed', 'Perfect', 'Share that bought', 'Predicted probability to buy', 'Customers'],
  tracking: ['Actual', 'bg-nbd', 'pareto-nbd', 'Holdout', 'Cumulative repeat orders', 'Weekly repeat orders', '1997'],
  distribution: ['Predicted', 'Actual', 'Share of customers', 'Spend per customer'],
  predictions: ['Share of customers', 'Spend per customer'],
  predictionHistogram: ['Customers', 'Predicted spend', '0'],
  predictionTenths: ['Best', 'Lowest', '2', '9', 'Share of predicted spend'],
  alive: ['P(alive)', 'Frequency: repeat orders', 'Recency: weeks from first to last order', '100%', '0'],
  expectedSpend: ['Spend', 'Frequency: repeat orders'],
  leaderboard: ['ensemble', '0.758', '+1.3%', '6.7%', 'Norm. Gini', 'lower is better', 'Ensemble', 'Baseline', '+910%'],
  pit: ['Density, 1 = even', 'Customers inside', 'Nominal level of the interval', '80%'],
};

describe.each(usual)('%s', (name, chart) => {
  test.each(['light', 'dark'] as const)('is valid Vega-Lite, without a warning of the compiler, in %s', (theme) => {
    expect(compileSpec(chart({ theme })).warnings).toEqual([]);
  });

  test('is plain JSON of a moderate size, described in words', () => {
    const spec = chart({});
    const text = JSON.stringify(spec);
    expect(JSON.parse(text)).toEqual(spec);
    expect(text.length).toBeLessThan(200_000);
    expect(spec.description?.length).toBeGreaterThan(30);
  });

  test('says what it shows, with axes and legends', async () => {
    const texts = placedTexts(await renderSvg(chart({}))).map(({ text }) => text);
    expect(texts).toEqual(expect.arrayContaining(TEXTS[name]!));
  });

  test.each([640, 1000])('no text runs into another or out of the picture, at %i px', async (width) => {
    const svg = await renderSvg(chart({ width, currency: 'USD' }));
    const texts = placedTexts(svg);
    const size = sizeOf(svg);
    expect(overlaps(texts)).toEqual([]);
    expect(texts.filter(({ left, right, bottom }) => left < 0 || right > size.width || bottom > size.height)).toEqual(
      [],
    );
    expect(texts.length).toBeGreaterThan(8);
    expect(Math.abs(size.width - width)).toBeLessThan(20);
  });

  test('gives the same bytes each time, and others in the other theme', async () => {
    const [first, dark] = [await renderSvg(chart({})), await renderSvg(chart({ theme: 'dark' }))];
    expect(await renderSvg(chart({}))).toBe(first);
    expect(dark).not.toBe(first);
    const png = await renderPng(chart({}));
    expect(Buffer.compare(await renderPng(chart({})), png)).toBe(0);
  });

  test('is drawn: background all around, and many pixels of other colours', async () => {
    const spec = chart({ theme: 'dark' });
    const size = sizeOf(await renderSvg(spec));
    const { width, height, counts } = colours(await renderPng(spec, { scale: 1 }));
    expect({ width, height }).toEqual(size);
    const background = counts.get('#0f1822') ?? 0;
    const share = 1 - background / (width * height);
    expect(share).toBeGreaterThan(0.02);
    expect(share).toBeLessThan(0.7);
    expect(counts.size).toBeGreaterThan(50);
  });

  test('takes title, subtitle and size from its options', async () => {
    const svg = await renderSvg(chart({ title: 'Spring sale', subtitle: 'All shops.', width: 700, height: 600 }));
    const texts = placedTexts(svg).map(({ text }) => text);
    expect(texts).toEqual(expect.arrayContaining(['Spring sale', 'All shops.']));
    expect(Math.abs(sizeOf(svg).width - 700)).toBeLessThan(20);
    expect(Math.abs(sizeOf(svg).height - 600)).toBeLessThan(30);
  });
});

test.each([
  ['width', { width: 100 }],
  ['width', { width: Number.NaN }],
  ['height', { height: 1e9 }],
])('a %s that no picture can have is refused by name', (name, options) => {
  expect(() => usual[0]![1](options)).toThrow(`The ${name} of a chart is`);
});

describe('data that breaks charts', () => {
  test.each(hard)('%s', async (_, chart) => {
    const spec = chart({});
    expect(compileSpec(spec).warnings).toEqual([]);
    const svg = await renderSvg(spec);
    expect(svg).not.toMatch(/NaN|undefined|Infinity|\[object/);
    const texts = placedTexts(svg);
    expect(overlaps(texts)).toEqual([]);
    const size = sizeOf(svg);
    expect(size.width).toBeLessThan(660);
    expect(texts.filter(({ left, right }) => left < 0 || right > size.width)).toEqual([]);
  });

  test.each(hard.filter(([name]) => /^nothing|^onlyMissing (predicted|residuals|deciles|gain)/.test(name)))(
    '%s says that there is no data',
    async (_, chart) => {
      expect(placedTexts(await renderSvg(chart({}))).map(({ text }) => text)).toContain('No data');
    },
  );

  test('rows without a number are counted in the subtitle', async () => {
    const { 'missing deciles': chart } = extremes();
    expect(chart!({}).description).toContain('4 rows without a number left out.');
  });

  test('a name with markup is text, and names that are cut stay apart', async () => {
    const texts = placedTexts(await renderSvg(extremes()['long names leaderboard']!({}))).map(({ text }) => text);
    expect(texts).toContain('<b>"&amp;"</b>');
    expect(texts).toContain("it's \\ `quoted` ${x}");
    const cut = texts.filter((text) => /^a very long.*….*seed [12]$/.test(text));
    expect(new Set(cut).size).toBe(2);
  });
});

test('a million rows become aggregates of a few kilobytes', () => {
  const { actual, predicted, probability, frequency, recency, alive, bought } = customers(1_000_000);
  const next = draws(3);
  const aggregates = {
    predictedActual: countPredictedActual({ actual, predicted }),
    residuals: spreadResiduals({ actual, predicted }),
    deciles: groupDeciles({ actual, predicted }),
    gain: gainCurves({ actual, models: [{ name: 'model', predicted }] }),
    reliability: reliabilityTable({ probability, bought }),
    distribution: distributionOf({ predicted, actual }),
    recencyFrequency: averageByRecencyFrequency({ frequency, recency, value: alive }),
    pit: countPit(Float64Array.from({ length: 1_000_000 }, next)),
  };
  for (const [name, aggregate] of Object.entries(aggregates)) {
    const text = JSON.stringify(aggregate);
    expect(text.length, name).toBeLessThan(80_000);
    expect(JSON.parse(text), name).toEqual(aggregate);
  }
}, 120_000);

test('the specifications need nothing of Node, so that a browser can make them', () => {
  const seen = new Set<string>();
  const libraries = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(path.join(import.meta.dirname, file), 'utf8');
    for (const [, kind, name] of text.matchAll(/^(import type|import|export type|export)\b[^;]*?\bfrom '([^']+)'/gms)) {
      if (kind === 'import type' || kind === 'export type') continue;
      if (name!.startsWith('.')) visit(name!.replace(/^\.\//, '').replace(/\.js$/, '.ts'));
      else libraries.add(name!);
    }
    expect(text, file).not.toMatch(/\b(process|Buffer|require)\b[.(]/);
  };
  visit('index.ts');
  expect([...libraries]).toEqual(['@clove/contracts']);
  expect(seen.size).toBeGreaterThan(15);
});
