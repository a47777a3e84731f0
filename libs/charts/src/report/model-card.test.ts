import {
  type EvaluationReport,
  type LeaderboardReport,
  type Metrics,
  ModelManifest,
  TrainingOptions,
  judgeGates,
} from '@clove/contracts';
import { describe, expect, test } from 'vitest';
import { type ModelCard, renderModelCard } from './model-card.js';

const HOSTILE = `<img src=x onerror="alert('1')">&amp;`;
const metrics: Metrics = {
  rmse: 61.2,
  mae: 15.9,
  r2: 0.31,
  mape: 0.72,
  mapeShare: 0.24,
  totalBias: 0.013,
  spearman: 0.47,
  normalizedGini: 0.757,
  decileMape: 0.094,
  coverage80: 0.802,
};
const protocol: EvaluationReport['protocol'] = {
  name: 'forward',
  horizonDays: 182,
  testOrigin: '1997-12-31',
  trainingOrigins: ['1997-06-01', '1997-07-01'],
  trainRows: 4000,
  validationRows: 500,
  testRows: 1000,
  seed: 42,
};
const steps = (n: number) => Array.from({ length: n }, (_, i) => i);
const evaluation: EvaluationReport = {
  protocol,
  testCustomers: 1000,
  metrics,
  baselines: { 'naive-rate': { ...metrics, normalizedGini: 0.6, coverage80: null } },
  skippedBaselines: { heuristic: `no orders ${HOSTILE}` },
  lint: [],
  warnings: [{ code: 'w', message: `seen ${HOSTILE}` }],
  detail: {
    deciles: steps(10).map((i) => ({ rows: 100, predicted: 2 ** i, actual: 2 ** i * 1.1 })),
    gain: steps(11).map((i) => ({ customers: i / 10, model: (i / 10) ** 0.3, perfect: Math.min(1, i / 4) })),
    reliability: steps(10).map((i) => ({ rows: 100, predicted: i / 12, observed: i / 11 })),
    pit: steps(20).map(() => 0.05),
    distribution: [
      { from: 0, to: 0, predicted: 100, actual: 700 },
      { from: 0, to: 1, predicted: 100, actual: 10 },
      ...steps(8).map((i) => ({ from: 2 ** i, to: 2 ** (i + 1), predicted: 100, actual: 36 })),
    ],
    residuals: steps(10).map((i) => ({
      predicted: 2 ** i,
      p10: -(2 ** i),
      p25: -1,
      p50: 0,
      p75: 1,
      p90: 2 ** i,
      mean: 0,
    })),
    predictedActual: {
      from: 0,
      width: 1,
      count: 3,
      bands: { predicted: null, actual: 'zero' },
      cells: [
        { predicted: 0, actual: -1, rows: 700 },
        { predicted: 2, actual: 2, rows: 300 },
      ],
    },
    recencyFrequency: {
      frequencyStep: 1,
      recencyStep: 2,
      frequencyCap: null,
      cells: [
        { frequency: 0, recency: 0, rows: 700, alive: 0.4, spend: 3 },
        { frequency: 2, recency: 20, rows: 300, alive: 0.9, spend: 30 },
      ],
    },
    topCapture: [{ share: 0.2, captured: 0.77 }],
    segments: [{ column: 'place', value: HOSTILE, rows: 10, actual: 1, predicted: 2, bias: 1, normalizedGini: null }],
    total: { actual: 1125, predicted: 1023, low: 950, high: 1180 },
    tracking: steps(20).map((i) => ({
      week: i + 1,
      actual: 40 - i,
      expected: 39 - i,
      cumulativeActual: 1,
      cumulativeExpected: 1,
    })),
  },
};
const leaderboard: LeaderboardReport = {
  protocol,
  horizonDays: 182,
  winner: 'ensemble',
  rule: `the lowest error ${HOSTILE}`,
  selection: [],
  rows: [
    { model: 'pareto-nbd', family: 'probabilistic', metrics: { ...metrics, normalizedGini: 0.735 }, sd: {} },
    { model: 'ensemble', family: 'ensemble', metrics, sd: { normalizedGini: 0.002 }, note: HOSTILE },
  ],
  skipped: [{ model: 'lstm', reason: HOSTILE }],
  claims: [`The labels hold one Christmas. ${HOSTILE}`],
  lint: [],
  warnings: [],
  seconds: 1,
};
const manifest = ModelManifest.parse({
  format: 1,
  type: 'ensemble',
  head: 'tweedie',
  kind: 'transactions',
  target: HOSTILE,
  horizonDays: 182,
  idColumn: null,
  schema: { features: [{ kind: 'categorical', name: HOSTILE, categories: [] }], width: 1 },
  parameters: 10,
  interval: { level: 0.8, below: 1, above: 1 },
  options: TrainingOptions.parse({}),
  training: {
    datasetId: null,
    rows: 4500,
    targetMean: 1,
    asOf: protocol.trainingOrigins,
    epochs: steps(3).map((i) => ({
      epoch: i + 1,
      trainLoss: 1 / (i + 1),
      validationLoss: 1.1 / (i + 1),
      learningRate: 0.001,
      seconds: 1,
    })),
    bestEpoch: 3,
    seconds: 3,
    backend: HOSTILE,
    versions: { node: HOSTILE },
  },
  warnings: [],
});
const column = {
  missing: 0,
  distinct: 1,
  min: null,
  max: null,
  mean: null,
  sd: null,
  quantiles: null,
  histogram: null,
};
const card: ModelCard = {
  name: `shop ${HOSTILE}`,
  aliases: [HOSTILE],
  manifest,
  evaluation,
  profile: {
    kind: 'transactions',
    rows: 5000,
    customers: 1000,
    orders: 4000,
    rejectedRows: 1,
    rejectedByReason: [{ reason: HOSTILE, count: 1 }],
    rejectedSample: [],
    duplicateRows: 0,
    firstTime: '1997-01-01T00:00:00.000Z',
    lastTime: '1998-06-30T00:00:00.000Z',
    totalAmount: 100,
    targetColumn: null,
    idColumn: null,
    columns: [
      { ...column, name: HOSTILE, type: 'text', role: 'attribute', categories: [{ value: HOSTILE, count: 3 }] },
    ],
    warnings: [],
    reading: null,
  },
  leaderboard,
  gates: judgeGates(evaluation, null),
  judged: { at: '2026-02-03T04:05:06.000Z', by: 'training' },
  currency: '$',
};

