import { describe, expect, test } from 'vitest';
import { GATE_LIMITS, GateResult, type GateReference, judgeGates, testOf } from './gates.js';
import type { EvaluationReport, Metrics } from './metrics.js';

const good: Metrics = {
  rmse: 10,
  mae: 5,
  r2: 0.5,
  mape: 0.3,
  mapeShare: 0.5,
  totalBias: 0.02,
  spearman: 0.4,
  normalizedGini: 0.7,
  decileMape: 0.1,
};
const report = (metrics: Partial<Metrics> = {}, baselines: EvaluationReport['baselines'] = {}): EvaluationReport => ({
  protocol: {
    name: 'forward',
    horizonDays: 90,
    testOrigin: '2018-05-01',
    trainingOrigins: ['2018-01-01'],
    trainRows: 10,
    validationRows: 2,
    testRows: 3,
    seed: 42,
  },
  testCustomers: 3,
  metrics: { ...good, ...metrics },
  baselines,
  skippedBaselines: {},
  lint: [],
  warnings: [],
});
const other = (metrics: Partial<Metrics> = {}, test = testOf(report().protocol)): GateReference => ({
  name: 'shop@1',
  metrics: { ...good, ...metrics },
  test,
});
const failing = (results: GateResult[]) => results.filter(({ passed }) => !passed).map(({ gate }) => gate);

describe('the gates', () => {
  test('let a good version pass, and give every figure with its limit', () => {
    const results = judgeGates(report(), other(), [other()]);
    expect(results.map(({ gate }) => gate)).toEqual([
      'total-bias',
      'calibration',
      'champion',
      'probabilistic-baseline',
    ]);
    for (const result of results) {
      expect(GateResult.parse(result).passed).toBe(true);
      expect(result.message).toMatch(/\d/);
    }
  });

  test.each([
    ['total-bias', { totalBias: 0.3 }],
    ['total-bias', { totalBias: -0.3 }],
    ['total-bias', { totalBias: null }],
    ['calibration', { decileMape: 0.51 }],
    ['calibration', { decileMape: null }],
  ] as const)('%s stops %o', (gate, metrics) => {
    expect(failing(judgeGates(report(metrics), null))).toEqual([gate]);
  });

  test('where a tenth of the customers spent nothing, the errors of the tenths are summed over all spend', () => {
    const deciles = Array.from({ length: 10 }, (_, i) => ({ rows: 5, predicted: i + 0.5, actual: i }));
    const detail = { deciles } as unknown as NonNullable<EvaluationReport['detail']>;
    const gate = judgeGates({ ...report({ decileMape: null }), detail }, null).find(
      (one) => one.gate === 'calibration',
    )!;
    expect(gate).toMatchObject({ passed: true, figure: 5 / 45 });
    expect(failing(judgeGates(report({ decileMape: null }), other()))).not.toContain('champion');
  });

  test('a limit itself is kept', () => {
    const metrics = { totalBias: -GATE_LIMITS.totalBias, decileMape: GATE_LIMITS.decileMape };
    expect(failing(judgeGates(report(metrics), null))).toEqual([]);
  });

  test.each([
    ['ranking', { normalizedGini: 0.67 }, 'normalizedGini', 0.68],
    ['the level, whatever its sign', { totalBias: -0.08 }, 'totalBias', 0.07],
    ['calibration', { decileMape: 0.16 }, 'decileMape', 0.15],
  ] as const)('one that is worse than the champion in %s is stopped by that figure', (_, metrics, measure, limit) => {
    const gate = judgeGates(report(metrics), other()).find((result) => result.gate === 'champion')!;
    expect(gate).toMatchObject({ passed: false, measure, figure: metrics[measure as keyof typeof metrics] });
    expect(gate.limit).toBeCloseTo(limit, 12);
    expect(gate.message).toContain('shop@1');
  });

  test('a ranking that is undefined is worse than one that is not', () => {
    expect(failing(judgeGates(report({ normalizedGini: null }), other()))).toEqual(['champion']);
    expect(failing(judgeGates(report(), other({ normalizedGini: null, totalBias: null, decileMape: null })))).toEqual(
      [],
    );
  });

  test('a comparison over other rows says so', () => {
    const [, , gate] = judgeGates(report(), other({}, 'spend of 9 customers in the 30 days after 2017-01-01'));
    expect(gate!.message).toMatch(/rows differ.*2017-01-01/);
  });

  test('the best probabilistic model counts; without one the plain baselines stand in', () => {
    const weak = { ...other({ normalizedGini: 0.5 }), name: 'bg-nbd' };
    const strong = { ...other({ normalizedGini: 0.8 }), name: 'pareto-nbd' };
    const judged = judgeGates(report({}, { mean: { ...good, normalizedGini: 0.9 } }), null, [weak, strong]);
    expect(judged.at(-1)!.message).toContain('pareto-nbd');
    expect(failing(judged)).toEqual(['probabilistic-baseline']);
    const alone = judgeGates(report({}, { 'naive-rate': { ...good, normalizedGini: 0.9 } }), null);
    expect(alone.at(-1)).toMatchObject({ gate: 'probabilistic-baseline', passed: false });
    expect(alone.at(-1)!.message).toContain('naive-rate');
  });
});
