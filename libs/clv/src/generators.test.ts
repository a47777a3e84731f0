import { describe, expect, test } from 'vitest';
import { type GeneratedChunk, generateFeatureCustomers, generateTransactions } from './generators.js';
import { Rng } from './rng.js';

type Value = number | string;

/** All rows of a generator as arrays by column name. */
const collect = (chunks: Iterable<GeneratedChunk>): Map<string, Value[]> => {
  const all = new Map<string, Value[]>();
  for (const chunk of chunks)
    for (const column of chunk.columns) {
      const values = all.get(column.name) ?? [];
      for (let i = 0; i < chunk.rows; i += 1)
        values.push(column.kind === 'label' ? column.labels[column.codes[i]!]! : column.values[i]!);
      all.set(column.name, values);
    }
  return all;
};
const numbers = (all: Map<string, Value[]>, name: string) => all.get(name)! as number[];
const texts = (all: Map<string, Value[]>, name: string) => all.get(name)! as string[];
const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
const variance = (values: readonly number[]) => {
  const center = mean(values);
  return mean(values.map((x) => (x - center) ** 2));
};
const tally = (values: readonly Value[]) => {
  const counts = new Map<Value, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
};
/** How many standard deviations the chi-square of values lies above its mean, given their probabilities; below 5 where they fit. */
const misfit = (values: readonly Value[], shares: Map<Value, number>): number => {
  const counts = tally(values);
  if ([...counts.keys()].some((value) => !shares.has(value))) return Number.POSITIVE_INFINITY;
  let chiSquare = 0;
  for (const [value, share] of shares) {
    const expected = share * values.length;
    chiSquare += ((counts.get(value) ?? 0) - expected) ** 2 / expected;
  }
  const freedom = shares.size - 1;
  return (chiSquare - freedom) / Math.sqrt(2 * freedom);
};
const evenly = (from: number, to: number) =>
  new Map(Array.from({ length: to - from + 1 }, (_, i): [Value, number] => [from + i, 1 / (to - from + 1)]));

describe.each([
  ['features', generateFeatureCustomers],
  ['transactions', generateTransactions],
] as const)('%s', (_, generate) => {
  test('rows do not depend on the chunk size, and the same seed gives the same rows', () => {
    const whole = collect(generate(new Rng(3), 500));
    expect(collect(generate(new Rng(3), 500, 7))).toEqual(whole);
    expect(collect(generate(new Rng(3), 500))).toEqual(whole);
    expect(collect(generate(new Rng(4), 500))).not.toEqual(whole);
  });

  test('a smaller set is the beginning of a larger one', () => {
    const large = collect(generate(new Rng(3), 300));
    const small = collect(generate(new Rng(3), 100));
    for (const [name, values] of small) expect(large.get(name)!.slice(0, values.length)).toEqual(values);
  });

  test('chunks report their rows and the customers begun', () => {
    const chunks = [...generate(new Rng(3), 100, 16)];
    expect(chunks.slice(0, -1).every(({ rows }) => rows === 16)).toBe(true);
    expect(chunks.at(-1)!.customers).toBe(100);
    expect(chunks.every(({ customers }, i) => i === 0 || customers >= chunks[i - 1]!.customers)).toBe(true);
  });
});