describe('a model card', () => {
  test('is one page that loads nothing, with every section and every chart in both themes', async () => {
    const page = await renderModelCard(card);
    expect(page.startsWith('<!doctype html>')).toBe(true);
    for (const id of ['problem', 'data', 'protocol', 'ranking', 'charts', 'gates', 'lint', 'model', 'limits'])
      expect(page).toContain(`<section id="${id}">`);
    // deciles, gain, tracking, distribution, predicted against actual, residuals, reliability, PIT, two heat maps, learning curves, leaderboard
    expect(page.match(/<div class="light"><svg/g)).toHaveLength(12);
    expect(page.match(/<div class="dark"><svg/g)).toHaveLength(12);
    const references = [...page.matchAll(/<[^>]*?\s(?:src|href|xlink:href)="([^"]*)"/g)].map(([, to]) => to!);
    expect(references.length).toBeGreaterThan(8);
    expect(references.filter((to) => !to.startsWith('#'))).toEqual([]);
    expect([...page.matchAll(/url\(([^)]*)\)/g)].filter(([, to]) => !to!.startsWith('#'))).toEqual([]);
    expect(page.replaceAll(/xmlns(?::xlink)?="[^"]*"/g, '')).not.toMatch(/https?:\/\//);
    expect(page).not.toMatch(/<(script|link|iframe|object|embed|img)\b|@import/i);
  });

  test('escapes every text that data or people put into it', async () => {
    const page = await renderModelCard(card);
    expect(page).not.toContain('<img');
    expect(page.match(/&lt;img src=x/g)!.length).toBeGreaterThan(12);
    expect(page).not.toMatch(/<[^>]*\sonerror/);
  });

  test('is the same bytes for the same input', async () => {
    expect(await renderModelCard(card)).toBe(await renderModelCard(structuredClone(card)));
  });

  test('says first what forbids its use: findings of the lint, failed gates, or what the data cannot support', async () => {
    const verdictOf = (page: string) => /<div class="verdict[^>]*>(.*?)<\/div>\s*<\/div>/s.exec(page)![1]!;
    expect(verdictOf(await renderModelCard(card))).toContain('one Christmas');
    const bad = { ...evaluation, metrics: { ...metrics, totalBias: 1.5 } };
    expect(verdictOf(await renderModelCard({ ...card, evaluation: bad, gates: judgeGates(bad, null) }))).toContain(
      '150.0 %',
    );
    const leaky: EvaluationReport = {
      ...evaluation,
      lint: [{ code: 'target-is-function-of-features', severity: 'error', message: 'The target is 3 × spend.' }],
    };
    expect(verdictOf(await renderModelCard({ ...card, evaluation: leaky }))).toContain('3 × spend');
    const twice: EvaluationReport = {
      ...evaluation,
      lint: [{ code: 'duplicate-rows-across-split', severity: 'warning', message: '40 rows stand on both sides.' }],
    };
    expect(verdictOf(await renderModelCard({ ...card, evaluation: twice }))).toContain('40 rows stand on both sides.');
  });

  test('says how a network was optimised, and nothing of it for a mean of several models', async () => {
    const page = async (options: object, names: readonly string[] = ['only']) => {
      const members = names.map((name) => ({ name }));
      const made = { ...manifest, options: TrainingOptions.parse(options), predictor: { members, forecasters: [] } };
      return renderModelCard({ ...card, manifest: made as unknown as ModelCard['manifest'] });
    };
    expect(await page({})).toContain('Adam at 0.001, weight decay 1e-5');
    expect(await page({ optimizer: 'adamw', weightDecay: 0.01, clipNorm: 2 })).toContain(
      'AdamW at 0.001, weight decay 0.01, gradients clipped to a norm of 2',
    );
    expect(await page({}, ['one', 'another'])).not.toContain('weight decay');
  });

  test('says when its gates were judged and whether against a champion', async () => {
    const judgedBy = async (judged: ModelCard['judged'], aliases: string[] = []) =>
      /<section id="gates">.*?<\/p>/s
        .exec(await renderModelCard({ ...card, judged, aliases }))![0]
        .replaceAll(/\s+/g, ' ');
    const at = '2026-02-03T04:05:06.000Z';
    expect(await judgedBy({ at, by: 'training' })).toMatch(/2026-02-03 04:05 UTC, when the version was made.*promoted/);
    expect(await judgedBy({ at, by: 'folder' })).toContain('knows of no champion');
    expect(await judgedBy({ at, by: 'registry' })).toContain('there is no champion');
    expect(await judgedBy({ at, by: 'registry' }, ['champion'])).toContain('is the champion itself');
  });

  test('of a version without evaluation, profile or leaderboard says what is not at hand', async () => {
    const page = await renderModelCard({ ...card, evaluation: null, profile: null, leaderboard: null, gates: [] });
    expect(page).toContain('not evaluated');
    expect(page).toContain('not at hand');
    expect(page).not.toContain('No finding');
  });
});
