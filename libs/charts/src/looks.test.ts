import { View, parse } from 'vega';
import { describe, expect, test } from 'vitest';
import { quantile } from './columns.js';
import { measure } from './font.js';
import {
  difference,
  formatAmount,
  formatChange,
  formatCoefficient,
  formatCount,
  formatNumber,
  formatPercent,
  numberExpr,
} from './format.js';
import { bandOf, binOf, logAxis, logBins } from './log-axis.js';
import { axisEnds, rankRows } from './leaderboard.js';
import { wilson } from './reliability.js';
import { shorten, shortenAll, textWidth, wrap } from './text.js';
import { type Theme, themeOf } from './theme.js';
import { accumulate } from './tracking.js';

describe('figures', () => {
  test.each([
    [0, '0'],
    [1, '1'],
    [-3, '−3'],
    [0.4567, '0.457'],
    [999.4, '999'],
    [999.6, '1k'],
    [1234, '1.23k'],
    [1_234_567, '1.23M'],
    [999_950, '1M'],
    [-2.5e9, '−2.5G'],
    [0.001, '0.001'],
    [1e-9, '1e-9'],
    [3e20, '3e+20'],
    [Number.NaN, '–'],
  ])('%d is written %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  test('the axes write numbers as the texts do', async () => {
    const values = [
      0, 1, 2.5, 12, 123.4, 999.4, 1000, 1500, 25_000, 1e6, 2.5e9, 7e12, 3e20, 0.25, 0.002, 5e-7, -40, -3e5,
    ];
    const view = new View(
      parse({
        data: [
          {
            name: 'd',
            values: values.map((v) => ({ v })),
            transform: [{ type: 'formula', as: 't', expr: numberExpr('datum.v') }],
          },
        ],
      }),
      { renderer: 'none' },
    );
    await view.runAsync();
    const written = (view.data('d') as { t: string }[]).map(({ t }) => t);
    expect(written).toEqual(values.map(formatNumber));
    view.finalize();
  });

  test('shares, changes, counts and amounts', () => {
    expect([0, 0.0001, 0.1234, -0.5, 1, 12.34, 99].map(formatPercent)).toEqual([
      '0%',
      '<0.1%',
      '12.3%',
      '−50%',
      '100%',
      '1.23k%',
      '9.9k%',
    ]);
    expect([0.1, 0, -0.1].map(formatChange)).toEqual(['+10%', '0%', '−10%']);
    expect([5, 1234, 999_999, 2_000_000].map(formatCount)).toEqual(['5', '1,234', '999,999', '2M']);
    expect([0.7, -0.0001, -0.25, 1e6].map(formatCoefficient)).toEqual(['0.700', '0.000', '−0.250', '1M']);
    expect([formatAmount(1234, 'USD'), formatAmount(-1234, '€'), formatAmount(5)]).toEqual([
      '1.23k USD',
      '−€1.23k',
      '5',
    ]);
  });

  test('a difference is told in words', () => {
    expect(difference('it', -0.111, 'actual')).toBe('it is 11.1% below actual');
    expect(difference('it', 0.05, 'actual')).toBe('it is 5% above actual');
    expect(difference('it', 0, 'actual')).toBe('it equals actual');
    expect(difference('it', 99, 'actual')).toBe('it is 100 times actual');
  });
});

describe('text', () => {
  test('widths without the font are those of the font, and never less', () => {
    for (const text of [
      'Predicted against actual spend',
      'pareto-nbd + gamma-gamma',
      '1,234.56 %',
      'WWW iii',
      '~{}|',
    ]) {
      const real = Math.max(measure(text, 12, false), measure(text, 12, true));
      expect(textWidth(text, 12)).toBeGreaterThanOrEqual(real - 1e-9);
      expect(textWidth(text, 12)).toBeLessThan(real * 1.12 + 1);
    }
  });

  test('a name is cut in its middle, to the width that it has', () => {
    const name = 'transformer with a ziln head, seed 3';
    expect(shorten(name, 1000, 12)).toBe(name);
    const cut = shorten(name, 120, 12);
    expect(cut).toMatch(/^trans.*….*seed 3$/);
    expect(textWidth(cut, 12)).toBeLessThanOrEqual(120);
  });

  test('names that are cut alike stay apart, and an empty one is named', () => {
    const labels = shortenAll(['a'.repeat(90), `${'a'.repeat(91)}`, '', ' '], 100, 12);
    expect(new Set(labels).size).toBe(4);
    expect(labels[2]).toBe('(no name)');
    for (const label of labels) expect(textWidth(label, 12)).toBeLessThanOrEqual(100);
  });

  test('lines are broken between words, none is too wide, and no word is lost', () => {
    const text = 'Whiskers: one standard deviation over seeds. Hollow: baselines. Triangles: beyond the axis.';
    const lines = wrap(text, 200, 13);
    expect(lines.join(' ')).toBe(text);
    expect(Math.max(...lines.map((line) => textWidth(line, 13)))).toBeLessThanOrEqual(200);
    expect(wrap('', 200, 13)).toEqual([]);
  });
});

