import type { Rng } from './rng.js';

/**
 * A column of generated rows. `integer` holds whole numbers, `time` milliseconds since 1970 in UTC. `label` is text out
 * of a short list: each row's code is its place in `labels`.
 */
export type GeneratedColumn =
  | { name: string; kind: 'number' | 'integer' | 'time'; values: Float64Array }
  | { name: string; kind: 'text'; values: string[] }
  | { name: string; kind: 'label'; codes: Uint16Array; labels: readonly string[] };

/** Consecutive generated rows. The columns, their order and their labels are the same in every chunk of a generator. */
export type GeneratedChunk = {
  rows: number;
  /** customers begun so far, this chunk included; for progress */
  customers: number;
  columns: readonly GeneratedColumn[];
};

/** Rows of a chunk unless the caller wishes otherwise: what DuckDB takes at once. */
const CHUNK_ROWS = 2048;

const GENDERS = ['M', 'F', 'Other'] as const;
const SEGMENTS = ['A', 'B', 'C', 'D'] as const;
/** Cumulative shares of the segments. */
const SEGMENT_BOUNDS = [0.1, 0.4, 0.8, 1] as const;

/**
 * Customers of the 16-feature table with their target `clv`: a known function of the features plus normal noise, floored at 0, so that the
 * best possible R² is known. One row a customer, no id column. The rows depend on the generator's state only, not on
 * `chunkRows`, and the first rows of a larger table are the rows of a smaller one.
 */
export function* generateFeatureCustomers(
  rng: Rng,
  customers: number,
  chunkRows: number = CHUNK_ROWS,
): Generator<GeneratedChunk, void, undefined> {
  for (let done = 0; done < customers; done += chunkRows) {
    const rows = Math.min(chunkRows, customers - done);
    const number = (name: string) => ({ name, kind: 'number' as const, values: new Float64Array(rows) });
    const integer = (name: string) => ({ name, kind: 'integer' as const, values: new Float64Array(rows) });
    const label = (name: string, labels: readonly string[]) => ({
      name,
      kind: 'label' as const,
      codes: new Uint16Array(rows),
      labels,
    });
    const age = integer('age');
    const gender = label('gender', GENDERS);
    const orders = integer('total_orders');
    const orderValue = number('avg_order_value');
    const first = integer('days_since_first_purchase');
    const last = integer('days_since_last_purchase');
    const views = integer('total_page_views');
    const session = number('avg_session_duration');
    const bounce = number('bounce_rate');
    const returns = number('return_rate');
    const diversity = integer('category_diversity');
    const premium = number('premium_category_ratio');
    const opens = integer('email_opens');
    const clicks = integer('email_clicks');
    const promo = integer('promo_code_usage');
    const segment = label('customer_segment', SEGMENTS);
    const clv = number('clv');
    for (let i = 0; i < rows; i += 1) {
      age.values[i] = 18 + rng.integer(62);
      gender.codes[i] = rng.integer(GENDERS.length);
      orders.values[i] = rng.poisson(5);
      orderValue.values[i] = Math.exp(3.5 + 0.8 * rng.normal());
      first.values[i] = rng.integer(1095);
      last.values[i] = rng.integer(180);
      views.values[i] = rng.poisson(50);
      session.values[i] = Math.exp(4 + 0.7 * rng.normal());
      bounce.values[i] = rng.beta(2, 5);
      returns.values[i] = rng.beta(3, 7);
      diversity.values[i] = 1 + rng.integer(9);
      premium.values[i] = rng.beta(2, 3);
      opens.values[i] = rng.poisson(10);
      clicks.values[i] = rng.poisson(2);
      promo.values[i] = rng.uniform() < 0.3 ? 1 : 0;
      const u = rng.uniform();
      segment.codes[i] = SEGMENT_BOUNDS.findIndex((bound) => u < bound);
      const expected =
        0.3 * orders.values[i]! * orderValue.values[i]! +
        0.01 * first.values[i]! +
        0.5 * views.values[i]! +
        0.2 * session.values[i]! +
        10 * diversity.values[i]!;
      clv.values[i] = Math.max(0, expected + 50 * rng.normal());
    }
    yield {
      rows,
      customers: done + rows,
      columns: [
        age,
        gender,
        orders,
        orderValue,
        first,
        last,
        views,
        session,
        bounce,
        returns,
        diversity,
        premium,
        opens,
        clicks,
        promo,
        segment,
        clv,
      ],
    };
  }
}

const DAY_MS = 86_400_000;
/** The generated calendar: fixed, so that the same seed means the same rows in any year. */
const FIRST_DAY_MS = Date.UTC(2023, 0, 1);
const DAYS = 731;
const END_MS = FIRST_DAY_MS + DAYS * DAY_MS;