describe('the 16-feature table', () => {
  const all = collect(generateFeatureCustomers(new Rng(42), 40_000));
  const n = 40_000;

  test('has its columns in order and no id', () => {
    expect([...all.keys()]).toEqual([
      'age',
      'gender',
      'total_orders',
      'avg_order_value',
      'days_since_first_purchase',
      'days_since_last_purchase',
      'total_page_views',
      'avg_session_duration',
      'bounce_rate',
      'return_rate',
      'category_diversity',
      'premium_category_ratio',
      'email_opens',
      'email_clicks',
      'promo_code_usage',
      'customer_segment',
      'clv',
    ]);
  });

  test('discrete features have their probabilities', () => {
    expect(misfit(all.get('age')!, evenly(18, 79))).toBeLessThan(5);
    expect(
      misfit(
        all.get('gender')!,
        new Map([
          ['M', 1 / 3],
          ['F', 1 / 3],
          ['Other', 1 / 3],
        ]),
      ),
    ).toBeLessThan(5);
    expect(misfit(all.get('days_since_first_purchase')!, evenly(0, 1094))).toBeLessThan(5);
    expect(misfit(all.get('days_since_last_purchase')!, evenly(0, 179))).toBeLessThan(5);
    expect(misfit(all.get('category_diversity')!, evenly(1, 9))).toBeLessThan(5);
    expect(
      misfit(
        all.get('promo_code_usage')!,
        new Map([
          [0, 0.7],
          [1, 0.3],
        ]),
      ),
    ).toBeLessThan(5);
    expect(
      misfit(
        all.get('customer_segment')!,
        new Map([
          ['A', 0.1],
          ['B', 0.3],
          ['C', 0.4],
          ['D', 0.2],
        ]),
      ),
    ).toBeLessThan(5);
  });

  test.each([
    ['total_orders', 5, 5],
    ['total_page_views', 50, 50],
    ['email_opens', 10, 10],
    ['email_clicks', 2, 2],
    ['bounce_rate', 2 / 7, 10 / (49 * 8)],
    ['return_rate', 0.3, 21 / (100 * 11)],
    ['premium_category_ratio', 0.4, 6 / (25 * 6)],
  ])('%s has the mean %f and the variance %f', (name, expectedMean, expectedVariance) => {
    const values = numbers(all, name);
    expect(Math.abs(mean(values) - expectedMean)).toBeLessThan(4 * Math.sqrt(expectedVariance / n));
    expect(Math.abs(variance(values) / expectedVariance - 1)).toBeLessThan(0.04);
  });

  test.each([
    ['avg_order_value', 3.5, 0.8],
    ['avg_session_duration', 4, 0.7],
  ])('%s is lognormal(%f, %f)', (name, mu, sigma) => {
    const logs = numbers(all, name).map(Math.log);
    expect(Math.abs(mean(logs) - mu)).toBeLessThan((4 * sigma) / Math.sqrt(n));
    expect(Math.abs(Math.sqrt(variance(logs)) / sigma - 1)).toBeLessThan(0.02);
  });

  test('an oracle that knows the function of the target reaches R² .736, RMSE 49.4 and MAE 39.5', () => {
    const clv = numbers(all, 'clv');
    const oracle = clv.map((_, i) =>
      Math.max(
        0,
        0.3 * numbers(all, 'total_orders')[i]! * numbers(all, 'avg_order_value')[i]! +
          0.01 * numbers(all, 'days_since_first_purchase')[i]! +
          0.5 * numbers(all, 'total_page_views')[i]! +
          0.2 * numbers(all, 'avg_session_duration')[i]! +
          10 * numbers(all, 'category_diversity')[i]!,
      ),
    );
    const squares = mean(clv.map((y, i) => (y - oracle[i]!) ** 2));
    expect(Math.abs(1 - squares / variance(clv) - 0.736)).toBeLessThan(0.02);
    expect(Math.abs(Math.sqrt(squares) - 49.4)).toBeLessThan(0.6);
    expect(Math.abs(mean(clv.map((y, i) => Math.abs(y - oracle[i]!))) - 39.5)).toBeLessThan(0.6);
    expect(Math.min(...clv)).toBe(0);
  });
});

