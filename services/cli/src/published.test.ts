import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

/** Published fits, as `clove fit MODEL --data FILE --json` prints them: the built command, as a user runs it. */
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const data = process.env['CLOVE_DATA'] ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'clove-published-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Fitted = {
  parameters: Record<string, number>;
  standardErrors: Record<string, number | null>;
  logLikelihood: number;
  customers: number;
  unit: string;
};
const fit = async (model: string, ...flags: string[]): Promise<Fitted> => {
  const child = spawn(process.execPath, [MAIN, 'fit', model, ...flags, '--json', '--quiet'], { cwd: folder });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(err).toBe('');
  return JSON.parse(out) as Fitted;
};
const within = (actual: Record<string, number | null>, expected: Record<string, number>, relative: number) => {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected))
    expect(Math.abs(actual[name]! / value - 1), `${name} = ${actual[name]}, published ${value}`).toBeLessThan(relative);
};

const SUMMARY = join(data, 'cdnow/cdnow_customers_summary_with_transactions.csv');
const ORDERS = join(data, 'cdnow/CDNOW_sample.txt');
const fromOrders = ['--data', ORDERS, '--preset', 'cdnow', '--as-of', '1997-09-30'];
const PUBLISHED = [
  {
    model: 'bg-nbd',
    parameters: { r: 0.24259, alpha: 4.4136, a: 0.7929, b: 2.4259 },
    errors: { r: 0.01256, alpha: 0.378, a: 0.186, b: 0.705 },
    logLikelihood: -9582.43,
  },
  {
    model: 'pareto-nbd',
    parameters: { r: 0.5533, alpha: 10.578, s: 0.6062, beta: 11.669 },
    errors: { r: 0.0476, alpha: 0.8427, s: 0.1873, beta: 6.2105 },
    logLikelihood: -9594.976,
  },
  {
    model: 'mbg-nbd',
    parameters: { r: 0.525, alpha: 6.183, a: 0.891, b: 1.614 },
    errors: null,
    logLikelihood: -9582.14,
  },
];

test.skipIf(!existsSync(SUMMARY)).each(PUBLISHED)(
  '$model on the CDNOW sample, from its summary and from its orders (needs the data folder)',
  async ({ model, parameters, errors, logLikelihood }) => {
    const [summary, orders] = await Promise.all([fit(model, '--data', SUMMARY), fit(model, ...fromOrders)]);
    expect([summary.unit, orders.unit]).toEqual(['the unit of the file', 'weeks']);
    for (const fitted of [summary, orders]) {
      within(fitted.parameters, parameters, 0.01);
      within(fitted.standardErrors, errors ?? (fitted.standardErrors as Record<string, number>), 0.01);
      expect(Math.abs(fitted.logLikelihood - logLikelihood)).toBeLessThan(0.0101);
      expect(fitted.customers).toBe(2357);
    }
  },
);

test.skipIf(!existsSync(SUMMARY))(
  'gamma-gamma on the 946 repeaters of the CDNOW sample, from orders and from rounded means (needs the data folder)',
  async () => {
    const [summary, orders] = await Promise.all([
      fit('gamma-gamma', '--data', SUMMARY),
      fit('gamma-gamma', ...fromOrders),
    ]);
    within(summary.parameters, { p: 6.2488, q: 3.7446, v: 15.4477 }, 0.001);
    within(orders.parameters, { p: 6.2496, q: 3.7442, v: 15.4435 }, 0.001);
    for (const fitted of [summary, orders]) {
      expect(Math.abs(fitted.logLikelihood - -4055.92)).toBeLessThan(0.01);
      expect(fitted.customers).toBe(946);
    }
  },
);

test.skipIf(!existsSync(join(data, 'donations')))('bg-bb on the donations (needs the data folder)', async () => {
  const fitted = await fit('bg-bb', '--data', join(data, 'donations/donations.csv'));
  within(fitted.parameters, { alpha: 1.2035, beta: 0.7497, gamma: 0.6567, delta: 2.7834 }, 0.01);
  expect(Math.abs(fitted.logLikelihood - -33_225.58)).toBeLessThan(0.01);
});

test.each([
  ['regular', [1, 0.631, 0.468, 0.382, 0.326, 0.289, 0.262, 0.241], { alpha: 0.7041, beta: 1.182 }],
  ['high-end', [1, 0.869, 0.743, 0.653, 0.593, 0.551, 0.517, 0.491], { alpha: 0.6681, beta: 3.8061 }],
])('sbg on the survival of the %s customers of Fader & Hardie (2007)', async (name, survival, published) => {
  writeFileSync(
    join(folder, `${name}.csv`),
    `year,survival\n${survival.map((s, year) => `${year},${s}`).join('\n')}\n`,
  );
  const fitted = await fit('sbg', '--data', `${name}.csv`);
  expect(fitted.unit).toBe('periods');
  within(fitted.parameters, published, 0.01);
});