describe('logarithmic axes', () => {
  const values = Float64Array.from({ length: 2000 }, (_, i) => 10 ** (i / 500));

  test('bins cover what is positive, and the band the rest', () => {
    const bins = logBins(Float64Array.from([...values, 0, -5]), 36);
    expect(bins.count).toBeLessThanOrEqual(36);
    expect(binOf(bins, values.at(-1)!)).toBe(bins.count - 1);
    expect([0, -5].map((value) => binOf(bins, value))).toEqual([-1, -1]);
    expect(bandOf(bins, Float64Array.of(0, 10))).toBe('zero');
  });

  test('a stray tiny amount does not squeeze the others, unless all are to be shown', () => {
    const stray = Float64Array.from([...values, 1e-30]);
    expect(logBins(stray, 36).from).toBeGreaterThan(-0.5);
    expect(logBins(stray, 36, 0).from).toBeLessThanOrEqual(-30);
  });

  test('labels lie on the axis, at most nine of them, and an amount stands where its logarithm does', () => {
    for (const [low, high] of [
      [0, 0.3],
      [0, 2],
      [-3, 6],
      [-300, 300],
    ] as const) {
      const bins = logBins(Float64Array.of(10 ** low, 10 ** high), 36, 0);
      const axis = logAxis(bins, 'zero');
      expect(axis.ticks.length).toBeLessThanOrEqual(9);
      expect(axis.ticks.length).toBeGreaterThan(1);
      for (const tick of axis.ticks) {
        expect(tick).toBeGreaterThanOrEqual(axis.domain[0]);
        expect(tick).toBeLessThanOrEqual(axis.domain[1] + 1e-9);
      }
      expect(axis.place(10 ** high)).toBeCloseTo(high, 9);
      expect(axis.place(0)).toBe(axis.band!.middle);
    }
  });
});

describe('figures of charts', () => {
  test('a quantile lies between its neighbours, linearly', () => {
    expect([0, 0.25, 0.5, 0.9, 1].map((p) => quantile(Float64Array.of(1, 2, 4, 8, 16), p))).toEqual([
      1, 2, 4, 12.8, 16,
    ]);
    expect(quantile(Float64Array.of(3), 0.7)).toBe(3);
  });

  test('the interval ends where the observed share is 1.96 standard errors away (Wilson)', () => {
    for (const [k, n] of [
      [0, 20],
      [3, 40],
      [50, 100],
      [999, 1000],
    ] as const) {
      const { low, high } = wilson(k, n);
      for (const p of [low, high].filter((p) => p > 0 && p < 1)) {
        expect(Math.abs(k / n - p) / Math.sqrt((p * (1 - p)) / n)).toBeCloseTo(1.959_964, 5);
      }
      expect(low).toBeLessThanOrEqual(k / n);
      expect(high).toBeGreaterThanOrEqual(k / n);
    }
  });
});

describe('tracking', () => {
  const total = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const values = Array.from({ length: 100 }, (_, i) => (i * 37) % 11);

  test.each([1, 3, 7, 100, 1000])('steps of %i periods keep the running total', (every) => {
    const points = accumulate(values, every);
    for (const { at, cumulative } of points) expect(cumulative).toBe(total(values.slice(0, at)));
    expect(total(points.map(({ value }) => value))).toBe(total(values));
    expect(points.at(-1)!.at).toBe(100);
  });

  test('a series ends before the first period without a value', () => {
    expect(accumulate([1, 2, null, 4], 1).map(({ at }) => at)).toEqual([1, 2]);
    expect(accumulate([1, 2, 3, Number.NaN], 2).map(({ at }) => at)).toEqual([2]);
  });
});