describe('transactions', () => {
  const all = collect(generateTransactions(new Rng(42), 20_000));
  const ids = texts(all, 'customer_id');
  const orders = texts(all, 'order_id');
  const times = numbers(all, 'time');
  const amounts = numbers(all, 'amount');
  const DAY = 86_400_000;
  const start = Date.UTC(2023, 0, 1);
  const rowsOf = new Map<string, number[]>();
  for (const [i, id] of ids.entries()) rowsOf.set(id, [...(rowsOf.get(id) ?? []), i]);

  test('lie within 2023 and 2024, each customer in order of time, amounts in cents', () => {
    expect(times.every((time) => time >= start && time < Date.UTC(2025, 0, 1))).toBe(true);
    expect(times.every((time, i) => i === 0 || ids[i] !== ids[i - 1] || time >= times[i - 1]!)).toBe(true);
    expect(amounts.every((amount) => amount !== 0 && Math.abs(amount * 100 - Math.round(amount * 100)) < 1e-6)).toBe(
      true,
    );
    expect(rowsOf.size).toBe(20_000);
  });

  test('an order belongs to one customer, one moment and one sign', () => {
    const seen = new Map<string, string>();
    for (const [i, order] of orders.entries()) {
      const key = `${ids[i]} ${times[i]} ${Math.sign(amounts[i]!)}`;
      expect(seen.get(order) ?? key).toBe(key);
      seen.set(order, key);
    }
  });

  test('what is sent back was bought at least three days earlier by the same customer for the same amount', () => {
    const returns = amounts.flatMap((amount, i) => (amount < 0 ? [i] : []));
    expect(returns.length / amounts.length).toBeGreaterThan(0.03);
    expect(returns.length / amounts.length).toBeLessThan(0.09);
    const product = texts(all, 'product');
    for (const i of returns)
      expect(
        rowsOf
          .get(ids[i]!)!
          .some((k) => amounts[k] === -amounts[i]! && product[k] === product[i] && times[i]! - times[k]! >= 3 * DAY),
      ).toBe(true);
  });

  test('customers join evenly over the two years', () => {
    const joined = Array.from(rowsOf.values(), ([first]) => Math.floor((10 * (times[first!]! - start)) / DAY / 731));
    expect(misfit(joined, evenly(0, 9))).toBeLessThan(5);
  });

  test('repeat orders are as many as the Pareto/NBD expectation of Schmittlein, Morrison & Colombo says', () => {
    const [r, alpha, s, beta] = [0.8, 60, 1.2, 250];
    let expected = 0;
    let observed = 0;
    const perCustomer: number[] = [];
    for (const rows of rowsOf.values()) {
      const t = 731 - Math.floor((times[rows[0]!]! - start) / DAY);
      expected += ((r * beta) / (alpha * (s - 1))) * (1 - (beta / (beta + t)) ** (s - 1));
      const repeats = new Set(rows.flatMap((i) => (amounts[i]! > 0 ? [orders[i]] : []))).size - 1;
      observed += repeats;
      perCustomer.push(repeats);
    }
    expect(Math.abs(observed / expected - 1)).toBeLessThan(0.08);
    // Far more unequal than chance alone, and most early customers are gone at the end.
    expect(variance(perCustomer)).toBeGreaterThan(3 * mean(perCustomer));
    const early = [...rowsOf.values()].filter(([first]) => times[first!]! < start + 90 * DAY);
    const alive = early.filter((rows) => times[rows.at(-1)!]! > start + 641 * DAY);
    expect(alive.length / early.length).toBeLessThan(0.35);
    expect(alive.length / early.length).toBeGreaterThan(0.05);
  });

  test('December and Saturdays are busy, February and Tuesdays are not', () => {
    const repeats = times.filter((_, i) => amounts[i]! > 0 && i > 0 && ids[i] === ids[i - 1]);
    const months = tally(
      repeats.flatMap((time) => (time >= Date.UTC(2024, 0, 1) ? [new Date(time).getUTCMonth()] : [])),
    );
    expect(months.get(11)! / months.get(1)!).toBeGreaterThan(1.3);
    const days = tally(repeats.map((time) => new Date(time).getUTCDay()));
    expect(days.get(6)! / days.get(2)!).toBeGreaterThan(1.3);
  });

  test('customers differ in what they spend and what they like', () => {
    const spend = Array.from(rowsOf.values(), (rows) =>
      rows.flatMap((i) => (amounts[i]! > 0 ? [Math.log(amounts[i]!)] : [])),
    );
    const within = mean(spend.flatMap((logs) => (logs.length > 3 ? [variance(logs)] : [])));
    const between = variance(spend.flatMap((logs) => (logs.length > 3 ? [mean(logs)] : [])));
    expect(between).toBeGreaterThan(0.3 * within);
    const category = texts(all, 'category');
    const favourites = [...rowsOf.values()].flatMap((rows) =>
      rows.length < 8 ? [] : [Math.max(...tally(rows.map((i) => category[i]!)).values()) / rows.length],
    );
    expect(mean(favourites)).toBeGreaterThan(0.5);
    expect(new Set(category).size).toBe(8);
    expect(new Set(texts(all, 'product')).size).toBe(320);
    expect(texts(all, 'product').every((name, i) => name.startsWith(category[i]!))).toBe(true);
  });
});
