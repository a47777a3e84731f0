/**
 * Made-up values of every shape are sent to every route that takes a body or a query, derived from the OpenAPI document that
 * the routes make of their contracts, and to every kind of job. Never a fault of the server.
 */
import { isDeepStrictEqual } from 'node:util';
import * as contracts from '@clove/contracts';
import { JOBS, JOB_PARTS, type JobKind, type Me, Question } from '@clove/contracts';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { type Seen, client, expectNothingInside, send, sendJson } from './support.js';

const SEED = 20_261_124;
const RUNS = 25;

type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
  items?: Schema;
};
type Parameter = { name: string; in: string; schema?: Schema };
type Operation = {
  operationId?: string;
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
};
type Document = { paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, Schema> } };

/** What programs trip over. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    '\u0000',
    '\ud800',
    "'; DROP TABLE jobs; --",
    '../../etc/passwd',
    '{{7*7}}',
    '${7*7}',
    '%00',
  ),
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    0,
    1e308,
    -1e308,
    5e-324,
    2 ** 53,
    [],
    {},
    [[[]]],
    '__proto__',
    '9999-12-31',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.double(),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Values near a schema: mostly of its shape, with parts that are not. */
function near(schema: Schema | undefined, of: Document, depth = 0): fc.Arbitrary<unknown> {
  if (schema === undefined || depth > 6) return odd;
  if (schema.$ref !== undefined) return near(of.components.schemas[schema.$ref.split('/').at(-1) ?? ''], of, depth + 1);
  const parts = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  const fitting = (): fc.Arbitrary<unknown> => {
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    if (parts !== undefined) return fc.oneof(...parts.map((part) => near(part, of, depth + 1)));
    switch ([schema.type].flat()[0]) {
      case 'string':
        return fc.oneof(
          fc.string({ maxLength: 30 }),
          fc.string({ unit: 'grapheme', maxLength: 30 }),
          fc.constant('clv'),
        );
      case 'integer':
        return fc.oneof(fc.integer({ min: 0, max: 100 }), fc.maxSafeInteger());
      case 'number':
        return fc.double({ noDefaultInfinity: true, noNaN: true });
      case 'boolean':
        return fc.boolean();
      case 'array':
        return fc.array(near(schema.items, of, depth + 1), { maxLength: 4 });
      case 'object': {
        if (schema.properties === undefined) return fc.dictionary(fc.string({ maxLength: 20 }), odd, { maxKeys: 4 });
        const fields = Object.entries(schema.properties).map(
          ([name, field]) => [name, near(field, of, depth + 1)] as const,
        );
        return fc.record(Object.fromEntries(fields), { requiredKeys: schema.required ?? [] });
      }
      default:
        return odd;
    }
  };
  return fc.oneof({ weight: 9, arbitrary: fitting() }, { weight: 1, arbitrary: odd });
}

/** Half surrogate pairs are nothing that an address can hold. */
const wellFormed = (text: string): string => text.replace(/\p{Cs}/gu, '?');

/** Ids that name nothing, and things that are no ids. */
const segment = fc.oneof(
  fc.constantFrom(
    'clv',
    '1',
    `ds_${'0'.repeat(22)}`,
    `job_${'0'.repeat(22)}`,
    `usr_${'0'.repeat(22)}`,
    '%00',
    '..%2f',
    '-1',
    '1e9',
  ),
  fc.string({ minLength: 1, maxLength: 20 }).map((text) => encodeURIComponent(wellFormed(text))),
);

const json = (value: unknown): string => JSON.stringify(value) ?? 'null';
const assertAnswered = ({ status, text }: Seen): void => {
  expect(status, text).toBeLessThan(500);
  expect([200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429]).toContain(status);
};

let document: Document;
let me: Me;
beforeAll(async () => {
  document = await client.get<Document>('/openapi.json');
  me = await client.get<Me>('/v1/me');
});

/** Long work is not wanted here, and the one who asks is to stay who they are. */
const LEFT_OUT = new Set([
  'logout',
  'signOutEverywhere',
  'changePassword',
  'startErasure',
  'startRun',
  'startLeaderboard',
  'generateDataset',
]);