/** Price level of each category, relative to the customer's own. */
const CATEGORIES: readonly { name: string; level: number }[] = [
  { name: 'books', level: 0.6 },
  { name: 'clothing', level: 1 },
  { name: 'shoes', level: 1.3 },
  { name: 'home', level: 1.1 },
  { name: 'garden', level: 0.9 },
  { name: 'toys', level: 0.7 },
  { name: 'electronics', level: 2.2 },
  { name: 'beauty', level: 0.8 },
];
const PRODUCTS_PER_CATEGORY = 40;
const CATEGORY_LABELS = CATEGORIES.map(({ name }) => name);
const PRODUCT_LABELS = CATEGORIES.flatMap(({ name }) =>
  Array.from({ length: PRODUCTS_PER_CATEGORY }, (_, i) => `${name}-${String(i + 1).padStart(2, '0')}`),
);
const PAYMENT_TYPES = ['card', 'wallet', 'invoice', 'voucher'] as const;
const PAYMENT_BOUNDS = [0.6, 0.8, 0.93, 1] as const;
const PLACES = [
  'Northport',
  'Eastham',
  'Milford',
  'Ashby',
  'Rivergate',
  'Stonebridge',
  'Lakeview',
  'Westbury',
  'Oakfield',
  'Hillcrest',
  'Fairhaven',
  'Kingsmere',
] as const;

/** Demand of each day relative to the busiest: a swell to Christmas, a slack February, busy week-ends. */
const DEMAND = Float64Array.from({ length: DAYS }, (_, day) => {
  const date = new Date(FIRST_DAY_MS + day * DAY_MS);
  const month = [0.94, 0.88, 0.96, 1, 1.02, 1, 0.96, 0.95, 1, 1.03, 1.14, 1.3][date.getUTCMonth()]!;
  const week = [1.2, 0.9, 0.85, 0.9, 0.95, 1.1, 1.3][date.getUTCDay()]!;
  return (month * week) / (1.3 * 1.3);
});
const MEAN_DEMAND = DEMAND.reduce((sum, x) => sum + x, 0) / DAYS;

/** Heterogeneity of the customers, in days and currency units; the parameters of Pareto/NBD and gamma-gamma models. */
const POPULATION = {
  /** purchases a day ~ gamma(shape)/scale: 1 in 75 days on average, very unequal */
  rateShape: 0.8,
  rateScale: 60,
  /** chance of leaving per day ~ gamma(shape)/scale: half have left after about 200 days */
  deathShape: 1.2,
  deathScale: 250,
  /** mean order value = spendScale / gamma(spendShape): 35 on average (the CDNOW fit of Fader & Hardie) */
  spendShape: 3.74,
  spendScale: 96.5,
  /** sd of the log of an order line around its expectation */
  spendNoise: 0.5,
  /** share of order lines sent back ~ beta(a, b): 6 % on average */
  returnA: 1.2,
  returnB: 18,
} as const;

const padded = (prefix: string, n: number, digits: number) => prefix + String(n).padStart(digits, '0');
const cents = (amount: number) => Math.max(0.01, Math.round(amount * 100) / 100);
const pick = (bounds: readonly number[], u: number) => bounds.findIndex((bound) => u < bound);

/** Rows of one customer in the making. */
type Line = { time: number; order: string; amount: number; product: number; payment: number; quantity: number };

/**
 * Order lines of heterogeneous buyers who die, between 2023-01-01 and 2024-12-31. Each customer joins on some day with
 * a first order, goes on buying at a rate of their own (a Poisson process, thinned by season and weekday), and leaves unnoticed after
 * an exponential lifetime; rates and lifetimes are gamma-mixed as in the Pareto/NBD model (Schmittlein, Morrison &
 * Colombo 1987), order values as in the gamma-gamma model (Fader & Hardie 2013) with lognormal noise. Tastes, payment
 * types and places differ by customer; some lines come back days later as negative amounts under an order number of
 * their own.
 *
 * Customer by customer, each in order of time. The rows depend on the generator's state only, not on `chunkRows`, and
 * the first customers of a larger set are those of a smaller one. Memory: one chunk and one customer.
 */
export function* generateTransactions(
  rng: Rng,
  customers: number,
  chunkRows: number = CHUNK_ROWS,
): Generator<GeneratedChunk, void, undefined> {
  let chunk = transactionChunk(chunkRows);
  let orders = 0;
  for (let customer = 1; customer <= customers; customer += 1) {
    const id = padded('C', customer, 7);
    const place = Math.floor(PLACES.length * rng.uniform() ** 1.7);
    const lines = linesOf(rng, () => padded('O', (orders += 1), 8));
    for (const line of lines) {
      const i = chunk.rows;
      chunk.ids[i] = id;
      chunk.orders[i] = line.order;
      chunk.times[i] = line.time;
      chunk.amounts[i] = line.amount;
      chunk.products[i] = line.product;
      chunk.categories[i] = Math.floor(line.product / PRODUCTS_PER_CATEGORY);
      chunk.payments[i] = line.payment;
      chunk.places[i] = place;
      chunk.quantities[i] = line.quantity;
      chunk.rows += 1;
      if (chunk.rows === chunkRows) {
        yield finished(chunk, customer);
        chunk = transactionChunk(chunkRows);
      }
    }
  }
  if (chunk.rows > 0) yield finished(chunk, customers);
}