describe('leaderboard', () => {
  const row = (model: string, value: number | null) => ({
    model,
    family: 'neural' as const,
    metrics: { normalizedGini: value, totalBias: value, mae: value },
  });

  test('rows are ranked by what is better for the metric; unknown values come last', () => {
    const rows = [row('a', -0.5), row('b', null), row('c', 0.1), row('d', 0.9), row('e', Number.NaN)];
    const order = (metric: string) =>
      rankRows(rows, metric)
        .map(({ model }) => model)
        .join('');
    expect(order('normalizedGini')).toBe('dcabe');
    expect(order('totalBias')).toBe('cadbe');
    expect(order('mae')).toBe('acdbe');
  });

  test('a hopeless model does not squeeze the good ones, and equal ones still have an axis', () => {
    const [low, high] = axisEnds([0.76, 0.75, 0.74, 0.73, -9], false);
    expect(low).toBeGreaterThan(0.6);
    expect(high).toBe(0.76);
    expect(axisEnds([1, 2, 3, 4], false)).toEqual([1, 4]);
    expect(axisEnds([0.01, -0.02, 0.03], true)).toEqual([-0.02, 0.03]);
    expect(axisEnds([5, 5], false)).toEqual([4, 6]);
  });
});

/** Linear RGB of a colour, 0 to 1. */
const linear = (colour: string): number[] =>
  [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
/** Machado, Oliveira & Fernandes 2009, severity 1. */
const VISIONS: Record<string, number[][]> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152_286, 1.052_583, -0.204_868],
    [0.114_503, 0.786_281, 0.099_216],
    [-0.003_882, -0.048_116, 1.051_998],
  ],
  deuteranopia: [
    [0.367_322, 0.860_646, -0.227_968],
    [0.280_085, 0.672_501, 0.047_413],
    [-0.011_82, 0.042_94, 0.968_881],
  ],
  tritanopia: [
    [1.255_528, -0.076_749, -0.178_779],
    [-0.078_411, 0.930_809, 0.147_602],
    [0.004_733, 0.691_367, 0.303_9],
  ],
};
const seen = (rgb: number[], vision: number[][]): number[] =>
  vision.map((weights) => weights.reduce((sum, weight, i) => sum + weight * rgb[i]!, 0));
const lab = ([r = 0, g = 0, b = 0]: number[]): [number, number, number] => {
  const f = (t: number) => (t > 0.008_856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.950_47);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.088_83);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
};
const luminance = (colour: string): number => {
  const [r = 0, g = 0, b = 0] = linear(colour);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a: string, b: string): number => {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};

describe.each(['light', 'dark'] as const)('theme %s', (name) => {
  const theme: Theme = themeOf(name);

  test.each(Object.keys(VISIONS))('series are told apart with %s', (kind) => {
    const colours = theme.series.map((colour) => lab(seen(linear(colour), VISIONS[kind]!)));
    const distances = colours.flatMap((a, i) =>
      colours.slice(i + 1).map((b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])),
    );
    expect(Math.min(...distances)).toBeGreaterThan(18);
  });

  test('text has a contrast of 4.5 at least, and marks of 3', () => {
    for (const colour of [theme.ink, theme.muted]) expect(contrast(colour, theme.background)).toBeGreaterThan(4.5);
    for (const colour of [...theme.series, theme.reference]) {
      expect(contrast(colour, theme.background)).toBeGreaterThan(3);
    }
  });

  test('the ramp goes one way in lightness, away from the background, with every vision', () => {
    for (const vision of Object.values(VISIONS)) {
      const lightness = theme.ramp.map((colour) => lab(seen(linear(colour), vision))[0]);
      const steps = lightness.slice(1).map((value, i) => (value - lightness[i]!) * (name === 'light' ? -1 : 1));
      expect(Math.min(...steps)).toBeGreaterThan(5);
    }
  });
});