describe('made-up requests', () => {
  test(`every operation answers every one of ${RUNS} of them, seed ${SEED}`, { timeout: 120_000 }, async () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );
    expect(operations.length).toBeGreaterThan(50);
    for (const { path, method, operation } of operations) {
      const body = operation.requestBody?.content['application/json']?.schema;
      const queries = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
      const placeholders = path.match(/\{[^}]+\}/g) ?? [];
      if (body === undefined && queries.length === 0 && placeholders.length === 0) continue;
      if (path.endsWith('/events')) continue;
      // A body that fits would be carried out; what it takes to make it not fit is one field that nobody reads.
      const harmless = LEFT_OUT.has(operation.operationId ?? '');
      await fc.assert(
        fc.asyncProperty(
          fc.tuple(...placeholders.map(() => segment)),
          near(body, document),
          fc.tuple(...queries.map(({ schema }) => fc.option(near(schema, document), { nil: undefined }))),
          async (segments, value, values) => {
            const asked = new URLSearchParams();
            for (const [n, one] of values.entries()) {
              if (one === undefined) continue;
              const text = typeof one === 'string' ? one : json(one);
              asked.set(queries[n]!.name, wellFormed(text));
            }
            let at = 0;
            const target = path.replaceAll(/\{[^}]+\}/g, () => String(segments[at++]));
            const sent =
              harmless && typeof value === 'object' && value !== null && !Array.isArray(value)
                ? { ...value, surplus: 1 }
                : value;
            if (harmless && sent === value && body === undefined) return;
            const where = `${target}?${asked.toString()}`;
            assertAnswered(body === undefined ? await send(method, where) : await sendJson(where, json(sent), method));
          },
        ),
        { seed: SEED, numRuns: RUNS, endOnFailure: true },
      );
    }
    expect((await client.get<Me>('/v1/me')).id).toBe(me.id);
    for (const { pid } of inject('stackProcesses')) expect(() => process.kill(pid, 0)).not.toThrow();
  });
});

describe('made-up jobs', () => {
  const payloads = { ...JOBS, ...JOB_PARTS } as Record<
    JobKind | keyof typeof JOB_PARTS,
    { payload: (typeof JOBS)[JobKind]['payload'] }
  >;

  test.each(Object.entries(payloads))(
    'a payload of %s is taken as it is or refused, never half taken',
    (_kind, { payload }) => {
      const value = fc.oneof(
        odd,
        fc.record({
          jobId: fc.oneof(odd, fc.constant(`job_${'0'.repeat(22)}`)),
          requestId: odd,
          datasetId: odd,
          shard: odd,
          step: odd,
        }),
      );
      fc.assert(
        fc.property(value, (given) => {
          const { success, data, error } = payload.safeParse(given);
          expectNothingInside(error?.message ?? '');
          expect(success).toBe(/^job_[0-9a-z]{22}$/.test(data?.jobId ?? ''));
        }),
        { seed: SEED, numRuns: 300 },
      );
    },
  );

  test('a question is taken as it is or refused', () => {
    fc.assert(
      fc.property(odd, (given) => {
        expect(Question.safeParse({ type: given }).success).toBe(false);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});

type Contract = { safeParse(value: unknown): { success: boolean; data?: unknown; error?: { message: string } } } & {
  toJSONSchema(how: object): Schema & { $defs?: Record<string, Schema> };
};
const isContract = (value: unknown): value is Contract =>
  typeof value === 'object' && value !== null && 'safeParse' in value && 'toJSONSchema' in value;
const CONTRACTS = Object.entries<unknown>(contracts).flatMap(([name, value]) =>
  isContract(value) ? [[name, value] as const] : [],
);
/** Texts of the environment become numbers and flags, which are no texts any more. */
const READS_TEXTS = /Env$/;

describe('every contract', () => {
  test('is among those that follow', () => {
    expect(CONTRACTS.length).toBeGreaterThan(100);
  });

  test.each(CONTRACTS)('%s: a made-up value is refused in words, or taken as what it then stays', (name, contract) => {
    const schema = contract.toJSONSchema({ io: 'input', unrepresentable: 'any' });
    const of: Document = { paths: {}, components: { schemas: schema.$defs ?? {} } };
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: near(schema, of) }, { weight: 1, arbitrary: odd }), (given) => {
        const { success, data, error } = contract.safeParse(given);
        expect(success).toBe(error === undefined);
        expectNothingInside(error?.message ?? '');
        if (success && !READS_TEXTS.test(name)) return isDeepStrictEqual(contract.safeParse(data).data, data);
        return true;
      }),
      { seed: SEED, numRuns: 100, endOnFailure: true },
    );
  });
});