/** All lines of the next customer, by time. */
const linesOf = (rng: Rng, nextOrder: () => string): Line[] => {
  const joined = rng.integer(DAYS);
  const rate = rng.gamma(POPULATION.rateShape) / POPULATION.rateScale;
  const lifetime = (rng.exponential() * POPULATION.deathScale) / rng.gamma(POPULATION.deathShape);
  const customer = {
    spend: POPULATION.spendScale / rng.gamma(POPULATION.spendShape),
    returning: rng.beta(POPULATION.returnA, POPULATION.returnB),
    favourite: rng.integer(CATEGORIES.length),
    second: rng.integer(CATEGORIES.length),
    payment: pick(PAYMENT_BOUNDS, rng.uniform()),
  };
  const lines: Line[] = [];
  // The rate of the thinned process is rate × DEMAND / MEAN_DEMAND: candidates come at its peak.
  const peak = rate / MEAN_DEMAND;
  const end = Math.min(DAYS, joined + lifetime);
  orderOn(rng, joined, customer, nextOrder, lines);
  for (let day = joined + rng.exponential() / peak; day < end; day += rng.exponential() / peak)
    if (rng.uniform() < DEMAND[Math.floor(day)]!) orderOn(rng, Math.floor(day), customer, nextOrder, lines);
  return lines.toSorted((a, b) => a.time - b.time);
};

type Buyer = { spend: number; returning: number; favourite: number; second: number; payment: number };

/** Adds one order of that day, and what is sent back of it later. */
const orderOn = (rng: Rng, day: number, buyer: Buyer, nextOrder: () => string, lines: Line[]): void => {
  // Between 8 and 22 o'clock, most in the afternoon.
  const seconds = Math.floor((8 + 7 * (rng.uniform() + rng.uniform())) * 3600);
  const time = FIRST_DAY_MS + day * DAY_MS + seconds * 1000;
  const order = nextOrder();
  const payment = rng.uniform() < 0.85 ? buyer.payment : pick(PAYMENT_BOUNDS, rng.uniform());
  const size = rng.uniform();
  const count = size < 0.72 ? 1 : size < 0.93 ? 2 : 3;
  const before = lines.length;
  for (let n = 0; n < count; n += 1) {
    const taste = rng.uniform();
    const category = taste < 0.55 ? buyer.favourite : taste < 0.8 ? buyer.second : rng.integer(CATEGORIES.length);
    const product = category * PRODUCTS_PER_CATEGORY + Math.floor(PRODUCTS_PER_CATEGORY * rng.uniform() ** 2);
    const many = rng.uniform();
    const quantity = many < 0.8 ? 1 : many < 0.94 ? 2 : 3;
    const noise = Math.exp(POPULATION.spendNoise * rng.normal() - POPULATION.spendNoise ** 2 / 2);
    const amount = cents((buyer.spend * CATEGORIES[category]!.level * noise) / count);
    lines.push({ time, order, amount, product, payment, quantity });
  }
  for (let n = 0; n < count; n += 1) {
    if (rng.uniform() >= buyer.returning) continue;
    const later = time + Math.floor((3 + 8 * rng.exponential()) * 86_400) * 1000;
    if (later >= END_MS) continue;
    const line = lines[before + n]!;
    lines.push({ ...line, time: later, order: nextOrder(), amount: -line.amount, quantity: -line.quantity });
  }
};

const transactionChunk = (rows: number) => ({
  rows: 0,
  ids: [] as string[],
  orders: [] as string[],
  times: new Float64Array(rows),
  amounts: new Float64Array(rows),
  products: new Uint16Array(rows),
  categories: new Uint16Array(rows),
  payments: new Uint16Array(rows),
  places: new Uint16Array(rows),
  quantities: new Float64Array(rows),
});

const finished = (chunk: ReturnType<typeof transactionChunk>, customers: number): GeneratedChunk => {
  const { rows } = chunk;
  return {
    rows,
    customers,
    columns: [
      { name: 'customer_id', kind: 'text', values: chunk.ids },
      { name: 'order_id', kind: 'text', values: chunk.orders },
      { name: 'time', kind: 'time', values: chunk.times.subarray(0, rows) },
      { name: 'amount', kind: 'number', values: chunk.amounts.subarray(0, rows) },
      { name: 'product', kind: 'label', codes: chunk.products.subarray(0, rows), labels: PRODUCT_LABELS },
      { name: 'category', kind: 'label', codes: chunk.categories.subarray(0, rows), labels: CATEGORY_LABELS },
      { name: 'payment_type', kind: 'label', codes: chunk.payments.subarray(0, rows), labels: PAYMENT_TYPES },
      { name: 'place', kind: 'label', codes: chunk.places.subarray(0, rows), labels: PLACES },
      { name: 'quantity', kind: 'integer', values: chunk.quantities.subarray(0, rows) },
    ],
  };
};
